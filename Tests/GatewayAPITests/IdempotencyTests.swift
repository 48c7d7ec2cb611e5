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
