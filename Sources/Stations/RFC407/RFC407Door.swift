import Lines

/// A port on which one connection from one address is awaited: the other end of a file. Section 17 of the note.
final class RFC407Door: Sendable {
    let port: Int
    private let listener: LineListener
    private let lines: AsyncStream<TCPLine>
    private let arrival: AsyncStream<TCPLine>.Continuation

    /// - Parameters:
    ///   - ports: tried from a different one each time; nil: any free one.
    ///   - host: the only address that is let in.
    /// - Throws: `LineError` when every port is in use.
    init(
        at address: IPAddress, ports: ClosedRange<Int>?, from host: IPAddress, on loop: EventLoop
    ) throws(LineError) {
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self, bufferingPolicy: .bufferingOldest(1))
        self.lines = lines
        self.arrival = arrival
        var settings = Listener.Settings()
        settings.backlog = 8
        settings.mostConnections = 8
        let candidates: [Int]
        if let ports {
            let start = Int.random(in: 0..<ports.count)
            candidates = (0..<min(ports.count, 4096)).map { ports.lowerBound + (start + $0) % ports.count }
        } else {
            candidates = [0]
        }
        var failure = LineError.addressInUse
        for port in candidates {
            guard let port = UInt16(exactly: port) else { continue }
            do throws(LineError) {
                listener = try LineListener(
                    on: SocketAddress(address, port: port), loops: [loop], settings: settings
                ) { line in
                    guard line.peer?.ip.unmapped == host else { return line.abort() }
                    // one is kept; a second is closed when it is let go
                    if case .enqueued = arrival.yield(line) { arrival.finish() }
                }
                self.port = listener.port
                return
            } catch {
                failure = error
                if error != .addressInUse { break }
            }
        }
        throw failure
    }

    deinit { listener.stopListening() }

    /// The connection. The door is shut as soon as it is there.
    ///
    /// - Throws: `deadline` when it does not come, `cancelled`.
    func accept(within limit: Duration, on loop: EventLoop) async throws(LineError) -> TCPLine {
        let arrival = arrival
        let timer = loop.schedule(after: limit) { arrival.finish() }
        let line = await lines.first { _ in true }
        timer.cancel()
        shut()
        if let line { return line }
        throw Task.isCancelled ? .cancelled : .deadline
    }

    func shut() {
        listener.stopListening()
        arrival.finish()
    }
}
