import CSystem
import Glibc
import Lines
import TestKit
import Testing

/// Echoes one piece and says who came.
private final class Echo: ConnectionHandler, @unchecked Sendable {
    private let connection: Connection
    init(_ connection: Connection) { self.connection = connection }
    func connected() {
        let names = connection.tlsPeer.map { [$0.commonName ?? "-"] + $0.alternativeNames } ?? ["nobody"]
        connection.write(
            "\(connection.peer.map { "\($0)" } ?? "local") \(names.joined(separator: " "))\n")
    }
    func received(_ bytes: UnsafeRawBufferPointer) { connection.write(bytes) }
    func peerFinished() { connection.closeAfterFlush() }
    func closed(_ cause: CloseCause) {}
}

private func echo(at place: ListenPlace, _ settings: Listener.Settings = .init()) throws(LineError) -> Listener {
    try Listener.listen(at: place, loops: TestLoops.all, settings: settings) { Echo($0) }
}

/// What the server says to a client of a socket file that sends `octets` and finishes.
private func exchange(path: String, _ octets: [UInt8]) throws -> String {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    try #require(result == 0, "connect: \(errno)")
    _ = send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL))
    shutdown(descriptor, Int32(SHUT_WR))
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = recv(descriptor, &piece, piece.count, 0)
        if count <= 0 { return String(decoding: all, as: UTF8.self) }
        all += piece.prefix(count)
    }
}

private let header: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
private let four: [UInt8] = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0x1F, 0x8D]
private let six: [UInt8] = [
    0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80, 0x1F,
    0x8D,
]

@Suite(.timeLimit(.minutes(1)))
struct ListenPlaceTests {
    @Test func `a socket of the file system is listened on by every loop, and goes with the listener`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/gateway.sock"
        var settings = Listener.Settings()
        settings.pathMode = 0o600
        do {
            let listener = try echo(at: .path(path), settings)
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            for number in 0..<8 {
                #expect(try exchange(path: path, Array("hello \(number)".utf8)) == "local nobody\nhello \(number)")
            }
            #expect(throws: LineError.addressInUse) { try echo(at: .path(path)) }
            #expect(listener.place == .path(path))
        }
        while access(path, F_OK) == 0 { sched_yield() }
    }

    @Test func `a socket that a killed process left is replaced, a file is not`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/left.sock"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(dead, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        close(dead)
        let listener = try echo(at: .path(path))
        #expect(try exchange(path: path, []) == "local nobody\n")
        withExtendedLifetime(listener) {}

        let file = folder.path + "/file"
        close(open(file, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: LineError.system(EEXIST)) { try echo(at: .path(file)) }
        #expect(access(file, F_OK) == 0)
    }

    @Test func `a listening socket that was opened before is taken over`() async throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(bound == 0)
        #expect(throws: LineError.system(EINVAL)) { try echo(at: .inherited(descriptor: dup(descriptor))) }
        #expect(listen(descriptor, 16) == 0)
        let listener = try echo(at: .inherited(descriptor: descriptor))
        for _ in 0..<4 {
            let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
            await line.finishSending()
            #expect(String(decoding: try await line.readAll(), as: UTF8.self).hasPrefix("127.0.0.1:"))
        }
    }

    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1:80", true), ("unix:/run/p.sock", "unix:/run/p.sock", true),
        ("*:1", "[::]:1", false),
        ("10.0.0.1:80", "10.0.0.1:80", false),
    ])
    func `a place is read as it is written`(_ text: String, _ written: String, _ isLocal: Bool) throws {
        let place = try #require(ListenPlace(text))
        #expect(place.description == written)
        #expect(place.isLocal == isLocal)
    }

    @Test(arguments: ["unix:", "unix:" + String(repeating: "x", count: 108), "unix:a\0b", "localhost:1"])
    func `what is no place is refused`(_ text: String) { #expect(ListenPlace(text) == nil) }
}

@Suite(.timeLimit(.minutes(1)))
struct ProxyHeaderTests {
    /// What follows the signature, and the client it names.
    static let good: [([UInt8], String?)] = [
        ([0x21, 0x11, 0, 12] + four, "192.0.2.7:12345"), ([0x21, 0x21, 0, 36] + six, "[2001:db8::9]:80"),
        ([0x21, 0x11, 0, 15] + four + [4, 0, 0], "192.0.2.7:12345"), ([0x20, 0x11, 0, 12] + four, nil),
        ([0x20, 0, 0, 0], nil), ([0x21, 0x31, 0, 2, 9, 9], nil),
    ]

    @Test(arguments: good)
    func `a header names the client, or leaves it to the proxy`(_ rest: [UInt8], _ client: String?) throws {
        let octets = header + rest
        let read = try ProxyHeader(octets + [0x47, 0x45, 0x54])
        #expect(read.client?.description == client)
        #expect(read.length == octets.count)
    }

    static let bad: [([UInt8], ProxyHeader.Fault)] = [
        ([0x11, 0x11, 0, 12], .unknownVersion), ([0x22, 0x11, 0, 12], .unknownVersion),
        ([0x21, 0x11, 0x7F, 0xFF], .tooLong), ([0x21, 0x11, 0, 12, 1, 2, 3], .tooShort),
        ([0x21, 0x11, 0, 4, 1, 2, 3, 4], .tooShort), ([], .tooShort),
    ]

