extension RequestParser {
    /// Digits a chunk size may have, leading zeros counted; 16 hold every size there can be.
    private static let mostSizeDigits = 32

    /// The size in the next chunk line; `nil` when its end has not come yet.
    mutating func takeChunkSize(_ input: Span<UInt8>, _ offset: inout Int) throws(RequestFault) -> Int? {
        let longest = Self.mostSizeDigits + limits.chunkExtensionsBytes + 2
        guard try takeLine(input, &offset, atMost: longest, orElse: .malformed("A chunk size line is too long.")) else {
            return nil
        }
        defer { line.removeAll(keepingCapacity: true) }
        var at = 0
        var size = 0
        while at < line.count, let digit = Octet.hexValue(line[at]) {
            let (shifted, over) = size.multipliedReportingOverflow(by: 16)
            guard !over, at < Self.mostSizeDigits else { throw .malformed("A chunk size is too large.") }
            size = shifted | Int(digit)
            at += 1
        }
        guard at > 0 else { throw .malformed("A chunk size must be hexadecimal digits.") }
        try checkExtensions(line[at...])
        return size
    }

    /// `;name`, `;name=token` or `;name="quoted"`, any number, no white space. All unknown, all ignored.
    private mutating func checkExtensions(_ octets: ArraySlice<UInt8>) throws(RequestFault) {
        extensionBytes += octets.count
        guard extensionBytes <= limits.chunkExtensionsBytes else { throw .malformed("Chunk extensions are too long.") }
        var rest = octets
        while let first = rest.first {
            let before = rest.count
            let name = rest.dropFirst().prefix(while: Octet.isToken)
            guard first == UInt8(ascii: ";"), !name.isEmpty else { throw .malformed("A chunk extension is malformed.") }
            rest = rest.dropFirst(1 + name.count)
            if rest.first == UInt8(ascii: "=") {
                rest = rest.dropFirst()
                if rest.first == UInt8(ascii: "\"") {
                    guard let behind = Self.behindQuotedString(rest) else {
                        throw .malformed("A chunk extension is malformed.")
                    }
                    rest = behind
                } else {
                    let value = rest.prefix(while: Octet.isToken)
                    guard !value.isEmpty else { throw .malformed("A chunk extension is malformed.") }
                    rest = rest.dropFirst(value.count)
                }
            }
            guard before - rest.count <= limits.chunkExtensionBytes else {
                throw .malformed("A chunk extension is too long.")
            }
        }
    }

    /// What follows the quoted string at the beginning of `octets`; `nil` when it is not closed or has a control.
    private static func behindQuotedString(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var at = octets.startIndex + 1
        while at < octets.endIndex {
            let octet = octets[at]
            if octet == UInt8(ascii: "\"") { return octets[(at + 1)...] }
            if octet == UInt8(ascii: "\\") { at += 1 }
            guard at < octets.endIndex, Octet.isFieldValue(octets[at]), octets[at] < 0x80 else { return nil }
            at += 1
        }
        return nil
    }

    /// Reads one trailer line and forgets it; at the empty one the request is complete.
    mutating func takeTrailer(_ input: Span<UInt8>, _ offset: inout Int) throws(RequestFault) -> Bool {
        let longest = limits.trailerBytes - trailerBytes
        guard try takeLine(input, &offset, atMost: longest, orElse: .headTooLarge) else { return false }
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            phase = .end
            return true
        }
        trailerBytes += line.count + 2
        let (name, _) = try Self.fieldLine(line.span, 0..<line.count)
        for forbidden in Self.forbiddenTrailers where line[name].isEqualIgnoringCase(to: forbidden) {
            throw .malformed("A trailer may not have the field \(forbidden).")
        }
        return true
    }

    /// Fields that frame, route or authorise (RFC 9110, 6.5.1).
    private static var forbiddenTrailers: [StaticString] {
        [
            "content-length", "transfer-encoding", "host", "connection", "te", "trailer", "upgrade", "expect",
            "authorization", "content-encoding", "content-type", "content-range",
        ]
    }

    /// Copies octets to `line` up to the next CRLF, which is dropped; false when it has not come yet.
    ///
    /// - Parameter longest: octets the line may have, with its CRLF.
    private mutating func takeLine(
        _ input: Span<UInt8>, _ offset: inout Int, atMost longest: Int, orElse fault: RequestFault
    ) throws(RequestFault) -> Bool {
        guard offset < input.count else { return false }
        let feed = input.firstLineFeed(from: offset)
        let end = feed.map { $0 + 1 } ?? input.count
        guard line.count + end - offset + (feed == nil ? 1 : 0) <= longest else { throw fault }
        line.append(input.extracting(offset..<end))
        offset = end
        guard feed != nil else { return false }
        guard line.count >= 2, line[line.count - 2] == 0x0D else {
            throw .malformed("A line ends with LF alone; it must end with CR LF.")
        }
        line.removeLast(2)
        return true
    }
}
