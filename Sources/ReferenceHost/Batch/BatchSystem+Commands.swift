import Glibc
import Jobs
import Synchronization
import Wire

extension BatchSystem {
    // MARK: submitting

    /// Key first, then the deck; the look at the key and the making of the job are one step under the lock.
    package func submit(_ submission: Submission) -> Pending<SubmitAnswer> {
        let hash = ContentHash(of: submission.block)
        let id = submission.key.map { KeyID(user: submission.user, key: $0) }
        if let id, let bound = state.withLock({ answer(to: id, hash: hash, &$0) }) { return bound }
        if let refusal = submission.refusal { return Pending(.refused(refusal)) }
        let deck: CardDeck
        let definition: JobDefinition
        do throws(DeckRefusal) {
            (deck, definition) = try read(submission)
        } catch {
            return Pending(.refused(error))
        }
        return state.withLock { state in
            if let id, let bound = answer(to: id, hash: hash, &state) { return bound }
            guard !state.isStopping else { return Pending(.notTakingJobs("the host is stopping")) }
            guard committer?.failure == nil else { return Pending(.notTakingJobs("the spool cannot be written")) }
            guard state.waitingOctets + submission.block.count <= settings.mostWaitingOctets else {
                return Pending(.notTakingJobs("spool full"))
            }
            guard let number = state.numbers.take() else { return Pending(.notTakingJobs("no job number is free")) }
            state.lastSerial += 1
            var job = QueuedJob(
                serial: state.lastSerial, number: number, name: definition.name, user: submission.user,
                key: submission.key, block: submission.block, hash: hash, code: submission.code, form: submission.form,
                longest: submission.longestCard, jobClass: submission.jobClass ?? definition.jobClass,
                priority: submission.priority ?? definition.priority, isHeld: submission.isHeld || definition.isHeld,
                cards: deck.count, submittedAt: time.now())
            job.commit = commit(job.record, ledger: LedgerFile.line("accepted", job, at: job.submittedAt))
            state.add(job)
            if let id {
                state.numbers.name(number)
                state.keys.bind(
                    id,
                    to: KeyEntry(
                        number: number, serial: job.serial, name: job.name, cards: job.cards, block: hash,
                        commit: job.commit))
            }
            makeReady(job, &state)
            return Pending(
                .accepted(JobReceipt(number: number, name: job.name, cards: job.cards)), after: job.commit)
        }
    }

    /// A job may run once its acceptance is safe: a deck whose sender never heard of a 260 must not have run.
    private func makeReady(_ job: QueuedJob, _ state: inout BatchState) {
        guard job.commit > 0, let committer else {
            state.enqueue(job.serial)
            return wake(&state)
        }
        let serial = job.serial
        // the lock is held, and a commit known to be safe calls at once: not from here
        committer.whenSafeLater(job.commit) { [weak self] isSafe in
            guard isSafe, let self else { return }
            self.state.withLock { state in
                state.jobs[serial]?.commit = 0
                state.enqueue(serial)
                self.wake(&state)
            }
        }
    }

    private func answer(to id: KeyID, hash: ContentHash, _ state: inout BatchState) -> Pending<SubmitAnswer>? {
        state.forgetKeys(now: time.now())
        guard let entry = state.keys[id] else { return nil }
        guard let number = entry.number else {
            return Pending(.refused(DeckRefusal(.keyVoid, "this key was given up by VOID")), after: entry.commit)
        }
        guard entry.isBound(to: hash) else {
            return Pending(
                .refused(DeckRefusal(.keyClash, "this key belongs to \(number), which is another deck")),
                after: entry.commit)
        }
        return Pending(
            .accepted(JobReceipt(number: number, name: entry.name, cards: entry.cards, isDuplicate: true)),
            after: entry.commit)
    }

    private func read(_ submission: Submission) throws(DeckRefusal) -> (CardDeck, JobDefinition) {
        guard submission.block.count <= settings.mostDeckOctets else {
            throw DeckRefusal(.tooBig, "the deck is too long")
        }
        let deck = try CardDeck(
            block: submission.block, code: submission.code, form: submission.form, longest: submission.longestCard)
        guard (0..<deck.count).contains(where: { card in deck[card].contains { $0 != 0x20 } }) else {
            throw DeckRefusal(.empty, "the deck has no card that is not blank")
        }
        guard let name = JCLReader.jobName(on: deck[0]) else {
            throw DeckRefusal(.noJobCard, card: 1, "the first card is no job card")
        }
        guard isName(name) else { throw DeckRefusal(.noJobCard, card: 1, "the job card bears no valid job name") }
        let definition = JCLReader.read(deck)
        if let second = definition.secondJobCard { throw DeckRefusal(.badCard, card: second + 1, "a second job card") }
        return (deck, definition)
    }

    /// What the key is bound to; nil when it names no job.
    package func find(key: String, of user: String) -> Pending<JobReceipt?> {
        state.withLock { state in
            state.forgetKeys(now: time.now())
            guard let entry = state.keys[KeyID(user: user, key: key)], let receipt = receipt(entry, state) else {
                return Pending(nil)
            }
            return Pending(receipt, after: entry.commit)
        }
    }

    /// Gives a key up, unless a job has it.
    package func void(key: String, of user: String) -> Pending<VoidAnswer> {
        let id = KeyID(user: user, key: key)
        return state.withLock { state in
            let now = time.now()
            state.forgetKeys(now: now)
            if let entry = state.keys[id] {
                return Pending(receipt(entry, state).map { .bound($0) } ?? .voided, after: entry.commit)
            }
            var entry = KeyEntry(voidUntil: now.advanced(by: settings.keep), commit: 0)
            entry.commit = commit(.key(id, entry))
            state.keys.bind(id, to: entry)
            return Pending(.voided, after: entry.commit)
        }
    }

