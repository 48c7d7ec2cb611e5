import Lines
import Protocols
import Stations
import Synchronization
import TestKit
import Testing

@Suite struct ProberTests {
    /// Plays one side of every connection that comes to a port of loopback while `body` runs.
    private static func with(
        _ play: @escaping @Sendable (TCPLine) async -> Void, _ body: (Int) async throws -> Void
    ) async throws {
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        let listener = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { arrival.yield($0) }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                await withDiscardingTaskGroup { players in
                    for await line in lines { players.addTask { await play(line) } }
                }
            }
            try await body(Int(listener.localAddress.port))
            await listener.stopListeningAndWait()
            arrival.finish()
        }
    }

    /// Long for what must come, short for the silence before a question.
    private static func prober(listensOnly: Bool = false, listen: Duration = .milliseconds(50)) -> Prober {
        var settings = Prober.Settings()
        settings.listenTime = listen
        settings.answerTime = .seconds(30)
        settings.listensOnly = listensOnly
        return Prober(settings, loops: TestLoops.group)
    }

    @Test func `an RJE server is known by its greeting and asked nothing`() async throws {
        let heard = Mutex<[UInt8]>([])
        try await Self.with { line in
            try? await line.write(Array("300 RJE ref".utf8))
            try? await line.write(Array("erence server\r\n".utf8))
            while let octets = try? await line.read() { heard.withLock { $0 += octets } }
        } _: { port in
            let finding = await Self.prober(listen: .seconds(30)).probe(host: "127.0.0.1", port: port)
            #expect(finding == .speaks(.rje(isServing: true), excerpt: "300 RJE reference server"))
        }
        #expect(heard.withLock { $0 } == [])
    }

    @Test func `a web server is found by a question`() async throws {
        try await Self.with { line in
            guard let octets = try? await line.read(), octets.starts(with: Array("HEAD / ".utf8)) else { return }
            try? await line.write(Array("HTTP/1.0 200 OK\r\n\r\n".utf8))
            line.close()
        } _: { port in
            let finding = await Self.prober().probe(host: "127.0.0.1", port: port)
            #expect(finding == .speaks(.http, excerpt: "HTTP/1.0 200 OK"))
        }
    }

    @Test func `a TLS server that hangs up on HTTP is found by a second question`() async throws {
        try await Self.with { line in
            if let octets = try? await line.read(), octets.starts(with: [0x16, 0x03]) {
                try? await line.write([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])
            }
            line.close()
        } _: { port in
            let finding = await Self.prober().probe(host: "127.0.0.1", port: port)
            #expect(finding == .speaks(.tls, excerpt: "\\x15\\x03\\x03\\x00\\x02\\x02("))
        }
    }

    @Test func `who hangs up at once is told from who stays silent`() async throws {
        try await Self.with {
            $0.close()
        } _: { port in
            #expect(await Self.prober(listen: .seconds(30)).probe(host: "127.0.0.1", port: port) == .hangsUp)
        }
        try await Self.with { line in
            while (try? await line.read()) != nil {}
        } _: { port in
            #expect(await Self.prober(listensOnly: true).probe(host: "127.0.0.1", port: port) == .silent)
        }
    }

    @Test func `a closed port is closed, and a name without address is told in words`() async throws {
        let free = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { $0.close() }
        let port = Int(free.localAddress.port)
        await free.stopListeningAndWait()
        #expect(await Self.prober().probe(host: "127.0.0.1", port: port) == .closed)
        let finding = await Self.prober().probe(host: "no-such-name.invalid", port: 77)
        guard case .unreachable = finding else {
            Issue.record("\(finding)")
            return
        }
    }
}
