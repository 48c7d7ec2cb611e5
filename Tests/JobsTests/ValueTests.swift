import Jobs
import Testing
import Wire

@Suite struct ValueTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (1_767_323_045_678_000, "2026-01-02T03:04:05.678Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000Z"), (-1_000, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999_000, "9999-12-31T23:59:59.999Z"),
    ])
    func `a moment is written and read as RFC 3339`(_ microseconds: Int64, _ text: String) {
        #expect(Timestamp(microseconds: microseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        ("2026-01-02T03:04:05Z", 1_767_323_045_000_000), ("2026-01-02T05:04:05+02:00", 1_767_323_045_000_000),
        ("2026-01-02t03:04:05.000001z", 1_767_323_045_000_001),
    ])
    func `other spellings of RFC 3339 are read`(_ text: String, _ microseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        "", "2026-01-02", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+2:00",
    ])
    func `what is no moment is refused`(_ text: String) { #expect(Timestamp(rfc3339: text) == nil) }

    @Test func `job IDs sort by time and survive their spelling`() throws {
        let early = JobID(time: Timestamp(microseconds: 1_000_000_000), random: .max)
        let late = JobID(time: Timestamp(microseconds: 1_001_000_000), random: 0)
        #expect(early < late)
        #expect(early.description < late.description)
        #expect(early.description.count == 26)
        #expect(JobID(late.description) == late)
        #expect(JobID("not a job") == nil)
    }

    @Test func `an event body says what changed and nothing secret`() throws {
        var job = Job(
            id: JobID(bits: 7), host: try #require(HostID("demo")), owner: .local, name: JobName("PAYROLL"),
            createdAt: Timestamp(microseconds: 0), correlator: "ci-1", labels: [.init(key: "team", value: "a\"b")],
            deck: DeckSummary(octets: 10, cards: 1, hash: ContentHash(of: [])))
        _ = try job.apply(.beginSending, at: Timestamp(microseconds: 1_000))
        let body = String(decoding: EventBody.job(job, previous: .queued, files: []), as: UTF8.self)
        #expect(
            body == """
                {"type":"job.sending","timestamp":"1970-01-01T00:00:00.001Z","data":{"id":"00000000000000000000000007",\
                "host":"demo","owner":"local","name":"PAYROLL","correlator":"ci-1","state":"sending",\
                "previous_state":"queued","version":2,"labels":{"team":"a\\"b"},"deck_sha256":\
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","links":{"job":\
                "/v1/jobs/00000000000000000000000007","outputs":"/v1/jobs/00000000000000000000000007/outputs"}}}
                """)
    }
}
