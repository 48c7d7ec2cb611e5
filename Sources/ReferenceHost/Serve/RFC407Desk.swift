import Jobs
import Lines
import Logging
import Protocols
import Synchronization
import Wire

/// Why a place is not connected to: not allowed, or no such place.
struct RFC407Refusal: Error, Equatable { let text: String }

/// What becomes of the output of every job, and who carries it. Shared by the sessions of one server.
///
/// A job that it does not know (it came over another protocol, or before a restart) has all its output held. Settings and
/// passwords are in memory only and go with the last file.
final class RFC407Desk: Sendable {
    struct File: Sendable {
        var state: RFC407.OutputState
        /// As whom FTP delivers it.
        var user: String?
        var password: String?
        var transfer: RFC407Transfer?
        /// Counts what was ordered for it, so that a late timer finds out.
        var generation = 0
        var since = Timestamp(microseconds: 0)
    }

    struct Job: Sendable {
        let number: String
        let user: String
        var settings: RFC407.JobSettings
        /// To whose address a connection is always allowed.
        var peer: IPAddress
        weak var session: RFC407Session?
        /// The 260 was sent: what follows may be told.
        var isAnnounced: Bool
        var isCancelled = false
        var isRunningTold = false
        var isEnded = false
        /// By canonical name.
        var files: [String: File] = [:]
    }

    enum Work: Sendable {
        case deliver(job: String, file: String, RFC407.FileID, generation: Int)
        case later(job: String, file: String, RFC407.FileID, generation: Int, after: Duration)
    }

    struct State: Sendable {
        var jobs: [String: Job] = [:]
        /// By user.
        var watches: [String: UInt64] = [:]
        var delivering = 0
        var backlog = FIFO<Work>()
    }

    let settings: RFC407HostSettings
    let batch: BatchSystem
    let stallLimit: Duration
    let state = Mutex(State())
    private let log = Logger(label: "port77.host.operator")
    private let loops: [EventLoop]
    private let nextLoop = Mutex(0)
    private let work: AsyncStream<Work>
    private let order: AsyncStream<Work>.Continuation

    init(_ settings: RFC407HostSettings, batch: BatchSystem, loops: [EventLoop], stallLimit: Duration) {
        self.settings = settings
        self.batch = batch
        self.loops = loops
        self.stallLimit = stallLimit
        // bounded by the files there are
        (work, order) = AsyncStream.makeStream()
    }

