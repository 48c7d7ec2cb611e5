import Jobs
import Lines
package import Stores
import Wire

/// What is wrong with the settings of an endpoint: the member of the API, and words for whoever sent it.
package struct EndpointFault: Error, Equatable, Sendable {
    /// `url`, `events`, `headers`, `schedule`, `rate`, `concurrency`, `hosts`, `labels`, `description`, `tls`.
    package let field: String
    package let words: String
    package init(field: String, words: String) {
        self.field = field
        self.words = words
    }
}

/// What an endpoint may be set to.
package enum EndpointRules {
    package static let mostPatterns = 32
    package static let mostHeaders = 16
    package static let longestHeaderName = 64
    package static let longestHeaderValue = 1024
    package static let mostHosts = 32
    package static let mostLabels = 16
    package static let longestDescription = 256
    /// Deliveries a minute.
    package static let rates = 1...600_000
    package static let concurrencies = 1...32

    package static let mostPins = 8
    /// Of a certificate with its chain, and of a key.
    package static let longestPEM = 16_384

    /// Every type that is ever sent to an endpoint.
    package static let types: [String] =
        JobState.allCases.map { EventBody.type(entering: $0) } + [
            "host.up", "host.down", "host.message", "webhook.disabled",
        ]

    /// An exact type, or a trailing wildcard that means at least one: `job.completed`, `job.*`, `*`.
    package static func isPattern(_ text: String) -> Bool {
        guard text.hasSuffix("*") else { return types.contains(text) }
        let stem = text.dropLast()
        return (stem.isEmpty || stem.hasSuffix(".")) && types.contains { $0.hasPrefix(stem) }
    }

    package static func check(_ settings: Endpoint.Settings, guarding: AddressGuard) throws(EndpointFault) {
        let url: WebhookURL
        do throws(RefusedURL) {
            url = try guarding.check(url: settings.url)
        } catch {
            throw EndpointFault(field: "url", words: error.words)
        }
        try require((1...mostPatterns).contains(settings.events.count), "events", "one to \(mostPatterns) types.")
        for event in settings.events where !isPattern(event) {
            throw EndpointFault(
                field: "events", words: "\"\(event.prefix(64))\" is no type of event, as job.completed or job.*")
        }
        try require(settings.headers.count <= mostHeaders, "headers", "at most \(mostHeaders).")
        var names: Set<String> = []
        for header in settings.headers {
            try check(header)
            try require(names.insert(header.name.lowercased()).inserted, "headers", "\(header.name) is given twice.")
        }
        if let delays = settings.delays {
            try require(
                Schedule(delays) != nil, "schedule", "one to 20 waits in seconds, each from 0 to seven days (604800).")
        }
        if let rate = settings.rate {
            try require(rates.contains(rate), "rate", "\(rates.lowerBound) to \(rates.upperBound) deliveries a minute.")
        }
        if let concurrency = settings.concurrency {
            try require(
                concurrencies.contains(concurrency), "concurrency",
                "\(concurrencies.lowerBound) to \(concurrencies.upperBound) deliveries at a time.")
        }
        if settings.tls != EndpointTLS() {
            try require(url.isTLS, "tls", "the URL is not https.")
            try check(settings.tls)
        }
        try require(settings.hosts.count <= mostHosts, "hosts", "at most \(mostHosts).")
        try require(settings.labels.count <= mostLabels, "labels", "at most \(mostLabels).")
        if let description = settings.description {
            try require(
                description.utf8.count <= longestDescription
                    && description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) },
                "description", "at most \(longestDescription) octets without control characters.")
        }
    }

    private static func check(_ tls: EndpointTLS) throws(EndpointFault) {
        try require(tls.pins.count <= mostPins, "tls/pins", "at most \(mostPins).")
        for pin in tls.pins {
            let digest = pin.hasPrefix("sha256//") ? Base64.decode(pin.dropFirst("sha256//".count)) : nil
            try require(
                digest?.count == 32, "tls/pins",
                "each is sha256// and the base64 of the SHA-256 of a public key (44 characters).")
        }
        guard let identity = tls.identity else { return }
        try require(
            identity.certificate.utf8.count <= longestPEM && identity.key.utf8.count <= longestPEM,
            "tls/client_certificate", "certificate and key have at most \(longestPEM) octets each.")
        do throws(LineError) {
            try TLSIdentity.check(certificate: identity.certificate, key: identity.key)
        } catch {
            guard case .tls(let words) = error else { return }
            throw EndpointFault(field: "tls/client_certificate", words: words)
        }
    }

    private static func check(_ header: Endpoint.Header) throws(EndpointFault) {
        let shown = String(
            decoding: header.name.utf8.prefix(longestHeaderName).map { (0x21...0x7E).contains($0) ? $0 : 0x3F },
            as: UTF8.self)
        try require(
            (1...longestHeaderName).contains(header.name.utf8.count) && header.name.utf8.allSatisfy(isTokenCharacter),
            "headers", "\"\(shown)\" is no name of a header.")
        try require(!isOurs(header.name.lowercased()), "headers", "\(shown) is set by the gateway.")
        // libcurl takes a name without a value for a header to be left out.
        try require(
            header.value.utf8.contains { $0 > 0x20 } && header.value.utf8.count <= longestHeaderValue
                && header.value.utf8.allSatisfy { (0x20...0x7E).contains($0) },
            "headers", "the value of \(shown) is 1 to \(longestHeaderValue) printable ASCII characters.")
    }

    /// Headers that frame the message, name the receiver or carry what receivers trust.
    private static func isOurs(_ name: String) -> Bool {
        let whole: Set<String> = [
            "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te",
            "trailer", "transfer-encoding", "upgrade", "host", "expect", "user-agent", "accept-encoding", "date",
            "range", "via", "forwarded", "http2-settings",
        ]
        return whole.contains(name) || name.hasPrefix("content-") || name.hasPrefix("webhook-")
            || name.hasPrefix("ce-") || name.hasPrefix("proxy-")
    }

    private static func isTokenCharacter(_ octet: UInt8) -> Bool {
        switch octet {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(octet)
        }
    }

    private static func require(_ isGood: Bool, _ field: String, _ words: String) throws(EndpointFault) {
        guard isGood else { throw EndpointFault(field: field, words: words) }
    }
}
