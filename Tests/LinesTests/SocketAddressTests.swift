import Lines
import TestKit
import Testing

struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1:8077", "127.0.0.1:8077"), ("0.0.0.0:0", "0.0.0.0:0"), ("[::1]:80", "[::1]:80"),
        ("*:65535", "[::]:65535"), ("[2001:db8::0:7]:77", "[2001:db8::7]:77"),
    ])
    func `a numeric address is read and written`(_ text: String, _ written: String) {
        #expect(SocketAddress(text)?.description == written)
    }

    @Test(arguments: [
        "", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8 0", "127.0.0.1:+80",
        "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80", "[::1:80", "256.0.0.1:80", "name:80", "a b:80", "1.2.3:80",
    ])
    func `what is no numeric address is refused`(_ text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test func `a host with a port may be a name, and the port may have a default`() {
        #expect(HostPort("rje.example:77") == HostPort(host: "rje.example", port: 77))
        #expect(HostPort("rje.example", defaultPort: 77) == HostPort(host: "rje.example", port: 77))
        #expect(HostPort("[::1]", defaultPort: 77)?.description == "[::1]:77")
        #expect(HostPort("rje.example") == nil)
        #expect(HostPort("::1", defaultPort: 77) == nil)
        #expect(HostPort("a\u{0}b:1") == nil)
    }

    @Test func `a mapped IPv4 address counts as IPv4, and an IPv6 client as its network`() {
        #expect(IPAddress("::ffff:10.1.2.3")?.unmapped == IPAddress("10.1.2.3"))
        #expect(IPAddress("::1:2")?.unmapped == IPAddress("::1:2"))
        #expect(IPAddress("2001:db8:1:2:3:4:5:6")?.client == IPAddress("2001:db8:1:2::"))
        #expect(IPAddress("10.1.2.3")?.client == IPAddress("10.1.2.3"))
    }

    @Test(arguments: [
        ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("128.0.0.1", false), ("::", false),
    ])
    func `loopback is known`(_ text: String, _ isLoopback: Bool) {
        #expect(IPAddress(text)?.isLoopback == isLoopback)
    }

    @Test func `names are resolved, numeric hosts are themselves, nonsense is not`() async throws {
        let local = try await Resolver.resolve("localhost", port: 77)
        #expect(
            local.contains(SocketAddress(.loopback, port: 77)) || local.contains(SocketAddress(.loopbackV6, port: 77)))
        #expect(try await Resolver.resolve("::1", port: 1) == [SocketAddress(.loopbackV6, port: 1)])
        await #expect(throws: LineError.unresolved("no.such.host.invalid")) {
            try await Resolver.resolve("no.such.host.invalid", port: 77)
        }
        await #expect(throws: LineError.unresolved("a\0b")) { try await Resolver.resolve("a\0b", port: 77) }
        await #expect(throws: LineError.badAddress("x:70000")) { try await Resolver.resolve("x", port: 70000) }
    }

    @Test func `errors speak to an operator`() {
        #expect(LineError.refused.description == "connection refused: nothing listens on that port")
        #expect(LineError.system(28).description == "system error 28: No space left on device")
    }
}
