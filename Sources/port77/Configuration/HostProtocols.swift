import Jobs
import Lines
import Protocols
import Wire
import Yams

extension Configuration {
    /// What a host speaks, with the settings that only this protocol has.
    enum HostProtocol: Equatable, Sendable {
        case privRJE
        case rfc407(RFC407Host)
        case netrjs(NETRJSHost)

        enum Name: String, CaseIterable { case privRJE = "priv-rje", rfc407, netrjs }

        var name: Name {
            switch self {
            case .privRJE: .privRJE
            case .rfc407: .rfc407
            case .netrjs: .netrjs
            }
        }

        var ftp: FTPServer? {
            if case .rfc407(let host) = self { return host.ftp }
            return nil
        }

        var usualPort: Int {
            switch self {
            case .privRJE: 77
            case .rfc407: 5
            case .netrjs(let host): host.characterSet.contactPort
            }
        }
    }

    struct RFC407Host: Equatable, Sendable {
        var deckMode: RFC407.Mode?
        var printMode: RFC407.Mode?
        var dialect = RFC407.StreamFormat.Dialect.block959
        var printFile = ""
        var punchFile: String? = "punch"
        var dataPorts: ClosedRange<Int>?
        var dataAddress: IPAddress?
        var ftp: FTPServer?
    }

    /// An FTP server that gateway and host both reach.
    struct FTPServer: Equatable, Sendable {
        var address: HostPort
        /// Where the host finds it; nil: the gateway's address for it, which then is an IPv4 address.
        var seenAs: IPAddress?
        var user: String
        var password: Secret
        var folder: String?
    }

    struct NETRJSHost: Equatable, Sendable {
        enum Ports: Equatable, Sendable {
            case announced
            case base(Int)
            case explicit(reader: Int, printer: Int, punch: Int)
        }

        var characterSet = NETRJS.CharacterSet.ascii68
        var ports = Ports.announced
        var sendsCompressed = false
        /// nil: found out by what comes.
        var punchHasLeadingBlank: Bool?
    }
}

extension Configuration.Host {
    /// A terminal of NETRJS holds one session, which carries all its jobs.
    var leastSessions: Int { speaks.name == .netrjs ? 1 : minSessions }
    var mostSessions: Int { speaks.name == .netrjs ? 1 : maxSessions }

    /// What decks and print-out are in: a NETRJS terminal's code is that of its character set.
    var wireCodePage: CodePage {
        guard case .netrjs(let more) = speaks else { return codePage }
        guard more.characterSet == .ebcdic else { return .ascii }
        return codePage == .ascii ? .cp037 : codePage
    }
}

extension ConfigurationReader {
    static let rfc407Members = ["deck_mode", "print_mode", "dialect", "print_file", "punch_file", "data", "ftp"]
    static let netrjsMembers = ["terminal", "character_set", "ports", "send_compressed", "punch_leading_blank"]

    mutating func readProtocol(
        _ name: Configuration.HostProtocol.Name, _ members: [String: Node]
    ) -> Configuration.HostProtocol {
        switch name {
        case .privRJE: .privRJE
        case .rfc407: .rfc407(readRFC407(members))
        case .netrjs: .netrjs(readNETRJS(members))
        }
    }

    /// What the host is said to speak; nil when that is missing or not served.
    func protocolName(of node: Node) -> Configuration.HostProtocol.Name? {
        node.mapping?["protocol"]?.scalar.flatMap { Configuration.HostProtocol.Name(rawValue: $0.string) }
    }

    /// A NETRJS host knows terminals, not users.
    mutating func readUser(
        _ name: Configuration.HostProtocol.Name, _ members: [String: Node], of node: Node
    ) -> String? {
        guard name == .netrjs else { return required("user", in: members, of: node)?.text }
        if let user = members["user"] { fault(user, "a netrjs host has terminal instead of user") }
        guard let terminal = required("terminal", in: members, of: node) else { return nil }
        let id = terminal.text.uppercased()
        if !NETRJS.isName(id) {
            fault(terminal.node, "terminal is 1 to 8 of A-Z, 0-9, $, # and @, beginning with none of the digits")
        }
        return id
    }

