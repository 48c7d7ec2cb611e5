import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct AmendTests {
    @Test func `labels are merged, a priority is set`() async throws {
        let rig = try Rig()
        let job = try await rig.submit {
            $0.labels = [.init(key: "env", value: "test"), .init(key: "old", value: "1")]
        }
        let body = #"{"labels":{"env":"prod","old":null,"new":"x"},"priority":9}"#
        let answer = try await rig.call("PATCH", "/v1/jobs/\(job.id)", Self.json, body: Array(body.utf8))
        #expect(answer.status == 200)
        #expect(answer.json["labels"]?.members?.map { "\($0.name)=\($0.value.string ?? "")" } == ["env=prod", "new=x"])
        #expect(answer.json["priority"]?.int == 9)
        #expect(answer.json["version"]?.int == 2)
        #expect(try await rig.get("/v1/jobs?label.new=x").json["items"]?.elements?.count == 1)
        #expect(try await rig.get("/v1/jobs?label.old=1").json["items"]?.elements?.isEmpty == true)
        let audit = try await rig.get("/v1/audit?subject=\(job.id)").json["items"]?.elements?.first
        #expect(audit?["action"]?.string == "job.amend")
        #expect(try await rig.get("/v1/jobs/\(job.id)").json["labels"] == answer.json["labels"])
    }

    private static let json = [("Content-Type", "application/merge-patch+json")]

    @Test func `where it is demanded, a job is changed and removed only under If-Match`() async throws {
        let rig = try Rig { $0.requiresMatch = true }
        let job = try await rig.submit()
        let body = Array(#"{"labels":{"a":"b"}}"#.utf8)
        let blind = try await rig.call("PATCH", "/v1/jobs/\(job.id)", Self.json, body: body)
        #expect(blind.status == 428)
        #expect(blind.problem == "precondition-required")
        let tag = try #require(blind["etag"])
        #expect(try await rig.call("DELETE", "/v1/jobs/\(job.id)").status == 428)
        let seen = try await rig.call("PATCH", "/v1/jobs/\(job.id)", Self.json + [("If-Match", tag)], body: body)
        #expect(seen.status == 200)
    }

    @Test func `a change is for the version that was looked at`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let tag = try #require(try await rig.get("/v1/jobs/\(job.id)")["etag"])
        let body = Array(#"{"labels":{"a":"b"}}"#.utf8)
        let fields = Self.json + [("If-Match", tag)]
        let first = try await rig.call(
            "PATCH", "/v1/jobs/\(job.id)", fields + [("Prefer", "return=minimal")], body: body)
        #expect(first.status == 204)
        let second = try await rig.call("PATCH", "/v1/jobs/\(job.id)", fields, body: body)
        #expect(second.status == 412)
        #expect(second["etag"] == first["etag"])
    }

    @Test(arguments: [
        (#"{"priority":16}"#, 422), (#"{"labels":{"a b":"c"}}"#, 422), (#"{"labels":[]}"#, 422),
        (#"{"state":"held"}"#, 422),
        (#"{"labels":{"a":1}}"#, 422), ("[1]", 422), ("{", 400), (#"{"priority":3}"#, 409),
    ])
    func `what cannot be is refused`(_ body: String, _ status: Int) async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let answer = try await rig.call("PATCH", "/v1/jobs/\(job.id)", Self.json, body: Array(body.utf8))
        #expect(answer.status == status, "\(answer.text)")
        #expect(try await rig.store.job(job.id)?.labels == [])
        // Labels of an ended job can still be changed.
        let label = try await rig.call(
            "PATCH", "/v1/jobs/\(job.id)", Self.json, body: Array(#"{"labels":{"ok":"y"}}"#.utf8))
        #expect(label.status == 200)
    }

    @Test func `an ended job is submitted again, once for a key`() async throws {
        let rig = try Rig()
        let job = try await rig.submit {
            $0.labels = [.init(key: "env", value: "test")]
            $0.priority = 3
        }
        let early = try await rig.call("POST", "/v1/jobs/\(job.id)/resubmit")
        #expect(early.status == 409)
        try await rig.run(job.id)
        let key = [("Idempotency-Key", "again-1")]
        let answer = try await rig.call("POST", "/v1/jobs/\(job.id)/resubmit?label.try=2", key)
        #expect(answer.status == 201)
        let id = try #require(answer.id)
        #expect(id != job.id)
        #expect(answer["location"] == "/v1/jobs/\(id)")
        #expect(answer["link"] == "</v1/jobs/\(job.id)>; rel=\"related\"")
        let made = try #require(try await rig.store.job(id))
        #expect(made.labels.map { "\($0.key)=\($0.value)" } == ["env=test", "try=2"])
        #expect(made.priority == 3)
        #expect(made.deck == job.deck)
        #expect(try await rig.get("/v1/jobs/\(id)/deck").body == rig.get("/v1/jobs/\(job.id)/deck").body)
        let again = try await rig.call("POST", "/v1/jobs/\(job.id)/resubmit?label.try=2", key)
        #expect(again.id == id)
        #expect(again["idempotency-replayed"] == "true")
        let other = try await rig.call("POST", "/v1/jobs/\(job.id)/resubmit?label.try=3", key)
        #expect(other.problem == "idempotency-key-reused")
    }
}
