import CSystem
import Glibc
import Synchronization

/// One place listened on by every loop of a group: an address with a socket for each loop, between which the kernel spreads
/// the connections, or one socket that all loops watch.
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
        /// Connections from these addresses begin with a PROXY v2 header, which names the client; from others such a header is
        /// a fault of the protocol behind it. nil: from none.
        package var isProxy: (@Sendable (IPAddress) -> Bool)?
        /// Addresses that many clients come from, such as those of an HTTP proxy: they are not limited as one client.
        package var isShared: (@Sendable (IPAddress) -> Bool)?
        /// Who may connect to a socket of the file system.
        package var pathMode: UInt16 = 0o660
        /// Asked before each `accept`: an error number to meet in its place. For tests of what is hard to bring about.
        package var acceptFault: (@Sendable () -> CInt?)?

        package init() {}
    }

    package enum Refusal: Equatable, Sendable { case tooManyConnections, tooManyOfOneClient }

    package typealias Accept = @Sendable (Connection) -> any ConnectionHandler
    package typealias Refuse = @Sendable (Connection, Refusal) -> any ConnectionHandler

    /// Where it listens, with the port the kernel chose when 0 was asked for.
    package let place: ListenPlace
    /// The same as an address; `0.0.0.0:0` for a socket of the file system.
    package var localAddress: SocketAddress {
        if case .address(let address) = place { address } else { SocketAddress(.any, port: 0) }
    }
    let admissions: Admissions
    private let acceptors: [Acceptor]

    private init(place: ListenPlace, admissions: Admissions, acceptors: [Acceptor]) {
        self.place = place
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
        try listen(at: .address(address), loops: loops, settings: settings, refused: refused, accepted: accepted)
    }

    /// As above, at any kind of place.
    package static func listen(
        at place: ListenPlace, loops: [EventLoop], settings: Settings = Settings(),
        refused: Refuse? = nil, accepted: @escaping Accept
    ) throws(LineError) -> Listener {
        precondition(!loops.isEmpty)
        let (sockets, place) = try ListeningSocket.open(place, count: loops.count, settings: settings)
        let admissions = Admissions(settings)
        let acceptors = zip(loops, sockets).map {
            Acceptor(
                socket: $1, loop: $0, settings: settings, admissions: admissions, accepted: accepted, refused: refused)
        }
        admissions.setAcceptors(acceptors)
        for acceptor in acceptors { acceptor.loop.execute { acceptor.start() } }
        return Listener(place: place, admissions: admissions, acceptors: acceptors)
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
