import Lines
import TestKit
import Testing
import Webhooks

/// What a receiver does, and what must follow.
struct Hostile: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let status: Int?
    let failure: SendFailure?
    let result: String
    let script: @Sendable (Peer) -> Void

    init(
        _ name: String, status: Int? = nil, failure: SendFailure? = nil, result: String? = nil,
        script: @escaping @Sendable (Peer) -> Void
    ) {
        testDescription = name
        self.status = status
        self.failure = failure
        self.result = result ?? failure?.rawValue ?? "delivered"
        self.script = script
    }

    private static func answer(_ name: String, _ text: String, status: Int?, result: String? = nil) -> Hostile {
        Hostile(name, status: status, result: result) { peer in
            peer.readRequest()
            peer.write(text)
            peer.waitForClose()
        }
    }

    static let all: [Hostile] = [
        answer("an ordinary answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200),
        answer("204 without a body", "HTTP/1.1 204 No Content\r\n\r\n", status: 204),
        answer("500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", status: 500, result: "status"),
        answer("410", "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", status: 410, result: "gone"),
        answer(
            "a redirect to the metadata service",
            "HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n", status: 301,
            result: "redirect_refused"),
        answer(
            "103 and then 200",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            status: 200),
        answer(
            "a body that is said to be compressed",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            status: 200),
        answer(
            "100 MB with length",
            "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n" + String(repeating: "x", count: 4096),
            status: 200),
        answer(
            "100 MB with length behind 500", "HTTP/1.1 500 No\r\nContent-Length: 104857600\r\n\r\nx", status: 500,
            result: "status"),
        Hostile("accepts and stays silent", failure: .timeout) { peer in
            peer.readRequest()
            peer.waitForClose()
        },
        Hostile("a header octet at a time", failure: .timeout) { peer in
            peer.readRequest()
            for octet in "HTTP/1.1 200 OK\r\nX-Slow: \(String(repeating: "a", count: 2000))".utf8 {
                guard peer.write([octet]) else { return }
                peer.pause(milliseconds: 20)
            }
        },
        Hostile("a body octet at a time behind 200", status: 200, failure: .timeout, result: "delivered") { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            for _ in 0..<5000 {
                guard peer.write("x") else { return }
                peer.pause(milliseconds: 20)
            }
        },
        Hostile("a chunked body without end", status: 200, failure: .malformedAnswer, result: "delivered") { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "1000\r\n" + String(repeating: "x", count: 4096) + "\r\n"
            while peer.write(chunk) {}
        },
        Hostile("a body without length or end behind 503", status: 503, failure: .malformedAnswer, result: "status") {
            peer in
            peer.readRequest()
            peer.write("HTTP/1.1 503 Later\r\n\r\n")
            while peer.write(String(repeating: "x", count: 4096)) {}
        },
        Hostile("10,000 headers", failure: .malformedAnswer) { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\n")
            for number in 0..<10_000 { guard peer.write("X-\(number): y\r\n") else { return } }
            peer.write("\r\n")
        },
        Hostile("few headers, but long ones", failure: .malformedAnswer) { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\n")
            for number in 0..<20 {
                guard peer.write("X-\(number): \(String(repeating: "y", count: 4000))\r\n") else { return }
            }
            peer.write("Content-Length: 0\r\n\r\n")
        },
        Hostile("a header line without end", failure: .malformedAnswer) { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nX: ")
            while peer.write(String(repeating: "y", count: 4096)) {}
        },
        Hostile("interim answers without end", failure: .malformedAnswer) { peer in
            peer.readRequest()
            while peer.write("HTTP/1.1 103 Early Hints\r\n\r\n") {}
        },
        Hostile("garbage", failure: .malformedAnswer) { peer in
            peer.readRequest()
            peer.write([0x00, 0xFF, 0x16, 0x03, 0x01] + Array(repeating: 0xAA, count: 500))
        },
        Hostile("HTTP/0.9", failure: .malformedAnswer) { peer in
            peer.readRequest()
            peer.write("<html>secret of an inner service</html>")
        },
        Hostile("another protocol's greeting", failure: .malformedAnswer) { peer in
            peer.write("220 mail.example ESMTP\r\n")
            peer.waitForClose()
        },
        Hostile("closes at once", failure: .disconnected) { _ in },
        Hostile("closes after the request", failure: .disconnected) { peer in peer.readRequest() },
        Hostile("closes in the head", failure: .disconnected) { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Le")
        },
        Hostile("closes in the body of 200", status: 200, failure: .disconnected, result: "delivered") { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        },
        Hostile("closes after the answer", status: 200) { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\n\r\nbye")
        },
        Hostile("resets", failure: .disconnected) { peer in
            peer.readRequest()
            peer.resetOnClose()
        },
    ]
}

