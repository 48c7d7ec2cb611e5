import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct ListTests {
    /// Six jobs: two have ended, one is held, two have a label.
    static func fill(_ rig: Rig) async throws -> [Job] {
        var jobs: [Job] = []
        jobs.append(try await rig.submit { $0.name = JobName("ZEBRA") })
        jobs.append(try await rig.submit { $0.hold = true })
        jobs.append(try await rig.submit { $0.labels = [.init(key: "env", value: "prod")] })
        jobs.append(
            try await rig.submit {
                $0.labels = [.init(key: "env", value: "prod"), .init(key: "note", value: "=1+1, \"quoted\"")]
                $0.priority = 7
            })
        jobs.append(try await rig.submit { $0.name = JobName("ALPHA") })
        jobs.append(try await rig.submit { $0.correlator = "-run-9" })
        try await rig.run(jobs[5].id)
        try await rig.run(jobs[0].id, .abended("S0C7"))
        return jobs
    }

    static func ids(_ answer: Answer) -> [String] {
        answer.json["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
    }

    @Test(arguments: [
        ("created", [0, 1, 2, 3, 4, 5]), ("-created", [5, 4, 3, 2, 1, 0]), ("ended", [5, 0]), ("-ended", [0, 5]),
        ("name", [4, 1, 2, 3, 5, 0]), ("-priority", [3, 5, 4, 2, 1, 0]),
    ])
    func `a list comes in the order asked for, and its links lead through it and back`(_ sort: String, _ order: [Int])
        async throws
    {
        let rig = try Rig()
        let jobs = try await Self.fill(rig)
        let wanted = order.map { jobs[$0].id.description }
        #expect(Self.ids(try await rig.get("/v1/jobs?sort=\(sort)")) == wanted)
        var found: [String] = []
        var pages: [[String]] = []
        var target: String? = "/v1/jobs?sort=\(sort)&limit=2"
        var last: Answer?
        while let next = target {
            let page = try await rig.get(next)
            #expect(page.status == 200)
            pages.append(Self.ids(page))
            found += Self.ids(page)
            target = Self.link("next", of: page)
            last = page
        }
        #expect(found == wanted)
        // Back from the last page to the first, whose link leads on again.
        var back: [[String]] = []
        while let page = last, let target = Self.link("prev", of: page) {
            let before = try await rig.get(target)
            if Self.ids(before).isEmpty { break }
            back.append(Self.ids(before))
            if let next = Self.link("next", of: before) { #expect(Self.ids(try await rig.get(next)) == Self.ids(page)) }
            last = before
        }
        #expect(back == pages.dropLast().reversed())
        #expect(last.flatMap { Self.link("prev", of: $0) } == nil)
    }

    private static func link(_ relation: String, of answer: Answer) -> String? {
        for link in answer["link"]?.components(separatedBy: ", ") ?? [] where link.hasSuffix("rel=\"\(relation)\"") {
            return link.split(separator: ">").first.map { String($0.dropFirst()) }
        }
        return nil
    }

    @Test func `fields and views choose members, and only known ones`() async throws {
        let rig = try Rig()
        _ = try await Self.fill(rig)
        func members(_ query: String) async throws -> [Set<String>] {
            let items = try await rig.get("/v1/jobs?\(query)").json["items"]?.elements ?? []
            return items.map { Set($0.members?.map(\.name) ?? []) }
        }
        #expect(try await members("fields=id,labels&name=ZEBRA") == [["id"]])
        #expect(try await members("fields=id,labels&label.env=prod") == [["id", "labels"], ["id", "labels"]])
        #expect(
            try await members("view=minimal&state=held") == [["id", "name", "host", "state", "created_at", "version"]])
        let full = try await rig.get("/v1/jobs?view=full&state=completed").json["items"]?.elements?.first
        #expect(full?["outputs"]?.elements?.count == 1)
        // Whatever a document has can be asked for.
        for view in ["basic", "full"] {
            for names in try await members("view=\(view)") {
                for name in names { #expect(try await rig.get("/v1/jobs?fields=\(name)").status == 200, "\(name)") }
            }
        }
        let faults = [
            "fields=secret", "fields=", "view=some", "sort=size", "group_by=name", "group_by=state,host,state",
            "count=exact", "format=xml",
        ]
        for bad in faults {
            #expect(try await rig.get("/v1/jobs?\(bad)").problem == "malformed-request", "\(bad)")
        }
    }

    @Test func `groups and counts`() async throws {
        let rig = try Rig()
        _ = try await Self.fill(rig)
        let states = try await rig.get("/v1/jobs?group_by=state").json
        #expect(
            states["groups"]?.elements?.map { "\($0["state"]?.string ?? "") \($0["count"]?.int ?? 0)" }
                == ["completed 1", "failed 1", "held 1", "queued 3"])
        #expect(states["complete"]?.bool == true)
        let two = try await rig.get("/v1/jobs?group_by=host,outcome&label.env=prod").json
        #expect(two["groups"]?.elements?.count == 1)
        #expect(two["groups"]?.elements?.first?["outcome"] == nil)
        #expect(two["groups"]?.elements?.first?["count"]?.int == 2)
        let counted = try await rig.get("/v1/jobs?count=estimate&limit=1&state=queued").json
        #expect(counted["count"]?.int == 3)
        #expect(counted["count_is"]?.string == "exact")
    }

    @Test func `lines, cells and columns`() async throws {
        let rig = try Rig()
        let jobs = try await Self.fill(rig)
        let lines = try await rig.get("/v1/jobs?fields=id", ("Accept", "application/x-ndjson"))
        #expect(lines.mediaType == "application/x-ndjson")
        #expect(lines.text == jobs.reversed().map { "{\"id\":\"\($0.id)\"}\n" }.joined())
        let some = try await rig.get("/v1/jobs?fields=id&limit=2&format=ndjson")
        #expect(some.text.split(separator: "\n").count == 2)
        let cells = try await rig.get("/v1/jobs?fields=name,correlator,labels&sort=created", ("Accept", "text/csv"))
        #expect(cells["content-type"] == "text/csv; charset=utf-8; header=present")
        let rows = cells.text.components(separatedBy: "\r\n")
        #expect(rows[0] == "name,correlator,labels")
        #expect(rows[1] == "ZEBRA,,")
        #expect(rows[4] == "HELLO,,\"env=prod note==1+1, \"\"quoted\"\"\"")
        #expect(rows[6] == "HELLO,'-run-9,")
        #expect(rows.count == 8)
        let all = try await rig.get("/v1/jobs?format=csv").text.components(separatedBy: "\r\n")
        #expect(all[0].hasPrefix("id,name,host,owner,state,outcome,return_code,"))
        let table = try await rig.get("/v1/jobs?fields=name,state&sort=created", ("Accept", "text/plain"))
        #expect(
            table.text == """
                NAME   STATE
                ZEBRA  failed
                HELLO  held
                HELLO  queued
                HELLO  queued
                ALPHA  queued
                HELLO  completed

                """)
        let unknown = try await rig.get("/v1/jobs", ("Accept", "image/png"))
        #expect(unknown.status == 406)
    }

    @Test func `a stream of lines has no end of page`() async throws {
        let rig = try Rig { $0.mostPageItems = 3 }
        for _ in 0..<10 { _ = try await rig.submit() }
        let lines = try await rig.get("/v1/jobs", ("Accept", "application/x-ndjson"))
        #expect(Set(lines.text.split(separator: "\n")).count == 10)
    }

    // MARK: waiting

    @Test func `a list is waited for until a job is on it`() async throws {
        let rig = try Rig()
        _ = try await rig.submit { $0.name = JobName("OTHER") }
        let (exchange, target) = (try await Exchange(rig), "/v1/jobs?name=NIGHTLY&wait=60")
        try await exchange.send(Rig.requestHead("GET", target, [], length: nil))
        try await Self.untilWaiting(rig)
        let job = try await rig.submit { $0.name = JobName("NIGHTLY") }
        let answer = try await exchange.answer(to: "GET")
        #expect(Self.ids(answer) == [job.id.description])
        let late = try await Exchange(rig)
        let reached = [("Prefer", "wait=60")]
        try await late.send(Rig.requestHead("GET", "/v1/jobs?name=NIGHTLY&reached=completed", reached, length: nil))
        try await Self.untilWaiting(rig)
        try await rig.run(job.id)
        let ended = try await late.answer(to: "GET")
        #expect(ended.json["items"]?.elements?.first?["state"]?.string == "completed")
        #expect(ended["preference-applied"] == "wait=60")
        #expect(Self.ids(try await rig.get("/v1/jobs?name=NEVER&wait=1")).isEmpty)
    }

    @Test(arguments: ["correlator:run-7", "key:key-7", "name:WEEKLY"])
    func `a job is waited for by a name of the client's before it exists`(_ reference: String) async throws {
        let rig = try Rig()
        let waiting = try await Exchange(rig)
        try await waiting.send(Rig.requestHead("GET", "/v1/jobs/\(reference)", [("Prefer", "wait=60")], length: nil))
        try await Self.untilWaiting(rig)
        _ = try await rig.submit()
        let posted = try await rig.post(
            "/v1/jobs?correlator=run-7&name=WEEKLY", Decks.hello, ("Idempotency-Key", "key-7"))
        let id = try #require(posted.id)
        try await rig.run(id)
        let answer = try await waiting.answer(to: "GET")
        #expect(answer.id == id)
        #expect(answer.json["state"]?.string == "completed")
        #expect(try await rig.get("/v1/jobs/\(reference)").id == id)
        // A name is for reading.
        let canceled = try await rig.call("POST", "/v1/jobs/\(reference)/cancel")
        #expect(canceled.status == (reference.hasPrefix("name:") ? 404 : 200))
        let none = try await rig.get("/v1/jobs/\(reference)x?wait=1")
        #expect(none.status == 404)
    }

    private static func untilWaiting(_ rig: Rig) async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while rig.desk.watch.count == 0, ContinuousClock.now < end { await Task.yield() }
        try #require(rig.desk.watch.count > 0)
    }
}
