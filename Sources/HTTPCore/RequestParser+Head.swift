/// What the fields seen so far say about where this request ends.
struct Framing: Equatable, Sendable {
    var hosts = 0
    var hostRange = 0..<0
    var hasTransferEncoding = false
    var chunkedIsLast = false
    var chunkedIsWrong = false
    var hasOtherCoding = false
    var hasUnknownExpectation = false
    var saysClose = false
}

extension RequestParser {
    mutating func readRequestLine() throws(RequestFault) {
        let range = try completeLine()
        if range.isEmpty {
            guard !sawEmptyLine else { throw .malformed("More than one empty line stands before a request.") }
            sawEmptyLine = true
            head.octets.removeAll(keepingCapacity: true)
            lineStart = 0
            return
        }
        let line = try RequestLine(head.octets.span.extracting(range))
        head.method = line.method
        head.methodEnd = line.methodEnd
        head.minorVersion = line.minorVersion
        head.keepsAlive = line.minorVersion > 0
        head.targetRange = line.target.whole
        head.pathRange = line.target.path
        head.queryRange = line.target.query
        head.authorityRange = line.target.authority
        phase = .fields
    }

    /// - Returns: true when the line was the empty one behind the fields.
    mutating func readFieldLine() throws(RequestFault) -> Bool {
        let range = try completeLine()
        if range.isEmpty {
            try finishHead()
            return true
        }
        if head.fieldLines.count >= limits.fields { throw .headTooLarge }
        let (name, value) = try Self.fieldLine(head.octets.span, range)
        head.fieldLines.append(
            RequestHead.FieldLine(
                name: UInt32(name.lowerBound)..<UInt32(name.upperBound),
                value: UInt32(value.lowerBound)..<UInt32(value.upperBound)))
        try notice(head.octets[name], head.octets[value], at: value)
        return false
    }

    /// Name and value of a field line; RFC 9112, 5, without any of the leniences a server "may" have.
    static func fieldLine(
        _ octets: Span<UInt8>, _ line: Range<Int>
    ) throws(RequestFault) -> (name: Range<Int>, value: Range<Int>) {
        var at = line.lowerBound
        let end = line.upperBound
        while at < end, Octet.isToken(octets[at]) { at += 1 }
        guard at > line.lowerBound, at < end, octets[at] == 0x3A else {
            throw .malformed("A field line must begin with a name and a colon, without white space.")
        }
        let name = line.lowerBound..<at
        at += 1
        while at < end, Octet.isBlank(octets[at]) { at += 1 }
        var last = end
        while last > at, Octet.isBlank(octets[last - 1]) { last -= 1 }
        var check = at
        while check < last {
            guard Octet.isFieldValue(octets[check]) else {
                throw .malformed("A field value has a control character.")
            }
            check += 1
        }
        return (name, at..<last)
    }

    /// Keeps what a field says about framing; all others pass.
    private mutating func notice(
        _ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, at range: Range<Int>
    ) throws(RequestFault) {
        switch name.count {
        case 4 where name.isEqualIgnoringCase(to: "host"):
            framing.hosts += 1
            framing.hostRange = range
            guard framing.hosts == 1 else { throw .malformed("There is more than one Host field.") }
            guard Authority.isValid(value) else { throw .malformed("The Host field names no host.") }
        case 6 where name.isEqualIgnoringCase(to: "expect"):
            if head.minorVersion == 0 { return }
            if value.isEqualIgnoringCase(to: "100-continue") {
                head.expectsContinue = true
            } else {
                framing.hasUnknownExpectation = true
            }
        case 10 where name.isEqualIgnoringCase(to: "connection"):
            for option in value.split(separator: UInt8(ascii: ",")) {
                let option = option.trimmingBlanks
                if option.isEqualIgnoringCase(to: "close") {
                    framing.saysClose = true
                } else if option.isEqualIgnoringCase(to: "keep-alive"), head.minorVersion == 0 {
                    head.keepsAlive = true
                }
            }
        case 14 where name.isEqualIgnoringCase(to: "content-length"):
            guard head.contentLength == nil else { throw .malformed("There is more than one Content-Length field.") }
            head.contentLength = try Self.contentLength(value)
        case 17 where name.isEqualIgnoringCase(to: "transfer-encoding"):
            framing.hasTransferEncoding = true
            framing.noticeCodings(value)
        default: break
        }
    }