    private func receipt(_ entry: KeyEntry, _ state: BatchState) -> JobReceipt? {
        entry.number.map {
            JobReceipt(number: $0, name: entry.name, cards: entry.cards, isPurged: state.jobs[entry.serial] == nil)
        }
    }

    // MARK: following

    package func status(_ job: String, of user: String) -> JobReport? {
        state.withLock { $0.job(job, of: user)?.report }
    }

    /// Newest first.
    package func status(of user: String, most: Int = 1000) -> (reports: [JobReport], hasMore: Bool) {
        state.withLock { $0.newest(most, of: user) }
    }

    /// Calls `tell` at each change of a job of `user`, in order, until `unwatch`. It is called under the queue's lock: it
    /// must pass the report on and return.
    package func watch(_ user: String, _ tell: @escaping @Sendable (JobReport) -> Void) -> UInt64 {
        state.withLock { state in
            let id = (state.watchers.keys.max() ?? 0) + 1
            state.watchers[id] = .init(user: user, tell: tell)
            return id
        }
    }

    package func unwatch(_ id: UInt64) { state.withLock { $0.watchers[id] = nil } }

    // MARK: output

    package func files(_ job: String, of user: String) throws(JobFault) -> [OutputFile] {
        let found = state.withLock { $0.job(job, of: user) }
        guard let found else { throw .noSuchJob }
        guard found.isEndVisible else { throw .notFinished }
        return found.files
    }

    package func purge(_ job: String, of user: String) throws(JobFault) -> Pending<Void> {
        let result: Result<(QueuedJob, UInt64), JobFault> = state.withLock { state in
            guard let found = state.job(job, of: user) else { return .failure(.noSuchJob) }
            guard found.isEndVisible else { return .failure(.notFinished) }
            let commit = self.commit(.purged(serial: found.serial))
            state.remove(found)
            return .success((found, commit))
        }
        let (gone, commit) = try result.get()
        let paths = gone.files.compactMap { file -> String? in
            if case .disk(let spooled) = file.body, case .path(let path) = spooled.place { path } else { nil }
        }
        if !paths.isEmpty { whenSafe(commit) { isSafe in if isSafe { for path in paths { unlink(path) } } } }
        return Pending((), after: commit)
    }

    // MARK: changing

    /// A waiting job ends at once; a running one is told to, and ends soon.
    package func cancel(_ job: String, of user: String) throws(JobFault) -> Pending<QueueState> {
        let result: Result<(QueuedJob, UInt64), JobFault> = state.withLock { state in
            guard let found = state.job(job, of: user) else { return .failure(.noSuchJob) }
            guard found.end == nil else { return .failure(.finished) }
            if found.isCancelAsked { return .success((found, found.commit)) }
            let commit = self.commit(.cancelAsked(serial: found.serial))
            state.jobs[found.serial]?.isCancelAsked = true
            return .success((found, commit))
        }
        let (found, commit) = try result.get()
        if let control = found.control {
            control.cancel()
            return Pending(.running, after: commit)
        }
        if found.isCancelAsked { return Pending(found.state, after: commit) }
        guard let ended = try? endWithoutRun(found) else { return Pending(found.state, after: commit) }
        let end = state.withLock { state in
            let end = self.end(found.serial, ended, &state)
            publish(found.serial, after: end, &state)
            return end
        }
        return Pending(.failed, after: end)
    }

    package func hold(_ job: String, of user: String) throws(JobFault) -> Pending<QueueState> {
        try move(job, of: user) { (found, state) throws(JobFault) in
            switch found.state {
            case .held: return false
            case .queued where !found.isCancelAsked: return true
            case .queued, .running, .done, .failed: throw .stateForbids
            }
        }
    }

    package func release(_ job: String, of user: String) throws(JobFault) -> Pending<QueueState> {
        try move(job, of: user) { (found, state) throws(JobFault) in
            switch found.state {
            case .held where !found.isCancelAsked: return true
            case .queued, .running: return false
            case .held, .done, .failed: throw .stateForbids
            }
        }
    }

    /// Of a job that waits. Not kept over a restart: the deck's own priority counts again then.
    package func setPriority(_ priority: Int, of job: String, user: String) throws(JobFault) {
        let result: Result<Void, JobFault> = state.withLock { state in
            guard let found = state.job(job, of: user) else { return .failure(.noSuchJob) }
            guard found.state == .queued || found.state == .held else { return .failure(.stateForbids) }
            state.jobs[found.serial]?.priority = priority
            // its old place in the queue is passed over once it runs
            if found.isWaiting, found.commit == 0 { state.enqueue(found.serial) }
            return .success(())
        }
        try result.get()
    }

    private func move(
        _ job: String, of user: String, _ changes: (QueuedJob, BatchState) throws(JobFault) -> Bool
    ) throws(JobFault) -> Pending<QueueState> {
        let result: Result<Pending<QueueState>, JobFault> = state.withLock { state in
            guard var found = state.job(job, of: user) else { return .failure(.noSuchJob) }
            do throws(JobFault) {
                guard try changes(found, state) else { return .success(Pending(found.state, after: found.commit)) }
            } catch {
                return .failure(error)
            }
            found.isHeld.toggle()
            let commit = self.commit(.held(serial: found.serial, found.isHeld))
            state.jobs[found.serial] = found
            state.tell(found)
            if !found.isHeld && found.commit == 0 {
                state.enqueue(found.serial)
                wake(&state)
            }
            return .success(Pending(found.state, after: commit))
        }
        return try result.get()
    }
}
