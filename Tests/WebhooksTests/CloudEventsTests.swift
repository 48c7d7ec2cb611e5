import Jobs
import Stores
import Testing
import Webhooks
import Wire

@Suite struct CloudEventsTests {
    private let event = Event(
        sequence: 9, id: "evt_0001", type: "job.completed", job: JobID(bits: 7),
        at: Timestamp(microseconds: 1_767_323_045_678_000),
        body: Array(#"{"type":"job.completed","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"job_01"}}"#.utf8))

    @Test func `the standard form is the stored body`() {
        let message = EventMessage(event, owner: .local, mode: .standard)
        #expect(message.body == event.body)
        #expect(message.headers == [SendHeader("content-type", "application/json")])
    }

    @Test func `binary mode has the attributes in headers and the stored body as data`() throws {
        let message = EventMessage(event, owner: .local, mode: .cloudEventsBinary)
        #expect(message.body == event.body)
        let headers = Dictionary(uniqueKeysWithValues: message.headers.map { ($0.name, $0.value) })
        #expect(
            headers == [
                "content-type": "application/json", "ce-specversion": "1.0", "ce-id": "evt_0001",
                "ce-source": "/v1/owners/local", "ce-type": "org.port77.job.completed",
                "ce-time": "2026-01-02T03:04:05.678Z", "ce-subject": "00000000000000000000000007",
            ])
    }

    @Test func `structured mode is one JSON object with the stored body inside`() throws {
        let message = EventMessage(event, owner: .local, mode: .cloudEventsStructured)
        #expect(message.headers == [SendHeader("content-type", "application/cloudevents+json; charset=utf-8")])
        #expect(
            String(decoding: message.body, as: UTF8.self)
                == #"{"specversion":"1.0","id":"evt_0001","source":"/v1/owners/local","type":"org.port77.job.completed","#
                + #""time":"2026-01-02T03:04:05.678Z","subject":"00000000000000000000000007","#
                + #""datacontenttype":"application/json","data":"# + String(decoding: event.body, as: UTF8.self) + "}")
    }

    @Test func `a batch is a list of structured events, and has an ID that follows from theirs`() throws {
        let other = Event(
            sequence: 10, id: "evt_0002", type: "host.up", job: nil, at: event.at,
            body: Array(#"{"type":"host.up","data":{"host":"a"}}"#.utf8))
        let message = EventMessage(event, and: [other], owner: .local, mode: .cloudEventsBatch)
        #expect(message.headers == [SendHeader("content-type", "application/cloudevents-batch+json; charset=utf-8")])
        let each = [event, other].map { EventMessage($0, owner: .local, mode: .cloudEventsStructured).body }
        #expect(message.body == [0x5B] + each[0] + [0x2C] + each[1] + [0x5D])
        #expect(try JSONValue(parsing: message.body).elements?.map { $0["id"]?.string } == ["evt_0001", "evt_0002"])
        #expect(message.id.hasPrefix("batch_") && message.id.utf8.count == 32)
        #expect(message.id == EventMessage(event, and: [other], owner: .local, mode: .cloudEventsBatch).id)
        for another in [
            EventMessage(event, owner: .local, mode: .cloudEventsBatch),
            EventMessage(other, and: [event], owner: .local, mode: .cloudEventsBatch),
        ] {
            #expect(another.id != message.id)
        }
    }

    @Test func `the trace of the job stands in the headers of binary mode, and in no body`() throws {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let trace = try #require(TraceContext(parent: parent, state: "a=1"))
        let binary = EventMessage(event, owner: .local, mode: .cloudEventsBinary, trace: trace)
        #expect(binary.headers.contains { $0.name == "ce-traceparent" && $0.value == parent })
        #expect(binary.headers.contains { $0.name == "ce-tracestate" && $0.value == "a=1" })
        for mode in Endpoint.Mode.allCases {
            let message = EventMessage(event, owner: .local, mode: mode, trace: trace)
            #expect(message.body == EventMessage(event, owner: .local, mode: mode).body)
        }
    }

    @Test(arguments: [
        ("plain-~!#$&'()*+,/:;=?@[]", "plain-~!#$&'()*+,/:;=?@[]"),
        ("a b", "a%20b"), (#"say "hi""#, "say%20%22hi%22"), ("100%", "100%25"),
        ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"), ("\u{7F}\u{1}\t", "%7F%01%09"),
    ])
    func `a header's value is encoded octet by octet`(_ text: String, _ encoded: String) {
        #expect(EventMessage.encoded(text) == encoded)
    }
}

@Suite struct TokenBucketTests {
    private func at(_ microseconds: Int64) -> Timestamp { Timestamp(microseconds: microseconds) }

    @Test(arguments: [1, 2, 7, 60, 599, 600, 1200, 6000, 90_000])
    func `no minute has more than the rate, and a long time has nearly as many`(_ rate: Int) throws {
        var bucket = TokenBucket(rate: rate)
        var now = at(1_000_000)
        var sent: [Int64] = []
        for _ in 0..<(3 * rate + 10) {
            if let time = bucket.wait(at: now) { now = time }
            #expect(bucket.wait(at: now) == nil)
            bucket.take(at: now)
            sent.append(now.microseconds)
        }
        for (index, time) in sent.enumerated() where index + rate < sent.count {
            #expect(sent[index + rate] - time >= 60_000_000)
        }
        let took = try #require(sent.last) - sent[0]
        #expect(took <= Int64(Double(3 * rate + 9) / Double(rate) * 60_000_000 * 1.02) + 60_000_000)
    }

    @Test func `a long silence earns no more than the burst`() {
        var bucket = TokenBucket(rate: 6000)
        bucket.take(at: at(0))
        let later = at(3_600_000_000)
        var burst = 0
        while bucket.wait(at: later) == nil {
            bucket.take(at: later)
            burst += 1
        }
        #expect(burst == 10)
    }
}

@Suite struct VerificationTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var origin: String?
        var rate: String?
        var asked: Int?
        let isGiven: Bool
        var allowed: Int?
    }

    @Test(arguments: [
        Row(testDescription: "our name", origin: "gw.example", isGiven: true),
        Row(testDescription: "our name, other case", origin: "GW.Example", isGiven: true),
        Row(testDescription: "anyone", origin: "*", isGiven: true),
        Row(testDescription: "nothing", isGiven: false),
        Row(testDescription: "another name", origin: "evil.example", isGiven: false),
        Row(testDescription: "a list is no name", origin: "gw.example, a.example", isGiven: false),
        Row(testDescription: "a rate unasked", origin: "*", rate: "100", isGiven: true, allowed: 100),
        Row(testDescription: "asked, none given", origin: "*", asked: 60, isGiven: false),
        Row(testDescription: "asked, any", origin: "*", rate: "*", asked: 60, isGiven: true),
        Row(testDescription: "asked, fewer", origin: "*", rate: "10", asked: 60, isGiven: true, allowed: 10),
        Row(testDescription: "a rate of zero", origin: "*", rate: "0", asked: 60, isGiven: false),
        Row(testDescription: "no number", origin: "*", rate: "ten", asked: 60, isGiven: false),
    ])
    func `consent is a header that names us`(_ row: Row) {
        let consent = Handshake.consent(
            allowedOrigin: row.origin, allowedRate: row.rate, origin: "gw.example", askedRate: row.asked)
        if row.isGiven {
            #expect(consent == .given(rate: row.allowed))
        } else if case .given = consent {
            Issue.record("given")
        }
    }

    @Test func `a challenge is met by its value in the body of a good answer`() {
        let value = Challenge.newValue()
        #expect(value.utf8.count == 32 && value != Challenge.newValue())
        #expect(Challenge.isMet(value: value, status: 200, answer: Array("{\"challenge\":\"\(value)\"}".utf8)))
        #expect(!Challenge.isMet(value: value, status: 500, answer: Array(value.utf8)))
        #expect(!Challenge.isMet(value: value, status: nil, answer: Array(value.utf8)))
        #expect(!Challenge.isMet(value: value, status: 204, answer: []))
    }

    @Test func `who does not agree is asked once a minute for an hour, then hourly for three days`() {
        #expect(VerificationPace.wait(afterAskingAt: .zero) == .seconds(60))
        #expect(VerificationPace.wait(afterAskingAt: .seconds(3599)) == .seconds(60))
        #expect(VerificationPace.wait(afterAskingAt: .seconds(3600)) == .seconds(3600))
        #expect(VerificationPace.wait(afterAskingAt: .seconds(3 * 86_400)) == nil)
    }
}
