/// A block of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
package struct Network: Hashable, Sendable, CustomStringConvertible {
    package let address: IPAddress
    /// Leading bits that count; 0-32 or 0-128.
    package let bits: Int

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        let most = if case .v4 = address { 32 } else { 128 }
        if parts.count == 1 {
            bits = most
        } else {
            guard parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(parts[1]), number <= most
            else { return nil }
            bits = number
        }
        self.address = address
    }

    /// An IPv4 address mapped into IPv6 counts as the IPv4 address it is.
    package func contains(_ other: IPAddress) -> Bool {
        switch (address, other.unmapped) {
        case (.v4(let mine), .v4(let theirs)):
            return bits == 0 || (mine ^ theirs) >> UInt32(32 - bits) == 0
        case (.v6(let high, let low), .v6(let otherHigh, let otherLow)):
            // Smart shifts: by 64 and more they give 0.
            let highBits = min(bits, 64), lowBits = max(0, bits - 64)
            return (high ^ otherHigh) >> UInt64(64 - highBits) == 0 && (low ^ otherLow) >> UInt64(64 - lowBits) == 0
        case (.v4, .v6), (.v6, .v4): return false
        }
    }

    package var description: String { "\(address)/\(bits)" }
}
