/// Crockford's base 32 for 128-bit numbers: 26 characters that sort as the numbers do, the form of a ULID.
package enum Crockford {
    private static let digits = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    package static func encode(_ value: UInt128) -> String {
        var text = [UInt8](repeating: 0x30, count: 26)
        var rest = value
        for at in text.indices.reversed() {
            text[at] = digits[Int(truncatingIfNeeded: rest & 31)]
            rest >>= 5
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads any case, and the letters that people write for digits: I and L for 1, O for 0.
    ///
    /// - Returns: nil unless the text is 26 digits of a number below 2^128.
    package static func decode(_ text: some StringProtocol) -> UInt128? {
        guard text.utf8.count == 26 else { return nil }
        var value: UInt128 = 0
        for (at, character) in text.utf8.enumerated() {
            guard let digit = digitValue(character), at > 0 || digit < 8 else { return nil }
            value = value << 5 | UInt128(digit)
        }
        return value
    }

    private static func digitValue(_ character: UInt8) -> UInt8? {
        let upper = (0x61...0x7A).contains(character) ? character - 0x20 : character
        switch upper {
        case 0x30...0x39: return upper - 0x30
        case 0x49, 0x4C: return 1
        case 0x4F: return 0
        default: return digits.firstIndex(of: upper).map { UInt8($0) }
        }
    }
}
