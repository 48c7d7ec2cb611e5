import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
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
        #expect(empty.json["next_after"]?.int == 99)
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
