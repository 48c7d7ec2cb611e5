package import Jobs
import Synchronization

/// Runs the `Pool` of one host: opens, watches and closes its sessions, hands out leases.
///
/// `run` holds every task; the other calls may come from anywhere. The machine decides under the lock, what it decided is
/// done outside.
package final class StationPool: Sendable {
    private enum Work: Sendable {
        case hold(SessionID, any Station)
        case signOff(any Station)
        case sleep(until: Duration)
        case grace(Duration)
        case finish
    }

    private struct State {
        var pool: Pool
        var stations: [SessionID: any Station] = [:]
        var waiters: [LeaseID: CheckedContinuation<Result<Lease, StationError>, Never>] = [:]
        var fates: [LeaseID: Lease.Fate] = [:]
        var lastLease = 0
        /// The earliest sleep under way.
        var alarmAt: Duration?
        /// Who gives the host's notices.
        var watcher: SessionID?
        /// Sessions that failed, by the kind of error.
        var errors: [String: Int] = [:]
        var isFinished = false
        var finishWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>
    private let makeStation: @Sendable (SessionID) -> any Station
    private let ticker: Ticker
    private let queue: ReportQueue
    /// Bounded by the sessions there can be.
    private let work: AsyncStream<Work>
    private let order: AsyncStream<Work>.Continuation
    /// Bounded by the pauses between tries.
    private let changes: AsyncStream<HostChange>
    private let announce: AsyncStream<HostChange>.Continuation
    private let changed: @Sendable (HostChange) async -> Void

    /// - Parameters:
    ///   - refused: a refusal of the credentials stored earlier; nothing is tried until `operatorActed`.
    ///   - seed: of the random part of pauses.
    ///   - longestReportQueue: reports that wait for the taker; beyond, they become one `gap`.
    ///   - changed: hears in order that the host is up, down, refused the credentials; what it does delays only itself.
    ///   - makeStation: a fresh station, not signed on yet.
    package init(
        _ settings: Pool.Settings, refused: String? = nil, seed: UInt64 = .random(in: .min ... .max),
        clock: any Clock<Duration> = ContinuousClock(), longestReportQueue: Int = 8192,
        changed: @escaping @Sendable (HostChange) async -> Void = { _ in },
        makeStation: @escaping @Sendable (SessionID) -> any Station
    ) {
        state = Mutex(State(pool: Pool(settings, refused: refused, seed: seed)))
        self.makeStation = makeStation
        self.changed = changed
        ticker = Ticker(clock)
        queue = ReportQueue(capacity: longestReportQueue)
        (work, order) = AsyncStream.makeStream()
        (changes, announce) = AsyncStream.makeStream()
    }

    // MARK: calls

    /// Waits for a slot, however long; why it waits says `status`.
    ///
    /// - Throws: `.closed` when the pool stops, or the task that waits is cancelled.
    package func lease(
        owner: Owner, priority: Int, submittedAt: Timestamp, purpose: LeasePurpose
    ) async throws(StationError) -> Lease {
        let id = state.withLock { state in
            state.lastLease += 1
            return LeaseID(state.lastLease)
        }
        let want = Want(lease: id, owner: owner, priority: priority, submittedAt: submittedAt, purpose: purpose)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // A cancellation before this check is seen here; one after it finds the waiter.
                handle(.wanted(want)) { state in
                    if Task.isCancelled || state.isFinished { return false }
                    state.waiters[id] = continuation
                    return true
                } otherwise: {
                    continuation.resume(returning: .failure(.closed))
                }
            }
        } onCancel: {
            withdraw(id)
        }
        return try result.get()
    }

    /// A lease for the time of `body`.
    package func withLease<Result>(
        owner: Owner, priority: Int, submittedAt: Timestamp, purpose: LeasePurpose,
        _ body: (Lease) async throws -> Result
    ) async throws -> Result {
        let lease = try await lease(owner: owner, priority: priority, submittedAt: submittedAt, purpose: purpose)
        defer { lease.release() }
        return try await body(lease)
    }

    /// What the host can do, as its sessions that are up found it; nil while there is none.
    package var abilities: Abilities? {
        state.withLock { state in state.stations.first { state.pool.isUp($0.key) }?.value.abilities }
    }

    package var status: PoolStatus { state.withLock { $0.pool.status(at: ticker.elapsed()) } }

    /// Sessions that failed or did not come to be since the pool began, by the kind of error.
    package var errors: [String: Int] { state.withLock { $0.errors } }

    /// A session is there that gets the host's notices.
    package var hasNotices: Bool { state.withLock { $0.watcher != nil } }

    /// What the host says unasked, over whichever session. One taker. Ends when the pool has stopped.
    package var reports: AsyncStream<PooledReport> { queue.reports }

    /// Somebody mended what was refused, gave new credentials, or wants a host that is down tried now.
    package func operatorActed() { handle(.operatorActed) }

    package func drain() { handle(.drained) }
    package func resume() { handle(.resumed) }

    /// No more leases; waits until those that are out came back, `grace` at most, and all sessions are closed.
    package func stop(grace: Duration = .seconds(10)) async {
        order.yield(.grace(grace))
        handle(.stopped)
        await withCheckedContinuation { continuation in
            let over = state.withLock { state in
                if !state.isFinished { state.finishWaiters.append(continuation) }
                return state.isFinished
            }
            if over { continuation.resume() }
        }
    }

    // MARK: the run

    /// Returns when the pool has stopped. Cancelled: as `stop` without grace. To be called once.
    package func run() async {
        async let telling: Void = tellChanges()
        await withDiscardingTaskGroup { group in
            handle(.opened)
            loop: for await piece in work {
                switch piece {
                case .hold(let id, let station): group.addTask { await self.hold(station, as: id) }
                case .signOff(let station): group.addTask { await station.signOff() }
                case .sleep(let due): group.addTask { await self.sleep(until: due) }
                case .grace(let time):
                    group.addTask {
                        try? await self.ticker.sleep(time)
                        self.handle(.graceEnded)
                    }
                case .finish: break loop
                }
            }
            // Here after the last session, or cancelled: then the tasks that hold the sessions close them.
            handle(.stopped)
            handle(.graceEnded)
            group.cancelAll()
        }
        // Sessions whose task was never begun, because the cancellation came between the decision and the task.
        for id in state.withLock({ Array($0.stations.keys) }) {
            handle(.signOnFailed(id, .closed))
            handle(.sessionEnded(id, .closed))
        }
        order.finish()
        announce.finish()
        queue.end()
        await telling
    }

    private func tellChanges() async {
        for await change in changes { await changed(change) }
    }

    private func sleep(until due: Duration) async {
        do { try await ticker.sleep(max(.zero, due - ticker.elapsed())) } catch { return }
        state.withLock { if $0.alarmAt == due { $0.alarmAt = nil } }
        handle(.timePassed)
    }

    /// The life of one session, from sign-on until its line is gone.
    private func hold(_ station: any Station, as id: SessionID) async {
        do throws(StationError) {
            try await station.signOn()
        } catch {
            handle(.signOnFailed(id, error))
            return
        }
        handle(.signedOn(id, window: station.window, mostSessions: station.sessionLimit))
        await watch()
        var end = StationError.closed
        for await report in station.reports {
            if case .lineDown(let error) = report { end = error }
            queue.put(.report(report, from: id))
        }
        if Task.isCancelled { await station.signOff() }
        handle(.sessionEnded(id, end))
        state.withLock { if $0.watcher == id { $0.watcher = nil } }
        if !Task.isCancelled { await watch() }
    }

    /// One session asks for the notices about all jobs; when it is gone, another.
    private func watch() async {
        while true {
            let chosen = state.withLock { state -> (SessionID, any Station)? in
                guard state.watcher == nil else { return nil }
                let able = state.stations.filter { state.pool.isUp($0.key) && $0.value.abilities.contains(.notices) }
                guard let chosen = able.min(by: { $0.key < $1.key }) else { return nil }
                state.watcher = chosen.key
                return chosen
            }
            guard let (id, station) = chosen else { return }
            do throws(StationError) {
                try await station.watchAll()
                queue.put(.gap)
                return
            } catch .refused, .lacks {
                return  // it stays the watcher, without notices: asking others would be refused as well
            } catch {
                state.withLock { if $0.watcher == id { $0.watcher = nil } }
                // Its line is going down: the next turn must not choose it again.
                handle(.sessionEnded(id, error))
                await station.signOff()
            }
        }
    }

    // MARK: between the machine and the world

    private func withdraw(_ id: LeaseID) {
        let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
        guard let waiter else { return }  // not there yet, or granted already
        handle(.withdrawn(id))
        waiter.resume(returning: .failure(.closed))
    }

    private func handle(_ event: Pool.Event) { handle(event, if: { _ in true }, otherwise: {}) }

    private func handle(
        _ event: Pool.Event, if prepare: (inout State) -> Bool, otherwise: () -> Void
    ) {
        var resumptions: [(CheckedContinuation<Result<Lease, StationError>, Never>, Result<Lease, StationError>)] = []
        var finished: [CheckedContinuation<Void, Never>] = []
        let isTaken = state.withLock { state in
            guard prepare(&state) else { return false }
            let now = ticker.elapsed()
            switch event {
            case .sessionEnded(let id, let error), .signOnFailed(let id, let error):
                let isFirst = state.stations.removeValue(forKey: id) != nil
                if isFirst, error != .closed { state.errors[error.kind, default: 0] += 1 }
            default: break
            }
            if case .released(let id) = event { state.fates[id] = nil }
            for action in state.pool.handle(event, at: now) {
                switch action {
                case .connect(let id):
                    let station = makeStation(id)
                    state.stations[id] = station
                    order.yield(.hold(id, station))
                case .signOff(let id):
                    if let station = state.stations[id] { order.yield(.signOff(station)) }
                case .grant(let id, let session, slot: _):
                    guard let station = state.stations[session] else { break }
                    // Without a waiter it was withdrawn at this moment, and `withdrawn` follows, which gives it back.
                    guard let waiter = state.waiters.removeValue(forKey: id) else { break }
                    resumptions.append((waiter, .success(lend(id, station, session, &state))))
                case .deny(let id, let error):
                    if let waiter = state.waiters.removeValue(forKey: id) {
                        resumptions.append((waiter, .failure(error)))
                    }
                case .end(let id, let error):
                    state.fates.removeValue(forKey: id)?.error.withLock { $0 = error }
                case .announce(let change): announce.yield(change)
                case .finish:
                    state.isFinished = true
                    finished = state.finishWaiters
                    state.finishWaiters = []
                    order.yield(.finish)
                }
            }
            if let due = state.pool.wakeAt, state.alarmAt.map({ due < $0 }) ?? true {
                state.alarmAt = due
                order.yield(.sleep(until: due))
            }
            return true
        }
        if !isTaken { otherwise() }
        for (waiter, result) in resumptions { waiter.resume(returning: result) }
        for waiter in finished { waiter.resume() }
    }

    private func lend(_ id: LeaseID, _ station: any Station, _ session: SessionID, _ state: inout State) -> Lease {
        let fate = Lease.Fate()
        state.fates[id] = fate
        return Lease(id: id, station: station, session: session, fate: fate) { [weak self] in
            self?.handle(.released(id))
        }
    }
}
