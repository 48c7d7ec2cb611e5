import CCurl
package import Lines

/// A receiver's URL, read by libcurl's own parser, the one that reads it again when the request is made.
package struct WebhookURL: Equatable, Sendable {
    /// As libcurl writes it.
    package let text: String
    package let isTLS: Bool
    /// Lower case, no brackets, no trailing dot.
    package let host: String
    package let port: Int
    /// Set when the host is an address, however it was spelled.
    package let literal: IPAddress?

    package static let longest = 2048

    package init(_ text: String) throws(RefusedURL) {
        guard text.utf8.count <= Self.longest else { throw .tooLong }
        guard !text.isEmpty, !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { throw .notAURL }
        let parser = Parser()
        try parser.read(text)
        guard let scheme = parser.part(CURLUPART_SCHEME)?.lowercased() else { throw .notAURL }
        guard scheme == "https" || scheme == "http" else { throw .scheme }
        guard parser.part(CURLUPART_USER) == nil, parser.part(CURLUPART_PASSWORD) == nil else { throw .userInfo }
        // An empty fragment is one as well, and the parser does not report it.
        guard parser.part(CURLUPART_FRAGMENT) == nil, !text.contains("#") else { throw .fragment }
        guard parser.part(CURLUPART_ZONEID) == nil else { throw .notAURL }
        guard let port = parser.part(CURLUPART_PORT, flags: UInt32(CURLU_DEFAULT_PORT)).flatMap({ Int($0) }),
            (1...65_535).contains(port), let written = parser.part(CURLUPART_URL),
            var host = parser.part(CURLUPART_HOST)
        else { throw .notAURL }
        if host.hasSuffix(".") { host.removeLast() }
        self.text = written
        self.isTLS = scheme == "https"
        self.port = port
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = IPAddress(String(host.dropFirst().dropLast())) else { throw .notAURL }
            literal = address.unmapped
            self.host = String(host.dropFirst().dropLast()).lowercased()
            return
        }
        guard host.utf8.allSatisfy({ $0 < 0x80 }) else { throw .hostNotASCII }
        guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(isHostOctet) else { throw .notAURL }
        self.host = host.lowercased()
        literal = IPAddress(self.host)
        // The system would read `2130706433` and the like as an address where the parser did not.
        guard literal != nil || !Self.endsInNumber(self.host) else { throw .notAURL }
    }

    private static func endsInNumber(_ host: String) -> Bool {
        guard let last = host.split(separator: ".", omittingEmptySubsequences: false).last?.utf8 else { return true }
        let isDecimal = last.allSatisfy { (0x30...0x39).contains($0) }
        return isDecimal || last.starts(with: "0x".utf8)
    }

    /// One handle of libcurl's URL parser.
    private struct Parser: ~Copyable {
        private let handle = curl_url()

        deinit { curl_url_cleanup(handle) }

        func read(_ text: String) throws(RefusedURL) {
            switch curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_DISALLOW_USER)) {
            case CURLUE_OK: return
            case CURLUE_USER_NOT_ALLOWED: throw .userInfo
            case CURLUE_UNSUPPORTED_SCHEME: throw .scheme
            case CURLUE_BAD_PORT_NUMBER: throw .port
            default: throw .notAURL
            }
        }

        func part(_ part: CURLUPart, flags: UInt32 = 0) -> String? {
            var text: UnsafeMutablePointer<CChar>?
            guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
            defer { curl_free(text) }
            return String(validatingCString: text)
        }
    }
}

/// Why a URL is not taken as a receiver's. `words` is for whoever submitted it.
package enum RefusedURL: Error, Equatable, Sendable {
    case notAURL, tooLong, scheme, plainHTTP, userInfo, fragment, port, strictPort, hostNotASCII, forbiddenAddress

    package var words: String {
        switch self {
        case .notAURL: "The notification URL is not a valid absolute URL."
        case .tooLong: "The notification URL is longer than \(WebhookURL.longest) octets."
        case .scheme: "A notification URL begins with https://."
        case .plainHTTP: "This gateway sends notifications over https only."
        case .userInfo: "A notification URL must not contain a user name or password."
        case .fragment: "A notification URL must not contain a fragment (#)."
        case .port: "Notifications go to port 443 or to a port from 1024 up that no other service is known by."
        case .strictPort: "This gateway sends notifications to the ports 443 and 8443 only."
        case .hostNotASCII: "Write the host name of the notification URL in its ASCII form (xn--)."
        case .forbiddenAddress: "The notification URL points to an address that this gateway may not call."
        }
    }
}

private func isHostOctet(_ octet: UInt8) -> Bool {
    switch octet {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
    default: false
    }
}
