import Protocols
import Wire

/// The smallest batch system that keeps section 4's promise: keys bind, decks are checked, jobs and files are kept.
final class FakeBatch {
    struct Job {
        let user: String
        var line: PrivRJE.JobLine
        let block: [UInt8]
        let cards: Int
        var files: [[UInt8]] = []
        var isPurged = false
    }

    var users = ["RMT7": "secret", "RMT8": "secret", "OPEN": ""]
    var jobs: [Job] = []
    /// By user and key: the place in `jobs`, or nil when the key was made void.
    var keys: [String: Int?] = [:]
    var sessions: [String: Int] = [:]
    var isDraining = false
    var nextNumber = 42
    /// Called at each change of a job's state.
    var changed: [(PrivRJE.JobLine, String) -> Void] = []

    func judge(_ user: String, _ password: String?, limit: Int) -> PrivRJE.HostMachine.Verdict {
        guard let expected = users[user] else { return password == nil ? .passwordNeeded : .refused }
        if password == nil && !expected.isEmpty { return .passwordNeeded }
        guard (password ?? "") == expected else { return .refused }
        guard sessions[user, default: 0] < limit else { return .tooManySessions }
        sessions[user, default: 0] += 1
        return .signedOn
    }

    func submit(_ user: String, _ input: PrivRJE.Input, _ refusal: PrivRJE.Refusal?, _ block: [UInt8]) -> PrivRJE.Reply
    {
        let name = input.key.map { "\(user)/\($0)" }
        if let name, let bound = keys[name] {
            guard let bound else { return .refused(.init(.keyVoid)) }
            guard jobs[bound].block == block else { return .refused(.init(.keyClash)) }
            return .accepted(receipt(jobs[bound], isDuplicate: true))
        }
        if let refusal { return .refused(refusal) }
        if isDraining { return .notTakingJobs("draining") }
        guard let code = CodePage(named: input.code) else { return .refused(.init(.badCode)) }
        let (cards, fault) = check(block, input, code)
        if let fault { return .refused(fault) }
        var line = PrivRJE.JobLine(
            job: PrivRJE.jobNumber(nextNumber), name: jobName(cards[0]), state: input.holds ? .held : .queued)
        line.jobClass = input.jobClass
        nextNumber += 1
        jobs.append(Job(user: user, line: line, block: block, cards: cards.count))
        if let name { keys[name] = .some(jobs.count - 1) }
        return .accepted(receipt(jobs[jobs.count - 1], isDuplicate: false))
    }

    private func check(_ block: [UInt8], _ input: PrivRJE.Input, _ code: CodePage) -> ([String], PrivRJE.Refusal?) {
        var splitter = RecordSplitter(
            input.form == .fixed ? .fixed(input.lrecl) : .text(code), longestRecord: input.lrecl)
        var cards: [String] = []
        do {
            splitter.append(block)
            while let card = try splitter.next() { cards.append(code.decode(card)) }
            if let card = try splitter.finish() { cards.append(code.decode(card)) }
        } catch {
            return ([], .init(.badCard, card: error.record, "longer than \(error.limit)"))
        }
        guard cards.contains(where: { !$0.allSatisfy { $0 == " " } }) else { return ([], .init(.empty)) }
        if let bad = cards.firstIndex(where: { $0.contains("\u{FFFD}") }) {
            return ([], .init(.badCard, card: bad + 1, "not \(code.name)"))
        }
        let jobCards = cards.indices.filter { isJobCard(cards[$0]) }
        guard jobCards.first == 0 else { return ([], .init(.noJobCard, card: 1)) }
        if jobCards.count > 1 { return ([], .init(.badCard, card: jobCards[1] + 1, "second job card")) }
        return (cards, nil)
    }

    private func isJobCard(_ card: String) -> Bool {
        let words = card.split(separator: " ")
        return card.hasPrefix("//") && words.count > 1 && words[1] == "JOB"
    }

    private func jobName(_ card: String) -> String { String(card.dropFirst(2).prefix { $0 != " " }) }

    private func receipt(_ job: Job, isDuplicate: Bool, isPurged: Bool = false) -> PrivRJE.Receipt {
        PrivRJE.Receipt(
            job: job.line.job, name: job.line.name, cards: job.cards, isDuplicate: isDuplicate, isPurged: isPurged)
    }

