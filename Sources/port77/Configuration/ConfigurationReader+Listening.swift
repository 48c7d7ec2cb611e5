import HTTPCore
import Jobs
import Lines
import Yams

extension ConfigurationReader {
    static let listeningMembers = ["listen", "tls", "proxies", "http", "drain_seconds", "require_if_match"]

    mutating func readListening(_ members: [String: Node], into configuration: inout Configuration) {
        if let node = members["listen"] {
            let read = (node.sequence.map { Array($0) } ?? [node]).compactMap { readListen($0) }
            if !read.isEmpty { configuration.listen = read }
            if node.sequence?.isEmpty == true { fault(node, "listen is empty; name at least one place") }
        }
        if let node = members["tls"] { configuration.tls = readServerTLS(node, into: &configuration) }
        if let node = members["proxies"] { configuration.proxies = readProxies(node) }
        if let node = members["http"] { readHTTP(node, into: &configuration) }
        if let node = members["require_if_match"], let isOn = flag(node, "require_if_match") {
            configuration.requiresMatch = isOn
        }
        if let node = members["drain_seconds"], let seconds = number(node, "drain_seconds", 0...3600) {
            configuration.announcement = .seconds(seconds)
        }
    }

    /// A text, or `{at: TEXT, mode: "0660", tls: false}`.
    private mutating func readListen(_ node: Node) -> Configuration.Listen? {
        guard node.mapping != nil else { return place(node) }
        guard let members = members(of: node, named: "listen", known: ["at", "mode", "tls"]) else { return nil }
        guard let at = members["at"] else {
            fault(node, "at is missing")
            return nil
        }
        guard var listen = place(at) else { return nil }
        if let mode = members["mode"], let text = string(mode, "mode") {
            if let bits = UInt16(text, radix: 8), bits <= 0o777 {
                listen.mode = bits
            } else {
                fault(mode, "mode is an octal number in quotes such as \"0660\"")
            }
            if case .place(.path) = listen.spot {} else { fault(mode, "mode is for unix: only") }
        }
        if let tls = members["tls"], let isOn = flag(tls, "tls") {
            listen.isClear = !isOn
            if isOn, case .place(let place) = listen.spot, place.isOfFileSystem {
                fault(tls, "a socket of the file system is guarded by its mode and has no TLS")
            }
        }
        return listen
    }

    private mutating func place(_ node: Node) -> Configuration.Listen? {
        guard let text = string(node, "listen") else { return nil }
        guard let listen = Configuration.Listen(text) else {
            fault(node, "listen is \(Configuration.Listen.words)")
            return nil
        }
        return listen
    }

    /// The files are looked at here, where their lines are known.
    private mutating func readServerTLS(
        _ node: Node, into configuration: inout Configuration
    ) -> Configuration.ServerTLS? {
        let known = ["certificate", "key", "client_ca", "client_certificates", "minimum", "hsts"]
        guard let members = members(of: node, named: "tls", known: known),
            let certificate = required("certificate", in: members, of: node),
            let key = required("key", in: members, of: node)
        else { return nil }
        var files = TLSServerSettings.Files(certificate: certificate.text, key: key.text)
        if let member = members["minimum"], let text = string(member, "minimum") {
            if let version = TLSServerSettings.Version(rawValue: text) {
                files.minimum = version
            } else {
                fault(member, "minimum is \"1.2\" or \"1.3\"")
            }
        }
        let authorities = members["client_ca"].flatMap { string($0, "client_ca") }
        files.clients = clients(members, authorities)
        checkCertificate(certificate, key, authorities, members, &configuration)
        var tls = Configuration.ServerTLS(files: files)
        if let member = members["hsts"], let isOn = flag(member, "hsts") { tls.isStrict = isOn }
        return tls
    }

    private mutating func clients(_ members: [String: Node], _ authorities: String?) -> TLSServerSettings.Clients {
        guard let node = members["client_certificates"] else {
            return authorities.map { .asked(authorityFile: $0) } ?? .unasked
        }
        // `off` is a boolean to YAML.
        let text = node.bool == false ? "off" : string(node, "client_certificates") ?? ""
        switch (text, authorities) {
        case ("off", _): return .unasked
        case ("optional", let file?): return .asked(authorityFile: file)
        case ("required", let file?): return .required(authorityFile: file)
        case ("optional", nil), ("required", nil): fault(node, "client_ca is missing: whose certificates are taken?")
        default: fault(node, "client_certificates is off, optional or required")
        }
        return .unasked
    }

