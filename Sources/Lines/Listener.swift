import CSystem
import Glibc
import Synchronization

/// One address listened on by every loop of a group: a socket each, between which the kernel spreads the connections.
///
/// An accepted connection stays on the loop that accepted it.
package final class Listener: Sendable {
    package struct Settings: Sendable {
        /// Connections waiting in the kernel for `accept`, per loop.
        package var backlog = 4096
        /// Connections served at a time.
        package var mostConnections = 10_000
        /// Connections of one client (IPv4 address, or 64-bit IPv6 network) at a time; nil: no limit.
        package var mostPerClient: Int?
        /// Connections accepted beyond a limit only to be refused in words. When these are used up too, nothing more is
        /// accepted (total limit), or the connection is dropped without words (limit per client).
        package var mostRefusals = 64
        package var tls: TLSServerSettings?
        /// Asked before each `accept`: an error number to meet in its place. For tests of what is hard to bring about.
        package var acceptFault: (@Sendable () -> CInt?)?

        package init() {}
    }

    package enum Refusal: Equatable, Sendable { case tooManyConnections, tooManyOfOneClient }

    package typealias Accept = @Sendable (Connection) -> any ConnectionHandler
    package typealias Refuse = @Sendable (Connection, Refusal) -> any ConnectionHandler

    /// What it listens on, with the port the kernel chose when 0 was asked for.
    package let localAddress: SocketAddress
    let admissions: Admissions
    private let acceptors: [Acceptor]

    private init(localAddress: SocketAddress, admissions: Admissions, acceptors: [Acceptor]) {
        self.localAddress = localAddress
        self.admissions = admissions
        self.acceptors = acceptors
    }

    deinit { stopListening() }

    /// Connections being served now, refused ones not counted.
    package var connectionCount: Int { admissions.counts.served }

    /// Binds, listens and begins to accept.
    ///
    /// - Parameters:
    ///   - accepted: called on the connection's loop; returns who handles it. Its `connected` comes next.
    ///   - refused: called for a connection over a limit; it may say so and `lingerClose`. Without it such a connection
    ///     is closed at once.
    /// - Throws: `addressInUse` also when the other listener would share the port.
    package static func listen(
        on address: SocketAddress, loops: [EventLoop], settings: Settings = Settings(),
        refused: Refuse? = nil, accepted: @escaping Accept
    ) throws(LineError) -> Listener {
        precondition(!loops.isEmpty)
        let sockets = try ListeningSocket.open(address, count: loops.count, backlog: settings.backlog)
        guard let local = sockets.first.flatMap({ SocketAddress.local(of: $0.descriptor) }) else {
            throw .system(ENOTSOCK)
        }
        let admissions = Admissions(settings)
        let acceptors = zip(loops, sockets).map {
            Acceptor(
                socket: $1, loop: $0, settings: settings, admissions: admissions, accepted: accepted, refused: refused)
        }
        admissions.setAcceptors(acceptors)
        for acceptor in acceptors { acceptor.loop.execute { acceptor.start() } }
        return Listener(localAddress: local, admissions: admissions, acceptors: acceptors)
    }

    /// Takes what waits in the kernel, then closes the listening sockets; connections go on. From any thread.
    package func stopListening() {
        for acceptor in acceptors { acceptor.loop.execute { acceptor.stop() } }
    }

    /// As `stopListening`, and returns when the sockets are closed.
    package func stopListeningAndWait() async {
        for acceptor in acceptors { await acceptor.loop.run { acceptor.stop() } }
    }
}

/// A listening descriptor and its owner.
final class ListeningSocket: Sendable {
    let descriptor: CInt

    private init(adopting descriptor: CInt) { self.descriptor = descriptor }
    deinit { Glibc.close(descriptor) }

    static func open(_ address: SocketAddress, count: Int, backlog: Int) throws(LineError) -> [ListeningSocket] {
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
    }
}

/// Who is in, over all loops of a listener.
final class Admissions: Sendable {
    enum Verdict: Equatable { case served, refused(Listener.Refusal), dropped }

    struct Counts: Sendable {
        var served = 0
        var refused = 0
        var perClient: [IPAddress: Int] = [:]
        var paused: [Bool] = []
    }

    private let settings: Listener.Settings
    private let state = Locked(Counts())
    private let acceptors = Locked<[Weak]>([])
    private struct Weak: Sendable { weak let acceptor: Acceptor? }

    init(_ settings: Listener.Settings) { self.settings = settings }

    func setAcceptors(_ all: [Acceptor]) {
        acceptors.withLock { $0 = all.map { Weak(acceptor: $0) } }
    }

    var counts: Counts { state.withLock { $0 } }

    /// Whether one more may be accepted at all.
    var hasRoom: Bool {
        state.withLock { $0.served < settings.mostConnections || $0.refused < settings.mostRefusals }
    }

    func enter(_ client: IPAddress?) -> Verdict {
        state.withLock { counts in
            if counts.served >= settings.mostConnections {
                guard counts.refused < settings.mostRefusals else { return .dropped }
                counts.refused += 1
                return .refused(.tooManyConnections)
            }
            if let most = settings.mostPerClient, let client {
                if counts.perClient[client, default: 0] >= most {
                    guard counts.refused < settings.mostRefusals else { return .dropped }
                    counts.refused += 1
                    return .refused(.tooManyOfOneClient)
                }
                counts.perClient[client, default: 0] += 1
            }
            counts.served += 1
            return .served
        }
    }

    func leave(_ client: IPAddress?, wasRefused: Bool) {
        let hadNoRoom = state.withLock { counts in
            let full = counts.served >= settings.mostConnections && counts.refused >= settings.mostRefusals
            if wasRefused {
                counts.refused -= 1
            } else {
                counts.served -= 1
                if settings.mostPerClient != nil, let client, let number = counts.perClient[client] {
                    counts.perClient[client] = number > 1 ? number - 1 : nil
                }
            }
            return full
        }
        guard hadNoRoom else { return }
        for weak in acceptors.withLock({ $0 }) {
            if let acceptor = weak.acceptor { acceptor.loop.execute { acceptor.resume() } }
        }
    }
}
