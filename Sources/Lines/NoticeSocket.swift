import CSystem
import Glibc

/// A datagram socket that somebody of this machine listens on for short notices, such as the service manager's.
package struct NoticeSocket: Sendable {
    private let name: String

    /// - Parameter name: an absolute path, or `@` and an abstract name.
    package init?(_ name: String) {
        guard NoticeSocket.address(name) != nil else { return nil }
        self.name = name
    }

    private static func address(_ name: String) -> UnixAddress? {
        if name.hasPrefix("@") { return UnixAddress(abstract: String(name.dropFirst())) }
        return name.hasPrefix("/") ? UnixAddress(name) : nil
    }

    /// - Returns: whether the kernel has taken it. Never waits.
    @discardableResult
    package func send(_ octets: [UInt8]) -> Bool {
        guard var address = NoticeSocket.address(name) else { return false }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        let sent = address.withSockaddr { sendto(descriptor, octets, octets.count, flags, $0, $1) }
        return sent == octets.count
    }
}
