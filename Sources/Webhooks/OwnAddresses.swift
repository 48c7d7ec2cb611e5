import CCurl
package import Lines

extension AddressGuard.Settings {
    /// This machine's addresses, as its interfaces have them now.
    package static func ownAddresses() -> [IPAddress] {
        let capacity = 256
        return withUnsafeTemporaryAllocation(of: AddressOctets.self, capacity: capacity) { found in
            guard let base = found.baseAddress else { return [] }
            let count = port77_own_addresses(base, Int32(capacity))
            return (0..<Int(max(0, count))).map { IPAddress(octets: found[$0]) }
        }
    }

    /// Denies these addresses, but for those that the deployment has allowed: what runs on this machine beside the gateway is
    /// nobody else's to call, by a public address as little as by loopback.
    package mutating func deny(own addresses: [IPAddress]) {
        denyNetworks += addresses.compactMap { address in
            guard !allowNetworks.contains(where: { $0.contains(address) }) else { return nil }
            return Network("\(address)")
        }
    }
}
