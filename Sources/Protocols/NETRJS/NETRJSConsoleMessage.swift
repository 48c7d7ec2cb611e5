import Wire

extension NETRJS {
    /// A line from the host's console. Only the identifier is known for sure: texts differ from host to host, and what cannot
    /// be read in one is words for people.
    package struct ConsoleMessage: Equatable, Sendable {
        /// Subsystem and number, `RJS534`; nil for a line that begins with none.
        package let id: String?
        /// The whole line, continuations joined with a blank.
        package let text: String

        package init(_ line: String) {
            text = line
            let start = Array(line.utf8.prefix(7))
            let isID =
                start.count >= 6 && start[..<3].allSatisfy { (0x41...0x5A).contains($0) }
                && start[3..<6].allSatisfy { (0x30...0x39).contains($0) }
                && (start.count == 6 || start[6] == 0x20 || (0x41...0x5A).contains(start[6]))
            id = isID ? String(decoding: start[..<6], as: UTF8.self) : nil
        }

        /// What the message says, as far as a program can know.
        package enum Meaning: Equatable, Sendable {
            /// Port S of profile N1.
            case socketBase(Int)
            case ready
            case signedOn(terminal: String?)
            /// NRJ307; `isTaken` when the words say that somebody has this terminal.
            case signOnRefused(isTaken: Bool)
            case alert
            case jobAccepted(name: String, cards: Int?)
            case jobRejected(name: String)
            case outputReady(Device, job: String, isDeferred: Bool)
            case outputSent(Device, job: String)
            case status(JobStatus)
            /// Another line of a STATUS answer.
            case statusWords
            /// The host dropped a deck that a broken session had begun.
            case deckDropped(job: String)
            /// A channel failed; nil where no device is named.
            case trouble(Device?)
            /// The session ends; NRJ110 and NRJ111 before it began.
            case ended(Ending)
            case other
        }

        package enum Ending: Equatable, Sendable { case busy, down, timedOut, killed, closed, failed }

        /// One job of a STATUS answer.
        package struct JobStatus: Equatable, Sendable {
            package enum State: String, Sendable { case reading = "SPL", executing = "XEQ", printing = "PRT" }
            package let name: String
            /// nil for a word that is not known.
            package let state: State?
            /// nil when the line does not say.
            package let isActive: Bool?
            package let number: Int?

            package init(name: String, state: State?, isActive: Bool?, number: Int?) {
                self.name = name
                self.state = state
                self.isActive = isActive
                self.number = number
            }
        }

        package var meaning: Meaning {
            guard let id else { return .other }
            let words = text.uppercased().split { $0 == " " }.dropFirst().map(String.init)
            switch id {
            case "NRJ000": return words.last.flatMap { Int($0) }.map { .socketBase($0) } ?? .other
            case "NRJ876": return .ready
            case "RJS750": return .signedOn(terminal: Self.word(after: "TERMINAL", in: words))
            case "NRJ307":
                return .signOnRefused(isTaken: words.contains("ALREADY") || words.contains("USE"))
            case "RJS250", "RJS650", "RJS652", "RJS660": return .alert
            case "RJS534": return accepted(words)
            case "RJS535": return Self.word(after: "JOB", in: words).map { .jobRejected(name: $0) } ?? .other
            case "RJS481", "RJS482": return output(words, isSent: id == "RJS482")
            case "RJS812": return Self.status(words)
            case "RJS800", "RJS802", "RJS804", "RJS809", "RJS810": return .statusWords
            case "NRJ502" where words.contains("DISCARDED"):
                return Self.word(after: "JOB", in: words).map { .deckDropped(job: $0) } ?? .other
            case "NRJ207", "NRJ501", "NRJ502", "NRJ503", "NRJ504", "NRJ505", "NRJ506", "NRJ507", "NRJ509", "NRJ510",
                "NRJ511", "NRJ602":
                return .trouble(Self.device(in: words))
            case "NRJ110": return .ended(.busy)
            case "NRJ111": return .ended(.down)
            case "NRJ308": return .ended(.timedOut)
            case "NRJ204": return .ended(.killed)
            case "NRJ205": return .ended(.closed)
            case "NRJ106", "NRJ201", "NRJ208", "NRJ209", "NRJ304", "NRJ401", "NRJ402": return .ended(.failed)
            default: return .other
            }
        }

        private func accepted(_ words: [String]) -> Meaning {
            guard words.contains("ACCEPTED"), let name = Self.word(after: "JOB", in: words) else { return .other }
            let cards = words.firstIndex { $0.hasPrefix("CARDS") }.flatMap { $0 > 0 ? Int(words[$0 - 1]) : nil }
            return .jobAccepted(name: name, cards: cards)
        }

        /// `PRINT OUTPUT FOR JOB name ...`
        private func output(_ words: [String], isSent: Bool) -> Meaning {
            let device: Device
            switch words.first {
            case "PRINT": device = .printer
            case "PUNCH": device = .punch
            default: return .other
            }
            guard words.dropFirst().first == "OUTPUT", let name = Self.word(after: "JOB", in: words) else {
                return .other
            }
            if isSent { return .outputSent(device, job: name) }
            return .outputReady(device, job: name, isDeferred: words.contains("DEFERRED"))
        }

        /// `name XEQ(A) 012`; the state word may stand with or without the queue.
        private static func status(_ words: [String]) -> Meaning {
            guard words.count >= 2, words[0].utf8.count <= 8 else { return .statusWords }
            let parts = words[1].split { $0 == "(" || $0 == ")" }
            guard let word = parts.first, word.utf8.count == 3, word.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
            else { return .statusWords }
            return .status(
                JobStatus(
                    name: words[0], state: JobStatus.State(rawValue: String(word)),
                    isActive: words[1].contains("(") ? parts.dropFirst().first == "A" : nil,
                    number: words.dropFirst(2).first.flatMap { Int($0) }))
        }

        private static func word(after word: String, in words: [String]) -> String? {
            guard let at = words.firstIndex(of: word), at + 1 < words.count else { return nil }
            let name = words[at + 1].prefix { $0 != "," && $0 != "." && $0 != ";" }
            return name.isEmpty ? nil : String(name)
        }

        private static func device(in words: [String]) -> Device? {
            words.lazy.compactMap { word in Device(named: word.filter { $0 != "," && $0 != "." }) }.first
        }
    }

