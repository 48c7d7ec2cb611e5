import Jobs
import Stores
import TestKit
import Testing

/// Lists against a model that sorts and filters in memory.
@Suite struct ListContractTests {
    static let hosts = ["payroll", "science", "rare"]
    static let owners = ["local", "ops"]
    static let names = ["PAY1", "PAY2", "PAYROLL", "RUN", nil]
    static let orders = JobOrder.Key.allCases.flatMap {
        [JobOrder($0, isDescending: true), JobOrder($0, isDescending: false)]
    }

    /// Jobs of all kinds; the same for the same seed.
    static func fill(_ store: any JobStore, _ count: Int, _ random: inout SplitMix) async throws -> [Job] {
        for number in 1...count {
            let labels = [
                random.next(3) == 0 ? Job.Label(key: "env", value: "prod") : nil,
                random.next(4) == 0 ? Job.Label(key: "run", value: "\(random.next(3))") : nil,
            ].compactMap(\.self)
            let host = random.next(10) == 0 ? 2 : random.next(2)
            try await store.submit(
                try Sample.job(
                    number, host: hosts[host], owner: owners[random.next(4) == 0 ? 1 : 0],
                    name: names[random.next(names.count)], held: random.next(4) == 0,
                    priority: random.next(3) == 0 ? random.next(16) : 0,
                    correlator: random.next(5) == 0 ? "batch-\(random.next(3))" : nil, labels: labels))
            let id = Sample.id(number)
            let end = Sample.time(1000 + random.next(50))
            switch random.next(6) {
            case 0: try await store.act(.cancel, on: id, at: end)
            case 1, 2:
                guard try await store.job(id)?.state == .queued else { break }
                try await store.takeToPrinting(id)
                let outcome = random.next(2) == 0 ? Outcome.completed(random.next(20)) : .abended("S0C7")
                try await store.act(.finished(outcome), on: id, at: end)
            default: break
            }
        }
        var jobs: [Job] = []
        for number in 1...count { jobs.append(try #require(try await store.job(Sample.id(number)))) }
        return jobs
    }

    static func query(_ random: inout SplitMix, _ count: Int) -> JobQuery {
        var query = JobQuery(limit: 1 + random.next(9), order: orders[random.next(orders.count)])
        func sometimes(_ body: () -> Void) { if random.next(4) == 0 { body() } }
        sometimes { query.states = [[.held], [.queued, .completed], [.failed]][random.next(3)] }
        sometimes { query.host = HostID(hosts[random.next(3)]) }
        sometimes { query.hosts = Set([HostID("payroll"), HostID("rare")].compactMap(\.self)) }
        sometimes { query.owner = Owner(owners[random.next(2)]) }
        sometimes { query.name = ["PAY1", "pay*", "*", "RUN", "NONE"][random.next(5)] }
        sometimes { query.correlator = "batch-\(random.next(3))" }
        sometimes { query.labels = [Job.Label(key: "env", value: "prod")] }
        sometimes { query.labels.append(Job.Label(key: "run", value: "\(random.next(3))")) }
        sometimes { query.outcome = [.ok, .abend, .canceled][random.next(3)] }
        sometimes { query.text = ["pay", "PROD", "s0c7", "CC 00", "%"][random.next(5)] }
        sometimes { query.since = Sample.time(random.next(count)) }
        sometimes { query.until = Sample.time(random.next(count)) }
        if random.next(2) == 0 { query.mostVisited = 3 + random.next(30) }
        return query
    }

    static func model(_ query: JobQuery, _ jobs: [Job]) -> [JobID] {
        jobs.filter { query.matches($0) }.map { JobMark($0, in: query.order) }
            .sorted { query.order.comesBefore($0, $1) }.map(\.id)
    }

    @Test(arguments: StoreUnderTest.available)
    func `pages in any order, with any filters, give what a model gives, there and back`(_ back: StoreUnderTest)
        async throws
    {
        let folder = try TemporaryFolder()
        let store = try await back.open(folder.path)
        var random = SplitMix(seed: 77)
        let count = 100
        let jobs = try await Self.fill(store, count, &random)
        for round in 1...150 {
            let asked = Self.query(&random, count)
            let wanted = Self.model(asked, jobs)
            let found = try await Self.allPages(asked, in: store)
            guard found == wanted else {
                Issue.record("round \(round): \(asked): \(found.count) instead of \(wanted.count)")
                break
            }
            guard let last = wanted.last, let job = jobs.first(where: { $0.id == last }) else { continue }
            // Back from the last one.
            var query = asked
            query.order = query.order.reversed
            query.from = JobMark(job, in: query.order)
            query.limit = 500
            query.mostVisited = 20_000
            let before = try await store.page(query).jobs.map(\.id)
            #expect(before == wanted.dropLast().reversed(), "round \(round), back: \(asked)")
        }
        await store.close()
    }

    private static func allPages(_ asked: JobQuery, in store: any JobStore) async throws -> [JobID] {
        var query = asked
        var found: [JobID] = []
        for _ in 0..<500 {
            let page = try await store.page(query)
            #expect(page.jobs.count <= query.limit)
            found += page.jobs.map(\.id)
            guard let next = page.next else { break }
            query.from = next
        }
        return found
    }

    @Test(arguments: StoreUnderTest.available)
    func `counts are those of a model, and the same after a restart`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let first = try await back.open(folder.path)
        let jobs = try await Self.jobsWithOnePurged(first)
        await first.close()
        let second = try await back.open(folder.path)
        var random = SplitMix(seed: 8)
        for _ in 1...100 {
            var query = Self.query(&random, 100)
            query.order = .newestFirst
            let (tallies, isComplete) = try await second.tallies(query)
            #expect(Self.counted(tallies) == Self.counted(query, jobs), "\(query)")
            #expect(isComplete)
        }
        await second.close()
    }

    private static func jobsWithOnePurged(_ store: any JobStore) async throws -> [Job] {
        var random = SplitMix(seed: 7)
        let jobs = try await fill(store, 100, &random)
        // One that goes is counted no more.
        guard let ended = jobs.first(where: { $0.state == .completed }) else { return [] }
        _ = try await store.purge(ended.id, reason: nil, at: Sample.time(2000), audit: nil)
        return jobs.filter { $0.id != ended.id }
    }

    private static func counted(_ query: JobQuery, _ jobs: [Job]) -> [[String]: Int] {
        var counts: [[String]: Int] = [:]
        for job in jobs where query.matches(job) {
            let key = [
                job.host.description, job.owner.description, job.state.rawValue, job.outcome?.kind.rawValue ?? "",
            ]
            counts[key, default: 0] += 1
        }
        return counts
    }

    private static func counted(_ tallies: [JobTally]) -> [[String]: Int] {
        var counts: [[String]: Int] = [:]
        for tally in tallies {
            let key = [
                tally.host.description, tally.owner.description, tally.state.rawValue, tally.outcome?.rawValue ?? "",
            ]
            counts[key, default: 0] += tally.count
        }
        return counts
    }

    @Test(arguments: StoreUnderTest.available)
    func `an owner reads the events of his jobs and those of nobody`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let ops = try #require(Owner("ops"))
            #expect(try await store.firstSequence() == nil)
            try await store.submit(try Sample.job(1))
            try await store.submit(try Sample.job(2, owner: "ops"))
            _ = try await store.append(type: "host.up", body: [0x7B, 0x7D], at: Sample.time(3))
            try await store.act(.cancel, on: Sample.id(2))
            try await store.act(.cancel, on: Sample.id(1))
            _ = try await store.purge(Sample.id(2), reason: nil, at: Sample.time(2000), audit: nil)
            #expect(try await store.events(after: 0, of: ops, limit: 10).map(\.sequence) == [2, 3, 4, 6])
            #expect(try await store.events(after: 0, of: .local, limit: 10).map(\.sequence) == [1, 3, 5])
            #expect(try await store.events(after: 2, of: ops, limit: 2).map(\.sequence) == [3, 4])
            #expect(try await store.firstSequence() == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `labels and priority change without an event, and are found by`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let prod = Job.Label(key: "env", value: "prod"), test = Job.Label(key: "env", value: "test")
            try await store.submit(try Sample.job(1, labels: [prod]))
            try await store.submit(try Sample.job(2))
            let id = Sample.id(1)
            let entry = AuditEntry(
                at: Sample.time(5), owner: .local, actor: "local", action: "job.amend", subject: id.description)
            let changed = try await store.amend(id, at: Sample.time(5), audit: entry) { _ in
                JobAmendment(labels: [test], priority: 9)
            }
            #expect(changed?.version == 2)
            #expect(changed?.labels == [test])
            #expect(try await store.job(id) == changed)
            #expect(try await store.page(JobQuery(labels: [prod])).jobs.isEmpty)
            #expect(try await store.page(JobQuery(labels: [test])).jobs.map(\.id) == [id])
            let byPriority = JobQuery(order: JobOrder(.priority, isDescending: true))
            #expect(try await store.page(byPriority).jobs.map(\.id) == [1, 2].map(Sample.id))
            #expect(try await store.lastSequence() == 2)
            #expect(try await store.audit(AuditQuery(owner: .local)).map(\.entry) == [entry])
            // What nobody wants, and what changes nothing, is not written.
            #expect(try await store.amend(id, at: Sample.time(6), audit: entry) { _ in nil } == nil)
            let same = try await store.amend(id, at: Sample.time(6), audit: entry) {
                JobAmendment(labels: $0.labels, priority: $0.priority)
            }
            #expect(same?.version == 2)
            #expect(try await store.audit(AuditQuery(owner: .local)).count == 1)
            await #expect(throws: StoreError.noSuchJob(Sample.id(9))) {
                try await store.amend(Sample.id(9), at: Sample.time(6), audit: nil) { _ in nil }
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a job is found by its key`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let hash = ContentHash(of: [1])
            try await store.submit(
                try Sample.job(1), idempotency: .init(key: "k-1", fingerprint: hash, answer: []))
            #expect(try await store.job(withKey: "k-1", of: .local) == Sample.id(1))
            #expect(try await store.job(withKey: "k-2", of: .local) == nil)
            let other = try #require(Owner("ops"))
            #expect(try await store.job(withKey: "k-1", of: other) == nil)
        }
    }
}
