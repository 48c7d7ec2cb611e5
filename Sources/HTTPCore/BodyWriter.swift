import Lines

/// The client has gone, or the connection was cut: nobody reads what is written.
package struct Disconnected: Error, Equatable, Sendable {
    package init() {}
}

/// Writes the body of a streamed answer.
package final class BodyWriter: Sendable {
    private let exchange: Exchange

    init(_ exchange: Exchange) { self.exchange = exchange }

    /// Sends octets; returns when there is room for more, which means: waits while the client is slow.
    ///
    /// - Throws: `Disconnected`.
    package func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        let exchange = exchange
        if exchange.loop.isOnLoop {
            switch exchange.write(bytes) {
            case .taken: return
            case .gone: throw Disconnected()
            case .waits: try await withCheckedThrowingContinuation { exchange.waitForRoom($0) }
            }
        } else {
            try await withCheckedThrowingContinuation { continuation in
                exchange.loop.execute {
                    switch exchange.write(bytes) {
                    case .taken: continuation.resume()
                    case .gone: continuation.resume(throwing: Disconnected())
                    case .waits: exchange.waitForRoom(continuation)
                    }
                }
            }
        }
    }

    package func write(_ text: String) async throws { try await write(Array(text.utf8)) }
}

/// One request being answered by a task. Confined to the loop.
final class Exchange: @unchecked Sendable {
    enum Verdict { case taken, waits, gone }

    let loop: EventLoop
    /// `nil` for a stream whose handler has answered already.
    let request: Request?
    let body: RequestBody
    var connection: ServerConnection?
    var task: Task<Void, Never>?
    private var waiters: [CheckedContinuation<Void, any Error>] = []

    init(loop: EventLoop, request: Request?, body: RequestBody, connection: ServerConnection) {
        self.loop = loop
        self.request = request
        self.body = body
        self.connection = connection
    }

    func write(_ bytes: [UInt8]) -> Verdict {
        guard let connection else { return .gone }
        return connection.writePiece(bytes) ? .taken : .waits
    }

    func waitForRoom(_ continuation: CheckedContinuation<Void, any Error>) {
        if connection == nil {
            continuation.resume(throwing: Disconnected())
        } else {
            waiters.append(continuation)
        }
    }

    func hasRoom() {
        let ready = waiters
        waiters = []
        for waiter in ready { waiter.resume() }
    }

    /// The connection has nothing more to do with this request; what the task still says is dropped.
    func abandon(_ error: BodyError) {
        connection = nil
        body.fail(error)  // before the task is cancelled: a reader is to hear why
        task?.cancel()
        let left = waiters
        waiters = []
        for waiter in left { waiter.resume(throwing: Disconnected()) }
    }
}
