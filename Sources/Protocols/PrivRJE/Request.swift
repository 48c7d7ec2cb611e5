internal import Wire

extension PrivRJE {
    /// The station's name for one of its requests; any numbering will do, as long as none is open twice.
    package struct RequestID: Hashable, Sendable {
        package let rawValue: UInt64
        package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    }

    /// What a signed-on station may ask, and what a host's batch system is asked.
    package enum Request: Equatable, Sendable {
        /// A deck; its block goes separately.
        case input(Input)
        case find(key: String)
        case void(key: String)
        case status(JobSelector)
        case watch(JobSelector)
        /// nil ends all watches.
        case unwatch(JobSelector?)
        case files(job: String)
        case fetch(Fetch)
        case purge(job: String)
        case cancel(job: String)
        case hold(job: String)
        case release(job: String)
        case operatorCommand(String)
        case ping
        case bye
    }

    /// Why a request cannot be put into a line.
    package enum RequestFault: Error, Equatable, Sendable {
        /// A value holds an octet outside 0x20 to 0x7E.
        case unsayable(String)
        case lineTooLong(octets: Int)
        /// A deck of no octets.
        case emptyDeck
        /// The deck is longer than the host's MAXDECK, or no length at all.
        case deckTooLong(octets: Int, limit: Int)
        /// Asked after BYE.
        case sessionEnding
    }
}

extension PrivRJE.Request {
    /// The command with its end; an INPUT's block follows it. What is the page's default is left out.
    package func line() throws(PrivRJE.RequestFault) -> [UInt8] {
        switch self {
        case .input(let input):
            return try PrivRJE.commandLine(
                "INPUT",
                pairs: [
                    ("OCTETS", String(input.octets)), ("KEY", input.key),
                    ("CODE", input.code == "ASCII" ? nil : input.code),
                    ("RECFM", input.form == .variable ? nil : input.form.rawValue),
                    ("LRECL", input.lrecl == 80 ? nil : String(input.lrecl)), ("HOLD", input.holds ? "Y" : nil),
                    ("CLASS", input.jobClass), ("PRIORITY", input.priority),
                ])
        case .find(let key): return try PrivRJE.commandLine("FIND", pairs: [("KEY", key)])
        case .void(let key): return try PrivRJE.commandLine("VOID", pairs: [("KEY", key)])
        case .status(let jobs): return try PrivRJE.commandLine("STATUS", [jobs.text])
        case .watch(let jobs): return try PrivRJE.commandLine("WATCH", [jobs.text])
        case .unwatch(let jobs): return try PrivRJE.commandLine("UNWATCH", jobs.map { [$0.text] } ?? [])
        case .files(let job): return try PrivRJE.commandLine("FILES", [job])
        case .fetch(let fetch):
            return try PrivRJE.commandLine(
                "FETCH", [fetch.job, String(fetch.file)],
                pairs: [
                    ("OFFSET", fetch.offset == 0 ? nil : String(fetch.offset)),
                    ("COUNT", fetch.count.map { String($0) }),
                ])
        case .purge(let job): return try PrivRJE.commandLine("PURGE", [job])
        case .cancel(let job): return try PrivRJE.commandLine("CANCEL", [job])
        case .hold(let job): return try PrivRJE.commandLine("HOLD", [job])
        case .release(let job): return try PrivRJE.commandLine("RELEASE", [job])
        case .operatorCommand(let text): return try PrivRJE.commandLine("OPERATOR", [text])
        case .ping: return try PrivRJE.commandLine("PING")
        case .bye: return try PrivRJE.commandLine("BYE")
        }
    }
}

extension PrivRJE {
    /// A command with its end. Pairs without value are left out.
    static func commandLine(
        _ verb: String, _ positional: [String] = [], pairs: [(key: String, value: String?)] = []
    ) throws(RequestFault) -> [UInt8] {
        var line = Array(verb.utf8)
        for value in positional {
            guard value.utf8.allSatisfy(isPrintable) else { throw .unsayable(verb) }
            line.append(0x20)
            append(value: value, isPositional: true, to: &line)
        }
        for (key, value) in pairs {
            guard let value else { continue }
            guard value.utf8.allSatisfy(isPrintable) else { throw .unsayable(key) }
            line.append(0x20)
            line.append(contentsOf: key.utf8)
            line.append(0x3D)
            append(value: value, isPositional: false, to: &line)
        }
        guard line.count <= longestLine else { throw .lineTooLong(octets: line.count) }
        return line + [0x0D, 0x0A]
    }
}
