import Glibc
import Lines
import TestKit
import Testing

private final class Greeter: ConnectionHandler, @unchecked Sendable {
    private let connection: Connection
    init(_ connection: Connection) { self.connection = connection }
    func connected() {
        connection.write("hello")
        connection.closeAfterFlush()
    }
    func received(_ bytes: UnsafeRawBufferPointer) {}
    func peerFinished() {}
    func closed(_ cause: CloseCause) {}
}

private func lay(_ octets: [UInt8], _ path: String) throws {
    let descriptor = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(write(descriptor, octets, octets.count) == octets.count)
}

@Suite(.timeLimit(.minutes(1)))
struct CertificatesTests {
    @Test func `a certificate of our own serves the names it was made for`() async throws {
        let folder = try TemporaryFolder()
        let made = try SelfSigned(
            names: ["localhost", "127.0.0.1", "::1", "no name!", "localhost"], life: .seconds(3600))
        let (certificate, key) = (folder.path + "/c.pem", folder.path + "/k.pem")
        try lay(made.certificatePEM, certificate)
        try lay(made.keyPEM, key)
        let facts = try CertificateFacts(file: certificate)
        #expect(facts.fingerprint.count == 32)
        #expect(facts.notAfter - facts.notBefore == 7200)

        var settings = Listener.Settings()
        settings.tls = try TLSServerSettings(.init(certificate: certificate, key: key))
        let listener = try Listener.listen(at: .address(TestLoops.loopback), loops: TestLoops.all, settings: settings) {
            Greeter($0)
        }
        for name in ["localhost", "127.0.0.1"] {
            let client = try TLSClientSettings(authorityFile: certificate, expectedName: name)
            let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one, tls: client)
            #expect(try await line.read() == Array("hello".utf8))
        }
        let other = try TLSClientSettings(authorityFile: certificate, expectedName: "elsewhere.example")
        await #expect(throws: LineError.self) {
            try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one, tls: other)
        }
    }

    @Test func `what holds no certificate says so`() throws {
        let folder = try TemporaryFolder()
        try lay(Array("nothing".utf8), folder.path + "/c.pem")
        for name in ["c.pem", "missing.pem"] {
            #expect(throws: LineError.self) { try CertificateFacts(file: folder.path + "/" + name) }
        }
    }
}

struct NetworkTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7/32", "192.0.2.6", false), ("192.0.2.6/31", "192.0.2.7", true),
        ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::1", false), ("::/0", "2001:db8::1", true),
        ("2001:db8::/65", "2001:db8::7fff:0:0:1", true), ("2001:db8::/65", "2001:db8::8000:0:0:1", false),
        ("::1", "::1", true), ("::1", "::2", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ("0.0.0.0/0", "::1", false), ("::/0", "127.0.0.1", false),
    ])
    func `a network holds the addresses that begin as it does`(_ network: String, _ ip: String, _ isIn: Bool) throws {
        #expect(try #require(Network(network)).contains(try #require(IPAddress(ip))) == isIn)
    }
}

struct NoticeSocketTests {
    @Test func `a notice reaches an abstract name and a path, and nobody is waited for`() throws {
        let folder = try TemporaryFolder()
        for name in ["@port77-notice-\(getpid())", folder.path + "/notice"] {
            let socket = try #require(NoticeSocket(name))
            #expect(!socket.send([1]))
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let octets = Array((name.hasPrefix("@") ? "\0" + name.dropFirst() : name).utf8)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
            let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            defer { close(descriptor) }
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sa_family_t>.size + octets.count))
                }
            }
            try #require(result == 0)
            #expect(socket.send(Array("READY=1".utf8)))
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            #expect(buffer.prefix(max(0, count)).elementsEqual("READY=1".utf8))
        }
        #expect(NoticeSocket("relative") == nil)
        #expect(NoticeSocket("@") == nil)
    }
}