    @Test(arguments: bad)
    func `what is no header is a typed fault`(_ rest: [UInt8], _ fault: ProxyHeader.Fault) {
        #expect(throws: fault) { try ProxyHeader(header + rest) }
        #expect(throws: ProxyHeader.Fault.notAHeader) { try ProxyHeader(Array("GET / HTTP/1.1\r\n".utf8)) }
    }

    @Test func `a proxy's connection counts for its client, and exactly the header is taken`() async throws {
        var settings = Listener.Settings()
        settings.isProxy = { $0.isLoopback }
        let listener = try echo(at: .address(TestLoops.loopback), settings)
        for size in [1, 7, 100] {
            let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
            let octets: [UInt8] = header + [0x21, 0x11, 0, 12] + four
            var rest = (octets + Array("data".utf8))[...]
            while !rest.isEmpty {
                try await line.write(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            await line.finishSending()
            #expect(String(decoding: try await line.readAll(), as: UTF8.self) == "192.0.2.7:12345 nobody\ndata")
        }
    }

    @Test func `a connection from a proxy without a header is closed unheard`() async throws {
        var settings = Listener.Settings()
        settings.isProxy = { $0.isLoopback }
        let listener = try echo(at: .address(TestLoops.loopback), settings)
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one)
        try await line.write(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        #expect((try? await line.readAll())?.isEmpty ?? true)
        #expect(listener.connectionCount == 0)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct TLSIdentityTests {
    let certificates: TestCertificates
    init() throws { certificates = try TestCertificates.shared.get() }

    private func greeting(_ listener: Listener, _ client: TLSClientSettings) async throws -> String {
        let line = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one, tls: client)
        await line.finishSending()
        return String(decoding: try await line.readAll(), as: UTF8.self)
    }

    private func listener(_ clients: TLSServerSettings.Clients) throws -> Listener {
        var settings = Listener.Settings()
        settings.tls = try TLSServerSettings(
            certificateFile: certificates.certificate, keyFile: certificates.key, clients: clients)
        return try echo(at: .address(TestLoops.loopback), settings)
    }

    @Test func `a client is known by its certificate, and may have none when only asked`() async throws {
        let listener = try listener(.asked(authorityFile: certificates.authority))
        let known = try TLSClientSettings(
            authorityFile: certificates.authority, certificateFile: certificates.foreignCertificate,
            keyFile: certificates.foreignKey)
        #expect(try await greeting(listener, known).hasSuffix(" foreign dns:elsewhere.example\n"))
        let unknown = try TLSClientSettings(authorityFile: certificates.authority)
        #expect(try await greeting(listener, unknown).hasSuffix(" nobody\n"))
    }

    @Test func `without a certificate there is no session where one is required`() async throws {
        let listener = try listener(.required(authorityFile: certificates.authority))
        let unknown = try TLSClientSettings(authorityFile: certificates.authority)
        await #expect(throws: LineError.self) { _ = try await greeting(listener, unknown) }
    }

    @Test func `a certificate of a strange authority is no identity`() async throws {
        let listener = try listener(.asked(authorityFile: certificates.strangeAuthority))
        let known = try TLSClientSettings(
            authorityFile: certificates.authority, certificateFile: certificates.foreignCertificate,
            keyFile: certificates.foreignKey)
        await #expect(throws: LineError.self) { _ = try await greeting(listener, known) }
    }

    @Test func `a new certificate serves new connections, and those that stand stay`() async throws {
        let folder = try TemporaryFolder()
        func lay(_ certificate: String, _ key: String) throws {
            for (from, to) in [(certificate, "c.pem"), (key, "k.pem")] {
                try #require(copy(from, to: "\(folder.path)/\(to)"))
            }
        }
        try lay(certificates.certificate, certificates.key)
        let tls = try TLSServerSettings(certificateFile: folder.path + "/c.pem", keyFile: folder.path + "/k.pem")
        var settings = Listener.Settings()
        settings.tls = tls
        let listener = try echo(at: .address(TestLoops.loopback), settings)
        let client = try TLSClientSettings(authorityFile: certificates.authority)
        let standing = try await TCPLine.connect(to: listener.localAddress, on: TestLoops.one, tls: client)
        _ = try await standing.read()

        try lay(certificates.foreignCertificate, certificates.key)
        #expect(throws: LineError.self) { try tls.reload() }
        #expect(try await greeting(listener, client).hasSuffix("nobody\n"))

        try lay(certificates.foreignCertificate, certificates.foreignKey)
        try tls.reload()
        await #expect(throws: LineError.self) { _ = try await greeting(listener, client) }
        let elsewhere = try TLSClientSettings(authorityFile: certificates.authority, expectedName: "elsewhere.example")
        #expect(try await greeting(listener, elsewhere).hasSuffix("nobody\n"))
        try await standing.write([1])
        #expect(try await standing.read() == [1])
    }
}

private func copy(_ from: String, to: String) -> Bool {
    guard let source = fopen(from, "r"), let target = fopen(to, "w") else { return false }
    defer {
        fclose(source)
        fclose(target)
    }
    var octets = [UInt8](repeating: 0, count: 65536)
    let count = fread(&octets, 1, octets.count, source)
    return fwrite(octets, 1, count, target) == count
}
