/// A line over TCP, with or without TLS, on an event loop. Letting go of it closes it.
package final class TCPLine: Line {
    let core: TCPLineCore

    package let peer: SocketAddress?
    package var loop: EventLoop { core.loop }

    init(core: TCPLineCore, peer: SocketAddress?) {
        self.core = core
        self.peer = peer
    }

    deinit { close() }

    package func read(within limit: Duration?) async throws(LineError) -> [UInt8]? {
        let core = core
        if core.loop.isOnLoop, let ready = core.takeReady() { return try ready.get() }
        let waiter = TCPLineCore.Reader()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                core.loop.perform { core.read(waiter, continuation, limit) }
            }
        } onCancel: {
            core.loop.execute { waiter.finish(.failure(.cancelled)) }
        }
        return try result.get()
    }

    package func write(_ bytes: [UInt8], within limit: Duration?) async throws(LineError) {
        let core = core
        let isQueued = core.loop.isOnLoop
        if isQueued, let done = core.writeReady(bytes) { return try done.get() }
        let waiter = TCPLineCore.Writer()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                core.loop.perform {
                    if isQueued {
                        core.wait(waiter, continuation, limit)
                    } else {
                        core.write(bytes, waiter, continuation, limit)
                    }
                }
            }
        } onCancel: {
            core.loop.execute { waiter.finish(.failure(.cancelled)) }
        }
        return try result.get()
    }

    package func finishSending() async {
        let core = core
        await core.loop.run { core.connection?.shutdownSending() }
    }

    package func close() {
        let core = core
        core.loop.perform { core.close() }
    }

    /// At once and by a reset: what was written may be lost, and the peer notices.
    package func abort() {
        let core = core
        core.loop.perform { core.connection?.reset() }
    }

    /// Whether the peer sees a reset when this end is closed without `finishSending`, also by the death of the process.
    package func setResetsWhenAbandoned(_ resets: Bool) async {
        let core = core
        await core.loop.run { core.connection?.setResetsWhenAbandoned(resets) }
    }

    /// Returns when everything written has been taken by the kernel.
    package func flush(within limit: Duration? = nil) async throws(LineError) {
        let core = core
        let waiter = TCPLineCore.Writer()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                core.loop.perform { core.flush(waiter, continuation, limit) }
            }
        } onCancel: {
            core.loop.execute { waiter.finish(.failure(.cancelled)) }
        }
        return try result.get()
    }

    /// Bytes written and not yet taken by the kernel.
    package func bufferedBytes() async -> Int {
        let core = core
        return await core.loop.run { core.connection?.bufferedBytes ?? 0 }
    }
}

/// The part of a line that lives on the loop: the connection's handler, and what waits for it.
final class TCPLineCore: ConnectionHandler, @unchecked Sendable {
    typealias Reader = Waiter<Result<[UInt8]?, LineError>>
    typealias Writer = Waiter<Result<Void, LineError>>

    /// Unread bytes from which on the peer is no longer read, and below which it is again.
    static let readHigh = 256 * 1024
    static let readLow = 64 * 1024

    let loop: EventLoop
    /// Called once, when the line is open.
    private var opened: (@Sendable (Result<TCPLine, LineError>) -> Void)?
    private(set) var connection: Connection?
    private var unread: [UInt8] = []
    /// How the input ended; nil while it goes on.
    private var inputEnd: Result<[UInt8]?, LineError>?
    /// Why nothing can be written any more.
    private var outputEnd: LineError?
    private var reader: Reader?
    private var writers: [Writer] = []
    private var flushers: [Writer] = []

    init(loop: EventLoop, opened: @escaping @Sendable (Result<TCPLine, LineError>) -> Void) {
        self.loop = loop
        self.opened = opened
    }

    func attach(_ connection: Connection) { self.connection = connection }

    // MARK: reading

    /// What a read returns without waiting, if anything.
    func takeReady() -> Result<[UInt8]?, LineError>? {
        if !unread.isEmpty {
            let bytes = unread
            unread = []
            connection?.resumeReading()
            return .success(bytes)
        }
        return inputEnd
    }

    func read(
        _ waiter: Reader, _ continuation: CheckedContinuation<Result<[UInt8]?, LineError>, Never>, _ limit: Duration?
    ) {
        precondition(reader?.isFinished ?? true, "two tasks read from one line")
        if waiter.isFinished {
            waiter.begin(continuation)
        } else if let ready = takeReady() {
            waiter.begin(continuation)
            waiter.finish(ready)
        } else {
            reader = waiter
            waiter.begin(continuation, on: loop, within: limit, otherwise: .failure(.deadline))
        }
    }

