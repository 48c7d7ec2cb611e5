import HTTPCore
import Lines
import Testing

@Suite struct ServerTests {
    @Test func `every row of the conventions holds over a socket`() async throws {
        try await TestServer.with {
            $0.knownHosts = ["a", "a.example", "127.0.0.1", "[::1]"]
        } _: { server in
            for row in RequestRow.all {
                let client = try await server.connect()
                try await client.send(row.bytes)
                let isHead = row.bytes.starts(with: Array("HEAD".utf8))
                let answer = try await client.answer(toHead: isHead)
                switch row.verdict {
                case .refused(let status):
                    #expect(answer.status == status, "\(row.name): \(answer)")
                    #expect(answer["Connection"] == "close", "\(row.name)")
                    #expect(answer["Content-Type"] == "application/problem+json", "\(row.name)")
                    #expect(answer.text.contains("\"request_id\":\"\(answer["Request-Id"] ?? "?")\""), "\(row.name)")
                    let rest = try await client.restText()
                    #expect(rest == "", "\(row.name)")
                case .answered(let status, let keepsAlive):
                    #expect(answer.status == status, "\(row.name): \(answer)")
                    #expect((answer["Connection"] != "close") == keepsAlive, "\(row.name): \(answer)")
                    if status >= 400, !isHead {
                        #expect(answer["Content-Type"] == "application/problem+json", "\(row.name)")
                    }
                    if keepsAlive {
                        // The connection is in step: the next request is seen as one, and answered.
                        try await client.send("GET /echo?a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                        let next = try await client.answer()
                        #expect(next.status == 200 && next.text == "1", "\(row.name): \(next)")
                    }
                    let rest = try await client.restText()
                    #expect(rest == "", "\(row.name)")
                }
                #expect(answer["Date"]?.hasSuffix(" GMT") == true)
            }
        }
    }

    @Test func `a method the path lacks is named in Allow`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            try await client.send("DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            let refused = try await client.answer()
            #expect(refused.status == 405)
            #expect(refused["Allow"] == "GET, HEAD, POST, OPTIONS")
            try await client.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            let options = try await client.answer()
            #expect(options.status == 204)
            #expect(options["Allow"] == "GET, HEAD, POST, OPTIONS")
            #expect(options["Content-Length"] == nil)
        }
    }

    @Test func `pages of a site that is named may read answers, those of others may not`() async throws {
        try await TestServer.with {
            _ = $0.origins.add("https://jobs.example")
            _ = $0.origins.add("http://localhost:3000")
        } _: { server in
            let client = try await server.connect()
            func answer(_ method: String, _ fields: String) async throws -> Answer {
                try await client.send("\(method) /echo HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
                return try await client.answer()
            }
            let known = try await answer("GET", "Origin: https://jobs.example\r\n")
            #expect(known["Access-Control-Allow-Origin"] == "https://jobs.example")
            #expect(known["Access-Control-Expose-Headers"]?.contains("Location") == true)
            #expect(known["Vary"]?.contains("Origin") == true)
            #expect(known["Access-Control-Allow-Credentials"] == nil)
            for other in [
                "https://jobs.example.evil", "http://jobs.example", "https://JOBS.example", "null",
                "https://jobs.example:8443",
            ] {
                let refused = try await answer("GET", "Origin: \(other)\r\n")
                #expect(refused["Access-Control-Allow-Origin"] == nil, "\(other)")
                #expect(refused["Vary"]?.contains("Origin") == true, "\(other)")
            }
            #expect(
                try await answer("DELETE", "Origin: http://localhost:3000\r\n")["Access-Control-Allow-Origin"] != nil)
            let asked = "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: POST\r\n"
            let preflight = try await answer("OPTIONS", asked)
            #expect(preflight.status == 204)
            #expect(preflight["Access-Control-Allow-Origin"] == "http://localhost:3000")
            #expect(preflight["Access-Control-Allow-Methods"] == "GET, HEAD, POST, OPTIONS")
            #expect(preflight["Access-Control-Allow-Headers"]?.contains("Idempotency-Key") == true)
            let foreign = try await answer(
                "OPTIONS", "Origin: https://x.example\r\nAccess-Control-Request-Method: POST\r\n")
            #expect(foreign["Access-Control-Allow-Methods"] == nil && foreign["Access-Control-Allow-Origin"] == nil)
        }
    }

