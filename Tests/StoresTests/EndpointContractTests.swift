import Jobs
import Stores
import Synchronization
import TestKit
import Testing

/// Endpoints made so that a test tells only what matters to it.
extension Sample {
    static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    static let secondSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    static func endpoint(
        _ number: Int, owner: String = "local", url: String? = nil, events: [String] = ["job.*"],
        _ change: (inout Endpoint.Settings) -> Void = { _ in }
    ) throws -> Endpoint {
        var settings = Endpoint.Settings(url: url ?? "https://\(number).example/hook", events: events)
        change(&settings)
        return Endpoint(
            id: EndpointID(bits: id(number).bits), owner: try #require(Owner(owner)), createdAt: time(number),
            settings: settings)
    }
}

extension JobStore {
    @discardableResult
    func create(_ endpoint: Endpoint) async throws(StoreError) -> EndpointID {
        try await createEndpoint(endpoint, secret: Sample.secret, audit: nil)
        return endpoint.id
    }

    func change(
        _ id: EndpointID, owner: Owner? = nil, ifVersion version: Int? = nil, settings: Endpoint.Settings? = nil,
        state: StateWish? = nil, at second: Int = 100
    ) async throws(StoreError) -> EndpointChanged {
        try await changeEndpoint(
            id, of: owner, ifVersion: version, settings: settings, state: state, at: Sample.time(second), audit: nil)
    }
}

