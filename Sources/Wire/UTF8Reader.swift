/// Strict UTF-8, one scalar at a time: no overlong form, no surrogate, nothing above U+10FFFF.
package enum UTF8Reader {
    /// The scalar whose encoding begins at `offset`, and its length in octets.
    ///
    /// - Returns: nil when no complete, well-formed sequence begins there, or `offset` is outside.
    package static func scalar(in text: Span<UInt8>, at offset: Int) -> (scalar: Unicode.Scalar, length: Int)? {
        guard offset >= 0, offset < text.count else { return nil }
        let lead = text[offset]
        if lead < 0x80 { return (Unicode.Scalar(lead), 1) }
        let length: Int
        var value: UInt32
        switch lead {
        case 0xC2...0xDF: (length, value) = (2, UInt32(lead & 0x1F))
        case 0xE0...0xEF: (length, value) = (3, UInt32(lead & 0x0F))
        case 0xF0...0xF4: (length, value) = (4, UInt32(lead & 0x07))
        default: return nil
        }
        guard text.count - offset >= length else { return nil }
        for at in 1..<length {
            let octet = text[offset + at]
            guard octet & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(octet & 0x3F)
        }
        if length == 3 && value < 0x800 || length == 4 && value < 0x1_0000 { return nil }
        guard let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, length)
    }

    /// The offset of the first octet that begins no well-formed sequence; nil when all of it is UTF-8.
    package static func firstFault(in text: Span<UInt8>) -> Int? {
        var offset = 0
        while offset < text.count {
            guard let next = scalar(in: text, at: offset) else { return offset }
            offset += next.length
        }
        return nil
    }
}
