import Jobs
import Stores
import TestKit
import Testing

@Suite struct ListingContractTests {
    /// Twelve jobs; every third is held, two hosts, two owners.
    static func fill(_ store: any JobStore) async throws {
        for number in 1...12 {
            let labels =
                number.isMultiple(of: 4)
                ? [Job.Label(key: "env", value: "prod"), Job.Label(key: "n", value: "\(number)")] : []
            try await store.submit(
                try Sample.job(
                    number, host: number.isMultiple(of: 2) ? "payroll" : "science",
                    owner: number > 6 ? "ops" : "local", name: number.isMultiple(of: 2) ? "PAY\(number)" : "RUN",
                    held: number.isMultiple(of: 3), correlator: number > 10 ? "late" : nil, labels: labels))
        }
        try await store.act(.cancel, on: Sample.id(2))
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let query: JobQuery
        let numbers: [Int]
        init(_ description: String, _ query: JobQuery, _ numbers: [Int]) {
            testDescription = description
            self.query = query
            self.numbers = numbers
        }
    }

    static let rows = [
        Row("all", JobQuery(), Array((1...12).reversed())),
        Row("a limit", JobQuery(limit: 2), [12, 11]),
        Row("none", JobQuery(limit: 0), []),
        Row("below an ID", JobQuery(before: Sample.id(3)), [2, 1]),
        Row("below an ID, limited", JobQuery(before: Sample.id(9), limit: 2), [8, 7]),
        Row("below the first", JobQuery(before: Sample.id(1)), []),
        Row("one state", JobQuery(states: [.held]), [12, 9, 6, 3]),
        Row("two states", JobQuery(states: [.held, .canceled]), [12, 9, 6, 3, 2]),
        Row(
            "two states, limited and below", JobQuery(before: Sample.id(12), limit: 3, states: [.held, .canceled]),
            [9, 6, 3]),
        Row("a state that no job is in", JobQuery(states: [.running]), []),
        Row("a host", JobQuery(limit: 3, host: HostID("science")), [11, 9, 7]),
        Row("an owner", JobQuery(owner: .local), [6, 5, 4, 3, 2, 1]),
        Row("host, owner and state", JobQuery(states: [.held], host: HostID("payroll"), owner: .local), [6]),
        Row("a name", JobQuery(name: "RUN"), [11, 9, 7, 5, 3, 1]),
        Row("a name in small letters", JobQuery(name: "pay4"), [4]),
        Row("a name's beginning", JobQuery(limit: 3, name: "PAY*"), [12, 10, 8]),
        Row("a name's beginning, few", JobQuery(name: "PAY1*"), [12, 10]),
        Row("a name's beginning below an ID", JobQuery(before: Sample.id(8), name: "PAY*"), [6, 4, 2]),
        Row("a star alone", JobQuery(limit: 1, name: "*"), [12]),
        Row("a correlator", JobQuery(correlator: "late"), [12, 11]),
        Row("a label", JobQuery(labels: [.init(key: "env", value: "prod")]), [12, 8, 4]),
        Row("two labels", JobQuery(labels: [.init(key: "env", value: "prod"), .init(key: "n", value: "8")]), [8]),
        Row("a label below an ID", JobQuery(before: Sample.id(8), labels: [.init(key: "env", value: "prod")]), [4]),
        Row("a label that no job has", JobQuery(labels: [.init(key: "env", value: "test")]), []),
        Row("since", JobQuery(since: Sample.time(11)), [12, 11]),
        Row("until", JobQuery(until: Sample.time(2)), [2, 1]),
        Row("between", JobQuery(since: Sample.time(4), until: Sample.time(6)), [6, 5, 4]),
        Row("an outcome", JobQuery(outcome: .canceled), [2]),
        Row("an outcome that no job has", JobQuery(outcome: .ok), []),
        Row("an outcome that the state excludes", JobQuery(states: [.held], outcome: .canceled), []),
    ]

