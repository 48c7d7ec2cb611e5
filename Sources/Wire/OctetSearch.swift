extension Span<UInt8> {
    /// The first place from `start` on where one of two octets stands, looked for in 16 octets at a time.
    func firstIndex(of one: UInt8, or other: UInt8, from start: Int) -> Int? {
        withUnsafeBytes { octets in
            let ones = SIMD16<UInt8>(repeating: one)
            let others = SIMD16<UInt8>(repeating: other)
            var at = start
            while at + 16 <= octets.count {
                let part = octets.loadUnaligned(fromByteOffset: at, as: SIMD16<UInt8>.self)
                if any((part .== ones) .| (part .== others)) { break }
                at += 16
            }
            while at < octets.count {
                if octets[at] == one || octets[at] == other { return at }
                at += 1
            }
            return nil
        }
    }

    /// Whether a JSON string can be these octets as they are: no control character, quote or backslash.
    var isPlainInJSON: Bool {
        withUnsafeBytes { octets in
            let spaces = SIMD16<UInt8>(repeating: 0x20)
            let quotes = SIMD16<UInt8>(repeating: 0x22)
            let backslashes = SIMD16<UInt8>(repeating: 0x5C)
            var at = 0
            while at + 16 <= octets.count {
                let part = octets.loadUnaligned(fromByteOffset: at, as: SIMD16<UInt8>.self)
                if any((part .< spaces) .| (part .== quotes) .| (part .== backslashes)) { return false }
                at += 16
            }
            while at < octets.count {
                let octet = octets[at]
                if octet < 0x20 || octet == 0x22 || octet == 0x5C { return false }
                at += 1
            }
            return true
        }
    }
}
