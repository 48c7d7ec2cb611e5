import Lines

extension ServerConnection {
    // MARK: from request to handler

    /// Everything that can be refused by the head alone is refused here, before 100 Continue.
    func route(_ head: RequestHead) {
        if let known = context.options.knownHosts, let authority = head.authority,
            !known.contains(Authority.host(of: authority))
        {
            return answer(Problem(.misdirected, "This server does not serve the host named."))
        }
        switch context.router.match(head.method, path: head.path) {
        case .methodUnknown:
            answer(Problem(.notImplemented, "This method is not implemented."))
        case .notFound:
            answer(Problem(.notFound, "There is nothing at this path."))
        case .methodNotAllowed(let allow):
            answer(Problem(.methodNotAllowed, "This path has the methods \(allow).", fields: ["Allow": allow]))
        case .options(let allow):
            var fields: Fields = ["Allow": allow]
            fields.add(context.options.origins.preflight(head, allow: allow))
            answer(.empty(204, fields: fields))
        case .route(let route, let parameters):
            current?.route = route.name
            let request = Request(
                head: head, route: route, parameters: parameters, peer: current?.peer,
                isTLS: current?.isTLS ?? connection.isTLS, tlsPeer: connection.tlsPeer, number: current?.number ?? 0)
            admit(request)
        }
    }

    private func admit(_ request: Request) {
        let head = request.head
        guard head.hasBody else { return run(request, body: .empty) }
        guard let limit = request.route.body.limit else {
            guard (head.contentLength ?? 0) <= limits.discardedBodyBytes else {
                return answer(Problem(.contentTooLarge, "This request takes no body."))
            }
            parser.longestBody = limits.discardedBodyBytes
            bodyUse = .discardThenRun(request)
            readBodyOn()
            return
        }
        if let coding = request["content-encoding"], !coding.isEqualIgnoringCase(to: "identity") {
            return answer(
                Problem(
                    .unsupportedMediaType, "A body must come without content coding.",
                    fields: ["Accept-Encoding": "identity"]))
        }
        let types = request.route.body.mediaTypes
        if !types.isEmpty, !types.contains(where: { MediaType.matches($0, request.contentType ?? "") }) {
            let list = types.joined(separator: ", ")
            return answer(
                Problem(
                    .unsupportedMediaType, "This path takes a body of \(list).",
                    fields: [request.method == .patch ? "Accept-Patch" : "Accept-Post": list]))
        }
        if let length = head.contentLength, length > limit {
            return answer(Problem(.contentTooLarge, "The body may have \(limit) octets at most."))
        }
        parser.longestBody = limit
        run(request, body: nil)
    }

    /// - Parameter body: `nil`: it is still to be read.
    func run(_ request: Request, body: RequestBody?) {
        do {
            switch request.route.handler {
            case .immediate(let handler): answer(request.completed(try handler(request)))
            case .task(let handler):
                start(request, body) { body in try await handler(request, body) }
            case .deciding(let handler):
                switch try handler(request) {
                case .immediate(let response): answer(request.completed(response))
                case .task(let handler): start(request, body, handler)
                }
            }
        } catch {
            answer(request.completed(response(to: error, for: request)))
        }
    }

    private func start(
        _ request: Request, _ complete: RequestBody?,
        _ handler: @escaping @Sendable (RequestBody) async throws -> Response
    ) {
        let body = complete ?? makeBody(request)
        let exchange = Exchange(loop: connection.loop, request: request, body: body, connection: self)
        self.exchange = exchange
        if complete == nil {
            bodyUse = .deliver(body)
            if owesContinue { holdBodyClock() }
        }
        // Owned by the exchange: cancelled when the client goes away, and its answer is dropped then.
        exchange.task = Task(executorPreference: connection.loop) {
            do {
                await exchange.answer(try await handler(body))
            } catch {
                await exchange.answer(failure: error)
            }
        }
    }

    private func makeBody(_ request: Request) -> RequestBody {
        RequestBody(
            length: request.head.contentLength, loop: connection.loop,
            demanded: { [weak self] in self?.readBodyOn() }, makeRoom: { [weak self] in self?.readBodyOn() })
    }

    func response(to error: any Error, for request: Request) -> Response {
        var problem: Problem
        if let known = error as? Problem {
            problem = known
        } else {
            context.options.failed?(request.route.name, request.id, error)
            problem = Problem(.internalError, "The server has failed; nothing was stored.")
        }
        problem.requestID = request.id
        return problem.response(asText: request.wantsPlainErrors)
    }

    // MARK: answering