    private mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, _ members: [String: Node]
    ) -> Value? where Value.RawValue == String {
        guard let node = members[name], let text = string(node, name) else { return nil }
        if let value = Value(rawValue: text) { return value }
        fault(node, "\(name) is one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
        return nil
    }

    private mutating func mode(_ name: String, _ members: [String: Node], _ modes: [RFC407.Mode]) -> RFC407.Mode? {
        guard let node = members[name], let text = string(node, name) else { return nil }
        if let mode = RFC407.Mode(rawValue: text.uppercased()), modes.contains(mode) { return mode }
        fault(node, "\(name) is one of \(modes.map(\.rawValue).joined(separator: ", "))")
        return nil
    }

    private mutating func fileName(_ name: String, _ members: [String: Node]) -> String? {
        guard let node = members[name], let text = string(node, name) else { return nil }
        if RFC407.isWord(text) { return text }
        fault(node, "\(name) is one word without = @ / : and comma")
        return nil
    }

    private mutating func readRFC407(_ members: [String: Node]) -> Configuration.RFC407Host {
        var host = Configuration.RFC407Host()
        host.deckMode = mode("deck_mode", members, [.records, .text])
        host.printMode = mode("print_mode", members, [.asa, .records, .text])
        host.dialect = choice("dialect", members) ?? host.dialect
        host.printFile = fileName("print_file", members) ?? host.printFile
        if let node = members["punch_file"] {
            host.punchFile = node.bool == false ? nil : fileName("punch_file", members) ?? host.punchFile
        }
        if let data = members["data"] { readData(data, into: &host) }
        if let ftp = members["ftp"] {
            host.ftp = readFTP(ftp)
            for (name, given) in [("deck_mode", host.deckMode), ("print_mode", host.printMode)] {
                if let given, given != .text, let node = members[name] {
                    fault(node, "\(name) is T with ftp: servers that take records and blocks are hardly left")
                }
            }
            host.deckMode = .text
            host.printMode = .text
            if members["data"] != nil {
                fault(ftp, "ftp and data exclude each other: files travel one way or the other")
            }
        }
        return host
    }

    private mutating func readData(_ node: Node, into host: inout Configuration.RFC407Host) {
        guard let members = members(of: node, named: "data", known: ["address", "ports"]) else { return }
        if let address = members["address"], let text = string(address, "address") {
            host.dataAddress = IPAddress(text)
            if host.dataAddress == nil { fault(address, "address is a numeric address on which the host is awaited") }
        }
        if let ports = members["ports"], let text = string(ports, "ports") {
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            if ends.count == 2, let first = ends[0], let last = ends[1], 1024 <= first, first <= last, last <= 65_535 {
                host.dataPorts = first...last
            } else {
                fault(ports, "ports is a range such as 40100-40199, within 1024-65535")
            }
        }
    }

    private mutating func readFTP(_ node: Node) -> Configuration.FTPServer? {
        let known = ["address", "seen_as", "user", "password", "folder"]
        guard let members = members(of: node, named: "ftp", known: known) else { return nil }
        let address = required("address", in: members, of: node).flatMap { address -> HostPort? in
            let parsed = HostPort(address.text, defaultPort: 21)
            if parsed == nil { fault(address.node, "address is HOST or HOST:PORT; the port is 21 unless given") }
            return parsed
        }
        let user = required("user", in: members, of: node)?.text
        var password: Configuration.Secret?
        if let secret = members["password"] {
            password = readSecret(secret, "password")
        } else {
            fault(node, "password is missing; write password: {env: NAME} or {file: PATH}")
        }
        var seenAs: IPAddress?
        if let seen = members["seen_as"], let text = string(seen, "seen_as") {
            seenAs = IPAddress(text)
            if case .v4? = seenAs {
            } else {
                fault(seen, "seen_as is the IPv4 address at which the host finds the FTP server")
            }
        } else if let address, IPAddress(address.host) == nil {
            fault(node, "seen_as is missing: the host is told a numeric address, and \(address.host) is a name")
        }
        guard let address, let user, let password else { return nil }
        return Configuration.FTPServer(
            address: address, seenAs: seenAs, user: user, password: password,
            folder: members["folder"].flatMap { string($0, "folder") })
    }

    private mutating func readNETRJS(_ members: [String: Node]) -> Configuration.NETRJSHost {
        var host = Configuration.NETRJSHost()
        host.characterSet = choice("character_set", members) ?? host.characterSet
        if let node = members["ports"] { host.ports = readPorts(node) ?? host.ports }
        if let node = members["send_compressed"] {
            if let isOn = node.bool {
                host.sendsCompressed = isOn
            } else {
                fault(node, "send_compressed is true or false")
            }
        }
        if let node = members["punch_leading_blank"], let text = string(node, "punch_leading_blank") {
            switch (node.bool, text) {
            case (let has?, _): host.punchHasLeadingBlank = has
            case (nil, "auto"): host.punchHasLeadingBlank = nil
            default: fault(node, "punch_leading_blank is auto, true or false")
            }
        }
        return host
    }

    private mutating func readPorts(_ node: Node) -> Configuration.NETRJSHost.Ports? {
        if node.scalar?.string == "announced" { return .announced }
        guard node.mapping != nil,
            let members = members(of: node, named: "ports", known: ["base", "reader", "printer", "punch"])
        else {
            fault(node, "ports is announced, {base: EVEN-NUMBER}, or {reader: PORT, printer: PORT, punch: PORT}")
            return nil
        }
        if let base = members["base"] {
            guard members.count == 1, let number = number(base, "base", 1024...65_530), number.isMultiple(of: 2) else {
                fault(base, "base stands alone and is an even number from 1024 to 65530")
                return nil
            }
            return .base(number)
        }
        var ports: [Int] = []
        for name in ["reader", "printer", "punch"] {
            guard let port = members[name] else {
                fault(node, "ports: \(name) is missing")
                return nil
            }
            if let number = number(port, name, 1...65_535) { ports.append(number) }
        }
        guard ports.count == 3 else { return nil }
        return .explicit(reader: ports[0], printer: ports[1], punch: ports[2])
    }
}
