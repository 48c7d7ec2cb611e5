import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Synchronization
import Testing
import Wire

/// A clock that stands until it is moved.
private final class StandingClock: Sendable {
    private let time = Mutex(WallClock.system.now())
    func move(_ duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
    var clock: WallClock { WallClock { self.time.withLock { $0 } } }
}

private typealias Field = (String, String)

extension Rig {
    /// - Returns: the text and the ID of a fresh key, made by whoever `key` is.
    fileprivate func makeKey(_ members: String, by key: String? = nil) async throws -> (text: String, id: String) {
        let answer = try await call(
            "POST", "/v1/keys", Self.bearer(key) + [("Content-Type", "application/json")], body: Array(members.utf8))
        #expect(answer.status == 201, "\(answer.text)")
        return (answer.json["key"]?.string ?? "", answer.json["id"]?.string ?? "")
    }

    fileprivate static func bearer(_ key: String?) -> [Field] { key.map { [("Authorization", "Bearer \($0)")] } ?? [] }

    fileprivate func status(_ path: String, _ key: String?) async throws -> Int {
        try await call("GET", path, Self.bearer(key)).status
    }
}

private let adminKey = #"{"name":"root","scopes":["admin"]}"#

@Suite struct KeyTests {
    @Test func `a key's text carries its ID and a sum`() throws {
        let key = try #require(APIKey())
        #expect(key.text.wholeMatch(of: /rje_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}/) != nil)
        #expect(APIKey(key.text)?.id == key.id)
        for index in key.text.indices {
            var other = key.text
            other.replaceSubrange(index...index, with: key.text[index] == "x" ? "y" : "x")
            #expect(APIKey(other) == nil, "\(other)")
        }
        #expect(APIKey(key.text + "0") == nil)
        #expect(APIKey("") == nil)
        #expect(APIKey(environment: "test").map { APIKey($0.text)?.id == $0.id } == true)
        #expect(APIKey(environment: "A_") == nil)
    }