    func answer(_ problem: Problem) {
        guard let current else { return }
        var problem = problem
        problem.requestID = RequestID.text(current.head, current.number)
        answer(problem.response(asText: Accept.wantsPlainErrors(current.head)))
    }

    /// The answer of a handler that did not wait, or of the server itself.
    func answer(_ response: Response) {
        switch sendHead(response) {
        case .nothing: break
        case .whole: answered()
        case .stream(let write): startStream(write)
        }
    }

    /// A stream that came from a handler without a task gets one now.
    private func startStream(_ write: @escaping @Sendable (BodyWriter) async throws -> Void) {
        let exchange = Exchange(loop: connection.loop, request: nil, body: .empty, connection: self)
        self.exchange = exchange
        exchange.startStream(write)
    }

    enum Sent {
        /// Nobody waits for this answer any more.
        case nothing
        case whole
        case stream(@Sendable (BodyWriter) async throws -> Void)
    }

    /// Sends the head, and the body unless it is a stream.
    func sendHead(_ given: Response) -> Sent {
        guard let current, !current.isAnswered, current.status == nil, !hasEnded else { return .nothing }
        var response = given
        if !response.isSendable {
            let id = RequestID.text(current.head, current.number)
            context.options.failed?(current.route, id, UnsendableResponse(status: response.status))
            var problem = Problem(.internalError, "The server has failed; nothing was stored.")
            problem.requestID = id
            response = problem.response(asText: Accept.wantsPlainErrors(current.head))
        }
        self.current?.status = response.status
        decideAboutUnreadBody(current)
        var stream: (@Sendable (BodyWriter) async throws -> Void)?
        var length: Int? = 0
        var isChunked = false
        switch response.body {
        case .none: break
        case .bytes(let bytes): length = bytes.count
        case .text(let text): length = text.utf8CodeUnitCount
        case .stream(let known, let write):
            length = known
            stream = write
            if known == nil, current.head.minorVersion > 0 { isChunked = true }
            if known == nil, !isChunked { keepsAlive = false }
        }
        if response.forbidsBody {
            length = nil
            isChunked = false
            stream = nil
            response.contentType = nil
        }
        if !context.options.origins.isEmpty { response.fields.add(context.options.origins.fields(for: current.head)) }
        let id = current.head.value("x-request-id").flatMap { RequestID.isUsable($0) ? Array($0) : nil }
        context.writeHead(
            response, length: length, isChunked: isChunked, keepsAlive: keepsAlive,
            minorVersion: current.head.minorVersion, requestID: id ?? RequestID.generated(current.number),
            isTLS: current.isTLS)
        self.current?.isChunked = isChunked
        self.current?.streamLength = length
        if current.isHead || response.forbidsBody {
            context.flush(to: connection)
            return .whole
        }
        sendBody(response.body)
        return stream.map { .stream($0) } ?? .whole
    }

    private func sendBody(_ body: Response.Body) {
        switch body {
        case .none, .stream: context.flush(to: connection)
        case .text(let text):
            context.output.append(text)
            current?.sentBytes = text.utf8CodeUnitCount
            context.flush(to: connection)
        case .bytes(let bytes):
            current?.sentBytes = bytes.count
            if bytes.count < 4096 {
                context.output += bytes
                context.flush(to: connection)
            } else {
                context.flush(to: connection)
                connection.write(bytes)
            }
        }
    }

    /// The answer goes out before the body was read: is the rest small enough to be read and dropped?
    private func decideAboutUnreadBody(_ current: Current) {
        guard !current.isRead, current.head.hasBody else { return }
        let left = current.head.contentLength.map { $0 - receivedBodyBytes }
        if let left, left <= limits.discardedBodyBytes, !owesContinue, !current.head.expectsContinue { return }
        keepsAlive = false
    }

    /// All of the answer is handed over.
    func answered() {
        guard var current else { return }
        current.isAnswered = true
        self.current = current
        if let exchange {
            exchange.connection = nil
            exchange.body.fail(.answered)
            self.exchange = nil
        }
        if !current.isRead {
            bodyUse = .discard
            if !current.head.hasBody { return }  // the parser says so in a moment
            if !keepsAlive {
                report(current, isComplete: true)
                self.current = nil
                return end()
            }
            owesContinue = false
            readBodyOn()
        }
    }

