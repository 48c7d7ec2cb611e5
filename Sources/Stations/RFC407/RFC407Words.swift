import Jobs
import Protocols

extension StationError {
    init(_ end: RFC407.StationMachine.StationEnd, line: String?) {
        switch end {
        case .bye, .gaveUp: self = .closed
        case .lineClosed: self = .lineLost(line ?? "closed")
        case .silence(let time): self = .deadline("not an answer within \(time.words)")
        case .refused(let reply): self = .logonRefused("\(reply.code) \(reply.text)")
        case .passwordNeeded: self = .logonRefused("it wants a password, and none is configured")
        case .unsayable: self = .logonRefused("user or password hold what a line cannot carry, or end with a blank")
        case .unwilling(let reply): self = .hostUnwilling("\(reply.code) \(reply.text)")
        case .garbage(let words): self = .garbage(words)
        }
    }

    /// An answer that is not the hoped-for one.
    init(_ reply: RFC407.Reply) {
        let words = "\(reply.code) \(reply.wholeText)"
        self = reply.code == 506 ? .lacks(words) : .refused(words)
    }
}

extension HostJob {
    /// What 261, 262, 462 and 463 say of a job. nil for another code, or without a job-id.
    init?(news reply: RFC407.Reply, job: String?) {
        guard let job, let number = JobNumber(job) else { return nil }
        let outcome = Outcome(rfc407: reply.wholeText)
        switch reply.code {
        case 261: self.init(number: number, state: .ended(outcome ?? Outcome(kind: .ok, text: "ended")))
        case 262: self.init(number: number, state: .ended(.canceled))
        case 462: self.init(number: number, state: .ended(.lost("462 \(reply.text)")))
        case 463:
            self.init(
                number: number, state: .ended(outcome ?? .lost("it did not complete, and the host does not say why")))
        default: return nil
        }
    }

    /// The first line of an answer to STATUS of a job, in the form of profile R1: `Job J00042 EXECUTING since 12:01:07`.
    ///
    /// Texts of other hosts are made for people: their job counts as queued until a 261 or 463 comes.
    init(status text: String, of number: JobNumber) {
        let words = text.split(separator: " ").map { $0.uppercased() }
        let word = words.count > 2 && words[0] == "JOB" ? words[2] : ""
        let outcome = Outcome(rfc407: text)
        let state: State =
            switch word {
            case "HELD": .held
            case "EXECUTING", "READING": .running
            case "COMPLETED", "SENDING", "DONE": .ended(outcome ?? Outcome(kind: .ok, text: "ended"))
            case "CANCELLED": .ended(.canceled)
            case "FAILED": .ended(outcome ?? .lost("it failed, and the host does not say why"))
            default: .queued
            }
        self.init(number: number, state: state)
    }
}

extension Outcome {
    /// `CC 0004`, `ABEND S0C7`, `JCL ERROR` or `CANCELED` in a text.
    init?(rfc407 text: String) {
        let words = text.split { $0 == " " || $0 == "," || $0 == ":" }.map { $0.uppercased() }
        for (at, word) in words.enumerated() {
            let next = words.indices.contains(at + 1) ? words[at + 1] : ""
            switch word {
            case "CC", "RC":
                if let code = Int(next), (0...4095).contains(code) {
                    self = .completed(code)
                    return
                }
            case "ABEND" where !next.isEmpty:
                self = .abended(next)
                return
            case "JCL" where next == "ERROR":
                self = .jclError
                return
            case "CANCELED", "CANCELLED":
                self = .canceled
                return
            default: continue
            }
        }
        return nil
    }
}
