import Jobs
import Stores
import Synchronization
import TestKit
import Testing

@Suite struct DeliveryContractTests {
    static let hook = Submission.NotifyRequest(url: "https://ci.example/hook", events: ["job.*"])

    static func attempt(_ second: Int, status: Int? = 200, answer: [UInt8] = []) -> DeliveryAttempt {
        DeliveryAttempt(
            at: Sample.time(second), status: status, result: status == 200 ? "delivered" : "status", detail: "d",
            duration: .milliseconds(12), address: "192.0.2.1", answer: answer)
    }

    static func due(_ store: any JobStore, at second: Int = 5000, limit: Int = 100) async throws -> [Delivery] {
        try await store.dueDeliveries(at: Sample.time(second), limit: limit, excluding: [])
    }

    @Test(arguments: StoreUnderTest.available)
    func `each wanted event is delivered, in the commit that makes it`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            let told = Mutex<[Bool]>([])
            store.observe { all in told.withLock { $0 += all.map(\.hasDeliveries) } }
            try await store.submit(try Sample.job(1, owner: "ops"), notify: [Self.hook])
            let ends = Submission.NotifyRequest(url: "https://b.example/", events: ["job.completed", "job.canceled"])
            try await store.submit(try Sample.job(2), notify: [ends])
            try await store.act(.hold, on: Sample.id(1))
            #expect(told.withLock { $0 } == [true, false, true])
            let due = try await Self.due(store)
            #expect(due.map(\.event.type) == ["job.queued", "job.held"])
            #expect(due.map(\.url) == [Self.hook.url, Self.hook.url])
            #expect(Set(due.map(\.endpoint)).count == 1)
            #expect(due[0].owner == Owner("ops") && due[0].attempts == 0)
            #expect(due[0].event == (try await store.events(after: 0, job: nil, limit: 1))[0])
            #expect(try await store.deliveryCounts() == [.pending: 2])
        }
        // The endpoint outlives the process.
        try await back.run(in: folder) { store async throws in
            try await store.act(.cancel, on: Sample.id(1), at: Sample.time(2000))
            try await store.act(.cancel, on: Sample.id(2), at: Sample.time(2001))
            let due = try await Self.due(store)
            #expect(due.map(\.event.type) == ["job.queued", "job.held", "job.canceled", "job.canceled"])
            #expect(due.last?.url == "https://b.example/")
            #expect(try await store.deliveryCounts() == [.pending: 4])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `due are those whose time has come, the earliest first, without those under way`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            for number in 1...4 { try await store.submit(try Sample.job(number), notify: [Self.hook]) }
            let all = try await Self.due(store)
            #expect(all.map(\.event.job) == (1...4).map(Sample.id))
            #expect(try await Self.due(store, at: 2).map(\.id) == all.prefix(2).map(\.id))
            #expect(try await Self.due(store, at: 0).isEmpty)
            #expect(try await Self.due(store, limit: 3).map(\.id) == all.prefix(3).map(\.id))
            let rest = try await store.dueDeliveries(at: Sample.time(9), limit: 2, excluding: [all[0].id, all[2].id])
            #expect(rest.map(\.id) == [all[1].id, all[3].id])
            let others = try await store.dueDeliveries(
                at: Sample.time(9), limit: 2, excluding: [all[0].id], leavingOut: [all[1].endpoint])
            #expect(others.map(\.id) == [all[2].id, all[3].id])
            #expect(try await store.nextDeliveryTime(after: Sample.time(2)) == Sample.time(3))
            #expect(try await store.nextDeliveryTime(after: Sample.time(4)) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a result is recorded once and decides what follows`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            for number in 1...3 { try await store.submit(try Sample.job(number), notify: [Self.hook]) }
            let due = try await Self.due(store)
            let failed = Self.attempt(10, status: 503, answer: Sample.octets(5000))
            try await store.record([
                DeliveryResult(delivery: due[0].id, attempt: Self.attempt(10), next: .delivered),
                DeliveryResult(delivery: due[1].id, attempt: failed, next: .retry(at: Sample.time(60))),
                DeliveryResult(delivery: due[2].id, attempt: Self.attempt(10, status: nil), next: .dead),
            ])
            #expect(try await store.deliveryCounts() == [.pending: 1, .delivered: 1, .dead: 1])
            #expect(try await Self.due(store, at: 59).isEmpty)
            let again = try await Self.due(store, at: 60)
            #expect(again.map(\.id) == [due[1].id] && again.map(\.attempts) == [1])
            // Reported twice, by a sender that did not hear the answer.
            try await store.record([DeliveryResult(delivery: due[0].id, attempt: failed, next: .dead)])
            #expect(try await store.deliveryCounts() == [.pending: 1, .delivered: 1, .dead: 1])
            try await store.record([DeliveryResult(delivery: due[1].id, attempt: Self.attempt(60), next: .delivered)])
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.deliveryCounts() == [.delivered: 2, .dead: 1])
            let record = try #require(try await store.deliveries(of: Sample.id(2)).first)
            #expect(record.state == .delivered && record.nextAt == nil && record.url == Self.hook.url)
            #expect(record.eventType == "job.queued")
            #expect(record.attempts.map(\.status) == [503, 200])
            #expect(record.attempts[0].answer == Array(Sample.octets(5000).prefix(4096)))
            #expect(record.attempts[1] == Self.attempt(60))
            #expect(try await store.deliveries(of: Sample.id(1)).map(\.attempts.count) == [1])
            #expect(try await store.deliveries(of: Sample.id(9)).isEmpty)
        }
    }
}