    @Test func `without other sites nothing is said of them`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            try await client.send("GET /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://jobs.example\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer["Access-Control-Allow-Origin"] == nil && answer["Vary"] == nil)
        }
    }

    @Test(arguments: [
        "jobs.example", "https://", "https://jobs.example/", "https://jobs.example/x", "ftp://jobs.example", "*",
        "null",
        "https://Jobs.example", "https://u@jobs.example", "https://jobs.example:99999", "https://a b",
    ])
    func `what no browser sends is no origin`(text: String) {
        var origins = Origins()
        let isTaken = origins.add(text)
        #expect(!isTaken)
        #expect(origins.isEmpty)
    }

    @Test func `TRACE never echoes`() async throws {
        try await TestServer.with { server in
            let text = try await server.exchange(
                "TRACE /echo HTTP/1.1\r\nHost: a\r\nX-Secret: abc\r\nConnection: close\r\n\r\n")
            #expect(text.hasPrefix("HTTP/1.1 405 "))
            #expect(!text.contains("Secret"))
        }
    }

    @Test func `HEAD answers the fields of GET and no body`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            try await client.send("GET /echo?a HTTP/1.1\r\nHost: a\r\nX-Request-ID: me\r\n\r\n")
            let got = try await client.answer()
            try await client.send("HEAD /echo?a HTTP/1.1\r\nHost: a\r\nX-Request-ID: me\r\n\r\n")
            let head = try await client.answer(toHead: true)
            #expect(
                got.fields.filter { $0.name != "Date" }.map { "\($0)" }
                    == head.fields.filter { $0.name != "Date" }.map { "\($0)" })
            try await client.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await client.answer().text == "0")
        }
    }

    @Test func `a usable request ID of the client is echoed, another is not`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            for (id, isUsed) in [
                ("a.B_c-9", true), (String(repeating: "x", count: 64), true),
                (String(repeating: "x", count: 65), false), ("a b", false), ("a\"b", false),
            ] {
                try await client.send("GET /nothing HTTP/1.1\r\nHost: a\r\nX-Request-ID: \(id)\r\n\r\n")
                let answer = try await client.answer()
                #expect((answer["Request-Id"] == id) == isUsed)
                #expect(answer["Request-Id"]?.isEmpty == false)
                #expect(answer.text.contains("\"request_id\":\"\(answer["Request-Id"] ?? "?")\""))
            }
        }
    }

    @Test func `a client that takes only text gets problems as one line`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            for accept in ["text/plain", "text/plain, text/html;q=0.5", "text/*"] {
                try await client.send("GET /nothing HTTP/1.1\r\nHost: a\r\nAccept: \(accept)\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer["Content-Type"] == "text/plain; charset=utf-8")
                #expect(answer.text == "error: Not found: There is nothing at this path.\n")
            }
            for accept in ["*/*", "application/json", "text/plain, */*;q=0.1", "nonsense"] {
                try await client.send("GET /nothing HTTP/1.1\r\nHost: a\r\nAccept: \(accept)\r\n\r\n")
                #expect(try await client.answer()["Content-Type"] == "application/problem+json")
            }
        }
    }

    @Test func `an answer cannot be split by what a handler puts into its fields`() async throws {
        let failures = Locked<[String]>([])
        try await TestServer.with {
            $0.failed = { route, _, _ in failures.withLock { $0.append(route ?? "") } }
        } routes: { router in
            for (number, field) in [
                ("X-A", "a\r\nX-Evil: 1"), ("X-A", "a\nb"), ("X-A", "a\rb"), ("X-A", "a\u{0}b"), ("X A", "b"),
                ("", "b"), ("X-Evil: 1\r\nX", "b"), ("Content-Length", "5"), ("connection", "keep-alive"),
            ].enumerated() {
                router.immediate(.get, "/\(number)", name: "\(number)") { _ in
                    var fields = Fields()
                    fields.add(field.0, field.1)
                    return .text("ok", fields: fields)
                }
            }
            router.immediate(.get, "/type", name: "type") { _ in Response(contentType: "a\r\nX-Evil: 1") }
            router.immediate(.get, "/status", name: "status") { _ in Response(status: 101) }
        } _: { server in
            let client = try await server.connect()
            for path in (0..<9).map(String.init) + ["type", "status"] {
                try await client.send("GET /\(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer.status == 500)
                #expect(answer["X-Evil"] == nil)
                #expect(answer.text.contains("\"/problems/internal\""))
            }
        }
        #expect(failures.withLock { $0.count } == 11)
    }

    @Test func `what a handler throws is a problem, or 500 without its text`() async throws {
        struct Secret: Error { let password = "hunter2" }
        try await TestServer.with(routes: { router in
            router.immediate(.get, "/a", name: "a") { _ in throw Problem(.purged, "Gone.", retryAfter: 3) }
            router.on(.get, "/b", name: "b") { _, _ in throw Secret() }
        }) { server in
            let client = try await server.connect()
            try await client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            let gone = try await client.answer(), failed = try await client.answer()
            #expect(gone.status == 410)
            #expect(gone["Retry-After"] == "3")
            #expect(failed.status == 500)
            #expect(!failed.text.contains("hunter2"))
        }
    }

    @Test func `pipelined requests are answered in order, whatever waits`() async throws {
        let gate = Signal()
        try await TestServer.with(routes: { router in
            router.on(.get, "/slow", name: "slow") { _, _ in
                await gate.wait()
                return .text("slow")
            }
            router.immediate(.get, "/fast/{n}", name: "fast") { .text($0.parameter("n") ?? "") }
            router.on(.post, "/body", name: "body", body: .upTo(1000)) { _, body in
                .text("\(try await body.collect(upTo: 1000).count)")
            }
        }) { server in
            let client = try await server.connect()
            var text = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
            for n in 0..<200 { text += "GET /fast/\(n) HTTP/1.1\r\nHost: a\r\n\r\n" }
            text +=
                "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /fast/last HTTP/1.1\r\nHost: a\r\n\r\n"
            try await client.send(text)
            gate.give()
            #expect(try await client.answer().text == "slow")
            for n in 0..<200 { #expect(try await client.answer().text == "\(n)") }
            #expect(try await client.answer().text == "3")
            #expect(try await client.answer().text == "last")
        }
    }

    @Test func `a client that has finished sending gets all its answers`() async throws {
        try await TestServer.with { server in
            let client = try await server.connect()
            try await client.send(
                String(repeating: "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", count: 5)
                    + "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            await client.line.finishSending()
            for _ in 0..<5 { #expect(try await client.answer().text == "0") }
            #expect(try await client.answer().text == "hi")
            #expect(try await client.restText() == "")
        }
    }

    @Test func `the last request a connection may make is answered with close`() async throws {
        try await TestServer.with {
            $0.limits.requestsPerConnection = 3
        } _: { server in
            let client = try await server.connect()
            try await client.send(String(repeating: "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", count: 4))
            #expect(try await client.answer()["Connection"] == nil)
            #expect(try await client.answer()["Connection"] == nil)
            #expect(try await client.answer()["Connection"] == "close")
            #expect(try await client.restText() == "")
        }
    }

    @Test func `a connection too many is told so`() async throws {
        try await TestServer.with {
            $0.limits.connectionsPerAddress = 2
        } _: { server in
            let one = try await server.connect(), two = try await server.connect()
            for client in [one, two] {
                try await client.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await client.answer().status == 200)
            }
            let three = try await server.connect()
            let answer = try await three.answer()
            #expect(answer.status == 503)
            #expect(answer["Connection"] == "close")
            #expect(answer["Retry-After"] == "1")
            #expect(answer.text.contains("too-many-connections"))
            #expect(try await three.restText() == "")
            one.line.close()
            while server.server.connectionCount > 1 { await Task.yield() }
            let four = try await server.connect()
            try await four.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await four.answer().status == 200)
        }
    }

    @Test func `answers are counted by route`() async throws {
        let seen = Locked<[AnsweredRequest]>([])
        try await TestServer.with {
            $0.answered = { one in seen.withLock { $0.append(one) } }
        } _: { server in
            _ = try await server.exchange(
                "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
                    + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nBREW / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/9.9\r\n\r\n"
            )
        }
        let all = seen.withLock { $0 }
        #expect(all.map(\.route) == ["getEcho", "postEcho", nil, nil, nil])
        #expect(all.map(\.status) == [200, 200, 404, 501, 505])
        #expect(all.map(\.method) == [.get, .post, .get, nil, nil])
        #expect(all[1].receivedBodyBytes == 2 && all[1].sentBodyBytes == 2)
        #expect(all[1].duration > .zero && all[1].duration < .seconds(5))
    }

    @Test func `fields of the server stand in every answer, an answer's own go first`() async throws {
        try await TestServer.with {
            $0.fields = ["X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"]
        } routes: {
            TestServer.echoRoutes(&$0)
            $0.immediate(.get, "/cached", name: "cached") { _ in .text("a", fields: ["cache-control": "max-age=1"]) }
        } _: { server in
            let client = try await server.connect()
            for (path, caching) in [("echo", "no-store"), ("nothing", "no-store"), ("cached", "max-age=1")] {
                try await client.send("GET /\(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await client.answer()
                #expect(answer["X-Content-Type-Options"] == "nosniff")
                #expect(answer.fields.filter { $0.name.lowercased() == "cache-control" }.map(\.value) == [caching])
            }
        }
    }

    @Test func `stopping lets a running request finish and ends idle connections`() async throws {
        let gate = Signal(), started = Signal()
        try await TestServer.with(routes: { router in
            router.on(.get, "/slow", name: "slow") { _, _ in
                started.give()
                await gate.wait()
                return .text("done")
            }
        }) { server in
            let idle = try await server.connect(), busy = try await server.connect()
            try await idle.send("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await idle.answer().status == 404)
            try await busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            async let stopped: Void = server.server.stop()
            #expect(try await idle.restText() == "")
            gate.give()
            let answer = try await busy.answer()
            #expect(answer.text == "done")
            #expect(answer["Connection"] == "close")
            #expect(try await busy.restText() == "")
            await stopped
            await #expect(throws: LineError.self) { _ = try await server.connect() }
        }
    }

    @Test func `what does not finish within the grace is cut`() async throws {
        let started = Signal(), cancelled = Signal()
        try await TestServer.with(routes: { router in
            router.on(.get, "/stuck", name: "stuck") { _, _ in
                started.give()
                while !Task.isCancelled { await Task.yield() }
                cancelled.give()
                return .text("late")
            }
        }) { server in
            let client = try await server.connect()
            try await client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
            await started.wait()
            await server.server.stop(grace: .milliseconds(20))
            await cancelled.wait()
            #expect(try await client.restText() == "")
        }
    }
}
