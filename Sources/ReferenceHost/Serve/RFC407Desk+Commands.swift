import Jobs
import Lines
import Protocols
import Synchronization
import Wire

extension RFC407Desk {
    /// CHANGE, the transmission controls, STATUS, CANCEL and ALTER.
    func obey(_ command: RFC407.Command, user: String, peer: IPAddress) -> Pending<RFC407.Reply> {
        let unknown = Pending(RFC407.Reply(464, "No such job"))
        switch command {
        case .change(let job, let file, let disposition):
            var named = disposition
            if case .send(let place, let keeps) = disposition {
                named = .send(self.named(place, from: peer), keeps: keeps)
            }
            return change(job, RFC407.canonicalFile(file), named, user, peer).map { Pending($0) } ?? unknown
        case .transmission(let verb, let count, .file(let job, let file)):
            return transmit(verb, count, job, RFC407.canonicalFile(file), user, peer).map { Pending($0) } ?? unknown
        case .transmission(let verb, let count, .place(let place)):
            let place = named(place, from: peer)
            let found = state.withLock { state in
                state.jobs.values.lazy.filter { $0.user == user }.flatMap { job in
                    job.files.filter {
                        $0.value.state.phase == .sending && $0.value.state.destination?.isSamePlace(as: place) == true
                    }.map { (job.number, $0.key) }
                }.first
            }
            guard let (job, file) = found else { return Pending(RFC407.Reply(504, "Nothing is being sent there")) }
            return transmit(verb, count, job, file, user, peer).map { Pending($0) } ?? unknown
        case .status(nil, _): return Pending(statusOfAll(user))
        case .status(let job?, let file):
            return status(job, file.map(RFC407.canonicalFile), user, peer).map { Pending($0) } ?? unknown
        case .cancel(let job): return cancel(job, user, peer)
        case .alter(let job, let text): return alter(job, text, user)
        case .reinit, .user, .pass, .bye, .inID, .inPass, .inPath, .input, .abortInput, .outUser, .outPass, .out, .op:
            return Pending(RFC407.Reply(500, "Not recognised"))
        }
    }

    private func change(
        _ number: String, _ name: String, _ disposition: RFC407.Disposition, _ user: String, _ peer: IPAddress
    ) -> RFC407.Reply? {
        var work: [Work] = []
        let reply = withJob(number, of: user, peer: peer) { job, _ in
            job.peer = peer
            guard job.files[name] != nil || !job.isEnded else {
                guard disposition == .discard else { return RFC407.Reply(464, "No such file") }
                // there is nothing to keep the job for: a cancelled one goes with this
                if job.files.values.allSatisfy({ $0.state.phase == .gone }) { job.isCancelled = false }
                return RFC407.Reply(200, "OK")
            }
            var file = job.files[name] ?? File(state: RFC407.OutputState(.hold))
            if case .send(.path, keeps: _) = disposition {
                file.user = file.user ?? job.settings.outUser
                file.password = file.password ?? job.settings.outPassword
            }
            let result = apply(.change(disposition), to: &file, name, of: &job)
            job.files[name] = file
            work = result.work
            return result.reply ?? RFC407.Reply(504, "Not now")
        }
        for piece in work { give(piece) }
        forgetIfGone(number)
        return reply
    }

    private func transmit(
        _ verb: RFC407.Verb, _ count: Int, _ number: String, _ name: String, _ user: String, _ peer: IPAddress
    ) -> RFC407.Reply? {
        var work: [Work] = []
        let reply = withJob(number, of: user, peer: peer) { job, _ in
            guard var file = job.files[name] else {
                return job.isEnded
                    ? RFC407.Reply(464, "No such file") : RFC407.Reply(504, "The job has not ended")
            }
            let result = apply(.verb(verb, count: count), to: &file, name, of: &job)
            job.files[name] = file
            work = result.work
            return result.reply ?? RFC407.Reply(504, "Not now")
        }
        for piece in work { give(piece) }
        forgetIfGone(number)
        return reply
    }

    // MARK: STATUS

    private func statusOfAll(_ user: String) -> RFC407.Reply {
        let (reports, hasMore) = batch.status(of: user)
        let lines = reports.map { "Job \($0.number) \($0.name) \(stateWord($0))" }
        return RFC407.Reply(
            100, "\(batch.settings.name): \(hasMore ? "more than " : "")\(reports.count) jobs of \(user)", more: lines)
    }

