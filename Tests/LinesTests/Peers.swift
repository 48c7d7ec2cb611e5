import Lines
import TestKit

/// Lines joined over loopback, and small ways to use them.
struct Peers {
    let client: TCPLine
    let server: TCPLine
    let listener: LineListener

    init(
        loops: [EventLoop] = TestLoops.all, on address: SocketAddress = TestLoops.loopback,
        settings: Listener.Settings = .init(), tls: TLSClientSettings? = nil, named host: String? = nil
    ) async throws {
        let (lines, incoming) = AsyncStream.makeStream(of: TCPLine.self)
        listener = try LineListener(on: address, loops: loops, settings: settings) { incoming.yield($0) }
        client = try await TCPLine.connect(to: listener.localAddress, on: loops[0], tls: tls, named: host)
        var iterator = lines.makeAsyncIterator()
        guard let accepted = await iterator.next(isolation: nil) else { throw LineError.closed }
        server = accepted
    }
}

extension Line {
    /// Reads until so many bytes have come, or the end.
    func read(exactly count: Int) async throws(LineError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let more = try await read() { bytes += more }
        return bytes
    }

    func readAll() async throws(LineError) -> [UInt8] { try await read(exactly: .max) }
}

/// Bytes of which each says where it stands.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
}

/// Accepts lines and gives back what they send, on the loop that accepted them.
func echoServer(
    _ loops: [EventLoop] = TestLoops.all, on address: SocketAddress = TestLoops.loopback,
    settings: Listener.Settings = .init()
) throws(LineError) -> LineListener {
    try LineListener(on: address, loops: loops, settings: settings) { line in
        Task(executorPreference: line.loop) {
            while let bytes = try await line.read() { try await line.write(bytes) }
            await line.finishSending()
            try await line.flush()
        }
    }
}
