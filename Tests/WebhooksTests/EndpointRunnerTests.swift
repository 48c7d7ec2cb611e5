import Crypto
import Jobs
import Lines
import Logging
import Stores
import TestKit
import Testing
import Webhooks
import Wire

/// A runner over a store in a fresh folder.
struct House {
    let store: SQLiteStore
    let runner: DeliveryRunner
    let keys: GatewayKeys
    let now: Timestamp

    static func run(
        clock: WallClock = .system, _ change: (inout DeliveryRunner.Settings) -> Void = { _ in },
        _ body: (House) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let keys = try await GatewayKeys(store: store, clock: clock)
        var settings = try DeliveryRunner.Settings(secret: testSecret)
        settings.addresses.allowNetworks = [loopbackNetwork].compactMap { $0 }
        settings.sender = quickSender()
        settings.keys = keys
        settings.origin = "gw.example"
        settings.seed = 1
        change(&settings)
        let log = Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() }
        let runner = try DeliveryRunner(store: store, endpoints: store, settings: settings, clock: clock, logger: log)
        store.observe { changes in
            if changes.contains(where: \.hasDeliveries) { runner.wake() }
            for change in changes { if let endpoint = change.endpoint { runner.endpointChanged(endpoint) } }
        }
        let task = Task { await runner.run() }
        let outcome = await Result {
            try await body(House(store: store, runner: runner, keys: keys, now: clock.now()))
        }
        runner.stop()
        await task.value
        await store.close()
        try outcome.get()
    }

    @discardableResult
    func endpoint(
        _ url: String, events: [String] = ["host.up"], _ change: (inout Endpoint.Settings) -> Void = { _ in }
    ) async throws -> EndpointID {
        var settings = Endpoint.Settings(url: url, events: events)
        change(&settings)
        let endpoint = Endpoint(id: EndpointID(at: now), owner: .local, createdAt: now, settings: settings)
        try await store.createEndpoint(endpoint, secret: Self.secret, audit: nil)
        return endpoint.id
    }

    static let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    @discardableResult
    func event(_ type: String = "host.up", at time: Timestamp? = nil) async throws -> Event {
        try await store.append(
            type: type, body: Array(#"{"type":"\#(type)","timestamp":"x","data":{"host":"a"}}"#.utf8), at: time ?? now)
    }

    /// Looks again until it is so; what is looked at comes by itself.
    func wait(_ isMet: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await !isMet() {
            try #require(ContinuousClock.now < deadline, "not within 30 s")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func records(_ id: EndpointID) async throws -> [DeliveryRecord] {
        try await store.deliveries(DeliveryQuery(endpoint: id)) ?? []
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

let takesAll: @Sendable (Peer) -> Void = { peer in
    while peer.readRequest() != nil { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
}

private func answer(_ head: String) -> @Sendable (Peer) -> Void {
    { peer in while peer.readRequest() != nil { peer.write("HTTP/1.1 \(head)\r\nContent-Length: 0\r\n\r\n") } }
}

@Suite(.serialized) struct EndpointRunnerTests {
    @Test func `an endpoint's own secrets sign, with the gateway's key beside them, in its mode and with its headers`()
        async throws
    {
        let receiver = try Receiver(script: takesAll)
        try await House.run { house in
            let id = try await house.endpoint(receiver.url) {
                $0.mode = .cloudEventsStructured
                $0.signatures = [.v1, .v1a]
                $0.headers = [.init(name: "Authorization", value: "Bearer abc")]
            }
            let now = WallClock.system.now()
            _ = try await house.store.rotateSecret(
                of: id, owner: .local, ifVersion: nil, to: testSecret, overlapEnd: now.advanced(by: .seconds(60)),
                at: now, audit: nil)
            let event = try await house.event()
            let request = try #require(await receiver.requests(atLeast: 1).first)
            #expect(request.headers["authorization"] == "Bearer abc")
            #expect(request.headers["content-type"] == "application/cloudevents+json; charset=utf-8")
            #expect(request.headers["webhook-id"] == event.id)
            let publicKey = try #require(house.keys.publicKeys.first?.text)
            for key in [testSecret, House.secret, publicKey] {
                try SignatureVerifier([key]).verify(
                    id: event.id, timestamp: request.headers["webhook-timestamp"] ?? "",
                    signatures: request.headers["webhook-signature"] ?? "", body: request.body,
                    now: now.microseconds / 1_000_000)
            }
            try await house.wait { try await house.records(id).first?.state == .delivered }
            let attempt = try #require(try await house.records(id).first?.attempts.first)
            #expect(attempt.timings.connected != nil && attempt.timings.firstByte != nil)
            // To an address, in the clear.
            #expect(attempt.timings.resolved == nil)
            #expect(
                attempt.exchange
                    == DeliveryExchange(sentOctets: request.body.count, receivedOctets: 0, httpVersion: 11))
        }
    }

    @Test
    func `an endpoint that answers 410 is disabled, its line is not sent, and the owner's other endpoint hears of it`()
        async throws
    {
        let gone = try Receiver(script: answer("410 Gone"))
        let other = try Receiver(script: takesAll)
        try await House.run { house in
            let id = try await house.endpoint(gone.url) { $0.concurrency = 1 }
            try await house.endpoint(other.url, events: ["webhook.disabled"])
            for _ in 0..<50 { try await house.event() }
            let told = try #require(await other.requests(atLeast: 1).first)
            #expect(String(decoding: told.body, as: UTF8.self).contains(id.description))
            #expect(try await house.store.endpoint(id, of: nil)?.state != .enabled)
            let counts = try await house.store.deliveryCounts()
            #expect(counts[.paused, default: 0] + counts[.dead, default: 0] >= gone.requests.count)
            #expect(gone.requests.count < 10)
        }
    }

    @Test func `one more try goes to a disabled endpoint at once`() async throws {
        let isUp = Locked(false)
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                peer.write("HTTP/1.1 \(isUp.withLock { $0 } ? 200 : 500) X\r\nContent-Length: 0\r\n\r\n")
            }
        }
        try await House.run({ $0.schedule = Schedule([.zero]) ?? .standard }) { house in
            let id = try await house.endpoint(receiver.url)
            try await house.event()
            try await house.wait { try await house.records(id).first?.state == .dead }
            _ = try await house.store.changeEndpoint(
                id, of: nil, ifVersion: nil, settings: nil, state: .disabled, at: house.now, audit: nil)
            let delivery = try #require(try await house.records(id).first?.id)
            let late = WallClock.system.now()
            _ = try await house.store.redeliver(delivery, of: nil, at: late, audit: nil)
            try await house.wait { try await house.records(id).first?.attempts.count == 2 }
            #expect(try await house.records(id).first?.state == .dead)
            isUp.withLock { $0 = true }
            _ = try await house.store.redeliver(delivery, of: nil, at: late, audit: nil)
            try await house.wait { try await house.records(id).first?.state == .delivered }
        }
        #expect(Set(receiver.requests.map { $0.headers["webhook-id"] }).count == 1)
        #expect(Set(receiver.requests.map(\.body)).count == 1)
    }

    @Test func `the challenge enables an endpoint, which then gets what it missed`() async throws {
        let isWilling = Locked(false)
        let receiver = try Receiver { peer in
            while let request = peer.readRequest() {
                let body = isWilling.withLock { $0 } ? request.body : []
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
                peer.write(String(decoding: body, as: UTF8.self))
            }
        }
        let hands = Locked(Timestamp(microseconds: 1_767_323_045_000_000))
        try await House.run(clock: WallClock { hands.withLock { $0 } }) { house in
            let id = try await house.endpoint(receiver.url) { $0.verification = .challenge }
            _ = await receiver.requests(atLeast: 1)
            try await house.wait { try await house.store.endpoint(id, of: nil)?.verificationNote != nil }
            let event = try await house.event()
            isWilling.withLock { $0 = true }
            // Asked again, but not before a minute has passed.
            house.runner.endpointChanged(id)
            hands.withLock { $0 = $0.advanced(by: .seconds(61)) }
            house.runner.endpointChanged(id)
            try await house.wait { try await house.records(id).first?.state == .delivered }
            #expect(try await house.store.endpoint(id, of: nil)?.state == .enabled)
            #expect(receiver.requests.last?.headers["webhook-id"] == event.id)
            #expect(receiver.requests.count == 3)
        }
    }

    @Test func `the handshake asks by OPTIONS, keeps the rate allowed, and names us with each delivery`() async throws {
        let receiver = try Receiver(
            script: answer("405 No\r\nWebHook-Allowed-Origin: gw.example\r\nWebHook-Allowed-Rate: 120"))
        try await House.run { house in
            let id = try await house.endpoint(receiver.url) {
                $0.verification = .handshake
                $0.rate = 600
            }
            try await house.wait { try await house.store.endpoint(id, of: nil)?.state == .enabled }
            #expect(try await house.store.endpoint(id, of: nil)?.settings.rate == 120)
            try await house.event()
            let requests = await receiver.requests(atLeast: 2)
            #expect(requests[0].line.hasPrefix("OPTIONS /hook "))
            #expect(requests[0].headers["webhook-request-origin"] == "gw.example")
            #expect(requests[0].headers["webhook-request-rate"] == "600")
            #expect(requests[0].body.isEmpty)
            #expect(requests[1].line.hasPrefix("POST /hook "))
            #expect(requests[1].headers["webhook-request-origin"] == "gw.example")
        }
    }

    @Test func `a receiver that says nothing to OPTIONS may consent later, at a URL that only it was told`()
        async throws
    {
        let receiver = try Receiver(script: takesAll)
        let callback = ConsentCallback(base: "https://gw.example", secret: Array("only here".utf8))
        try await House.run({ $0.callback = callback }) { house in
            let id = try await house.endpoint(receiver.url) {
                $0.verification = .handshake
                $0.rate = 600
            }
            let asked = try #require(await receiver.requests(atLeast: 1).first)
            let url = try #require(asked.headers["webhook-request-callback"])
            let prefix = "https://gw.example/v1/webhook-consents/"
            try #require(url.hasPrefix(prefix + id.description + "."))
            let token = String(url.dropFirst(prefix.count))
            let before = try #require(try await house.store.endpoint(id, of: nil))
            #expect(before.state == .pending)
            let other = EndpointID(at: house.now)
            let forged = other.description + token.drop { $0 != "." }
            for wrong in ["", ".", "\(id)", "\(id).", "\(id).AAAA", token + "A", String(token.dropLast()), forged] {
                #expect(try await house.runner.consent(token: wrong, allowedRate: nil) == .noSuchRequest, "\(wrong)")
            }
            guard case .badRate = try await house.runner.consent(token: token, allowedRate: "many") else {
                Issue.record("a rate that is none was taken")
                return
            }
            // A change to another URL takes the right away.
            var settings = before.settings
            settings.url += "?2"
            _ = try await house.store.changeEndpoint(
                id, of: nil, ifVersion: nil, settings: settings, state: nil, at: house.now, audit: nil)
            #expect(try await house.runner.consent(token: token, allowedRate: nil) == .noSuchRequest)
            settings.url = before.settings.url
            _ = try await house.store.changeEndpoint(
                id, of: nil, ifVersion: nil, settings: settings, state: nil, at: house.now, audit: nil)
            let event = try await house.event()
            #expect(try await house.runner.consent(token: token, allowedRate: "120") == .given)
            #expect(try await house.runner.consent(token: token, allowedRate: nil) == .given)
            let after = try #require(try await house.store.endpoint(id, of: nil))
            #expect(after.state == .enabled && after.settings.rate == 120)
            try await house.wait { receiver.requests.contains { $0.headers["webhook-id"] == event.id } }
            _ = try await house.store.changeEndpoint(
                id, of: nil, ifVersion: nil, settings: nil, state: .disabled, at: house.now, audit: nil)
            #expect(try await house.runner.consent(token: token, allowedRate: nil) == .tooLate)
        }
    }

    @Test func `a test is sent at once and tells what came back`() async throws {
        let receiver = try Receiver(script: answer("418 Teapot\r\nLocation: /x"))
        try await House.run { house in
            let id = try await house.endpoint(receiver.url)
            let target = try #require(try await house.store.target(of: id, owner: .local))
            let attempt = await house.runner.test(target, url: receiver.url, owner: .local)
            #expect(attempt.status == 418 && attempt.result == "status" && attempt.address == "127.0.0.1")
            let inside = await house.runner.test(target, url: "https://10.0.0.1/", owner: .local)
            #expect(inside.result == "blocked_address" && inside.address == nil)
            #expect(try await house.store.deliveryCounts().values.allSatisfy { $0 == 0 })
        }
        #expect(receiver.requests.map { String(decoding: $0.body, as: UTF8.self).contains("webhook.test") } == [true])
    }

    @Test func `what waits for an endpoint that is deleted is not sent`() async throws {
        let gate = Receiver.Gate()
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                gate.pass()
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        try await House.run({ $0.sender.timeout = .seconds(30) }) { house in
            let id = try await house.endpoint(receiver.url) { $0.concurrency = 1 }
            for _ in 0..<20 { try await house.event() }
            _ = await receiver.requests(atLeast: 1)
            try await house.wait { house.runner.metrics.waiting > 0 }
            _ = try await house.store.deleteEndpoint(id, of: nil, ifVersion: nil, at: house.now, audit: nil)
            gate.open()
            try await house.wait { house.runner.metrics.inFlight == 0 && house.runner.metrics.waiting == 0 }
        }
        #expect(receiver.requests.count <= 2)
    }

    @Test func `a rotated gateway key signs beside the old one for a week, and both stay public`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let start = Timestamp(microseconds: 1_767_323_045_000_000)
        let keys = try await GatewayKeys(store: store, clock: WallClock { start })
        let first = try #require(keys.publicKeys.first)
        let day = start.advanced(by: .seconds(86_400))
        let audit = AuditEntry(at: day, owner: .local, actor: "ann", action: "webhook-key.rotate", subject: "")
        try await keys.rotate(in: store, at: day, audit: audit)
        #expect(try await store.audit(AuditQuery(owner: .local)).map(\.entry) == [audit])
        #expect(keys.publicKeys.map(\.id).last == first.id)
        #expect(keys.publicKeys.map(\.signsUntil) == [nil, day.advanced(by: GatewayKeys.overlap)])
        let again = try await GatewayKeys(store: store, clock: WallClock { day })
        #expect(again.publicKeys == keys.publicKeys)
        let body = Array("{}".utf8)
        for (days, count) in [(1, 2), (7, 2), (8, 1)] {
            let seconds = start.microseconds / 1_000_000 + Int64(days) * 86_400
            let signatures = again.signature(id: "evt_1", timestamp: seconds, body: body)
            #expect(signatures.split(separator: " ").count == count)
            try SignatureVerifier([keys.publicKeys[0].text]).verify(
                id: "evt_1", timestamp: String(seconds), signatures: signatures, body: body, now: seconds)
        }
        await store.close()
    }
}
