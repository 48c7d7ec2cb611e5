import Lines

/// Why a body could not be read to its end. The server has answered by itself, or the client is gone: a handler lets
/// this pass.
package enum BodyError: Error, Equatable, Sendable {
    case disconnected
    /// Too slow; answered with 408.
    case timedOut
    /// Broken framing, or longer than the route takes.
    case fault(RequestFault)
    /// The handler has answered before it read on.
    case answered
}

/// The body of a request, piece by piece as it comes.
///
/// The first call for it sends 100 Continue if the client waits for that. While a handler does not ask, at most
/// `Limits.unreadBodyBytes` and one read lie here; then the client is no longer read from. One reader at a time.
package final class RequestBody: Sendable {
    private enum End: Sendable { case complete, failed(any Error) }

    private struct State: Sendable {
        var pieces: [[UInt8]] = []
        var next = 0
        var unread = 0
        var end: End?
        var waiter: CheckedContinuation<[UInt8]?, any Error>?
        var isDemanded = false
        var isHeldBack = false

        /// - Returns: `makesRoom` when the client was held back and all is read now.
        mutating func take() -> (piece: [UInt8], makesRoom: Bool)? {
            guard next < pieces.count else { return nil }
            let piece = pieces[next]
            pieces[next] = []
            next += 1
            unread -= piece.count
            if next == pieces.count {
                pieces.removeAll(keepingCapacity: true)
                next = 0
            }
            let makesRoom = isHeldBack && unread == 0
            if makesRoom { isHeldBack = false }
            return (piece, makesRoom)
        }
    }

    /// `Content-Length`; `nil` for chunks.
    package let length: Int?
    private let state: Locked<State>
    private let loop: EventLoop?
    /// Called on the loop: the handler wants the body for the first time; there is room again.
    private let demanded: @Sendable () -> Void
    private let makeRoom: @Sendable () -> Void

    init(
        length: Int?, loop: EventLoop, demanded: @escaping @Sendable () -> Void,
        makeRoom: @escaping @Sendable () -> Void
    ) {
        self.length = length
        self.loop = loop
        self.demanded = demanded
        self.makeRoom = makeRoom
        state = Locked(State())
    }

    /// A body that is complete, for requests without one and for tests of handlers.
    package init(_ bytes: [UInt8]) {
        length = bytes.count
        loop = nil
        demanded = {}
        makeRoom = {}
        state = Locked(State(pieces: bytes.isEmpty ? [] : [bytes], unread: bytes.count, end: .complete))
    }

    package static let empty = RequestBody([])

    /// The next octets, never empty; `nil` at the end of a complete body.
    package func next() async throws -> [UInt8]? {
        enum Step { case piece([UInt8], makesRoom: Bool), end(End), wait }
        let (step, isFirst): (Step, Bool) = state.withLock { state in
            let isFirst = !state.isDemanded
            state.isDemanded = true
            if let (piece, makesRoom) = state.take() { return (.piece(piece, makesRoom: makesRoom), isFirst) }
            return (state.end.map { .end($0) } ?? .wait, isFirst)
        }
        if isFirst { loop?.perform(demanded) }
        switch step {
        case .piece(let piece, let makesRoom):
            if makesRoom { loop?.perform(makeRoom) }
            return piece
        case .end(.complete): return nil
        case .end(.failed(let error)): throw error
        case .wait: return try await wait()
        }
    }

    private func wait() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                var makesRoom = false
                let now: Result<[UInt8]?, any Error>? = state.withLock { state in
                    if let taken = state.take() {
                        makesRoom = taken.makesRoom
                        return .success(taken.piece)
                    }
                    switch state.end {
                    case .complete: return .success(nil)
                    case .failed(let error): return .failure(error)
                    case nil:
                        precondition(state.waiter == nil, "two readers of one request body")
                        if Task.isCancelled { return .failure(CancellationError()) }
                        state.waiter = continuation
                        return nil
                    }
                }
                if makesRoom { loop?.perform(makeRoom) }
                if let now { continuation.resume(with: now) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// All that is left, for bodies that are small by nature.
    ///
    /// - Throws: the problem `content-too-large` when there is more than `limit`.
    package func collect(upTo limit: Int) async throws -> [UInt8] {
        let problem = Problem(.contentTooLarge, "The body may have \(limit) octets at most.")
        if let length, length > limit { throw problem }
        guard var collected = try await next() else { return [] }
        if let length, length > collected.count { collected.reserveCapacity(length) }
        while let piece = try await next() {
            guard collected.count + piece.count <= limit else { throw problem }
            collected += piece
        }
        guard collected.count <= limit else { throw problem }
        return collected
    }

    // MARK: from the connection, on the loop

    /// - Returns: false when the reader is behind: hold the client back until `makeRoom`.
    func append(_ octets: Span<UInt8>, mostUnread: Int) -> Bool {
        let piece = octets.withUnsafeBufferPointer { Array($0) }
        let (waiter, hasRoom) = state.withLock { state in
            if let waiter = state.waiter {
                state.waiter = nil
                return (waiter as CheckedContinuation<[UInt8]?, any Error>?, true)
            }
            state.pieces.append(piece)
            state.unread += piece.count
            if state.unread > mostUnread { state.isHeldBack = true }
            return (nil, !state.isHeldBack)
        }
        waiter?.resume(returning: piece)
        return hasRoom
    }

    func finish() { end(.complete) }
    func fail(_ error: BodyError) { end(.failed(error)) }

    private func end(_ end: End) {
        let waiter = state.withLock { state in
            guard state.end == nil else { return nil as CheckedContinuation<[UInt8]?, any Error>? }
            state.end = end
            if case .failed = end {
                state.pieces = []
                state.next = 0
                state.unread = 0
            }
            defer { state.waiter = nil }
            return state.waiter
        }
        switch end {
        case .complete: waiter?.resume(returning: nil)
        case .failed(let error): waiter?.resume(throwing: error)
        }
    }
}
