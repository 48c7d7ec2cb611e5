import HTTPCore
import Jobs
import Stores
import Webhooks
import Wire

/// An endpoint as clients write it: a whole one, or what is to be changed (a JSON merge patch). Gathers every fault before it
/// complains.
struct EndpointFields {
    private(set) var settings: Endpoint.Settings
    /// The client's own; only for a new endpoint.
    private(set) var secret: String?
    private(set) var isEnabled: Bool?
    private let isNew: Bool
    private var faults: [Problem.Item] = []

    private static let longestDelay: Int64 = 7 * 86_400
    private static let mostDelays = 20

    /// - Parameter settings: of the endpoint to be changed; nil for a new one.
    init(changing settings: Endpoint.Settings? = nil) {
        isNew = settings == nil
        self.settings = settings ?? Endpoint.Settings(url: "", events: EventPattern.usual)
    }

    /// - Throws: 422 with every fault that was found.
    mutating func take(
        _ members: [JSONValue.Member], of caller: Caller, _ check: (Endpoint.Settings) throws -> Void
    ) throws(Problem) {
        for member in members { take(member) }
        if let (member, words) = caller.narrow(&settings) { fault(member, words) }
        if isNew, !members.contains(where: { $0.name == "url" }) { fault("url", "the member is missing.") }
        if faults.isEmpty {
            do {
                try check(settings)
            } catch let refused as EndpointRefused {
                fault(refused.member, refused.words)
            } catch {
                fault("url", "\(error)")
            }
        }
        if let first = faults.first {
            throw Problem(
                .invalidField, faults.count == 1 ? first.detail : "\(faults.count) members are not valid.",
                errors: faults)
        }
    }

    private mutating func fault(_ name: String, _ detail: String) {
        guard faults.count < 20 else { return }
        let code = name.split(separator: "/").first ?? ""
        faults.append(
            .init(pointer: "/\(name)", code: "invalid-\(code.prefix(32))", detail: "\(name): \(detail)"))
    }

    private mutating func take(_ member: JSONValue.Member) {
        // Of a merge patch: back to what it is by itself. Of a new one: as if it were not there.
        let value: JSONValue? = member.value.isNull ? nil : member.value
        switch member.name {
        case "url": takeURL(value)
        case "events": takeEvents(value)
        case "filter": takeFilter(value)
        case "mode":
            settings.mode = choice("mode", value, Endpoint.Mode.allCases.map(\.rawValue)) ?? .standard
        case "verification":
            settings.verification =
                choice("verification", value, Endpoint.Verification.allCases.map(\.rawValue)) ?? .none
        case "signatures": takeSignatures(value)
        case "headers": takeHeaders(value)
        case "schedule": takeSchedule(value)
        case "rate": settings.rate = number("rate", value, in: EndpointRules.rates, "deliveries a minute")
        case "concurrency":
            settings.concurrency = number("concurrency", value, in: EndpointRules.concurrencies, "deliveries at a time")
        case "description": takeDescription(value)
        case "tls": takeTLS(value)
        case "enabled" where !isNew:
            guard let wish = value?.bool else { return fault("enabled", "it must be true or false.") }
            isEnabled = wish
        case "secret" where isNew:
            guard let text = value?.string else { return fault("secret", "it must be a string.") }
            if let words = Self.fault(ofSecret: text) { return fault("secret", words) }
            secret = text
        case "secret": fault("secret", "it is changed by POST …/rotate, so that the old one stays good for a while.")
        default: fault(String(member.name.prefix(64)), "there is no such member.")
        }
    }

    /// Shown instead of a header's value, which may be a credential; sent back, it leaves the value as it is.
    static let hidden = "***"

    /// nil when it is a good one for `v1`.
    static func fault(ofSecret text: String) -> String? {
        guard text.hasPrefix("whsec_") else {
            return "it begins with whsec_, base64 of 24 to 64 random octets follows."
        }
        do throws(SecretError) {
            _ = try SigningKey(text)
            return nil
        } catch {
            return error.description
        }
    }

    private mutating func takeURL(_ value: JSONValue?) {
        guard let url = value?.string, (1...2048).contains(url.utf8.count) else {
            return fault("url", "it must be a URL of at most 2048 octets.")
        }
        settings.url = url
    }

    private mutating func takeEvents(_ value: JSONValue?) {
        guard let value else { return settings.events = EventPattern.usual }
        let given = value.elements?.map { $0.string ?? "" } ?? []
        guard (1...EndpointRules.mostPatterns).contains(given.count) else {
            return fault("events", "it must be a list of 1 to \(EndpointRules.mostPatterns) types of events.")
        }
        for (index, event) in given.enumerated() where !EndpointRules.isPattern(event) {
            fault(
                "events/\(index)", "\"\(event.prefix(64))\" is no type of event, as job.completed, job.* or host.down")
        }
        settings.events = given
    }