    private func stateWord(_ report: JobReport) -> String {
        switch report.state {
        case .held: "HELD"
        case .queued: "QUEUED"
        case .running: "EXECUTING"
        case .done: "COMPLETED"
        case .failed: report.end?.outcome == .cancelled ? "CANCELLED" : "FAILED"
        }
    }

    private func status(_ number: String, _ name: String?, _ user: String, _ peer: IPAddress) -> RFC407.Reply? {
        let outputs = (try? batch.files(number, of: user)) ?? []
        return withJob(number, of: user, peer: peer) { job, report in
            func records(_ name: String) -> String {
                let count = outputs.filter { ($0.kind == .print) == (name == "") }.reduce(0) { $0 + $1.records }
                return count == 1 ? "1 record" : "\(count) records"
            }
            func line(_ name: String, _ file: File) -> String {
                "file \(RFC407.shownFile(name)) \(word(file.state.phase)) \(records(name))"
            }
            if let name {
                guard let file = job.files[name], file.state.phase != .gone else {
                    return RFC407.Reply(464, job.isEnded ? "No such file" : "Job \(number) has no file yet")
                }
                let code = file.state.phase == .sending ? 264 : 161
                return RFC407.Reply(code, "Job \(number) \(line(name, file))")
            }
            var text = "Job \(number) \(job.isCancelled ? "CANCELLED" : stateWord(report))"
            if report.state == .running, let start = report.startedAt {
                text += " since \(PrintedTime(start).colonClock)"
            }
            if let end = report.end, !job.isCancelled { text += " \(Self.text(of: end))" }
            let more = job.isEnded ? job.files.sorted { $0.key < $1.key }.map { line($0.key, $0.value) } : []
            return RFC407.Reply(161, text, more: more)
        }
    }

    private func word(_ phase: RFC407.OutputState.Phase) -> String {
        switch phase {
        case .waiting: "WAITING"
        case .held: "HELD"
        case .queued: "QUEUED"
        case .sending: "SENDING"
        case .kept: "DONE"
        case .stranded: "STRANDED"
        case .gone: "GONE"
        }
    }

    // MARK: CANCEL and ALTER

    private func cancel(_ number: String, _ user: String, _ peer: IPAddress) -> Pending<RFC407.Reply> {
        let known = withJob(number, of: user, peer: peer) { job, _ in
            job.isCancelled = true
            for name in Array(job.files.keys) {
                job.files[name]?.transfer?.breakOff()
                job.files[name]?.generation += 1
                if job.isEnded { job.files[name] = nil }
            }
            return true
        }
        guard known == true else { return Pending(RFC407.Reply(464, "No such job")) }
        let done = RFC407.Reply(262, "Job \(number) cancelled")
        do throws(JobFault) {
            return Pending(done, after: try batch.cancel(number, of: user).commit)
        } catch {
            return Pending(done)  // it had ended: its output is thrown away all the same
        }
    }

    private func alter(_ number: String, _ text: String, _ user: String) -> Pending<RFC407.Reply> {
        let words = text.uppercased().split(separator: " ").map(String.init)
        guard batch.status(number, of: user) != nil else { return Pending(RFC407.Reply(464, "No such job")) }
        let refused = Pending(RFC407.Reply(465, "PRIORITY n, HOLD and RELEASE are what can be altered, before it runs"))
        do throws(JobFault) {
            switch (words.first, words.count) {
            case ("HOLD", 1):
                let commit = try batch.hold(number, of: user).commit
                return Pending(RFC407.Reply(263, "Job \(number) HELD"), after: commit)
            case ("RELEASE", 1):
                let commit = try batch.release(number, of: user).commit
                return Pending(RFC407.Reply(263, "Job \(number) QUEUED"), after: commit)
            case ("PRIORITY", 2):
                guard let priority = Int(words[1]), (0...15).contains(priority) else { return refused }
                try batch.setPriority(priority, of: number, user: user)
                return Pending(RFC407.Reply(263, "Job \(number) PRIORITY \(priority)"))
            default: return refused
            }
        } catch {
            return error == .noSuchJob ? Pending(RFC407.Reply(464, "No such job")) : refused
        }
    }
}