    private mutating func checkCertificate(
        _ certificate: (text: String, node: Node), _ key: (text: String, node: Node), _ authorities: String?,
        _ members: [String: Node], _ configuration: inout Configuration
    ) {
        let facts: CertificateFacts
        do {
            facts = try CertificateFacts(file: certificate.text)
        } catch {
            fault(certificate.node, "certificate: \(error)")
            return
        }
        let now = WallClock.system.now().microseconds / 1_000_000
        let end = Timestamp(microseconds: facts.notAfter * 1_000_000).rfc3339
        let name = "the certificate in \(certificate.text)"
        if facts.notAfter < now {
            configuration.warnings.append(Self.fault(at: certificate.node, "\(name) has expired: \(end)"))
        } else if facts.notBefore > now {
            let begin = Timestamp(microseconds: facts.notBefore * 1_000_000).rfc3339
            configuration.warnings.append(Self.fault(at: certificate.node, "\(name) is not valid before \(begin)"))
        } else if facts.notAfter < now + 14 * 86_400 {
            configuration.hints.append(Self.fault(at: certificate.node, "\(name) expires soon: \(end)"))
        }
        do throws(LineError) {
            _ = try TLSServerSettings(certificateFile: certificate.text, keyFile: key.text)
        } catch {
            fault(key.node, "key: \(error)")
            return
        }
        guard let authorities, let node = members["client_ca"] else { return }
        do throws(LineError) {
            _ = try TLSServerSettings(
                certificateFile: certificate.text, keyFile: key.text, clients: .asked(authorityFile: authorities))
        } catch {
            fault(node, "client_ca: \(error)")
        }
    }

    /// `[10.0.0.0/8, {network: 10.1.0.0/16, sends: forwarded}, {network: unix, sends: x-forwarded-for}]`.
    private mutating func readProxies(_ node: Node) -> [Proxies.Entry] {
        guard let sequence = node.sequence else {
            fault(node, "proxies is a list such as [10.0.0.0/8, {network: 10.1.0.7, sends: x-forwarded-for}]")
            return []
        }
        return sequence.compactMap { item in
            var network = item
            var word = Proxies.Word.proxyV2
            if item.mapping != nil {
                guard let members = members(of: item, named: "a proxy", known: ["network", "sends"]),
                    let given = required("network", in: members, of: item)
                else { return nil }
                network = given.node
                if let sends = members["sends"], let text = string(sends, "sends") {
                    if let known = Proxies.Word(rawValue: text) {
                        word = known
                    } else {
                        fault(sends, "sends is one of \(Proxies.Word.allCases.map(\.rawValue).joined(separator: ", "))")
                    }
                }
            }
            guard let text = string(network, "network") else { return nil }
            if text == "unix" {
                if word == .proxyV2 { fault(item, "unix sends forwarded or x-forwarded-for") }
                return Proxies.Entry(network: nil, word: word)
            }
            guard let known = Network(text) else {
                fault(network, "\(text) is no network; write ADDRESS/BITS, or unix")
                return nil
            }
            return Proxies.Entry(network: known, word: word)
        }
    }

    private mutating func readHTTP(_ node: Node, into configuration: inout Configuration) {
        let seconds: [(String, WritableKeyPath<Limits, Duration>)] = [
            ("head_seconds", \.headTime), ("body_seconds", \.bodyTime), ("idle_seconds", \.keepAliveTime),
            ("stall_seconds", \.writeStallTime),
        ]
        let counts: [(String, WritableKeyPath<Limits, Int>)] = [
            ("connections", \.connections), ("connections_per_address", \.connectionsPerAddress),
        ]
        let known = seconds.map(\.0) + counts.map(\.0) + ["names", "origins"]
        guard let members = members(of: node, named: "http", known: known) else { return }
        for (name, path) in seconds {
            if let member = members[name], let value = number(member, name, 1...3600) {
                configuration.http[keyPath: path] = .seconds(value)
            }
        }
        for (name, path) in counts {
            if let member = members[name], let value = number(member, name, 1...1_000_000) {
                configuration.http[keyPath: path] = value
            }
        }
        if let member = members["names"] {
            guard let sequence = member.sequence else {
                fault(member, "names is a list such as [gateway.example]")
                return
            }
            configuration.names = Set(sequence.compactMap { string($0, "names")?.lowercased() })
        }
        if let member = members["origins"] {
            for node in member.sequence.map({ Array($0) }) ?? [member] {
                guard let text = string(node, "origins") else { continue }
                if !configuration.origins.add(text) {
                    fault(
                        node,
                        "origins is a list such as [https://jobs.example]: scheme and name as browsers send them, without a path"
                    )
                }
            }
        }
    }
}
