import GatewayAPI
import Jobs
import Tokens
import Wire
import Yams

extension Configuration {
    /// Who is believed beside the gateway's own keys.
    struct Auth: Equatable, Sendable {
        var issuers: [TokenIssuer] = []
        var certificates = CertificateRules([])

        var isEmpty: Bool { issuers.isEmpty && certificates.rules.isEmpty }
    }

    struct TokenIssuer: Equatable, Sendable {
        var rules: IssuerRules
        var keys: KeySetPlace
    }
}

extension ConfigurationReader {
    mutating func readAuth(_ node: Node, into auth: inout Configuration.Auth) {
        guard let members = members(of: node, named: "auth", known: ["jwt", "certificates"]) else { return }
        if let node = members["jwt"], let list = list(node, "jwt") {
            for item in list {
                guard let issuer = readIssuer(item) else { continue }
                if auth.issuers.contains(where: { $0.rules.issuer == issuer.rules.issuer }) {
                    fault(item, "the issuer \(issuer.rules.issuer) is there twice")
                }
                auth.issuers.append(issuer)
            }
        }
        if let node = members["certificates"], let list = list(node, "certificates") {
            auth.certificates.rules = list.compactMap { readCertificate($0) }
        }
    }

    private mutating func readIssuer(_ node: Node) -> Configuration.TokenIssuer? {
        let known = [
            "issuer", "audience", "jwks", "algorithms", "owner", "owner_claim", "scope_claim", "scopes_prefix",
            "scopes",
        ]
        guard let members = members(of: node, named: "an issuer of tokens", known: known) else { return nil }
        let issuer = required("issuer", in: members, of: node)?.text
        var audiences: [String] = []
        if let audience = members["audience"] {
            audiences = words(audience, "audience")
        } else {
            fault(node, "audience is missing: without it a token that was made for another service would be good here")
        }
        var place: KeySetPlace?
        if let keys = members["jwks"] {
            place = readKeyPlace(keys)
        } else {
            fault(node, "jwks is missing; write jwks: {url: URL} or {file: PATH}")
        }
        guard let issuer, !audiences.isEmpty, let place else { return nil }
        var rules = IssuerRules(issuer: issuer, audiences: Set(audiences))
        if let list = members["algorithms"] {
            let names = words(list, "algorithms")
            rules.algorithms = Set(names.compactMap { SigningAlgorithm(rawValue: $0) })
            if rules.algorithms.count != names.count || names.isEmpty {
                let all = SigningAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
                fault(list, "algorithms are some of \(all); no others are taken")
            }
        }
        if let owner = members["owner"] {
            rules.owner = readOwner(owner)
            if let claim = members["owner_claim"] { fault(claim, "owner and owner_claim exclude each other") }
        }
        if let claim = members["owner_claim"], let name = string(claim, "owner_claim") { rules.ownerClaim = name }
        if let claim = members["scope_claim"], let name = string(claim, "scope_claim") { rules.scopeClaim = name }
        if let prefix = members["scopes_prefix"], let text = string(prefix, "scopes_prefix") {
            rules.scopesPrefix = text
        }
        if let scopes = members["scopes"], let most = readScopes(scopes) { rules.mostScopes = most }
        return Configuration.TokenIssuer(rules: rules, keys: place)
    }

    private mutating func readKeyPlace(_ node: Node) -> KeySetPlace? {
        guard let members = members(of: node, named: "jwks", known: ["url", "file", "ca"]) else { return nil }
        switch (members["url"], members["file"]) {
        case (let url?, nil):
            guard let text = string(url, "url") else { return nil }
            guard KeySetPlace.isGood(url: text) else {
                fault(
                    url, "url is https://…, or http:// to this machine; keys that came in the clear would prove nothing"
                )
                return nil
            }
            return .url(text, authorities: members["ca"].flatMap { string($0, "ca") })
        case (nil, let file?):
            if let ca = members["ca"] { fault(ca, "ca goes with url") }
            return string(file, "file").map { .file($0) }
        default:
            fault(node, "jwks is either {url: URL} or {file: PATH}")
            return nil
        }
    }

