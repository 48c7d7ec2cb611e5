package import Wire

extension PrivRJE {
    /// The parameters of INPUT. Section 4.
    package struct Input: Equatable, Sendable {
        /// Length of the block that follows.
        package var octets: Int
        package var key: String?
        /// The character code of the block, in upper case.
        package var code: String
        package var form: CardForm
        package var lrecl: Int
        /// Accepted but not run until RELEASE.
        package var holds: Bool
        package var jobClass: String?
        package var priority: String?

        package init(
            octets: Int, key: String? = nil, code: String = "ASCII", form: CardForm = .variable, lrecl: Int = 80,
            holds: Bool = false, jobClass: String? = nil, priority: String? = nil
        ) {
            self.octets = octets
            self.key = key
            self.code = code
            self.form = form
            self.lrecl = lrecl
            self.holds = holds
            self.jobClass = jobClass
            self.priority = priority
        }
    }

    /// The 260: the host has the job.
    package struct Receipt: Equatable, Sendable {
        package var job: String
        package var name: String?
        package var cards: Int?
        /// The key had been accepted before, nothing new was queued.
        package var isDuplicate: Bool
        /// Only the key is left; the job and its output are gone.
        package var isPurged: Bool

        package init(
            job: String, name: String? = nil, cards: Int? = nil, isDuplicate: Bool = false, isPurged: Bool = false
        ) {
            self.job = job
            self.name = name
            self.cards = cards
            self.isDuplicate = isDuplicate
            self.isPurged = isPurged
        }

        package init?(_ line: Line) {
            guard line.code == 260, let job = line["JOB"] else { return nil }
            self.init(
                job: job, name: line["NAME"], cards: line.number("CARDS"), isDuplicate: line.isYes("DUPLICATE"),
                isPurged: line.isYes("PURGED"))
        }

        package var line: Line {
            var line = Line(260)
            line.add("JOB", job)
            line.add("NAME", name)
            line.add("CARDS", cards)
            if isDuplicate { line.add("DUPLICATE", "Y") }
            if isPurged { line.add("PURGED", "Y") }
            return line
        }
    }

    /// The 461: a deck that the host will not have.
    package struct Refusal: Error, Equatable, Sendable {
        package enum Reason: Equatable, Sendable {
            case tooBig, empty, noJobCard, badCard, badCode, keyClash, keyVoid, notAllowed
            /// A word of a later version, or a host's own.
            case other(String)

            package init(_ word: String) {
                let word = word.uppercased()
                self = Self.words.first { $0.word == word }?.reason ?? .other(word)
            }

            package var word: String {
                if case .other(let word) = self { return word }
                return Self.words.first { $0.reason == self }?.word ?? ""
            }

            private static let words: [(reason: Reason, word: String)] = [
                (.tooBig, "TOOBIG"), (.empty, "EMPTY"), (.noJobCard, "NOJOBCARD"), (.badCard, "BADCARD"),
                (.badCode, "BADCODE"), (.keyClash, "KEYCLASH"), (.keyVoid, "KEYVOID"), (.notAllowed, "NOTALLOWED"),
            ]
        }

        package var reason: Reason
        /// The card at fault, from 1.
        package var card: Int?
        /// For people.
        package var text: String

        package init(_ reason: Reason, card: Int? = nil, _ text: String = "") {
            self.reason = reason
            self.card = card
            self.text = text
        }

        package init?(_ line: Line) {
            guard line.code == 461, let word = line["REASON"] else { return nil }
            self.init(Reason(word), card: line.number("CARD"), line.words)
        }

        package var line: Line {
            var line = Line(461, text)
            line.add("REASON", reason.word)
            line.add("CARD", card)
            return line
        }
    }
}
