/// Reads octets front to back without ever standing outside them: what is not there is nil, and then nothing is consumed.
package struct ByteCursor: Sendable {
    private let octets: [UInt8]
    /// Octets read so far.
    package private(set) var offset = 0

    package init(_ octets: [UInt8]) { self.octets = octets }

    package var remaining: Int { octets.count - offset }
    package var isAtEnd: Bool { offset == octets.count }

    package func peek() -> UInt8? { offset < octets.count ? octets[offset] : nil }

    package mutating func octet() -> UInt8? {
        guard offset < octets.count else { return nil }
        defer { offset += 1 }
        return octets[offset]
    }

    package mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= remaining else { return nil }
        defer { offset += count }
        return octets[offset..<offset + count]
    }

    package mutating func takeRest() -> ArraySlice<UInt8> {
        defer { offset = octets.count }
        return octets[offset...]
    }

    /// The octets before the next `end`; both are consumed, only the first are returned.
    package mutating func take(upTo end: UInt8) -> ArraySlice<UInt8>? {
        guard let found = octets[offset...].firstIndex(of: end) else { return nil }
        defer { offset = found + 1 }
        return octets[offset..<found]
    }

    /// A number in network order, most significant octet first.
    package mutating func bigEndian<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type = Number.self)
        -> Number?
    {
        take(Number.bitWidth / 8)?.reduce(0) { $0 << 8 | Number($1) }
    }
}
