import Jobs
import Stores
import Synchronization
import TestKit
import Testing

@Suite struct RedeliveryContractTests {
    private static func extra(_ second: Int, status: Int) -> DeliveryAttempt {
        DeliveryAttempt(
            at: Sample.time(second), status: status, result: "status", duration: .milliseconds(3),
            timings: .init(
                resolved: .microseconds(7), connected: .microseconds(10), secured: nil, firstByte: .milliseconds(2)),
            exchange: DeliveryExchange(
                sentOctets: 700, receivedOctets: 12, httpVersion: 11, tlsVersion: 0x0303, verifyResult: 0),
            isExtra: true, batch: "batch_1")
    }

    private static let after = DeliveryResult.Next.retry(at: Sample.time(70))

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What became of the delivery before somebody asked for one more try.
        let before: DeliveryResult.Next
        let status: Int
        let state: DeliveryState
        let nextAt: Timestamp?
    }

    @Test(arguments: [
        Row(testDescription: "dead, fails", before: .dead, status: 500, state: .dead, nextAt: nil),
        Row(testDescription: "dead, arrives", before: .dead, status: 200, state: .delivered, nextAt: nil),
        Row(testDescription: "delivered, fails", before: .delivered, status: 500, state: .delivered, nextAt: nil),
        Row(testDescription: "waiting, fails", before: after, status: 500, state: .pending, nextAt: Sample.time(70)),
        Row(testDescription: "waiting, arrives", before: after, status: 200, state: .delivered, nextAt: nil),
    ])
    func `one more try changes nothing but when it arrives`(_ row: Row) async throws {
        for back in StoreUnderTest.available {
            try await back.run { store async throws in
                let told = Mutex(0)
                try await store.create(try Sample.endpoint(1, events: ["job.queued"]))
                try await store.submit(try Sample.job(2))
                let first = try #require(try await DeliveryContractTests.due(store).first)
                #expect(!first.isExtra)
                try await store.record([
                    DeliveryResult(delivery: first.id, attempt: DeliveryContractTests.attempt(3), next: row.before)
                ])
                store.observe { changes in
                    if changes.contains(where: \.hasDeliveries) { told.withLock { $0 += 1 } }
                }
                #expect(try await store.redeliver(first.id, of: .local, at: Sample.time(9), audit: nil) == .underWay)
                #expect(try await store.redeliver(first.id, of: .local, at: Sample.time(10), audit: nil) == .underWay)
                #expect(told.withLock { $0 } == 2, "the sender is woken")
                let again = try #require(try await DeliveryContractTests.due(store, at: 10).first)
                #expect(again.id == first.id && again.isExtra && again.event == first.event && again.attempts == 1)
                let past = try await store.dueDeliveries(
                    at: Sample.time(10), limit: 9, excluding: [], leavingOut: [first.endpoint])
                #expect(past.map(\.id) == [first.id], "a line that is full or a breaker does not hold it")
                try await store.record([
                    DeliveryResult(
                        delivery: first.id, attempt: Self.extra(11, status: row.status),
                        next: row.status == 200 ? .delivered : .retry(at: Sample.time(500)))
                ])
                let record = try #require(try await store.delivery(first.id, of: .local))
                #expect(record.state == row.state && record.nextAt == row.nextAt)
                #expect(record.attempts.last == Self.extra(11, status: row.status))
                #expect(record.attempts.count == 2)
                #expect(try await store.deliveryCounts().filter { $0.value != 0 } == [row.state: 1])
                #expect(
                    try await store.endpoint(Sample.endpoint(1).id, of: nil)?.health.failures
                        == (row.before == .delivered ? 0 : 1))
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a try under way while one more is asked for counts, and the extra one follows`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            try await store.create(try Sample.endpoint(1, events: ["job.queued"]))
            try await store.submit(try Sample.job(2))
            let first = try #require(try await DeliveryContractTests.due(store).first)
            _ = try await store.redeliver(first.id, of: .local, at: Sample.time(9), audit: nil)
            try await store.record([
                DeliveryResult(
                    delivery: first.id, attempt: DeliveryContractTests.attempt(10, status: 500), next: Self.after)
            ])
            let again = try #require(try await DeliveryContractTests.due(store, at: 10).first)
            #expect(again.isExtra && again.attempts == 1)
            try await store.record([
                DeliveryResult(delivery: first.id, attempt: Self.extra(11, status: 500), next: Self.after)
            ])
            #expect(try await DeliveryContractTests.due(store, at: 69).isEmpty)
            #expect(try await DeliveryContractTests.due(store, at: 70).map(\.attempts) == [1])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `another owner's delivery is not there`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1))
            try await store.submit(try Sample.job(2))
            let due = try await DeliveryContractTests.due(store)
            let other = try #require(Owner("other"))
            #expect(try await store.redeliver(due[0].id, of: other, at: Sample.time(9), audit: nil) == .noSuchDelivery)
            #expect(try await store.delivery(due[0].id, of: other) == nil)
            #expect(try await store.deliveries(DeliveryQuery(endpoint: id, owner: other)) == nil)
            #expect(
                try await store.redeliver(DeliveryID(99), of: nil, at: Sample.time(9), audit: nil) == .noSuchDelivery)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `deliveries are paged newest first, by state, type and time`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1))
            for number in 2...7 { try await store.submit(try Sample.job(number)) }
            try await store.act(.hold, on: Sample.id(2), at: Sample.time(50))
            let due = try await DeliveryContractTests.due(store)
            try await store.record([
                DeliveryResult(delivery: due[0].id, attempt: DeliveryContractTests.attempt(60), next: .delivered),
                DeliveryResult(
                    delivery: due[1].id, attempt: DeliveryContractTests.attempt(60, status: 500), next: .dead),
            ])
            func page(_ change: (inout DeliveryQuery) -> Void) async throws -> [Int64] {
                var query = DeliveryQuery(endpoint: id, owner: .local)
                change(&query)
                return try #require(try await store.deliveries(query)).map(\.id.value)
            }
            let all = due.map(\.id.value)
            #expect(try await page { _ in } == all.reversed())
            #expect(try await page { $0.limit = 3 } == all.suffix(3).reversed())
            #expect(try await page { $0.before = due[4].id } == all.prefix(4).reversed())
            #expect(try await page { $0.states = [.delivered] } == [all[0]])
            #expect(try await page { $0.states = [.dead] } == [all[1]])
            #expect(try await page { $0.states = [.dead, .delivered] } == [all[1], all[0]])
            #expect(try await page { $0.states = [.pending] } == all.dropFirst(2).reversed())
            #expect(try await page { $0.type = "job.held" } == [all[6]])
            #expect(try await page { $0.type = "job.h*" } == [all[6]])
            #expect(
                try await page {
                    $0.since = Sample.time(4); $0.until = Sample.time(6)
                } == [all[4], all[3], all[2]])
            let record = try #require(try await store.deliveries(DeliveryQuery(endpoint: id))?.last)
            #expect(record.endpoint == id && record.job == Sample.id(2) && record.eventAt == Sample.time(2))
            #expect(record.attempts == [DeliveryContractTests.attempt(60)])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `410 disables the endpoint in the commit of the try, and its owner's other endpoints hear of it`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1, events: ["job.queued"]))
            try await store.create(try Sample.endpoint(2, url: "https://second/", events: ["webhook.disabled"]))
            try await store.create(try Sample.endpoint(3, owner: "other", events: ["webhook.disabled"]))
            for number in 4...6 { try await store.submit(try Sample.job(number)) }
            let due = try await DeliveryContractTests.due(store)
            try await store.record([
                DeliveryResult(
                    delivery: due[0].id, attempt: DeliveryContractTests.attempt(10, status: 410), next: .dead,
                    disables: .gone)
            ])
            #expect(try await store.endpoint(id, of: nil)?.state == .disabled(.gone, at: Sample.time(10)))
            #expect(try await store.deliveryCounts() == [.dead: 1, .paused: 2, .pending: 1])
            let told = try await DeliveryContractTests.due(store)
            #expect(told.map(\.url) == ["https://second/"] && told.map(\.event.type) == ["webhook.disabled"])
            #expect(String(decoding: told[0].event.body, as: UTF8.self).contains(#""reason":"gone""#))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the receiver of one job that has gone gets no more`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            let own = Submission.NotifyRequest(url: "https://a/", events: ["job.*"], secret: Sample.secret)
            try await store.submit(try Sample.job(1), notify: [own, DeliveryContractTests.hook])
            let due = try await DeliveryContractTests.due(store)
            #expect(due.map(\.target.secrets) == [[EndpointSecret(Sample.secret)], []])
            try await store.record([
                DeliveryResult(
                    delivery: due[0].id, attempt: DeliveryContractTests.attempt(10, status: 410), next: .dead,
                    disables: .gone)
            ])
            try await store.act(.hold, on: Sample.id(1))
        }
        try await back.run(in: folder) { store async throws in
            try await store.act(.release, on: Sample.id(1))
            let due = try await DeliveryContractTests.due(store)
            #expect(Set(due.map(\.url)) == [DeliveryContractTests.hook.url] && due.count == 3)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `days without a success disable an endpoint, and one success before makes it new`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let id = try await store.create(try Sample.endpoint(1, events: ["job.queued"]))
            try await store.submit(try Sample.job(2))
            let delivery = try #require(try await DeliveryContractTests.due(store).first)
            func fail(day: Int, times: Int) async throws {
                for _ in 0..<times {
                    let at = 86_400 * day
                    try await store.record([
                        DeliveryResult(
                            delivery: delivery.id, attempt: DeliveryContractTests.attempt(at, status: 500),
                            next: .retry(at: Sample.time(at + 1)))
                    ])
                }
            }
            try await fail(day: 0, times: 25)
            #expect(try await store.endpoint(id, of: nil)?.health.failures == 25)
            try await store.submit(try Sample.job(3))
            let second = try #require(try await DeliveryContractTests.due(store, at: 99).last)
            try await store.record([
                DeliveryResult(delivery: second.id, attempt: DeliveryContractTests.attempt(90), next: .delivered)
            ])
            #expect(try await store.endpoint(id, of: nil)?.health == EndpointHealth())
            try await fail(day: 1, times: 25)
            try await fail(day: 5, times: 1)
            #expect(try await store.endpoint(id, of: nil)?.state == .enabled)
            try await fail(day: 6, times: 1)
            #expect(try await store.endpoint(id, of: nil)?.state == .disabled(.failing, at: Sample.time(6 * 86_400)))
            #expect(try await store.deliveryCounts() == [.paused: 1, .delivered: 1])
        }
    }
}
