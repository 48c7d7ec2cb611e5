import Glibc
import HTTPCore
import Lines
import Testing

/// Deadlines, with limits of a few hundredths of a second.
@Suite struct ServerTimeTests {
    @Test(arguments: ["G", "GET /ec", "GET /echo HTTP/1.1\r\n", "GET /echo HTTP/1.1\r\nHost: a\r\nX: ", "\r\n"])
    func `a head that does not come is answered 408`(_ part: String) async throws {
        try await TestServer.with {
            $0.limits.headTime = .milliseconds(150)
        } _: { server in
            let text = BlockingClient.exchange(server.address.port, part).text
            #expect(text.hasPrefix("HTTP/1.1 408 "))
            #expect(text.contains("\r\nConnection: close\r\n"))
            #expect(text.contains("application/problem+json"))
        }
    }

    @Test func `dripping octets do not move the head's deadline`() async throws {
        try await TestServer.with {
            $0.limits.headTime = .milliseconds(150)
        } _: { server in
            let text = BlockingClient.exchange(server.address.port, "GET /", drip: "a").text
            #expect(text.hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func `a connection that sends nothing is closed without words`() async throws {
        try await TestServer.with {
            $0.limits.headTime = .milliseconds(20)
        } _: { server in
            let client = try await server.connect()
            #expect(try await client.restText() == "")
        }
    }

    @Test func `an idle connection is closed without words`() async throws {
        try await TestServer.with {
            $0.limits.keepAliveTime = .milliseconds(20)
        } _: { server in
            let client = try await server.connect()
            try await client.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().status == 200)
            #expect(try await client.restText() == "")
        }
    }

    @Test func `a second head has its own deadline`() async throws {
        try await TestServer.with {
            $0.limits.headTime = .milliseconds(150)
        } _: { server in
            let text = BlockingClient.exchange(server.address.port, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET").text
            #expect(text.hasPrefix("HTTP/1.1 200 "))
            #expect(text.contains("HTTP/1.1 408 "))
        }
    }

    @Test func `a body that does not come is answered 408`() async throws {
        let failed = Signal()
        try await TestServer.with {
            $0.limits.bodyTime = .milliseconds(30)
        } routes: { router in
            router.on(.put, "/a", name: "a", body: .upTo(1000)) { _, body in
                do { while try await body.next() != nil {} } catch BodyError.timedOut { failed.give() }
                return .text("late")
            }
        } _: { server in
            let client = try await server.connect()
            try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
            let answer = try await client.answer()
            #expect(answer.status == 408)
            #expect(try await client.restText() == "")
            await failed.wait()
        }
    }

    @Test func `a body that keeps the rate may take longer than the first allowance`() async throws {
        try await TestServer.with {
            $0.limits.bodyTime = .milliseconds(40)
            $0.limits.slowestBodyRate = 100
        } _: { server in
            let client = try await server.connect()
            // 300 octets earn 3 s; they come at once, the rest after 150 ms, which is behind the first allowance.
            try await client.send(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 305\r\n\r\n" + String(repeating: "a", count: 300))
            try await Task.sleep(for: .milliseconds(150))
            try await client.send("hello")
            #expect(try await client.answer().body.count == 305)
        }
    }

    @Test func `no rate helps against the longest time`() async throws {
        try await TestServer.with {
            $0.limits.bodyTime = .milliseconds(20)
            $0.limits.longestBodyTime = .milliseconds(40)
            $0.limits.slowestBodyRate = 1
        } _: { server in
            let client = try await server.connect()
            try await client.send(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + String(repeating: "a", count: 3000))
            #expect(try await client.answer().status == 408)
        }
    }

    @Test func `time in which the handler does not read is not the client's`() async throws {
        let gate = Signal()
        try await TestServer.with {
            $0.limits.bodyTime = .milliseconds(700)
            $0.limits.slowestBodyRate = 1 << 40
            $0.limits.unreadBodyBytes = 1000
        } routes: { router in
            router.on(.put, "/a", name: "a", body: .upTo(1 << 20)) { _, body in
                await gate.wait()
                return .text("\(try await body.collect(upTo: 1 << 20).count)")
            }
        } _: { server in
            let client = try await server.connect()
            try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
            try await client.send([UInt8](repeating: 0x61, count: 200_000))
            try await Task.sleep(for: .milliseconds(900))
            gate.give()
            #expect(try await client.answer().text == "200000")
        }
    }

    @Test func `a client that waits for 100 Continue has no deadline until it gets it`() async throws {
        let gate = Signal()
        try await TestServer.with {
            $0.limits.bodyTime = .milliseconds(30)
        } routes: { router in
            router.on(.put, "/a", name: "a", body: .upTo(100)) { _, body in
                await gate.wait()
                return .text("\(try await body.collect(upTo: 100).count)")
            }
        } _: { server in
            let client = try await server.connect()
            try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            try await Task.sleep(for: .milliseconds(80))
            gate.give()
            #expect(try await client.answer().status == 100)
            #expect(try await client.answer().status == 408)
        }
    }

    @Test func `an answer that is not taken is cut`() async throws {
        let gone = Signal()
        try await TestServer.with {
            $0.limits.writeStallTime = .milliseconds(50)
        } routes: { router in
            router.on(.get, "/endless", name: "endless") { _, _ in
                .stream(contentType: "text/plain") { writer in
                    let piece = [UInt8](repeating: 0x62, count: 64 << 10)
                    do { while true { try await writer.write(piece) } } catch { gone.give() }
                }
            }
        } _: { server in
            let client = try await server.connect()
            try await client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            await gone.wait()
        }
    }
}

/// A client that connects and sends without giving up its thread in between, so that the time from one to the other does
/// not depend on how busy the tests are.
enum BlockingClient {
    /// Sends `text`, then `drip` every 10 ms, until the server ends the connection.
    static func exchange(_ port: UInt16, _ text: String, drip: String = "") -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var patience = timeval(tv_sec: 0, tv_usec: 10_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { return [] }
        func put(_ text: String) { _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }
        put(text)
        var seen: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<1000 {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 || count < 0 && errno != EAGAIN { break }
            if count > 0 { seen += buffer[..<count] } else if !drip.isEmpty { put(drip) }
        }
        return seen
    }
}