    @Test(arguments: StoreUnderTest.available)
    func `a page holds what was asked for, newest first`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await Self.fill(store)
            for row in Self.rows {
                let found = try await store.jobs(row.query).map(\.id)
                #expect(found == row.numbers.map(Sample.id), "\(row.testDescription)")
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `pages one after the other give every job once, while others are submitted`(_ back: StoreUnderTest)
        async throws
    {
        try await back.run { store async throws in
            try await Self.fill(store)
            var numbers: [JobID] = []
            var query = JobQuery(limit: 5)
            while true {
                let page = try await store.jobs(query)
                guard let last = page.last else { break }
                numbers += page.map(\.id)
                query.before = last.id
                try await store.submit(try Sample.job(100 + numbers.count))
            }
            #expect(numbers == (1...12).reversed().map(Sample.id))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `each owner's best may be sent, by priority, then age`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let host = try #require(HostID("payroll"))
            for number in 1...20 { try await store.submit(try Sample.job(number, owner: "greedy")) }
            try await store.submit(try Sample.job(21, owner: "greedy", priority: 5))
            try await store.submit(try Sample.job(22, owner: "modest"))
            try await store.submit(try Sample.job(23, owner: "modest", held: true))
            try await store.submit(try Sample.job(24, host: "science", owner: "modest"))
            let jobs = try await store.sendable(on: host, perOwner: 3, at: Sample.time(500))
            #expect(jobs.map(\.id) == [21, 1, 2, 22].map(Sample.id))
            try await store.act(.beginSending, on: Sample.id(21))
            let next = try await store.sendable(on: host, perOwner: 1, at: Sample.time(500))
            #expect(next.map(\.id) == [1, 22].map(Sample.id))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a job is not sendable before its time`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let host = try #require(HostID("payroll"))
            try await store.submit(try Sample.job(1, notBefore: Sample.time(100)))
            try await store.submit(try Sample.job(2, priority: 1, notBefore: Sample.time(200)))
            try await store.submit(try Sample.job(3, notBefore: Sample.time(1)))
            func numbers(_ seconds: Int) async throws -> [JobID] {
                try await store.sendable(on: host, perOwner: 9, at: Sample.time(seconds)).map(\.id)
            }
            #expect(try await numbers(99) == [Sample.id(3)])
            #expect(try await numbers(100) == [1, 3].map(Sample.id))
            #expect(try await numbers(200) == [2, 1, 3].map(Sample.id))
            // A clock that was set back.
            #expect(try await numbers(150) == [1, 3].map(Sample.id))
            #expect(try await store.job(Sample.id(1))?.version == 1)
            #expect(try await store.lastSequence() == 3)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a queued job has its place by priority, then age, among its host's sendable jobs`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            for number in 1...3 { try await store.submit(try Sample.job(number)) }
            try await store.submit(try Sample.job(4, owner: "modest", priority: 2))
            try await store.submit(try Sample.job(5, host: "science", priority: 9))
            try await store.submit(try Sample.job(6, held: true, priority: 9))
            func before(_ number: Int, mostCounted: Int = 100) async throws -> Int {
                try await store.jobsBefore(
                    try #require(try await store.job(Sample.id(number))), mostCounted: mostCounted)
            }
            #expect(try await before(4) == 0)
            #expect(try await before(1) == 1)
            #expect(try await before(3) == 3)
            #expect(try await before(3, mostCounted: 2) == 2)
            #expect(try await before(5) == 0)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `what is under way on a host comes oldest first`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let host = try #require(HostID("payroll"))
            for number in 1...5 { try await store.submit(try Sample.job(number)) }
            try await store.submit(try Sample.job(6, host: "science"))
            for number in [4, 2, 5, 6] {
                try await store.act(.beginSending, on: Sample.id(number), attempt: .open(session: "s", closing: true))
            }
            try await store.act(.lostInClosing(evidence: "cut"), on: Sample.id(2))
            try await store.act(.accepted(nil, adopted: nil), on: Sample.id(4))
            try await store.act(.finished(.jclError), on: Sample.id(4))
            let jobs = try await store.underWay(on: host)
            #expect(jobs.map(\.id) == [2, 5].map(Sample.id))
            #expect(jobs.map(\.state) == [.uncertain, .sending])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `jobs past their last moment are named while they wait`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1, notAfter: Sample.time(100)))
            try await store.submit(try Sample.job(2, held: true, notAfter: Sample.time(90)))
            try await store.submit(try Sample.job(3, notAfter: Sample.time(80)))
            try await store.submit(try Sample.job(4, notAfter: Sample.time(101)))
            try await store.submit(try Sample.job(5))
            try await store.act(.beginSending, on: Sample.id(3))
            #expect(try await store.overdue(at: Sample.time(100), limit: 9) == [2, 1].map(Sample.id))
            #expect(try await store.overdue(at: Sample.time(100), limit: 1) == [Sample.id(2)])
        }
    }
}
