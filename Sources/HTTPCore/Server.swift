package import Lines

/// One answered request, for whoever counts.
package struct AnsweredRequest: Sendable {
    /// The route's name; `nil` when there was none, or the request could not be read.
    package let route: String?
    /// `nil` when it could not be read, or is unknown.
    package let method: Method?
    package let status: Int
    /// From the complete head to the last octet handed to the connection.
    package let duration: Duration
    package let receivedBodyBytes: Int
    package let sentBodyBytes: Int
    /// The client was still there at the end.
    package let isComplete: Bool
}

/// An HTTP/1.1 server on some event loops.
package final class Server: Sendable {
    package struct Options: Sendable {
        package var limits = Limits()
        /// Hosts served, in lower case without port; others are answered 421. `nil` serves every name.
        package var knownHosts: Set<String>?
        /// Sent with every answer, problems included, unless the answer has that field itself.
        package var fields: Fields = [:]
        package var tls: TLSServerSettings?
        /// Addresses whose connections begin with a PROXY v2 header. nil: none.
        package var isProxy: (@Sendable (IPAddress) -> Bool)?
        /// Called on a loop for every answer. Must be quick.
        package var answered: (@Sendable (AnsweredRequest) -> Void)?
        /// A handler threw what is no `Problem`, or answered what cannot be sent; the client sees 500. For the log.
        package var failed: (@Sendable (_ route: String?, _ requestID: String, _ error: any Error) -> Void)?

        package init() {}
    }

    package let options: Options
    private let contexts: [ServerContext]
    private let listeners = Locked<[Listener]>([])

    package init(router: Router, loops: [EventLoop], options: Options = Options()) {
        precondition(options.fields.isValid)
        self.options = options
        contexts = loops.enumerated().map {
            ServerContext(router: router, loop: $0.element, options: options, index: $0.offset)
        }
    }

    /// Begins to accept on one more address.
    ///
    /// - Returns: the address, with the port the kernel chose when 0 was asked for.
    @discardableResult
    package func listen(on address: SocketAddress) throws(LineError) -> SocketAddress {
        try open(.address(address)).localAddress
    }

    /// As above, at any kind of place. TLS is for addresses only: a socket of the file system has its mode.
    ///
    /// - Returns: the place, with the port the kernel chose when 0 was asked for.
    @discardableResult
    package func listen(at place: ListenPlace) throws(LineError) -> ListenPlace {
        try open(place).place
    }

    private func open(_ place: ListenPlace) throws(LineError) -> Listener {
        var settings = Listener.Settings()
        settings.mostConnections = options.limits.connections
        settings.mostPerClient = options.limits.connectionsPerAddress
        if case .path = place {} else { settings.tls = options.tls }
        settings.isProxy = options.isProxy
        let contexts = contexts
        @Sendable func context(of connection: Connection) -> ServerContext {
            contexts.first { $0.loop === connection.loop } ?? contexts[0]
        }
        let listener = try Listener.listen(at: place, loops: contexts.map(\.loop), settings: settings) {
            connection, _ in
            RefusedConnection(connection, context: context(of: connection))
        } accepted: {
            ServerConnection($0, context: context(of: $0))
        }
        listeners.withLock { $0.append(listener) }
        return listener
    }

    /// Connections being served, on all addresses.
    package var connectionCount: Int { listeners.withLock { $0 }.reduce(0) { $0 + $1.connectionCount } }

    /// Ends gently: stops listening, closes idle connections, lets running requests finish and says `Connection: close`
    /// with their answers. Whatever is left after `grace` is cut.
    package func stop(grace: Duration = .seconds(30)) async {
        for listener in listeners.withLock({ $0 }) { await listener.stopListeningAndWait() }
        await withTaskGroup(of: Void.self) { group in
            for context in contexts {
                group.addTask { await context.stop(grace: grace) }
            }
        }
    }
}

/// A connection beyond a limit: told so, and closed.
private final class RefusedConnection: ConnectionHandler {
    private let connection: Connection
    private let context: ServerContext

    init(_ connection: Connection, context: ServerContext) {
        self.connection = connection
        self.context = context
    }

    func connected() {
        let problem = Problem(.tooManyConnections, "There are too many connections; try again.", retryAfter: 1)
        context.writeHead(
            problem.response(), length: problem.json.count, isChunked: false, keepsAlive: false, minorVersion: 1,
            requestID: nil)
        context.output += problem.json
        context.flush(to: connection)
        connection.lingerClose(dropping: context.options.limits.lingerBytes, within: context.options.limits.lingerTime)
    }

    func received(_ bytes: UnsafeRawBufferPointer) {}
    func peerFinished() { connection.closeAfterFlush() }
    func closed(_ cause: CloseCause) {}
}
