import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

/// Bound to the label that `X-Team` names, and to the hosts of `X-Hosts`.
private func bound(_ settings: inout GatewaySettings) {
    settings.identify = { request in
        var caller = Caller(owner: .local, scopes: .all)
        caller.labels = request["x-team"].map { [Job.Label(key: "team", value: $0)] } ?? []
        caller.hosts = request["x-hosts"].map { Set($0.split(separator: " ").compactMap { HostID($0) }) }
        return caller
    }
}

private let teamA = [("X-Team", "a")], teamB = [("X-Team", "b")]
private let here = [("X-Hosts", "here")]

extension Rig {
    fileprivate func make(_ more: String = "", by caller: [(String, String)]) async throws -> Answer {
        try await call(
            "POST", "/v1/webhooks", caller + [("Content-Type", "application/json")],
            body: Array(#"{"url":"https://ci.example/hook","events":["*"]\#(more)}"#.utf8))
    }

    fileprivate func change(_ id: String, _ body: String, by caller: [(String, String)]) async throws -> Answer {
        try await call(
            "PATCH", "/v1/webhooks/\(id)", caller + [("Content-Type", "application/json")], body: Array(body.utf8))
    }

    fileprivate func items(_ target: String, by caller: [(String, String)]) async throws -> [JSONValue] {
        try await call("GET", target, caller).json["items"]?.elements ?? []
    }

    fileprivate func submit(team: String, host: String = "here") async throws -> Job {
        try await submit(host: host) { $0.labels = [Job.Label(key: "team", value: team)] }
    }
}

@Suite struct BoundWebhookTests {
    @Test func `a webhook of credentials with labels has them as its filter, and cannot lose them`() async throws {
        let rig = try Rig(hosts: ["here"], settings: bound)
        let made = try await rig.make(#","filter":{"labels":{"env":"prod"}}"#, by: teamA)
        #expect(made.status == 201)
        let id = try #require(made.json["id"]?.string)
        #expect(made.json["filter"]?["labels"]?["team"]?.string == "a")
        #expect(made.json["filter"]?["labels"]?["env"]?.string == "prod")
        let freed = try await rig.change(id, #"{"filter":null}"#, by: teamA)
        #expect(freed.json["filter"]?["labels"]?["team"]?.string == "a")
        #expect(freed.json["filter"]?["labels"]?["env"] == nil)
        for other in [
            try await rig.make(#","filter":{"labels":{"team":"b"}}"#, by: teamA),
            try await rig.change(id, #"{"filter":{"labels":{"team":"b"}}}"#, by: teamA),
        ] {
            #expect(other.status == 422)
            #expect(other.json["errors"]?.elements?.first?["pointer"]?.string == "/filter/labels")
        }
        // Only jobs of the team are told of; the deck of another is not.
        let mine = try await rig.submit(team: "a")
        _ = try await rig.submit(team: "b")
        _ = try await rig.submit(host: "here")
        let jobs = try await rig.items("/v1/webhooks/\(id)/deliveries", by: teamA).compactMap { $0["job"]?.string }
        #expect(jobs == [mine.id.description])
    }

    @Test func `credentials with hosts have webhooks of these hosts only`() async throws {
        let rig = try Rig(hosts: ["here", "there"], settings: bound)
        let made = try await rig.make(by: here)
        #expect(made.json["filter"]?["hosts"]?.elements?.map(\.string) == ["here"])
        let id = try #require(made.json["id"]?.string)
        let refused = try await rig.make(#","filter":{"hosts":["here","there"]}"#, by: here)
        #expect(refused.json["errors"]?.elements?.first?["pointer"]?.string == "/filter/hosts")
        let mine = try await rig.submit(host: "here")
        _ = try await rig.submit(host: "there")
        let jobs = try await rig.items("/v1/webhooks/\(id)/deliveries", by: here).compactMap { $0["job"]?.string }
        #expect(jobs == [mine.id.description])
        #expect(try await rig.change(id, #"{"filter":{"hosts":["there"]}}"#, by: []).status == 200)
        #expect(try await rig.call("GET", "/v1/webhooks/\(id)", here).status == 404)
    }

    @Test func `a webhook beyond their bounds, and its deliveries, are not there`() async throws {
        let rig = try Rig(hosts: ["here"], settings: bound)
        let wide = try #require(try await rig.make(by: []).json["id"]?.string)
        let theirs = try #require(try await rig.make(by: teamB).json["id"]?.string)
        let mine = try #require(try await rig.make(by: teamA).json["id"]?.string)
        let job = try await rig.submit(team: "a")
        _ = try await rig.submit(team: "b")
        #expect(try await rig.items("/v1/webhooks", by: teamA).map { $0["id"]?.string } == [mine])
        #expect(try await rig.items("/v1/webhooks", by: []).count == 3)
        for id in [wide, theirs] {
            let target = "/v1/webhooks/\(id)"
            for (method, path, body) in [
                ("GET", "", ""), ("GET", "/deliveries", ""), ("PATCH", "", #"{"rate":1}"#), ("DELETE", "", ""),
                ("POST", "/rotate", "{}"), ("POST", "/test", ""),
                ("POST", "/recover", #"{"since":"2026-01-01T00:00:00Z"}"#),
            ] {
                let typed = body.isEmpty ? teamA : teamA + [("Content-Type", "application/json")]
                let answer = try await rig.call(method, target + path, typed, body: Array(body.utf8))
                #expect(answer.status == 404 && answer.problem == "not-found", "\(method) \(path)")
            }
        }
        // Of a job that both see, each sees what went to a receiver that is his.
        let all = try await rig.items("/v1/jobs/\(job.id)/deliveries", by: [])
        #expect(Set(all.map { $0["endpoint"]?.string }) == [wide, mine])
        let seen = try await rig.items("/v1/jobs/\(job.id)/deliveries", by: teamA)
        #expect(seen.map { $0["endpoint"]?.string } == [mine])
        for delivery in all {
            let isMine = delivery["endpoint"]?.string == mine
            let target = "/v1/deliveries/\(delivery["id"]?.string ?? "")"
            #expect(try await rig.call("GET", target, teamA).status == (isMine ? 200 : 404))
            #expect(try await rig.call("POST", target + "/redeliver", teamA).status == (isMine ? 202 : 404))
        }
    }

    @Test func `what a webhook was told before it was narrowed stays hidden`() async throws {
        let rig = try Rig(hosts: ["here"], settings: bound)
        let id = try #require(try await rig.make(by: []).json["id"]?.string)
        let other = try await rig.submit(team: "b")
        let job = try await rig.submit(team: "a")
        #expect(try await rig.change(id, #"{"filter":{"labels":{"team":"a"}}}"#, by: []).status == 200)
        let target = "/v1/webhooks/\(id)/deliveries"
        func jobs(by caller: [(String, String)]) async throws -> [String] {
            try await rig.items(target, by: caller).compactMap { $0["job"]?.string }
        }
        #expect(try await jobs(by: []) == [job, other].map(\.id.description))
        #expect(try await jobs(by: teamA) == [job.id.description])
    }

    @Test func `notify of bound credentials tells of their own job only`() async throws {
        let rig = try Rig(hosts: ["here"], settings: bound)
        let made = try await rig.call(
            "POST", "/v1/jobs?notify=https://ci.example/hook&notify_events=job.*",
            teamA + [("Content-Type", "text/plain")], body: Array(Decks.hello.utf8))
        #expect(made.json["labels"]?["team"]?.string == "a")
        let id = try #require(made.id)
        _ = try await rig.submit(team: "a")
        #expect(try await rig.items("/v1/jobs/\(id)/deliveries", by: teamA).count == 1)
        #expect(try await rig.store.deliveryCounts() == [.pending: 1])
        #expect(try await rig.call("GET", "/v1/jobs/\(id)/deliveries", teamB).status == 404)
    }
}