    /// What a terminal reads from the host's console.
    ///
    /// A message is handed out when its line is complete; a line that continues it (`**`) hands it out again, whole.
    package struct ConsoleOutput: Equatable, Sendable {
        /// Octets of a line; longer ones are dropped.
        package static let longestLine = 1_024
        /// Octets of a message with its continuations; what goes beyond is left out.
        package static let longestMessage = 4_096

        private var telnet = Telnet()
        private var lines = NVTLines(longest: longestLine)
        private var last = ""

        package init() {}

        package var isBroken: Bool { telnet.isBroken }

        package mutating func receive(_ octets: some Collection<UInt8>) -> (messages: [ConsoleMessage], reply: [UInt8])
        {
            let (text, reply) = telnet.receive(octets)
            lines.append(text)
            var messages: [ConsoleMessage] = []
            while let item = lines.next() {
                guard case .line(let octets) = item else { continue }
                let line = String(decoding: octets.filter { (0x20...0x7E).contains($0) }, as: UTF8.self)
                if line.hasPrefix("**"), !last.isEmpty {
                    let more = line.drop { $0 == "*" || $0 == " " }
                    if last.utf8.count + more.utf8.count < Self.longestMessage { last += " " + more }
                } else {
                    guard line.contains(where: { $0 != " " }) else { continue }
                    last = String(line.drop { $0 == " " })
                }
                messages.append(ConsoleMessage(last))
            }
            return (messages, reply)
        }
    }
}
