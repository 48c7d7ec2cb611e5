import CSystem
import Glibc
import Lines
import TestKit
import Testing

/// Keeps what a connection tells it, and acts on request.
private final class Recorder: ConnectionHandler, @unchecked Sendable {
    enum Notice: Equatable, Sendable {
        case connected, received([UInt8]), drained, sent, peerFinished, deadline, closed(CloseCause)
    }

    private let log = Locked<[Notice]>([])
    private let act: @Sendable (Connection, Notice) -> Void
    private let connection: Connection
    let end: AsyncStream<CloseCause>
    private let ending: AsyncStream<CloseCause>.Continuation

    init(_ connection: Connection, _ act: @escaping @Sendable (Connection, Notice) -> Void = { _, _ in }) {
        self.connection = connection
        self.act = act
        (end, ending) = AsyncStream.makeStream()
    }

    var notices: [Notice] { log.withLock { $0 } }

    private func note(_ notice: Notice) {
        log.withLock { $0.append(notice) }
        act(connection, notice)
    }

    func connected() { note(.connected) }
    func received(_ bytes: UnsafeRawBufferPointer) { note(.received(Array(bytes))) }
    func drained() { note(.drained) }
    func sent() { note(.sent) }
    func peerFinished() { note(.peerFinished) }
    func deadlinePassed() { note(.deadline) }
    func closed(_ cause: CloseCause) {
        note(.closed(cause))
        ending.yield(cause)
        ending.finish()
    }

    var cause: CloseCause? {
        get async {
            for await cause in end { return cause }
            return nil
        }
    }
}

/// One accepted connection with its recorder, and the line at the other end.
private func accepted(
    _ act: @escaping @Sendable (Connection, Recorder.Notice) -> Void
) async throws -> (TCPLine, Recorder, Listener) {
    let (recorders, incoming) = AsyncStream.makeStream(of: Recorder.self)
    let listener = try Listener.listen(on: TestLoops.loopback, loops: TestLoops.all) { connection in
        let recorder = Recorder(connection, act)
        incoming.yield(recorder)
        return recorder
    }
    let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
    var iterator = recorders.makeAsyncIterator()
    let recorder = try #require(await iterator.next())
    return (line, recorder, listener)
}

