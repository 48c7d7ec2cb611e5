import Lines
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TestKitTests {
    @Test func `a scripted line plays and records`() async throws {
        let line = ScriptedLine([.bytes([1, 2]), .written(2), .bytes([3]), .silence, .bytes([4])])
        #expect(try await line.read() == [1, 2])
        let reader = Task { try await line.read() }
        try await line.write([9])
        try await line.write([8])
        #expect(try await reader.value == [3])
        await #expect(throws: LineError.deadline) { try await line.read(within: .seconds(3600)) }
        #expect(try await line.read() == [4])
        #expect(try await line.read() == nil)
        #expect(line.written == [9, 8])
        await line.append(.bytes([5]))
        #expect(try await line.read() == [5])
    }

    @Test(arguments: 0...4)
    func `a scripted line breaks at any octet`(_ octet: Int) async throws {
        let line = ScriptedLine([.bytes([1, 2]), .bytes([3, 4])], pieces: .octets, cut: octet)
        for number in 0..<octet { #expect(try await line.read() == [UInt8(number + 1)]) }
        await #expect(throws: LineError.reset) { try await line.read() }
    }

    @Test func `closing a scripted line ends its silence`() async throws {
        let line = ScriptedLine([.silence])
        let reader = Task { try await line.read() }
        line.close()
        await #expect(throws: LineError.closed) { try await reader.value }
    }

    @Test func `a pair of lines carries, waits and ends like a real one`() async throws {
        let pair = LinePair(capacity: 10)
        await #expect(throws: LineError.deadline) {
            try await pair.near.write(pattern(11), within: .milliseconds(1))
        }
        #expect(try await pair.far.read() == pattern(11))
        let reader = Task { try await pair.far.read() }
        try await pair.near.write([1])
        #expect(try await reader.value == [1])
        await pair.near.finishSending()
        #expect(try await pair.far.read() == nil)
        try await pair.far.write([2])
        #expect(try await pair.near.read() == [2])
        pair.cut()
        await #expect(throws: LineError.reset) { try await pair.near.read() }
    }

    @Test func `a read of a pair is cancelled and loses nothing`() async throws {
        let pair = LinePair()
        let reader = Task { try await pair.far.read() }
        reader.cancel()
        await #expect(throws: LineError.cancelled) { try await reader.value }
        try await pair.near.write([1])
        #expect(try await pair.far.read() == [1])
    }

    @Test func `a proxy without faults carries both ways`() async throws {
        let host = try echoServer()
        let proxy = try FaultProxy(to: host.localAddress, faults: [])
        let line = try await TCPLine.connect(to: proxy.address, on: TestLoops.one)
        let bytes = pattern(500_000)
        let writer = Task {
            try await line.write(bytes)
            await line.finishSending()
        }
        #expect(try await line.readAll() == bytes)
        try await writer.value
        #expect(proxy.carried(.toHost) == bytes.count)
        #expect(proxy.carried(.toClient) == bytes.count)
    }

    @Test(arguments: [FaultProxy.Direction.toHost, .toClient], [0, 1, 4])
    func `a proxy resets after an octet`(_ direction: FaultProxy.Direction, _ octets: Int) async throws {
        let host = try echoServer()
        let proxy = try FaultProxy(to: host.localAddress) { number in
            number == 1 ? [.init(direction, after: octets, .reset)] : []
        }
        var got: [UInt8] = []
        // At octet 0 the reset may come before the client knows that it is connected.
        await #expect(throws: LineError.reset) {
            let line = try await TCPLine.connect(to: proxy.address, on: TestLoops.one)
            try? await line.write([1, 2, 3, 4, 5])
            while let bytes = try await line.read() { got += bytes }
        }
        if direction == .toClient { #expect(got == Array([1, 2, 3, 4, 5].prefix(octets))) }
        #expect(proxy.carried(direction) == octets)
        let second = try await TCPLine.connect(to: proxy.address, on: TestLoops.one)
        try await second.write([6])
        #expect(try await second.read() == [6])
    }

    @Test func `a proxy injects, closes and falls silent`() async throws {
        let host = try echoServer()
        let proxy = try FaultProxy(to: host.localAddress) { number in
            switch number {
            case 1: [.init(.toClient, after: 2, .inject([0xFF])), .init(.toClient, after: 3, .close)]
            default: [.init(.toClient, after: 1, .silence)]
            }
        }
        let line = try await TCPLine.connect(to: proxy.address, on: TestLoops.one)
        try await line.write([1, 2, 3, 4])
        #expect(try await line.readAll() == [1, 2, 0xFF, 3])
        let second = try await TCPLine.connect(to: proxy.address, on: TestLoops.one)
        try await second.write([1, 2])
        #expect(try await second.read() == [1])
        await #expect(throws: LineError.deadline) { try await second.read(within: .milliseconds(5)) }
    }
}
