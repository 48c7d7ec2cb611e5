import Jobs
import Lines
import Logging
import Stores
import TestKit
import Testing
import Webhooks

/// Wall time that a test moves.
private final class Hands: Sendable {
    private let time = Locked(Timestamp(microseconds: 1_767_323_045_000_000))
    var now: Timestamp { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
    var clock: WallClock { WallClock { self.now } }
}

private func settings(
    schedule: [Duration] = Schedule.standard.delays, resolver: NameResolver = .system
) throws -> DeliveryRunner.Settings {
    var settings = try DeliveryRunner.Settings(secret: testSecret)
    settings.addresses.allowNetworks = [loopbackNetwork].compactMap { $0 }
    settings.sender = quickSender()
    settings.schedule = try #require(Schedule(schedule))
    settings.resolver = resolver
    settings.seed = 1
    return settings
}

private func logger() -> Logger { Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() } }

private let ok: @Sendable (Peer) -> Void = { peer in
    while peer.readRequest() != nil { peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
}

/// Runs a runner for as long as the body takes, then stops it.
private func running(
    _ store: MemoryDeliveries, _ settings: DeliveryRunner.Settings, clock: WallClock = .system,
    _ body: (DeliveryRunner) async throws -> Void
) async throws {
    let runner = try DeliveryRunner(store: store, settings: settings, clock: clock, logger: logger())
    let task = Task { await runner.run() }
    do {
        try await body(runner)
    } catch {
        runner.stop()
        await task.value
        throw error
    }
    runner.stop()
    await task.value
}

@Suite(.serialized) struct DeliveryRunnerTests {
    @Test func `what is due is sent once, signed, byte for byte, and recorded`() async throws {
        let receiver = try Receiver(script: ok)
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...200, url: receiver.url, at: hands.now)
        try await running(store, settings(), clock: hands.clock) { runner in
            await store.wait(for: .delivered)
            #expect(runner.metrics.attempts == ["delivered": 200])
        }
        let verifier = try SignatureVerifier([testSecret])
        let now = hands.now.microseconds / 1_000_000
        #expect(receiver.requests.count == 200)
        #expect(Set(receiver.requests.compactMap { $0.headers["webhook-id"] }).count == 200)
        for request in receiver.requests {
            let id = try #require(request.headers["webhook-id"])
            #expect(request.headers["content-type"] == "application/json")
            #expect(store.row(Int64(id.dropFirst(4)) ?? 0)?.delivery.event.body == request.body)
            try verifier.verify(
                id: id, timestamp: request.headers["webhook-timestamp"] ?? "",
                signatures: request.headers["webhook-signature"] ?? "", body: request.body, now: now)
        }
        let attempt = try #require(store.row(1)?.attempts.first)
        #expect(attempt.status == 200)
        #expect(attempt.result == "delivered")
        #expect(attempt.address == "127.0.0.1")
        #expect(receiver.acceptedConnections <= 4, "no more than four at a time, kept open")
    }

    @Test func `a wake brings what was committed since`() async throws {
        let receiver = try Receiver(script: ok)
        let store = MemoryDeliveries()
        let hands = Hands()
        try await running(store, settings(), clock: hands.clock) { runner in
            for id in 1...20 as ClosedRange<Int64> {
                store.add(id...id, url: receiver.url, at: hands.now)
                runner.wake()
                _ = await receiver.requests(atLeast: Int(id))
            }
            await store.wait(for: .delivered)
        }
        #expect(receiver.requests.count == 20)
    }

    @Test
    func `a failing receiver is tried by the schedule, with one id and new timestamps, then the delivery is dead`()
        async throws
    {
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                peer.write("HTTP/1.1 503 No\r\nRetry-After: 100\r\nContent-Length: 2\r\n\r\nno")
            }
        }
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...1, url: receiver.url, at: hands.now)
        try await running(store, settings(schedule: [.zero, .seconds(5), .seconds(300)]), clock: hands.clock) {
            runner in
            await store.wait { $0.values.allSatisfy { $0.attempts.count == 1 } }
            #expect(
                store.row(1)?.nextAt == hands.now.advanced(by: .seconds(100)), "Retry-After is longer than the schedule"
            )
            hands.advance(by: .seconds(99))
            runner.wake()
            hands.advance(by: .seconds(1))
            runner.wake()
            await store.wait { $0.values.allSatisfy { $0.attempts.count == 2 } }
            let wait = hands.now.duration(to: try #require(store.row(1)?.nextAt))
            #expect(wait >= .seconds(240) && wait <= .seconds(360))
            hands.advance(by: wait)
            runner.wake()
            await store.wait(for: .dead)
        }
        #expect(receiver.requests.count == 3)
        #expect(Set(receiver.requests.compactMap { $0.headers["webhook-id"] }) == ["evt_1"])
        #expect(Set(receiver.requests.compactMap { $0.headers["webhook-timestamp"] }).count == 3)
        #expect(Set(receiver.requests.map(\.body)).count == 1)
        let attempts = try #require(store.row(1)?.attempts)
        #expect(attempts.map(\.result) == ["status", "status", "status"])
        #expect(attempts.allSatisfy { $0.status == 503 && $0.answer == Array("no".utf8) })
    }

    @Test func `410 ends a delivery at once`() async throws {
        let receiver = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        }
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...1, url: receiver.url, at: hands.now)
        try await running(store, settings(), clock: hands.clock) { _ in await store.wait(for: .dead) }
        #expect(store.row(1)?.attempts.map(\.result) == ["gone"])
    }

    @Test func `a name that turns inside is blocked and tried again by the schedule`() async throws {
        let inner = try Receiver(script: ok)
        let answers = Locked([["93.184.216.34", "10.0.0.1"], ["::ffff:10.9.9.9"], ["64:ff9b::7f00:1"], ["127.0.0.1"]])
        let resolver = NameResolver { _ in
            .success(answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }.compactMap { IPAddress($0) })
        }
        let store = MemoryDeliveries()
        let hands = Hands()
        // Plain http to a name: only what all lies in the allowed network is called.
        store.add(1...1, url: "http://hooks.example:\(inner.port)/hook", at: hands.now)
        try await running(store, settings(resolver: resolver), clock: hands.clock) { runner in
            for count in 1...3 {
                await store.wait { $0.values.allSatisfy { $0.attempts.count == count } }
                #expect(inner.acceptedConnections == 0)
                hands.advance(by: .seconds(3600))
                runner.wake()
            }
            await store.wait(for: .delivered)
        }
        #expect(store.row(1)?.attempts.map(\.result) == Array(repeating: "blocked_address", count: 3) + ["delivered"])
        #expect(store.row(1)?.attempts.first?.address == nil)
        #expect(inner.acceptedConnections == 1)
    }

    @Test(arguments: [
        "ftp://hooks.example/", "https://user@hooks.example/", "not a url", "https://10.0.0.1/", "http://8.8.8.8/",
    ])
    func `a URL that should not be in the store is not called`(_ url: String) async throws {
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...1, url: url, at: hands.now)
        try await running(store, settings(schedule: [.zero]), clock: hands.clock) { _ in await store.wait(for: .dead) }
        let result = try #require(store.row(1)?.attempts.first?.result)
        #expect(["bad_url", "blocked_address"].contains(result))
    }

    @Test(arguments: [false, true])
    func `20,000 due for a dead receiver delay no other, and few of them are in memory`(
        _ hasEndpointEach: Bool
    ) async throws {
        let gone = try Receiver { _ in }
        let deadURL = gone.url
        gone.stop()
        let receiver = try Receiver(script: ok)
        let store = MemoryDeliveries()
        let hands = Hands()
        var settings = try settings()
        settings.limits.waitingPerEndpoint = 64
        if hasEndpointEach {
            for id in 1...20_000 as ClosedRange<Int64> {
                store.add(id...id, url: deadURL, endpoint: 1_000_000 + id, at: hands.now)
            }
        } else {
            store.add(1...20_000, url: deadURL, endpoint: 1, at: hands.now)
        }
        hands.advance(by: .seconds(1))
        store.add(200_001...200_100, url: receiver.url, endpoint: 2, at: hands.now)
        try await running(store, settings, clock: hands.clock) { runner in
            await store.wait { rows in
                (200_001...200_100).allSatisfy { rows[DeliveryID($0)]?.state == .delivered }
            }
            await store.wait { rows in rows.values.contains { $0.delivery.url == deadURL && !$0.attempts.isEmpty } }
            #expect(runner.metrics.waiting <= 64)
        }
        let tried = store.rows.values.filter { $0.delivery.url == deadURL && !$0.attempts.isEmpty }
        #expect(tried.count < 40, "the breaker holds the rest back, and their tries are not used up")
        #expect(tried.allSatisfy { $0.attempts.count == 1 })
    }

    @Test func `a store that fails loses nothing and doubles nothing`() async throws {
        let receiver = try Receiver(script: ok)
        let store = MemoryDeliveries()
        let hands = Hands()
        try await running(store, settings(), clock: hands.clock) { runner in
            store.add(1...50, url: receiver.url, at: hands.now)
            store.fail(with: .unavailable("disk full"))
            runner.wake()
            store.fail(with: nil)
            await store.wait(for: .delivered)
        }
        #expect(receiver.requests.count == 50)
    }

    @Test func `a stop lets what is under way end, and the rest stays pending`() async throws {
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                peer.pause(milliseconds: 100)
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...30, url: receiver.url, at: hands.now)
        try await running(store, settings(), clock: hands.clock) { _ in _ = await receiver.requests(atLeast: 1) }
        let delivered = store.rows.values.filter { $0.state == .delivered }
        #expect(delivered.count == receiver.requests.count)
        #expect((1...8).contains(delivered.count))
        #expect(store.rows.values.filter { $0.state == .pending }.allSatisfy { $0.attempts.isEmpty })
    }

    @Test func `a stop waits no longer than its grace for a silent receiver`() async throws {
        let receiver = try Receiver { peer in
            peer.readRequest()
            peer.waitForClose()
        }
        var settings = try settings()
        settings.grace = .milliseconds(100)
        settings.sender.timeout = .seconds(30)
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...3, url: receiver.url, at: hands.now)
        let began = ContinuousClock.now
        try await running(store, settings, clock: hands.clock) { _ in _ = await receiver.requests(atLeast: 3) }
        #expect(ContinuousClock.now - began < .seconds(25))
        #expect(store.rows.values.allSatisfy { $0.state == .pending && $0.attempts.isEmpty })
    }

    @Test func `after an outage of three days everything arrives`() async throws {
        let isUp = Locked(false)
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                peer.write("HTTP/1.1 \(isUp.withLock { $0 } ? 200 : 500) X\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let store = MemoryDeliveries()
        let hands = Hands()
        store.add(1...100, url: receiver.url, at: hands.now)
        try await running(store, settings(), clock: hands.clock) { runner in
            for hour in 1...72 {
                hands.advance(by: .seconds(3600))
                if hour == 72 { isUp.withLock { $0 = true } }
                await store.nextRead { runner.wake() }
            }
            while store.rows.values.contains(where: { $0.state == .pending }) {
                hands.advance(by: .seconds(600))
                await store.nextRead { runner.wake() }
            }
        }
        #expect(store.rows.values.allSatisfy { $0.state == .delivered })
    }
}