    private mutating func readCertificate(_ node: Node) -> CertificateRule? {
        let known = ["common_name", "san", "fingerprint", "owner", "scopes", "hosts"]
        guard let members = members(of: node, named: "a certificate", known: known) else { return nil }
        var matches: [CertificateRule.Match] = []
        if let name = members["common_name"], let text = string(name, "common_name") {
            matches.append(.commonName(text))
        }
        if let name = members["san"], let text = string(name, "san") {
            if ["dns:", "email:", "uri:"].contains(where: { text.hasPrefix($0) && text.count > $0.count }) {
                matches.append(.alternativeName(text))
            } else {
                fault(name, "san is dns:NAME, email:ADDRESS or uri:URI")
            }
        }
        if let print = members["fingerprint"], let text = string(print, "fingerprint") {
            if let octets = Hex.decode(text.filter { $0 != ":" }), octets.count == 32 {
                matches.append(.fingerprint(octets))
            } else {
                fault(print, "fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits")
            }
        }
        let ways = ["common_name", "san", "fingerprint"].count { members[$0] != nil }
        if ways != 1 { fault(node, "a certificate is known by one of common_name, san and fingerprint") }
        var owner: Owner?
        if let node = members["owner"] {
            owner = readOwner(node)
        } else {
            fault(node, "owner is missing")
        }
        guard ways == 1, let match = matches.first, let owner else { return nil }
        var rule = CertificateRule(match, owner: owner)
        if let scopes = members["scopes"], let granted = readScopes(scopes) { rule.scopes = granted }
        if let hosts = members["hosts"] {
            let names = words(hosts, "hosts")
            rule.hosts = Set(names.compactMap { HostID($0) })
            if rule.hosts?.count != names.count { fault(hosts, "hosts are IDs of hosts") }
        }
        return rule
    }

    private mutating func readOwner(_ node: Node) -> Owner? {
        let owner = string(node, "owner").flatMap { Owner($0) }
        if owner == nil { fault(node, "owner is 1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen") }
        return owner
    }

    private mutating func readScopes(_ node: Node) -> Scopes? {
        let scopes = Scopes(words: words(node, "scopes").joined(separator: " "))
        if scopes == nil {
            fault(node, "scopes are some of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return scopes
    }

    private mutating func list(_ node: Node, _ name: String) -> [Node]? {
        guard let sequence = node.sequence, !sequence.isEmpty else {
            fault(node, "\(name) is a list; begin each item with a dash")
            return nil
        }
        return Array(sequence)
    }

    /// One word, or a list of them.
    private mutating func words(_ node: Node, _ name: String) -> [String] {
        guard let sequence = node.sequence else { return string(node, name).map { [$0] } ?? [] }
        return sequence.compactMap { string($0, name) }
    }

    // MARK: how often one may ask

    static let rateMembers = [
        "submits_per_minute", "requests_per_second", "event_streams", "waits", "deck_octets_per_day",
    ]

    /// Members of `owner_limits`. What is said goes for who runs the gateway as well; the defaults do not.
    mutating func readRates(_ node: Node, into configuration: inout Configuration) {
        guard let mapping = node.mapping else { return }
        let places: [(String, WritableKeyPath<OwnerRates, Int?>)] = [
            ("submits_per_minute", \.submitsPerMinute), ("requests_per_second", \.requestsPerSecond),
            ("event_streams", \.eventStreams), ("waits", \.waits),
            ("deck_octets_per_day", \.deckOctetsPerDay),
        ]
        for (name, path) in places {
            guard let member = mapping[name] else { continue }
            let rate: Int?
            if member.scalar?.string == "off" {
                rate = nil
            } else {
                guard let value = member.int, (1...1_000_000_000_000_000).contains(value) else {
                    fault(member, "\(name) is a number from 1, or off")
                    continue
                }
                rate = value
            }
            configuration.ownerRates[keyPath: path] = rate
            configuration.localRates[keyPath: path] = rate
        }
    }
}
