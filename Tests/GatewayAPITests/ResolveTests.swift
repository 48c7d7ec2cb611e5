import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct ResolveTests {
    private func uncertain(_ rig: Rig) async throws -> Job {
        let job = try await rig.submit()
        try await rig.commit(.beginSending, job.id, attempt: .open(session: "session 3", closing: true))
        return try await rig.commit(
            .lostInClosing(evidence: "all octets sent, no receipt"), job.id,
            attempt: .note(evidence: "all octets sent, no receipt"))
    }

    private func resolve(_ rig: Rig, _ id: JobID, _ body: String) async throws -> Answer {
        try await rig.call(
            "POST", "/v1/jobs/\(id)/resolve", [("Content-Type", "application/json")], body: Array(body.utf8))
    }

    @Test func `an uncertain job shows what was seen on the line`() async throws {
        let rig = try Rig()
        let job = try await uncertain(rig)
        let shown = try await rig.call("GET", "/v1/jobs/\(job.id)")
        #expect(shown.json["uncertain"]?["evidence"]?.string == "all octets sent, no receipt")
        #expect(shown.json["uncertain"]?["phase"]?.string == "closing")
        #expect(shown.json["uncertain"]?["session"]?.string == "session 3")
        let attempts = try await rig.call("GET", "/v1/jobs/\(job.id)/attempts")
        #expect(attempts.json["items"]?.elements?.count == 1)
        #expect(attempts.json["items"]?.elements?.first?["number"]?.int == 1)
    }

    @Test(arguments: [
        (#"{"action":"adopt","host_job":"J00042"}"#, "adopted", "submitted"),
        (#"{"action":"resend"}"#, "queued-again", "queued"), (#"{"action":"abandon"}"#, "abandoned", "failed"),
    ])
    func `a decision is done, said and audited`(_ body: String, _ effect: String, _ state: String) async throws {
        let rig = try Rig()
        let job = try await uncertain(rig)
        let answer = try await resolve(rig, job.id, body)
        #expect(answer.status == 200)
        #expect(answer.json["effect"]?.string == effect)
        #expect(answer.json["state"]?.string == state)
        #expect(answer.json["host_job"]?.string == (state == "submitted" ? "J00042" : nil))
        let audit = try await rig.store.audit(AuditQuery(owner: .local, subject: job.id.description))
        #expect(audit.map(\.entry.action) == ["job.resolve"])
        // Decided is decided.
        let again = try await resolve(rig, job.id, body)
        #expect(again.status == 409)
        #expect(again.problem == "state-conflict")
        #expect(again.json["state"]?.string == state)
        #expect(try await rig.store.audit(AuditQuery(owner: .local, subject: job.id.description)).count == 1)
    }

    @Test(arguments: [
        ("", 400), ("[]", 400), (#"{"action":"adopt"}"#, 422), (#"{"action":"adopt","host_job":"A B"}"#, 422),
        (#"{"action":"resend","host_job":"J1"}"#, 422), (#"{"action":"guess"}"#, 422), ("{}", 422),
        (#"{"action":"resend","why":"x"}"#, 422), (#"{"action":"resend","action":"abandon"}"#, 400),
    ])
    func `a decision that is not clear is refused`(_ body: String, _ status: Int) async throws {
        let rig = try Rig()
        let job = try await uncertain(rig)
        let answer = try await resolve(rig, job.id, body)
        #expect(answer.status == status, "\(body)")
        #expect(try await rig.store.job(job.id)?.state == .uncertain)
    }

    @Test func `another owner's job is not there to be resolved`() async throws {
        let rig = try Rig { $0.identify = { _ in Caller(owner: .local) } }
        let job = try await rig.submit(owner: try #require(Owner("other")))
        #expect(try await resolve(rig, job.id, #"{"action":"resend"}"#).status == 404)
        #expect(try await rig.call("GET", "/v1/jobs/\(job.id)/attempts").status == 404)
    }

    @Test func `a number that another job has is a conflict that names the job`() async throws {
        let rig = try Rig()
        let first = try await rig.submit()
        try await rig.send(first.id)
        let job = try await uncertain(rig)
        let answer = try await resolve(rig, job.id, #"{"action":"adopt","host_job":"J00042"}"#)
        #expect(answer.status == 409)
        #expect(answer.json["job"]?.string == "/v1/jobs/\(first.id)")
    }

    @Test func `a decision on an old tag is refused`() async throws {
        let rig = try Rig()
        let job = try await uncertain(rig)
        let answer = try await rig.call(
            "POST", "/v1/jobs/\(job.id)/resolve", [("Content-Type", "application/json"), ("If-Match", "\"1-0\"")],
            body: Array(#"{"action":"resend"}"#.utf8))
        #expect(answer.status == 412)
    }

    // MARK: hosts

    @Test func `a host is drained and resumed, which it shows, and which is audited`() async throws {
        let rig = try Rig()
        let drained = try await rig.call("POST", "/v1/hosts/demo/drain")
        #expect(drained.status == 200)
        #expect(drained.json["draining"] == .bool(true))
        #expect(drained.json["links"]?["resume"]?.string == "/v1/hosts/demo/resume")
        let host = try #require(HostID("demo"))
        #expect(try await rig.store.isDraining(host))
        #expect(
            String(decoding: try await rig.call("GET", "/metrics").body, as: UTF8.self).contains(
                "rje_host_draining{host=\"demo\"} 1"))
        let resumed = try await rig.call("POST", "/v1/hosts/demo/resume")
        #expect(resumed.json["draining"] == .bool(false))
        #expect(try await !rig.store.isDraining(host))
        #expect(try await rig.store.audit(AuditQuery(owner: .local, subject: "demo")).count == 2)
        #expect(try await rig.call("POST", "/v1/hosts/nobody/drain").status == 404)
    }
}
