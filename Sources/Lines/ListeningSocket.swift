import CSystem
import Glibc

/// A listening descriptor and its owner.
final class ListeningSocket: Sendable {
    let descriptor: CInt
    /// Others may listen on the same socket, now or later.
    let isInherited: Bool

    /// A socket of the file system that goes with the descriptor.
    private let path: Path?

    private init(adopting descriptor: CInt, path: Path? = nil, isInherited: Bool = false) {
        self.descriptor = descriptor
        self.isInherited = isInherited
        self.path = path
    }

    deinit {
        Glibc.close(descriptor)
        path?.remove()
    }

    /// One socket a loop, and the place as it came out.
    static func open(
        _ place: ListenPlace, count: Int, settings: Listener.Settings
    ) throws(LineError) -> ([ListeningSocket], ListenPlace) {
        switch place {
        case .address(let address):
            let sockets = try open(address, count: count, backlog: settings.backlog)
            return (sockets, .address(try local(of: sockets[0].descriptor)))
        case .path(let path):
            let socket = try open(path: path, settings: settings)
            return (Array(repeating: socket, count: count), place)
        case .inherited(let descriptor):
            let socket = try adopt(descriptor)
            let place = SocketAddress.local(of: descriptor).map { ListenPlace.address($0) } ?? place
            return (Array(repeating: socket, count: count), place)
        }
    }

    private static func local(of descriptor: CInt) throws(LineError) -> SocketAddress {
        guard let address = SocketAddress.local(of: descriptor) else { throw .system(ENOTSOCK) }
        return address
    }

    /// A listening stream socket that somebody else has opened.
    private static func adopt(_ descriptor: CInt) throws(LineError) -> ListeningSocket {
        var isListening: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length) == 0 else {
            throw LineError(errno: errno)
        }
        guard isListening == 1 else { throw .system(EINVAL) }
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        tune(descriptor)
        return ListeningSocket(adopting: descriptor, isInherited: true)
    }

    // MARK: in the file system

    /// Binds a socket file. One that nobody listens on any more (its process was killed) is replaced.
    private static func open(path: String, settings: Listener.Settings) throws(LineError) -> ListeningSocket {
        guard var address = UnixAddress(path) else { throw .badAddress(path) }
        if try address.isListenedOn() { throw .addressInUse }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw LineError(errno: errno) }
        guard address.withSockaddr({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw LineError(errno: number)
        }
        let socket = ListeningSocket(adopting: descriptor, path: Path(path))
        // Nobody can connect before `listen`, so nobody comes in by a wider mode.
        guard chmod(path, mode_t(settings.pathMode)) == 0,
            Glibc.listen(descriptor, Int32(clamping: settings.backlog)) == 0
        else { throw LineError(errno: errno) }
        return socket
    }

    /// The file of a socket, as it was when it was made: another's under the same name is left alone.
    private struct Path {
        let name: String
        let device: UInt64
        let node: UInt64

        init(_ name: String) {
            self.name = name
            var status = stat()
            lstat(name, &status)
            device = UInt64(status.st_dev)
            node = UInt64(status.st_ino)
        }

        func remove() {
            var status = stat()
            guard lstat(name, &status) == 0, UInt64(status.st_dev) == device, UInt64(status.st_ino) == node else {
                return
            }
            unlink(name)
        }
    }

    // MARK: on an address

    private static func open(_ address: SocketAddress, count: Int, backlog: Int) throws(LineError) -> [ListeningSocket]
    {
        var address = address
        if address.ip == .anyV6 {
            // All addresses of both families; a machine without IPv6 has only the one.
            do { return try openAll(address, count, backlog) } catch .system(EAFNOSUPPORT) {} catch .unreachable {}
            address.ip = .any
        }
        return try openAll(address, count, backlog)
    }

    private static func openAll(
        _ address: SocketAddress, _ count: Int, _ backlog: Int
    ) throws(LineError) -> [ListeningSocket] {
        var address = address
        // With SO_REUSEPORT the system lets a second process of the same user in beside us and gives it half of our
        // clients. A socket without it finds out whether somebody is there.
        if address.port != 0 { _ = try bound(address, sharing: false) }
        var sockets: [ListeningSocket] = []
        for _ in 0..<count {
            let socket = try bound(address, sharing: true)
            guard Glibc.listen(socket.descriptor, Int32(clamping: backlog)) == 0 else { throw LineError(errno: errno) }
            if address.port == 0, let local = SocketAddress.local(of: socket.descriptor) { address.port = local.port }
            sockets.append(socket)
        }
        return sockets
    }

    private static func bound(_ address: SocketAddress, sharing: Bool) throws(LineError) -> ListeningSocket {
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = Glibc.socket(address.family, Int32(kind), 0)
        guard descriptor >= 0 else { throw LineError(errno: errno) }
        let socket = ListeningSocket(adopting: descriptor)
        setFlag(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if sharing { setFlag(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.family == AF_INET6 {
            setFlag(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address.ip == .anyV6 ? 0 : 1)
        }
        // Accepted sockets inherit these.
        tune(descriptor)
        guard address.withSockaddr({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            let number = errno
            throw number == EADDRNOTAVAIL ? .system(number) : LineError(errno: number)
        }
        return socket
    }

    static func setFlag(_ descriptor: CInt, _ level: Int32, _ option: Int32, _ value: CInt) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    /// No waiting for more to send, and a peer that vanished is found out after some two minutes of silence.
    static func tune(_ descriptor: CInt) {
        let tcp = Int32(IPPROTO_TCP)
        setFlag(descriptor, tcp, TCP_NODELAY, 1)
        setFlag(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setFlag(descriptor, tcp, TCP_KEEPIDLE, 60)
        setFlag(descriptor, tcp, TCP_KEEPINTVL, 15)
        setFlag(descriptor, tcp, TCP_KEEPCNT, 4)
        // The kernel would take 4 MiB for a client that does not read; what is under way to one that does is not counted.
        setFlag(descriptor, tcp, TCP_NOTSENT_LOWAT, 128 * 1024)
    }
}
