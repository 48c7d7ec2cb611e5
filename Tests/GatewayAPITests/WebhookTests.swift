import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Synchronization
import Testing
import Webhooks
import Wire

/// A caller is whom `X-Owner` names.
private func byField(_ settings: inout GatewaySettings) {
    settings.identify = { request in
        guard let owner = request["x-owner"].flatMap({ Owner($0) }) else { return .local }
        return Caller(owner: owner)
    }
}

extension Rig {
    fileprivate func send(
        _ method: String, _ target: String, _ body: String? = nil, _ fields: (String, String)...
    ) async throws -> Answer {
        let typed = body == nil ? fields : fields + [("Content-Type", "application/json")]
        return try await call(method, target, typed, body: body.map { Array($0.utf8) })
    }

    /// - Returns: the ID and the document of a fresh one.
    fileprivate func endpoint(
        _ more: String = "", owner: String = "local"
    ) async throws -> (id: String, document: JSONValue) {
        let answer = try await send(
            "POST", "/v1/webhooks", #"{"url":"https://ci.example/hook"\#(more)}"#, ("X-Owner", owner))
        #expect(answer.status == 201, "\(answer.text)")
        return (answer.json["id"]?.string ?? "", answer.json)
    }
}

extension SQLiteStore {
    /// Enabled, and its receiver agrees.
    fileprivate func changeToAgreed(_ id: EndpointID, at time: Timestamp) async throws {
        _ = try await changeEndpoint(
            id, of: nil, ifVersion: nil, settings: nil, state: .enabled, at: time, audit: nil)
        let url = try #require(try await endpoint(id, of: nil)).settings.url
        try await recordVerification(id, url: url, .agreed, rate: nil, note: "It agreed.", at: time)
    }
}

private let faultyWebhooks: [(body: String, pointers: [String])] = [
    (#"{}"#, ["/url"]), (#"{"url":7}"#, ["/url"]), (#"{"url":""}"#, ["/url"]),
    (#"{"url":"https://a.example/","event":["job.*"]}"#, ["/event"]),
    (#"{"url":"https://a.example/","events":[]}"#, ["/events"]),
    (#"{"url":"https://a.example/","events":["job.done","*"]}"#, ["/events/0"]),
    (#"{"url":"https://a.example/","mode":"xml"}"#, ["/mode"]),
    (#"{"url":"https://a.example/","filter":{"host":["demo"]}}"#, ["/filter/host"]),
    (#"{"url":"https://a.example/","filter":{"hosts":[]}}"#, ["/filter/hosts"]),
    (#"{"url":"https://a.example/","filter":{"labels":{"a":1}}}"#, ["/filter/labels"]),
    (#"{"url":"https://a.example/","signatures":["v2"]}"#, ["/signatures"]),
    (#"{"url":"https://a.example/","verification":true}"#, ["/verification"]),
    (#"{"url":"https://a.example/","headers":{"x-a":1}}"#, ["/headers/x-a"]),
    (#"{"url":"https://a.example/","schedule":[]}"#, ["/schedule"]),
    (#"{"url":"https://a.example/","schedule":[0,604801]}"#, ["/schedule"]),
    (#"{"url":"https://a.example/","rate":0,"concurrency":33}"#, ["/rate", "/concurrency"]),
    (#"{"url":"https://a.example/","secret":"hunter2"}"#, ["/secret"]),
    (#"{"url":"https://a.example/","secret":"whsec_AAAA"}"#, ["/secret"]),
    (#"{"url":"https://a.example/","enabled":false}"#, ["/enabled"]),
    (#"{"url":"https://a.example/","tls":{"pins":"x"}}"#, ["/tls/pins"]),
    (#"{"url":"https://a.example/","tls":{"client_key":"x"}}"#, ["/tls/client_certificate"]),
    (#"{"url":"https://a.example/","tls":{"client_certificate":"x"}}"#, ["/tls/client_key"]),
    (
        #"{"url":"https://a.example/","tls":{"client_certificate":1,"insecure":true}}"#,
        ["/tls/client_certificate", "/tls/insecure"]
    ),
    (#"{"url":"https://forbidden.example/"}"#, ["/url"]),
]

@Suite struct WebhookTests {
    @Test func `a new webhook is stored before the 201, and its secret is told once`() async throws {
        let rig = try Rig()
        let made = try await rig.send(
            "POST", "/v1/webhooks",
            """
            {"url":"https://ci.example/hook","events":["job.*","host.down"],"mode":"cloudevents-binary",
             "filter":{"hosts":["demo"],"labels":{"team":"pay"}},"signatures":["v1a"],"verification":"none",
             "headers":{"Authorization":"Bearer x"},"schedule":[0,5,300],"rate":60,"concurrency":2,"description":"CI"}
            """)
        #expect(made.status == 201)
        let id = try #require(made.json["id"]?.string)
        #expect(made["location"] == "/v1/webhooks/\(id)")
        #expect(made["cache-control"] == "no-store")
        let secret = try #require(made.json["secret"]?.string)
        #expect(throws: Never.self) { try SigningKey(secret) }
        let shown = try await rig.get("/v1/webhooks/\(id)")
        #expect(shown.json["secret"] == nil)
        #expect(!shown.text.contains(secret))
        #expect(shown["etag"] == made["etag"])
        let document = shown.json
        #expect(document["state"]?.string == "enabled")
        #expect(document["events"]?.elements?.compactMap(\.string) == ["job.*", "host.down"])
        #expect(document["mode"]?.string == "cloudevents-binary")
        #expect(document["filter"]?["hosts"]?.elements?.compactMap(\.string) == ["demo"])
        #expect(document["filter"]?["labels"]?["team"]?.string == "pay")
        #expect(document["signatures"]?.elements?.compactMap(\.string) == ["v1", "v1a"])
        #expect(document["headers"]?["Authorization"]?.string == "***")
        #expect(document["schedule"]?.elements?.compactMap(\.int) == [0, 5, 300])
        #expect(document["rate"]?.int == 60)
        #expect(document["concurrency"]?.int == 2)
        #expect(document["description"]?.string == "CI")
        let id2 = try #require(EndpointID(id))
        #expect(try await rig.store.secrets(of: id2, owner: .local, at: rig.desk.clock.now())?.map(\.text) == [secret])
    }

    @Test func `the value of a header is not shown, and what is shown instead leaves it as it is`() async throws {
        let rig = try Rig()
        let (id, _) = try await rig.endpoint(#","headers":{"Authorization":"Bearer x","X-Team":"pay"}"#)
        let patched = try await rig.send(
            "PATCH", "/v1/webhooks/\(id)", #"{"headers":{"Authorization":"***","X-Team":"ops"}}"#)
        #expect(patched.status == 200)
        #expect(!patched.text.contains("Bearer x") && !patched.text.contains("ops"))
        let stored = try await rig.store.endpoint(try #require(EndpointID(id)), of: .local)?.settings.headers
        #expect(stored == [.init(name: "Authorization", value: "Bearer x"), .init(name: "X-Team", value: "ops")])
    }

    @Test func `a client certificate is stored with its key, which is never shown, and pins are changed without it`()
        async throws
    {
        let rig = try Rig()
        let (id, document) = try await rig.endpoint(
            #","tls":{"pins":["sha256//a"],"client_certificate":"CERT","client_key":"TOPSECRET"}"#)
        #expect(document["tls"]?["client_certificate"]?.string == "CERT" && document["tls"]?["client_key"] == nil)
        let changed = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"tls":{"pins":null}}"#)
        #expect(changed.status == 200 && changed.json["tls"]?["pins"] == nil)
        let endpoint = try #require(EndpointID(id))
        let target = try #require(try await rig.store.target(of: endpoint, owner: .local))
        #expect(target.tls == EndpointTLS(identity: ClientIdentity(certificate: "CERT", key: "TOPSECRET")))
        for answer in [changed, try await rig.get("/v1/webhooks/\(id)"), try await rig.get("/v1/webhooks")] {
            #expect(!answer.text.contains("TOPSECRET"))
        }
        // The key goes with its certificate.
        let bare = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"tls":{"client_certificate":null}}"#)
        #expect(bare.status == 200 && bare.json["tls"] == nil)
        #expect(try await rig.store.target(of: endpoint, owner: .local)?.tls == EndpointTLS())
    }

    @Test func `a rotation for a version that has passed changes nothing`() async throws {
        let rig = try Rig()
        let (id, document) = try await rig.endpoint()
        let tag = "\"\(document["version"]?.int ?? 0)\""
        #expect(try await rig.send("POST", "/v1/webhooks/\(id)/rotate", "{}", ("If-Match", tag)).status == 200)
        let late = try await rig.send("POST", "/v1/webhooks/\(id)/rotate", "{}", ("If-Match", tag))
        #expect(late.status == 412)
        let endpoint = try #require(EndpointID(id))
        #expect(try await rig.store.secrets(of: endpoint, owner: .local, at: rig.desk.clock.now())?.count == 2)
    }

    @Test func `the gateway's key is rotated on request, and the old one is listed until its end and after`()
        async throws
    {
        let now = Timestamp(microseconds: 1_767_323_045_000_000)
        let rotated = Mutex<[AuditEntry]>([])
        let rig = try Rig { settings in
            settings.webhooks.rotateKeys = { audit in rotated.withLock { $0.append(audit) } }
            settings.webhooks.publicKeys = {
                [
                    .init(id: "key_2", text: "whpk_2", createdAt: now),
                    .init(id: "key_1", text: "whpk_1", createdAt: now, signsUntil: now),
                ]
            }
        }
        let answer = try await rig.send("POST", "/v1/webhook-keys/rotate")
        #expect(answer.status == 200)
        #expect(rotated.withLock { $0.map(\.action) } == ["webhook-key.rotate"])
        let ends = answer.json["items"]?.elements?.map { $0["signs_until"]?.string }
        #expect(ends == [nil, now.rfc3339])
    }

    @Test func `a receiver consents by GET or POST, and a look is no consent`() async throws {
        let asked = Mutex<[String]>([])
        let rig = try Rig { settings in
            settings.webhooks.consent = { token, rate in
                asked.withLock { $0.append("\(token) \(rate ?? "-")") }
                return switch token {
                case "good": .given
                case "late": .tooLate
                case "rate": .badRate("no rate")
                default: .noSuchRequest
                }
            }
        }
        let path = "/v1/webhook-consents/"
        #expect(try await rig.send("HEAD", path + "good").status == 200)
        #expect(asked.withLock { $0 } == [])
        #expect(try await rig.get(path + "good").status == 200)
        let posted = try await rig.send("POST", path + "good", nil, ("WebHook-Allowed-Rate", "60"))
        #expect(posted.status == 200)
        #expect(asked.withLock { $0 } == ["good -", "good 60"])
        #expect(try await rig.get(path + "late").status == 409)
        #expect(try await rig.get(path + "rate").status == 422)
        #expect(try await rig.get(path + "wh_x.y").status == 404)
    }

    @Test func `a client may bring its own secret`() async throws {
        let rig = try Rig()
        let secret = SigningKey.newSecret()
        let (_, document) = try await rig.endpoint(#","secret":"\#(secret)""#)
        #expect(document["secret"]?.string == secret)
    }

    @Test(arguments: faultyWebhooks)
    func `every fault of a new webhook is named with its place`(_ body: String, _ pointers: [String]) async throws {
        let rig = try Rig { settings in
            settings.webhooks.check = { wanted in
                if wanted.url.contains("forbidden") { throw EndpointRefused(member: "url", words: "not there.") }
            }
        }
        let answer = try await rig.send("POST", "/v1/webhooks", body)
        #expect(answer.status == 422)
        #expect(answer.problem == "invalid-field")
        #expect(answer.json["errors"]?.elements?.compactMap { $0["pointer"]?.string } == pointers)
        #expect(try await rig.get("/v1/webhooks").json["items"]?.elements?.isEmpty == true)
    }

    @Test func `what is no JSON object is refused`() async throws {
        let rig = try Rig()
        #expect(try await rig.send("POST", "/v1/webhooks", "{").status == 400)
        #expect(try await rig.send("POST", "/v1/webhooks", "[]").status == 422)
        #expect(try await rig.send("POST", "/v1/webhooks", #"{"url":"a","url":"b"}"#).status == 400)
        let form = try await rig.call(
            "POST", "/v1/webhooks", [("Content-Type", "application/x-www-form-urlencoded")], body: Array("url=a".utf8))
        #expect(form.status == 415)
    }

    @Test func `a change merges, counts the version and obeys If-Match`() async throws {
        let rig = try Rig()
        let (id, document) = try await rig.endpoint(#","rate":60,"description":"CI""#)
        let target = "/v1/webhooks/\(id)"
        let tag = try #require(try await rig.get(target)["etag"])
        let changed = try await rig.send("PATCH", target, #"{"rate":null,"events":["job.*"]}"#, ("If-Match", tag))
        #expect(changed.status == 200)
        #expect(changed.json["rate"] == nil)
        #expect(changed.json["description"]?.string == "CI")
        #expect(changed.json["events"]?.elements?.compactMap(\.string) == ["job.*"])
        #expect((changed.json["version"]?.int ?? 0) > (document["version"]?.int ?? 0))
        #expect(changed["etag"] != tag)
        let late = try await rig.send("PATCH", target, #"{"rate":5}"#, ("If-Match", tag))
        #expect(late.status == 412)
        #expect(late["etag"] == changed["etag"])
        #expect(try await rig.get(target).json["rate"] == nil)
        #expect(try await rig.send("PATCH", target, #"{"secret":"x"}"#).status == 422)
        #expect(try await rig.send("PATCH", target, #"{"url":null}"#).status == 422)
        #expect(try await rig.get(target, ("If-None-Match", changed["etag"] ?? "")).status == 304)
        let nothing = try await rig.send("PATCH", target, "{}")
        #expect(nothing["etag"] == changed["etag"])
    }

    @Test func `a webhook is disabled and enabled on request`() async throws {
        let rig = try Rig()
        let (id, _) = try await rig.endpoint()
        let off = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"enabled":false}"#)
        #expect(off.json["state"]?.string == "disabled")
        #expect(off.json["disabled_reason"]?.string == "requested")
        let range = #"{"since":"2026-01-01T00:00:00Z"}"#
        let early = try await rig.send("POST", "/v1/webhooks/\(id)/recover", range)
        #expect(early.status == 409)
        #expect(early.problem == "state-conflict")
        let on = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"enabled":true}"#)
        #expect(on.json["state"]?.string == "enabled")
        #expect(try await rig.send("POST", "/v1/webhooks/\(id)/recover", range).json["count"]?.int == 0)
    }

    @Test func `a deleted webhook is gone, and its tag may be asked for`() async throws {
        let rig = try Rig()
        let (id, _) = try await rig.endpoint()
        let target = "/v1/webhooks/\(id)"
        #expect(try await rig.send("DELETE", target, nil, ("If-Match", "\"999\"")).status == 412)
        #expect(try await rig.send("DELETE", target).status == 204)
        #expect(try await rig.send("DELETE", target).status == 404)
        #expect(try await rig.get(target).status == 404)
    }

    @Test func `another owner's webhook is not there`() async throws {
        let rig = try Rig(settings: byField)
        let (id, _) = try await rig.endpoint(owner: "alice")
        let bob = ("X-Owner", "bob")
        for (method, path, body) in [
            ("GET", "", nil), ("PATCH", "", "{}"), ("DELETE", "", nil), ("POST", "/rotate", "{}"),
            ("POST", "/test", nil),
            ("GET", "/deliveries", nil), ("POST", "/recover", #"{"since":"2026-01-01T00:00:00Z"}"#),
        ] {
            let answer = try await rig.send(method, "/v1/webhooks/\(id)\(path)", body, bob)
            #expect(answer.status == 404, "\(method) \(path)")
            #expect(answer.problem == "not-found")
        }
        #expect(try await rig.get("/v1/webhooks", bob).json["items"]?.elements?.isEmpty == true)
        #expect(try await rig.get("/v1/webhooks/\(id)", ("X-Owner", "alice")).status == 200)
    }

    @Test func `lists go page by page, newest first, and keep cursors apart`() async throws {
        let rig = try Rig()
        var ids: [String] = []
        for _ in 0..<5 { ids.insert(try await rig.endpoint().id, at: 0) }
        var seen: [String] = []
        var target: String? = "/v1/webhooks?limit=2"
        var cursors: [String] = []
        while let next = target {
            let page = try await rig.get(next)
            seen += page.json["items"]?.elements?.compactMap { $0["id"]?.string } ?? []
            let cursor = page.json["next_cursor"]?.string
            if let cursor { cursors.append(cursor) }
            target = cursor.map { "/v1/webhooks?limit=2&cursor=\($0)" }
        }
        #expect(seen == ids.sorted(by: >))
        let other = try await rig.get("/v1/webhooks/\(ids[0])/deliveries?cursor=\(cursors[0])")
        #expect(other.status == 400)
        #expect(other.problem == "invalid-cursor")
    }

    @Test func `an owner may have so many webhooks, and another as many`() async throws {
        let rig = try Rig { settings in
            byField(&settings)
            settings.mostEndpoints = 2
        }
        let (id, _) = try await rig.endpoint(owner: "alice")
        _ = try await rig.endpoint(owner: "alice")
        let body = #"{"url":"https://ci.example/hook"}"#
        let third = try await rig.send("POST", "/v1/webhooks", body, ("X-Owner", "alice"))
        #expect(third.status == 429)
        #expect(third.problem == "quota-exceeded")
        _ = try await rig.endpoint(owner: "bob")
        #expect(try await rig.send("DELETE", "/v1/webhooks/\(id)", nil, ("X-Owner", "alice")).status == 204)
        _ = try await rig.endpoint(owner: "alice")
    }

    @Test func `a rotation keeps the old secret for the overlap`() async throws {
        let rig = try Rig()
        let (id, document) = try await rig.endpoint()
        let target = "/v1/webhooks/\(id)/rotate"
        let first = try #require(document["secret"]?.string)
        let rotated = try await rig.send("POST", target, #"{"overlap":3600}"#)
        #expect(rotated.status == 200)
        let second = try #require(rotated.json["secret"]?.string)
        let until = try #require(rotated.json["old_secret_until"]?.string.flatMap { Timestamp(rfc3339: $0) })
        let now = rig.desk.clock.now()
        #expect(abs(now.duration(to: until).components.seconds - 3600) <= 30)
        let known = try #require(EndpointID(id))
        let secrets = try await rig.store.secrets(of: known, owner: .local, at: now)
        #expect(secrets?.map(\.text) == [second, first])
        let later = now.advanced(by: .seconds(3700))
        #expect(try await rig.store.secrets(of: known, owner: .local, at: later)?.map(\.text) == [second])
        #expect(try await rig.call("POST", target).status == 200)
        for bad in [#"{"overlap":604801}"#, #"{"overlap":-1}"#, #"{"overlap":"1h"}"#, #"{"secret":"x"}"#, #"{"x":1}"#] {
            #expect(try await rig.send("POST", target, bad).status == 422)
        }
    }

    @Test func `a test says what the receiver answered`() async throws {
        let rig = try Rig { settings in
            settings.webhooks.test = { endpoint, target in
                #expect(target.secrets.count == 1)
                let isGood = endpoint.settings.url.hasSuffix("/hook")
                return DeliveryAttempt(
                    at: Timestamp(microseconds: 0), status: isGood ? 204 : 500, result: isGood ? "delivered" : "status",
                    duration: .microseconds(1500), address: "192.0.2.7", answer: [0x68, 0x69, 0xC3])
            }
        }
        let (id, _) = try await rig.endpoint()
        let good = try await rig.call("POST", "/v1/webhooks/\(id)/test")
        #expect(good.status == 200)
        #expect(good.json["delivered"]?.bool == true)
        #expect(good.json["attempt"]?["status"]?.int == 204)
        #expect(good.json["attempt"]?["duration_ms"]?.double == 1.5)
        #expect(good.json["attempt"]?["address"]?.string == "192.0.2.7")
        // A character that was cut in two at the end is left out.
        #expect(good.json["attempt"]?["answer"]?.string == "hi")
        _ = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"url":"https://ci.example/broken"}"#)
        #expect(try await rig.call("POST", "/v1/webhooks/\(id)/test").json["delivered"]?.bool == false)
    }

    @Test func `who has not agreed is neither tested nor sent anything again`() async throws {
        let rig = try Rig()
        let (id, _) = try await rig.endpoint(#","events":["job.*"]"#)
        let job = try await rig.submit()
        let delivery = try #require(try await rig.store.deliveries(of: job.id).first?.id.value)
        let calls = ["/v1/webhooks/\(id)/test", "/v1/deliveries/\(delivery)/redeliver"]
        let asked = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"verification":"challenge"}"#)
        #expect(asked.json["state"]?.string == "pending")
        for call in calls { #expect(try await rig.call("POST", call).problem == "state-conflict") }
        // Nor when it is disabled meanwhile.
        _ = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"enabled":false}"#)
        for call in calls { #expect(try await rig.call("POST", call).problem == "state-conflict") }
        try await rig.store.changeToAgreed(try #require(EndpointID(id)), at: rig.desk.clock.now())
        #expect(try await rig.call("POST", calls[1]).status == 202)
        _ = try await rig.send("PATCH", "/v1/webhooks/\(id)", #"{"url":"https://else.example/"}"#)
        #expect(try await rig.call("POST", calls[1]).problem == "state-conflict")
    }

    @Test func `every change is in the audit log, without a secret`() async throws {
        let rig = try Rig()
        let (id, document) = try await rig.endpoint()
        let target = "/v1/webhooks/\(id)"
        _ = try await rig.send("PATCH", target, #"{"rate":5}"#)
        let rotated = try await rig.send("POST", target + "/rotate", "{}")
        _ = try await rig.send("POST", target + "/recover", #"{"since":"2026-01-01T00:00:00Z"}"#)
        _ = try await rig.send("DELETE", target)
        let entries = try await rig.store.audit(AuditQuery(owner: .local, subject: id)).map(\.entry)
        let actions = entries.map(\.action)
        for action in ["webhook.create", "webhook.change", "webhook.rotate", "webhook.delete"] {
            #expect(actions.contains(action), "\(actions)")
        }
        for secret in [document["secret"]?.string, rotated.json["secret"]?.string] {
            #expect(!entries.contains { $0.detail?.contains(secret ?? "whsec_") ?? false })
        }
    }
}
