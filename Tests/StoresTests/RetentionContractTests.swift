import Jobs
import Stores
import TestKit
import Testing

@Suite struct RetentionContractTests {
    private static func sweepAll(
        _ kind: RetentionKind, _ store: any JobStore, olderThan age: Timestamp, limit: Int = 2
    ) async throws -> (removed: Int, kept: Int) {
        var (removed, kept) = (0, 0)
        var mark: RetentionMark?
        while true {
            let step = try await store.sweep(kind, olderThan: age, from: mark, limit: limit, at: Sample.time(9000))
            removed += step.removed
            kept += step.kept
            switch step.next {
            case .after(let last): mark = last
            case .again: continue
            case nil: return (removed, kept)
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `jobs go by the age of their end, and nothing unfinished or untold goes`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            for number in 1...5 { try await PurgeContractTests.ended(number, in: store, at: 2000 + number) }
            try await PurgeContractTests.ended(6, in: store, at: 1999, delivered: false)
            try await store.submit(try Sample.job(7))
            let swept = try await Self.sweepAll(.jobs, store, olderThan: Sample.time(2004))
            #expect(swept == (3, 1))
            #expect(try await store.jobs(JobQuery()).map(\.id) == [7, 6, 5, 4].map(Sample.id))
            #expect(try await Self.sweepAll(.jobs, store, olderThan: Sample.time(2004)) == (0, 1))
            let sequences = try await store.events(after: 0, job: nil, limit: 1000).map(\.sequence)
            #expect(sequences == Array(1...Int64(sequences.count)))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `decks and print-out can go before their job, which still lists them`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let id = Sample.id(1)
        try await back.run(in: folder) { store async throws in
            for number in 1...3 { try await PurgeContractTests.ended(number, in: store, at: 2000 + number) }
            let version = try #require(try await store.job(id)).version
            #expect(try await Self.sweepAll(.outputs, store, olderThan: Sample.time(2002), limit: 1) == (1, 0))
            #expect(try await Self.sweepAll(.decks, store, olderThan: Sample.time(2003), limit: 1) == (2, 0))
            let job = try #require(try await store.job(id))
            #expect(job.version == version + 1 && job.outputs == 2)
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.spoolFiles(of: id).map(\.condition) == [.purged, .purged])
            #expect(try await store.spoolFiles(of: Sample.id(2)).map(\.condition) == [.sound, .sound])
            await #expect(throws: StoreError.purged(what: "spool file 1 of job \(id)")) {
                try await store.spoolBody(of: id, file: 1)
            }
            await #expect(throws: StoreError.purged(what: "the deck of job \(Sample.id(2))")) {
                try await store.deck(of: Sample.id(2))
            }
            #expect(try await store.deck(of: Sample.id(3)).readAll().count == Sample.deck.octets)
            #expect(try await store.storedOctets() == [.local: Sample.deck.octets + 600])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `events go from the front up to what is not told yet, and the sequence goes on`(
        _ back: StoreUnderTest
    ) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            try await PurgeContractTests.ended(1, in: store)
            try await PurgeContractTests.ended(2, in: store, delivered: false)
            let all = try await store.events(after: 0, job: nil, limit: 100).count
            #expect(try await Self.sweepAll(.events, store, olderThan: Sample.time(8000)) == (5, 0))
            let left = try await store.events(after: 0, job: nil, limit: 100)
            #expect(left.map(\.sequence) == Array(6...Int64(all)))
            #expect(try await store.deliveryCounts() == [.pending: 5])
            try await PurgeContractTests.deliverAll(store)
            #expect(try await Self.sweepAll(.events, store, olderThan: Sample.time(8000)) == (left.count - 1, 0))
            #expect(try await store.deliveryCounts() == [.delivered: 1])
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.lastSequence() == 10)
            try await store.submit(try Sample.job(3))
            #expect(try await store.events(after: 0, job: nil, limit: 100).map(\.sequence) == [10, 11])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `what receivers answered goes by its own age, and the tries stay`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            for number in 1...4 {
                try await store.submit(try Sample.job(number), notify: [DeliveryContractTests.hook])
            }
            let due = try await DeliveryContractTests.due(store)
            for (index, delivery) in due.enumerated() {
                let attempt = DeliveryContractTests.attempt(
                    100 * (index + 1), status: 503, answer: index == 0 ? [] : [UInt8(index)])
                try await store.record([
                    DeliveryResult(
                        delivery: delivery.id, attempt: attempt,
                        next: index == 1 ? .retry(at: Sample.time(900)) : .dead)
                ])
            }
            // Also of what is still on its way; the one without an answer is not counted.
            #expect(try await Self.sweepAll(.answers, store, olderThan: Sample.time(400), limit: 1) == (2, 0))
            #expect(try await Self.sweepAll(.answers, store, olderThan: Sample.time(400)) == (0, 0))
            var answers: [[UInt8]] = []
            for number in 1...4 {
                let attempt = try #require(try await store.deliveries(of: Sample.id(number)).first?.attempts.first)
                #expect(attempt.status == 503 && attempt.at == Sample.time(100 * number))
                answers.append(attempt.answer)
            }
            #expect(answers == [[], [], [], [3]])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `webhooks that are done and audit entries go by age`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await PurgeContractTests.ended(1, in: store)
            try await PurgeContractTests.ended(2, in: store, delivered: false)
            // Of job 1, submitted at 1 and changed at 1000 and 2000: the first is older than 500.
            #expect(try await Self.sweepAll(.deliveries, store, olderThan: Sample.time(500)) == (1, 0))
            #expect(try await store.deliveries(of: Sample.id(1)).count == 4)
            #expect(try await Self.sweepAll(.deliveries, store, olderThan: Sample.time(8000)) == (4, 0))
            #expect(try await store.deliveryCounts() == [.pending: 5])
            for number in 1...5 {
                try await store.record(
                    AuditEntry(at: Sample.time(number), owner: .local, actor: "a", action: "b", subject: "c"))
            }
            #expect(try await Self.sweepAll(.audit, store, olderThan: Sample.time(4)) == (3, 0))
            #expect(
                try await store.audit(AuditQuery(owner: .local)).map(\.entry.at) == [Sample.time(5), Sample.time(4)])
        }
    }
}