    enum Answer {
        case reply(PrivRJE.Reply)
        case block(PrivRJE.BlockHeader, [UInt8])
    }

    func perform(_ user: String, _ request: PrivRJE.Request) -> Answer {
        switch request {
        case .find(let key):
            guard case .some(.some(let at)) = keys["\(user)/\(key)"] else { return .reply(.noSuchKey) }
            return .reply(.accepted(receipt(jobs[at], isDuplicate: false, isPurged: jobs[at].isPurged)))
        case .void(let key):
            if case .some(.some(let at)) = keys["\(user)/\(key)"] {
                return .reply(.accepted(receipt(jobs[at], isDuplicate: false)))
            }
            keys["\(user)/\(key)"] = .some(nil)
            return .reply(.voided)
        case .status(.all):
            return .reply(.jobs(jobs.filter { $0.user == user && !$0.isPurged }.reversed().map(\.line)))
        case .operatorCommand(let text): return .reply(.operatorAnswer(["YOU SAID " + text]))
        case .status(.job(let job)): return with(user, job) { .reply(.job($0.line)) }
        case .watch(.job(let job)): return with(user, job) { _ in .reply(.done()) }
        case .files(let job):
            return with(user, job) { job in
                guard job.line.state.isFinished else { return .reply(.notNow("not finished")) }
                return .reply(.files(job.files.enumerated().map { file(number: $0 + 1, $1) }))
            }
        case .fetch(let fetch):
            return with(user, fetch.job) { job in
                guard job.line.state.isFinished else { return .reply(.notNow("not finished")) }
                guard fetch.file > 0, fetch.file <= job.files.count else {
                    return .reply(.badParameter("no such file"))
                }
                let file = job.files[fetch.file - 1]
                guard fetch.offset <= file.count else { return .reply(.badParameter("beyond the file")) }
                let part = Array(file[fetch.offset...].prefix(fetch.count ?? .max))
                return .block(
                    .init(
                        job: fetch.job, file: fetch.file, offset: fetch.offset, octets: part.count, total: file.count),
                    part)
            }
        case .purge(let job):
            return with(user, job) {
                guard $0.line.state.isFinished else { return .reply(.notNow("not finished")) }
                $0.isPurged = true
                return .reply(.ended(job: job))
            }
        case .cancel(let job):
            return with(user, job) {
                guard !$0.line.state.isFinished else { return .reply(.notNow("finished")) }
                $0.line.state = .failed
                $0.line.reason = .cancelled
                return .reply(.ended(job: job, state: .failed))
            }
        case .hold(let job), .release(let job):
            let isHold = if case .hold = request { true } else { false }
            return with(user, job) {
                if $0.line.state.isFinished || isHold && $0.line.state == .running {
                    return .reply(.notPossible("\($0.line.state.rawValue)"))
                }
                if isHold { $0.line.state = .held } else if $0.line.state == .held { $0.line.state = .queued }
                return .reply(.moved(job: job, state: $0.line.state))
            }
        case .input, .watch(.all), .unwatch, .ping, .bye:
            return .reply(.init(500, "the machine asked what it answers itself"))
        }
    }

    private func with(_ user: String, _ job: String, _ body: (inout Job) -> Answer) -> Answer {
        guard let at = jobs.firstIndex(where: { $0.user == user && $0.line.job == job && !$0.isPurged }) else {
            return .reply(.noSuchJob)
        }
        return body(&jobs[at])
    }

    private func file(number: Int, _ octets: [UInt8]) -> PrivRJE.FileLine {
        PrivRJE.FileLine(
            file: number, kind: .print, dd: "JESMSGLG", records: octets.count { $0 == 0x0A }, octets: octets.count,
            carriageControl: .asa, lrecl: 133)
    }

    /// Runs a job to its end, telling the watchers.
    func run(_ job: String, files: [[UInt8]] = [], returnCode: Int = 0) {
        guard let at = jobs.firstIndex(where: { $0.line.job == job }) else { return }
        jobs[at].line.state = .running
        for tell in changed { tell(jobs[at].line, jobs[at].user) }
        jobs[at].files = files
        jobs[at].line.files = files.count
        jobs[at].line.returnCode = returnCode
        jobs[at].line.state = .done
        for tell in changed { tell(jobs[at].line, jobs[at].user) }
    }
}

extension PrivRJE {
    static func jobNumber(_ number: Int) -> String {
        let digits = String(number)
        return "J" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
