import CSystem
import Glibc

/// An IPv4 or IPv6 address, in host byte order.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    package static let loopback = IPAddress.v4(0x7F00_0001)
    package static let loopbackV6 = IPAddress.v6(high: 0, low: 1)
    package static let any = IPAddress.v4(0)
    package static let anyV6 = IPAddress.v6(high: 0, low: 0)

    /// Numeric text only: `127.0.0.1`, `::1`. An IPv4 address mapped into IPv6 stays IPv6; see `unmapped`.
    package init?(_ text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        self.init(six)
    }

    init(_ six: in6_addr) {
        self = withUnsafeBytes(of: six) {
            .v6(
                high: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    /// `::ffff:a.b.c.d` as IPv4, everything else as it is.
    package var unmapped: IPAddress {
        if case .v6(0, let low) = self, low >> 32 == 0xFFFF { .v4(UInt32(truncatingIfNeeded: low)) } else { self }
    }

    package var isLoopback: Bool {
        switch unmapped {
        case .v4(let address): address >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }

    /// What one client counts as: an IPv4 address, or the 64-bit network of an IPv6 address.
    package var client: IPAddress {
        if case .v6(let high, _) = self { .v6(high: high, low: 0) } else { self }
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .v4(let a): return "\(a >> 24).\(a >> 16 & 255).\(a >> 8 & 255).\(a & 255)"
        case .v6(let high, let low):
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
                var octets = (high.bigEndian, low.bigEndian)
                guard let base = text.baseAddress,
                    inet_ntop(AF_INET6, &octets, base, socklen_t(text.count)) != nil
                else { return "::" }
                return String(cString: base)
            }
        }
    }
}

/// An address and a port of TCP.
package struct SocketAddress: Hashable, Sendable {
    package var ip: IPAddress
    package var port: UInt16
    /// The interface of a link-local IPv6 address, otherwise 0.
    package var scope: UInt32

    package init(_ ip: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.ip = ip
        self.port = port
        self.scope = scope
    }

    /// `127.0.0.1:8077`, `[::1]:8077`, `*:8077` (all addresses of both families). Names are for `Resolver`.
    package init?(_ text: String) {
        guard let parts = HostPort(text), let port = UInt16(exactly: parts.port) else { return nil }
        if parts.host == "*" {
            self.init(.anyV6, port: port)
        } else if let ip = IPAddress(parts.host) {
            self.init(ip, port: port)
        } else {
            return nil
        }
    }

    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            let four = withUnsafeBytes(of: &storage) { $0.loadUnaligned(as: sockaddr_in.self) }
            self.init(.v4(UInt32(bigEndian: four.sin_addr.s_addr)), port: UInt16(bigEndian: four.sin_port))
        case AF_INET6:
            let six = withUnsafeBytes(of: &storage) { $0.loadUnaligned(as: sockaddr_in6.self) }
            self.init(
                IPAddress(six.sin6_addr).unmapped, port: UInt16(bigEndian: six.sin6_port), scope: six.sin6_scope_id)
        default: return nil
        }
    }

    var family: Int32 {
        switch ip {
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch ip {
        case .v4(let address):
            var four = sockaddr_in()
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
            four.sin_addr.s_addr = address.bigEndian
            return withUnsafePointer(to: &four) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .v6(let high, let low):
            var six = sockaddr_in6()
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = port.bigEndian
            six.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &six.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return withUnsafePointer(to: &six) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }

    /// The address a socket is bound to, or the one at its other end.
    static func local(of descriptor: CInt) -> SocketAddress? { name(of: descriptor, getsockname) }
    static func peer(of descriptor: CInt) -> SocketAddress? { name(of: descriptor, getpeername) }

    private static func name(
        of descriptor: CInt,
        _ ask: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(descriptor, $0, &length) }
        }
        return result == 0 ? SocketAddress(storage) : nil
    }
}

extension SocketAddress: CustomStringConvertible {
    package var description: String {
        switch ip {
        case .v4: "\(ip):\(port)"
        case .v6: "[\(ip)]:\(port)"
        }
    }
}

/// A host name or numeric address with a port, as people write it.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `name:77`, `10.0.0.1:77`, `[::1]:77`; the port may be left out when there is a default for it.
    package init?(_ text: String, defaultPort: Int? = nil) {
        var host = Substring(text)
        var digits: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if rest.hasPrefix(":") { digits = rest.dropFirst() } else if !rest.isEmpty { return nil }
            guard case .v6? = IPAddress(String(host)) else { return nil }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            digits = text[text.index(after: colon)...]
            // An IPv6 address without brackets is ambiguous.
            if host.contains(":") { return nil }
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        if let digits {
            guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(digits)
            else {
                return nil
            }
            self.init(host: String(host), port: Int(port))
        } else if let defaultPort {
            self.init(host: String(host), port: defaultPort)
        } else {
            return nil
        }
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