@Suite struct EndpointContractTests {
    @Test(arguments: StoreUnderTest.available)
    func `an endpoint comes back as it was made, and is another owner's to nobody`(_ back: StoreUnderTest) async throws
    {
        let folder = try TemporaryFolder()
        let full = try Sample.endpoint(2, owner: "ops", events: ["job.completed", "host.*"]) {
            $0.hosts = ["payroll", "test"].compactMap { HostID($0) }
            $0.labels = [.init(key: "env", value: "prod"), .init(key: "a b", value: "1:2,")]
            $0.mode = .cloudEventsStructured
            $0.headers = [.init(name: "Authorization", value: "Bearer x, y"), .init(name: "X-Empty", value: "")]
            $0.signatures = [.v1, .v1a]
            $0.delays = [.zero, .milliseconds(1500), .seconds(60)]
            $0.rate = 90
            $0.concurrency = 7
            $0.description = "Nächtliche Läufe"
            $0.tls = EndpointTLS(
                pins: ["sha256//a=", "sha256//b="], identity: ClientIdentity(certificate: "c\n", key: "k\n"))
        }
        let plain = try Sample.endpoint(1)
        try await back.run(in: folder) { store async throws in
            try await store.create(plain)
            try await store.create(full)
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.endpoint(full.id, of: full.owner) == full)
            #expect(try await store.endpoint(full.id, of: nil) == full)
            #expect(try await store.endpoint(full.id, of: .local) == nil)
            #expect(try await store.endpoints(of: nil, before: nil, limit: 9) == [full, plain])
            #expect(try await store.endpoints(of: .local, before: nil, limit: 9) == [plain])
            #expect(try await store.endpoints(of: nil, before: full.id, limit: 9) == [plain])
            #expect(try await store.endpoints(of: nil, before: nil, limit: 1) == [full])
            #expect(
                try await store.secrets(of: full.id, owner: full.owner, at: Sample.time(5)) == [.init(Sample.secret)])
            #expect(try await store.secrets(of: full.id, owner: .local, at: Sample.time(5)) == nil)
            let target = try #require(try await store.target(of: full.id, owner: full.owner))
            #expect(target == DeliveryTarget(full, secrets: [.init(Sample.secret)]))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `events go to the endpoints of their owner that want them, in their commit`(_ back: StoreUnderTest)
        async throws
    {
        let folder = try TemporaryFolder()
        let production = Job.Label(key: "env", value: "prod")
        try await back.run(in: folder) { store async throws in
            try await store.create(try Sample.endpoint(1, url: "https://all/"))
            try await store.create(try Sample.endpoint(2, owner: "other", url: "https://other/"))
            try await store.create(try Sample.endpoint(3, url: "https://held/", events: ["job.held"]))
            try await store.create(
                try Sample.endpoint(4, url: "https://test/") { $0.hosts = [HostID("test")].compactMap { $0 } })
            try await store.create(try Sample.endpoint(5, url: "https://prod/") { $0.labels = [production] })
            try await store.create(
                try Sample.endpoint(6, url: "https://hosts/", events: ["host.*"]) {
                    $0.hosts = [HostID("test")].compactMap { $0 }
                })
        }
        // The endpoints are known after a restart as well.
        try await back.run(in: folder) { store async throws in
            func urls(_ id: JobID?) async throws -> Set<String> {
                Set(try await DeliveryContractTests.due(store).filter { $0.event.job == id }.map(\.url))
            }
            try await store.submit(try Sample.job(10))
            #expect(try await urls(Sample.id(10)) == ["https://all/"])
            try await store.act(.hold, on: Sample.id(10))
            #expect(try await urls(Sample.id(10)) == ["https://all/", "https://held/"])
            try await store.submit(try Sample.job(11, host: "test", labels: [.init(key: "x", value: "y"), production]))
            #expect(try await urls(Sample.id(11)) == ["https://all/", "https://test/", "https://prod/"])
            try await store.submit(try Sample.job(12, owner: "other"))
            #expect(try await urls(Sample.id(12)) == ["https://other/"])
            for host in ["test", "payroll"] {
                _ = try await store.append(
                    type: "host.up", host: HostID(host), body: Array(host.utf8), at: Sample.time(20))
            }
            #expect(try await urls(nil) == ["https://hosts/"])
            #expect(try await DeliveryContractTests.due(store).filter { $0.event.job == nil }.count == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a change needs the version it was made from, and holds for the next event`(_ back: StoreUnderTest)
        async throws
    {
        try await back.run { store async throws in
            let endpoint = try Sample.endpoint(1)
            try await store.create(endpoint)
            var settings = endpoint.settings
            settings.events = ["job.completed"]
            settings.url = "https://new.example/"
            guard case .done(let changed) = try await store.change(endpoint.id, ifVersion: 1, settings: settings) else {
                Issue.record("refused")
                return
            }
            #expect(changed.version == 2 && changed.settings == settings && changed.changedAt == Sample.time(100))
            #expect(try await store.change(endpoint.id, ifVersion: 1, state: .disabled) == .versionDiffers(changed))
            #expect(try await store.change(endpoint.id, owner: Owner("other"), state: .disabled) == .noSuchEndpoint)
            try await store.submit(try Sample.job(2))
            #expect(try await DeliveryContractTests.due(store).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `disabling pauses, enabling starts anew, recovery takes up what was paused and makes what was missed`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1, events: ["job.queued"]))
            for number in 2...4 { try await store.submit(try Sample.job(number)) }
            let due = try await DeliveryContractTests.due(store)
            // Its first try is under way while the endpoint is disabled, and fails after that.
            _ = try await store.change(id, state: .disabled)
            try await store.record([
                DeliveryResult(
                    delivery: due[0].id, attempt: DeliveryContractTests.attempt(9, status: 500),
                    next: .retry(at: Sample.time(99))),
                DeliveryResult(delivery: due[1].id, attempt: DeliveryContractTests.attempt(9), next: .delivered),
            ])
            #expect(try await store.deliveryCounts() == [.paused: 2, .delivered: 1])
            #expect(try await DeliveryContractTests.due(store).isEmpty)
            let range = RecoveryRange(since: Sample.time(0), until: Sample.time(900))
            for number in 5...6 { try await store.submit(try Sample.job(number)) }
            try await store.submit(try Sample.job(7, owner: "other"))
            #expect(try await store.recover(id, of: nil, range: range, at: Sample.time(200), audit: nil) == .notEnabled)
            _ = try await store.change(id, state: .enabled)
            #expect(try await DeliveryContractTests.due(store).isEmpty)
            // Job 2 is out of the range.
            let later = RecoveryRange(since: Sample.time(3), until: Sample.time(900))
            #expect(try await store.recover(id, of: nil, range: later, at: Sample.time(200), audit: nil) == .count(3))
            #expect(try await DeliveryContractTests.due(store).compactMap(\.event.job) == [4, 5, 6].map(Sample.id))
            #expect(try await store.recover(id, of: nil, range: range, at: Sample.time(201), audit: nil) == .count(1))
            #expect(try await store.deliveryCounts() == [.pending: 4, .delivered: 1])
            let again = try await DeliveryContractTests.due(store)
            #expect(again.allSatisfy { $0.attempts == 0 }, "a new schedule")
            try await store.record(
                again.map {
                    DeliveryResult(delivery: $0.id, attempt: DeliveryContractTests.attempt(300), next: .delivered)
                })
            let first = try #require(try await store.delivery(due[0].id, of: .local))
            #expect(first.attempts.map(\.status) == [500, 200], "the log goes on")
            let all = RecoveryRange(since: Sample.time(0), until: Sample.time(900), states: [.delivered])
            #expect(try await store.recover(id, of: nil, range: all, at: Sample.time(400), audit: nil) == .count(5))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a deleted endpoint is gone, and what was on its way there is canceled`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let id = EndpointID(bits: Sample.id(1).bits)
        try await back.run(in: folder) { store async throws in
            try await store.create(try Sample.endpoint(1))
            try await store.submit(try Sample.job(2))
            let due = try await DeliveryContractTests.due(store)
            guard
                case .done = try await store.deleteEndpoint(
                    id, of: .local, ifVersion: 1, at: Sample.time(9), audit: nil)
            else {
                Issue.record("refused")
                return
            }
            #expect(try await store.redeliver(due[0].id, of: nil, at: Sample.time(9), audit: nil) == .noSuchDelivery)
        }
        try await back.run(in: folder) { store async throws in
            try await store.act(.hold, on: Sample.id(2))
            #expect(try await DeliveryContractTests.due(store).isEmpty)
            #expect(try await store.deliveryCounts() == [.canceled: 1])
            #expect(try await store.endpoint(id, of: nil) == nil)
            #expect(try await store.endpoints(of: nil, before: nil, limit: 9).isEmpty)
            #expect(try await store.target(of: id, owner: nil) == nil)
            #expect(try await store.deliveries(DeliveryQuery(endpoint: id)) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `thousands on their way are stopped, taken up again, and canceled`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1, events: ["host.up"]))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<5000 {
                    group.addTask {
                        _ = try await store.append(type: "host.up", body: [0x7B, 0x7D], at: Sample.time(number % 60))
                    }
                }
                try await group.waitForAll()
            }
            guard case .done = try await store.change(id, state: .disabled) else { return }
            #expect(try await DeliveryContractTests.due(store).isEmpty)
            #expect(try await store.deliveryCounts().filter { $0.value != 0 } == [.paused: 5000])
            guard case .done = try await store.change(id, state: .enabled) else { return }
            let range = RecoveryRange(since: Sample.time(0), until: Sample.time(60))
            #expect(try await store.recover(id, of: nil, range: range, at: Sample.time(61), audit: nil) == .count(5000))
            guard
                case .done = try await store.deleteEndpoint(
                    id, of: nil, ifVersion: nil, at: Sample.time(70), audit: nil)
            else { return }
            #expect(try await store.deliveryCounts().filter { $0.value != 0 } == [.canceled: 5000])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `after a rotation both secrets sign until the overlap is over`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1))
            let version = try #require(try await store.endpoint(id, of: nil)).version
            guard
                case .done = try await store.rotateSecret(
                    of: id, owner: .local, ifVersion: version, to: Sample.secondSecret, overlapEnd: Sample.time(60),
                    at: Sample.time(10), audit: nil)
            else {
                Issue.record("not rotated")
                return
            }
            // Whoever saw the version before that has seen another secret.
            let late = try await store.rotateSecret(
                of: id, owner: .local, ifVersion: version, to: Sample.secret, overlapEnd: Sample.time(60),
                at: Sample.time(11), audit: nil)
            guard case .versionDiffers(let now) = late, now.version == version + 1 else {
                Issue.record("rotated twice: \(late)")
                return
            }
            let both = [
                EndpointSecret(Sample.secondSecret), EndpointSecret(Sample.secret, expiresAt: Sample.time(60)),
            ]
            #expect(try await store.secrets(of: id, owner: .local, at: Sample.time(59)) == both)
            #expect(try await store.secrets(of: id, owner: .local, at: Sample.time(60)) == [both[0]])
            try await store.submit(try Sample.job(2))
            #expect(try await DeliveryContractTests.due(store).first?.target.secrets == both)
            // Again, with no overlap: only the newest is left, and an older end is never put off.
            _ = try await store.rotateSecret(
                of: id, owner: .local, ifVersion: nil, to: Sample.secret, overlapEnd: Sample.time(20),
                at: Sample.time(20), audit: nil)
            #expect(try await store.secrets(of: id, owner: .local, at: Sample.time(20)) == [.init(Sample.secret)])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an endpoint that must agree gets nothing before, and then all since its creation`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            let id = try await store.create(
                try Sample.endpoint(2, events: ["job.queued"]) { $0.verification = .challenge })
            try await store.submit(try Sample.job(3))
            #expect(try await store.endpoint(id, of: nil)?.state == .pending)
            #expect(try await store.unverifiedEndpoints(limit: 9).map(\.id) == [id])
            #expect(try await DeliveryContractTests.due(store).isEmpty)
            let url = "https://2.example/hook"
            try await store.recordVerification(
                id, url: "https://else/", .agreed, rate: nil, note: "", at: Sample.time(4))
            try await store.recordVerification(id, url: url, .notYet, rate: nil, note: "No answer.", at: Sample.time(4))
            #expect(try await store.endpoint(id, of: nil)?.verificationNote == "No answer.")
            try await store.recordVerification(id, url: url, .agreed, rate: 30, note: "It agreed.", at: Sample.time(5))
            let endpoint = try #require(try await store.endpoint(id, of: nil))
            #expect(endpoint.state == .enabled && endpoint.version == 2 && endpoint.settings.rate == 30)
            #expect(try await DeliveryContractTests.due(store).map(\.event.job) == [Sample.id(3)])
            #expect(try await store.unverifiedEndpoints(limit: 9).isEmpty)
            // Another URL has to agree anew, another description has not.
            var settings = endpoint.settings
            settings.description = "x"
            guard case .done(let same) = try await store.change(id, settings: settings) else { return }
            #expect(same.state == .enabled)
            settings.url = "https://new.example/"
            guard case .done(let moved) = try await store.change(id, settings: settings) else { return }
            #expect(moved.state == .pending)
            try await store.recordVerification(
                id, url: settings.url, .refused, rate: nil, note: "No.", at: Sample.time(200))
            #expect(try await store.endpoint(id, of: nil)?.state == .disabled(.unverified, at: Sample.time(200)))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the gateway's signing keys are kept, newest first`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let keys = (1...2).map { StoredSigningKey(id: "k\($0)", secret: "whsk_\($0)", createdAt: Sample.time($0)) }
        try await back.run(in: folder) { store async throws in
            for key in keys { try await store.addSigningKey(key, audit: nil) }
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.signingKeys() == keys.reversed())
        }
    }
}

@Suite struct EndpointHealthTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let failures: Int
        let days: Double
        let isBeyondHope: Bool
    }

    @Test(arguments: [
        Row(testDescription: "many in a short time", failures: 1000, days: 4.9, isBeyondHope: false),
        Row(testDescription: "few in a long time", failures: 19, days: 30, isBeyondHope: false),
        Row(testDescription: "enough, for long enough", failures: 20, days: 5, isBeyondHope: true),
        Row(testDescription: "never failed", failures: 0, days: 9, isBeyondHope: false),
    ])
    func `an endpoint is given up after five days and twenty failures`(_ row: Row) {
        var health = EndpointHealth()
        for _ in 0..<row.failures { health.failed(at: Sample.time(7)) }
        #expect(health.isBeyondHope(at: Sample.time(7).advanced(by: .seconds(86_400 * row.days))) == row.isBeyondHope)
    }
}
