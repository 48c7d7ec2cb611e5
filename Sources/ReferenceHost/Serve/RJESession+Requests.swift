import Jobs
import Protocols
import Synchronization
import Wire

/// Requests of PRIV-RJE as calls of the batch system, and its answers as lines.
extension RJESession {
    func submit(
        _ ticket: PrivRJE.HostMachine.Ticket, _ input: PrivRJE.Input, _ refusal: PrivRJE.Refusal?, _ deck: [UInt8]
    ) {
        if shared.faults.withLock({ $0.refusesInput() }) {
            return answer(.replied(ticket, .notTakingJobs("no jobs now, by request")))
        }
        var submission = Submission(user: machine.user ?? "", key: input.key, block: deck)
        submission.code = CodePage(named: input.code) ?? .ascii
        submission.form = input.form
        submission.longestCard = input.lrecl
        submission.isHeld = input.holds
        submission.refusal = refusal.map {
            DeckRefusal(DeckRefusal.Reason(rawValue: $0.reason.word) ?? .badCard, card: $0.card, $0.text)
        }
        if let text = input.jobClass {
            submission.jobClass = JobClass(text.uppercased())
            if submission.jobClass == nil && submission.refusal == nil {
                submission.refusal = DeckRefusal(.notAllowed, "CLASS is not one of A-Z 0-9")
            }
        }
        if let text = input.priority {
            submission.priority = PrivRJE.number(text).flatMap { (0...15).contains($0) ? $0 : nil }
            if submission.priority == nil && submission.refusal == nil {
                submission.refusal = DeckRefusal(.notAllowed, "PRIORITY is not 0 to 15")
            }
        }
        let pending = shared.batch.submit(submission)
        if case .accepted = pending.answer, shared.faults.withLock({ $0.closesAfterInput() }) {
            return shared.batch.whenSafe(pending.commit) { [weak self] _ in self?.abandon() }
        }
        switch pending.answer {
        case .accepted(let receipt): reply(.accepted(receipt.receipt), to: ticket, after: pending.commit)
        case .refused(let refusal):
            let line = PrivRJE.Refusal(.init(refusal.reason.rawValue), card: refusal.card, refusal.text)
            reply(.refused(line), to: ticket, after: pending.commit)
        case .notTakingJobs(let text): answer(.replied(ticket, .notTakingJobs(text)))
        }
    }

    func perform(_ request: PrivRJE.Request, _ ticket: PrivRJE.HostMachine.Ticket) {
        let user = machine.user ?? ""
        let batch = shared.batch
        switch request {
        case .find(let key):
            let pending = batch.find(key: key, of: user)
            reply(pending.answer.map { .accepted($0.receipt) } ?? .noSuchKey, to: ticket, after: pending.commit)
        case .void(let key):
            let pending = batch.void(key: key, of: user)
            switch pending.answer {
            case .bound(let receipt): reply(.accepted(receipt.receipt), to: ticket, after: pending.commit)
            case .voided: reply(.voided, to: ticket, after: pending.commit)
            }
        case .status(.job(let job)):
            answer(.replied(ticket, batch.status(job, of: user).map { .job($0.line) } ?? .noSuchJob))
        case .status(.all):
            let (reports, hasMore) = batch.status(of: user, most: PrivRJE.mostListedJobs)
            answer(.replied(ticket, .jobs(reports.map(\.line), hasMore: hasMore)))
        case .watch(.job(let job)):
            answer(.replied(ticket, batch.status(job, of: user) == nil ? .noSuchJob : .done("watching")))
        case .files(let job):
            change(ticket) { () throws(JobFault) in
                let files = try batch.files(job, of: user)
                return (.files(files.enumerated().map { $1.line(number: $0 + 1) }), 0)
            }
        case .fetch(let fetch): self.fetch(fetch, ticket, user)
        case .purge(let job):
            change(ticket) { () throws(JobFault) in (.ended(job: job), try batch.purge(job, of: user).commit) }
        case .cancel(let job):
            change(ticket, finished: .notNow("finished already")) { () throws(JobFault) in
                let pending = try batch.cancel(job, of: user)
                return (.ended(job: job, state: pending.answer.word), pending.commit)
            }
        case .hold(let job):
            change(ticket) { () throws(JobFault) in
                let pending = try batch.hold(job, of: user)
                return (.moved(job: job, state: pending.answer.word), pending.commit)
            }
        case .release(let job):
            change(ticket) { () throws(JobFault) in
                let pending = try batch.release(job, of: user)
                return (.moved(job: job, state: pending.answer.word), pending.commit)
            }
        case .operatorCommand(let text):
            let lines = batch.operate(text, by: user, authority: shared.authority(of: user))
            answer(.replied(ticket, lines.map { .operatorAnswer($0) } ?? .notAllowed("not yours to command")))
        case .input, .watch(.all), .unwatch, .ping, .bye:
            answer(.replied(ticket, .done()))  // the machine's own business; it does not ask
        }
    }

