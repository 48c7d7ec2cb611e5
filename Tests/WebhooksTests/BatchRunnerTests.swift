import Jobs
import Lines
import Logging
import Stores
import TestKit
import Testing
import Webhooks
import Wire

/// What a call of batch mode held, by the IDs of its events.
private func events(_ request: Receiver.Request) throws -> [String] {
    try JSONValue(parsing: request.body).elements?.compactMap { $0["id"]?.string } ?? []
}

@Suite(.serialized) struct BatchRunnerTests {
    @Test func `what waits while a call is under way goes together with the next, signed as a whole`() async throws {
        let gate = Receiver.Gate()
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                gate.pass()
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        try await House.run({ $0.sender.timeout = .seconds(30) }) { house in
            let id = try await house.endpoint(receiver.url) {
                $0.mode = .cloudEventsBatch
                $0.concurrency = 1
            }
            var sent = [try await house.event().id]
            _ = await receiver.requests(atLeast: 1)
            for _ in 0..<120 { sent.append(try await house.event().id) }
            try await house.wait { house.runner.metrics.waiting == 120 }
            gate.open()
            try await house.wait { try await house.store.deliveryCounts()[.delivered] == 121 }
            let calls = receiver.requests
            #expect(try calls.map { try events($0).count } == [1, 100, 20])
            #expect(try calls.flatMap(events) == sent)
            for call in calls {
                #expect(call.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8")
                try SignatureVerifier([House.secret]).verify(
                    id: call.headers["webhook-id"] ?? "", timestamp: call.headers["webhook-timestamp"] ?? "",
                    signatures: call.headers["webhook-signature"] ?? "", body: call.body,
                    now: WallClock.system.now().microseconds / 1_000_000)
            }
            // Each delivery tells which call had it.
            let page = try await house.store.deliveries(DeliveryQuery(endpoint: id, limit: 500)) ?? []
            for call in calls {
                let told = page.filter { $0.attempts.map(\.batch) == [call.headers["webhook-id"]] }
                #expect(Set(told.map(\.eventID)) == Set(try events(call)))
            }
        }
    }

    @Test func `an event that its receiver refuses is alone at the third try, and the others arrive`() async throws {
        let bad = Locked<String?>(nil)
        let gate = Receiver.Gate()
        let receiver = try Receiver { peer in
            while let request = peer.readRequest() {
                gate.pass()
                let isBad = bad.withLock { bad in bad.map { (try? events(request))?.contains($0) ?? true } ?? false }
                peer.write("HTTP/1.1 \(isBad ? 400 : 200) X\r\nContent-Length: 0\r\n\r\n")
            }
        }
        try await House.run({
            $0.sender.timeout = .seconds(30)
            $0.schedule = Schedule([.zero, .zero, .zero]) ?? .standard
        }) { house in
            let id = try await house.endpoint(receiver.url) {
                $0.mode = .cloudEventsBatch
                $0.concurrency = 1
            }
            try await house.event()
            _ = await receiver.requests(atLeast: 1)
            var sent: [String] = []
            for _ in 0..<12 { sent.append(try await house.event().id) }
            bad.withLock { $0 = sent[3] }
            try await house.wait { house.runner.metrics.waiting == 12 }
            gate.open()
            try await house.wait {
                let counts = try await house.store.deliveryCounts()
                return counts[.delivered] == 12 && counts[.dead] == 1
            }
            let dead = try #require(try await house.records(id).first { $0.state == .dead })
            #expect(dead.eventID == sent[3])
            let tries = try receiver.requests.map(events).filter { $0.contains(sent[3]) }
            #expect(tries.count == 3 && tries.first == sent && tries.last == [sent[3]])
            #expect(tries[1].count <= 10)
        }
        // The same webhook-id is the same call.
        for (_, calls) in Dictionary(grouping: receiver.requests, by: { $0.headers["webhook-id"] }) {
            #expect(Set(calls.map(\.body)).count == 1)
        }
    }
}

@Suite struct ChangedRulesTests {
    @Test func `other rules and another secret hold for what waits already`() async throws {
        let gate = Receiver.Gate()
        let receiver = try Receiver { peer in
            while peer.readRequest() != nil {
                gate.pass()
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let store = MemoryDeliveries()
        var settings = try DeliveryRunner.Settings(secret: testSecret)
        settings.addresses.allowNetworks = [loopbackNetwork].compactMap { $0 }
        settings.sender.timeout = .seconds(30)
        settings.limits.inFlightPerEndpoint = 1
        settings.schedule = Schedule([.zero]) ?? .standard
        let runner = try DeliveryRunner(
            store: store, settings: settings, logger: Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() })
        store.add(1...2, url: receiver.url, at: WallClock.system.now())
        let task = Task { await runner.run() }
        let first = try #require(await receiver.requests(atLeast: 1).first)
        settings.addresses.allowNetworks = []
        runner.change(to: settings)
        gate.open()
        // The one under way ends as it began; the one behind it is not sent any more.
        await store.wait { $0.values.allSatisfy { $0.state != .pending } }
        #expect(store.row(1)?.state == .delivered)
        #expect(store.row(2)?.state == .dead && store.row(2)?.attempts.map(\.result) == ["bad_url"])
        settings.addresses.allowNetworks = [loopbackNetwork].compactMap { $0 }
        let other = try DeliveryRunner.Settings(secret: House.secret)
        settings.signer = other.signer
        runner.change(to: settings)
        store.add(3...3, url: receiver.url, at: WallClock.system.now())
        runner.wake()
        await store.wait { $0[DeliveryID(3)]?.state == .delivered }
        let last = try #require(receiver.requests.last)
        func isSigned(_ request: Receiver.Request, by secret: String) throws {
            try SignatureVerifier([secret]).verify(
                id: request.headers["webhook-id"] ?? "", timestamp: request.headers["webhook-timestamp"] ?? "",
                signatures: request.headers["webhook-signature"] ?? "", body: request.body,
                now: WallClock.system.now().microseconds / 1_000_000)
        }
        try isSigned(first, by: testSecret)
        try isSigned(last, by: House.secret)
        runner.stop()
        await task.value
    }
}
