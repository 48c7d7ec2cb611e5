/// The sum of IEEE 802.3.
package enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }

    package static func of(_ octets: ArraySlice<UInt8>) -> UInt32 {
        let table = table
        var sum: UInt32 = 0xFFFF_FFFF
        for octet in octets { sum = sum >> 8 ^ table[Int((sum ^ UInt32(octet)) & 0xFF)] }
        return ~sum
    }
}
