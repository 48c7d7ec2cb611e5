import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Synchronization
import Testing
import Wire

struct EventTests {
    /// One event of a stream, as a browser would hand it out.
    struct Received: Equatable, Sendable {
        var event: String?
        var id: String?
        var data: String = ""
        var json: JSONValue { (try? JSONValue(parsing: Array(data.utf8))) ?? .null }
    }

    /// Reads server-sent events off a chunked answer.
    final class Reader {
        private let exchange: Exchange
        private var text = ""

        init(_ exchange: Exchange) { self.exchange = exchange }

        /// nil: the stream has ended.
        func next() async throws -> Received? {
            while true {
                if let end = text.range(of: "\n\n") {
                    let block = text[..<end.lowerBound]
                    text = String(text[end.upperBound...])
                    var received = Received()
                    for line in block.split(separator: "\n") {
                        if line.hasPrefix("event: ") { received.event = String(line.dropFirst(7)) }
                        if line.hasPrefix("id: ") { received.id = String(line.dropFirst(4)) }
                        if line.hasPrefix("data: ") { received.data += line.dropFirst(6) }
                        if line.hasPrefix(":") { received.event = "comment" }
                    }
                    if received.event == nil, received.data.isEmpty { continue }  // retry
                    return received
                }
                guard let chunk = try await exchange.chunk() else { return nil }
                text += String(decoding: chunk, as: UTF8.self)
            }
        }
    }

    private func stream(
        _ rig: Rig, _ target: String, _ fields: (String, String)...
    ) async throws -> (Reader, Exchange, Answer) {
        let exchange = try await Exchange(rig)
        let all = [("Accept", "text/event-stream")] + fields
        try await exchange.send(Rig.requestHead("GET", target, all, length: nil))
        let head = try await exchange.head()
        rig.note("GET", target, head)
        return (Reader(exchange), exchange, head)
    }

