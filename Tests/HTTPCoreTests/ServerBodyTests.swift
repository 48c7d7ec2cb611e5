import Glibc
import HTTPCore
import Lines
import Testing

/// Bodies in both directions, clients that are slow, and clients that leave.
@Suite struct ServerBodyTests {
    @Test func `100 Continue comes when the handler asks for the body, and not before`() async throws {
        let gate = Signal()
        try await TestServer.with(routes: { router in
            router.on(.post, "/a", name: "a", body: .upTo(100)) { request, body in
                await gate.wait()
                if request.query.has("refuse") { throw Problem(.unauthenticated, "No.") }
                return .text(try await body.collect(upTo: 100).text)
            }
        }) { server in
            let client = try await server.connect()
            try await client.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            gate.give()
            let first = try await client.answer()
            #expect(first.status == 100 && first.fields.isEmpty)
            try await client.send("hello")
            #expect(try await client.answer().text == "hello")
            // A handler that refuses does so with a final status; whether a body follows is then unknown, so: close.
            try await client.send(
                "POST /a?refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            gate.give()
            let refused = try await client.answer()
            #expect(refused.status == 401)
            #expect(refused["Connection"] == "close")
            #expect(try await client.restText() == "")
        }
    }

    @Test func `a client that sends without waiting for 100 gets none`() async throws {
        let gate = Signal()
        try await TestServer.with(routes: { router in
            router.on(.post, "/a", name: "a", body: .upTo(100)) { _, body in
                await gate.wait()
                return .text(try await body.collect(upTo: 100).text)
            }
        }) { server in
            let client = try await server.connect()
            try await client.send(
                "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            gate.give()
            #expect(try await client.answer().text == "hello")
        }
    }

    @Test func `HTTP 1.0 gets no 100`() async throws {
        try await TestServer.with { server in
            let text = try await server.exchange(
                "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
            #expect(text.hasPrefix("HTTP/1.1 200 ") && text.hasSuffix("\r\n\r\nhi"))
        }
    }

    @Test(arguments: [true, false])
    func `64 MiB go up through a handler that holds none of it`(_ isChunked: Bool) async throws {
        let total = 64 << 20
        let most = Locked(0)
        try await TestServer.with(routes: { router in
            router.on(.put, "/sink", name: "sink", body: .upTo(total)) { _, body in
                var count = 0, sum = 0
                while let piece = try await body.next() {
                    count += piece.count
                    sum &+= Int(piece[0]) &+ Int(piece[piece.count - 1])
                    most.withLock { $0 = max($0, piece.count) }
                }
                return .text("\(count)")
            }
        }) { server in
            let client = try await server.connect()
            let piece = [UInt8](repeating: 0x61, count: 1 << 20)
            try await client.send(
                "PUT /sink HTTP/1.1\r\nHost: a\r\n"
                    + (isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(total)\r\n\r\n"))
            for _ in 0..<64 {
                if isChunked { try await client.send("100000\r\n") }
                try await client.send(piece)
                if isChunked { try await client.send("\r\n") }
            }
            if isChunked { try await client.send("0\r\n\r\n") }
            #expect(try await client.answer().text == "\(total)")
        }
        #expect(most.withLock { $0 } <= 64 * 1024)
    }

    @Test func `a handler that reads slowly holds the client back`() async throws {
        let gate = Signal(), started = Signal()
        let total = 32 << 20
        try await TestServer.with(routes: { router in
            router.on(.put, "/sink", name: "sink", body: .upTo(total)) { _, body in
                started.give()
                await gate.wait()
                var count = 0
                while let piece = try await body.next() { count += piece.count }
                return .text("\(count)")
            }
        }) { server in
            let client = try await server.connect()
            try await client.send("PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
            await started.wait()
            // The kernel takes some MiB; what is beyond stays with us, because the server does not read.
            await #expect(throws: LineError.deadline) {
                for _ in 0..<32 {
                    try await client.line.write([UInt8](repeating: 1, count: 1 << 20), within: .milliseconds(300))
                }
            }
            let before = await client.line.bufferedBytes()
            #expect(before > 0)
            gate.give()
        }
    }

    @Test func `a connection is read from again after a body that was held back to its end`() async throws {
        let gate = Signal()
        try await TestServer.with {
            $0.limits.unreadBodyBytes = 1000
        } routes: { router in
            router.on(.put, "/a", name: "a", body: .upTo(1 << 20)) { _, body in
                await gate.wait()
                return .text("\(try await body.collect(upTo: 1 << 20).count)")
            }
            router.on(.get, "/b", name: "b") { _, _ in .text("b") }
        } _: { server in
            let client = try await server.connect()
            let body = String(repeating: "a", count: 5000)
            try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + body)
            gate.give()
            #expect(try await client.answer().text == "5000")
            try await client.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "b")
        }
    }

    @Test(arguments: [true, false])
    func `64 MiB go down in flat memory to a client that reads slowly`(_ hasLength: Bool) async throws {
        let total = 64 << 20
        let written = Locked(0)
        try await TestServer.with(routes: { router in
            router.on(.get, "/source", name: "source") { _, _ in
                .stream(contentType: "text/plain", length: hasLength ? total : nil) { writer in
                    let piece = [UInt8](repeating: 0x62, count: 64 << 10)
                    for _ in 0..<(total / piece.count) {
                        try await writer.write(piece)
                        written.withLock { $0 += piece.count }
                    }
                }
            }
        }) { server in
            let client = try await server.connect()
            try await client.send("GET /source HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            _ = try await client.until("\r\n\r\n")
            var last = -1, same = 0
            while same < 2000 {  // until the writer stands still
                await Task.yield()
                let now = written.withLock { $0 }
                same = now == last ? same + 1 : 0
                last = now
            }
            #expect(last < 32 << 20, "the kernel's buffers and ours hold \(last) octets")
            var count = try await client.rest().count
            if !hasLength { count -= (total / (64 << 10)) * 9 + 5 }
            #expect(count == total || hasLength == false && count > total)
        }
        #expect(written.withLock { $0 } == total)
    }

    @Test func `a stream that fails or is too short does not look whole`() async throws {
        struct Failure: Error {}
        try await TestServer.with(routes: { router in
            router.on(.get, "/chunks", name: "chunks") { _, _ in
                .stream(contentType: "text/plain") { writer in
                    try await writer.write("half")
                    throw Failure()
                }
            }
            router.on(.get, "/short", name: "short") { _, _ in
                .stream(contentType: "text/plain", length: 10) { try await $0.write("half") }
            }
            router.immediate(.get, "/good", name: "good") { _ in
                .stream(contentType: "text/plain") { writer in
                    try await writer.write("a")
                    try await writer.write([])
                    try await writer.write("b")
                }
            }
        }) { server in
            let chunks = try await server.exchange("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(chunks.hasSuffix("\r\n\r\n4\r\nhalf\r\n"))
            let short = try await server.exchange("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(short.contains("Content-Length: 10\r\n") && short.hasSuffix("half"))
            let client = try await server.connect()
            try await client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "ab")
            try await client.send("HEAD /good HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try await client.answer(toHead: true)
            #expect(head["Transfer-Encoding"] == "chunked")
            try await client.send("GET /good HTTP/1.0\r\n\r\n")
            let old = try await client.answer()
            #expect(old.text == "ab" && old["Connection"] == "close" && old["Transfer-Encoding"] == nil)
        }
    }

    @Test func `a waiter goes away with its client`() async throws {
        let started = Signal(), gone = Signal()
        try await TestServer.with(routes: { router in
            router.on(.get, "/wait", name: "wait") { _, _ in
                started.give()
                do {
                    try await Task.sleep(for: .seconds(60))
                } catch {
                    gone.give()
                    throw error
                }
                return .text("")
            }
        }) { server in
            let one = try await server.connect()
            try await one.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            one.line.close()
            await gone.wait()
            let two = try await server.connect()
            try await two.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            two.line.abort()
            await gone.wait()
        }
    }

    @Test func `a stream ends with its client`() async throws {
        let gone = Signal()
        try await TestServer.with(routes: { router in
            router.on(.get, "/events", name: "events") { _, _ in
                Response(
                    contentType: EventStream.contentType, fields: EventStream.fields,
                    body: .stream(length: nil) { writer in
                        let events = EventStream(writer)
                        do {
                            for number in 0... { try await events.send(id: "\(number)", data: "x") }
                        } catch {
                            gone.give()
                            throw error
                        }
                    })
            }
        }) { server in
            let client = try await server.connect()
            try await client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await client.until("data: x\n\n")
            client.line.abort()
            await gone.wait()
        }
    }

    @Test func `an upload that breaks off is not taken for whole`() async throws {
        let failures = Locked<[BodyError]>([])
        let ended = Signal()
        try await TestServer.with(routes: { router in
            router.on(.put, "/a", name: "a", body: .upTo(1000)) { _, body in
                do {
                    while try await body.next() != nil {}
                } catch let error as BodyError {
                    failures.withLock { $0.append(error) }
                    ended.give()
                    throw error
                }
                return .text("whole")
            }
        }) { server in
            for start in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
                let client = try await server.connect()
                try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\n\(start)")
                await client.line.finishSending()
                #expect(try await client.restText() == "")
                await ended.wait()
            }
            let client = try await server.connect()
            try await client.send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n")
            #expect(try await client.answer().status == 400)
            await ended.wait()
        }
        #expect(
            failures.withLock { $0 } == [
                .disconnected, .disconnected, .fault(.malformed("A chunk size must be hexadecimal digits.")),
            ])
    }

    @Test func `a body that a handler ignores is dropped when short, else the connection ends`() async throws {
        try await TestServer.with(routes: { router in
            router.on(.post, "/ignore", name: "ignore", body: .upTo(16 << 20)) { _, _ in .text("ok") }
            router.immediate(.get, "/next", name: "next") { _ in .text("next") }
        }) { server in
            let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
            let client = try await server.connect()
            let body = String(repeating: next, count: 1000)
            try await client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
            #expect(try await client.answer().text == "ok")
            try await client.send(body + next)
            #expect(try await client.answer().text == "next")
            // Longer: the body, which is made of requests, must not be answered as requests.
            let long = String(repeating: next, count: 60_000)
            try await client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: \(long.utf8.count)\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.text == "ok" && answer["Connection"] == "close")
            #expect(try await client.restText() == "")
        }
    }

    @Test func `an early refusal reaches a client that is still sending`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            try await client.send("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            try await client.send([UInt8](repeating: 0x61, count: 50_000))
            let answer = try await client.answer()
            #expect(answer.status == 404)
            #expect(answer["Connection"] == "close")
            #expect(try await client.restText() == "")
        }
    }

    @Test func `a client that does not read its answers is not read from`() async throws {
        let answered = Locked(0)
        try await TestServer.with {
            $0.answered = { _ in answered.withLock { $0 += 1 } }
        } routes: { router in
            let body = [UInt8](repeating: 0x63, count: 2000)
            router.immediate(.get, "/", name: "root") { _ in .json(body) }
        } _: { server in
            let client = try await server.connect()
            let request = String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 1000)
            await #expect(throws: LineError.deadline) {
                for _ in 0..<1000 { try await client.line.write(Array(request.utf8), within: .milliseconds(300)) }
            }
            #expect(answered.withLock { $0 } < 20_000)
            #expect(try await client.answer().body.count == 2000)
        }
    }
}
