import CSystem
import Glibc

/// One loop's listening socket.
///
/// When the process has no descriptor left, or the limits are reached, it looks away from the socket (a level-triggered
/// event would spin) and comes back when a connection has ended, or after a tenth of a second.
final class Acceptor: DescriptorHandler, @unchecked Sendable {
    static let retryAfter: Duration = .milliseconds(100)
    /// Connections taken in one go before the other descriptors of the loop have their turn.
    private static let mostInOnePass = 64

    let loop: EventLoop
    private let settings: Listener.Settings
    private let admissions: Admissions
    private let accepted: Listener.Accept
    private let refused: Listener.Refuse?

    // On the loop only.
    private var socket: ListeningSocket?
    private var isWatching = false
    private var retry: LoopTimer?
    private var greetings: [ObjectIdentifier: ProxyGreeting] = [:]
    /// Proxied connections that may wait for their header at a time.
    private static let mostGreetings = 1024

    init(
        socket: ListeningSocket, loop: EventLoop, settings: Listener.Settings, admissions: Admissions,
        accepted: @escaping Listener.Accept, refused: Listener.Refuse?
    ) {
        self.socket = socket
        self.loop = loop
        self.settings = settings
        self.admissions = admissions
        self.accepted = accepted
        self.refused = refused
    }

    func start() { resume() }

    func stop() {
        guard let stopped = socket else { return }
        // What the kernel has accepted already would be reset. On an inherited socket it waits for who comes after us.
        if !stopped.isInherited { while acceptOne() {} }
        pause(retrying: false)
        socket = nil
    }

    func loopStopped() {
        isWatching = false
        socket = nil
    }

    func ready(_ readiness: Readiness) {
        var taken = 0
        while taken < Acceptor.mostInOnePass, acceptOne() { taken += 1 }
    }

    func resume() {
        retry?.cancel()
        retry = nil
        guard let socket, !isWatching else { return }
        do {
            try loop.register(descriptor: socket.descriptor, interest: .readable, handler: self)
            isWatching = true
        } catch .closed {
            self.socket = nil
        } catch {
            retry = loop.schedule(after: Acceptor.retryAfter) { [weak self] in self?.resume() }
        }
    }

    private func pause(retrying: Bool) {
        guard let socket, isWatching else { return }
        loop.unregister(descriptor: socket.descriptor)
        isWatching = false
        guard retrying else { return }
        retry = loop.schedule(after: Acceptor.retryAfter) { [weak self] in self?.resume() }
    }

    /// Whether there may be more.
    private func acceptOne() -> Bool {
        guard let socket else { return false }
        guard admissions.hasRoom else {
            pause(retrying: true)
            return false
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let flags = CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        var descriptor: CInt = -1
        var failure = settings.acceptFault?() ?? 0
        if failure == 0 {
            descriptor = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept4(socket.descriptor, $0, &length, flags) }
            }
            failure = errno
        }
        guard descriptor >= 0 else {
            switch failure {
            case EAGAIN: return false
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                pause(retrying: true)
                return false
            // A connection that broke while it waited, or an interrupted call: the next one may be sound.
            case ECONNABORTED, EINTR, EPROTO, EPERM: return true
            default: return false
            }
        }
        let peer = SocketAddress(storage)
        if let peer, settings.isProxy?(peer.ip) == true {
            greet(descriptor, proxy: peer)
        } else {
            admit(descriptor, peer)
        }
        return true
    }

    private func greet(_ descriptor: CInt, proxy: SocketAddress) {
        guard greetings.count < Acceptor.mostGreetings else {
            Glibc.close(descriptor)
            return
        }
        let greeting = ProxyGreeting(descriptor: descriptor, loop: loop) { [weak self] greeting, descriptor, header in
            guard let self, let header else {
                Glibc.close(descriptor)
                self?.greetings[ObjectIdentifier(greeting)] = nil
                return
            }
            greetings[ObjectIdentifier(greeting)] = nil
            admit(descriptor, header.client ?? proxy)
        }
        greetings[ObjectIdentifier(greeting)] = greeting
        greeting.start()
    }

    private func admit(_ descriptor: CInt, _ peer: SocketAddress?) {
        let client = client(of: peer)
        let verdict = admissions.enter(client)
        if verdict == .dropped {
            Glibc.close(descriptor)
            return
        }
        var session: TLSSession?
        if let tls = settings.tls {
            session = try? TLSSession(accepting: tls, pool: loop.chunks)
            guard session != nil else {
                Glibc.close(descriptor)
                admissions.leave(client, wasRefused: verdict != .served)
                return
            }
        }
        let connection = Connection(
            descriptor: descriptor, loop: loop, peer: peer, phase: session == nil ? .open : .handshaking, tls: session)
        connection.acceptor = self
        connection.countsAs = client
        let handler: any ConnectionHandler
        switch verdict {
        case .served: handler = accepted(connection)
        case .refused(let reason):
            connection.wasRefused = true
            handler = refused?(connection, reason) ?? Dismissal(connection)
        case .dropped: return
        }
        connection.begin(handler: handler, phaseLimit: session == nil ? nil : Connection.handshakeLimit)
    }

    /// Whom the limit per client is about; nil: nobody.
    private func client(of peer: SocketAddress?) -> IPAddress? {
        guard let ip = peer?.ip, settings.isShared?(ip) != true else { return nil }
        return ip.client
    }

    func ended(_ connection: Connection) {
        admissions.leave(connection.countsAs, wasRefused: connection.wasRefused)
        // It may have been the descriptor that was missing.
        if !isWatching { resume() }
    }
}

/// Ends a connection that nobody wants to speak to.
private final class Dismissal: ConnectionHandler {
    private let connection: Connection
    init(_ connection: Connection) { self.connection = connection }
    func connected() { connection.close() }
    func received(_ bytes: UnsafeRawBufferPointer) { connection.close() }
    func peerFinished() { connection.close() }
    func closed(_ cause: CloseCause) {}
}
