import Lines

/// One client: its parser, the request it waits for, and what it has sent ahead. Confined to the loop.
///
///     between ──head──▶ active ──answered, body read──▶ between
///                         │ one of the two missing: waits for it, reads nothing beyond
///                         └──refused with a body on the way──▶ ended (lingers, drops what comes)
///
/// Requests are answered one at a time, so in order; those sent ahead lie unread in `rest`.
final class ServerConnection: ConnectionHandler, @unchecked Sendable {
    /// What the next octets of the running request's body are for.
    enum BodyUse {
        case none
        /// Nobody wants it: read so that the next request can be found.
        case discard
        /// As `discard`, and then the handler begins, which must not see more than was allowed.
        case discardThenRun(Request)
        case deliver(RequestBody)
    }

    enum Deadline { case none, idle, head, body, stale }

    /// The request being read or answered.
    struct Current {
        let number: UInt64
        let head: RequestHead
        let startedAt: Int64
        var route: String?
        /// The client, and whether it uses TLS, by what is known of proxies.
        var peer: SocketAddress?
        var isTLS: Bool
        var isRead = false
        var status: Int?
        var isAnswered = false
        var sentBytes = 0
        var isChunked = false
        var streamLength: Int?

        var isHead: Bool { head.method == .head }
    }

    let connection: Connection
    let context: ServerContext
    var parser: RequestParser
    var current: Current?
    var exchange: Exchange?
    var bodyUse = BodyUse.none
    var receivedBodyBytes = 0
    /// 100 Continue is due when the handler asks for the body.
    var owesContinue = false
    var keepsAlive = true
    var hasEnded = false
    var peerHasFinished = false
    private var requests = 0
    /// Octets read and not yet parsed; from `restStart` on.
    private var rest: [UInt8] = []
    private var restStart = 0
    /// Heads that stand complete in `rest`, about.
    private var restHeads = 0
    private var deadline = Deadline.none
    private var bodyStartedAt: Int64 = 0
    /// Since when the client is not read from, or has not been asked for the body; 0: it is read from.
    private var bodyHeldSince: Int64 = 0
    private var isParsing = false

    var limits: Limits { context.options.limits }

    init(_ connection: Connection, context: ServerContext) {
        self.connection = connection
        self.context = context
        parser = RequestParser(limits: context.options.limits)
        context.enter(self)
    }

    // MARK: events of the connection

