package import Jobs
package import Logging
import Stations
package import Stores
import Synchronization

/// Everything that happens with the jobs of one host: sending, settling, following, collecting.
///
/// All it holds in memory is which jobs are in hand; after a crash `run` finds the same work in the store.
package final class HostRunner: Sendable {
    package struct Settings: Sendable {
        /// Jobs that wait for a station at once; the rest waits in the store.
        package var mostSending = 512
        /// Jobs whose output is taken at once.
        package var mostCollecting = 128
        /// The longest time between two questions for the state of a followed job, on a host that sends notices.
        package var statusPause = Duration.seconds(60)
        /// The first such question, and each on a host without notices.
        package var pollPause = Duration.seconds(2)
        /// Between looks into the store for jobs whose `notBefore` has come.
        package var storePause = Duration.seconds(5)
        /// After the host said that it cannot take jobs now; doubles up to 30 times of it.
        package var busyPause = Duration.seconds(2)
        package init() {}
    }

    enum Order: Sendable {
        case send(JobID)
        case settle(JobID)
        case running(JobID)
        case collect(JobID, JobNumber, Outcome)
        case cancel(JobID, JobNumber)
        case ousted(JobID)
        case lookForWork
        case check([(number: JobNumber, job: JobID)])
        case reconcile
    }

    struct State {
        /// Jobs with a task of ours: being sent or settled.
        var inHand: Set<JobID> = []
        /// The store has queued jobs that found no place in hand.
        var hasBacklog = true
        var isLooking = false
        var follower = Follower()
        var collecting = 0
        var collectLater: [Order] = []
        var isReconciling = false
        var reconcileAgain = false
        var busyTries = 0
    }

    package let host: HostProfile
    let store: any JobStore
    let clock: WallClock
    let sleeper: any Clock<Duration>
    let settings: Settings
    let log: Logger
    let state = Mutex(State())
    private let orders: AsyncStream<Order>
    private let order: AsyncStream<Order>.Continuation

    package init(
        host: HostProfile, store: any JobStore, clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), settings: Settings = Settings(), log: Logger
    ) {
        self.host = host
        self.store = store
        self.clock = clock
        self.sleeper = sleeper
        self.settings = settings
        var log = log
        log[metadataKey: "host"] = "\(host.id)"
        self.log = log
        // bounded by what is in hand and followed
        (orders, order) = AsyncStream.makeStream()
    }

    /// Recovers what an earlier run left, then works until cancelled. The pool runs inside.
    package func run() async {
        await recover()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.host.pool.run() }
            group.addTask { await self.takeReports() }
            group.addTask { await self.tick() }
            for await order in orders {
                group.addTask { await self.perform(order) }
            }
            group.cancelAll()
        }
    }

    /// Sends nothing more; lets what is under way end, `grace` at most. `run` returns afterwards.
    package func stop(grace: Duration) async {
        await host.pool.stop(grace: grace)
        order.finish()
    }

    /// Jobs of this host changed; called on the store's thread.
    func committed(_ job: Job) {
        switch job.state {
        case .queued where job.notBefore.map { $0 <= clock.now() } ?? true:
            take(job.id)
        case .sending, .uncertain, .submitted, .running, .printing:
            if job.cancelRequestedAt != nil, job.state.isAtHost, let number = job.hostJob {
                order.yield(.cancel(job.id, number))
            }
        case .queued, .held, .completed, .failed, .rejected, .canceled, .expired, .purged: break
        }
    }

    func yield(_ next: Order) { order.yield(next) }

    /// The job may have been looked at while it was in hand: whoever lets go of it looks again.
    private func take(_ id: JobID) {
        let isTaken = state.withLock { state in
            guard state.inHand.count < settings.mostSending else {
                state.hasBacklog = true
                return false
            }
            return state.inHand.insert(id).inserted
        }
        if isTaken { order.yield(.send(id)) }
    }

    func letGo(_ id: JobID) {
        let shouldLook = state.withLock { state in
            state.inHand.remove(id)
            return state.hasBacklog && !state.isLooking && state.inHand.count <= settings.mostSending / 2
        }
        if shouldLook { order.yield(.lookForWork) }
    }

    private func perform(_ order: Order) async {
        switch order {
        case .send(let id): await send(id)
        case .settle(let id): await settleUncertain(id)
        case .running(let id): await noteRunning(id)
        case .collect(let id, let number, let outcome): await collect(id, number, outcome)
        case .cancel(let id, let number): await cancel(id, number)
        case .ousted(let id): await ousted(id)
        case .lookForWork: await lookForWork()
        case .check(let jobs): await check(jobs)
        case .reconcile: await reconcile()
        }
    }

    /// Fills the hands from the store: fair between owners, best first.
    private func lookForWork() async {
        let shouldLook = state.withLock { state in
            if state.isLooking { return false }
            state.isLooking = true
            state.hasBacklog = false
            return true
        }
        guard shouldLook else { return }
        defer { state.withLock { $0.isLooking = false } }
        do {
            let perOwner = settings.mostSending
            let jobs = try await store.sendable(on: host.id, perOwner: perOwner, at: clock.now())
            if jobs.count >= perOwner { state.withLock { $0.hasBacklog = true } }
            for job in jobs { take(job.id) }
        } catch {
            state.withLock { $0.hasBacklog = true }
            log.error("queued jobs could not be read", metadata: ["error": "\(error)"])
        }
    }

    private func tick() async {
        var sinceLook = Duration.zero
        while !Task.isCancelled {
            do { try await sleeper.sleep(for: settings.pollPause) } catch { return }
            sinceLook += settings.pollPause
            if sinceLook >= settings.storePause {
                sinceLook = .zero
                order.yield(.lookForWork)
            }
            let longest = host.pool.hasNotices ? max(1, Int(settings.statusPause / settings.pollPause)) : 1
            let due = state.withLock { $0.follower.tick(longestPause: longest) }
            if !due.isEmpty { order.yield(.check(due)) }
        }
    }

    private func takeReports() async {
        for await pooled in host.pool.reports {
            switch pooled {
            case .gap: order.yield(.reconcile)
            case .report(.job(let job), from: _): hear(job)
            case .report(.message(let words), from: _):
                log.info("the host's operator says", metadata: ["message": "\(words)"])
                await noteHostEvent("host.message", words: words)
            case .report(.lineDown(let error), from: let session):
                log.notice("a line is down", metadata: ["session": "\(session)", "reason": "\(error)"])
            }
        }
    }

    func hear(_ job: HostJob) {
        let orders = state.withLock { $0.follower.report(job.number, job.state) }
        follow(orders)
    }

    func follow(_ orders: [Follower.Order]) {
        for next in orders {
            switch next {
            case .running(let id): order.yield(.running(id))
            case .collect(let id, let number, let outcome): order.yield(.collect(id, number, outcome))
            }
        }
    }

    func noteHostEvent(_ type: String, words: String?) async {
        let now = clock.now()
        do {
            _ = try await store.append(
                type: type, body: EventBody.host(type, host: host.id, words: words, at: now), at: now)
        } catch {
            log.error("an event could not be stored", metadata: ["type": "\(type)", "error": "\(error)"])
        }
    }

    /// Commits; a job whose state has moved on meanwhile is left as it is (nil).
    func commit(_ change: JobChange) async throws(StoreError) -> Job? {
        do {
            return try await store.commit(change)
        } catch .conflict(let conflict) {
            log.debug(
                "the job moved on",
                metadata: ["job": "\(change.job)", "state": "\(conflict.state)", "action": "\(conflict.action)"])
            return nil
        }
    }

    /// A pause that ends early when the runner stops.
    func pause(_ time: Duration) async { try? await sleeper.sleep(for: time) }
}
