import CZlib

/// The sum of IEEE 802.3, as in ZIP.
package struct CRC32: Equatable, Sendable {
    package private(set) var value: UInt32 = 0

    package init() {}

    package mutating func update(_ octets: [UInt8]) { update(octets[...]) }

    package mutating func update(_ octets: ArraySlice<UInt8>) {
        octets.withUnsafeBufferPointer {
            value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), $0.baseAddress, $0.count))
        }
    }

    package static func of(_ octets: ArraySlice<UInt8>) -> UInt32 {
        var sum = CRC32()
        sum.update(octets)
        return sum.value
    }
}
