import HTTPCore
import Lines
import TestKit
import Testing

/// Who the client is, as a handler sees it.
private func whoRoute(_ router: inout Router) {
    router.on(.get, "/who", name: "who", body: .none) { request, _ in
        .text(
            "\(request.peer.map { "\($0.ip)" } ?? "local") \(request.tlsPeer?.commonName ?? "nobody") \(request.isTLS)")
    }
}

private let get = Array("GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)

extension TCPLine {
    fileprivate func readAll() async throws -> [UInt8] {
        var all: [UInt8] = []
        while let piece = try await read() { all += piece }
        return all
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ServerPlaceTests {
    @Test func `a handler knows the client by its certificate, on every request of a connection`() async throws {
        let certificates = try TestCertificates.shared.get()
        let tls = try TLSServerSettings(
            certificateFile: certificates.certificate, keyFile: certificates.key,
            clients: .asked(authorityFile: certificates.authority))
        try await TestServer.with {
            $0.tls = tls
        } routes: {
            whoRoute(&$0)
        } _: { test in
            let client = try TLSClientSettings(
                authorityFile: certificates.authority, certificateFile: certificates.foreignCertificate,
                keyFile: certificates.foreignKey)
            let line = try await TCPLine.connect(
                to: "localhost", port: Int(test.address.port), on: test.loops.loops[0], tls: client)
            try await line.write(Array("GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8) + get)
            let answer = String(decoding: try await line.readAll(), as: UTF8.self)
            #expect(answer.matches(of: /127.0.0.1 foreign true/).count == 2, "\(answer)")
        }
    }

    @Test func `behind a proxy the client is the one it names`() async throws {
        try await TestServer.with {
            $0.proxies = { Proxies([.init(network: Network("127.0.0.1"), word: .proxyV2)]) }
        } routes: {
            whoRoute(&$0)
        } _: { test in
            let line = try await TCPLine.connect(to: test.address, on: test.loops.loops[0])
            let header: [UInt8] = [
                0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 12, 192, 0, 2, 7,
                127, 0,
                0, 1, 0x30, 0x39, 0x1F, 0x8D,
            ]
            try await line.write(header + get)
            #expect(String(decoding: try await line.readAll(), as: UTF8.self).hasSuffix("192.0.2.7 nobody false"))
        }
    }
}
