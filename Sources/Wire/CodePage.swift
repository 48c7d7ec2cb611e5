/// A host's character code. EBCDIC pages map all 256 octets to the 256 characters of Latin-1, one to one; ASCII has
/// the first 128 only.
///
/// Source: CP037 as in IBM's CDRA and Python's codec; CP1047 differs from it in six octets (glibc's IBM1047). In both,
/// 0x15 is NEL (U+0085) and 0x25 is LF.
package enum CodePage: String, CaseIterable, Sendable {
    case ascii = "ASCII"
    case cp037 = "CP037"
    case cp1047 = "CP1047"

    /// By the name that protocols (`CP037`) or configurations (`cp037`) use, in any case.
    package init?(named name: some StringProtocol) {
        self.init(rawValue: name.uppercased())
    }

    /// The name in a protocol.
    package var name: String { rawValue }
    /// The name in a configuration file.
    package var configurationName: String { rawValue.lowercased() }

    /// What ends a record of text in this code: LF in ASCII, NEL in EBCDIC.
    package var recordEnd: UInt8 { self == .ascii ? 0x0A : 0x15 }
    /// The space character.
    package var blank: UInt8 { self == .ascii ? 0x20 : 0x40 }

    /// - Returns: nil when the page lacks the character.
    package func octet(for scalar: Unicode.Scalar) -> UInt8? {
        guard scalar.value < (self == .ascii ? 0x80 : 0x100) else { return nil }
        return fromLatin1[Int(scalar.value)]
    }

    /// - Returns: U+FFFD for an octet that the page does not define (ASCII from 0x80).
    package func scalar(for octet: UInt8) -> Unicode.Scalar {
        if self == .ascii && octet >= 0x80 { return "\u{FFFD}" }
        return Unicode.Scalar(toLatin1[Int(octet)])
    }

    /// Appends the octets of `text`, which is UTF-8, in this code.
    ///
    /// - Throws: where the first character stands that this page lacks, or that is no UTF-8. `output` then ends before it.
    package func encode(_ text: Span<UInt8>, to output: inout [UInt8]) throws(CodePageFault) {
        if text.isSevenBit { return Self.translate(text, by: fromLatin1, to: &output) }
        let table = fromLatin1
        var offset = 0
        var characters = 0
        while offset < text.count {
            let octet = text[offset]
            if octet < 0x80 {
                output.append(table[Int(octet)])
                offset += 1
            } else {
                guard let next = UTF8Reader.scalar(in: text, at: offset) else {
                    throw CodePageFault(offset: offset, characters: characters, scalar: nil)
                }
                guard let mapped = self.octet(for: next.scalar) else {
                    throw CodePageFault(offset: offset, characters: characters, scalar: next.scalar)
                }
                output.append(mapped)
                offset += next.length
            }
            characters += 1
        }
    }

    package func encode(_ text: String) throws(CodePageFault) -> [UInt8] {
        var output: [UInt8] = []
        try encode(Array(text.utf8).span, to: &output)
        return output
    }

    /// Appends the UTF-8 of `octets`. Any octets will do; those that ASCII lacks become U+FFFD.
    package func decode(_ octets: Span<UInt8>, to output: inout [UInt8]) {
        if self == .ascii, octets.isSevenBit {
            octets.withUnsafeBufferPointer { output.append(contentsOf: $0) }
            return
        }
        let first = output.count
        if self != .ascii {
            Self.translate(octets, by: toLatin1, to: &output)
            // Nearly all print-out is of characters that ASCII has as well.
            if output.span.extracting(first...).isSevenBit { return }
            output.removeSubrange(first...)
        }
        let table = toLatin1
        for at in octets.indices {
            let latin1 = table[Int(octets[at])]
            if latin1 < 0x80 {
                output.append(latin1)
            } else if self == .ascii {
                output.append(contentsOf: [0xEF, 0xBF, 0xBD])
            } else {
                output.append(0xC0 | latin1 >> 6)
                output.append(0x80 | latin1 & 0x3F)
            }
        }
    }

    /// Appends the entry of `table`, which has 256, for each octet.
    private static func translate(_ octets: Span<UInt8>, by table: [UInt8], to output: inout [UInt8]) {
        octets.withUnsafeBufferPointer { octets in
            table.withUnsafeBufferPointer { table in
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: pieceOctets) { room in
                    var rest = octets[...]
                    while !rest.isEmpty {
                        let piece = UnsafeBufferPointer(rebasing: rest.prefix(pieceOctets))
                        for at in piece.indices { room[at] = table[Int(piece[at])] }
                        output.append(contentsOf: UnsafeBufferPointer(rebasing: room[..<piece.count]))
                        rest = rest.dropFirst(pieceOctets)
                    }
                }
            }
        }
    }

    /// What is translated on the stack before it is appended.
    private static let pieceOctets = 1024

    package func decode(_ octets: [UInt8]) -> String {
        var output: [UInt8] = []
        decode(octets.span, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The Latin-1 of each octet; for ASCII those from 0x80 stand for themselves.
    package var latin1Table: [UInt8] { toLatin1 }

    private var toLatin1: [UInt8] {
        switch self {
        case .ascii: CodePageTables.identity
        case .cp037: CodePageTables.cp037ToLatin1
        case .cp1047: CodePageTables.cp1047ToLatin1
        }
    }

    private var fromLatin1: [UInt8] {
        switch self {
        case .ascii: CodePageTables.identity
        case .cp037: CodePageTables.cp037FromLatin1
        case .cp1047: CodePageTables.cp1047FromLatin1
        }
    }
}

/// Where a text cannot be said in a code page.
package struct CodePageFault: Error, Equatable, Sendable {
    /// Octets of the text before the character.
    package let offset: Int
    /// Characters of the text before it.
    package let characters: Int
    /// The character that the page lacks; nil when the octets there are no UTF-8.
    package let scalar: Unicode.Scalar?

    package init(offset: Int, characters: Int, scalar: Unicode.Scalar?) {
        self.offset = offset
        self.characters = characters
        self.scalar = scalar
    }
}

extension Span<UInt8> {
    /// None is 0x80 or above. It looks at all of them, so that the compiler can look at many at once.
    fileprivate var isSevenBit: Bool {
        withUnsafeBufferPointer { octets in
            var bits: UInt8 = 0
            for octet in octets { bits |= octet }
            return bits < 0x80
        }
    }
}
