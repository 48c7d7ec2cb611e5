import Jobs
import Stores
import TestKit
import Testing

@Suite struct PurgeContractTests {
    /// A job that ran: deck, two outputs, an attempt, a key and a webhook that was delivered.
    static func ended(
        _ number: Int, in store: any JobStore, deck: StagedBody = Sample.deck, at seconds: Int? = nil,
        delivered: Bool = true
    ) async throws {
        let key = Submission.Idempotency(key: "key-\(number)", fingerprint: ContentHash(of: [1]), answer: [2])
        try await store.submit(
            try Sample.job(number, labels: [.init(key: "env", value: "prod")], deck: deck), deck: deck,
            notify: [DeliveryContractTests.hook], idempotency: key)
        try await store.takeToPrinting(Sample.id(number))
        let files = [1, 2].map { Sample.file(Sample.id(number), $0, body: .inline(Sample.octets(100 * $0))) }
        try await store.act(
            .finished(.completed(0)), on: Sample.id(number), at: Sample.time(seconds ?? 2000), files: files)
        if delivered { try await deliverAll(store) }
    }

    static func deliverAll(_ store: any JobStore) async throws {
        let due = try await DeliveryContractTests.due(store)
        try await store.record(
            due.map {
                DeliveryResult(delivery: $0.id, attempt: DeliveryContractTests.attempt(10), next: .delivered)
            })
    }

    @Test(arguments: StoreUnderTest.available)
    func `a purged job is gone with all that was its own, and its events tell of it`(_ back: StoreUnderTest)
        async throws
    {
        let folder = try TemporaryFolder()
        let id = Sample.id(1)
        try await back.run(in: folder) { store async throws in
            try await Self.ended(1, in: store)
            try await Self.ended(2, in: store)
            let before = try await store.storedOctets()
            let audit = AuditEntry(
                at: Sample.time(3000), owner: .local, actor: "local", action: "job.purge", subject: id.description)
            let purged = try await store.purge(id, reason: "on request", at: Sample.time(3000), audit: audit)
            #expect(purged.state == .purged && purged.endedAt == Sample.time(2000))
            #expect(try await store.audit(AuditQuery(owner: .local)).map(\.entry) == [audit])
            #expect(store.cachedJob(id) == nil)
            #expect(try await store.storedOctets()[.local] == (before[.local] ?? 0) - Sample.deck.octets - 300)
            await #expect(throws: StoreError.noSuchJob(id)) {
                try await store.purge(id, reason: nil, at: Sample.time(3001), audit: nil)
            }
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.job(id) == nil)
            #expect(try await store.jobs(JobQuery()).map(\.id) == [Sample.id(2)])
            #expect(try await store.jobs(JobQuery(labels: [.init(key: "env", value: "prod")])).count == 1)
            #expect(try await store.jobCounts().map(\.count) == [1])
            await #expect(throws: StoreError.noSuchJob(id)) { try await store.deck(of: id) }
            await #expect(throws: StoreError.noSuchJob(id)) { try await store.spoolBody(of: id, file: 1) }
            #expect(try await store.spoolFiles(of: id).isEmpty)
            #expect(try await store.attempts(of: id).isEmpty)
            #expect(try await store.deliveries(of: id).isEmpty)
            // Five deliveries of the other job are left.
            #expect(try await store.deliveryCounts() == [.delivered: 5])
            let events = try await store.events(after: 0, job: id, limit: 100)
            #expect(events.map(\.type).suffix(2) == ["job.completed", "job.purged"])
            #expect(try await store.lastEvent(of: id)?.type == "job.purged")
            // The key went with the job: the same key makes a new one.
            let key = Submission.Idempotency(key: "key-1", fingerprint: ContentHash(of: [9]), answer: [3])
            let again = try Sample.job(7)
            #expect(try await store.submit(again, idempotency: key) == .created(again))
            #expect(try await store.deck(of: Sample.id(2)).readAll() == (try #require(Sample.deck.inlineOctets)))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `what has not ended, or is not told yet, cannot be purged`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            await #expect(throws: StoreError.conflict(.init(state: .queued, action: .purge(reason: "x")))) {
                try await store.purge(Sample.id(1), reason: "x", at: Sample.time(5), audit: nil)
            }
            try await Self.ended(2, in: store, delivered: false)
            await #expect(throws: StoreError.undelivered(Sample.id(2), 5)) {
                try await store.purge(Sample.id(2), reason: "x", at: Sample.time(5), audit: nil)
            }
            #expect(try await store.job(Sample.id(2))?.state == .completed)
            try await Self.deliverAll(store)
            _ = try await store.purge(Sample.id(2), reason: "x", at: Sample.time(5), audit: nil)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a large body stays as long as any job names it`(_ back: StoreUnderTest) async throws {
        let octets = Sample.octets(200_000)
        try await back.run { store async throws in
            for number in 1...2 {
                let writer = try await store.stageBody()
                try await writer.append(octets)
                let body = try await writer.finish()
                try await store.submit(try Sample.job(number, deck: body), deck: body)
                try await store.act(.cancel, on: Sample.id(number))
            }
            _ = try await store.purge(Sample.id(1), reason: nil, at: Sample.time(9), audit: nil)
            #expect(try await store.deck(of: Sample.id(2)).readAll() == octets)
            _ = try await store.purge(Sample.id(2), reason: nil, at: Sample.time(9), audit: nil)
            #expect(try await store.storedOctets()[.local] ?? 0 == 0)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `jobs that come and go with the same deck never lose it to each other`(_ back: StoreUnderTest) async throws {
        let octets = Sample.octets(80_000)
        try await back.run { store async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<8 {
                    group.addTask {
                        for round in 0..<12 {
                            let number = 1 + lane * 100 + round
                            let writer = try await store.stageBody()
                            try await writer.append(octets)
                            let body = try await writer.finish()
                            // Between finish and commit the others purge.
                            await Task.yield()
                            try await store.submit(try Sample.job(number, deck: body), deck: body)
                            let read = try await store.deck(of: Sample.id(number)).readAll()
                            #expect(read == octets)
                            try await store.act(.cancel, on: Sample.id(number))
                            _ = try await store.purge(Sample.id(number), reason: nil, at: Sample.time(9), audit: nil)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.jobs(JobQuery()).isEmpty)
        }
    }
}
