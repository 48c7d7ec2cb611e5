import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Webhooks
import Wire

private let wishes: [(target: String, type: String, body: String)] = [
    ("/v1/jobs?notify=https://a.example/&notify_events=job.*,job.failed", "text/plain", Decks.hello),
    (
        "/v1/jobs", "application/json",
        #"{"deck":"//A JOB\n// EXEC PGM=B\n","notify":{"url":"https://a.example/","events":["job.*","job.failed"],"#
            + #""secret":"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}"#
    ),
]

private let badWishes: [(query: String, secret: String, status: Int)] = [
    ("?notify=https://a.example/&notify_events=job.done", "", 422), ("?notify_events=job.*", "", 422),
    ("", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 422),
    ("?notify=https://a.example/", "hunter2", 422),
    ("?notify=https://a.example/&notify_secret=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "", 400),
    ("?notify=https://a.example/&notify_events=", "", 422),
]

@Suite struct DeliveryTests {
    /// A webhook, and a job that ended after it was made.
    private func ended(
        _ rig: Rig, events: String = #"["job.*"]"#
    ) async throws -> (endpoint: String, job: JobID, deliveries: [JSONValue]) {
        let made = try await rig.post(
            "/v1/webhooks", #"{"url":"https://ci.example/hook","events":\#(events)}"#,
            ("Content-Type", "application/json"))
        let id = try #require(made.json["id"]?.string)
        let job = try await rig.submit()
        try await rig.run(job.id)
        let listed = try await rig.get("/v1/webhooks/\(id)/deliveries")
        #expect(listed.status == 200)
        return (id, job.id, listed.json["items"]?.elements ?? [])
    }

    @Test func `every change of a job makes a delivery to its owner's webhook`() async throws {
        let rig = try Rig()
        let (id, job, deliveries) = try await ended(rig)
        let types = deliveries.compactMap { $0["event_type"]?.string }
        #expect(types == ["job.completed", "job.running", "job.submitted", "job.sending", "job.queued"])
        for delivery in deliveries {
            #expect(delivery["state"]?.string == "pending")
            #expect(delivery["endpoint"]?.string == id)
            #expect(delivery["job"]?.string == job.description)
            #expect(delivery["attempts"]?.elements?.isEmpty == true)
        }
        let ofJob = try await rig.get("/v1/jobs/\(job)/deliveries").json["items"]?.elements ?? []
        #expect(ofJob.compactMap { $0["id"]?.string } == deliveries.reversed().compactMap { $0["id"]?.string })
    }

    @Test func `deliveries are filtered by state, type and time, page by page`() async throws {
        let rig = try Rig()
        let (id, _, all) = try await ended(rig)
        let target = "/v1/webhooks/\(id)/deliveries"
        func numbers(_ query: String) async throws -> [String] {
            let answer = try await rig.get(target + query)
            #expect(answer.status == 200, "\(answer.text)")
            return answer.json["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
        }
        let every = all.compactMap { $0["id"]?.string }
        #expect(try await numbers("?state=pending") == every)
        #expect(try await numbers("?state=dead,delivered").isEmpty)
        #expect(try await numbers("?type=job.completed") == [every[0]])
        #expect(try await numbers("?type=job.*") == every)
        #expect(try await numbers("?type=host.*").isEmpty)
        #expect(try await numbers("?since=2100-01-01T00:00:00Z").isEmpty)
        #expect(try await numbers("?until=2100-01-01T00:00:00Z") == every)
        var paged: [String] = []
        var query = "?limit=2&type=job.*"
        while true {
            let page = try await rig.get(target + query)
            paged += page.json["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
            guard let cursor = page.json["next_cursor"]?.string else { break }
            #expect(page["link"]?.contains("rel=\"next\"") == true)
            query = "?limit=2&type=job.*&cursor=\(cursor)"
        }
        #expect(paged == every)
        for bad in ["?state=lost", "?state=", "?type=nothing", "?since=yesterday", "?limit=0", "?cursor=x"] {
            #expect(try await rig.get(target + bad).status == 400, "\(bad)")
        }
    }

    @Test func `an attempt is shown with what the receiver said, and can be repeated`() async throws {
        let rig = try Rig()
        let (_, _, deliveries) = try await ended(rig, events: #"["job.completed"]"#)
        let number = try #require(deliveries.first?["id"]?.string.flatMap { Int64($0) })
        let now = rig.desk.clock.now()
        try await rig.store.record([
            DeliveryResult(
                delivery: DeliveryID(number),
                attempt: DeliveryAttempt(
                    at: now, status: 404, result: "status", duration: .milliseconds(12),
                    timings: .init(
                        resolved: .microseconds(150), connected: .microseconds(300), firstByte: .milliseconds(11)),
                    exchange: DeliveryExchange(
                        sentOctets: 512, receivedOctets: 70_000, httpVersion: 20, tlsVersion: 0x0304, verifyResult: 0),
                    address: "192.0.2.7", answer: Array("who are you".utf8), batch: "batch_1"),
                next: .dead)
        ])
        let target = "/v1/deliveries/\(number)"
        let shown = try await rig.get(target)
        #expect(shown.json["state"]?.string == "dead")
        let attempt = try #require(shown.json["attempts"]?.elements?.first)
        #expect(attempt["status"]?.int == 404)
        #expect(attempt["answer"]?.string == "who are you")
        #expect(attempt["address"]?.string == "192.0.2.7")
        #expect(attempt["connected_ms"]?.double == 0.3)
        #expect(attempt["first_byte_ms"]?.double == 11)
        #expect(attempt["resolved_ms"]?.double == 0.15)
        #expect(attempt["sent_octets"]?.int == 512 && attempt["received_octets"]?.int == 70_000)
        #expect(attempt["http_version"]?.string == "2" && attempt["tls_version"]?.string == "1.3")
        #expect(attempt["tls_verify_result"]?.int == 0)
        #expect(attempt["batch"]?.string == "batch_1")
        #expect(attempt["secured_ms"] == nil)
        let again = try await rig.call("POST", target + "/redeliver")
        #expect(again.status == 202)
        #expect(again["location"] == target)
        let due = try await rig.store.dueDeliveries(at: now.advanced(by: .seconds(600)), limit: 10, excluding: [])
        #expect(due.map(\.id) == [DeliveryID(number)])
        #expect(due.first?.isExtra == true)
    }

    @Test func `dead deliveries of a range go again`() async throws {
        let rig = try Rig()
        let (id, _, deliveries) = try await ended(rig)
        let now = rig.desk.clock.now()
        try await rig.store.record(
            deliveries.prefix(3).compactMap { $0["id"]?.string.flatMap { Int64($0) } }.map {
                DeliveryResult(
                    delivery: DeliveryID($0),
                    attempt: DeliveryAttempt(at: now, status: 500, result: "status", duration: .zero), next: .dead)
            })
        let target = "/v1/webhooks/\(id)/recover"
        let json = ("Content-Type", "application/json")
        let range = #"{"since":"2026-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z","states":["dead"]}"#
        #expect(try await rig.post(target, range, json).json["count"]?.int == 3)
        #expect(try await rig.get("/v1/webhooks/\(id)/deliveries?state=pending").json["items"]?.elements?.count == 5)
        for bad in [
            "{}", #"{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}"#, #"{"since":"now"}"#,
            #"{"since":"2026-01-01T00:00:00Z","states":["pending"]}"#, #"{"since":"2026-01-01T00:00:00Z","states":[]}"#,
            #"{"since":"2026-01-01T00:00:00Z","to":1}"#,
        ] {
            #expect(try await rig.post(target, bad, json).status == 422, "\(bad)")
        }
    }

    @Test func `deliveries of another owner are not there`() async throws {
        let rig = try Rig { settings in
            settings.identify = { Caller(owner: $0["x-owner"].flatMap { Owner($0) } ?? .local) }
        }
        let (_, _, deliveries) = try await ended(rig)
        let number = try #require(deliveries.first?["id"]?.string)
        for (method, path) in [("GET", ""), ("POST", "/redeliver")] {
            let answer = try await rig.call(method, "/v1/deliveries/\(number)\(path)", [("X-Owner", "bob")])
            #expect(answer.status == 404)
        }
        for odd in ["0", "-1", "x", "99999999999999999999", "1e3"] {
            #expect(try await rig.get("/v1/deliveries/\(odd)").status == 404)
        }
    }

    // MARK: notify

    @Test(arguments: wishes)
    func `one job may call its own receiver with its own secret and events`(
        _ target: String, _ type: String, _ body: String
    ) async throws {
        let rig = try Rig()
        var fields = [("Content-Type", type)]
        let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        if type == "text/plain" { fields.append(("Notify-Secret", secret)) }
        let posted = try await rig.call("POST", target, fields, body: Array(body.utf8))
        #expect(posted.status == 201, "\(posted.text)")
        let due = try await rig.store.dueDeliveries(at: rig.desk.clock.now(), limit: 10, excluding: [])
        // job.queued already, so that the filter is not the usual one.
        #expect(due.map(\.event.type) == ["job.queued"])
        #expect(due.first?.target.secrets.map(\.text) == [secret])
        #expect(due.first?.target.endpoint == nil)
        #expect(!posted.text.contains("whsec_"))
    }

    @Test(arguments: badWishes)
    func `a wish that cannot be fulfilled is refused`(_ query: String, _ secret: String, _ status: Int) async throws {
        let rig = try Rig()
        let fields = secret.isEmpty ? [] : [("Notify-Secret", secret)]
        let answer = try await rig.call("POST", "/v1/jobs\(query)", fields, body: Array(Decks.hello.utf8))
        #expect(answer.status == status, "\(answer.text)")
        #expect(!answer.text.contains("hunter2"))
    }

    // MARK: receipts

    @Test func `the receipt of an ended job is its last event, signed by the gateway's key`() async throws {
        let seed = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        let rig = try Rig { settings in
            settings.webhooks.publicKeys = {
                [
                    .init(
                        id: "k1", text: "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
                        createdAt: Timestamp(microseconds: 0))
                ]
            }
            settings.webhooks.sign = { id, timestamp, body in
                (try? Signer(secret: seed))?.signatures(id: id, timestamp: timestamp, body: body)
            }
        }
        let job = try await rig.submit()
        let target = "/v1/jobs/\(job.id)/receipt"
        let early = try await rig.get(target)
        #expect(early.status == 409)
        try await rig.run(job.id, files: [.log, .hello])
        let answer = try await rig.get(target)
        #expect(answer.status == 200)
        let event = try await rig.store.events(after: 0, job: job.id, limit: 100).last
        #expect(answer.body == event?.body)
        #expect(answer["webhook-id"] == event?.id)
        // What `curl -i` writes down is what `port77 verify` reads.
        let head = answer.fields.map { "\($0.name): \($0.value)\r\n" }.joined()
        let kept = try Receipt(Array("HTTP/1.1 200 OK\r\n\(head)\r\n".utf8) + answer.body)
        let keys = try await rig.get("/v1/webhook-keys").json["items"]?.elements?.compactMap { $0["key"]?.string }
        let (_, body) = try #require(try kept.verified(by: keys ?? []))
        let content = try #require(ReceiptContent.all(in: body).first)
        #expect(content.job == job.id.description)
        let deck = try await rig.get("/v1/jobs/\(job.id)/deck").body
        #expect(content.deckHash == ContentHash(of: deck).hex)
        for (number, hash) in content.outputHashes {
            let raw = try await rig.get("/v1/jobs/\(job.id)/outputs/\(number)", ("Accept", "application/octet-stream"))
            #expect(hash == ContentHash(of: raw.body).hex)
        }
        #expect(content.outputHashes.count == 2)
    }

    @Test func `without a key there are no receipts`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        #expect(try await rig.get("/v1/jobs/\(job.id)/receipt").status == 404)
        #expect(try await rig.get("/v1/webhook-keys").json["items"]?.elements?.isEmpty == true)
    }
}