    /// Carries output until `stop`.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.sweep() }
            for await piece in work {
                switch piece {
                case .deliver(let job, let file, let place, let generation):
                    group.addTask { await self.deliver(job, file, to: place, generation) }
                case .later(let job, let file, let place, let generation, let pause):
                    group.addTask {
                        guard (try? await self.batch.time.sleep(pause)) != nil else { return }
                        let isDue = self.state.withLock { $0.jobs[job]?.files[file]?.generation == generation }
                        if isDue { self.give(.deliver(job: job, file: file, place, generation: generation)) }
                    }
                }
            }
            group.cancelAll()
        }
    }

    func stop() {
        let transfers = state.withLock { state in
            for watch in state.watches.values { batch.unwatch(watch) }
            return state.jobs.values.flatMap { $0.files.values.compactMap(\.transfer) }
        }
        for transfer in transfers { transfer.breakOff() }
        order.finish()
    }

    func loop() -> EventLoop {
        let at = nextLoop.withLock { next in
            next += 1
            return next
        }
        return loops[at % loops.count]
    }

    /// A delivery waits while as many as allowed are under way.
    func give(_ piece: Work) {
        let goes = state.withLock { state in
            guard case .deliver = piece else { return true }
            guard state.delivering < settings.mostDeliveries else {
                state.backlog.append(piece)
                return false
            }
            state.delivering += 1
            return true
        }
        if goes { order.yield(piece) }
    }

    func deliveryEnded() {
        let next = state.withLock { state in
            state.delivering -= 1
            let next = state.backlog.removeFirst()
            if next != nil { state.delivering += 1 }
            return next
        }
        if let next { order.yield(next) }
    }

    // MARK: jobs

    /// Hears of the user's jobs from now on.
    func watch(_ user: String) {
        let isNew = state.withLock { state in
            if state.watches[user] != nil { return false }
            state.watches[user] = 0
            return true
        }
        guard isNew else { return }
        // under the queue's lock it only hands the report on
        let watch = batch.watch(user) { [weak self] report in
            guard let self else { return }
            self.loop().execute { self.hear(report) }
        }
        state.withLock { $0.watches[user] = watch }
    }

    func add(
        _ number: String, user: String, settings: RFC407.JobSettings, peer: IPAddress, tellingTo session: RFC407Session?
    ) {
        var job = Job(number: number, user: user, settings: settings, peer: peer, session: session, isAnnounced: false)
        for (name, output) in settings.outputs {
            job.files[name] = File(
                state: RFC407.OutputState(output.disposition), user: output.user ?? settings.outUser,
                password: output.password ?? settings.outPassword)
        }
        state.withLock { $0.jobs[number] = job }
    }

    /// Its 260 went out: what has happened since may be told.
    func announce(_ number: String) {
        let user = state.withLock { state in
            state.jobs[number]?.isAnnounced = true
            return state.jobs[number]?.user
        }
        if let user, let report = batch.status(number, of: user) { hear(report) }
    }

    /// The entry of a job that the batch system has; made when it is not there yet.
    func withJob<Result>(
        _ number: String, of user: String, peer: IPAddress, _ body: (inout Job, JobReport) -> Result
    ) -> Result? {
        guard let report = batch.status(number, of: user) else {
            state.withLock { if $0.jobs[number]?.user == user { $0.jobs[number] = nil } }
            return nil
        }
        let isEnded = report.end != nil
        let found = isEnded ? (try? batch.files(number, of: user)) ?? [] : []
        return state.withLock { state in
            var job =
                state.jobs[number]
                ?? Job(number: number, user: user, settings: .init(), peer: peer, isAnnounced: true)
            if job.user != user {  // a number that was given again
                job = Job(number: number, user: user, settings: .init(), peer: peer, isAnnounced: true)
            }
            if isEnded, !job.isEnded, job.isAnnounced { _ = settle(&job, found) }
            let result = body(&job, report)
            state.jobs[number] = job
            return result
        }
    }

    private func hear(_ report: JobReport) {
        let number = "\(report.number)"
        let files = report.end == nil ? [] : (try? batch.files(number, of: report.user)) ?? []
        var words: [(RFC407.Reply, Bool)] = []
        var work: [Work] = []
        var operatorText: String?
        let session = state.withLock { state -> RFC407Session? in
            guard var job = state.jobs[number], job.user == report.user, job.isAnnounced else { return nil }
            defer { state.jobs[number] = job }
            if report.state == .running, !job.isRunningTold, !job.isEnded {
                job.isRunningTold = true
                if let text = job.settings.operatorText {
                    operatorText = text
                }
                words.append((RFC407.Reply(60, "Job \(number) started"), false))
            }
            if let end = report.end, !job.isEnded {
                work = settle(&job, files)
                if !job.isCancelled { words.append((Self.word(of: end, number), true)) }
            }
            return job.session
        }
        if let operatorText {
            log.notice(
                "a job starts with a text for the operator", metadata: ["job": "\(number)", "text": "\(operatorText)"])
        }
        for (reply, isLast) in words { session?.tell(reply, of: number, isLast: isLast) }
        for piece in work { give(piece) }
        forgetIfGone(number)
    }

    private static func word(of end: JobEnd, _ number: String) -> RFC407.Reply {
        switch end.outcome {
        case .done(let code): RFC407.Reply(261, "Job \(number) completed, output waiting, CC \(pad(code, 4))")
        case .lost: RFC407.Reply(462, "Job \(number) was lost")
        case .jclError, .abend, .cancelled: RFC407.Reply(463, "Job \(number) did not complete: \(text(of: end))")
        }
    }

    /// As STATUS and 463 say it.
    static func text(of end: JobEnd) -> String {
        switch end.outcome {
        case .done(let code): "CC \(pad(code, 4))"
        case .jclError: "JCL ERROR"
        case .abend(let abend): "ABEND \(abend)"
        case .cancelled: "CANCELED"
        case .lost: "LOST"
        }
    }

    /// The job has ended: its files enter section 9.3.
    private func settle(_ job: inout Job, _ outputs: [OutputFile]) -> [Work] {
        job.isEnded = true
        let names = Set(outputs.map { $0.kind == .print ? "" : "punch" })
        job.files = job.files.filter { names.contains($0.key) }
        var work: [Work] = []
        for name in names.sorted() where !job.isCancelled {
            var file = job.files[name] ?? File(state: RFC407.OutputState(.hold))
            work += apply(.jobEnded, to: &file, name, of: &job).work
            job.files[name] = file
        }
        if job.isCancelled { job.files = [:] }
        return work
    }

    /// Lets the file's machine decide.
    func apply(
        _ event: RFC407.OutputState.Event, to file: inout File, _ name: String, of job: inout Job
    ) -> (reply: RFC407.Reply?, work: [Work], words: [RFC407.Reply]) {
        let before = file.state.phase
        var reply: RFC407.Reply?
        var work: [Work] = []
        var words: [RFC407.Reply] = []
        for action in file.state.handle(event) {
            switch action {
            case .connect(let place, recovers: _):
                file.generation += 1
                work.append(.deliver(job: job.number, file: name, place, generation: file.generation))
            case .connectLater(after: let pause):
                file.generation += 1
                let pauses = settings.retryPauses
                let own = pauses.isEmpty ? pause : pauses[min(file.state.tries, pauses.count) - 1]
                if case .send(let place, keeps: _) = file.state.disposition {
                    work.append(.later(job: job.number, file: name, place, generation: file.generation, after: own))
                }
            case .breakOff:
                file.transfer?.breakOff()
                file.transfer = nil
                file.generation += 1
            case .move(let count): file.transfer?.move(count)
            case .drop: (file.user, file.password) = (nil, nil)
            case .delivered:
                words.append(RFC407.Reply(60, "Job \(job.number) file \(RFC407.shownFile(name)) delivered"))
            case .discardedUnclaimed:
                words.append(
                    RFC407.Reply(466, "Job \(job.number) file \(RFC407.shownFile(name)) was discarded unclaimed"))
            case .reply(let answer): reply = answer
            }
        }
        if file.state.phase != before { file.since = batch.time.now() }
        return (reply, work, words)
    }

    /// An event of a transfer.
    func happened(
        _ event: RFC407.OutputState.Event, _ number: String, _ name: String, generation: Int,
        saying reply: RFC407.Reply?
    ) {
        var work: [Work] = []
        var words: [RFC407.Reply] = []
        let session = state.withLock { state -> RFC407Session? in
            guard var job = state.jobs[number], var file = job.files[name], file.generation == generation else {
                return nil
            }
            // taken out, so that the entry is changed in place
            let result = apply(event, to: &file, name, of: &job)
            if event != .connected { file.transfer = nil }
            (work, words) = (result.work, result.words)
            if let reply { words.append(reply) }
            job.files[name] = file
            state.jobs[number] = job
            return job.session
        }
        for word in words { session?.tell(word, of: number, isLast: false) }
        for piece in work { give(piece) }
        forgetIfGone(number)
    }

    /// With its last file a job that has ended goes as well. A cancelled one stays for STATUS until it is discarded.
    func forgetIfGone(_ number: String) {
        let user = state.withLock { state -> String? in
            guard let job = state.jobs[number], job.isEnded, !job.isCancelled,
                job.files.values.allSatisfy({ $0.state.phase == .gone })
            else { return nil }
            state.jobs[number] = nil
            return job.user
        }
        if let user { _ = try? batch.purge(number, of: user) }
    }

    /// Discards what nobody fetched in time.
    private func sweep() async {
        let pause = min(Duration.seconds(3600), settings.keep / 4)
        while (try? await batch.time.sleep(max(.milliseconds(10), pause))) != nil {
            let now = batch.time.now()
            let due = state.withLock { state in
                state.jobs.values.flatMap { job in
                    job.files.filter {
                        $0.value.since.advanced(by: settings.keep) <= now
                            && [.held, .kept, .stranded, .queued].contains($0.value.state.phase)
                    }.map { (job.number, $0.key, $0.value.generation) }
                }
            }
            for (number, name, generation) in due {
                happened(.keepTimeOver, number, name, generation: generation, saying: nil)
            }
        }
    }
}
