import Jobs
import Protocols
import Wire

// What the protocol says, in the words of stations: values on one side, sentences for operators on the other.

extension StationError {
    /// - Parameters:
    ///   - line: what the line said of its end, when it did.
    ///   - secret: never repeated, should the host have echoed it.
    init(_ end: PrivRJE.SessionEnd, line: String?, keeping secret: String?) {
        func clean(_ text: String) -> String {
            guard let secret, !secret.isEmpty else { return text }
            let escaped = secret.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return text.replacing(escaped, with: "…").replacing(secret, with: "…")
        }
        switch end {
        case .bye, .gaveUp: self = .closed
        case .lineClosed: self = .lineLost(line ?? "closed")
        case .silence(let time): self = .deadline("not an octet for \(time.words) while an answer was due")
        case .garbage(let garbage): self = .garbage(garbage.sentence(keeping: secret))
        case .unknownVersion(let version):
            self = .garbage("it greets with \"\(clean(version))\", not with \(PrivRJE.version)")
        case .refused(let text): self = .logonRefused("431 \(clean(text))")
        case .passwordNeeded: self = .logonRefused("it wants a password, and none is configured")
        case .unsayable:
            self = .logonRefused("user or password hold a character that a command cannot carry, or are too long")
        case .noNewSessions(let text): self = .hostUnwilling("401 \(clean(text))")
        case .logOnFailed(.time, let text): self = .hostUnwilling("430 \(clean(text))")
        case .logOnFailed(.sessions, _): self = .tooManySessions(most: nil)
        // Without a known reason it may be the password: not tried again, because tries lock accounts.
        case .logOnFailed(.tries, let text), .logOnFailed(.other, let text): self = .logonRefused("430 \(clean(text))")
        case .hostTrouble(let text): self = .hostUnwilling("435 \(clean(text))")
        case .closedByHost(.errors, let text):
            self = .garbage("it gave up on us after too many commands that it could not read: 436 \(clean(text))")
        case .closedByHost(_, let text): self = .hostUnwilling("436 \(clean(text))")
        }
    }

    /// An answer that is not the hoped-for one.
    init(_ outcome: PrivRJE.Outcome) {
        switch outcome {
        case .failed(code: 506, let text): self = .lacks("506 \(text)")
        case .failed(let code, let text): self = .refused("\(code) \(text)")
        case .notFound(let text): self = .refused("464 \(text)")
        case .notSent(let fault): self = .local(fault.sentence)
        case .notTakingJobs(let text): self = .busy("462 \(text)")
        case .refused(let refusal): self = .refused(refusal.sentence)
        case .accepted, .voided, .jobs, .files, .block, .changed, .operatorAnswer, .done:
            self = .garbage("the answer belongs to another command")
        }
    }
}

extension PrivRJE.Garbage {
    /// `at octet 120 of the session came "SSH-2.0-…", which has no three-digit code`
    func sentence(keeping secret: String?) -> String {
        let octets = excerpt.split(separator: " ").compactMap { Hex.decode($0)?.first }
        let what =
            switch reason {
            case .lineTooLong: "a line of more than \(PrivRJE.longestLine) octets"
            case .notALine(.badOctet): "a line with an octet that is no printable ASCII character"
            case .notALine(.noCode): "a line without a three-digit code"
            case .notALine(.keyTwice(let key)): "a line with \(key) twice"
            case .unasked(let code): "an answer \(code) that nothing asked for"
            case .unexpected(let code): "an answer \(code) that does not belong to the command"
            case .answerTooLong: "an answer without end"
            }
        let start = "octet \(offset) of what it sent begins \(what)"
        if octets.isEmpty { return start }
        // An excerpt may be a cut echo of the password, which no search would find.
        let text = String(decoding: octets, as: UTF8.self)
        if let secret, !secret.isEmpty, text.contains(secret.prefix(4)) || text.uppercased().hasPrefix("PASS") {
            return start + " (not shown: it may hold the password)"
        }
        let isPrintable = octets.allSatisfy { (0x20...0x7E).contains($0) }
        return start + (isPrintable ? ": \"\(text)\(excerpt.hasSuffix("…") ? "…" : "")\"" : ": hex \(excerpt)")
    }
}

extension PrivRJE.Refusal {
    var sentence: String {
        let words =
            switch reason {
            case .tooBig: "it is too big for the host"
            case .empty: "it is empty"
            case .noJobCard: "its first card is no job card"
            case .badCard: "a card is too long, or is one that may not stand there"
            case .badCode: "the host does not take its character code"
            case .keyClash: "its submission key belongs to another deck"
            case .keyVoid: "its submission key was given up"
            case .notAllowed: "the host does not allow it"
            case .other(let word): word
            }
        return words + (card.map { ", card \($0)" } ?? "") + (text.isEmpty ? "" : ": \(text)")
    }
}

extension PrivRJE.RequestFault {
    var sentence: String {
        switch self {
        case .unsayable(let what): "\(what) holds a character that a command cannot carry"
        case .lineTooLong(let octets): "the command would have \(octets) octets"
        case .emptyDeck: "it is empty"
        case .deckTooLong(let octets, let limit): "it has \(octets) octets; the host takes \(limit)"
        case .sessionEnding: "the session is being closed"
        }
    }
}

extension Duration {
    var words: String { components.attoseconds == 0 ? "\(components.seconds) s" : "\(self)" }
}

extension PrivRJEStation.Facts {
    init(_ host: PrivRJE.Abilities) {
        abilities = [.jobNumbers, .status, .cancel, .pulledOutput, .punch, .dropsCutDecks]
        if host.has(.key) { abilities.insert(.submissionKey) }
        if host.has(.notice) { abilities.insert(.notices) }
        if host.has(.hold) { abilities.insert(.hold) }
        if host.has(.operator) { abilities.insert(.operatorCommands) }
        if host.has(.range) { abilities.insert(.rangedFetch) }
        limits = HostLimits(
            longestDeck: host.maxDeck, longestCard: host.lrecl, codes: host.codes, window: host.window,
            sessions: host.sessions, keepsKeys: host.keep, idle: host.idle)
    }
}

extension Receipt {
    init(_ receipt: PrivRJE.Receipt) {
        self.init(
            job: JobNumber(receipt.job), name: receipt.name, cards: receipt.cards, duplicate: receipt.isDuplicate,
            purged: receipt.isPurged)
    }
}

extension HostJob {
    /// - Returns: nil when the host's word for the job is no job number.
    init?(_ line: PrivRJE.JobLine) {
        guard let number = JobNumber(line.job) else { return nil }
        let state: State =
            switch line.state {
            case .held: .held
            case .queued: .queued
            case .running: .running
            case .done: .ended(line.returnCode.map { .completed($0) } ?? Outcome(kind: .ok, text: "ended"))
            case .failed:
                switch line.reason {
                case .jcl: .ended(.jclError)
                case .abend: .ended(.abended(line.abend ?? "code unknown"))
                case .cancelled: .ended(.canceled)
                case .lost: .ended(.lost("the host lost the job"))
                case nil: .ended(.lost("the job failed, and the host does not say why"))
                }
            }
        self.init(number: number, name: line.name, state: state, files: line.files)
    }
}

extension HostFile {
    init(_ line: PrivRJE.FileLine) {
        self.init(
            number: line.file, kind: line.kind == .print ? .print : .punch, step: line.step, ddName: line.dd,
            records: line.records, octets: line.octets, carriageControl: line.carriageControl, code: line.code,
            recordLength: line.lrecl ?? (line.kind == .punch ? 80 : 133))
    }
}
