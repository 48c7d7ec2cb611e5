import Glibc
import Lines
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TCPLineTests {
    @Test(arguments: [SocketAddress(.loopback, port: 0), SocketAddress(.loopbackV6, port: 0)])
    func `bytes go both ways and both ends have an address`(_ address: SocketAddress) async throws {
        let peers = try await Peers(on: address)
        try await peers.client.write([1, 2, 3])
        #expect(try await peers.server.read() == [1, 2, 3])
        try await peers.server.write([4])
        #expect(try await peers.client.read() == [4])
        #expect(peers.client.peer == peers.listener.localAddress)
        #expect(peers.server.peer?.ip == address.ip)
    }

    @Test func `an IPv4 client of a listener on all addresses is seen as IPv4`() async throws {
        let address = try #require(SocketAddress("*:0"))
        let (peersOfLines, incoming) = AsyncStream.makeStream(of: SocketAddress?.self)
        let listener = try LineListener(on: address, loops: TestLoops.all) { incoming.yield($0.peer) }
        let target = SocketAddress(.loopback, port: listener.localAddress.port)
        let line = try await TCPLine.connect(to: target, on: TestLoops.one)
        var iterator = peersOfLines.makeAsyncIterator()
        #expect(await iterator.next()??.ip == .loopback)
        line.close()
    }

    @Test func `nobody listening is refused`() async throws {
        let listener = try LineListener(on: TestLoops.loopback, loops: [TestLoops.one]) { _ in }
        let address = listener.localAddress
        await listener.stopListeningAndWait()
        await #expect(throws: LineError.refused) { try await TCPLine.connect(to: address, on: TestLoops.one) }
        await #expect(throws: LineError.refused) {
            try await TCPLine.connect(to: "localhost", port: Int(address.port), on: TestLoops.one)
        }
    }

    @Test func `a name that does not exist is unresolved`() async {
        await #expect(throws: LineError.unresolved("host.invalid")) {
            try await TCPLine.connect(to: "host.invalid", port: 77, on: TestLoops.one)
        }
    }

    @Test func `a name with several addresses is tried until one answers`() async throws {
        let listener = try echoServer()
        let line = try await TCPLine.connect(
            to: "localhost", port: listener.port, on: TestLoops.one, timeout: .seconds(50))
        try await line.write([9])
        #expect(try await line.read() == [9])
    }

    @Test func `a host that does not answer costs the timeout and no more`() async throws {
        // A listener whose backlog is full drops further SYNs: the sound of a host that is down.
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let ready = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 0) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(ready)
        let target = SocketAddress(.loopback, port: UInt16(bigEndian: address.sin_port))
        var kept: [TCPLine] = []
        await #expect(throws: LineError.deadline) {
            for _ in 0..<8 {
                kept.append(try await TCPLine.connect(to: target, on: TestLoops.one, timeout: .milliseconds(60)))
            }
        }
        let waiting = Task { try await TCPLine.connect(to: target, on: TestLoops.one, timeout: .seconds(3600)) }
        waiting.cancel()
        await #expect(throws: LineError.cancelled) { try await waiting.value }
        #expect(kept.count < 8)
    }

    @Test func `half-close lets the other direction go on`() async throws {
        let peers = try await Peers()
        try await peers.client.write([1])
        await peers.client.finishSending()
        #expect(try await peers.server.readAll() == [1])
        #expect(try await peers.server.read() == nil)
        try await peers.server.write(pattern(100_000))
        await peers.server.finishSending()
        #expect(try await peers.client.readAll() == pattern(100_000))
        #expect(try await peers.client.read() == nil)
        await #expect(throws: LineError.closed) { try await peers.client.write([2]) }
    }

    @Test func `closing sends what was written first`() async throws {
        let peers = try await Peers()
        let bytes = pattern(3_000_000)
        let writer = Task {
            try await peers.client.write(bytes)
            peers.client.close()
        }
        #expect(try await peers.server.readAll() == bytes)
        try await writer.value
        await #expect(throws: LineError.closed) { try await peers.client.read() }
        await #expect(throws: LineError.closed) { try await peers.client.write([1]) }
    }

    @Test func `letting go of a line closes it`() async throws {
        let (lines, incoming) = AsyncStream.makeStream(of: TCPLine.self)
        let listener = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { incoming.yield($0) }
        do { _ = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one) }
        var iterator = lines.makeAsyncIterator()
        let server = try #require(await iterator.next())
        #expect(try await server.read() == nil)
    }

    @Test func `a reset is an error, after what came before it`() async throws {
        let peers = try await Peers()
        try await peers.client.write([1, 2])
        try await peers.client.flush()
        #expect(try await peers.server.read() == [1, 2])
        peers.client.abort()
        await #expect(throws: LineError.reset) { try await peers.server.read() }
        await #expect(throws: LineError.reset) { try await peers.server.write([1]) }
    }

    @Test func `a read that takes too long throws and the line stays usable`() async throws {
        let peers = try await Peers()
        await #expect(throws: LineError.deadline) { try await peers.client.read(within: .milliseconds(2)) }
        try await peers.server.write([5])
        #expect(try await peers.client.read(within: .seconds(60)) == [5])
    }

    @Test func `a cancelled read throws and loses no byte`() async throws {
        let peers = try await Peers()
        let reader = Task { try await peers.client.read() }
        reader.cancel()
        await #expect(throws: LineError.cancelled) { try await reader.value }
        try await peers.server.write([6])
        #expect(try await peers.client.read() == [6])
    }

    @Test func `closing ends a read that waits`() async throws {
        let peers = try await Peers()
        let reader = Task { try await peers.client.read() }
        await peers.client.loop.run {}
        peers.client.close()
        await #expect(throws: LineError.closed) { try await reader.value }
    }

    @Test func `a writer waits for a reader that does not read, and memory stays bounded`() async throws {
        let peers = try await Peers()
        let block = pattern(64 * 1024)
        let written = Locked(0)
        let total = 256
        let writer = Task {
            for _ in 0..<total {
                try await peers.client.write(block)
                written.withLock { $0 += 1 }
            }
            await peers.client.finishSending()
        }
        // It stops by itself: the queue is full, and looks with time between them see the writer stand still.
        var before = -1
        while await peers.client.bufferedBytes() <= 256 * 1024 || written.withLock({ $0 }) != before {
            before = written.withLock { $0 }
            try await TestLoops.one.sleep(for: .milliseconds(20))
        }
        #expect(before < total)
        #expect(await peers.client.bufferedBytes() <= 256 * 1024 + block.count)
        await #expect(throws: LineError.deadline) { try await peers.client.write([], within: .milliseconds(1)) }
        var received = 0
        var matches = true
        let cycle = Array(repeatElement(block, count: 12).joined())
        while let bytes = try await peers.server.read() {
            let start = received % block.count
            matches =
                matches && cycle.withUnsafeBytes { $0.baseAddress.map { memcmp($0 + start, bytes, bytes.count) } == 0 }
            received += bytes.count
        }
        try await writer.value
        #expect(received == total * block.count)
        #expect(matches)
        #expect(await peers.client.bufferedBytes() == 0)
    }

    @Test func `small and large pieces keep their order`() async throws {
        let peers = try await Peers()
        var random = SystemRandomNumberGenerator()
        let all = pattern(2_000_000)
        var pieces: [[UInt8]] = []
        var start = 0
        while start < all.count {
            let most = [3, 900, 5000, 70_000].randomElement(using: &random) ?? 3
            let end = min(all.count, start + Int.random(in: 1...most, using: &random))
            pieces.append(Array(all[start..<end]))
            start = end
        }
        let made = pieces
        let writer = Task(executorPreference: peers.client.loop) {
            for piece in made { try await peers.client.write(piece) }
            await peers.client.finishSending()
        }
        let got = try await peers.server.readAll()
        try await writer.value
        #expect(got == all)
    }

    @Test func `a stopped loop ends its lines`() async throws {
        // One loop: with two, the one that stops first would look like a peer that hangs up.
        let group = try EventLoopGroup(count: 1)
        group.start()
        let peers = try await Peers(loops: group.loops)
        let reader = Task { try await peers.client.read() }
        await peers.client.loop.run {}
        await group.stopAndWait()
        await #expect(throws: LineError.closed) { try await reader.value }
        await #expect(throws: LineError.closed) { try await peers.client.write([1]) }
        await #expect(throws: LineError.closed) {
            try await TCPLine.connect(to: peers.listener.localAddress, on: group.next())
        }
    }

    @Test func `a thousand lines at a time`() async throws {
        let listener = try echoServer()
        let address = listener.localAddress
        let good = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<1000 {
                let loop = TestLoops.one
                group.addTask(executorPreference: loop) {
                    let line = try await TCPLine.connect(to: address, on: loop)
                    let bytes = Array("\(number)".utf8)
                    for _ in 0..<5 {
                        try await line.write(bytes)
                        guard try await line.read(exactly: bytes.count) == bytes else { return false }
                    }
                    await line.finishSending()
                    return try await line.read() == nil
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(good == 1000)
    }
}
