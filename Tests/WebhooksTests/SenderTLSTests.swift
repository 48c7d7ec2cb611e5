import Lines
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
    }

    @Test(arguments: [
        Row(
            testDescription: "a good certificate", certificate: "receiver.pem", authority: "authority.pem",
            host: "hooks.test", status: 200, detail: nil),
        Row(
            testDescription: "another name", certificate: "other-name.pem", authority: "authority.pem",
            host: "hooks.test",
            status: nil, detail: "The receiver's certificate is for another name."),
        Row(
            testDescription: "expired", certificate: "expired.pem", authority: "authority.pem", host: "hooks.test",
            status: nil, detail: "The receiver's certificate has expired."),
        Row(
            testDescription: "an unknown authority", certificate: "receiver.pem", authority: "expired.pem",
            host: "hooks.test", status: nil,
            detail: "The receiver's certificate is not signed by an authority that this gateway knows."),
        Row(
            testDescription: "the address in place of the name", certificate: "receiver.pem",
            authority: "authority.pem",
            host: "127.0.0.1", status: nil, detail: "The receiver's certificate is for another name."),
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