    /// For what cannot be read any further, or not in time: answers if nothing was answered yet, and ends.
    func refuse(_ problem: Problem, abandoning error: BodyError) {
        guard !hasEnded else { return }
        keepsAlive = false
        if let current, current.status != nil {
            let isAnswered = current.isAnswered
            abandon(error)
            if isAnswered {
                end()
            } else {
                hasEnded = true
                connection.reset()
            }
            return
        }
        var problem = problem
        let number = current?.number ?? context.nextRequestNumber()
        let id = RequestID.text(current?.head, number)
        problem.requestID = id
        let response = problem.response(asText: current.map { Accept.wantsPlainErrors($0.head) } ?? false)
        guard case .bytes(let body) = response.body else { return }
        context.writeHead(
            response, length: body.count, isChunked: false, keepsAlive: false, minorVersion: 1,
            requestID: Array(id.utf8), isTLS: current?.isTLS ?? connection.isTLS)
        if current?.isHead != true { context.output += body }
        context.flush(to: connection)
        current?.status = response.status
        if let current {
            report(current, isComplete: true)
            self.current = nil
        } else {
            reportUnread(status: response.status, number: number)
        }
        abandon(error)
        end()
    }

    private func reportUnread(status: Int, number: UInt64) {
        context.options.answered?(
            AnsweredRequest(
                route: nil, method: nil, status: status, duration: .zero, receivedBodyBytes: 0, sentBodyBytes: 0,
                isComplete: true, head: nil, peer: connection.peer, number: number))
    }

    // MARK: streams

    /// - Returns: false when the writer should wait for `Exchange.hasRoom`.
    func writePiece(_ bytes: [UInt8]) -> Bool {
        guard let current, !hasEnded else { return true }
        self.current?.sentBytes += bytes.count
        if current.isChunked {
            context.output.append(hexadecimal: bytes.count)
            context.output.append("\r\n")
            if bytes.count < 4096 {
                context.output += bytes
                context.output.append("\r\n")
                context.flush(to: connection)
            } else {
                context.flush(to: connection)
                connection.write(bytes)
                connection.write("\r\n")
            }
        } else {
            connection.write(bytes)
        }
        return !connection.isCongestedNow
    }

    /// The writer has returned.
    func streamEnded(_ error: (any Error)?) {
        guard let current, !hasEnded else { return }
        let kept = current.isChunked || current.streamLength == nil || current.streamLength == current.sentBytes
        guard error == nil, kept else {
            if let error, !(error is CancellationError), !(error is Disconnected) {
                context.options.failed?(current.route, RequestID.text(current.head, current.number), error)
            }
            // The client must not take what it has for the whole.
            hasEnded = true
            abandon(.answered)
            if current.isChunked || current.streamLength != nil {
                connection.closeAfterFlush()
            } else {
                connection.reset()
            }
            return
        }
        if current.isChunked { connection.write("0\r\n\r\n") }
        answered()
        proceed()
    }
}

/// A handler has made an answer that HTTP cannot carry: a field with a line end, a status that is none.
struct UnsendableResponse: Error, Equatable {
    let status: Int
}

extension Exchange {
    /// From the task, which is on the loop unless that has stopped.
    func answer(_ response: Response) async {
        guard loop.isOnLoop, let connection else { return }
        switch connection.sendHead(request?.completed(response) ?? response) {
        case .nothing: break
        case .whole:
            connection.answered()
            connection.proceed()
        case .stream(let write): startStream(write)
        }
    }

    /// In a task of its own: that of the handler keeps the memory of the deepest calls it made for as long as it lives, some
    /// 25 KiB, and an event stream lives for hours.
    func startStream(_ write: @escaping @Sendable (BodyWriter) async throws -> Void) {
        let isCanceled = Task.isCancelled
        let stream = Task(executorPreference: loop) { await self.stream(write) }
        task = stream
        if isCanceled { stream.cancel() }
    }

    /// The handler has thrown. That it was told to stop, because the client is gone, is no failure to answer for.
    func answer(failure: any Error) async {
        guard loop.isOnLoop, let connection, let request else { return }
        let isHangUp = failure is CancellationError && connection.peerHasFinished
        if isHangUp || failure is BodyError || failure is Disconnected {
            connection.cut()
        } else {
            await answer(connection.response(to: failure, for: request))
        }
    }

    private func stream(_ write: @Sendable (BodyWriter) async throws -> Void) async {
        var failure: (any Error)?
        do {
            try await write(BodyWriter(self))
        } catch {
            failure = error
        }
        guard loop.isOnLoop else { return }
        connection?.streamEnded(failure)
    }
}

extension MediaType {
    /// - Parameter pattern: `type/subtype` or `type/*`.
    package static func matches(_ pattern: String, _ essence: String) -> Bool {
        if pattern.hasSuffix("/*") { return essence.hasPrefix(pattern.dropLast()) }
        return pattern == essence
    }
}
