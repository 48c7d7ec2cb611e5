import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct TraceTests {
    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func `a job keeps the request and the trace it came with`() async throws {
        let rig = try Rig()
        let answer = try await rig.post(
            "/v1/jobs", Decks.hello, ("X-Request-ID", "build-77"), ("traceparent", Self.parent),
            ("tracestate", "a=1,b=2"))
        #expect(answer.status == 201)
        #expect(answer["request-id"] == "build-77")
        #expect(answer.json["request_id"]?.string == "build-77")
        let stored = try #require(answer.json["traceparent"]?.string)
        #expect(stored.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") && stored.hasSuffix("-01"))
        #expect(stored != Self.parent, "the step is ours")
        let id = try #require(answer.json["id"]?.string.flatMap { JobID($0) })
        #expect(try await rig.store.job(id)?.origin?.trace.state == "a=1,b=2")
        #expect(try await rig.get("/v1/jobs/\(id)").json["traceparent"]?.string == stored)
    }

    @Test(arguments: [
        nil, "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", parent + "-x", parent.uppercased(),
    ])
    func `without a valid trace one begins, and its state is dropped`(_ parent: String?) async throws {
        let rig = try Rig()
        let trace = parent.map { [("traceparent", $0)] } ?? []
        let answer = try await rig.call(
            "POST", "/v1/jobs", trace + [("tracestate", "a=1")], body: Array(Decks.hello.utf8))
        let id = try #require(answer.json["id"]?.string.flatMap { JobID($0) })
        let origin = try #require(try await rig.store.job(id)?.origin)
        #expect(origin.trace.traceID != "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(origin.trace.traceID != String(repeating: "0", count: 32))
        #expect(origin.trace.state == nil)
        #expect(origin.requestID == answer["request-id"])
    }

    private func kept(in rig: Rig) async throws -> Job {
        let job = try await rig.submit()
        try await rig.commit(.beginSending, job.id, attempt: .open(session: "test", closing: true))
        var log = FrameLog()
        let now = rig.desk.clock.now()
        log.first = [
            Frame(at: now, .out, octets: 11, "USER RMT1".utf8),
            Frame(at: now, .out, on: .reader, octets: 800, [0xC8, 0xC5, 0xD3, 0xD3, 0xD6], isData: true),
            Frame(at: now, .in, octets: 4, [0x01, 0xFF]),
        ]
        log.omittedFrames = 3
        log.omittedOctets = 4096
        log.last = [Frame(at: now, .in, octets: 20, "250 J00042".utf8)]
        var change = JobChange(
            .accepted(JobNumber("J00042"), adopted: nil), of: job.id, at: now, attempt: .end(evidence: nil))
        change.frames = log
        return try await rig.store.commit(change)
    }

    @Test func `the frames of a job are shown as a document, as lines and as text`() async throws {
        let rig = try Rig()
        let job = try await kept(in: rig)
        let frames = try #require(try await rig.get("/v1/jobs/\(job.id)/trace").json["frames"]?.elements)
        #expect(frames.map { $0["octets"]?.int } == [11, 800, 4, 4096, 20])
        #expect(frames[0]["text"]?.string == "USER RMT1")
        #expect(frames[0]["direction"]?.string == "out")
        #expect(frames[1]["data"]?.bool == true && frames[1]["text"] == nil && frames[1]["hex"] == nil)
        #expect(frames[2]["hex"]?.string?.lowercased() == "01ff")
        #expect(frames[3]["omitted_frames"]?.int == 3)
        let lines = try await rig.get("/v1/jobs/\(job.id)/trace", ("Accept", "application/x-ndjson"))
        #expect(lines.text.split(separator: "\n").count == 5)
        let text = try await rig.get("/v1/jobs/\(job.id)/trace", ("Accept", "text/plain")).text
        #expect(text.hasPrefix("attempt 1\n"))
        #expect(text.contains("> control       11  USER RMT1\n"))
        #expect(text.contains("> reader       800  (data)\n"))
        #expect(text.contains("3 frames with 4096 octets left out"))
    }

    @Test func `data is shown on request, in the code of the host`() async throws {
        let rig = try Rig()
        let job = try await kept(in: rig)
        let frames = try await rig.get("/v1/jobs/\(job.id)/trace?data=1").json["frames"]?.elements
        #expect(frames?[1]["text"]?.string == "HELLO")
        #expect(frames?[1]["hex"]?.string?.lowercased() == "c8c5d3d3d6")
        #expect(try await rig.get("/v1/jobs/\(job.id)/trace?data=2").status == 400)
        #expect(try await rig.get("/v1/jobs/\(job.id)/trace?attempt=2").json["frames"]?.elements?.isEmpty == true)
    }

    @Test func `data asks for the right to read output`() async throws {
        let rig = try Rig { settings in
            settings.identify = { _ in Caller(owner: .local, scopes: [.jobsRead]) }
        }
        let job = try await kept(in: rig)
        #expect(try await rig.get("/v1/jobs/\(job.id)/trace").status == 200)
        #expect(try await rig.get("/v1/jobs/\(job.id)/trace?data=1").status == 403)
    }

    @Test func `another owner's job has no trace`() async throws {
        let rig = try Rig { $0.identify = { _ in Caller(owner: .local, scopes: [.jobsRead]) } }
        let job = try await rig.submit(owner: try #require(Owner("other")))
        #expect(try await rig.get("/v1/jobs/\(job.id)/trace").status == 404)
    }
}
