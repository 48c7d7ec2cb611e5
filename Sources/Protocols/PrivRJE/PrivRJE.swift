/// PRIV-RJE/1, the house protocol for port 77.
///
/// The definition is the project's page "PRIV-RJE/1"; its sections are named in the comments here. The *host* listens,
/// the *station* connects; `StationMachine` and `HostMachine` are the two sides as values, without socket and clock.
package enum PrivRJE {
    package static let version = "PRIV-RJE/1"
    package static let port = 77
    /// Octets of a line without its end. Section 1.
    package static let longestLine = 1_000
    /// Lines that one answer to `STATUS *` may list. Section 5.
    package static let mostListedJobs = 1_000
    /// Digits of a number. Section 2.
    package static let mostDigits = 15
    /// Octets of a submission key. Section 4.
    package static let longestKey = 64

    /// The parts of the protocol that a host may lack. Section 3.
    package enum Feature: String, CaseIterable, Sendable {
        /// Submission keys: KEY of INPUT counts, FIND and VOID exist.
        case key = "KEY"
        /// WATCH and UNWATCH.
        case notice = "NOTICE"
        /// OFFSET and COUNT of FETCH.
        case range = "RANGE"
        /// HOLD, RELEASE, and HOLD of INPUT.
        case hold = "HOLD"
        /// OPERATOR.
        case `operator` = "OPERATOR"
    }

    /// One job, or all of the user's.
    package enum JobSelector: Equatable, Sendable {
        case all
        case job(String)

        package var text: String {
            switch self {
            case .all: "*"
            case .job(let job): job
            }
        }

        package init(_ text: String) { self = text == "*" ? .all : .job(text) }
    }

    /// A number of the protocol: 1 to 15 digits.
    package static func number(_ text: some StringProtocol) -> Int? {
        guard (1...mostDigits).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    /// True for a submission key: 1 to 64 of A-Z a-z 0-9 . _ -
    package static func isKey(_ text: String) -> Bool {
        (1...longestKey).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x2D: true
                default: false
                }
            }
    }

    /// What the answer to HELLO says about a host, with the defaults for what it does not say. Section 3.
    package struct Abilities: Equatable, Sendable {
        /// Largest deck in octets.
        package var maxDeck = 16_777_216
        /// Longest card image in characters.
        package var lrecl = 80
        /// Names of the character codes that INPUT may use.
        package var codes = ["ASCII"]
        /// Unanswered commands allowed.
        package var window = 1
        /// Sessions of one user allowed.
        package var sessions = 1
        /// How long a key is remembered after the job's end.
        package var keep = Duration.seconds(86_400)
        /// Silence after which the host may close.
        package var idle = Duration.seconds(600)
        package var features: Set<Feature> = []

        package init() {}

        package func has(_ feature: Feature) -> Bool { features.contains(feature) }
    }
}

extension PrivRJE.Abilities {
    /// - Returns: nil when a number is none. Unknown features are left out; a WINDOW of 0 is 1.
    package init?(_ line: PrivRJE.Line) {
        self.init()
        for (key, path) in [
            ("MAXDECK", \Self.maxDeck), ("LRECL", \.lrecl), ("WINDOW", \.window), ("SESSIONS", \.sessions),
        ] as [(String, WritableKeyPath<Self, Int>)] {
            guard let value = line[key] else { continue }
            guard let number = PrivRJE.number(value) else { return nil }
            self[keyPath: path] = max(1, number)
        }
        for (key, path) in [("KEEP", \Self.keep), ("IDLE", \.idle)] as [(String, WritableKeyPath<Self, Duration>)] {
            guard let value = line[key] else { continue }
            guard let number = PrivRJE.number(value) else { return nil }
            self[keyPath: path] = .seconds(number)
        }
        if let value = line["CODES"] { codes = value.uppercased().split(separator: ",").map(String.init) }
        if let value = line["FEATURES"] {
            features = Set(
                value.uppercased().split(separator: ",").compactMap { PrivRJE.Feature(rawValue: String($0)) })
        }
    }

    /// The answer to HELLO.
    package var line: PrivRJE.Line {
        var line = PrivRJE.Line(200)
        line.add("MAXDECK", maxDeck)
        line.add("LRECL", lrecl)
        line.add("CODES", codes.joined(separator: ","))
        line.add("WINDOW", window)
        line.add("SESSIONS", sessions)
        line.add("KEEP", Int(keep.components.seconds))
        line.add("IDLE", Int(idle.components.seconds))
        let names = PrivRJE.Feature.allCases.filter(has).map(\.rawValue)
        if !names.isEmpty { line.add("FEATURES", names.joined(separator: ",")) }
        return line
    }
}
