import Dispatch
import Foundation
package import Jobs
package import Logging
import Synchronization

/// The keys of one issuer, read off every request's path by a thread of their own: libcurl blocks, and nobody waits for it.
package final class KeySetKeeper: Sendable {
    package let place: KeySetPlace
    private let clock: WallClock
    private let log: Logger
    private let state = Mutex(State())
    private let poke = DispatchSemaphore(value: 0)

    private struct State {
        var schedule = KeySetSchedule()
        var keys: KeySet?
        /// Grows with each set that was taken.
        var generation = 0
        var isStopped = false
    }

    package init(_ place: KeySetPlace, clock: WallClock = .system, log: Logger) {
        self.place = place
        self.clock = clock
        self.log = log
    }

    /// The keys and which set that is; nil before the first could be read.
    package var keys: (set: KeySet, generation: Int)? {
        state.withLock { state in state.keys.map { ($0, state.generation) } }
    }

    /// A token names a key that is not there.
    ///
    /// - Returns: whether it may be there in a moment.
    package func keyMissed() -> Bool {
        let now = clock.now()
        let isComing = state.withLock { $0.schedule.keyMissed(at: now) }
        if isComing { poke.signal() }
        return isComing
    }

    /// Reads the keys if they are due.
    ///
    /// - Returns: how long until they are due again.
    @discardableResult
    package func readIfDue() -> Duration {
        let now = clock.now()
        let wait = state.withLock { state -> Duration? in
            guard let due = state.schedule.due(at: now) else { return KeySetSchedule.leastPause }
            if due > now { return now.duration(to: due) }
            state.schedule.begun(at: now)
            return nil
        }
        if let wait { return wait }
        switch place.fetch().flatMap({ fetched in
            Result { try KeySet(parsing: fetched.body) }
                .map { ($0, fetched.maxAge) }.mapError { FetchFault(description: "\($0)") }
        }) {
        case .success(let (keys, maxAge)):
            let end = clock.now()
            let isFirst = state.withLock { state in
                state.schedule.succeeded(maxAge: maxAge, at: end)
                state.generation += 1
                defer { state.keys = keys }
                return state.keys == nil
            }
            log.log(
                level: isFirst ? .notice : .debug, "the keys of an issuer were read",
                metadata: [
                    "from": "\(place)", "keys": "\(keys.count)",
                    "left_out": "\(keys.leftOut.joined(separator: "; "))",
                ])
        case .failure(let fault):
            let end = clock.now()
            let hasKeys = state.withLock { state in
                state.schedule.failed(at: end)
                return state.keys != nil
            }
            log.warning(
                "the keys of an issuer could not be read",
                metadata: ["from": "\(place)", "why": "\(fault)", "older_keys": "\(hasKeys)"])
        }
        return .zero
    }

    /// Keeps the keys fresh until `stop`. The thread ends after what it reads then, 10 s later at most; nothing waits for it.
    package func start() {
        let thread = Thread { [self] in
            while !state.withLock({ $0.isStopped }) {
                let wait = readIfDue()
                guard wait > .zero else { continue }
                // The clock of the wall may be set while we wait for a moment on it.
                _ = poke.wait(timeout: .now() + .milliseconds(Int(min(wait, .seconds(60)) / .milliseconds(1)) + 1))
            }
        }
        thread.name = "keys"
        thread.start()
    }

    package func stop() {
        state.withLock { $0.isStopped = true }
        poke.signal()
    }
}