@Suite struct NameServiceTests {
    @Test func `a name is asked once for all who wait, and its answer kept`() async {
        let asked = Locked<[String]>([])
        let service = NameService { name in
            asked.withLock { $0.append(name) }
            return .success([.v4(0x5DB8_D822)])
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask { #expect(await service.addresses(of: "a.example") == .success([.v4(0x5DB8_D822)])) }
            }
        }
        #expect(asked.withLock { $0 } == ["a.example"])
    }

    @Test func `a name server that hangs costs the wait and few threads`() async {
        let gate = Locked(0)
        let most = Locked(0)
        var limits = NameService.Limits()
        limits.wait = .milliseconds(50)
        limits.threads = 2
        limits.names = 10
        let release = Receiver.Gate()
        let service = NameService(limits: limits) { _ in
            let now = gate.withLock { gate in
                gate += 1
                return gate
            }
            most.withLock { $0 = max($0, now) }
            release.pass()
            gate.withLock { $0 -= 1 }
            return .failure(.unknown)
        }
        let answers = await withTaskGroup(of: NameService.Answer.self) { group in
            for number in 0..<20 { group.addTask { await service.addresses(of: "n\(number).example") } }
            var answers: [NameService.Answer] = []
            for await answer in group { answers.append(answer) }
            return answers
        }
        #expect(answers.filter { $0 == .failure(.timedOut) }.count == 10)
        #expect(answers.filter { $0 == .failure(.busy) }.count == 10)
        #expect(most.withLock { $0 } == 2)
        release.open()
    }

    @Test func `the system knows localhost, and not what ends in invalid`() async {
        #expect(NameService.getaddrinfo("localhost").map { $0.allSatisfy(\.isLoopback) } == .success(true))
        #expect(NameService.getaddrinfo("nothing.invalid") == .failure(.unknown))
    }
}
