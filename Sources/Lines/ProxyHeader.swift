/// A PROXY protocol header, version 2 (haproxy, `doc/proxy-protocol.txt`, section 2.2): what a proxy says of the client
/// before the first octet of the connection proper.
package struct ProxyHeader: Equatable, Sendable {
    /// The client; nil when the proxy speaks for itself (LOCAL), or of a family that has no address here.
    package let client: SocketAddress?
    /// Octets of the whole header.
    package let length: Int

    /// Longest header taken, with its TLVs.
    package static let longest = 4096
    /// Octets after which `length(of:)` knows how long the header is.
    package static let fixedLength = 16
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    package enum Fault: Error, Equatable { case notAHeader, unknownVersion, tooLong, tooShort }

    /// How long the header is that begins with these octets; nil: 16 are needed to tell.
    package static func length(of octets: [UInt8]) throws(Fault) -> Int? {
        guard octets.prefix(12).elementsEqual(signature.prefix(octets.count)) else { throw .notAHeader }
        guard octets.count >= fixedLength else { return nil }
        guard octets[12] >> 4 == 2, octets[12] & 15 <= 1 else { throw .unknownVersion }
        let length = fixedLength + Int(octets[14]) << 8 + Int(octets[15])
        guard length <= longest else { throw .tooLong }
        return length
    }

    /// - Parameter octets: the header, whole.
    package init(_ octets: [UInt8]) throws(Fault) {
        guard let length = try ProxyHeader.length(of: octets), octets.count >= length else { throw .tooShort }
        self.length = length
        let addresses = octets[ProxyHeader.fixedLength..<length]
        let isProxied = octets[12] & 15 == 1
        switch (isProxied, octets[13]) {
        case (true, 0x11):
            guard addresses.count >= 12 else { throw .tooShort }
            let ip = IPAddress.v4(UInt32(truncatingIfNeeded: ProxyHeader.number(addresses, at: 0, octets: 4)))
            client = SocketAddress(
                ip, port: UInt16(truncatingIfNeeded: ProxyHeader.number(addresses, at: 8, octets: 2)))
        case (true, 0x21):
            guard addresses.count >= 36 else { throw .tooShort }
            let ip = IPAddress.v6(
                high: ProxyHeader.number(addresses, at: 0, octets: 8),
                low: ProxyHeader.number(addresses, at: 8, octets: 8))
            client = SocketAddress(
                ip.unmapped, port: UInt16(truncatingIfNeeded: ProxyHeader.number(addresses, at: 32, octets: 2)))
        default:
            client = nil
        }
    }

    private static func number(_ octets: ArraySlice<UInt8>, at offset: Int, octets count: Int) -> UInt64 {
        octets.dropFirst(offset).prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
