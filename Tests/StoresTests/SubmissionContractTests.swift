import Jobs
import Stores
import Synchronization
import TestKit
import Testing

@Suite struct SubmissionContractTests {
    static let fingerprint = ContentHash(of: [1])

    @Test(arguments: StoreUnderTest.available)
    func `a submitted job is there with all that was said about it`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        var job = try Sample.job(
            1, owner: "ops", name: "PAY$1", priority: 9, notBefore: Sample.time(50), notAfter: Sample.time(90),
            correlator: "run 7 ✓", labels: [.init(key: "a", value: ""), .init(key: "b", value: "3:x,é")])
        job.uncertainPolicy = .resubmit
        let submitted = job
        try await back.run(in: folder) { store async throws in
            #expect(try await store.submit(submitted) == .created(submitted))
            #expect(try await store.job(submitted.id) == submitted)
            #expect(try await store.deck(of: submitted.id).readAll() == Sample.deck.inlineOctets)
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.job(submitted.id) == submitted)
            #expect(try await store.deck(of: submitted.id).readAll() == Sample.deck.inlineOctets)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `what was never submitted is not there`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            #expect(try await store.job(Sample.id(1)) == nil)
            await #expect(throws: StoreError.noSuchJob(Sample.id(1))) { try await store.deck(of: Sample.id(1)) }
            await #expect(throws: StoreError.noSuchJob(Sample.id(1))) {
                try await store.spoolBody(of: Sample.id(1), file: 1)
            }
            await #expect(throws: StoreError.noSuchJob(Sample.id(1))) { try await store.act(.cancel, on: Sample.id(1)) }
            #expect(try await store.attempts(of: Sample.id(1)).isEmpty)
            #expect(try await store.spoolFiles(of: Sample.id(1)).isEmpty)
            #expect(try await store.lastSequence() == 0)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the first event says queued or held`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            try await store.submit(try Sample.job(2, held: true))
            let events = try await store.events(after: 0, job: nil, limit: 10)
            #expect(events.map(\.type) == ["job.queued", "job.held"])
            #expect(events.map(\.sequence) == [1, 2])
            #expect(events.map(\.job) == [Sample.id(1), Sample.id(2)])
            #expect(events[0].body == EventBody.job(try Sample.job(1), previous: nil, files: []))
            for event in events {
                #expect((1...64).contains(event.id.utf8.count))
                #expect(event.id.hasPrefix("evt_") && event.id.utf8.allSatisfy { isTokenOctet($0) && $0 != 0x2E })
            }
            #expect(events[0].id != events[1].id)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the same key with the same request is replayed, with another it is refused`(_ back: StoreUnderTest)
        async throws
    {
        let folder = try TemporaryFolder()
        let key = Submission.Idempotency(key: "k1", fingerprint: Self.fingerprint, answer: [1, 2, 3])
        try await back.run(in: folder) { store async throws in
            try await store.submit(try Sample.job(1), idempotency: key)
        }
        try await back.run(in: folder) { store async throws in
            var again = key
            again.answer = [9]
            #expect(
                try await store.submit(try Sample.job(2), idempotency: again)
                    == .replayed(Sample.id(1), answer: [1, 2, 3]))
            var other = key
            other.fingerprint = ContentHash(of: [2])
            #expect(try await store.submit(try Sample.job(3), idempotency: other) == .keyReused(.job(Sample.id(1))))
            #expect(try await store.job(Sample.id(2)) == nil)
            #expect(try await store.job(Sample.id(3)) == nil)
            #expect(try await store.lastSequence() == 1)
            // Another owner's key is another key.
            let foreign = try Sample.job(4, owner: "other")
            #expect(try await store.submit(foreign, idempotency: other) == .created(foreign))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `sixty-four equal submissions at once are one job`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let key = Submission.Idempotency(key: "once", fingerprint: Self.fingerprint, answer: [7])
            let results = try await withThrowingTaskGroup(of: SubmissionResult.self) { group in
                for number in 1...64 {
                    let job = try Sample.job(number)
                    group.addTask { try await store.submit(job, idempotency: key) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let created = results.compactMap { if case .created(let job) = $0 { job.id } else { nil } }
            #expect(created.count == 1)
            let winner = try #require(created.first)
            #expect(results.filter { $0 == .replayed(winner, answer: [7]) }.count == 63)
            #expect(try await store.jobs(JobQuery(limit: 100)).map(\.id) == [winner])
            #expect(try await store.lastSequence() == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a job ID that is taken is refused and harms no other`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1, name: "FIRST"))
            await #expect(throws: StoreError.self) { try await store.submit(try Sample.job(1, name: "SECOND")) }
            #expect(try await store.job(Sample.id(1))?.name == JobName("FIRST"))
            #expect(try await store.lastSequence() == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `jobs are counted by host and state, to the last one`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let payroll = try #require(HostID("payroll"))
        let science = try #require(HostID("science"))
        let expected = [
            JobCount(host: payroll, state: .canceled, count: 1), JobCount(host: payroll, state: .queued, count: 2),
            JobCount(host: science, state: .held, count: 1),
        ]
        try await back.run(in: folder) { store async throws in
            for number in 1...3 { try await store.submit(try Sample.job(number)) }
            try await store.submit(try Sample.job(4, host: "science", held: true))
            try await store.act(.hold, on: Sample.id(1))
            try await store.act(.cancel, on: Sample.id(1))
            #expect(try await store.jobCounts() == expected)
        }
        try await back.run(in: folder) { store async throws in #expect(try await store.jobCounts() == expected) }
    }

    @Test(arguments: StoreUnderTest.available)
    func `after the end every call says closed`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let store = try await back.open(folder.path)
        try await store.submit(try Sample.job(1))
        await store.close()
        await store.close()
        await #expect(throws: StoreError.closed) { try await store.submit(try Sample.job(2)) }
        await #expect(throws: StoreError.closed) { try await store.job(Sample.id(1)) }
        await #expect(throws: StoreError.closed) { try await store.jobs(JobQuery()) }
        await #expect(throws: StoreError.closed) { try await store.checkWritable() }
        await #expect(throws: StoreError.closed) { try await store.stageBody() }
        await #expect(throws: StoreError.closed) { try await store.lastSequence() }
    }

    @Test(arguments: StoreUnderTest.available)
    func `why a host is refused is kept until it no longer is`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let host = try #require(HostID("payroll"))
        let refusal = HostRefusal(reason: "bad password", credential: Self.fingerprint, at: Sample.time(1))
        try await back.run(in: folder) { store async throws in
            #expect(try await store.refusal(of: host) == nil)
            try await store.setRefusal(refusal, of: host)
            try await store.checkWritable()
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.refusal(of: host) == refusal)
            try await store.setRefusal(nil, of: host)
            #expect(try await store.refusal(of: host) == nil)
        }
    }
}

extension StagedBody {
    var inlineOctets: [UInt8]? { if case .inline(let octets) = content { octets } else { nil } }
}
