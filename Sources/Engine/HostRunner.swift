package import Jobs
package import Lines
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
        /// Between two questions for jobs that stay uncertain.
        package var settlePause = Duration.seconds(30)
        /// Between looks into the store for jobs whose time is over.
        package var expiryPause = Duration.seconds(1)
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
        case takeUp(JobID)
        case lookForWork
        case check([(number: JobNumber, job: JobID)])
        case reconcile
    }

    struct State {
        /// Jobs with a task of ours: being sent or settled.
        var inHand: Set<JobID> = []
        /// Jobs in hand that changed meanwhile in a way that asks for another look.
        var lookAgain: Set<JobID> = []
        /// Uncertain jobs of which the host could not tell, by their names.
        var unsettled: [JobID: JobName?] = [:]
        /// The store has queued jobs that found no place in hand.
        var hasBacklog = true
        var isLooking = false
        var follower = Follower()
        var collecting = 0
        var collectLater: [Order] = []
        var isReconciling = false
        var reconcileAgain = false
        var busyTries = 0
        /// From the start of the run until what an earlier one left was taken up.
        var recoveryTime: Duration?
    }

    package let host: HostProfile
    let store: any JobStore
    let clock: WallClock
    let sleeper: any Clock<Duration>
    let settings: Settings
    /// Where the work is done; nil: on the threads that Swift keeps for it.
    private let loops: EventLoopGroup?
    let log: Logger
    let state = Mutex(State())
    private let orders: AsyncStream<Order>
    private let order: AsyncStream<Order>.Continuation

    package init(
        host: HostProfile, store: any JobStore, clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), settings: Settings = Settings(),
        loops: EventLoopGroup? = nil, log: Logger
    ) {
        self.host = host
        self.loops = loops
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
        let began = ContinuousClock.now
        await recover()
        state.withLock { $0.recoveryTime = .now - began }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.host.pool.run() }
            group.addTask { await self.takeReports() }
            group.addTask { await self.tick() }
            for await order in orders {
                group.addTask(executorPreference: loops?.next()) { await self.perform(order) }
            }
            group.cancelAll()
        }
    }

    /// nil: still at it.
    var recoveryTime: Duration? { state.withLock { $0.recoveryTime } }

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
        case .uncertain where job.cancelRequestedAt != nil: takeForSettling(job.id)
        case .submitted, .running, .printing:
            guard let number = job.hostJob else { return }
            if job.cancelRequestedAt != nil, job.cancelEffect == .requestedAtHost {
                order.yield(.cancel(job.id, number))
            }
            let isOurs = state.withLock { $0.inHand.contains(job.id) || $0.follower.tracked[number]?.job == job.id }
            if !isOurs { order.yield(.takeUp(job.id)) }
        case .sending, .uncertain: break
        case .completed, .failed, .rejected, .canceled, .expired, .purged:
            // Its last output may have been pushed: then nobody else ends the following.
            if let number = job.hostJob { state.withLock { $0.follower.forget(number, of: job.id) } }
        case .queued, .held: break
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
            if state.inHand.insert(id).inserted { return true }
            state.lookAgain.insert(id)
            return false
        }
        if isTaken { order.yield(.send(id)) }
    }

    func takeForSettling(_ id: JobID) {
        let isTaken = state.withLock { state in
            if state.inHand.insert(id).inserted { return true }
            state.lookAgain.insert(id)
            return false
        }
        if isTaken { order.yield(.settle(id)) }
    }

    func letGo(_ id: JobID) {
        let (shouldLook, isWanted) = state.withLock { state in
            state.inHand.remove(id)
            let isWanted = state.lookAgain.remove(id) != nil
            return (state.hasBacklog && !state.isLooking && state.inHand.count <= settings.mostSending / 2, isWanted)
        }
        if isWanted { order.yield(.takeUp(id)) }
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
        case .takeUp(let id): await lookAgain(at: id)
        case .lookForWork: await lookForWork()
        case .check(let jobs): await check(jobs)
        case .reconcile: await reconcile()
        }
    }

    /// Somebody else changed the job, or it changed while it was in hand.
    private func lookAgain(at id: JobID) async {
        do {
            guard let job = try await store.job(id) else { return }
            switch job.state {
            case .queued, .held: committed(job)
            case .uncertain: takeForSettling(id)
            default: try await takeUp(id)
            }
        } catch {
            log.error("a job could not be read", metadata: ["job": "\(id)", "error": "\(error)"])
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
        var sinceSettling = Duration.zero
        while !Task.isCancelled {
            do { try await sleeper.sleep(for: settings.pollPause) } catch { return }
            sinceLook += settings.pollPause
            if sinceLook >= settings.storePause {
                sinceLook = .zero
                order.yield(.lookForWork)
            }
            sinceSettling += settings.pollPause
            if sinceSettling >= settings.settlePause {
                sinceSettling = .zero
                settleAgain(named: nil)
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
                host.console.hear(words, at: clock.now())
                await noteHostEvent("host.message", words: words)
            case .report(.lineDown(let error), from: let session):
                log.notice("a line is down", metadata: ["session": "\(session)", "reason": "\(error)"])
            }
        }
    }

    func hear(_ job: HostJob) {
        let (orders, isUnknown) = state.withLock { state in
            (state.follower.report(job.number, job.state), state.follower.tracked[job.number] == nil)
        }
        if isUnknown, let name = job.name { settleAgain(named: name) }
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
    func commit(_ given: JobChange) async throws(StoreError) -> Job? {
        var change = given
        if change.endsStretch, let log = FrameTape.current?.log, !log.isEmpty { change.frames = log }
        #if SEEDED_BUG_3  // the attempt is stored while the cards go out
            if change.action == .beginSending {
                Task { try await store.commit(change) }
                return try await store.job(change.job)
            }
        #endif
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

extension JobChange {
    /// What was said to the host until here is worth keeping: an attempt is settled or noted, or the output is here.
    fileprivate var endsStretch: Bool {
        switch attempt {
        case .end, .note: return true
        case .open, .closing, nil: break
        }
        if case .finished = action { return true }
        return false
    }
}