    /// One or more digits up to 2^63-1, no sign, no leading zero.
    static func contentLength(_ value: ArraySlice<UInt8>) throws(RequestFault) -> Int {
        guard let first = value.first, first != 0x30 || value.count == 1 else {
            throw .malformed("Content-Length must be a number without leading zeros.")
        }
        var length = 0
        for octet in value {
            let (tens, over) = length.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(octet &- 0x30))
            guard Octet.isDigit(octet), !over, !carry else {
                throw .malformed("Content-Length must be one number below 2^63.")
            }
            length = sum
        }
        return length
    }

    private mutating func finishHead() throws(RequestFault) {
        if framing.hosts == 0 && head.minorVersion > 0 { throw .malformed("The Host field is missing.") }
        if let authority = head.authorityRange, head.method != .connect, framing.hosts > 0,
            !Authority.isSame(head.octets[authority], head.octets[framing.hostRange])
        {
            throw .malformed("The Host field names another host than the request target.")
        }
        if framing.hasTransferEncoding {
            if head.contentLength != nil {
                throw .malformed("Content-Length and Transfer-Encoding exclude each other.")
            }
            if head.minorVersion == 0 { throw .malformed("HTTP/1.0 has no Transfer-Encoding.") }
            if framing.chunkedIsWrong { throw .malformed("chunked must be the last coding, once, without parameters.") }
            if framing.hasOtherCoding { throw .unknownTransferCoding }
            if !framing.chunkedIsLast { throw .malformed("Transfer-Encoding is empty.") }
            head.isChunked = true
        }
        if framing.saysClose { head.keepsAlive = false }
        if framing.hasUnknownExpectation { throw .unknownExpectation }
    }
}

extension Framing {
    /// RFC 9112, 6.1. Several fields continue one list.
    fileprivate mutating func noticeCodings(_ value: ArraySlice<UInt8>) {
        for coding in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let coding = coding.trimmingBlanks
            let name = coding.prefix(while: Octet.isToken)
            if chunkedIsLast { chunkedIsWrong = true }
            if name.isEqualIgnoringCase(to: "chunked") {
                if name.count != coding.count { chunkedIsWrong = true }
                chunkedIsLast = true
            } else {
                chunkedIsLast = false
                let rest = coding.dropFirst(name.count).first
                if name.isEmpty || rest != nil && rest != UInt8(ascii: ";") {
                    chunkedIsWrong = true
                } else {
                    hasOtherCoding = true
                }
            }
        }
    }
}

/// Method, target and version, as ranges of the line, which stands at the beginning of a head.
private struct RequestLine {
    let method: Method?
    let methodEnd: Int
    let target: Target
    let minorVersion: Int

    init(_ line: Span<UInt8>) throws(RequestFault) {
        var at = 0
        while at < line.count, Octet.isToken(line[at]) { at += 1 }
        guard at > 0, at < line.count, line[at] == 0x20 else {
            throw .malformed("A request line is method, space, target, space, version.")
        }
        methodEnd = at
        method = Method(line.extracting(0..<at))
        let start = at + 1
        at = start
        while at < line.count, line[at] > 0x20, line[at] != 0x7F { at += 1 }
        guard at > start, at < line.count, line[at] == 0x20 else {
            throw .malformed("A request line is method, space, target, space, version.")
        }
        let version = line.extracting((at + 1)..<line.count)
        guard version.count == 8, version.extracting(0..<5).isEqual(to: "HTTP/"), Octet.isDigit(version[5]),
            version[6] == UInt8(ascii: "."), Octet.isDigit(version[7]), version[5] != UInt8(ascii: "0")
        else { throw .malformed("The HTTP version is malformed.") }
        if version[5] == UInt8(ascii: "2"), line.isEqual(to: "PRI * HTTP/2.0") {
            throw .malformed("This is the preface of HTTP/2, which is not spoken here.")
        }
        guard version[5] == UInt8(ascii: "1") else { throw .unsupportedVersion }
        // A higher minor version is answered as the highest we have (RFC 9110, 2.5).
        minorVersion = version[7] == UInt8(ascii: "0") ? 0 : 1
        target = try Target(line, start..<at, method: method)
    }
}