    @Test func `a job's stream begins with the job, tells each change and ends`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let (reader, _, head) = try await stream(rig, "/v1/jobs/\(job.id)/events")
        #expect(head.status == 200)
        #expect(head.mediaType == "text/event-stream")
        #expect(head["cache-control"] == "no-store")
        let snapshot = try #require(try await reader.next())
        #expect(snapshot.event == "snapshot")
        #expect(snapshot.id == "1")
        #expect(snapshot.json["state"]?.string == "queued")
        // Another job's events do not appear.
        _ = try await rig.submit()
        try await rig.run(job.id)
        var types: [String?] = []
        var ids: [Int] = []
        while let event = try await reader.next() {
            types.append(event.event)
            if let id = event.id.flatMap({ Int($0) }) { ids.append(id) }
            if event.event == "job.completed" {
                #expect(event.json["data"]?["state"]?.string == "completed")
                #expect(event.json["sequence"]?.int.map { "\($0)" } == event.id)
            }
        }
        #expect(types == ["job.sending", "job.submitted", "job.running", "job.completed", "end"])
        #expect(ids == ids.sorted())
    }

    @Test func `a stream goes on where it broke off, and a finished one is over`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let events = try await rig.store.events(after: 0, job: job.id, limit: 100)
        let middle = events[1].sequence
        let (reader, _, _) = try await stream(rig, "/v1/jobs/\(job.id)/events", ("Last-Event-ID", "\(middle)"))
        var ids: [String] = []
        while let event = try await reader.next() { if let id = event.id { ids.append(id) } }
        #expect(ids == events.dropFirst(2).map { "\($0.sequence)" })
        let last = try #require(events.last?.sequence)
        let over = try await rig.get(
            "/v1/jobs/\(job.id)/events?after=\(last)", ("Accept", "text/event-stream"))
        #expect(over.status == 204)
    }

    @Test func `the stream of all events begins with the newest jobs`() async throws {
        let rig = try Rig()
        let first = try await rig.submit()
        let (reader, exchange, _) = try await stream(rig, "/v1/events")
        let snapshot = try #require(try await reader.next())
        #expect(snapshot.json["jobs"]?.elements?.compactMap { $0["id"]?.string } == ["\(first.id)"])
        let second = try await rig.submit()
        let event = try #require(try await reader.next())
        #expect(event.event == "job.queued")
        #expect(event.json["data"]?["id"]?.string == "\(second.id)")
        rig.gateway.drain()
        #expect(try await reader.next() == nil, "a stopping gateway ends its streams")
        exchange.close()
    }

    @Test func `a client that knows the future is told of a gap`() async throws {
        let rig = try Rig()
        _ = try await rig.submit()
        let (reader, exchange, _) = try await stream(rig, "/v1/events", ("Last-Event-ID", "99"))
        let gap = try #require(try await reader.next())
        #expect(gap.event == "gap")
        #expect(gap.id == "1")
        _ = try await rig.submit()
        #expect(try await reader.next()?.id == "2")
        exchange.close()
    }

    @Test func `what retention has removed is told as a gap`() async throws {
        let rig = try Rig()
        for _ in 0..<5 { _ = try await rig.submit() }
        let late = rig.desk.clock.now().advanced(by: .seconds(60))
        let swept = try await rig.store.sweep(.events, olderThan: late, from: nil, limit: 3, at: late)
        #expect(swept.removed == 3)
        let (reader, exchange, _) = try await stream(rig, "/v1/events", ("Last-Event-ID", "1"))
        let gap = try #require(try await reader.next())
        #expect(gap.event == "gap")
        #expect(gap.json["oldest"]?.int == 4)
        #expect(try await reader.next()?.id == "4")
        exchange.close()
        let page = try await rig.get("/v1/events?after=1").json
        #expect(page["gap"]?["oldest"]?.int == 4)
        #expect(page["items"]?.elements?.map { $0["sequence"]?.int } == [4, 5])
        // Nothing is missing for who asks from the beginning, or has seen all that went.
        #expect(try await rig.get("/v1/events?after=3").json["gap"] == nil)
        #expect(try await rig.get("/v1/events").json["gap"] == nil)
    }

    @Test func `an owner hears of his jobs and of the hosts`() async throws {
        let ops = try #require(Owner("ops"))
        let rig = try Rig { $0.identify = { _ in Caller(owner: ops) } }
        _ = try await rig.submit()
        let own = try await rig.submit(owner: ops)
        _ = try await rig.store.append(
            type: "host.up", body: Array(#"{"data":{"host":"demo"}}"#.utf8), at: own.createdAt)
        let page = try await rig.get("/v1/events").json
        #expect(page["items"]?.elements?.map { $0["sequence"]?.int } == [2, 3])
        let (reader, exchange, _) = try await stream(rig, "/v1/events?after=2")
        #expect(try await reader.next()?.event == "host.up")
        _ = try await rig.submit()
        _ = try await rig.submit(owner: ops)
        #expect(try await reader.next()?.id == "5")
        exchange.close()
        #expect(try await rig.get("/v1/jobs").json["items"]?.elements?.count == 2)
        #expect(try await rig.get("/v1/jobs?owner=local").json["items"]?.elements?.count == 0)
        #expect(try await rig.get("/v1/jobs?group_by=owner").json["groups"]?.elements?.count == 1)
    }

    @Test func `a key for one host and one label sees no more`() async throws {
        let demo = try #require(HostID("demo")), prod = Job.Label(key: "env", value: "prod")
        let rig = try Rig(hosts: ["demo", "other"]) {
            $0.identify = { _ in Caller(owner: .local, hosts: [demo], labels: [prod]) }
        }
        _ = try await rig.submit { $0.labels = [prod] }
        _ = try await rig.submit(host: "other") { $0.labels = [prod] }
        _ = try await rig.submit()
        #expect(try await rig.get("/v1/jobs").json["items"]?.elements?.count == 1)
        let page = try await rig.get("/v1/events?limit=1").json
        #expect(page["items"]?.elements?.map { $0["sequence"]?.int } == [1])
        let rest = try await rig.get("/v1/events?after=1&limit=1").json
        #expect(rest["items"]?.elements == [])
        #expect(rest["next_after"]?.int == 3)
    }

    @Test func `a key that was revoked ends its streams`() async throws {
        let isRevoked = Mutex(false)
        let rig = try Rig {
            $0.identify = { _ in
                try isRevoked.withLock {
                    if $0 { throw Problem.credentialsRefused }; return Caller.local
                }
            }
        }
        let (reader, exchange, _) = try await stream(rig, "/v1/events")
        #expect(try await reader.next()?.event == "snapshot")
        isRevoked.withLock { $0 = true }
        _ = try await rig.submit()
        // It may have asked just before.
        var seen = 0
        while let told = try await reader.next() {
            if told.event?.hasPrefix("job.") == true { seen += 1 }
            _ = try await rig.submit()
        }
        #expect(seen <= 1)
        exchange.close()
    }

    @Test func `a ticket opens one stream`() async throws {
        let ops = try #require(Owner("ops"))
        let rig = try Rig {
            $0.ticketLife = .seconds(600)
            $0.identify = { request in
                if request["authorization"] == nil { throw Problem.credentialsMissing }
                return Caller(owner: ops)
            }
        }
        #expect(try await rig.get("/v1/events").status == 401)
        let made = try await rig.call("POST", "/v1/tickets", [("Authorization", "Bearer x")])
        #expect(made.status == 200)
        let target = try #require(made.json["links"]?["events"]?.string)
        _ = try await rig.submit()
        let (reader, exchange, head) = try await stream(rig, target)
        #expect(head.status == 200)
        #expect(try await reader.next()?.json["jobs"]?.elements == [])
        exchange.close()
        let again = try await rig.get(target, ("Accept", "text/event-stream"))
        #expect(again.problem == "invalid-credentials")
        #expect(try await rig.get("/v1/jobs?ticket=x").status == 401)
    }

    @Test func `records are told with the events, from the place asked for`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let (reader, exchange, _) = try await stream(rig, "/v1/jobs/\(job.id)/events?records")
        _ = try await reader.next()
        try await rig.run(job.id, files: [.hello, .log])
        var records: [JSONValue] = []
        var last: String?
        while let event = try await reader.next() {
            if event.event == "record" {
                #expect(event.id == nil)
                records.append(event.json)
            }
            last = event.event
        }
        exchange.close()
        #expect(last == "end")
        #expect(
            records.map { "\($0["output"]?.int ?? 0):\($0["record"]?.int ?? 0)" } == [
                "1:1", "1:2", "1:3", "1:4", "2:1", "2:2",
            ])
        #expect(records.first?["control"]?.string == "1")
        #expect(records.first?["text"]?.string == "PAGE ONE")
        let (rest, other, _) = try await stream(rig, "/v1/jobs/\(job.id)/events?records=1:3")
        var numbers: [String] = []
        while let event = try await rest.next() {
            if event.event == "record" {
                numbers.append("\(event.json["output"]?.int ?? 0):\(event.json["record"]?.int ?? 0)")
            }
        }
        other.close()
        #expect(numbers == ["1:4", "2:1", "2:2"])
        #expect(try await rig.get("/v1/events?records", ("Accept", "text/event-stream")).status == 400)
        #expect(try await rig.get("/v1/jobs/\(job.id)/events?records=x", ("Accept", "text/event-stream")).status == 400)
    }

    @Test func `a silent stream is kept alive`() async throws {
        let rig = try Rig { $0.keepAlive = .milliseconds(5) }
        _ = try await rig.submit()
        let (reader, exchange, _) = try await stream(rig, "/v1/events")
        _ = try await reader.next()
        #expect(try await reader.next()?.event == "comment")
        exchange.close()
    }

    @Test func `a client that goes away leaves nothing behind`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        for _ in 0..<20 {
            let (reader, exchange, _) = try await stream(rig, "/v1/jobs/\(job.id)/events")
            _ = try await reader.next()
            exchange.close()
            let waiting = try await Exchange(rig)
            try await waiting.send(
                Rig.requestHead("GET", "/v1/jobs/\(job.id)", [("Prefer", "wait=60")], length: nil))
            waiting.close()
        }
        let end = ContinuousClock.now.advanced(by: .seconds(10))
        while rig.desk.watch.count > 0 || rig.server.connectionCount > 0, ContinuousClock.now < end {
            await Task.yield()
        }
        #expect(rig.desk.watch.count == 0)
        #expect(rig.server.connectionCount == 0)
    }

    @Test func `a stream resumed again and again loses and repeats nothing`() async throws {
        let rig = try Rig()
        for _ in 0..<20 { _ = try await rig.submit() }
        var ids: [Int] = []
        var last = 0
        while ids.count < 60 {
            let (reader, exchange, _) = try await stream(rig, "/v1/events", ("Last-Event-ID", "\(last)"))
            for _ in 0..<Int.random(in: 1...4) where ids.count < 60 {
                _ = try await rig.submit()
                let event = try #require(try await reader.next())
                last = try #require(event.id.flatMap { Int($0) })
                ids.append(last)
            }
            exchange.close()
        }
        #expect(ids == Array(1...60))
    }

    @Test func `events as pages and lines`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let page = try await rig.get("/v1/events?limit=2")
        #expect(page.json["items"]?.elements?.map { $0["sequence"]?.int } == [1, 2])
        #expect(page.json["next_after"]?.int == 2)
        let rest = try await rig.get("/v1/jobs/\(job.id)/events?after=2", ("Accept", "application/x-ndjson"))
        #expect(rest.mediaType == "application/x-ndjson")
        let lines = rest.text.split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines { #expect((try? JSONValue(parsing: Array(line.utf8)))?["type"] != nil) }
        let empty = try await rig.get("/v1/events?after=99")
        #expect(empty.json["items"]?.elements == [])
        // Of another store: the client goes on with what is here.
        #expect(empty.json["next_after"]?.int == 5)
        #expect(empty.json["gap"]?["oldest"]?.int == 6)
    }

    @Test func `pages of all events are the whole sequence, while jobs move`() async throws {
        let rig = try Rig()
        for _ in 0..<5 { try await rig.run(try await rig.submit().id) }
        var seen: [Int] = []
        var after = 0
        while true {
            let page = try await rig.get("/v1/events?limit=4&after=\(after)").json
            let items = page["items"]?.elements?.compactMap { $0["sequence"]?.int } ?? []
            if items.isEmpty { break }
            seen += items.map(Int.init)
            after = Int(page["next_after"]?.int ?? 0)
            if seen.count == 8 { _ = try await rig.submit() }
        }
        #expect(seen == Array(1...26))
    }

    @Test func `a long poll ends with the first event`() async throws {
        let rig = try Rig()
        _ = try await rig.submit()
        async let waiting = rig.get("/v1/events?after=1&wait=30")
        try await rig.waitForWaiters(1)
        _ = try await rig.submit()
        #expect(try await waiting.json["items"]?.elements?.map { $0["sequence"]?.int } == [2])
    }

    @Test(arguments: ["after=x", "after=-1", "wait=x", "limit=0", "since=1"])
    func `event queries do not guess`(_ query: String) async throws {
        let rig = try Rig()
        #expect(try await rig.get("/v1/events?\(query)").status == 400)
        #expect(try await rig.get("/v1/events", ("Accept", "text/event-stream"), ("Last-Event-ID", "x")).status == 400)
    }
}