    // MARK: writing

    /// Queues the bytes; a result when there is nothing to wait for.
    func writeReady(_ bytes: [UInt8]) -> Result<Void, LineError>? {
        guard outputEnd == nil, let connection, connection.isOpen else { return .failure(outputEnd ?? .closed) }
        connection.write(bytes)
        LineFigures.count(sent: bytes.count)
        return connection.isCongestedNow ? nil : .success(())
    }

    func write(
        _ bytes: [UInt8], _ waiter: Writer, _ continuation: CheckedContinuation<Result<Void, LineError>, Never>,
        _ limit: Duration?
    ) {
        if waiter.isFinished {
            waiter.begin(continuation)
        } else if let done = writeReady(bytes) {
            waiter.begin(continuation)
            waiter.finish(done)
        } else {
            wait(waiter, continuation, limit)
        }
    }

    func wait(
        _ waiter: Writer, _ continuation: CheckedContinuation<Result<Void, LineError>, Never>, _ limit: Duration?
    ) {
        waiter.begin(continuation, on: loop, within: limit, otherwise: .failure(.deadline))
        // The task may have been set back between queuing the bytes and coming here, and the queue drained or the line
        // closed meanwhile: nobody would wake it.
        if outputEnd != nil || connection == nil {
            waiter.finish(.failure(outputEnd ?? .closed))
        } else if connection?.isCongestedNow != true {
            waiter.finish(.success(()))
        } else {
            writers.removeAll { $0.isFinished }
            writers.append(waiter)
        }
    }

    func flush(
        _ waiter: Writer, _ continuation: CheckedContinuation<Result<Void, LineError>, Never>, _ limit: Duration?
    ) {
        waiter.begin(continuation, on: loop, within: limit, otherwise: .failure(.deadline))
        guard outputEnd == nil, let connection else {
            waiter.finish(.failure(outputEnd ?? .closed))
            return
        }
        flushers.append(waiter)
        connection.notifyWhenSent()
    }

    func sent() {
        for waiter in exchange(&flushers, []) { waiter.finish(.success(())) }
    }

    // MARK: closing

    func close() {
        guard let connection else { return }
        outputEnd = outputEnd ?? .closed
        unread = []
        inputEnd = .failure(.closed)
        finish(reading: .failure(.closed))
        if connection.bufferedBytes > 0 {
            // Long enough for a slow peer, bounded by the stall limit; its own bytes no longer matter.
            connection.lingerClose(dropping: 1 << 20, within: .seconds(10))
        } else {
            connection.closeAfterFlush()
        }
        self.connection = nil
    }

    private func finish(reading end: Result<[UInt8]?, LineError>) {
        if inputEnd == nil { inputEnd = end }
        reader?.finish(takeReady() ?? end)
        reader = nil
        guard case .failure(let error) = end else { return }
        outputEnd = outputEnd ?? error
        for writer in exchange(&writers, []) + exchange(&flushers, []) { writer.finish(.failure(error)) }
    }

    // MARK: ConnectionHandler

    func connected() {
        guard let connection, let opened else { return }
        self.opened = nil
        opened(.success(TCPLine(core: self, peer: connection.peer)))
    }

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard inputEnd == nil else { return }
        LineFigures.count(received: bytes.count)
        if let reader, !reader.isFinished {
            self.reader = nil
            reader.finish(.success(Array(bytes)))
            return
        }
        unread.append(contentsOf: bytes)
        if unread.count >= TCPLineCore.readHigh { connection?.pauseReading() }
    }

    func drained() {
        for writer in exchange(&writers, []) { writer.finish(.success(())) }
    }

    func peerFinished() { finish(reading: .success(nil)) }

    func closed(_ cause: CloseCause) {
        connection = nil
        let error: LineError
        switch cause {
        case .local: error = .closed
        case .finished: error = .closed
        case .failed(let failure): error = failure
        }
        if let opened {
            self.opened = nil
            opened(.failure(error))
        }
        if cause == .finished { finish(reading: .success(nil)) }
        outputEnd = outputEnd ?? error
        // What the peer sent before it broke the line is still handed out; `finish` keeps it.
        finish(reading: .failure(error))
    }
}