    private func change(
        _ ticket: PrivRJE.HostMachine.Ticket, finished: PrivRJE.Reply = .notPossible("finished already"),
        _ body: () throws(JobFault) -> (PrivRJE.Reply, UInt64)
    ) {
        do throws(JobFault) {
            let (reply, commit) = try body()
            self.reply(reply, to: ticket, after: commit)
        } catch {
            switch error {
            case .noSuchJob: answer(.replied(ticket, .noSuchJob))
            case .notFinished: answer(.replied(ticket, .notNow("not finished")))
            case .finished: answer(.replied(ticket, finished))
            case .stateForbids: answer(.replied(ticket, .notPossible("not in this state")))
            }
        }
    }

    private func fetch(_ fetch: PrivRJE.Fetch, _ ticket: PrivRJE.HostMachine.Ticket, _ user: String) {
        let files: [OutputFile]
        do throws(JobFault) {
            files = try shared.batch.files(fetch.job, of: user)
        } catch {
            return answer(.replied(ticket, error == .noSuchJob ? .noSuchJob : .notNow("not finished")))
        }
        guard files.indices.contains(fetch.file - 1) else {
            return answer(.replied(ticket, .badParameter("no such file")))
        }
        let file = files[fetch.file - 1]
        guard fetch.offset <= file.octets else {
            return answer(.replied(ticket, .badParameter("OFFSET beyond the file")))
        }
        fetches[ticket] = file
        let octets = min(fetch.count ?? .max, file.octets - fetch.offset)
        answer(
            .fetched(
                ticket,
                PrivRJE.BlockHeader(
                    job: fetch.job, file: fetch.file, offset: fetch.offset, octets: octets, total: file.octets)))
    }
}

extension JobReceipt {
    var receipt: PrivRJE.Receipt {
        PrivRJE.Receipt(job: number.description, name: name, cards: cards, isDuplicate: isDuplicate, isPurged: isPurged)
    }
}

extension QueueState {
    var word: PrivRJE.JobState {
        switch self {
        case .held: .held
        case .queued: .queued
        case .running: .running
        case .done: .done
        case .failed: .failed
        }
    }
}

extension JobReport {
    var line: PrivRJE.JobLine {
        var line = PrivRJE.JobLine(job: number.description, name: name, state: state.word)
        line.jobClass = jobClass.description
        line.submitted = submittedAt.seconds
        line.started = startedAt?.seconds
        line.files = files
        guard let end else { return line }
        line.ended = end.at.seconds
        switch end.outcome {
        case .done(let code): line.returnCode = code
        case .jclError: line.reason = .jcl
        case .abend(let abend):
            line.reason = .abend
            line.abend = abend.description
        case .cancelled: line.reason = .cancelled
        case .lost: line.reason = .lost
        }
        return line
    }
}

extension OutputFile {
    func line(number: Int) -> PrivRJE.FileLine {
        PrivRJE.FileLine(
            file: number, kind: kind == .print ? .print : .punch, step: step, dd: ddName, records: records,
            octets: octets,
            carriageControl: carriageControl, code: code?.name ?? "BINARY", lrecl: recordLength)
    }
}

extension Timestamp {
    /// `2026-11-23T01:02:03Z`
    var seconds: String { String(decoding: rfc3339Octets.prefix(19), as: UTF8.self) + "Z" }
}
