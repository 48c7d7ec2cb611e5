extension PrivRJE {
    /// A verb that the page has.
    enum Verb: String, Sendable {
        case hello = "HELLO"
        case user = "USER"
        case pass = "PASS"
        case input = "INPUT"
        case find = "FIND"
        case void = "VOID"
        case status = "STATUS"
        case watch = "WATCH"
        case unwatch = "UNWATCH"
        case files = "FILES"
        case fetch = "FETCH"
        case purge = "PURGE"
        case cancel = "CANCEL"
        case hold = "HOLD"
        case release = "RELEASE"
        case operatorCommand = "OPERATOR"
        case ping = "PING"
        case bye = "BYE"

        /// The feature without which a host does not have the command.
        var feature: Feature? {
            switch self {
            case .find, .void: .key
            case .watch, .unwatch: .notice
            case .hold, .release: .hold
            case .operatorCommand: .operator
            case .hello, .user, .pass, .input, .status, .files, .fetch, .purge, .cancel, .ping, .bye: nil
            }
        }
    }

    /// Why a command is refused by its form alone; the answer's code is in it.
    struct CommandFault: Error, Equatable {
        let code: Int
        let text: String

        static func form(_ text: String) -> CommandFault { CommandFault(code: 501, text: text) }
        static func missing(_ what: String) -> CommandFault { CommandFault(code: 502, text: "\(what) is missing") }
    }

    /// A command as far as its form goes; what its parameters mean comes after 500, 506 and 504.
    struct CommandLine: Equatable {
        let verb: String
        /// nil when what follows the verb is no list of parameters.
        let parameters: Parameters?

        struct Parameters: Equatable {
            var positional: [String] = []
            var pairs: [(key: String, value: String)] = []
            /// The first key that stands twice.
            var keyTwice: String?

            subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }
            func count(of key: String) -> Int { pairs.count { $0.key == key } }

            static func == (one: Parameters, other: Parameters) -> Bool {
                one.positional == other.positional && one.keyTwice == other.keyTwice
                    && one.pairs.elementsEqual(other.pairs, by: ==)
            }
        }

        /// - Throws: 501 for a bad octet, or when no verb begins the line.
        init(parsing octets: [UInt8]) throws(CommandFault) {
            guard octets.allSatisfy(PrivRJE.isPrintable) else { throw .form("octet outside 0x20 to 0x7E") }
            let end = octets.firstIndex(of: 0x20) ?? octets.count
            guard (1...16).contains(end), octets[..<end].allSatisfy(Self.isLetter) else { throw .form("no verb") }
            verb = String(decoding: octets[..<end], as: UTF8.self).uppercased()
            parameters = Self.parameters(octets, from: end)
        }

        /// Whether a line that is none may have been an INPUT, so that a block may follow it.
        static func mayBeInput(_ octets: [UInt8]) -> Bool {
            let letters = octets.drop { !isLetter($0) }.prefix(5)
            return String(decoding: letters, as: UTF8.self).uppercased() == "INPUT"
        }

        private static func parameters(_ octets: [UInt8], from start: Int) -> Parameters? {
            var reader = TokenReader(octets, from: start)
            var found = Parameters()
            while !reader.isAtEnd {
                guard reader.space(), let (key, value) = reader.parameter() else { return nil }
                if let key {
                    if found[key] != nil { found.keyTwice = found.keyTwice ?? key }
                    found.pairs.append((key, value))
                } else {
                    found.positional.append(value)
                }
            }
            return found
        }

        private static func isLetter(_ octet: UInt8) -> Bool {
            (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
        }
    }
}

extension PrivRJE.CommandLine {
    /// The positional parameters, as many as there must be.
    func positional(_ names: String...) throws(PrivRJE.CommandFault) -> [String] {
        guard let parameters else { throw .form("not a list of parameters") }
        guard parameters.positional.count >= names.count else { throw .missing(names[parameters.positional.count]) }
        guard parameters.positional.count == names.count else { throw .form("surplus parameter") }
        if let key = parameters.keyTwice { throw .form("\(key) stands twice") }
        return parameters.positional
    }

    /// FIND and VOID.
    func submissionKey() throws(PrivRJE.CommandFault) -> String {
        guard let parameters else { throw .form("not a list of parameters") }
        guard let key = parameters["KEY"] else { throw .missing("KEY") }
        _ = try positional()
        guard PrivRJE.isKey(key) else { throw .form("KEY is not 1 to 64 of A-Z a-z 0-9 . _ -") }
        return key
    }

    func fetch() throws(PrivRJE.CommandFault) -> PrivRJE.Fetch {
        let values = try positional("job", "file")
        guard let file = PrivRJE.number(values[1]) else { throw .form("file is not a number") }
        var fetch = PrivRJE.Fetch(job: values[0], file: file)
        if let text = parameters?["OFFSET"] {
            guard let offset = PrivRJE.number(text) else { throw .form("OFFSET is not a number") }
            fetch.offset = offset
        }
        if let text = parameters?["COUNT"] {
            guard let count = PrivRJE.number(text), count > 0 else { throw .form("COUNT is not a number above 0") }
            fetch.count = count
        }
        return fetch
    }

    /// The length of the block that follows an INPUT.
    ///
    /// - Throws: 501 or 502 when it cannot be known; then the host closes.
    func inputOctets() throws(PrivRJE.CommandFault) -> Int {
        guard let parameters else { throw .form("not a list of parameters") }
        guard let text = parameters["OCTETS"] else { throw .missing("OCTETS") }
        guard parameters.count(of: "OCTETS") == 1 else { throw .form("OCTETS stands twice") }
        guard let octets = PrivRJE.number(text) else { throw .form("OCTETS is not a number") }
        return octets
    }
}
