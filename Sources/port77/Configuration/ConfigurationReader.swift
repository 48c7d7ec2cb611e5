import Jobs
import Lines
import Stores
import Wire
import Yams

/// Reads the YAML file by hand over its nodes, so that every fault is told with its line, all at once.
struct ConfigurationReader {
    private var faults: [ConfigurationFault] = []

    static func read(_ text: String, file: String) throws(ConfigurationFaults) -> Configuration {
        var reader = ConfigurationReader()
        var configuration = Configuration()
        do {
            guard let root = try Yams.compose(yaml: text) else {
                return .withoutFile
            }
            reader.read(root, into: &configuration)
        } catch let error as YamlError {
            reader.faults.append(Self.fault(of: error))
        } catch {
            reader.faults.append(ConfigurationFault(line: 0, column: 0, words: "not readable as YAML: \(error)"))
        }
        guard reader.faults.isEmpty else { throw ConfigurationFaults(file: file, faults: reader.faults) }
        return configuration
    }

    private static func fault(of error: YamlError) -> ConfigurationFault {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            ConfigurationFault(line: mark.line, column: mark.column, words: problem)
        default: ConfigurationFault(line: 0, column: 0, words: "not readable as YAML: \(error)")
        }
    }

    private mutating func read(_ root: Node, into configuration: inout Configuration) {
        let known = [
            "data", "public", "openapi", "docs", "hosts", "webhooks", "retention", "log", "grace_seconds",
            "owner_limits",
            "auth",
        ]
        guard let members = members(of: root, named: "the file", known: Self.listeningMembers + known) else { return }
        readListening(members, into: &configuration)
        if let node = members["data"], let text = string(node, "data") { configuration.data = text }
        if let node = members["public"], let text = string(node, "public") { configuration.publicFolder = text }
        if let node = members["docs"], let text = string(node, "docs") { configuration.manualFolder = text }
        if let node = members["openapi"], let text = string(node, "openapi") { configuration.openAPIFolder = text }
        if let node = members["grace_seconds"], let seconds = number(node, "grace_seconds", 0...3600) {
            configuration.grace = .seconds(seconds)
        }
        if let node = members["hosts"] {
            guard let sequence = node.sequence else {
                fault(node, "hosts is a list; begin each host with a dash")
                return
            }
            for item in sequence {
                if let host = readHost(item) {
                    if configuration.hosts.contains(where: { $0.id == host.id }) {
                        fault(item, "the host \(host.id) is there twice")
                    }
                    configuration.hosts.append(host)
                }
            }
            if sequence.isEmpty { fault(node, "hosts is empty; name at least one") }
        } else {
            fault(root, "hosts is missing; name at least one host with id, protocol, address, user and password")
        }
        if let node = members["owner_limits"] {
            configuration.ownerLimits = readLimits(node, "owner_limits", ofOwner: true)
            readRates(node, into: &configuration)
        }
        if let node = members["auth"] { readAuth(node, into: &configuration.auth) }
        if let node = members["webhooks"] { readWebhooks(node, into: &configuration.webhooks) }
        if let node = members["retention"] { readRetention(node, into: &configuration.retention) }
        if let node = members["log"] { readLog(node, into: &configuration.log) }
    }

    private mutating func readHost(_ node: Node) -> Configuration.Host? {
        let known = [
            "id", "protocol", "address", "tls", "user", "password", "sessions", "code_page", "longest_card",
            "on_uncertain", "answer_seconds", "limits", "marker_card", "require_key",
        ]
        let kind = protocolName(of: node)
        let more = kind == .rfc407 ? Self.rfc407Members : kind == .netrjs ? Self.netrjsMembers : []
        guard let members = members(of: node, named: "a host", known: known + more + Self.deckMembers) else {
            return nil
        }
        let id = required("id", in: members, of: node).flatMap { id -> HostID? in
            let parsed = HostID(id.text)
            if parsed == nil { fault(id.node, "id is 1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen") }
            return parsed
        }
        if let name = required("protocol", in: members, of: node), kind == nil {
            let known = Configuration.HostProtocol.Name.allCases.map(\.rawValue).joined(separator: ", ")
            fault(name.node, "protocol \(name.text) is not served; this version speaks \(known)")
        }
        let speaks = readProtocol(kind ?? .privRJE, members)
        let address = required("address", in: members, of: node).flatMap { address -> HostPort? in
            let parsed = HostPort(address.text, defaultPort: speaks.usualPort)
            if parsed == nil {
                fault(address.node, "address is HOST or HOST:PORT; the port is \(speaks.usualPort) unless given")
            }
            return parsed
        }
        let user = readUser(kind ?? .privRJE, members, of: node)
        var password: Configuration.Secret?
        if let secret = members["password"] {
            password = readSecret(secret, "password")
        } else if kind == .rfc407 || kind == .netrjs {
            password = .known("")
        } else {
            fault(node, "password is missing; write password: {env: NAME} or {file: PATH}")
        }
        var host: Configuration.Host?
        if let id, let address, let user, let password {
            host = Configuration.Host(
                id: id, address: address, tls: nil, user: user, password: password, speaks: speaks)
        }
        if let tls = members["tls"] { host?.tls = readTLS(tls) }
        if let sessions = members["sessions"], let limits = readSessions(sessions) {
            host?.minSessions = limits.min
            host?.maxSessions = limits.max
        }
        if let page = members["code_page"], let name = string(page, "code_page") {
            if let known = CodePage(named: name) {
                host?.codePage = known
            } else {
                fault(
                    page,
                    "code_page \(name) is not known; known are \(CodePage.allCases.map(\.configurationName).joined(separator: ", "))"
                )
            }
        }
        if let card = members["longest_card"], let length = number(card, "longest_card", 1...32_760) {
            host?.longestCard = length
        }
        if let seconds = members["answer_seconds"], let limit = number(seconds, "answer_seconds", 1...3600) {
            host?.answerLimit = .seconds(limit)
        }
        if let limits = members["limits"] { host?.limits = readLimits(limits, "limits") }
        if let marker = members["marker_card"], let isOn = flag(marker, "marker_card") { host?.hasMarkerCard = isOn }
        host?.decks = readDecks(members)
        if let key = members["require_key"], let isOn = flag(key, "require_key") { host?.requiresKey = isOn }
        if let policy = members["on_uncertain"], let name = string(policy, "on_uncertain") {
            if let known = Job.UncertainPolicy(rawValue: name) {
                host?.uncertainPolicy = known
            } else {
                fault(policy, "on_uncertain is hold, resubmit or abandon")
            }
        }
        return host
    }

    private mutating func readTLS(_ node: Node) -> Configuration.TLS? {
        if node.scalar != nil {
            guard let isOn = node.bool else {
                fault(node, "tls is true, false, or {ca: FILE, name: NAME}")
                return nil
            }
            return isOn ? Configuration.TLS() : nil
        }
        guard let members = members(of: node, named: "tls", known: ["ca", "name"]) else { return nil }
        return Configuration.TLS(
            authorities: members["ca"].flatMap { string($0, "ca") },
            name: members["name"].flatMap { string($0, "name") })
    }

    private mutating func readSessions(_ node: Node) -> (min: Int, max: Int)? {
        guard let members = members(of: node, named: "sessions", known: ["min", "max"]) else { return nil }
        let most = members["max"].flatMap { number($0, "max", 1...256) } ?? 4
        let least = members["min"].flatMap { number($0, "min", 0...256) } ?? min(1, most)
        if least > most {
            fault(node, "sessions: min is above max")
            return nil
        }
        return (least, most)
    }

    private mutating func readLog(_ node: Node, into log: inout Configuration.Log) {
        guard let members = members(of: node, named: "log", known: ["format", "level", "access"]) else { return }
        if let format = members["format"], let name = string(format, "format") {
            if let known = Configuration.Log.Format(spelled: name) {
                log.format = known
            } else {
                fault(format, "format is text or json")
            }
        }
        if let access = members["access"], let name = string(access, "access") {
            if let known = Configuration.Log.Access(rawValue: name) {
                log.access = known
            } else {
                fault(access, "access, the level of a line for each request, is off, debug or info")
            }
        }
        if let level = members["level"], let name = string(level, "level") {
            if Logs.levels.contains(name) {
                log.level = name
            } else {
                fault(level, "level is one of \(Logs.levels.joined(separator: ", "))")
            }
        }
    }

    mutating func readSecret(_ node: Node, _ name: String) -> Configuration.Secret? {
        guard node.mapping != nil else {
            fault(node, "\(name) is never written here; write \(name): {env: NAME} or {file: PATH}")
            return nil
        }
        guard let members = members(of: node, named: name, known: ["env", "file"]) else { return nil }
        switch (members["env"], members["file"]) {
        case (let env?, nil): return string(env, "env").map { .environment($0) }
        case (nil, let file?): return string(file, "file").map { .file($0) }
        default:
            fault(node, "\(name) is either {env: NAME} or {file: PATH}")
            return nil
        }
    }

    // What every reading above is made of.

    mutating func members(of node: Node, named name: String, known: [String]) -> [String: Node]? {
        guard let mapping = node.mapping else {
            fault(node, "\(name) is a list of KEY: VALUE")
            return nil
        }
        var members: [String: Node] = [:]
        for (key, value) in mapping {
            guard let text = key.string else {
                fault(key, "a key is a word")
                continue
            }
            if !known.contains(text) {
                fault(key, "\(text) is not known here; known are \(known.joined(separator: ", "))")
            } else if members.updateValue(value, forKey: text) != nil {
                fault(key, "\(text) is there twice")
            }
        }
        return members
    }

    mutating func required(
        _ name: String, in members: [String: Node], of node: Node
    ) -> (text: String, node: Node)? {
        guard let member = members[name] else {
            fault(node, "\(name) is missing")
            return nil
        }
        return string(member, name).map { ($0, member) }
    }

    mutating func string(_ node: Node, _ name: String) -> String? {
        guard let text = node.scalar?.string, !text.isEmpty else {
            fault(node, "\(name) is a text that is not empty")
            return nil
        }
        return text
    }

    mutating func number(_ node: Node, _ name: String, _ range: ClosedRange<Int>) -> Int? {
        guard let value = node.int, range.contains(value) else {
            fault(node, "\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    mutating func flag(_ node: Node, _ name: String) -> Bool? {
        if node.bool == nil { fault(node, "\(name) is true or false") }
        return node.bool
    }

    private mutating func readLimits(_ node: Node, _ name: String, ofOwner: Bool = false) -> BacklogLimits {
        let known =
            ["waiting_jobs", "waiting_octets"]
            + (ofOwner ? ["stored_octets", "active_jobs_per_host"] + Self.rateMembers : [])
        guard let members = members(of: node, named: name, known: known) else {
            return BacklogLimits()
        }
        return BacklogLimits(
            jobs: members["waiting_jobs"].flatMap { number($0, "waiting_jobs", 1...1_000_000_000) },
            octets: members["waiting_octets"].flatMap { number($0, "waiting_octets", 1...1_000_000_000_000_000) },
            stored: members["stored_octets"].flatMap { number($0, "stored_octets", 1...1_000_000_000_000_000) },
            active: members["active_jobs_per_host"].flatMap { number($0, "active_jobs_per_host", 1...1_000_000_000) })
    }

    mutating func fault(_ node: Node, _ words: String) {
        faults.append(Self.fault(at: node, words))
    }

    static func fault(at node: Node, _ words: String) -> ConfigurationFault {
        ConfigurationFault(line: node.mark?.line ?? 0, column: node.mark?.column ?? 0, words: words)
    }
}
