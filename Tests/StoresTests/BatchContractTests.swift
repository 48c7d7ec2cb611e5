import Jobs
import Stores
import TestKit
import Testing

/// Jobs that are handed in together: one commit, one key, one life.
struct BatchContractTests {
    private static func batch(_ number: Int, jobs: ClosedRange<Int>) throws -> BatchSubmission {
        let id = BatchID(bits: UInt128(number))
        let host = try #require(HostID("payroll"))
        let submissions = try jobs.map { number in
            let plain = try Sample.job(number)
            let job = Job(
                id: plain.id, host: host, owner: .local, name: nil, createdAt: plain.createdAt, deck: plain.deck,
                batch: id)
            return Submission(job: job, deck: Sample.deck)
        }
        return BatchSubmission(
            batch: Batch(id: id, owner: .local, host: host, createdAt: Sample.time(1), size: submissions.count),
            jobs: submissions)
    }

    @Test(arguments: StoreUnderTest.available)
    func `a batch is its jobs in their order, each with its event`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let given = try Self.batch(1, jobs: 1...3)
        try await back.run(in: folder) { store async throws in
            #expect(try await store.submit(given) == .created(given.jobs.map(\.job)))
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.batch(given.batch.id) == given.batch)
            #expect(try await store.jobs(of: given.batch.id) == given.jobs.map(\.job))
            #expect(try await store.lastSequence() == 3)
            #expect(try await store.job(Sample.id(2))?.batch == given.batch.id)
            #expect(try await store.deck(of: Sample.id(3)).octets == Sample.deck.octets)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `limits count all jobs, and nothing is stored of a batch that is too much`(_ back: StoreUnderTest) async throws
    {
        try await back.run { store async throws in
            var given = try Self.batch(1, jobs: 2...4)
            try await store.submit(try Sample.job(1))
            for index in given.jobs.indices { given.jobs[index].hostLimits = BacklogLimits(jobs: 3) }
            #expect(try await store.submit(given) == .overLimit(LimitHit(.host, .jobs, limit: 3)))
            #expect(try await store.batch(given.batch.id) == nil)
            #expect(try await store.jobs(JobQuery(limit: 10)).count == 1)
            #expect(try await store.lastSequence() == 1)
            for index in given.jobs.indices { given.jobs[index].hostLimits = BacklogLimits(jobs: 4) }
            #expect(try await store.submit(given) == .created(given.jobs.map(\.job)))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `one job that cannot be stored takes the others back`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(3))
            let given = try Self.batch(1, jobs: 1...3)
            await #expect(throws: StoreError.self) { try await store.submit(given) }
            #expect(try await store.batch(given.batch.id) == nil)
            #expect(try await store.job(Sample.id(1)) == nil)
            #expect(try await store.lastSequence() == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a key is one for jobs and batches`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let key = Submission.Idempotency(key: "k", fingerprint: ContentHash(of: [1]), answer: [7])
            var given = try Self.batch(1, jobs: 1...2)
            given.idempotency = key
            _ = try await store.submit(given)
            var again = try Self.batch(2, jobs: 3...4)
            again.idempotency = .init(key: "k", fingerprint: key.fingerprint, answer: [8])
            #expect(try await store.submit(again) == .replayed(given.batch.id, answer: [7]))
            again.idempotency = .init(key: "k", fingerprint: ContentHash(of: [2]), answer: [8])
            #expect(try await store.submit(again) == .keyReused(.batch(given.batch.id)))
            #expect(try await store.submit(try Sample.job(5), idempotency: key) == .keyReused(.batch(given.batch.id)))
            let single = Submission.Idempotency(key: "s", fingerprint: ContentHash(of: [3]), answer: [9])
            try await store.submit(try Sample.job(6), idempotency: single)
            again.idempotency = single
            #expect(try await store.submit(again) == .keyReused(.job(Sample.id(6))))
            #expect(try await store.jobs(JobQuery(limit: 10)).count == 3)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a batch goes with its last job, and its key with it`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            var given = try Self.batch(1, jobs: 1...2)
            given.idempotency = .init(key: "k", fingerprint: ContentHash(of: [1]), answer: [7])
            _ = try await store.submit(given)
            for number in 1...2 {
                try await store.act(.cancel, on: Sample.id(number))
                #expect(try await store.batch(given.batch.id) == given.batch)
                _ = try await store.purge(Sample.id(number), reason: nil, at: Sample.time(2000), audit: nil)
            }
            #expect(try await store.batch(given.batch.id) == nil)
            var again = try Self.batch(2, jobs: 3...3)
            again.idempotency = given.idempotency
            #expect(try await store.submit(again) == .created(again.jobs.map(\.job)))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a deck as it was submitted is kept, counted, and goes with the deck`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let content = Array("//S EXEC PGM=X\n".utf8)
            let deck = SubmittedDeck(hash: ContentHash(of: content), octets: content.count, content: content)
            var submission = Submission(job: try Sample.job(1), deck: Sample.deck)
            submission.submittedDeck = deck
            let made: SubmissionResult = try await store.submit(submission)
            #expect(made == .created(submission.job))
            try await store.submit(try Sample.job(2))
            #expect(try await store.submittedDeck(of: Sample.id(1)) == deck)
            #expect(try await store.submittedDeck(of: Sample.id(2)) == nil)
            #expect(try await store.storedOctets()[.local] == 2 * Sample.deck.octets + content.count)
            try await store.act(.cancel, on: Sample.id(1))
            _ = try await store.sweep(.decks, olderThan: Sample.time(5000), from: nil, limit: 10, at: Sample.time(5000))
            #expect(try await store.submittedDeck(of: Sample.id(1)) == nil)
            #expect(try await store.storedOctets()[.local] == Sample.deck.octets)
        }
    }
}
