package import Jobs
package import Lines
package import Stores
import Synchronization

/// Wakes whoever waits for a job or for an event: one registration a waiter, no thread and no poll.
///
/// It holds nothing that a restart would miss: after a wake-up the waiter reads the store.
package final class JobWatch: Sendable {
    private struct State {
        var jobs: [JobID: [ObjectIdentifier: Waiter]] = [:]
        var anyEvent: [ObjectIdentifier: Waiter] = [:]
        var lastSequence: Int64 = 0
    }

    private let state = Mutex(State())
    private let loops: EventLoopGroup

    package init(store: any JobStore, loops: EventLoopGroup) {
        self.loops = loops
        store.observe { [weak self] changes in self?.committed(changes) }
    }

    /// Waiters at the moment, for the metrics.
    package var count: Int {
        state.withLock { state in state.jobs.values.reduce(state.anyEvent.count) { $0 + $1.count } }
    }

    /// Waits until `satisfied` holds for the job, or it is final, or time is up.
    /// - Returns: the job as it then is; nil when there is none.
    package func job(
        _ id: JobID, in store: any JobStore, within limit: Duration, until satisfied: @Sendable (Job) -> Bool
    ) async throws(StoreError) -> Job? {
        let end = ContinuousClock.now.advanced(by: limit)
        while true {
            let waiter = Waiter()
            state.withLock { $0.jobs[id, default: [:]][ObjectIdentifier(waiter)] = waiter }
            defer { forget(waiter, of: id) }
            guard let job = try await store.job(id) else { return nil }
            let left = ContinuousClock.now.duration(to: end)
            if satisfied(job) || job.state.isFinal || left <= .zero || Task.isCancelled { return job }
            await wait(waiter, for: left)
        }
    }

    /// Waits for an event after `sequence` (of one job, or any), or until time is up.
    package func event(after sequence: Int64, of job: JobID?, within limit: Duration) async {
        let waiter = Waiter()
        let isThere = state.withLock { state in
            if let job {
                state.jobs[job, default: [:]][ObjectIdentifier(waiter)] = waiter
                return false
            }
            if state.lastSequence > sequence { return true }
            state.anyEvent[ObjectIdentifier(waiter)] = waiter
            return false
        }
        if isThere { return }
        defer { forget(waiter, of: job) }
        await wait(waiter, for: limit)
    }

    private func wait(_ waiter: Waiter, for limit: Duration) async {
        let timer = loops.next().schedule(after: limit) { waiter.wake() }
        await withTaskCancellationHandler {
            await waiter.woken()
        } onCancel: {
            waiter.wake()
        }
        timer.cancel()
    }

    private func forget(_ waiter: Waiter, of job: JobID?) {
        state.withLock { state in
            guard let job else {
                state.anyEvent[ObjectIdentifier(waiter)] = nil
                return
            }
            state.jobs[job]?[ObjectIdentifier(waiter)] = nil
            if state.jobs[job]?.isEmpty == true { state.jobs[job] = nil }
        }
    }

    private func committed(_ changes: [Committed]) {
        let woken = state.withLock { state in
            var woken: [Waiter] = []
            for change in changes {
                if let sequence = change.event?.sequence { state.lastSequence = max(state.lastSequence, sequence) }
                if let job = change.job, let waiters = state.jobs[job.id] { woken += waiters.values }
            }
            if changes.contains(where: { $0.event != nil }) { woken += state.anyEvent.values }
            return woken
        }
        for waiter in woken { waiter.wake() }
    }
}

/// Woken once, from anywhere, before or after somebody waits.
private final class Waiter: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Void, Never>)
        case woken
    }

    private let state = Mutex(State.idle)

    func wake() {
        let continuation: CheckedContinuation<Void, Never>? = state.withLock { state in
            defer { state = .woken }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume()
    }

    func woken() async {
        await withCheckedContinuation { continuation in
            let isWoken = state.withLock { state in
                if case .woken = state { return true }
                state = .waiting(continuation)
                return false
            }
            if isWoken { continuation.resume() }
        }
    }
}
