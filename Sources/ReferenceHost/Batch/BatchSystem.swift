import Jobs
import Synchronization
import Wire

/// The batch system: a queue with classes, priorities and hold, initiators that run its jobs, the spool and the
/// submission keys. It knows of no protocol; every server of this host works on the same one.
///
///     held ──RELEASE──▶ queued ──initiator──▶ running ──▶ done | failed ──PURGE──▶ gone, its key stays for KEEP
///          ◀──HOLD───┘     └──CANCEL, JCL error──────────────▲
///
/// Calls decide at once, under one lock; what must be safe before it is told comes back as `Pending` with the commit to
/// wait for. With a data folder each change is a record of the journal, and `JournalRecord` says what a restart makes of
/// it. A restart queues a job again that was running: that is a rerun of one submission, as JES restarts jobs from its
/// queue; it is no second submission, and the ledger tells the two apart.
package final class BatchSystem: Sendable {
    package let settings: BatchSettings
    let time: HostTime
    let place: SpoolPlace
    let committer: Committer?
    let state: Mutex<BatchState>

    /// - Parameters:
    ///   - directory: where jobs, keys and print-out are kept; made when missing. nil: in memory.
    ///   - ledger: file to which the ledger is appended.
    package init(
        _ settings: BatchSettings, time: HostTime = .system, directory: String? = nil, ledger: String? = nil
    ) throws(HostFault) {
        self.settings = settings
        self.time = time
        var state = BatchState(settings)
        var journal: JournalFile?
        if let directory {
            let spool = "\(directory)/spool"
            makeFolder(directory)
            makeFolder(spool)
            journal = try JournalFile(directory: directory) { state.replay($0, spool: spool) }
            place = SpoolPlace(directory: spool)
        } else {
            place = SpoolPlace(directory: nil)
        }
        let ledgerFile = try ledger.map { path throws(HostFault) in
            try LedgerFile(path: path, isSynced: directory != nil)
        }
        committer = journal == nil && ledgerFile == nil ? nil : Committer(journal: journal, ledger: ledgerFile)
        state.afterReplay(now: time.now(), keep: settings.keep)
        let restored = state.jobs.values.sorted { $0.serial < $1.serial }
        if let committer {
            if journal != nil { committer.replace(by: state.snapshot) }
            for job in restored { _ = committer.append(ledger: LedgerFile.line("restored", job, at: time.now())) }
        }
        for job in restored where job.isWaiting { state.enqueue(job.serial) }
        self.state = Mutex(state)
        if let spool = place.directory { removeStrayFiles(spool, kept: restored) }
    }

    /// Runs the initiators until `stop`.
    package func run() async {
        await endCancelledJobs()
        await withDiscardingTaskGroup { group in
            for initiator in settings.initiators.indices {
                group.addTask { await self.serve(initiator) }
            }
        }
    }

    /// Takes no job from the queue any more, and leaves the running ones as they are: they run again after the next start.
    package func stop() {
        let (waiting, running) = state.withLock { state in
            state.isStopping = true
            let waiting = state.initiators.indices.compactMap { at -> CheckedContinuation<Assignment?, Never>? in
                defer { state.initiators[at].waiter = nil }
                return state.initiators[at].waiter
            }
            return (waiting, state.jobs.values.compactMap(\.control))
        }
        for waiter in waiting { waiter.resume(returning: nil) }
        for control in running { control.stopHost() }
    }

    /// Lets go of the data folder, when everything appended is safe. To be called once `run` has returned.
    package func close() async { await committer?.close() }

    /// Returns when the commit is safe.
    package func wait<Answer>(for pending: Pending<Answer>) async throws -> Answer {
        if pending.commit > 0 { try await committer?.wait(pending.commit) }
        return pending.answer
    }

    /// Calls `body` when the commit is safe (true) or the journal is broken (false).
    package func whenSafe(_ commit: UInt64, _ body: @escaping @Sendable (Bool) -> Void) {
        if commit > 0, let committer { committer.whenSafe(commit, body) } else { body(true) }
    }

    /// Appends to the journal; 0 when there is none and no ledger line to write.
    func commit(_ record: JournalRecord?, ledger line: @autoclosure () -> [UInt8]? = nil) -> UInt64 {
        guard let committer else { return 0 }
        let commit = committer.append(record, ledger: committer.hasLedger ? line() : nil)
        return commit
    }

    /// Writes the journal anew when most of it tells of jobs that are gone.
    func compactIfLarge(_ state: inout BatchState) {
        guard let committer, committer.hasJournal, committer.journalOctets > state.compactAt else { return }
        committer.replace(by: state.snapshot)
        state.compactAt = max(BatchState.smallestCompaction, committer.journalOctets * 4)
    }

    // MARK: initiators

    private func serve(_ initiator: Int) async {
        while let assignment = await next(initiator) { await execute(assignment, initiator: initiator) }
    }

    private func next(_ initiator: Int) async -> Assignment? {
        await withCheckedContinuation { continuation in
            let answer: Assignment?? = state.withLock { state in
                state.initiators[initiator].running = nil
                if state.isStopping { return .some(nil) }
                if let serial = state.pick(for: initiator) { return start(serial, by: initiator, &state) }
                state.initiators[initiator].waiter = continuation
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// Marks the job as running.
    func start(_ serial: UInt64, by initiator: Int, _ state: inout BatchState) -> Assignment? {
        guard var job = state.jobs[serial] else { return nil }
        let control = RunControl()
        let now = time.now()
        job.control = control
        job.startedAt = now
        state.initiators[initiator].running = job.number
        _ = commit(
            .started(serial: serial, at: now), ledger: LedgerFile.line("run", job, at: now, isRerun: job.isRerun))
        state.jobs[serial] = job
        state.tell(job)
        return Assignment(job: job, control: control)
    }

    /// Gives work to initiators that wait for it.
    func wake(_ state: inout BatchState) {
        guard !state.isStopping else { return }
        for at in state.initiators.indices {
            guard let waiter = state.initiators[at].waiter, let serial = state.pick(for: at) else { continue }
            state.initiators[at].waiter = nil
            waiter.resume(returning: start(serial, by: at, &state))
        }
    }

    private func execute(_ assignment: Assignment, initiator: Int) async {
        let job = assignment.job
        // Not waited for: that the job was started is a record before that of its end, and nobody hears of the run before
        // the end is safe. A run whose start was lost with the process has left no trace but processor time.
        do {
            let result = try await runningJob(job, control: assignment.control) { running in
                var run = JobRun(
                    running, initiator: initiator, jobClass: job.jobClass, submittedAt: job.submittedAt,
                    isRerun: job.isRerun)
                return try await run.run()
            }
            await finish(job.serial, result)
        } catch is RunControl.Interrupted {
            return
        } catch {
            await finish(job.serial, .init(end: JobEnd(outcome: .lost, at: time.now()), files: []))
        }
    }

    private func runningJob(
        _ job: QueuedJob, control: RunControl, _ body: (RunningJob) async throws -> JobRun.Result
    ) async throws -> JobRun.Result {
        let deck = try CardDeck(block: job.block, code: job.code, form: job.form, longest: job.longest)
        let running = RunningJob(
            number: job.number, user: job.user, deck: deck, definition: JCLReader.read(deck), host: settings,
            time: time,
            control: control, place: place, fileStem: "\(job.number).\(job.serial)")
        return try await body(running)
    }

    /// Makes the end safe, then tells it. The initiator need not wait for it.
    private func finish(_ serial: UInt64, _ result: JobRun.Result) async {
        let spooled = result.files.compactMap { file in
            if case .disk(let spooled) = file.body { spooled } else { nil }
        }
        if let committer, committer.hasJournal, let directory = place.directory, !spooled.isEmpty {
            let isSafe = await committer.perform {
                for file in spooled { if (try? file.sync()) == nil { return false } }
                JournalFile.syncDirectory(directory)
                return true
            }
            if !isSafe { return await finish(serial, .init(end: JobEnd(outcome: .lost, at: time.now()), files: [])) }
        }
        state.withLock { state in
            let commit = end(serial, result, &state)
            publish(serial, after: commit, &state)
        }
    }

    /// - Returns: the commit after which `publish` may tell it.
    func end(_ serial: UInt64, _ result: JobRun.Result, _ state: inout BatchState) -> UInt64 {
        guard var job = state.jobs[serial] else { return 0 }
        state.waitingOctets -= job.block.count
        job.block = []
        job.end = result.end
        job.files = result.files
        job.control = nil
        if let key = job.key {
            state.keys.jobEnded(
                KeyID(user: job.user, key: key), expiresAt: result.end.at.advanced(by: settings.keep))
        }
        let commit = self.commit(
            .ended(
                serial: serial, result.end,
                committer?.hasJournal == true ? result.files.map(JournalRecord.FileRecord.init) : []),
            ledger: LedgerFile.line("ended", job, at: time.now()))
        state.jobs[serial] = job
        compactIfLarge(&state)
        return commit
    }

    /// Tells the end once it is safe. The lock is held: what is safe already is told from here or later, never twice.
    func publish(_ serial: UInt64, after commit: UInt64, _ state: inout BatchState) {
        guard commit > 0, let committer else { return publish(serial, &state) }
        committer.whenSafeLater(commit) { [weak self] isSafe in
            guard isSafe, let self else { return }
            self.state.withLock { self.publish(serial, &$0) }
        }
    }

    private func publish(_ serial: UInt64, _ state: inout BatchState) {
        guard state.jobs[serial]?.end != nil else { return }
        state.jobs[serial]?.isEndVisible = true
        if let job = state.jobs[serial] { state.tell(job) }
    }

    /// Ends a job that never ran.
    func endWithoutRun(_ job: QueuedJob) throws -> JobRun.Result {
        let deck = try CardDeck(block: job.block, code: job.code, form: job.form, longest: job.longest)
        let running = RunningJob(
            number: job.number, user: job.user, deck: deck, definition: JCLReader.read(deck), host: settings,
            time: time,
            control: RunControl(), place: place, fileStem: "\(job.number).\(job.serial)")
        var run = JobRun(running, initiator: 0, jobClass: job.jobClass, submittedAt: job.submittedAt, isRerun: false)
        return try run.cancelled()
    }

    /// Jobs whose cancel an earlier process had promised.
    private func endCancelledJobs() async {
        let jobs = state.withLock { $0.jobs.values.filter { $0.isCancelAsked && $0.end == nil && $0.control == nil } }
        for job in jobs { if let result = try? endWithoutRun(job) { await finish(job.serial, result) } }
    }
}

/// A job for an initiator.
struct Assignment: Sendable {
    let job: QueuedJob
    let control: RunControl
}
