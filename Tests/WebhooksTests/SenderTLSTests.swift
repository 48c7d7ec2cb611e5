import Foundation
import Lines
import Stores
import TestKit
import Testing
import Webhooks

private func corpus(_ name: String) -> String {
    var path = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    path.removeLast()
    return path.joined(separator: "/") + "/Corpus/tls/\(name)"
}

/// Answers every request with 200.
private final class Answerer: ConnectionHandler {
    private let connection: Connection
    private var tail: [UInt8] = []

    init(_ connection: Connection) { self.connection = connection }

    func received(_ bytes: UnsafeRawBufferPointer) {
        tail += bytes
        guard tail.count >= 4,
            (4...tail.count).contains(where: { tail[($0 - 4)..<$0].elementsEqual([13, 10, 13, 10]) })
        else { return }
        tail = []
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    }

    func peerFinished() { connection.close() }
    func closed(_ cause: CloseCause) {}
}

@Suite struct SenderTLSTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let certificate: String
        let authority: String
        let host: String
        let status: Int?
        let detail: String?
        /// OpenSSL's number.
        let verifyResult: Int
    }

    @Test(arguments: [
        Row(
            testDescription: "a good certificate", certificate: "receiver.pem", authority: "authority.pem",
            host: "hooks.test", status: 200, detail: nil, verifyResult: 0),
        Row(
            testDescription: "another name", certificate: "other-name.pem", authority: "authority.pem",
            host: "hooks.test",
            status: nil, detail: "The receiver's certificate is for another name.", verifyResult: 1),
        Row(
            testDescription: "expired", certificate: "expired.pem", authority: "authority.pem", host: "hooks.test",
            status: nil, detail: "The receiver's certificate has expired.", verifyResult: 10),
        Row(
            testDescription: "an unknown authority", certificate: "receiver.pem", authority: "expired.pem",
            host: "hooks.test", status: nil,
            detail: "The receiver's certificate is not signed by an authority that this gateway knows.",
            verifyResult: 20),
        Row(
            testDescription: "the address in place of the name", certificate: "receiver.pem",
            authority: "authority.pem",
            host: "127.0.0.1", status: nil, detail: "The receiver's certificate is for another name.", verifyResult: 1),
    ])
    func `the certificate must be for the name, though the connection goes to the address`(_ row: Row) async throws {
        let loop = try EventLoop(name: "receiver")
        loop.start()
        var listening = Listener.Settings()
        listening.tls = try TLSServerSettings(certificateFile: corpus(row.certificate), keyFile: corpus("receiver.key"))
        let listener = try Listener.listen(
            on: SocketAddress(.loopback, port: 0), loops: [loop], settings: listening
        ) { Answerer($0) }
        var settings = quickSender()
        settings.timeout = .seconds(25)
        settings.connectTimeout = .seconds(25)
        settings.caFile = corpus(row.authority)
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        let result = await sender.send(try request("https://\(row.host):\(listener.localAddress.port)/hook"))
        #expect(result.status == row.status)
        #expect(result.failure == (row.status == nil ? .tlsFailed : nil))
        #expect(result.detail == row.detail)
        #expect(result.exchange.httpVersion == row.status.map { _ in 11 })
        #expect(result.exchange.tlsVersion == row.status.map { _ in 0x0304 })
        // With another name the chain is not judged any more.
        #expect(result.exchange.verifyResult == row.verifyResult, "\(result.exchange)")
        await sender.stop()
        listener.stopListening()
        await loop.stopAndWait()
    }

    /// Of Corpus/tls/receiver.key: openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64
    private static let pin = "sha256//rNZvdIsn3m1wd68unJw3VsRl2rC5zX+HqSiG3Vs+3A4="
    private static let otherPin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    struct WishRow: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var pins: [String] = []
        var hasIdentity = false
        var asksClients = false
        let detail: String?
    }

    @Test(arguments: [
        WishRow(testDescription: "the pinned key", pins: [pin], detail: nil),
        WishRow(testDescription: "one of two pinned keys", pins: [otherPin, pin], detail: nil),
        WishRow(
            testDescription: "another key", pins: [otherPin],
            detail: "The receiver's key is none of those that are pinned."),
        WishRow(
            testDescription: "our certificate, asked for", pins: [pin], hasIdentity: true, asksClients: true,
            detail: nil),
        WishRow(testDescription: "our certificate, not asked for", hasIdentity: true, detail: nil),
    ])
    func `a receiver has a pinned key, and sees our certificate if it asks`(_ row: WishRow) async throws {
        try await Self.withReceiver(asksClients: row.asksClients) { url, sender async throws in
            var tls = EndpointTLS(pins: row.pins)
            if row.hasIdentity {
                tls.identity = ClientIdentity(
                    certificate: try String(contentsOfFile: corpus("other-name.pem"), encoding: .utf8),
                    key: try String(contentsOfFile: corpus("receiver.key"), encoding: .utf8))
            }
            let result = await sender.send(try request(url, tls: tls))
            #expect(result.status == (row.detail == nil ? 200 : nil), "\(result)")
            #expect(result.failure == (row.detail == nil ? nil : .tlsFailed))
            #expect(result.detail == row.detail)
        }
    }

    @Test func `a connection that is kept is none for whom other pins or another certificate are set`() async throws {
        try await Self.withReceiver(asksClients: true) { url, sender async throws in
            let identity = ClientIdentity(
                certificate: try String(contentsOfFile: corpus("other-name.pem"), encoding: .utf8),
                key: try String(contentsOfFile: corpus("receiver.key"), encoding: .utf8))
            let good = EndpointTLS(pins: [Self.pin], identity: identity)
            #expect(await sender.send(try request(url, tls: good)).status == 200)
            let again = await sender.send(try request(url, tls: good))
            #expect(again.status == 200 && again.isReused)
            #expect(again.exchange.tlsVersion == 0x0304 && again.exchange.verifyResult == 0)
            let pinned = await sender.send(
                try request(url, tls: EndpointTLS(pins: [Self.otherPin], identity: identity)))
            #expect(pinned.status == nil && pinned.failure == .tlsFailed)
            let unknown = await sender.send(try request(url))
            #expect(unknown.status == nil, "without a certificate this receiver takes nobody")
            #expect(await sender.send(try request(url, tls: good)).status == 200)
        }
    }

    private static func withReceiver(
        asksClients: Bool, _ body: (_ url: String, Sender) async throws -> Void
    ) async throws {
        let loop = try EventLoop(name: "receiver")
        loop.start()
        var listening = Listener.Settings()
        listening.tls = try TLSServerSettings(
            certificateFile: corpus("receiver.pem"), keyFile: corpus("receiver.key"),
            clients: asksClients ? .required(authorityFile: corpus("authority.pem")) : .unasked)
        let listener = try Listener.listen(
            on: SocketAddress(.loopback, port: 0), loops: [loop], settings: listening
        ) { Answerer($0) }
        var settings = quickSender()
        settings.timeout = .seconds(25)
        settings.connectTimeout = .seconds(25)
        settings.caFile = corpus("authority.pem")
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        try await body("https://hooks.test:\(listener.localAddress.port)/hook", sender)
        await sender.stop()
        listener.stopListening()
        await loop.stopAndWait()
    }

    @Test(
        arguments: [
            ("an alert: this version of TLS is not spoken", [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]),
            ("plain HTTP", Array("HTTP/1.1 200 OK\r\n\r\n".utf8)),
            // ServerHello of TLS 1.0 with AES128-SHA.
            (
                "TLS 1.0",
                [0x16, 0x03, 0x01, 0x00, 0x2A, 0x02, 0x00, 0x00, 0x26, 0x03, 0x01] + [UInt8](repeating: 7, count: 32)
                    + [0x00, 0x00, 0x2F, 0x00]
            ),
        ] as [(String, [UInt8])])
    func `what is not TLS 1.2 or later fails the handshake`(_ name: String, _ answer: [UInt8]) async throws {
        let receiver = try Receiver { peer in
            peer.pause(milliseconds: 500)
            peer.write(answer)
            peer.waitForClose()
        }
        var settings = quickSender()
        settings.timeout = .seconds(25)
        settings.connectTimeout = .seconds(25)
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        let result = await sender.send(try request("https://hooks.test:\(receiver.port)/"))
        #expect(result.status == nil)
        #expect(result.failure == .tlsFailed)
        #expect(result.answer.isEmpty)
        await sender.stop()
        receiver.stop()
    }
}