    func connected() {
        connection.highWatermark = limits.unsentBytes
        connection.lowWatermark = limits.unsentBytes / 2
        connection.setStallLimit(limits.writeStallTime)
        deadline = .head
        connection.setDeadline(limits.headTime)
        if context.isStopping { awaitLateRequest() }
    }

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard !hasEnded else { return }
        let octets = bytes.assumingMemoryBound(to: UInt8.self).span
        if restStart == rest.count {
            let used = parse(octets, from: 0)
            if used < octets.count, !hasEnded { keep(octets.extracting(used..<octets.count)) }
        } else {
            keep(octets)
            parseRest()
        }
        settle()
    }

    func drained() {
        exchange?.hasRoom()
        parseRest()
        settle()
    }

    func peerFinished() {
        peerHasFinished = true
        guard !hasEnded else { return }
        guard let current else {
            parseRest()
            if self.current == nil { end() }
            return
        }
        if !current.isRead {
            // Cut short: whatever the handler made of it must not happen.
            hasEnded = true
            abandon(.disconnected)
            connection.close()
        } else {
            exchange?.task?.cancel()
            settle()
        }
    }

    func deadlinePassed() {
        guard !hasEnded else { return }
        let passed = deadline
        deadline = .stale
        switch passed {
        case .none, .stale: break
        case .idle: end()
        case .head:
            if parser.isInsideRequest {
                refuse(Problem(.requestTimeout, "The header fields did not come in time."), abandoning: .timedOut)
            } else {
                end()
            }
        case .body:
            let left = bodyTimeLeft()
            if left > .zero {
                deadline = .body
                connection.setDeadline(left)
            } else {
                refuse(Problem(.requestTimeout, "The body did not come in time."), abandoning: .timedOut)
            }
        }
    }

    func closed(_ cause: CloseCause) {
        hasEnded = true
        abandon(.disconnected)
        context.leave(self)
    }

    /// The next answer is the last.
    func serverLeaves() { keepsAlive = false }

    /// No further request. An idle connection ends here; on one that has only just come a request is probably on its way.
    func serverStops() {
        keepsAlive = false
        guard current == nil, !parser.isInsideRequest, restStart == rest.count else { return }
        if requests > 0 { end() } else { awaitLateRequest() }
    }

    private func awaitLateRequest() {
        deadline = .idle
        connection.setDeadline(limits.lateRequestTime)
    }

    /// The time for ending gently is over.
    func cut() {
        hasEnded = true
        abandon(.disconnected)
        connection.close()
    }

    // MARK: parsing

    private var isBlocked: Bool { current?.isRead ?? false }

    /// Reads as far as it may.
    ///
    /// - Returns: where it stopped: at the end, or where the next request begins that has to wait.
    private func parse(_ octets: Span<UInt8>, from start: Int) -> Int {
        guard !isParsing else { return start }
        isParsing = true
        defer { isParsing = false }
        var offset = start
        do {
            while !hasEnded, !isBlocked, current != nil || !connection.isCongestedNow {
                guard let event = try parser.next(octets, at: &offset) else { break }
                switch event {
                case .head(let head): begin(head)
                case .body(let range): takeBody(octets.extracting(range))
                case .end: bodyIsComplete()
                }
            }
        } catch {
            refuse(error.problem, abandoning: .fault(error))
        }
        return offset
    }

    private func keep(_ octets: Span<UInt8>) {
        if restStart > rest.count / 2 {
            rest.removeSubrange(..<restStart)
            restStart = 0
        }
        restHeads += octets.emptyLines
        rest.append(octets)
    }

    private func parseRest() {
        guard restStart < rest.count, !hasEnded, !isParsing else { return }
        let octets = rest
        restStart = parse(octets.span, from: restStart)
        if restStart == rest.count {
            rest = []
            restStart = 0
            restHeads = 0
        }
    }

    private func begin(_ head: RequestHead) {
        requests += 1
        if requests >= limits.requestsPerConnection || !head.keepsAlive || context.isLeaving { keepsAlive = false }
        receivedBodyBytes = 0
        bodyHeldSince = 0
        let (peer, isTLS) =
            context.options.proxies?().client(of: head, neighbour: connection.peer, isTLS: connection.isTLS)
            ?? (connection.peer, connection.isTLS)
        current = Current(
            number: context.nextRequestNumber(), head: head,
            startedAt: context.options.answered == nil && !head.hasBody ? 0 : monotonicNanoseconds(), peer: peer,
            isTLS: isTLS)
        bodyStartedAt = current?.startedAt ?? 0
        owesContinue = head.expectsContinue && head.hasBody
        bodyUse = .discard
        route(head)
    }

    private func takeBody(_ octets: Span<UInt8>) {
        receivedBodyBytes += octets.count
        switch bodyUse {
        case .none, .discard, .discardThenRun: break
        case .deliver(let body):
            owesContinue = false  // it did not wait for it
            if !body.append(octets, mostUnread: limits.unreadBodyBytes) {
                connection.pauseReading()
                holdBodyClock()
            }
        }
    }

    private func bodyIsComplete() {
        current?.isRead = true
        owesContinue = false
        bodyHeldSince = 0  // the whole body is here: nothing of it is held back, and the next request may be read
        let use = bodyUse
        bodyUse = .none
        switch use {
        case .none, .discard: break
        case .deliver(let body): body.finish()
        case .discardThenRun(let request): run(request, body: .empty)
        }
        finishIfDone()
    }

    // MARK: body clock

    func holdBodyClock() {
        if bodyHeldSince == 0 { bodyHeldSince = monotonicNanoseconds() }
    }

    /// The reader has caught up, or asks for the first time.
    func readBodyOn() {
        guard !hasEnded, let current, !current.isRead else { return }
        if owesContinue {
            owesContinue = false
            connection.write("HTTP/1.1 100 Continue\r\n\r\n")
        }
        if bodyHeldSince != 0 {
            bodyStartedAt += monotonicNanoseconds() - bodyHeldSince
            bodyHeldSince = 0
        }
        connection.resumeReading()
        settle()
    }

    private func bodyTimeLeft() -> Duration {
        let taken = Duration.nanoseconds(monotonicNanoseconds() - bodyStartedAt)
        let earned = Duration.seconds(1) * receivedBodyBytes / max(1, limits.slowestBodyRate)
        return min(limits.bodyTime + earned, limits.longestBodyTime) - taken
    }

    // MARK: after each step

    /// The request is answered and read: on to the next, or to the end.
    func finishIfDone() {
        guard let current, current.isRead, current.isAnswered, !hasEnded else { return }
        report(current, isComplete: true)
        self.current = nil
        exchange = nil
        deadline = .stale
        if !keepsAlive { end() }
    }

    /// Goes on with what was sent ahead, then sets what follows from the new state: reading and deadline.
    func proceed() {
        finishIfDone()
        parseRest()
        settle()
    }

    private func settle() {
        guard !hasEnded else { return }
        let isHeld = isBlocked || connection.isCongestedNow
        if peerHasFinished, current == nil, !isHeld {
            end()
            return
        }
        if isHeld {
            if restHeads >= limits.pipelinedRequests || rest.count - restStart >= limits.pipelinedBytes {
                connection.pauseReading()
            }
        } else if bodyHeldSince == 0 {
            connection.resumeReading()
        }
        let wanted: Deadline
        if let current {
            wanted = current.isRead || bodyHeldSince != 0 ? .none : .body
        } else if isHeld {
            wanted = .none  // the connection's own limit for answers that are not taken
        } else {
            wanted = parser.isInsideRequest || requests == 0 && !context.isStopping ? .head : .idle
        }
        guard wanted != deadline else { return }
        deadline = wanted
        switch wanted {
        case .none, .stale: connection.setDeadline(nil)
        case .idle: connection.setDeadline(limits.keepAliveTime)
        case .head: connection.setDeadline(limits.headTime)
        case .body: connection.setDeadline(max(.zero, bodyTimeLeft()))
        }
    }

    /// Sends what is due, lets the client read it, closes.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        rest = []
        restStart = 0
        connection.lingerClose(dropping: limits.lingerBytes, within: limits.lingerTime)
    }

    /// Whoever still works for this client is told that it is over.
    func abandon(_ error: BodyError) {
        if let current, !current.isAnswered { report(current, isComplete: false) }
        current = nil
        exchange?.abandon(error)
        exchange = nil
        bodyUse = .none
    }

    func report(_ current: Current, isComplete: Bool) {
        guard let answered = context.options.answered else { return }
        answered(
            AnsweredRequest(
                route: current.route, method: current.head.method, status: current.status ?? 499,
                duration: .nanoseconds(monotonicNanoseconds() - current.startedAt),
                receivedBodyBytes: receivedBodyBytes, sentBodyBytes: current.sentBytes, isComplete: isComplete,
                head: current.head, peer: current.peer, number: current.number))
    }
}

extension Span where Element == UInt8 {
    /// Empty lines, each of which probably ends a head.
    fileprivate var emptyLines: Int {
        var lines = 0, at = 0
        while let feed = firstLineFeed(from: at) {
            if feed >= 3, self[feed - 2] == 0x0A { lines += 1 }
            at = feed + 1
        }
        return lines
    }
}
