import CSystem
import Glibc

extension Connection {
    /// Begins to connect. `connected` or `closed` follows, never inside this call.
    ///
    /// - Parameter limit: for the connect and the TLS handshake together.
    package static func connect(
        to address: SocketAddress, on loop: EventLoop, tls: TLSClientSettings? = nil, named host: String? = nil,
        within limit: Duration, handler make: (Connection) -> any ConnectionHandler
    ) throws(LineError) -> Connection {
        assert(loop.isOnLoop)
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = socket(address.family, Int32(kind), 0)
        guard descriptor >= 0 else { throw LineError(errno: errno) }
        ListeningSocket.tune(descriptor)
        guard address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) == 0 || errno == EINPROGRESS else {
            let number = errno
            Glibc.close(descriptor)
            throw LineError(errno: number)
        }
        var session: TLSSession?
        if let tls {
            do throws(LineError) {
                session = try TLSSession(connecting: tls, to: host ?? address.ip.description, pool: loop.chunks)
            } catch {
                Glibc.close(descriptor)
                throw error
            }
        }
        let connection = Connection(
            descriptor: descriptor, loop: loop, peer: address, phase: .connecting, tls: session)
        connection.begin(handler: make(connection), phaseLimit: limit)
        return connection
    }
}

extension TCPLine {
    /// Opens a line: all addresses of the host in the system's order, until one answers.
    ///
    /// - Parameters:
    ///   - timeout: for everything, name and handshake included; an address that stays silent gets its share of it.
    ///   - tls: nil for plain text.
    /// - Throws: the error of the last address tried.
    package static func connect(
        to host: String, port: Int, on loop: EventLoop, timeout: Duration = .seconds(10),
        tls: TLSClientSettings? = nil
    ) async throws(LineError) -> TCPLine {
        let end = ContinuousClock.now + timeout
        let addresses = try await Resolver.resolve(host, port: port, within: timeout)
        var failure = LineError.unresolved(host)
        for (index, address) in addresses.enumerated() {
            let left = end - ContinuousClock.now
            guard left > .zero else { throw .deadline }
            do {
                return try await connect(
                    to: address, on: loop, timeout: left / (addresses.count - index), tls: tls, named: host)
            } catch .cancelled {
                throw .cancelled
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Opens a line to one address. `host` is the name that TLS checks, the numeric address when nil.
    package static func connect(
        to address: SocketAddress, on loop: EventLoop, timeout: Duration = .seconds(10),
        tls: TLSClientSettings? = nil, named host: String? = nil
    ) async throws(LineError) -> TCPLine {
        let waiter = Waiter<Result<TCPLine, LineError>>()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.perform {
                    waiter.begin(continuation)
                    guard !waiter.isFinished else { return }
                    // A line that opens after the wait was given up is let go, and so closed.
                    let core = TCPLineCore(loop: loop) { waiter.finish($0) }
                    do throws(LineError) {
                        _ = try Connection.connect(to: address, on: loop, tls: tls, named: host, within: timeout) {
                            core.attach($0)
                            return core
                        }
                    } catch {
                        waiter.finish(.failure(error))
                    }
                }
            }
        } onCancel: {
            loop.execute { waiter.finish(.failure(.cancelled)) }
        }
        return try result.get()
    }
}

/// Accepts lines on an address; each stays on the loop that accepted it.
package final class LineListener: Sendable {
    private let listener: Listener

    package var localAddress: SocketAddress { listener.localAddress }
    package var port: Int { Int(listener.localAddress.port) }
    package var connectionCount: Int { listener.connectionCount }

    /// - Parameter accepted: called on the line's loop once the line is open, with TLS after the handshake. Letting go of
    ///   the line closes it.
    package init(
        on address: SocketAddress, loops: [EventLoop], settings: Listener.Settings = .init(),
        accepted: @escaping @Sendable (TCPLine) -> Void
    ) throws(LineError) {
        listener = try Listener.listen(on: address, loops: loops, settings: settings) { connection in
            let core = TCPLineCore(loop: connection.loop) { if case .success(let line) = $0 { accepted(line) } }
            core.attach(connection)
            return core
        }
    }

    package func stopListening() { listener.stopListening() }
    package func stopListeningAndWait() async { await listener.stopListeningAndWait() }
}
