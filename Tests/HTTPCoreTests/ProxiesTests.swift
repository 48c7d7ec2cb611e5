import HTTPCore
import Lines
import TestKit
import Testing

/// Who the client is, as a handler sees it.
private func whoRoute(_ router: inout Router) {
    router.on(.get, "/who", name: "who", body: .none) { request, _ in
        .text("\(request.peer.map { "\($0.ip)" } ?? "local") \(request.isTLS)")
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ProxiesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let word: Proxies.Word
        var trusted = ["127.0.0.1"]
        let fields: String
        let client: String
        var testDescription: String { "\(word) \(fields)" }
    }

    static let rows: [Row] = [
        Row(word: .forwarded, fields: "", client: "127.0.0.1 false"),
        Row(word: .forwarded, fields: "Forwarded: for=192.0.2.7;proto=https", client: "192.0.2.7 true"),
        Row(word: .forwarded, fields: "forwarded: For=\"[2001:db8::9]:4711\"; Proto=http", client: "2001:db8::9 false"),
        Row(word: .forwarded, fields: "Forwarded: for=6.6.6.6, for=192.0.2.7:99", client: "192.0.2.7 false"),
        Row(word: .forwarded, fields: "Forwarded: for=6.6.6.6\r\nForwarded: for=192.0.2.7", client: "192.0.2.7 false"),
        Row(
            word: .forwarded, trusted: ["127.0.0.1", "10.0.0.0/8"],
            fields: "Forwarded: for=6.6.6.6, for=192.0.2.7;proto=https, for=10.1.2.3;proto=http",
            client: "192.0.2.7 true"),
        Row(word: .forwarded, fields: "Forwarded: for=unknown", client: "127.0.0.1 false"),
        Row(word: .forwarded, fields: "Forwarded: for=_hidden, for=\"_x\"", client: "127.0.0.1 false"),
        Row(word: .forwarded, fields: "X-Forwarded-For: 192.0.2.7", client: "127.0.0.1 false"),
        Row(word: .xForwardedFor, fields: "Forwarded: for=192.0.2.7", client: "127.0.0.1 false"),
        Row(word: .xForwardedFor, fields: "X-Forwarded-For: 6.6.6.6, 192.0.2.7", client: "192.0.2.7 false"),
        Row(
            word: .xForwardedFor, fields: "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https",
            client: "192.0.2.7 true"),
        Row(
            word: .xForwardedFor, trusted: ["127.0.0.0/8"], fields: "X-Forwarded-For: ::ffff:192.0.2.7, 127.9.9.9",
            client: "192.0.2.7 false"),
        Row(word: .xForwardedFor, fields: "X-Forwarded-For: \"<script>\"", client: "127.0.0.1 false"),
        Row(word: .forwarded, trusted: ["127.0.0.2"], fields: "Forwarded: for=192.0.2.7", client: "127.0.0.1 false"),
    ]

    @Test(arguments: rows)
    func `the client is who our proxies say, and nobody else`(_ row: Row) async throws {
        let entries = row.trusted.map { Proxies.Entry(network: Network($0), word: row.word) }
        try await TestServer.with {
            $0.proxies = { Proxies(entries) }
        } routes: {
            whoRoute(&$0)
        } _: { test in
            let line = try await TCPLine.connect(to: test.address, on: test.loops.loops[0])
            let fields = row.fields.isEmpty ? "" : row.fields + "\r\n"
            try await line.write(
                Array("GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(fields)\r\n".utf8))
            let answer = String(decoding: try await line.readToEnd(), as: UTF8.self)
            #expect(answer.hasSuffix("\r\n\r\n\(row.client)"), "\(answer)")
        }
    }

    @Test func `who comes by a socket of the file system is trusted when that is configured`() {
        let proxies = Proxies([.init(network: nil, word: .forwarded)])
        #expect(proxies.word(of: nil) == .forwarded)
        #expect(proxies.word(of: .loopback) == nil)
    }
}

extension TCPLine {
    fileprivate func readToEnd() async throws -> [UInt8] {
        var all: [UInt8] = []
        while let piece = try await read() { all += piece }
        return all
    }
}

private let get = Array("GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)

@Suite(.timeLimit(.minutes(1)))
struct LeavingTests {
    @Test func `an announced stop makes every answer the last of its connection, and serves new ones`() async throws {
        try await TestServer.with(routes: { whoRoute(&$0) }) { test in
            let standing = try await TCPLine.connect(to: test.address, on: test.loops.loops[0])
            try await standing.write(get)
            let first = try #require(try await standing.read())
            #expect(!String(decoding: first, as: UTF8.self).contains("Connection: close"))
            test.server.announceStop()
            try await standing.write(get)
            #expect(String(decoding: try await standing.readToEnd(), as: UTF8.self).contains("Connection: close\r\n"))
            let late = try await TCPLine.connect(to: test.address, on: test.loops.loops[0])
            try await late.write(get)
            #expect(String(decoding: try await late.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `a connection that came before the stop gets its one answer, however late its request`() async throws {
        try await TestServer.with {
            $0.limits.lateRequestTime = .seconds(30)
        } routes: {
            whoRoute(&$0)
        } _: { test in
            let line = try await TCPLine.connect(to: test.address, on: test.loops.loops[0])
            while test.server.connectionCount == 0 { await Task.yield() }
            async let stopped: Void = test.server.stop(grace: .seconds(30))
            // The listener is closed: the stop is under way.
            while (try? await TCPLine.connect(to: test.address, on: test.loops.loops[0])) != nil { await Task.yield() }
            try await line.write(get)
            #expect(String(decoding: try await line.readToEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 200"))
            await stopped
        }
    }

    @Test func `what is asked over TLS carries the fields for TLS`() async throws {
        let certificates = try TestCertificates.shared.get()
        let tls = try TLSServerSettings(certificateFile: certificates.certificate, keyFile: certificates.key)
        for isTLS in [true, false] {
            try await TestServer.with {
                if isTLS { $0.tls = tls }
                $0.fieldsOverTLS = ["Strict-Transport-Security": "max-age=1"]
            } routes: {
                whoRoute(&$0)
            } _: { test in
                let client = try TLSClientSettings(authorityFile: certificates.authority)
                let line = try await TCPLine.connect(
                    to: "localhost", port: Int(test.address.port), on: test.loops.loops[0], tls: isTLS ? client : nil)
                try await line.write(Array("GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
                let answer = String(decoding: try await line.readToEnd(), as: UTF8.self)
                #expect(answer.contains("Strict-Transport-Security: max-age=1\r\n") == isTLS, "\(answer)")
            }
        }
    }
}
