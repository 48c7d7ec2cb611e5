import Synchronization

/// A clock that stands still until the test moves it.
package final class ManualClock: Clock, Sendable {
    package struct Instant: InstantProtocol {
        package var offset: Duration
        package func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        package func duration(to other: Instant) -> Duration { other.offset - offset }
        package static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        let due: Instant
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var sleepers: [Int: Sleeper] = [:]
        var last = 0
        var watchers: [(atLeast: Int, CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var now: Instant { state.withLock { $0.now } }
    package var minimumResolution: Duration { .nanoseconds(1) }
    /// How many sleep now.
    package var sleepers: Int { state.withLock { $0.sleepers.count } }
    /// The time until the first of them wakes.
    package var nextDue: Duration? {
        state.withLock { state in state.sleepers.values.map { state.now.duration(to: $0.due) }.min() }
    }

    package func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                enum Next { case slept, cancelled, sleeps([CheckedContinuation<Void, Never>]) }
                let next: Next = state.withLock { state in
                    if Task.isCancelled { return .cancelled }
                    if deadline <= state.now { return .slept }
                    state.sleepers[id] = Sleeper(due: deadline, continuation: continuation)
                    let count = state.sleepers.count
                    let ready = state.watchers.filter { $0.atLeast <= count }.map(\.1)
                    state.watchers.removeAll { $0.atLeast <= count }
                    return .sleeps(ready)
                }
                switch next {
                case .slept: continuation.resume(returning: true)
                case .cancelled: continuation.resume(returning: false)
                case .sleeps(let ready): for watcher in ready { watcher.resume() }
                }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume(returning: false)
        }
        if !isOver { throw CancellationError() }
    }

    /// Moves the time and wakes those whose time has come, in order.
    package func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let now = state.now
            let due = state.sleepers.filter { $0.value.due <= now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { ($0.value.due, $0.key) < ($1.value.due, $1.key) }.map(\.value)
        }
        for sleeper in due { sleeper.continuation.resume(returning: true) }
    }

    /// Waits until so many sleep.
    package func sleepersReach(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }
}
