import Lines

/// A request target taken apart, as ranges of the octets it was read from (RFC 9112, 3.2).
struct Target {
    let whole: Range<Int>
    /// Empty for an absolute form without path.
    var path: Range<Int>
    var query: Range<Int>?
    var authority: Range<Int>?

    init(_ line: Span<UInt8>, _ range: Range<Int>, method: Method?) throws(RequestFault) {
        whole = range
        path = range
        if method == .connect {
            authority = range  // refused by the router, whatever it says
            return
        }
        if range.count == 1, line[range.lowerBound] == UInt8(ascii: "*") {
            guard method == .options else { throw .malformed("The target * is for OPTIONS only.") }
            return
        }
        var start = range.lowerBound
        if line[start] != UInt8(ascii: "/") {
            start = try Self.schemeEnd(line, range)
            var end = start
            while end < range.upperBound, line[end] != UInt8(ascii: "/"), line[end] != UInt8(ascii: "?") { end += 1 }
            guard Authority.isValid(Array(line, start..<end)[...]) else {
                throw .malformed("The request target names no host.")
            }
            authority = start..<end
            start = end
        }
        var mark = start
        while mark < range.upperBound, line[mark] != UInt8(ascii: "?") { mark += 1 }
        path = start..<mark
        query = mark < range.upperBound ? mark + 1..<range.upperBound : nil
        try Self.check(line, path, isPath: true)
        if let query { try Self.check(line, query, isPath: false) }
    }

    private static func schemeEnd(_ line: Span<UInt8>, _ range: Range<Int>) throws(RequestFault) -> Int {
        let beginning = Array(line, range.lowerBound..<min(range.lowerBound + 8, range.upperBound))
        if beginning.prefix(7).isEqualIgnoringCase(to: "http://") { return range.lowerBound + 7 }
        if beginning.isEqualIgnoringCase(to: "https://") { return range.lowerBound + 8 }
        throw .malformed("The request target must begin with a slash, or be an http URI.")
    }

    /// Refuses what different readers take for different things.
    private static func check(_ line: Span<UInt8>, _ range: Range<Int>, isPath: Bool) throws(RequestFault) {
        var needsDecoding = false
        var at = range.lowerBound
        while at < range.upperBound {
            switch line[at] {
            case UInt8(ascii: "#"): throw .malformed("A request target has no fragment.")
            case UInt8(ascii: "\\"): throw .malformed("A request target has no backslash.")
            case 0x80...: throw .malformed("A request target is ASCII; other characters are percent-encoded.")
            case UInt8(ascii: "%"): needsDecoding = true
            case UInt8(ascii: "."):
                if isPath, at + 1 < range.upperBound, line[at + 1] == UInt8(ascii: ".") { needsDecoding = true }
            default: break
            }
            at += 1
        }
        guard needsDecoding else { return }
        guard let decoded = PercentCoding.decode(Array(line, range)[...]) else {
            throw .malformed("The request target has a broken percent-encoding.")
        }
        if decoded.contains(where: { $0 == 0 || $0 == 0x0D || $0 == 0x0A }) {
            throw .malformed("The request target hides NUL, CR or LF.")
        }
        guard String(validating: decoded, as: UTF8.self) != nil else {
            throw .malformed("The request target is not UTF-8.")
        }
        if isPath,
            decoded.split(whereSeparator: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") })
                .contains(where: { $0.elementsEqual("..".utf8) })
        {
            throw .malformed("The path has a segment of two dots.")
        }
    }
}

/// Host and port, as `Host` and an absolute target have them.
package enum Authority {
    /// A name, an IPv4 address or an IPv6 address in brackets; then perhaps a port. No user, never empty.
    package static func isValid(_ octets: ArraySlice<UInt8>) -> Bool {
        guard let (host, port) = split(octets), !host.isEmpty, octets.count <= 261 else { return false }
        guard port.count <= 5, port.allSatisfy(Octet.isDigit), (Int(port.text) ?? 0) <= 65535 else { return false }
        if host.first == UInt8(ascii: "[") {
            if case .v6? = IPAddress(host.dropFirst().dropLast().text) { return true }
            return false
        }
        return host.allSatisfy { octet in
            Octet.isAlpha(octet) || Octet.isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: ".")
                || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "~")
        }
    }

    /// The same host and port; 80 and 443 count as no port.
    static func isSame(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
        guard let (host, port) = split(one), let (otherHost, otherPort) = split(other) else { return false }
        func plain(_ port: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
            port.elementsEqual("80".utf8) || port.elementsEqual("443".utf8) ? [] : port
        }
        return host.map(Octet.lowercased) == otherHost.map(Octet.lowercased) && plain(port) == plain(otherPort)
    }

    /// The host alone, in lower case, brackets kept.
    package static func host(of authority: String) -> String {
        let octets = Array(authority.utf8)
        return split(octets[...]).map { String(decoding: $0.host.map(Octet.lowercased), as: UTF8.self) } ?? authority
    }

    /// Whether a host, as `host(of:)` gives it, is an address and no name.
    package static func isAddress(_ host: String) -> Bool {
        if host.hasPrefix("["), host.hasSuffix("]") { return IPAddress(String(host.dropFirst().dropLast())) != nil }
        return IPAddress(host) != nil
    }

    private static func split(_ octets: ArraySlice<UInt8>) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>)? {
        var end = octets.firstIndex(of: UInt8(ascii: ":")) ?? octets.endIndex
        if octets.first == UInt8(ascii: "[") {
            guard let bracket = octets.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            end = bracket + 1
            guard end == octets.endIndex || octets[end] == UInt8(ascii: ":") else { return nil }
        }
        return (octets[..<end], octets[end...].dropFirst())
    }
}

extension Array<UInt8> {
    fileprivate init(_ octets: Span<UInt8>, _ range: Range<Int>) {
        self = octets.extracting(range).withUnsafeBufferPointer { Array($0) }
    }
}