@Suite(.timeLimit(.minutes(1)))
struct ConnectionTests {
    @Test func `a handler that writes and closes inside received hears only of the end after that`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            guard case .received = notice else { return }
            connection.write("head")
            connection.write(pattern(10_000))
            connection.closeAfterFlush()
            connection.write("never")
            connection.close()
        }
        try await line.write([1])
        #expect(await recorder.cause == .local)
        #expect(recorder.notices == [.connected, .received([1]), .closed(.local)])
    }

    @Test func `closing after the flush sends everything`() async throws {
        let big = pattern(1_000_000)
        let (line, recorder, _) = try await accepted { connection, notice in
            guard case .received = notice else { return }
            connection.write("head")
            connection.write(big)
            connection.write(atMost: 16) { room in
                room[0] = 0x21
                return 1
            }
            connection.closeAfterFlush()
        }
        try await line.write([1])
        #expect(try await line.readAll() == Array("head".utf8) + big + [0x21])
        #expect(await recorder.cause == .local)
    }

    @Test func `an answer survives a peer that is still sending, by lingering`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            guard case .received = notice else { return }
            connection.write("no")
            connection.lingerClose()
        }
        let sender = Task { for _ in 0..<4 { try await line.write(pattern(50_000)) } }
        #expect(try await line.readAll() == Array("no".utf8))
        try await sender.value
        line.close()
        #expect(await recorder.cause == .local)
    }

    @Test func `lingering ends at its limit of bytes`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            if case .received = notice { connection.lingerClose(dropping: 100_000, within: .seconds(3600)) }
        }
        let sender = Task { while true { try await line.write(pattern(50_000)) } }
        #expect(await recorder.cause == .local)
        _ = await sender.result
        #expect(recorder.notices.last == .closed(.local))
    }

    @Test func `lingering ends at its limit of time`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            if case .received = notice { connection.lingerClose(within: .milliseconds(10)) }
        }
        try await line.write([1])
        #expect(await recorder.cause == .local)
    }

    @Test func `a deadline passes once, can be moved, and does not close by itself`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            switch notice {
            case .connected:
                connection.setDeadline(.seconds(3600))
                connection.setDeadline(.milliseconds(5))
            case .deadline: connection.write("late")
            default: break
            }
        }
        #expect(try await line.read(exactly: 4) == Array("late".utf8))
        try await line.write([7])
        line.close()
        while recorder.notices.last != .peerFinished { await Task.yield() }
        #expect(recorder.notices == [.connected, .deadline, .received([7]), .peerFinished])
    }

    @Test func `a lifted deadline does not pass`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            switch notice {
            case .connected: connection.setDeadline(.milliseconds(2))
            case .received: connection.setDeadline(nil)
            default: break
            }
            if case .received = notice { connection.write("ok") }
        }
        try await line.write([1])
        _ = try await line.read(exactly: 2)
        let heard = recorder.notices.filter { $0 == .deadline }.count
        try await TestLoops.one.sleep(for: .milliseconds(5))
        #expect(recorder.notices.filter { $0 == .deadline }.count == heard)
    }

    @Test func `output that nobody takes resets the connection`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            guard case .received = notice else { return }
            connection.setStallLimit(.milliseconds(30))
            connection.write([UInt8](repeating: 1, count: 32 << 20))
        }
        try await line.write([1])
        #expect(await recorder.cause == .failed(.deadline))
        await #expect(throws: LineError.reset) { try await line.readAll() }
    }

    @Test func `drained comes after the high watermark, sent when it is asked for`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            guard case .received = notice else { return }
            connection.write([UInt8](repeating: 1, count: 8 << 20))
            connection.notifyWhenSent()
        }
        try await line.write([1])
        #expect(try await line.read(exactly: 8 << 20).count == 8 << 20)
        line.close()
        while recorder.notices.last != .peerFinished { await Task.yield() }
        #expect(recorder.notices == [.connected, .received([1]), .drained, .sent, .peerFinished])
    }

    @Test func `a paused connection hands out nothing until it is resumed`() async throws {
        let held = Locked<Connection?>(nil)
        let (line, recorder, _) = try await accepted { connection, notice in
            if notice == .connected {
                connection.pauseReading()
                held.withLock { $0 = connection }
            }
        }
        try await line.write([1, 2, 3])
        await line.finishSending()
        try await TestLoops.one.sleep(for: .milliseconds(5))
        #expect(recorder.notices == [.connected])
        let connection = try #require(held.withLock { $0 })
        await connection.loop.run { connection.resumeReading() }
        while recorder.notices.last != .peerFinished { await Task.yield() }
        #expect(recorder.notices == [.connected, .received([1, 2, 3]), .peerFinished])
        await connection.loop.run { connection.close() }
        held.withLock { $0 = nil }
    }

    @Test func `a reset is noticed while reading is paused`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            if notice == .connected { connection.pauseReading() }
        }
        line.abort()
        #expect(await recorder.cause == .failed(.reset))
    }

    @Test func `both sides finished is an orderly end`() async throws {
        let (line, recorder, _) = try await accepted { connection, notice in
            if notice == .peerFinished {
                connection.write("bye")
                connection.shutdownSending()
            }
        }
        await line.finishSending()
        #expect(try await line.readAll() == Array("bye".utf8))
        #expect(await recorder.cause == .finished)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ListenerTests {
    @Test func `a port somebody else listens on is not shared`() async throws {
        let first = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { _ in }
        #expect(throws: LineError.addressInUse) {
            try LineListener(on: first.localAddress, loops: TestLoops.all) { _ in }
        }
    }

    @Test func `accepted sockets send without delay and are kept alive`() async throws {
        // The options are inherited; connect side and accept side are looked at through their descriptors.
        let peers = try await Peers()
        try await peers.client.write([1])
        _ = try await peers.server.read()
        var checked = 0
        for descriptor in CInt(3)..<8192 {
            var storage = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
            }
            guard result == 0, UInt16(bigEndian: storage.sin_port) == peers.server.peer?.port else { continue }
            var value: CInt = 0
            var size = socklen_t(4)
            getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &value, &size)
            #expect(value != 0)
            getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &value, &size)
            #expect(value != 0)
            checked += 1
        }
        #expect(checked == 1)
    }

    @Test func `over the limit of connections a client is told so, and has its turn later`() async throws {
        var settings = Listener.Settings()
        settings.mostConnections = 2
        settings.mostRefusals = 1
        let listener = try Listener.listen(
            on: TestLoops.loopback, loops: TestLoops.all, settings: settings,
            refused: { connection, reason in
                Recorder(connection) { connection, notice in
                    if notice == .connected {
                        connection.write(reason == .tooManyConnections ? "full" : "?")
                        connection.lingerClose()
                    }
                }
            },
            accepted: { connection in
                return Recorder(connection) { connection, notice in
                    if notice == .connected { connection.write("welcome") }
                    if notice == .peerFinished { connection.close() }
                }
            })
        let first = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        let second = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        #expect(try await first.read() == Array("welcome".utf8))
        #expect(try await second.read() == Array("welcome".utf8))
        #expect(listener.connectionCount == 2)
        let third = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        #expect(try await third.read() == Array("full".utf8))
        // The one refusal is in use while the third lingers: the fourth waits in the kernel.
        let fourth = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        await #expect(throws: LineError.deadline) { try await fourth.read(within: .milliseconds(5)) }
        first.close()
        #expect(try await fourth.read() == Array("welcome".utf8))
        second.close()
        third.close()
    }

    @Test func `a client over its own limit is refused, and dropped without words when too many are`() async throws {
        var settings = Listener.Settings()
        settings.mostPerClient = 1
        settings.mostRefusals = 0
        let listener = try echoServer(settings: settings)
        let first = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await first.write([1])
        #expect(try await first.read() == [1])
        let second = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        #expect((try? await second.read()) ?? nil == nil)
        first.close()
        while listener.connectionCount == 1 { await Task.yield() }
        let third = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await third.write([3])
        #expect(try await third.read() == [3])
    }

    @Test(arguments: [EMFILE, ENFILE, ENOBUFS])
    func `no descriptors left: accepting pauses without spinning and goes on`(_ number: CInt) async throws {
        struct Plan: Sendable { var calls = 0, failures = 3 }
        let plan = Locked(Plan())
        var settings = Listener.Settings()
        settings.acceptFault = {
            plan.withLock { plan in
                plan.calls += 1
                plan.failures -= 1
                return plan.failures >= 0 ? number : nil
            }
        }
        let listener = try echoServer([TestLoops.one], settings: settings)
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await line.write([1])
        #expect(try await line.read() == [1])
        // Three failures, the connection, the empty look after it; a spinning loop makes thousands.
        #expect(plan.withLock { $0.calls } <= 6)
    }

    @Test func `connections that broke while they waited do not stop the others`() async throws {
        let failures = Locked(5)
        var settings = Listener.Settings()
        settings.acceptFault = {
            failures.withLock { count in
                count -= 1
                return count >= 0 ? ECONNABORTED : nil
            }
        }
        let listener = try echoServer([TestLoops.one], settings: settings)
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await line.write([1])
        #expect(try await line.read() == [1])
    }

    @Test func `after stopListening connections go on and new ones are refused`() async throws {
        let listener = try echoServer()
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        await listener.stopListeningAndWait()
        await #expect(throws: LineError.refused) {
            try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        }
        try await line.write([8])
        #expect(try await line.read() == [8])
    }
}
