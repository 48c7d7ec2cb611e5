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
    /// nil: it could not be read.
    package let head: RequestHead?
    /// Who asked, as `Request.peer`; `nil` also when the request could not be read.
    package let peer: SocketAddress?
    let number: UInt64

    /// As the answer had it in `Request-Id`.
    package var requestID: String { RequestID.text(head, number) }
    /// As sent, without the query; `-` when it could not be read.
    package var path: String { head?.path.text ?? "-" }
}

/// An HTTP/1.1 server on some event loops.
package final class Server: Sendable {
    package struct Options: Sendable {
        package var limits = Limits()
        /// Hosts served, in lower case without port; others are answered 421. `nil` serves every name.
        package var knownHosts: Set<String>?
        /// Sent with every answer, problems included, unless the answer has that field itself.
        package var fields: Fields = [:]
        /// Other sites whose pages may read the answers.
        package var origins = Origins()
        package var tls: TLSServerSettings?
        /// Sent in addition by what was asked over TLS.
        package var fieldsOverTLS: Fields = [:]
        /// The proxies before us, asked for each connection and request. nil: there are none.
        package var proxies: (@Sendable () -> Proxies)?
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
        precondition(options.fields.isValid && options.fieldsOverTLS.isValid)
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
    /// - Parameters:
    ///   - mode: of a socket of the file system; nil: 0660.
    ///   - isClear: without TLS, whatever the options say.
    /// - Returns: the place, with the port the kernel chose when 0 was asked for.
    @discardableResult
    package func listen(
        at place: ListenPlace, mode: UInt16? = nil, isClear: Bool = false
    ) throws(LineError) -> ListenPlace {
        try open(place, mode: mode, isClear: isClear).place
    }

    private func open(
        _ place: ListenPlace, mode: UInt16? = nil, isClear: Bool = false
    ) throws(LineError) -> Listener {
        var settings = Listener.Settings()
        settings.mostConnections = options.limits.connections
        settings.mostPerClient = options.limits.connectionsPerAddress
        if let mode { settings.pathMode = mode }
        if !isClear, !place.isOfFileSystem { settings.tls = options.tls }
        if let proxies = options.proxies {
            settings.isProxy = { proxies().word(of: $0) == .proxyV2 }
            settings.isShared = { ip in proxies().word(of: ip).map { $0 != .proxyV2 } ?? false }
        }
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

    /// From now on each answer is the last of its connection, so that clients leave in good time; everything is served still.
    package func announceStop() {
        for context in contexts { context.loop.execute { context.announceStop() } }
    }

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
            requestID: nil, isTLS: connection.isTLS)
        context.output += problem.json
        context.flush(to: connection)
        connection.lingerClose(dropping: context.options.limits.lingerBytes, within: context.options.limits.lingerTime)
    }

    func received(_ bytes: UnsafeRawBufferPointer) {}
    func peerFinished() { connection.closeAfterFlush() }
    func closed(_ cause: CloseCause) {}
}
