import Lines
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TLSTests {
    let certificates: TestCertificates

    init() throws { certificates = try TestCertificates.shared.get() }

    private func server(foreign: Bool = false) throws -> Listener.Settings {
        var settings = Listener.Settings()
        settings.tls = try TLSServerSettings(
            certificateFile: foreign ? certificates.foreignCertificate : certificates.certificate,
            keyFile: foreign ? certificates.foreignKey : certificates.key)
        return settings
    }

    private func client() throws -> TLSClientSettings { try TLSClientSettings(authorityFile: certificates.authority) }

    @Test(arguments: ["localhost", "127.0.0.1", "::1", nil])
    func `bytes go both ways when name and authority are right`(_ host: String?) async throws {
        let address = host == "::1" ? SocketAddress(.loopbackV6, port: 0) : TestLoops.loopback
        let peers = try await Peers(on: address, settings: try server(), tls: try client(), named: host)
        try await peers.client.write([1, 2, 3])
        #expect(try await peers.server.read() == [1, 2, 3])
        try await peers.server.write([4])
        #expect(try await peers.client.read() == [4])
    }

    @Test func `by name from the resolver`() async throws {
        let listener = try echoServer(settings: try server())
        let line = try await TCPLine.connect(to: "localhost", port: listener.port, on: TestLoops.one, tls: try client())
        try await line.write([7])
        #expect(try await line.read() == [7])
    }

    @Test func `megabytes both ways, then an orderly end`() async throws {
        let listener = try echoServer(settings: try server())
        let line = try await TCPLine.connect(to: "127.0.0.1", port: listener.port, on: TestLoops.one, tls: try client())
        let bytes = pattern(3_000_000)
        let writer = Task {
            var rest = bytes[...]
            var size = 1
            while !rest.isEmpty {
                try await line.write(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
                size = size * 7 % 100_003 + 1
            }
            await line.finishSending()
        }
        #expect(try await line.readAll() == bytes)
        try await writer.value
        #expect(try await line.read() == nil)
    }

    @Test func `closing sends what was written first`() async throws {
        let peers = try await Peers(settings: try server(), tls: try client())
        let bytes = pattern(2_000_000)
        let writer = Task {
            try await peers.server.write(bytes)
            peers.server.close()
        }
        #expect(try await peers.client.readAll() == bytes)
        try await writer.value
    }

    @Test func `a reader that does not read holds the writer back`() async throws {
        let peers = try await Peers(settings: try server(), tls: try client())
        let block = [UInt8](repeating: 7, count: 1 << 20)
        await #expect(throws: LineError.deadline) {
            for _ in 0..<64 { try await peers.client.write(block, within: .milliseconds(200)) }
        }
        #expect(await peers.client.bufferedBytes() <= 2 << 20)
        let peer = peers.server
        let reader = Task { try await peer.readAll().count }
        await peers.client.finishSending()
        #expect(try await reader.value % (1 << 20) == 0)
    }

    @Test func `a certificate for another host is not accepted`() async throws {
        let listener = try echoServer(settings: try server(foreign: true))
        let error = await #expect(throws: LineError.self) {
            try await TCPLine.connect(to: "localhost", port: listener.port, on: TestLoops.one, tls: try client())
        }
        guard case .tls(let text)? = error else { throw try #require(error) }
        #expect(text.lowercased().contains("hostname mismatch"))
        let expecting = try TLSClientSettings(
            authorityFile: certificates.authority, expectedName: "elsewhere.example")
        let line = try await TCPLine.connect(to: "localhost", port: listener.port, on: TestLoops.one, tls: expecting)
        try await line.write([1])
        #expect(try await line.read() == [1])
    }

    @Test func `a certificate of a strange authority, or unknown to the system, is not accepted`() async throws {
        let listener = try echoServer(settings: try server())
        for settings in [
            try TLSClientSettings(authorityFile: certificates.strangeAuthority), try TLSClientSettings(),
        ] {
            let error = await #expect(throws: LineError.self) {
                try await TCPLine.connect(to: "127.0.0.1", port: listener.port, on: TestLoops.one, tls: settings)
            }
            guard case .tls(let text)? = error else { throw try #require(error) }
            #expect(text.contains("certificate not accepted"))
        }
    }

    @Test func `a host that does not speak TLS is a typed error`() async throws {
        let listener = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { line in
            Task { try await line.write(Array("220 no TLS here\r\n".utf8)) }
        }
        let error = await #expect(throws: LineError.self) {
            try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one, tls: try client())
        }
        guard case .tls? = error else { throw try #require(error) }
    }

    @Test func `a client that does not speak TLS is hung up on`() async throws {
        let listener = try echoServer(settings: try server())
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await line.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        // An alert may come first; then the end, or a reset for what was not read.
        let end = try? await line.readAll()
        #expect((end?.count ?? 0) < 16)
        while listener.connectionCount > 0 { await Task.yield() }
    }

    @Test func `a handshake that does not come is given up at the time set`() async throws {
        let listener = try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { line in
            Task { while try await line.read() != nil {} }
        }
        await #expect(throws: LineError.deadline) {
            try await TCPLine.connect(
                to: listener.localAddress, on: TestLoops.one, timeout: .milliseconds(20), tls: try client())
        }
    }

    @Test func `a line cut without a TLS close is no orderly end`() async throws {
        let listener = try echoServer(settings: try server())
        // The handshake is some 2.5 KB from the server; the cut falls into what follows it.
        let proxy = try FaultProxy(to: listener.localAddress, faults: [.init(.toClient, after: 50_000, .close)])
        let line = try await TCPLine.connect(to: proxy.address, on: TestLoops.one, tls: try client())
        try? await line.write(pattern(200_000))
        var got = 0
        let error = await #expect(throws: LineError.self) {
            while let bytes = try await line.read() { got += bytes.count }
        }
        guard case .tls(let text)? = error else { throw try #require(error) }
        #expect(text.contains("without a TLS close"))
        #expect(got > 0 && got < 50_000)
    }

    @Test func `garbage in the session is a typed error`() async throws {
        let listener = try echoServer(settings: try server())
        let proxy = try FaultProxy(
            to: listener.localAddress,
            faults: [.init(.toClient, after: 50_000, .inject(pattern(600)))])
        let line = try await TCPLine.connect(to: proxy.address, on: TestLoops.one, tls: try client())
        try? await line.write(pattern(200_000))
        let error = await #expect(throws: LineError.self) { while try await line.read() != nil {} }
        guard case .tls? = error else { throw try #require(error) }
    }

    @Test func `files that are no certificate or key are refused in words`() throws {
        let error = #expect(throws: LineError.self) {
            try TLSServerSettings(certificateFile: certificates.key, keyFile: certificates.key)
        }
        guard case .tls(let text)? = error else { return }
        #expect(text.contains("cannot use the certificate"))
        #expect(throws: LineError.self) {
            try TLSServerSettings(certificateFile: certificates.certificate, keyFile: certificates.foreignKey)
        }
        #expect(throws: LineError.self) { try TLSClientSettings(authorityFile: "/nonexistent") }
    }

    @Test func `a hundred TLS lines at a time`() async throws {
        let listener = try echoServer(settings: try server())
        let settings = try client()
        let good = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<100 {
                let loop = TestLoops.one
                group.addTask(executorPreference: loop) {
                    let line = try await TCPLine.connect(
                        to: "127.0.0.1", port: listener.port, on: loop, timeout: .seconds(50), tls: settings)
                    let bytes = Array("\(number)".utf8)
                    try await line.write(bytes)
                    guard try await line.read(exactly: bytes.count) == bytes else { return false }
                    await line.finishSending()
                    return try await line.read() == nil
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(good == 100)
    }
}
