import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct SubmitTests {
    @Test func `a deck as the body becomes a queued job with its place`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs?host=demo")
        #expect(answer.status == 201)
        #expect(answer.mediaType == "application/json")
        let id = try #require(answer.id)
        #expect(answer["location"] == "/v1/jobs/\(id)")
        #expect(answer.json["state"]?.string == "queued")
        #expect(answer.json["name"]?.string == "HELLO")
        #expect(answer.json["host"]?.string == "demo")
        #expect(answer.json["deck"]?["cards"]?.int == 5)
        #expect(answer.json["deck"]?["sha256"]?.string == ContentHash(of: Array(Decks.hello.utf8)).hex)
        #expect(answer.json["outputs"]?.elements == [])
        #expect(answer.json["links"]?["output"]?.string == "/v1/jobs/\(id)/output")
        #expect(try await rig.store.job(id)?.state == .queued)
    }

    @Test func `every option has its place in query, JSON and form`() async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        let query =
            "host=other&name=PAYROLL&correlator=build-17&priority=9&hold=true&label.env=prod&label.team=a"
            + "&not_before=2030-01-01T00:00:00Z&not_after=2031-01-01T00:00:00%2B01:00&on_uncertain=resubmit"
        let byQuery = try await rig.post("/v1/jobs?\(query)")
        let json = """
            {"host":"other","name":"PAYROLL","correlator":"build-17","priority":9,"hold":true,
             "labels":{"env":"prod","team":"a"},"not_before":"2030-01-01T00:00:00Z",
             "not_after":"2031-01-01T00:00:00+01:00","on_uncertain":"resubmit",
             "deck":"//HELLO JOB\\n//S EXEC PGM=IEFBR14\\n"}
            """
        let byJSON = try await rig.post("/v1/jobs", json, ("Content-Type", "application/json"))
        var form = ""
        for parameter in query.split(separator: "&") {
            let parts = parameter.split(separator: "=")
            let value = parts[1].replacing("%2B", with: "+")
            form += "--xx\r\nContent-Disposition: form-data; name=\"\(parts[0])\"\r\n\r\n\(value)\r\n"
        }
        form +=
            "--xx\r\nContent-Disposition: form-data; name=\"deck\"; filename=\"a.jcl\"\r\n\r\n\(Decks.hello)\r\n--xx--\r\n"
        let byForm = try await rig.post("/v1/jobs", form, ("Content-Type", "multipart/form-data; boundary=xx"))
        for answer in [byQuery, byJSON, byForm] {
            #expect(answer.status == 201, "\(answer.text)")
            let id = try #require(answer.id)
            let job = try #require(try await rig.store.job(id))
            #expect(job.host.description == "other")
            #expect(job.name?.description == "PAYROLL")
            #expect(job.correlator == "build-17")
            #expect(job.priority == 9)
            #expect(job.state == .held)
            #expect(job.labels == [.init(key: "env", value: "prod"), .init(key: "team", value: "a")])
            #expect(job.notBefore?.rfc3339 == "2030-01-01T00:00:00.000Z")
            #expect(job.notAfter?.rfc3339 == "2030-12-31T23:00:00.000Z")
            #expect(job.uncertainPolicy == .resubmit)
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let what: String
        var query = "host=demo"
        var fields: [(String, String)] = []
        var body = Decks.hello
        let status: Int
        let slug: String
        var says: String = ""
        var testDescription: String { what }
    }

    @Test(arguments: [
        Refusal(what: "unknown host", query: "host=nope", status: 422, slug: "unknown-host", says: "demo"),
        Refusal(what: "typo in a parameter", query: "hots=demo", status: 400, slug: "malformed-request", says: "hots"),
        Refusal(
            what: "repeated parameter", query: "host=demo&host=demo", status: 400, slug: "malformed-request",
            says: "host"),
        Refusal(
            what: "priority out of range", query: "priority=16", status: 422, slug: "invalid-field", says: "0 to 15"),
        Refusal(
            what: "hold is no word", query: "hold=perhaps", status: 422, slug: "invalid-field", says: "true or false"),
        Refusal(
            what: "job name too long", query: "name=TOOLONGNAME", status: 422, slug: "invalid-field", says: "job name"),
        Refusal(what: "time is none", query: "not_before=tomorrow", status: 422, slug: "invalid-field", says: "2026"),
        Refusal(
            what: "window is empty", query: "not_before=2030-01-02T00:00:00Z&not_after=2030-01-01T00:00:00Z",
            status: 422,
            slug: "invalid-field", says: "later"),
        Refusal(what: "label with a slash", query: "label.a%2Fb=1", status: 422, slug: "invalid-field", says: "label"),
        Refusal(
            what: "webhook refused", query: "notify=http://10.0.0.1/", status: 422, slug: "invalid-field",
            says: "10.0.0.1"),
        Refusal(what: "form is none", query: "form=punched", status: 422, slug: "invalid-field", says: "cards"),
        Refusal(
            what: "until is no state", query: "until=done", status: 400, slug: "malformed-request", says: "completed"),
        Refusal(what: "empty deck", body: "", status: 422, slug: "invalid-deck", says: "not blank"),
        Refusal(what: "faults in the deck", body: Decks.broken, status: 422, slug: "invalid-deck", says: "faults"),
        Refusal(
            what: "form type without line feeds", fields: [("Content-Type", "application/x-www-form-urlencoded")],
            body: "//HELLO JOB//S EXEC PGM=X", status: 415, slug: "unsupported-media-type", says: "--data-binary"),
        Refusal(
            what: "octets without line feeds", fields: [("Content-Type", "application/octet-stream")],
            body: String(repeating: "A", count: 160), status: 422, slug: "invalid-deck", says: "form=cards"),
        Refusal(
            what: "another charset", fields: [("Content-Type", "text/plain; charset=iso-8859-1")], status: 415,
            slug: "unsupported-media-type", says: "iconv"),
        Refusal(what: "bad key", fields: [("Idempotency-Key", "a b")], status: 400, slug: "idempotency-key-invalid"),
        Refusal(
            what: "damaged body",
            fields: [("Content-Digest", "sha-256=:\(Base64.encode([UInt8](repeating: 0, count: 32))):")], status: 400,
            slug: "digest-mismatch"),
        Refusal(what: "nothing acceptable", fields: [("Accept", "image/png")], status: 406, slug: "not-acceptable"),
        Refusal(
            what: "no JSON", fields: [("Content-Type", "application/json")], body: "{\"deck\":", status: 400,
            slug: "malformed-request", says: "JSON"),
        Refusal(
            what: "no form", fields: [("Content-Type", "multipart/form-data; boundary=x")], body: "hello", status: 400,
            slug: "malformed-request"),
        Refusal(
            what: "form without deck", query: "", fields: [("Content-Type", "multipart/form-data; boundary=x")],
            body: "--x\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\ndemo\r\n--x--\r\n", status: 422,
            slug: "invalid-field", says: "no deck"),
    ])
    func `what cannot be taken is refused in words`(_ row: Refusal) async throws {
        let rig = try Rig { settings in
            settings.checkNotify = { url in
                if url.contains("10.0.0.1") { throw Refused(description: "10.0.0.1 is private") }
            }
        }
        let answer = try await rig.call("POST", "/v1/jobs?\(row.query)", row.fields, body: Array(row.body.utf8))
        #expect(answer.status == row.status, "\(answer.text)")
        #expect(answer.problem == row.slug)
        #expect(answer.mediaType == "application/problem+json")
        #expect(row.says.isEmpty || answer.text.contains(row.says), "\(answer.text)")
        #expect(try await rig.store.lastSequence() == 0, "nothing was stored")
    }

    struct Refused: Error, CustomStringConvertible { let description: String }

    @Test func `deck faults carry line and column`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs", Decks.broken)
        let errors = try #require(answer.json["errors"]?.elements)
        #expect(errors.map { $0["code"]?.string } == ["no-job-card", "tab", "card-too-long"])
        #expect(errors.map { $0["line"]?.int } == [1, 2, 3])
        #expect(errors.map { $0["column"]?.int } == [1, 4, 81])
        let text = try await rig.post("/v1/jobs", Decks.broken, ("Accept", "text/plain"))
        #expect(text.mediaType == "text/plain")
        #expect(text.text.hasPrefix("error: Invalid deck: "))
        #expect(text.text.contains("(line 3, column 81)"))
    }

    @Test func `unknown and wrong JSON members are named by pointers`() async throws {
        let rig = try Rig()
        let json = "{\"deck\":\"//A JOB\\n\",\"hots\":\"demo\",\"priority\":\"high\",\"labels\":{\"a\":1}}"
        let answer = try await rig.post("/v1/jobs", json, ("Content-Type", "application/json"))
        #expect(answer.status == 422)
        #expect(
            answer.json["errors"]?.elements?.compactMap { $0["pointer"]?.string }.sorted() == [
                "/hots", "/labels/a", "/priority",
            ])
    }

    @Test func `card images are taken when they are announced`() async throws {
        let rig = try Rig()
        let cards = ["//CARDS JOB", "//S EXEC PGM=IEFBR14"].map {
            $0.padding(toLength: 80, withPad: " ", startingAt: 0)
        }
        let octets = try CodePage.cp037.encode(cards.joined())
        let answer = try await rig.call(
            "POST", "/v1/jobs?form=cards", [("Content-Type", "application/octet-stream")], body: octets)
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.json["name"]?.string == "CARDS")
        #expect(answer.json["deck"]?["form"]?.string == "card-images")
        let id = try #require(answer.id)
        let deck = try await rig.get("/v1/jobs/\(id)/deck")
        #expect(deck.body == octets)
        #expect(deck.mediaType == "application/octet-stream")
        let cut = try await rig.call("POST", "/v1/jobs?form=cards", body: Array(octets.dropLast(7)))
        #expect(cut.problem == "invalid-deck")
        #expect(cut.json["errors"]?.elements?.last?["code"]?.string == "partial-card")
    }

    @Test func `a deck is too large one octet above the limit`() async throws {
        let rig = try Rig()
        let card = "//* " + String(repeating: "X", count: 75) + "\n"
        var deck = "//BIG      JOB\n"
        while deck.utf8.count + card.utf8.count + 4 <= 1024 * 1024 { deck += card }
        deck += "//*" + String(repeating: "X", count: 1024 * 1024 - deck.utf8.count - 4) + "\n"
        #expect(deck.utf8.count == 1024 * 1024)
        #expect(try await rig.post("/v1/jobs", deck).status == 201)
        // Refused by its length: who goes on sending may find the connection broken.
        let exchange = try await Exchange(rig)
        defer { exchange.close() }
        try await exchange.send(Rig.requestHead("POST", "/v1/jobs", [], length: deck.utf8.count + 1))
        #expect(try await exchange.answer(to: "POST").status == 413)
    }

    @Test(arguments: [
        ("application/json", "{\"priority\":99,\"deck\":\"DECK\"}"),
        ("application/json", "{\"hots\":\"demo\",\"deck\":\"DECK\"}"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"deck\"\r\n\r\nDECK\r\n"
                + "--x\r\nContent-Disposition: form-data; name=\"priority\"\r\n\r\n99\r\n--x--\r\n"
        ),
        ("text/plain", "DECK\tTAB"),
    ])
    func `a refused request leaves no deck behind`(_ type: String, _ body: String) async throws {
        let rig = try Rig()
        // Too large for a row: such a deck is a file.
        let isJSON = type == "application/json"
        let card = "//* " + String(repeating: "X", count: 70) + "\n"
        let deck = "//BIG JOB\n" + String(repeating: card, count: 2000)
        let text = body.replacing("DECK", with: isJSON ? deck.replacing("\n", with: "\\n") : deck)
        #expect(try await rig.post("/v1/jobs", text, ("Content-Type", type)).status == 422)
        func left() -> [String]? {
            FileManager.default.enumerator(atPath: rig.folder + "/spool")?.allObjects.compactMap { name in
                var isFolder: ObjCBool = false
                let path = rig.folder + "/spool/\(name)"
                return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
                    ? path : nil
            }
        }
        // It is removed while the answer is on its way.
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while left() != [], ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(left() == [])
        #expect(try await rig.store.lastSequence() == 0)
    }

    @Test func `return minimal gives no body`() async throws {
        let rig = try Rig()
        let answer = try await rig.post("/v1/jobs", Decks.hello, ("Prefer", "return=minimal"))
        #expect(answer.status == 201)
        #expect(answer.body.isEmpty)
        #expect(answer["location"] != nil)
        #expect(answer["preference-applied"] == "return=minimal")
    }

    @Test func `a gateway that stops says so and takes the jobs that reach it`() async throws {
        let rig = try Rig()
        rig.gateway.announceStop()
        #expect(try await rig.get("/readyz").status == 503)
        #expect(try await rig.get("/livez").status == 200)
        rig.gateway.drain()
        #expect(try await rig.post("/v1/jobs").status == 201)
    }
}
