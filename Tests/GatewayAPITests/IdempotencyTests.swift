import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct IdempotencyTests {
    @Test(arguments: ["build-17", "\"build-17\""])
    func `the same request with the same key is answered the same and makes one job`(_ key: String) async throws {
        let rig = try Rig()
        let first = try await rig.post("/v1/jobs?host=demo&priority=3", Decks.hello, ("Idempotency-Key", key))
        // The job moves on meanwhile: a repeat is answered as it was first.
        try await rig.run(try #require(first.id))
        let again = try await rig.post("/v1/jobs?priority=3&host=demo", Decks.hello, ("Idempotency-Key", "build-17"))
        #expect(first.status == 201)
        #expect(again.status == 201)
        #expect(first["idempotency-replayed"] == nil)
        #expect(again["idempotency-replayed"] == "true")
        #expect(again.body == first.body)
        #expect(again["location"] == first["location"])
        #expect(try await rig.store.jobs(JobQuery.all).count == 1)
    }

    @Test func `PUT to a key is POST with that key`() async throws {
        let rig = try Rig()
        let body = Array(Decks.hello.utf8)
        let first = try await rig.call("PUT", "/v1/jobs/nightly-2026-11-23?host=demo", body: body)
        let again = try await rig.call("PUT", "/v1/jobs/nightly-2026-11-23?host=demo", body: body)
        let posted = try await rig.post("/v1/jobs?host=demo", Decks.hello, ("Idempotency-Key", "nightly-2026-11-23"))
        #expect(first.status == 201)
        #expect(again["idempotency-replayed"] == "true")
        #expect(posted["idempotency-replayed"] == "true")
        #expect(again.id == first.id && posted.id == first.id)
    }

    @Test func `a key is bound to deck and options`() async throws {
        let rig = try Rig()
        let first = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"))
        for (target, deck) in [
            ("/v1/jobs", Decks.hello.replacing("WORLD", with: "MOON")), ("/v1/jobs?priority=1", Decks.hello),
        ] {
            let answer = try await rig.post(target, deck, ("Idempotency-Key", "k"))
            #expect(answer.status == 422)
            #expect(answer.problem == "idempotency-key-reused")
            #expect(answer.json["job"]?.string == first["location"])
        }
        let two = try await rig.call(
            "PUT", "/v1/jobs/other", [("Idempotency-Key", "k")], body: Array(Decks.hello.utf8))
        #expect(two.problem == "idempotency-key-invalid")
    }

    @Test func `two at the same moment make one job`() async throws {
        let rig = try Rig()
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for _ in 0..<16 {
                group.addTask { try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "one")) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(answers.map(\.id)).count == 1)
        #expect(answers.count { $0["idempotency-replayed"] == nil } == 1)
        #expect(try await rig.store.jobs(JobQuery.all).count == 1)
    }

    @Test(arguments: ["", "a b", "a/b", "ä", "\"\"", String(repeating: "k", count: 256)])
    func `a key that is none is refused, and nothing is stored`(_ key: String) async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", key))
        #expect(answer.status == 400)
        #expect(answer.problem == "idempotency-key-invalid")
        #expect(try await rig.store.jobs(JobQuery.all).isEmpty)
    }

    @Test func `the longest key is taken`() async throws {
        let rig = try Rig()
        let key = String(repeating: "k", count: 255)
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", key)).status == 201)
    }

    @Test func `a host may take jobs with a key only`() async throws {
        let rig = try Rig(requiresKey: true)
        let answer = try await rig.post("/v1/jobs", Decks.hello)
        #expect(answer.status == 400)
        #expect(answer.problem == "idempotency-key-invalid")
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k")).status == 201)
        #expect(try await rig.call("PUT", "/v1/jobs/other", body: Array(Decks.hello.utf8)).status == 201)
    }

    @Test func `a key belongs to its owner`() async throws {
        let rig = try Rig { settings in
            settings.identify = { request in
                Caller(owner: request["x-owner"].flatMap { Owner($0) } ?? .local)
            }
        }
        let mine = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"))
        let theirs = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"), ("X-Owner", "other"))
        #expect(theirs.status == 201)
        #expect(theirs["idempotency-replayed"] == nil)
        #expect(mine.id != theirs.id)
    }

    @Test func `PUT with If-None-Match makes a job once and says so`() async throws {
        let rig = try Rig()
        let body = Array(Decks.hello.utf8)
        let first = try await rig.call("PUT", "/v1/jobs/once", [("If-None-Match", "*")], body: body)
        let again = try await rig.call("PUT", "/v1/jobs/once", [("If-None-Match", "*")], body: body)
        #expect(first.status == 201)
        #expect(again.status == 412)
        #expect(again.json["job"]?.string == first["location"])
    }

    @Test func `a repeat is answered although nothing more may wait`() async throws {
        let rig = try Rig(limits: BacklogLimits(jobs: 1))
        let first = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"))
        let again = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"))
        let new = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "new"))
        #expect(again["idempotency-replayed"] == "true")
        #expect(again.id == first.id)
        #expect(new.status == 503)
        // Shed load leaves no trace: the key can be used again.
        try await rig.commit(.cancel, try #require(first.id))
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "new")).status == 201)
    }

    @Test func `what waits is bounded, with a problem that says when to come again`() async throws {
        let rig = try Rig(limits: BacklogLimits(jobs: 2), ownerLimits: BacklogLimits(octets: 400))
        #expect(try await rig.post("/v1/jobs", Decks.hello).status == 201)
        let large = Decks.hello + String(repeating: "//* A COMMENT\n", count: 40)
        let quota = try await rig.post("/v1/jobs", large)
        #expect(quota.status == 429)
        #expect(quota.problem == "quota-exceeded")
        #expect((1...3600).contains(Int(quota["retry-after"] ?? "") ?? 0))
        #expect(try await rig.post("/v1/jobs", Decks.hello).status == 201)
        let full = try await rig.post("/v1/jobs", Decks.hello)
        #expect(full.status == 503)
        #expect(full.problem == "queue-full")
        #expect((1...3600).contains(Int(full["retry-after"] ?? "") ?? 0))
        #expect(full.json["retryable"] == .bool(true))
    }

    @Test func `a large deck that becomes no job does not stay on disk`() async throws {
        let rig = try Rig()
        func large(_ word: String) -> String {
            Decks.hello + String(repeating: "//* \(word) \(word) \(word) \(word)\n", count: 5000)
        }
        func files() throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: rig.folder + "/spool").filter { path in
                var isFolder: ObjCBool = false
                let isThere = FileManager.default.fileExists(
                    atPath: "\(rig.folder)/spool/\(path)", isDirectory: &isFolder)
                return isThere && !isFolder.boolValue
            }
        }
        let first = try await rig.post("/v1/jobs", large("ONE"), ("Idempotency-Key", "k"))
        #expect(first.status == 201)
        let kept = try files()
        #expect(kept.count == 1)
        let again = try await rig.post("/v1/jobs", large("ONE"), ("Idempotency-Key", "k"))
        #expect(again["idempotency-replayed"] == "true")
        #expect(try await rig.post("/v1/jobs", large("TWO"), ("Idempotency-Key", "k")).status == 422)
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while try files() != kept, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try files() == kept)
        // The first job's deck is still there to be sent.
        let deck = try await rig.get("\(try #require(first["location"]))/deck")
        #expect(deck.body == Array(large("ONE").utf8))
    }

    @Test func `a refused request leaves its key free`() async throws {
        let rig = try Rig()
        #expect(try await rig.post("/v1/jobs", Decks.broken, ("Idempotency-Key", "k")).status == 422)
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k")).status == 201)
    }

    @Test func `a repeat that waits is answered with the print-out`() async throws {
        let rig = try Rig()
        let first = try await rig.post("/v1/jobs", Decks.hello, ("Idempotency-Key", "k"))
        try await rig.run(try #require(first.id))
        let again = try await rig.post(
            "/v1/jobs", Decks.hello, ("Idempotency-Key", "k"), ("Prefer", "wait=5"), ("Accept", "text/plain"))
        #expect(again.body == PrintFile.hello.text)
        #expect(again["idempotency-replayed"] == "true")
    }
}

extension JobQuery {
    static let all = JobQuery(limit: 1000)
}