    @Test(arguments: [
        ("evil.example", 421), ("evil.example:8077", 421), ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost:8077", 200), ("LOCALHOST", 200), ("port77.localhost", 200), ("127.0.0.1:1", 200),
        ("[::1]:8077", 200),
    ])
    func `without keys a name that was made to point here is not served`(host: String, status: Int) async throws {
        let rig = try Rig(keysAt: .system)
        let answer = try await rig.call("GET", "/v1/jobs", [("Host", host)])
        #expect(answer.status == status)
        if status == 421 { #expect(answer.problem == "misdirected") }
    }

    @Test func `with a key any name is served`() async throws {
        let rig = try Rig(keysAt: .system)
        let (key, _) = try await rig.makeKey(adminKey)
        #expect(try await rig.call("GET", "/v1/jobs", Rig.bearer(key) + [("Host", "any.example")]).status == 200)
    }

    @Test func `without keys loopback is open, and from the first key on nobody is let in without one`() async throws {
        let rig = try Rig(keysAt: .system)
        #expect(try await rig.status("/v1/jobs", nil) == 200)
        let (key, _) = try await rig.makeKey(adminKey)
        let refused = try await rig.get("/v1/jobs")
        #expect(refused.status == 401)
        #expect(refused.problem == "unauthenticated")
        #expect(refused["www-authenticate"] == "Bearer realm=\"port77\"")
        #expect(try await rig.status("/v1/jobs", key) == 200)
        #expect(try await rig.status("/livez", nil) == 200)
        let basic = Base64.encode(Array("\(key):".utf8))
        #expect(try await rig.get("/v1/jobs", ("Authorization", "Basic \(basic)")).status == 200)
        #expect(try await rig.get("/v1/jobs", ("Authorization", "bearer  \(key)")).status == 200)
    }

    @Test(arguments: [("cross-site", 401), ("same-site", 401), ("same-origin", 201), ("none", 201)])
    func `without keys a page of another site changes nothing`(site: String, status: Int) async throws {
        let rig = try Rig(keysAt: .system)
        let fields = [("Sec-Fetch-Site", site), ("Content-Type", "text/plain")]
        let answer = try await rig.call("POST", "/v1/jobs", fields, body: Array(Decks.hello.utf8))
        #expect(answer.status == status)
        #expect(try await rig.get("/v1/jobs", ("Sec-Fetch-Site", site)).status == 200)
    }

    @Test func `what is no key of ours is refused, and whoever guesses has to wait`() async throws {
        let clock = StandingClock()
        let rig = try Rig(keysAt: clock.clock)
        let (key, _) = try await rig.makeKey(adminKey)
        let unknown = try #require(APIKey()).text
        for guess in [unknown, "x", "", String(key.dropLast()), "rje_live_" + String(repeating: "9", count: 2000)] {
            let answer = try await rig.call("GET", "/v1/jobs", Rig.bearer(guess))
            #expect(answer.problem == "invalid-credentials", "\(guess)")
            #expect(answer["www-authenticate"] == "Bearer realm=\"port77\", error=\"invalid_token\"")
        }
        for _ in 0..<5 { #expect(try await rig.status("/v1/jobs", unknown) == 401) }
        let waiting = try await rig.call("GET", "/v1/jobs", Rig.bearer(key))
        #expect(waiting.problem == "rate-limited")
        #expect(waiting["retry-after"].flatMap { Int($0) }.map { (1...61).contains($0) } == true)
        clock.move(.seconds(61))
        #expect(try await rig.status("/v1/jobs", key) == 200)
    }

    @Test func `a key ends when it expires, and at once when it is revoked`() async throws {
        let clock = StandingClock()
        let rig = try Rig(keysAt: clock.clock)
        let (root, _) = try await rig.makeKey(adminKey)
        let (brief, _) = try await rig.makeKey(#"{"name":"a","scopes":["jobs:read"],"expires":"12h"}"#, by: root)
        let (other, id) = try await rig.makeKey(#"{"name":"b","scopes":["jobs:read"]}"#, by: root)
        #expect(try await rig.status("/v1/jobs", brief) == 200)
        clock.move(.seconds(11 * 3600))
        #expect(try await rig.status("/v1/jobs", brief) == 200)
        clock.move(.seconds(3601))
        #expect(try await rig.status("/v1/jobs", brief) == 401)
        #expect(try await rig.status("/v1/jobs", other) == 200)
        for _ in 1...2 { #expect(try await rig.call("DELETE", "/v1/keys/\(id)", Rig.bearer(root)).status == 204) }
        #expect(try await rig.status("/v1/jobs", other) == 401)
        let shown = try await rig.call("GET", "/v1/keys/\(id)", Rig.bearer(root))
        #expect(shown.json["state"]?.string == "revoked")
        #expect(shown.json["key"] == nil)
        #expect(try await rig.status("/v1/keys/nope", root) == 404)
    }

    @Test func `a rotated key is good for the overlap, its successor has the same rights`() async throws {
        let clock = StandingClock()
        let rig = try Rig(keysAt: clock.clock)
        let (root, _) = try await rig.makeKey(adminKey)
        let (old, id) = try await rig.makeKey(#"{"name":"b","owner":"ci","scopes":["jobs:read"]}"#, by: root)
        let fields = Rig.bearer(root) + [("Content-Type", "application/json")]
        let answer = try await rig.call("POST", "/v1/keys/\(id)/rotate", fields, body: Array(#"{"overlap":60}"#.utf8))
        #expect(answer.status == 201)
        #expect(answer.json["replaces"]?.string == id)
        let new = answer.json["key"]?.string ?? ""
        for key in [old, new] {
            let me = try await rig.call("GET", "/v1/me", Rig.bearer(key)).json
            #expect(me["owner"]?.string == "ci")
            #expect(me["scopes"]?.elements?.compactMap(\.string) == ["jobs:read"])
        }
        clock.move(.seconds(60))
        #expect(try await rig.status("/v1/me", old) == 401)
        #expect(try await rig.status("/v1/me", new) == 200)
        let again = try await rig.call("POST", "/v1/keys/\(id)/rotate", Rig.bearer(root))
        #expect(again.problem == "state-conflict")
    }

    @Test(arguments: [("127.0.0.0/8", 200), ("10.0.0.0/8", 401), ("::1/128", 401)])
    func `a key is good from its networks only`(network: String, status: Int) async throws {
        let rig = try Rig(keysAt: .system)
        let (key, _) = try await rig.makeKey(
            #"{"name":"n","scopes":["admin"],"networks":["\#(network)"]}"#)
        #expect(try await rig.status("/v1/jobs", key) == status)
    }

    @Test(arguments: [
        (#"{"scopes":["admin"]}"#, "/name"), (#"{"name":"a"}"#, "/scopes"),
        (#"{"name":"a","scopes":["jobs:eat"]}"#, "/scopes"), (#"{"name":"a","scopes":[]}"#, "/scopes"),
        (#"{"name":"a","scopes":["admin","admin"]}"#, "/scopes"),
        (#"{"name":"a","scopes":["admin"],"hosts":[]}"#, "/hosts"),
        (#"{"name":"a","scopes":["admin"],"hosts":"demo"}"#, "/hosts"),
        (#"{"name":"a","scopes":["admin"],"owner":"a b"}"#, "/owner"),
        (#"{"name":"a","scopes":["admin"],"expires":"0s"}"#, "/expires"),
        (#"{"name":"a","scopes":["admin"],"expires":"2001-01-01T00:00:00Z"}"#, "/expires"),
        (#"{"name":"a","scopes":["admin"],"networks":["10.0.0.0/33"]}"#, "/networks"),
        (#"{"name":"a","scopes":["admin"],"networks":{}}"#, "/networks"),
        (#"{"name":"a","scopes":["admin"],"labels":{"a b":"c"}}"#, "/labels"),
        (#"{"name":"a","scopes":["admin"],"labels":{"a":"c\u009b"}}"#, "/labels"),
        (#"{"name":"a","scopes":["admin"],"allow_control_cards":"yes"}"#, "/allow_control_cards"),
        (#"{"name":"a","scopes":["admin"],"secret":"mine"}"#, "/secret"),
    ])
    func `a key with a fault is not made`(members: String, pointer: String) async throws {
        let rig = try Rig(keysAt: .system)
        let answer = try await rig.call(
            "POST", "/v1/keys", [("Content-Type", "application/json")], body: Array(members.utf8))
        #expect(answer.problem == "invalid-field")
        #expect(answer.json["errors"]?.elements?.first?["pointer"]?.string == pointer)
        #expect(try await rig.store.keys().isEmpty)
    }

    @Test func `a key of one host knows no other`() async throws {
        let rig = try Rig(hosts: ["here", "there"], keysAt: .system)
        let theirs = try await rig.submit(host: "there")
        let (root, _) = try await rig.makeKey(adminKey)
        let (key, _) = try await rig.makeKey(
            #"{"name":"h","scopes":["jobs:submit","jobs:read","hosts:read"],"hosts":["here"]}"#, by: root)
        let hosts = try await rig.call("GET", "/v1/hosts", Rig.bearer(key)).json["items"]?.elements ?? []
        #expect(hosts.compactMap { $0["id"]?.string } == ["here"])
        #expect(try await rig.status("/v1/hosts/there", key) == 404)
        #expect(try await rig.status("/v1/jobs/\(theirs.id)", key) == 404)
        let typed = Rig.bearer(key) + [("Content-Type", "text/plain")]
        let refused = try await rig.call("POST", "/v1/jobs?host=there", typed, body: Array(Decks.hello.utf8))
        #expect(refused.problem == "unknown-host")
        #expect(!refused.text.contains("known are here, there"))
        let taken = try await rig.call("POST", "/v1/jobs", typed, body: Array(Decks.hello.utf8))
        #expect(taken.status == 201)
        #expect(taken.json["host"]?.string == "here")
        let figures = try await rig.call("GET", "/metrics", Rig.bearer(key)).text
        #expect(figures.contains("rje_host_up{host=\"here\"}") && !figures.contains("\"there\""))
        #expect(try await rig.call("GET", "/metrics", Rig.bearer(root)).text.contains("host=\"there\""))
    }

    @Test(arguments: [#""hosts":["here"]"#, #""labels":{"team":"a"}"#])
    func `who is bound looks after his jobs, not after the gateway`(_ bond: String) async throws {
        let rig = try Rig(hosts: ["here", "there"], keysAt: .system)
        let (root, rootID) = try await rig.makeKey(adminKey)
        let (bound, _) = try await rig.makeKey(#"{"name":"b","scopes":["admin"],\#(bond)}"#, by: root)
        let typed = Rig.bearer(bound) + [("Content-Type", "application/json")]
        let wish = Array(#"{"name":"free","scopes":["admin"]}"#.utf8)
        for (method, path, body) in [
            ("POST", "/v1/keys", wish), ("POST", "/v1/keys/\(rootID)/rotate", Array("{}".utf8)),
            ("DELETE", "/v1/keys/\(rootID)", nil), ("GET", "/v1/keys", nil), ("GET", "/v1/keys/\(rootID)", nil),
            ("GET", "/v1/audit", nil), ("GET", "/v1/unclaimed", nil), ("POST", "/v1/webhook-keys/rotate", nil),
        ] as [(String, String, [UInt8]?)] {
            let answer = try await rig.call(method, path, typed, body: body)
            #expect(answer.problem == "insufficient-scope" && answer.text.contains("bound"), "\(method) \(path)")
        }
        #expect(try await rig.status("/v1/keys", root) == 200, "the root key has not been touched")
        #expect(try await rig.status("/v1/jobs", bound) == 200)
    }

    @Test func `jobs of a key with labels have them, and it sees no other`() async throws {
        let rig = try Rig(keysAt: .system)
        let plain = try await rig.submit()
        let (root, _) = try await rig.makeKey(adminKey)
        let (key, _) = try await rig.makeKey(
            #"{"name":"l","scopes":["jobs:submit","jobs:read"],"labels":{"team":"a"}}"#, by: root)
        let typed = Rig.bearer(key) + [("Content-Type", "text/plain")]
        let deck = Array(Decks.hello.utf8)
        let made = try await rig.call("POST", "/v1/jobs", typed, body: deck)
        #expect(made.json["labels"]?["team"]?.string == "a")
        #expect(try await rig.call("POST", "/v1/jobs?label.team=b", typed, body: deck).problem == "invalid-field")
        #expect(try await rig.status("/v1/jobs/\(plain.id)", key) == 404)
        #expect(try await rig.status("/v1/jobs/\(made.id?.description ?? "")", key) == 200)
    }

    @Test func `the audit log names key, owner and address of every change`() async throws {
        let rig = try Rig(keysAt: .system)
        let (root, rootID) = try await rig.makeKey(adminKey)
        let (key, id) = try await rig.makeKey(
            #"{"name":"w","owner":"ci","scopes":["jobs:submit","jobs:cancel"]}"#, by: root)
        let typed = Rig.bearer(key) + [("Content-Type", "text/plain")]
        let job = try await rig.call("POST", "/v1/jobs", typed, body: Array(Decks.hello.utf8))
        let jobID = try #require(job.id)
        for action in ["hold", "release", "cancel"] {
            #expect(try await rig.call("POST", "/v1/jobs/\(jobID)/\(action)", Rig.bearer(key)).status == 200)
        }
        func log(_ query: String) async throws -> [JSONValue] {
            try await rig.call("GET", "/v1/audit?\(query)", Rig.bearer(root)).json["items"]?.elements ?? []
        }
        let deeds = try await log("actor=key:\(id)")
        #expect(deeds.map { $0["action"]?.string } == ["job.cancel", "job.release", "job.hold", "job.submit"])
        #expect(deeds.allSatisfy { $0["actor_owner"]?.string == "ci" && $0["address"]?.string == "127.0.0.1" })
        #expect(try await log("action=key.create").map { $0["actor"]?.string } == ["key:\(rootID)", "local"])
        #expect(try await log("owner=ci&subject=\(jobID)&action=job.hold").count == 1)
        #expect(try await log("until=2001-01-01T00:00:00Z").isEmpty)
        let page = try await rig.call("GET", "/v1/audit?limit=4", Rig.bearer(root)).json
        let cursor = try #require(page["next_cursor"]?.string)
        #expect(try await log("limit=4&cursor=\(cursor)").count == 2)
    }

    @Test func `last use is written now and then`() async throws {
        let rig = try Rig(keysAt: .system)
        let (root, id) = try await rig.makeKey(adminKey)
        #expect(try await rig.status("/v1/me", root) == 200)
        await rig.gateway.keyDoor?.writeUses()
        #expect(try await rig.store.keys().first { $0.id == id }?.lastUsedAt != nil)
    }
}