    private mutating func takeFilter(_ value: JSONValue?) {
        guard let value else {
            settings.hosts = []
            settings.labels = []
            return
        }
        guard let members = value.members else { return fault("filter", "it must be an object: hosts, labels.") }
        settings.hosts = []
        settings.labels = []
        for member in members {
            switch member.name {
            case "hosts":
                let hosts = member.value.elements?.map { $0.string.flatMap { HostID($0) } } ?? []
                guard (1...EndpointRules.mostHosts).contains(hosts.count), !hosts.contains(nil) else {
                    fault("filter/hosts", "it must be a list of 1 to \(EndpointRules.mostHosts) IDs of hosts.")
                    continue
                }
                settings.hosts = hosts.compactMap(\.self)
            case "labels":
                guard let labels = member.value.members, (1...EndpointRules.mostLabels).contains(labels.count) else {
                    fault("filter/labels", "it must be an object of 1 to \(EndpointRules.mostLabels) strings.")
                    continue
                }
                settings.labels = labels.compactMap { label in
                    guard let value = label.value.string, (1...64).contains(label.name.utf8.count),
                        label.name.utf8.allSatisfy(isTokenOctet), (1...256).contains(value.utf8.count),
                        SubmitFields.isPlain(value)
                    else { return nil }
                    return Job.Label(key: label.name, value: value)
                }.sorted { $0.key < $1.key }
                if settings.labels.count < labels.count {
                    fault(
                        "filter/labels",
                        "a name is 1 to 64 of A-Z a-z 0-9 . _ -, a value 1 to 256 octets without control characters.")
                }
            default: fault("filter/\(member.name.prefix(64))", "there is no such member.")
            }
        }
    }

    private mutating func takeSignatures(_ value: JSONValue?) {
        guard let value else { return settings.signatures = [.v1] }
        let kinds = value.elements?.map { $0.string.flatMap { Endpoint.SignatureKind(rawValue: $0) } } ?? [nil]
        guard !kinds.contains(nil) else { return fault("signatures", "it must be a list of v1 and v1a.") }
        settings.signatures = Set(kinds.compactMap(\.self)).union([.v1])
    }

    private mutating func takeHeaders(_ value: JSONValue?) {
        guard let value else { return settings.headers = [] }
        guard let members = value.members, members.count <= EndpointRules.mostHeaders else {
            return fault("headers", "it must be an object of at most \(EndpointRules.mostHeaders) strings.")
        }
        let stored = settings.headers
        settings.headers = []
        for member in members {
            guard let text = member.value.string else {
                fault("headers/\(member.name.prefix(64))", "it must be a string.")
                continue
            }
            let kept = text == Self.hidden ? stored.first { $0.name == member.name } : nil
            settings.headers.append(kept ?? .init(name: member.name, value: text))
        }
    }

    private mutating func takeSchedule(_ value: JSONValue?) {
        guard let value else { return settings.delays = nil }
        let seconds = value.elements?.map { $0.int.flatMap { (0...Self.longestDelay).contains($0) ? $0 : nil } } ?? []
        guard (1...Self.mostDelays).contains(seconds.count), !seconds.contains(nil) else {
            return fault(
                "schedule",
                "it must be a list of 1 to \(Self.mostDelays) whole seconds from 0 to \(Self.longestDelay), one for each try."
            )
        }
        settings.delays = seconds.compactMap { $0.map { .seconds($0) } }
    }

    private mutating func takeDescription(_ value: JSONValue?) {
        guard let value else { return settings.description = nil }
        guard let text = value.string, text.utf8.count <= EndpointRules.longestDescription,
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) })
        else {
            return fault(
                "description",
                "it must be at most \(EndpointRules.longestDescription) octets without control characters.")
        }
        settings.description = text
    }

    /// Merged member by member, so that a certificate is renewed without naming the pins again.
    private mutating func takeTLS(_ value: JSONValue?) {
        guard let value, !value.isNull else { return settings.tls = EndpointTLS() }
        guard let members = value.members else {
            return fault("tls", "it must be an object: pins, client_certificate, client_key.")
        }
        var certificate = settings.tls.identity?.certificate
        var key = settings.tls.identity?.key
        for member in members {
            let text = member.value.string
            switch member.name {
            case "pins" where member.value.isNull: settings.tls.pins = []
            case "pins":
                let pins = member.value.elements?.map(\.string) ?? [nil]
                guard !pins.contains(nil) else {
                    fault("tls/pins", "it must be a list of strings.")
                    continue
                }
                settings.tls.pins = pins.compactMap(\.self)
            case "client_certificate" where text != nil || member.value.isNull: certificate = text
            case "client_key" where text != nil || member.value.isNull: key = text
            case "client_certificate", "client_key":
                fault("tls/\(member.name)", "it must be a string: PEM.")
            default: fault("tls/\(member.name.prefix(64))", "there is no such member.")
            }
        }
        switch (certificate, key) {
        case (let certificate?, let key?):
            settings.tls.identity = ClientIdentity(certificate: certificate, key: key)
        // The key is never shown: whoever takes the certificate away means both.
        case (nil, _) where members.contains { $0.name == "client_certificate" && $0.value.isNull }, (nil, nil):
            settings.tls.identity = nil
        case (nil, _): fault("tls/client_certificate", "the member is missing: key and certificate go together.")
        case (_, nil): fault("tls/client_key", "the member is missing: key and certificate go together.")
        }
    }

    private mutating func number(
        _ name: String, _ value: JSONValue?, in range: ClosedRange<Int>, _ what: String
    ) -> Int? {
        guard let value else { return nil }
        guard let number = value.int.flatMap({ Int(exactly: $0) }), range.contains(number) else {
            fault(name, "it must be a whole number from \(range.lowerBound) to \(range.upperBound): \(what).")
            return nil
        }
        return number
    }

    private mutating func choice<Choice: RawRepresentable>(
        _ name: String, _ value: JSONValue?, _ known: [String]
    ) -> Choice? where Choice.RawValue == String {
        guard let value else { return nil }
        let choice = value.string.flatMap { Choice(rawValue: $0) }
        if choice == nil { fault(name, "it must be one of \(known.joined(separator: ", ")).") }
        return choice
    }
}
