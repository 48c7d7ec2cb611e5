import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

/// Several jobs in one request.
struct BatchTests {
    private static let deck =
        "//A JOB\n//S EXEC PGM=X\n//I DD *\nDATA\n//B JOB\n//S EXEC PGM=Y\n\n//C JOB\n//S EXEC PGM=Z"

    @Test func `each job card begins a job, and all are one batch`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs?split=true&label.env=test&priority=3", Self.deck)
        #expect(answer.status == 201, "\(answer.text)")
        let id = try #require(answer.json["id"]?.string)
        #expect(answer["location"] == "/v1/batches/\(id)")
        #expect(answer.json["size"]?.int == 3)
        #expect(answer.json["states"]?["queued"]?.int == 3)
        #expect(answer.json["complete"]?.bool == false)
        let jobs = try #require(answer.json["jobs"]?.elements)
        #expect(jobs.map { $0["name"]?.string } == ["A", "B", "C"])
        #expect(jobs.allSatisfy { $0["batch"]?.string == id && $0["priority"]?.int == 3 })
        let decks = [
            "//A JOB\n//S EXEC PGM=X\n//I DD *\nDATA\n", "//B JOB\n//S EXEC PGM=Y\n\n", "//C JOB\n//S EXEC PGM=Z",
        ]
        for (job, deck) in zip(jobs, decks) {
            let number = try #require(job["id"]?.string)
            #expect(try await rig.get("/v1/jobs/\(number)/deck").text == deck)
            #expect(try await rig.get("/v1/jobs/\(number)/events").json["items"]?.elements?.count == 1)
        }
        #expect(try await rig.get("/v1/batches/\(id)").json["jobs"]?.elements?.count == 3)
        #expect(try await rig.get("/v1/jobs?label.env=test").json["items"]?.elements?.count == 3)
    }

    @Test func `a job card with a tab begins a job as well`() async throws {
        let rig = try Rig()
        let answer = try await rig.post(
            "/v1/jobs?split=true&tabs=expand", "//A\tJOB\n//S EXEC PGM=X\n//B\tJOB\n//S EXEC PGM=X\n")
        #expect(answer.json["size"]?.int == 2, "\(answer.text)")
    }

    @Test func `the states of a batch are counted, and it can be waited for`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs?split=true", Self.deck)
        let id = try #require(answer.json["id"]?.string)
        let jobs = try #require(answer.json["jobs"]?.elements).compactMap { $0["id"]?.string.flatMap { JobID($0) } }
        async let waited = rig.get("/v1/batches/\(id)", ("Prefer", "wait=60"))
        for job in jobs.prefix(2) { try await rig.run(job) }
        let some = try await rig.get("/v1/batches/\(id)")
        #expect(some.json["states"]?["completed"]?.int == 2)
        #expect(some.json["states"]?["queued"]?.int == 1)
        try await rig.commit(.cancel, jobs[2])
        let all = try await waited
        #expect(all.json["complete"]?.bool == true)
        #expect(all["preference-applied"] == "wait=60")
        _ = try await rig.store.purge(jobs[0], reason: nil, at: rig.desk.clock.now(), audit: nil)
        let text = try await rig.get("/v1/batches/\(id)", ("Accept", "text/plain")).text
        #expect(text.hasPrefix("\(id) 1 completed, 1 canceled, 1 purged\n\(jobs[1]) completed"), "\(text)")
        for job in jobs.dropFirst() {
            _ = try await rig.store.purge(job, reason: nil, at: rig.desk.clock.now(), audit: nil)
        }
        #expect(try await rig.get("/v1/batches/\(id)").status == 404)
        #expect(try await rig.get("/v1/batches/nope").status == 404)
    }

    @Test func `one key is one batch`() async throws {
        let rig = try Rig()
        let first = try await rig.post("/v1/jobs?split=true", Self.deck, ("Idempotency-Key", "night-1"))
        let again = try await rig.post("/v1/jobs?split=true", Self.deck, ("Idempotency-Key", "night-1"))
        #expect(again.status == 201)
        #expect(again["idempotency-replayed"] == "true")
        #expect(again.body == first.body)
        #expect(again["location"] == first["location"])
        let other = try await rig.post("/v1/jobs?split=true", Self.deck + "\n", ("Idempotency-Key", "night-1"))
        #expect(other.problem == "idempotency-key-reused")
        #expect(other.json["job"]?.string == first["location"])
        let single = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "night-1"))
        #expect(single.problem == "idempotency-key-reused")
        let byPath = try await rig.call("PUT", "/v1/jobs/night-1?split=true", [], body: Array(Self.deck.utf8))
        #expect(byPath["location"] == first["location"])
        #expect(try await rig.store.jobs(JobQuery(limit: 10)).count == 3)
    }

    @Test func `parts of JSON have what is their own`() async throws {
        let rig = try Rig()
        let body = #"""
            {"priority":2,"symbols":{"X":"1"},"parts":[
              {"deck":"//A JOB (${X})\n//S EXEC PGM=X\n","correlator":"one"},
              {"deck":"//A JOB (${X})\n//S EXEC PGM=X\n","name":"OTHER","symbols":{"X":"2"}},
              {"deck_base64":"Ly9DIEpPQgovL1MgRVhFQyBQR009WAo="}]}
            """#
        let answer = try await rig.post("/v1/jobs", body, ("Content-Type", "application/json"))
        #expect(answer.status == 201, "\(answer.text)")
        let jobs = try #require(answer.json["jobs"]?.elements)
        #expect(jobs.map { $0["name"]?.string } == ["A", "OTHER", "C"])
        #expect(jobs.map { $0["correlator"]?.string } == ["one", nil, nil])
        let id = try #require(jobs[1]["id"]?.string)
        #expect(try await rig.get("/v1/jobs/\(id)/deck").text == "//A JOB (2)\n//S EXEC PGM=X\n")
    }

    @Test(arguments: [
        (#"{"parts":[{"deck":"//A JOB\n"},{"deck":"//B JOB\n\u0007"}]}"#, "/parts/1/deck"),
        (#"{"parts":[{"deck":"//A JOB\n"},{"name":"1"}]}"#, "/parts/1/name"),
        (#"{"parts":[{"deck":"//A JOB\n","hold":true}]}"#, "/parts/0/hold"),
        (#"{"parts":[]}"#, "/parts"),
        (#"{"parts":[{"deck":"//A JOB\n"}],"deck":"//A JOB\n"}"#, "/deck"),
        (#"{"parts":[{"deck":"//A JOB\n"}],"split":true}"#, "/split"),
    ])
    func `a fault in a part is told by its place, and nothing is stored`(_ body: String, _ pointer: String) async throws
    {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs", body, ("Content-Type", "application/json"))
        #expect(answer.status == 422, "\(answer.text)")
        #expect(answer.json["errors"]?.elements?.first?["pointer"]?.string == pointer, "\(answer.text)")
        #expect(try await rig.store.lastSequence() == 0)
    }

    @Test func `limits count all jobs of a batch`() async throws {
        let rig = try Rig(limits: BacklogLimits(jobs: 2))
        let answer = try await rig.post("/v1/jobs?split=true", Self.deck)
        #expect(answer.status == 503, "\(answer.text)")
        #expect(answer.problem == "queue-full")
        #expect(try await rig.store.lastSequence() == 0)
    }

    @Test func `an unfinished batch is to be asked for again by what its jobs wait for`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs?split=true&hold=true", Self.deck, ("Prefer", "wait=1"))
        #expect(answer.status == 201, "\(answer.text)")
        // Held jobs wait for a person: a minute, give or take a tenth.
        #expect((54...66).contains(try #require(answer["retry-after"].flatMap { Int($0) })))
    }

    @Test func `a request has at most so many jobs`() async throws {
        let rig = try Rig()
        func deck(_ count: Int) -> String { String(repeating: "//A JOB\n//S EXEC PGM=X\n", count: count) }
        let most = try await rig.post("/v1/jobs?split=true", deck(DeckIntake.mostJobs), ("Prefer", "return=minimal"))
        #expect(most.status == 201)
        #expect(most.body.isEmpty)
        let more = try await rig.post("/v1/jobs?split=true", deck(DeckIntake.mostJobs + 1))
        #expect(more.json["errors"]?.elements?.first?["code"]?.string == "too-many-jobs", "\(more.text)")
        #expect(try await rig.store.lastSequence() == Int64(DeckIntake.mostJobs))
    }
}
