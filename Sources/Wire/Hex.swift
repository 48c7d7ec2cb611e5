/// Hexadecimal digits, lower case when written, any case when read.
package enum Hex {
    /// The digit for the low four bits of `value`, as ASCII.
    package static func digit(_ value: UInt8) -> UInt8 {
        let low = value & 0x0F
        return low < 10 ? 0x30 + low : 0x57 + low
    }

    /// The value of an ASCII hex digit; nil for any other octet.
    package static func value(ofDigit octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet - 0x30
        case 0x41...0x46: octet - 0x37
        case 0x61...0x66: octet - 0x57
        default: nil
        }
    }

    package static func encode(_ octets: some Collection<UInt8>) -> String {
        octets.withContiguousStorageIfAvailable { digits($0) } ?? Array(octets).withUnsafeBufferPointer { digits($0) }
    }

    /// Sixteen digits.
    package static func encode(_ number: UInt64) -> String {
        withUnsafeBytes(of: number.bigEndian) { octets in octets.withMemoryRebound(to: UInt8.self) { digits($0) } }
    }

    private static func digits(_ octets: UnsafeBufferPointer<UInt8>) -> String {
        String(unsafeUninitializedCapacity: octets.count * 2) { text in
            for (index, octet) in octets.enumerated() {
                text[2 * index] = digit(octet >> 4)
                text[2 * index + 1] = digit(octet)
            }
            return octets.count * 2
        }
    }

    /// - Returns: nil when the text has an odd number of digits or anything that is no digit.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var octets: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            guard let digit = value(ofDigit: character) else { return nil }
            if let upper = high {
                octets.append(upper << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? octets : nil
    }

    /// A bounded excerpt for logs: at most `limit` octets in pairs of digits, with `…` when there was more.
    package static func excerpt(_ octets: some Collection<UInt8>, limit: Int = 32) -> String {
        let shown = octets.prefix(limit).map { encode(CollectionOfOne($0)) }.joined(separator: " ")
        return octets.count > limit ? shown + " …" : shown
    }
}