@Suite(.serialized) struct SenderTests {
    @Test(arguments: Hostile.all)
    func `a receiver costs bounded time and gets its verdict`(_ hostile: Hostile) async throws {
        let receiver = try Receiver(script: hostile.script)
        var settings = quickSender()
        // Only who makes us wait needs a short limit; a busy machine may keep the others waiting.
        if hostile.failure != .timeout { settings.timeout = .seconds(25) }
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        let began = ContinuousClock.now
        let result = await sender.send(try request(receiver.url))
        #expect(ContinuousClock.now - began < .seconds(25))
        #expect(result.status == hostile.status)
        if hostile.failure != nil { #expect(result.failure == hostile.failure) }
        #expect(Verdict(status: result.status, failure: result.failure).result == hostile.result)
        #expect(result.answer.count <= 4096)
        if result.status == nil { #expect(result.answer.isEmpty, "what is not HTTP is not shown") }
        await sender.stop()
        receiver.stop()
    }

    @Test func `the request is what Standard Webhooks and the note say`() async throws {
        let receiver = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 5\r\n\r\nlater")
        }
        let sender = try Sender(settings: quickSender(), filter: loopbackGuard().filter)
        let result = await sender.send(try request("http://localhost:\(receiver.port)/a/b?c=d", body: #"{"a":1}"#))
        #expect(result.status == 429)
        #expect(result.retryAfter == "17")
        #expect(result.answer == Array("later".utf8))
        #expect(result.timings.total > .zero)
        let got = try #require(receiver.requests.first)
        #expect(got.line == "POST /a/b?c=d HTTP/1.1")
        #expect(got.body == Array(#"{"a":1}"#.utf8))
        #expect(
            got.headers == [
                "host": "localhost:\(receiver.port)", "user-agent": "port77/1.2.3", "accept": "*/*",
                "content-type": "application/json", "content-length": "7",
            ])
        await sender.stop()
    }

    @Test func `a connection is used again for the same receiver, and not beyond it`() async throws {
        let script: @Sendable (Peer) -> Void = { peer in
            while peer.readRequest() != nil { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
        }
        let (one, other) = (try Receiver(script: script), try Receiver(script: script))
        let sender = try Sender(settings: quickSender(), filter: loopbackGuard().filter)
        for turn in 0..<10 {
            let result = await sender.send(try request(one.url))
            #expect(result.status == 200)
            #expect(result.isReused == (turn > 0))
        }
        #expect(await sender.send(try request(other.url)).isReused == false)
        // The same name and port at another address is another receiver.
        #expect(await sender.send(try request(one.url, pinnedTo: .v4(0x7F00_0002))).status == nil)
        #expect(one.acceptedConnections == 1)
        #expect(one.requests.count == 10)
        await sender.stop()
    }

    @Test func `a connection that the receiver closed meanwhile is replaced`() async throws {
        let receiver = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        let sender = try Sender(settings: quickSender(), filter: loopbackGuard().filter)
        for _ in 0..<5 { #expect(await sender.send(try request(receiver.url)).status == 200) }
        await sender.stop()
    }

    @Test func `nobody listens, and nobody accepts`() async throws {
        let sender = try Sender(settings: quickSender(), filter: loopbackGuard().filter)
        let closed = try Receiver { _ in }
        let port = closed.port
        closed.stop()
        let refused = await sender.send(try request("http://127.0.0.1:\(port)/"))
        #expect(refused.failure == .connectFailed)
        let full = try Receiver(backlog: 0, accepts: false) { _ in }
        let results = await withTaskGroup(of: SendResult.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    guard let request = try? request("http://127.0.0.1:\(full.port)/") else { return SendResult() }
                    return await sender.send(request)
                }
            }
            var results: [SendResult] = []
            for await result in group { results.append(result) }
            return results
        }
        #expect(results.allSatisfy { $0.failure == .timeout })
        await sender.stop()
    }

    @Test func `a slow receiver delays no other, and a stop ends it`() async throws {
        let silent = try Receiver { $0.waitForClose() }
        let quick = try Receiver { peer in
            while peer.readRequest() != nil { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
        }
        var settings = quickSender()
        settings.timeout = .seconds(30)
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        let hanging = try (0..<100).map { _ in
            let request = try request(silent.url)
            return Task { await sender.send(request) }
        }
        let began = ContinuousClock.now
        for _ in 0..<50 { #expect(await sender.send(try request(quick.url)).status == 200) }
        #expect(ContinuousClock.now - began < .seconds(25))
        await sender.stop()
        for task in hanging { #expect(await task.value.failure == .stopped) }
        #expect(await sender.send(try request(quick.url)).failure == .stopped)
    }

    @Test func `a forbidden address is stopped at the socket, whoever pinned it`() async throws {
        let inner = try Receiver { _ in }
        // Nothing is allowed here: what the guard let through by an older answer of the name server, say.
        let sender = try Sender(settings: quickSender(), filter: AddressFilter())
        for address in [IPAddress.loopback, .v6(high: 0, low: 0xFFFF_7F00_0001), .v4(0x7F12_3456), .v4(0)] {
            let result = await sender.send(try request("http://rebound.example:\(inner.port)/", pinnedTo: address))
            #expect(result.failure == .blockedAddress)
            #expect(result.answer.isEmpty)
        }
        #expect(inner.acceptedConnections == 0)
        await sender.stop()
    }

    @Test func `a header with a line end cannot be made`() {
        #expect(SendHeader("webhook-id", "a\r\nHost: b") == nil)
        #expect(SendHeader("webhook-id", "a\u{0}") == nil)
        #expect(SendHeader("webhook id", "a") == nil)
        #expect(SendHeader("webhook-id:", "a") == nil)
        #expect(SendHeader("", "a") == nil)
        #expect(SendHeader("webhook-id", "evt_1") != nil)
    }
}

/// Beside the other suite, for libcurl takes its time to call an answer stalled.
@Suite struct SenderStallTests {
    @Test func `an answer that has begun and stalls is given up before the time limit`() async throws {
        let receiver = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            peer.waitForClose()
        }
        var settings = quickSender()
        settings.timeout = .seconds(20)
        let sender = try Sender(settings: settings, filter: loopbackGuard().filter)
        let began = ContinuousClock.now
        let result = await sender.send(try request(receiver.url))
        #expect(ContinuousClock.now - began < .seconds(15))
        #expect(result.status == 200)
        #expect(result.failure == .timeout)
        await sender.stop()
        receiver.stop()
    }
}
