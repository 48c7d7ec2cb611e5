import Jobs
import Lines
import Logging
import Stores
import TestKit
import Testing
import Webhooks

/// What lies inside is not reached, and not told of, by whatever way somebody tries. `Tests/Campaigns/reach.py` does the same
/// from outside, with a name server, redirects and a second listener.
@Suite struct InsideTests {
    private func guarding(_ answers: [String]) -> AddressGuard {
        AddressGuard(resolver: NameResolver { _ in .success(answers.compactMap { IPAddress($0) }) })
    }

    @Test(arguments: AddressGuardTests.forbidden)
    func `a name that leads inside is not called, alone or among good addresses`(_ text: String) async throws {
        let url = try WebhookURL("https://hooks.example/")
        for answers in [[text], ["93.184.216.34", text], [text, "2606:2800:220:1::1"]] {
            await #expect(throws: SendFailure.blockedAddress) { try await guarding(answers).addresses(of: url) }
        }
    }

    @Test func `an open port inside looks like a closed one, an open name like one that does not listen`() async throws
    {
        let open = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        }
        let gone = try Receiver { _ in }
        let closed = gone.port
        gone.stop()
        var settings = try DeliveryRunner.Settings(secret: testSecret)
        settings.addresses.allowPlainHTTP = true
        settings.resolver = NameResolver { _ in .success([.loopback]) }
        let log = Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() }
        let runner = try DeliveryRunner(store: MemoryDeliveries(), settings: settings, logger: log)
        var seen: [DeliveryAttempt] = []
        for url in [
            "http://hooks.example:\(open.port)/", "http://hooks.example:\(closed)/",
            "https://hooks.example:\(open.port)/", "https://hooks.example:\(closed)/",
        ] {
            seen.append(await runner.test(DeliveryTarget(), url: url, owner: .local))
        }
        for attempt in seen {
            #expect(attempt.result == "blocked_address" && attempt.status == nil && attempt.address == nil)
            #expect(attempt.detail == seen[0].detail && attempt.answer.isEmpty)
            #expect(attempt.timings == DeliveryAttempt.Timings())
        }
        #expect(open.acceptedConnections == 0)
        open.stop()
    }

    @Test func `a redirect inside is a failure that shows where it pointed`() async throws {
        let inner = try Receiver { peer in peer.readRequest() }
        let target = "http://127.0.0.1:\(inner.port)/"
        let outer = try Receiver { peer in
            peer.readRequest()
            peer.write("HTTP/1.1 302 Found\r\nLocation: \(target)\r\nContent-Length: 0\r\n\r\n")
        }
        var settings = try DeliveryRunner.Settings(secret: testSecret)
        settings.addresses.allowNetworks = [loopbackNetwork].compactMap { $0 }
        let log = Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() }
        let runner = try DeliveryRunner(store: MemoryDeliveries(), settings: settings, logger: log)
        let attempt = await runner.test(DeliveryTarget(), url: outer.url, owner: .local)
        #expect(attempt.result == "redirect_refused" && attempt.status == 302)
        #expect(attempt.detail?.contains(target) == true)
        #expect(inner.acceptedConnections == 0)
        inner.stop()
        outer.stop()
    }
}
