import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct JobTests {
    @Test func `a job is shown with all that is known of it`() async throws {
        let rig = try Rig()
        let job = try await rig.submit { $0.correlator = "build 17" }
        let queued = try await rig.get("/v1/jobs/\(job.id)")
        #expect(queued.status == 200)
        #expect(queued.json["outcome"] == nil, "absent, not null")
        #expect(!queued.text.contains("null"))
        try await rig.run(job.id, files: [.log, .hello])
        let done = try await rig.get("/v1/jobs/\(job.id)")
        #expect(done.json["state"]?.string == "completed")
        #expect(done.json["host_job"]?.string == "J00042")
        #expect(done.json["outcome"]?["kind"]?.string == "ok")
        #expect(done.json["outcome"]?["return_code"]?.int == 4)
        #expect(done.json["outcome"]?["text"]?.string == "CC 0004")
        for member in ["created_at", "changed_at", "submitted_at", "started_at", "ended_at"] {
            #expect(done.json[member]?.string.flatMap { Timestamp(rfc3339: $0) } != nil, "\(member)")
        }
        let outputs = try #require(done.json["outputs"]?.elements)
        #expect(outputs.map { $0["dd"]?.string } == ["JESMSGLG", "SYSPRINT"])
        #expect(outputs[1]["sha256"]?.string == ContentHash(of: PrintFile.hello.octets).hex)
        #expect(outputs[1]["cc"]?.string == "ASA")
        #expect(outputs[1]["links"]?["self"]?.string == "/v1/jobs/\(job.id)/outputs/2")
        // And again, from the cache: the same to the octet.
        #expect(try await rig.get("/v1/jobs/\(job.id)").body == done.body)
    }

    @Test func `a job is found by its correlator, the newest of several`() async throws {
        let rig = try Rig()
        _ = try await rig.submit { $0.correlator = "c:1/x" }
        let newer = try await rig.submit { $0.correlator = "c:1/x" }
        #expect(try await rig.get("/v1/jobs/correlator:c%3A1%2Fx").id == newer.id)
        #expect(try await rig.get("/v1/jobs/correlator:other").status == 404)
    }

    @Test(arguments: ["/v1/jobs/nope", "/v1/jobs/01JDB000000000000000000000", "/v1/hosts/nope", "/nothing"])
    func `what is not there is a problem`(_ target: String) async throws {
        let rig = try Rig()
        let answer = try await rig.get(target)
        #expect(answer.status == 404)
        #expect(answer.problem == "not-found")
        #expect(answer.json["request_id"]?.string == answer["request-id"])
        let text = try await rig.get(target, ("Accept", "text/plain"))
        #expect(text.mediaType == "text/plain")
        #expect(text.text.hasPrefix("error: Not found: "))
    }

    @Test func `another owner's job is not there`() async throws {
        let rig = try Rig { $0.identify = { _ in Caller(owner: .local) } }
        let stranger = try #require(Owner("stranger"))
        let job = try await rig.submit(owner: stranger)
        for target in ["", "/output", "/outputs", "/outputs/1", "/deck", "/events", "/deliveries"] {
            #expect(try await rig.get("/v1/jobs/\(job.id)\(target)").status == 404, "\(target)")
        }
        for action in ["cancel", "hold", "release"] {
            #expect(try await rig.call("POST", "/v1/jobs/\(job.id)/\(action)").status == 404, "\(action)")
        }
        #expect(try await rig.get("/v1/jobs").json["items"]?.elements == [])
        #expect(try await rig.get("/v1/jobs?owner=stranger").json["items"]?.elements == [])
    }

    @Test func `a tag says whether a job has changed`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let first = try await rig.get("/v1/jobs/\(job.id)")
        let tag = try #require(first["etag"])
        let same = try await rig.get("/v1/jobs/\(job.id)", ("If-None-Match", "\"x\", \(tag)"))
        #expect(same.status == 304)
        #expect(same.body.isEmpty)
        #expect(same["etag"] == tag)
        try await rig.send(job.id)
        let changed = try await rig.get("/v1/jobs/\(job.id)", ("If-None-Match", tag))
        #expect(changed.status == 200)
        #expect(changed["etag"] != tag)
        let late = try await rig.call("POST", "/v1/jobs/\(job.id)/cancel", [("If-Match", tag)])
        #expect(late.status == 412)
    }

    @Test func `one line for who takes text`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let answer = try await rig.get("/v1/jobs/\(job.id)", ("Accept", "text/plain"))
        #expect(answer.text == "\(job.id) completed CC 0004\n")
    }

    // MARK: waiting

    @Test(arguments: [("", JobState.completed), ("?until=submitted", .submitted), ("?until=sending", .submitted)])
    func `a wait ends when the job is where it is wanted`(_ query: String, _ state: JobState) async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        async let waiting = rig.get("/v1/jobs/\(job.id)\(query)", ("Prefer", "wait=30"))
        try await rig.waitForWaiters(1)
        if state == .submitted {
            try await rig.send(job.id)
        } else {
            try await rig.run(job.id)
        }
        let answer = try await waiting
        #expect(answer["preference-applied"] == "wait=30")
        let shown = answer.json["state"]?.string
        #expect(shown == state.rawValue || query.contains("sending") && shown == "sending")
    }

    @Test func `a wait that ends too early says when to ask again`() async throws {
        let rig = try Rig { $0.longestWait = .milliseconds(1) }
        let job = try await rig.submit()
        // The cap is below a second, so the wait is none at all.
        let answer = try await rig.get("/v1/jobs/\(job.id)", ("Prefer", "wait=9999"))
        #expect(answer.json["state"]?.string == "queued")
        #expect(answer["preference-applied"] == "wait=0")
        #expect(answer["retry-after"] != nil)
        let posted = try await rig.post("/v1/jobs", Decks.hello, ("Prefer", "wait=9999"))
        #expect(posted.status == 201)
        #expect(posted["retry-after"] != nil)
        #expect(posted.json["state"]?.string == "queued")
    }

    @Test func `waits end when the gateway stops`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        async let waiting = rig.get("/v1/jobs/\(job.id)", ("Prefer", "wait=60"))
        try await rig.waitForWaiters(1)
        rig.gateway.drain()
        #expect(try await waiting.json["state"]?.string == "queued")
    }

    // MARK: actions

    @Test func `hold, release and cancel say what they did`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let target = "/v1/jobs/\(job.id)"
        func act(_ action: String) async throws -> [String?] {
            let answer = try await rig.call("POST", "\(target)/\(action)")
            return ["\(answer.status)", answer.json["state"]?.string, answer.json["effect"]?.string]
        }
        #expect(try await act("hold") == ["200", "held", "held"])
        #expect(try await act("hold") == ["200", "held", "nothing"])
        #expect(try await act("release") == ["200", "queued", "released"])
        #expect(try await act("release") == ["200", "queued", "nothing"])
        #expect(try await act("cancel") == ["200", "canceled", "removed-before-send"])
        #expect(try await act("cancel") == ["200", "canceled", "removed-before-send"])
        let late = try await rig.call("POST", "\(target)/hold")
        #expect(late.status == 409)
        #expect(late.problem == "state-conflict")
        #expect(late.json["state"]?.string == "canceled")
    }

    @Test func `a cancel that the host must be asked for is accepted`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.send(job.id)
        let answer = try await rig.call("POST", "/v1/jobs/\(job.id)/cancel")
        #expect(answer.status == 202)
        #expect(answer.json["effect"]?.string == "requested-at-host")
        #expect(answer.json["cancel_requested_at"] != nil)
        #expect(answer["location"] == "/v1/jobs/\(job.id)")
        try await rig.finish(job.id)
        let late = try await rig.call("POST", "/v1/jobs/\(job.id)/cancel")
        #expect(late.status == 200)
        #expect(late.json["effect"]?.string == "too-late")
        #expect(late.json["cancel_effect"]?.string == "too-late")
    }

    // MARK: lists

    @Test func `pages follow each other without a gap while jobs arrive`() async throws {
        let rig = try Rig()
        var made: [JobID] = []
        for _ in 0..<7 { made.append(try await rig.submit().id) }
        var seen: [JobID] = []
        var target = "/v1/jobs?limit=3"
        while true {
            let page = try await rig.get(target)
            #expect(page.status == 200)
            seen += page.json["items"]?.elements?.compactMap { $0["id"]?.string.flatMap { JobID($0) } } ?? []
            #expect(page.json["total"] == nil)
            guard let cursor = page.json["next_cursor"]?.string else { break }
            #expect(page["link"]?.contains("cursor=\(cursor)>; rel=\"next\"") == true)
            target = "/v1/jobs?limit=3&cursor=\(cursor)"
            _ = try await rig.submit()  // newer than all: on no later page
        }
        #expect(seen == made.sorted(by: >))
    }

    @Test func `a cursor belongs to its filters and cannot be made up`() async throws {
        let rig = try Rig()
        for _ in 0..<3 { _ = try await rig.submit() }
        let cursor = try #require(try await rig.get("/v1/jobs?limit=1&state=queued").json["next_cursor"]?.string)
        #expect(try await rig.get("/v1/jobs?limit=2&state=queued&cursor=\(cursor)").status == 200)
        let forged = String(cursor.dropLast()) + (cursor.hasSuffix("A") ? "B" : "A")
        for bad in [
            "/v1/jobs?cursor=\(cursor)", "/v1/jobs?state=queued&cursor=\(forged)", "/v1/jobs?cursor=x",
            "/v1/jobs?cursor=",
        ] {
            let answer = try await rig.get(bad)
            #expect(answer.status == 400)
            #expect(answer.problem == "invalid-cursor")
        }
    }

    @Test(arguments: [
        ("state=queued", 3), ("state=held", 1), ("state=queued,held", 4), ("state=queued&state=held", 4),
        ("state=completed", 1), ("host=demo", 5), ("host=other", 0), ("name=HELLO", 4), ("name=HEL*", 4),
        ("name=PAY*", 1), ("correlator=c1", 1), ("label.env=prod", 1), ("label.env=test", 0), ("outcome=ok", 1),
        ("outcome=abend", 0), ("since=2020-01-01T00:00:00Z", 5), ("until=2020-01-01T00:00:00Z", 0), ("owner=local", 5),
        ("owner=other", 0), ("state=queued&label.env=prod", 1), ("limit=2", 2),
    ])
    func `filters leave what matches`(_ query: String, _ count: Int) async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        _ = try await rig.submit { $0.hold = true }
        _ = try await rig.submit { $0.correlator = "c1" }
        _ = try await rig.submit { $0.labels = [.init(key: "env", value: "prod")] }
        _ = try await rig.submit { $0.name = JobName("PAYROLL") }
        let job = try await rig.submit()
        try await rig.run(job.id)
        let answer = try await rig.get("/v1/jobs?\(query)")
        #expect(answer.json["items"]?.elements?.count == count, "\(answer.text)")
        #expect(answer.json["items"]?.elements?.allSatisfy { $0["outputs"] == nil } == true)
    }

    @Test(arguments: [
        "state=done", "state=", "host=a%20b", "name=TOOLONGNAME", "name=*A", "outcome=good", "since=yesterday",
        "limit=0",
        "limit=501", "limit=1e3", "states=queued", "limit=1&limit=2",
    ])
    func `a list does not guess`(_ query: String) async throws {
        let rig = try Rig()
        let answer = try await rig.get("/v1/jobs?\(query)")
        #expect(answer.status == 400)
        #expect(answer.problem == "malformed-request")
        let name = query.split(separator: "=")[0]
        #expect(answer.json["detail"]?.string?.contains("\"\(name)\"") == true)
    }

    @Test func `methods that a path lacks are named`() async throws {
        let rig = try Rig()
        let answer = try await rig.call("DELETE", "/v1/jobs")
        #expect(answer.status == 405)
        #expect(answer["allow"] == "GET, HEAD, POST, PUT, OPTIONS")
    }

    @Test func `deliveries of a job are listed`() async throws {
        let rig = try Rig()
        let posted = try await rig.post("/v1/jobs?notify=https://ci.example/hook")
        let id = try #require(posted.id)
        #expect(try await rig.get("/v1/jobs/\(id)/deliveries").json["items"]?.elements == [], "only the end is told")
        try await rig.run(id)
        let items = try #require(try await rig.get("/v1/jobs/\(id)/deliveries").json["items"]?.elements)
        #expect(items.count == 1)
        #expect(items[0]["event_type"]?.string == "job.completed")
        #expect(items[0]["url"]?.string == "https://ci.example/hook")
        #expect(items[0]["state"]?.string == "pending")
    }
}

extension Rig {
    /// Returns when so many requests wait for a commit.
    func waitForWaiters(_ count: Int) async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(10))
        while desk.watch.count < count, ContinuousClock.now < end { await Task.yield() }
        #expect(desk.watch.count >= count)
    }
}
