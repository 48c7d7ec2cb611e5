import CCurl
package import Lines

/// The addresses that may be called: the fixed table of the C shim, and what the deployment adds. The same memory is read by
/// libcurl's callbacks, so it must outlive every transfer.
package final class AddressFilter: @unchecked Sendable {
    // Written in init only.
    let shared: UnsafeMutablePointer<port77_filter>

    package init(allowed: [Network] = [], denied: [Network] = []) {
        shared = .allocate(capacity: 1)
        shared.initialize(
            to: port77_filter(
                allowed: AddressFilter.copy(allowed), allowed_count: allowed.count, denied: AddressFilter.copy(denied),
                denied_count: denied.count))
    }

    deinit {
        shared.pointee.allowed?.deallocate()
        shared.pointee.denied?.deallocate()
        shared.deallocate()
    }

    package func isForbidden(_ address: IPAddress) -> Bool {
        var octets = address.octets
        return withUnsafeBytes(of: &octets) {
            port77_is_forbidden(shared, $0.baseAddress?.assumingMemoryBound(to: UInt8.self)) != 0
        }
    }

    /// Whether the deployment named a network that holds it.
    package func isAllowedByName(_ address: IPAddress) -> Bool {
        var octets = address.octets
        return withUnsafeBytes(of: &octets) { bytes in
            (0..<shared.pointee.allowed_count).contains { index in
                port77_network_contains(
                    shared.pointee.allowed?.advanced(by: index), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
                    != 0
            }
        }
    }

    package var allowsAnyNetwork: Bool { shared.pointee.allowed_count > 0 }

    private static func copy(_ networks: [Network]) -> UnsafeMutablePointer<port77_network>? {
        guard !networks.isEmpty else { return nil }
        let copies = UnsafeMutablePointer<port77_network>.allocate(capacity: networks.count)
        for (index, network) in networks.enumerated() {
            let isV4 = if case .v4 = network.address { true } else { false }
            copies.advanced(by: index).initialize(
                to: port77_network(octets: network.address.octets, bits: Int32(network.bits + (isV4 ? 96 : 0))))
        }
        return copies
    }
}

/// The 16 octets of an address, as C imports them.
typealias AddressOctets = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
)

extension IPAddress {
    /// IPv4 in ::ffff:0:0/96.
    var octets: AddressOctets {
        let (high, low): (UInt64, UInt64) =
            switch self {
            case .v4(let address): (0, 0xFFFF_0000_0000 | UInt64(address))
            case .v6(let high, let low): (high, low)
            }
        return unsafeBitCast((high.bigEndian, low.bigEndian), to: AddressOctets.self)
    }

    init(octets: AddressOctets) {
        let (high, low) = unsafeBitCast(octets, to: (UInt64, UInt64).self)
        self = IPAddress.v6(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low)).unmapped
    }

    /// As libcurl wants it where a port follows.
    var inBrackets: String {
        if case .v6 = self { "[\(self)]" } else { description }
    }
}
