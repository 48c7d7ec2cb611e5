import CSystem
import Glibc

/// Where a listener waits for clients.
package enum ListenPlace: Hashable, Sendable {
    case address(SocketAddress)
    /// A socket of the file system. One that a killed process left behind is replaced, a live one is not.
    case path(String)
    /// A listening socket this process was started with, by systemd or by the process before it. It is taken over.
    case inherited(descriptor: CInt)

    /// `127.0.0.1:8077`, `[::1]:8077`, `*:8077`, or `unix:/run/port77.sock`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard UnixAddress(path) != nil else { return nil }
            self = .path(path)
        } else if let address = SocketAddress(text) {
            self = .address(address)
        } else {
            return nil
        }
    }

    /// Only processes of this machine come in.
    package var isLocal: Bool {
        switch self {
        case .address(let address): address.ip.isLoopback
        case .path: true
        case .inherited(let descriptor):
            isOfFileSystem || SocketAddress.local(of: descriptor)?.ip.isLoopback ?? false
        }
    }

    package var isInherited: Bool { if case .inherited = self { true } else { false } }

    /// A socket that has a name instead of an address, whoever opened it.
    package var isOfFileSystem: Bool {
        switch self {
        case .address: return false
        case .path: return true
        case .inherited(let descriptor):
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let result = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            return result == 0 && Int32(storage.ss_family) == AF_UNIX
        }
    }
}

extension ListenPlace: CustomStringConvertible {
    package var description: String {
        switch self {
        case .address(let address): "\(address)"
        case .path(let path): "unix:\(path)"
        case .inherited(let descriptor): "descriptor \(descriptor)"
        }
    }
}

/// The name of a socket of the file system, with its length checked (107 octets).
struct UnixAddress {
    private var address = sockaddr_un()
    private var length = socklen_t(MemoryLayout<sockaddr_un>.size)

    init?(_ path: String) {
        let octets = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !octets.isEmpty, octets.count < room, !octets.contains(0) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
    }

    /// `@name` of the abstract names of Linux.
    init?(abstract name: String) {
        let octets = [0] + Array(name.utf8)
        guard octets.count > 1, octets.count <= MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        length = socklen_t(MemoryLayout<sa_family_t>.size + octets.count)
    }

    mutating func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        let length = length
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// Whether a process listens there. What nobody listens on is removed if it is a socket.
    ///
    /// - Throws: when something else than a socket lies there.
    mutating func isListenedOn() throws(LineError) -> Bool {
        let path = withUnsafeBytes(of: &address.sun_path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        var status = stat()
        guard lstat(path, &status) == 0 else { return false }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .system(EEXIST) }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw LineError(errno: errno) }
        defer { Glibc.close(descriptor) }
        let result = withSockaddr { Glibc.connect(descriptor, $0, $1) }
        // EAGAIN: somebody listens whose queue is full.
        if result == 0 || errno == EAGAIN || errno == EINPROGRESS { return true }
        guard errno == ECONNREFUSED else { throw LineError(errno: errno) }
        unlink(path)
        return false
    }
}
