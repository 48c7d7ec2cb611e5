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

    /// What each octet is worth as a digit; 255 for one that is none.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() {
            values[Int(digit)] = UInt8(value)
            if digit >= 0x41 { values[Int(digit) + 0x20] = UInt8(value) }
        }
        for (letter, value): (Character, UInt8) in [("i", 1), ("I", 1), ("l", 1), ("L", 1), ("o", 0), ("O", 0)] {
            values[Int(letter.asciiValue ?? 0)] = value
        }
        return values
    }()

    /// Reads any case, and the letters that people write for digits: I and L for 1, O for 0.
    ///
    /// - Returns: nil unless the text is 26 digits of a number below 2^128.
    package static func decode(_ text: some StringProtocol) -> UInt128? {
        // One call into the generic text: its octets one by one cost a look at its type each.
        let octets = text.utf8.withContiguousStorageIfAvailable { decode($0) }
        return octets ?? Array(text.utf8).withUnsafeBufferPointer { decode($0) }
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>) -> UInt128? {
        guard text.count == 26, values[Int(text[0])] < 8 else { return nil }
        var value: UInt128 = 0
        for at in text.indices {
            let digit = values[Int(text[at])]
            guard digit < 32 else { return nil }
            value = value << 5 | UInt128(digit)
        }
        return value
    }
}
