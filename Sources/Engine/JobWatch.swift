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
        /// Woken by commits that they choose.
        var choosing: [ObjectIdentifier: (waiter: Waiter, wants: @Sendable (Committed) -> Bool)] = [:]
        /// Those of `jobs` that also want to know when output has grown.
        var readers: [JobID: [ObjectIdentifier: Waiter]] = [:]
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
        state.withLock { state in
            state.jobs.values.reduce(state.anyEvent.count + state.choosing.count) { $0 + $1.count }
        }
    }

    /// Waits until `satisfied` holds for the job, or it is final, or time is up.
    ///
    /// - Parameter satisfied: also asked on the store's thread: it must be quick.
    /// - Returns: the job as it then is; nil when there is none.
    package func job(
        _ id: JobID, in store: any JobStore, within limit: Duration, until satisfied: @escaping @Sendable (Job) -> Bool
    ) async throws(StoreError) -> Job? {
        let end = ContinuousClock.now.advanced(by: limit)
        // What a job passes on its way there wakes nobody.
        let isWorthALook: @Sendable (Job) -> Bool = { satisfied($0) || $0.state.isFinal }
        while true {
            let waiter = Waiter(wants: isWorthALook)
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

    /// As `subscribe`, and wakes also when output of the job has grown.
    package func subscribe(toOutputOf job: JobID) -> Subscription {
        let waiter = Waiter()
        state.withLock { state in
            state.jobs[job, default: [:]][ObjectIdentifier(waiter)] = waiter
            state.readers[job, default: [:]][ObjectIdentifier(waiter)] = waiter
        }
        return Subscription(waiter: waiter, job: job, watch: self)
    }

    func outputHasGrown(of job: JobID) {
        let woken = state.withLock { state in state.readers[job].map { Array($0.values) } ?? [] }
        for waiter in woken { waiter.wake() }
    }

    /// Registers for as long as what is returned lives: no event is missed between two looks at the store.
    /// - Parameter job: nil: any event.
    package func subscribe(to job: JobID?) -> Subscription {
        let waiter = Waiter()
        state.withLock { state in
            if let job {
                state.jobs[job, default: [:]][ObjectIdentifier(waiter)] = waiter
            } else {
                state.anyEvent[ObjectIdentifier(waiter)] = waiter
            }
        }
        return Subscription(waiter: waiter, job: job, watch: self)
    }

    /// Registers for commits that `wants` picks; it is asked on the store's thread and must be quick.
    package func subscribe(where wants: @escaping @Sendable (Committed) -> Bool) -> Subscription {
        let waiter = Waiter()
        state.withLock { $0.choosing[ObjectIdentifier(waiter)] = (waiter, wants) }
        return Subscription(waiter: waiter, job: nil, watch: self)
    }

    /// One stream's registration. One user at a time.
    package final class Subscription: Sendable {
        private let waiter: Waiter
        private let job: JobID?
        private let watch: JobWatch

        fileprivate init(waiter: Waiter, job: JobID?, watch: JobWatch) {
            self.waiter = waiter
            self.job = job
            self.watch = watch
        }

        deinit { watch.forget(waiter, of: job) }

        /// Waits for a commit since the last call returned, or until time is up, or the task is cancelled.
        package func next(within limit: Duration) async {
            await watch.wait(waiter, for: limit)
            waiter.rest()
        }
    }

    /// Wakes everyone who waits, so that they look at what has changed: the gateway is stopping.
    package func wakeAll() {
        let all = state.withLock { state in
            state.jobs.values.flatMap(\.values) + state.anyEvent.values + state.choosing.values.map(\.waiter)
        }
        for waiter in all { waiter.wake() }
    }

    private func wait(_ waiter: Waiter, for limit: Duration) async {
        let timer = loops.nearest().schedule(after: limit) { waiter.wake() }
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
                state.choosing[ObjectIdentifier(waiter)] = nil
                return
            }
            state.jobs[job]?[ObjectIdentifier(waiter)] = nil
            if state.jobs[job]?.isEmpty == true { state.jobs[job] = nil }
            state.readers[job]?[ObjectIdentifier(waiter)] = nil
            if state.readers[job]?.isEmpty == true { state.readers[job] = nil }
        }
    }

    private func committed(_ changes: [Committed]) {
        let woken = state.withLock { state in
            var woken: [Waiter] = []
            for change in changes {
                if let sequence = change.event?.sequence { state.lastSequence = max(state.lastSequence, sequence) }
                if let job = change.job, let waiters = state.jobs[job.id] {
                    woken += waiters.values.filter { $0.wants?(job) ?? true }
                }
            }
            if changes.contains(where: { $0.event != nil }) { woken += state.anyEvent.values }
            for choosing in state.choosing.values where changes.contains(where: choosing.wants) {
                woken.append(choosing.waiter)
            }
            return woken
        }
        for waiter in woken { waiter.wake() }
    }
}

/// Woken from anywhere, before or after somebody waits; once, until `rest`.
private final class Waiter: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Void, Never>)
        case woken
    }

    /// Which changes of its job wake it; nil: each.
    let wants: (@Sendable (Job) -> Bool)?
    private let state = Mutex(State.idle)

    init(wants: (@Sendable (Job) -> Bool)? = nil) { self.wants = wants }

    func wake() {
        let continuation: CheckedContinuation<Void, Never>? = state.withLock { state in
            defer { state = .woken }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume()
    }

    /// Ready for the next wake-up.
    func rest() { state.withLock { $0 = .idle } }

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
