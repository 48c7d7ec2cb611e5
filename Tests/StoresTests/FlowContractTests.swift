import Jobs
import Stores
import TestKit
import Testing

/// What waits, what runs too long, what is drained, and decisions.
@Suite struct FlowContractTests {
    private static func submission(
        _ number: Int, owner: String = "local", host: BacklogLimits = .init(), ownerLimits: BacklogLimits = .init()
    ) throws -> Submission {
        var submission = Submission(job: try Sample.job(number, owner: owner), deck: Sample.deck)
        submission.hostLimits = host
        submission.ownerLimits = ownerLimits
        return submission
    }

    private static func hosts() throws -> (HostID, Owner) {
        (try #require(HostID("payroll")), try #require(Owner("local")))
    }

    @Test(arguments: StoreUnderTest.available)
    func `what waits is counted by host and owner, over a restart too`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let (host, owner) = try Self.hosts()
        let octets = Sample.deck.octets
        try await back.run(in: folder) { store async throws in
            for number in 1...4 { try await store.submit(try Sample.job(number, held: number == 4)) }
            try await store.submit(try Sample.job(5, owner: "other"))
            #expect(store.backlog(of: host) == Backlog(jobs: 5, octets: 5 * octets))
            #expect(store.backlog(of: owner) == Backlog(jobs: 4, octets: 4 * octets))
            try await store.act(.beginSending, on: Sample.id(1), attempt: .open(session: "s", closing: true))
            try await store.act(.cancel, on: Sample.id(2))
            #expect(store.backlog(of: owner) == Backlog(jobs: 2, octets: 2 * octets))
            // Queued again, it waits again; held, it goes on waiting.
            try await store.act(.returned(reason: "cut"), on: Sample.id(1), attempt: .end(evidence: nil))
            try await store.act(.hold, on: Sample.id(1))
            #expect(store.backlog(of: owner) == Backlog(jobs: 3, octets: 3 * octets))
            // A change that is refused counts nothing.
            await #expect(throws: StoreError.self) { try await store.act(.running, on: Sample.id(1)) }
            #expect(store.backlog(of: owner) == Backlog(jobs: 3, octets: 3 * octets))
        }
        try await back.run(in: folder) { store async throws in
            #expect(store.backlog(of: host) == Backlog(jobs: 4, octets: 4 * octets))
            #expect(store.backlog(of: owner) == Backlog(jobs: 3, octets: 3 * octets))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `no crowd exceeds a limit together`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let results = try await withThrowingTaskGroup(of: SubmissionResult.self) { group in
                for number in 1...200 {
                    let submission = try Self.submission(number, host: BacklogLimits(jobs: 17))
                    group.addTask { try await store.submit(submission) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let refused = results.filter { $0 == .overLimit(LimitHit(.host, .jobs, limit: 17)) }
            #expect(refused.count == 183)
            let (host, _) = try Self.hosts()
            #expect(store.backlog(of: host).jobs == 17)
            #expect(try await store.jobs(JobQuery(limit: 500)).count == 17)
            #expect(try await store.lastSequence() == 17)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an owner's limit is the owner's alone`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let limits = BacklogLimits(octets: Sample.deck.octets * 2)
            for number in 1...2 {
                guard case .created = try await store.submit(try Self.submission(number, ownerLimits: limits)) else {
                    Issue.record("job \(number) was refused")
                    continue
                }
            }
            #expect(
                try await store.submit(try Self.submission(3, ownerLimits: limits))
                    == .overLimit(LimitHit(.owner, .octets, limit: Sample.deck.octets * 2)))
            guard case .created = try await store.submit(try Self.submission(4, owner: "other", ownerLimits: limits))
            else {
                Issue.record("another owner was refused")
                return
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `what is stored of an owner is bounded, the ended jobs included`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let limits = BacklogLimits(stored: Sample.deck.octets * 2 + 5)
            _ = try await store.submit(try Self.submission(1, ownerLimits: limits))
            try await store.takeToPrinting(Sample.id(1))
            try await store.act(
                .finished(.completed(0)), on: Sample.id(1),
                files: [Sample.file(Sample.id(1), 1, body: .inline([1, 2, 3, 4, 5, 6]))])
            #expect(
                try await store.submit(try Self.submission(2, ownerLimits: limits))
                    == .overLimit(LimitHit(.owner, .stored, limit: Sample.deck.octets * 2 + 5)))
            guard case .created = try await store.submit(try Self.submission(3, owner: "other", ownerLimits: limits))
            else {
                Issue.record("another owner was refused")
                return
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `jobs of an owner that have not ended are bounded on each host, also within one commit`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let limits = BacklogLimits(active: 3)
            let hit = SubmissionResult.overLimit(LimitHit(.owner, .active, limit: 3))
            let results = try await withThrowingTaskGroup(of: SubmissionResult.self) { group in
                for number in 1...40 {
                    let submission = try Self.submission(number, ownerLimits: limits)
                    group.addTask { try await store.submit(submission) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.filter { $0 == hit }.count == 37)
            let taken = try await store.jobs(JobQuery(limit: 40)).map(\.id)
            #expect(taken.count == 3)
            // At its host a job still counts; when it has ended it does not.
            for id in taken { try await store.takeToPrinting(id) }
            #expect(try await store.submit(try Self.submission(50, ownerLimits: limits)) == hit)
            try await store.act(.finished(.completed(0)), on: taken[0])
            guard case .created = try await store.submit(try Self.submission(51, ownerLimits: limits)) else {
                Issue.record("there was room again")
                return
            }
            #expect(try await store.submit(try Self.submission(52, ownerLimits: limits)) == hit)
            var elsewhere = Submission(job: try Sample.job(53, host: "science"), deck: Sample.deck)
            elsewhere.ownerLimits = limits
            guard case .created = try await store.submit(elsewhere) else {
                Issue.record("another host was refused")
                return
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a running job times out once, and others never do`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            for number in 1...3 {
                var job = try Sample.job(number)
                if number != 3 { job.timeout = .seconds(60) }
                try await store.submit(job)
                try await store.act(.beginSending, on: job.id, attempt: .open(session: "s", closing: true))
                try await store.act(
                    .accepted(JobNumber("J\(number)"), adopted: nil), on: job.id, attempt: .end(evidence: nil))
            }
            // Job 2 is not running yet: its time does not count.
            for number in [1, 3] { try await store.act(.running, on: Sample.id(number), at: Sample.time(100)) }
            #expect(try await store.job(Sample.id(1))?.timeout == .seconds(60))
            #expect(try await store.timedOut(at: Sample.time(159), limit: 10).isEmpty)
            #expect(try await store.timedOut(at: Sample.time(160), limit: 10) == [Sample.id(1)])
            #expect(
                try await store.act(.timeOut, on: Sample.id(1), at: Sample.time(160)).cancelEffect == .requestedAtHost)
            #expect(try await store.timedOut(at: Sample.time(999), limit: 10).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `timeout and cancel effect are kept`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            var job = try Sample.job(1)
            job.timeout = .milliseconds(1500)
            try await store.submit(job)
            try await store.act(.cancel, on: job.id)
        }
        try await back.run(in: folder) { store async throws in
            let job = try #require(try await store.job(Sample.id(1)))
            #expect(job.timeout == .milliseconds(1500))
            #expect(job.cancelEffect == .removedBeforeSend)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a drained host stays drained, and the audit log says who did it`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let (host, owner) = try Self.hosts()
        func entry(_ action: String) -> AuditEntry {
            AuditEntry(at: Sample.epoch, owner: owner, actor: "operator", action: action, subject: host.description)
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await !store.isDraining(host))
            try await store.setDraining(true, of: host, audit: entry("host.drain"))
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.isDraining(host))
            // A refusal is another thing about the same host.
            try await store.setRefusal(nil, of: host)
            #expect(try await store.isDraining(host))
            try await store.setDraining(false, of: host, audit: entry("host.resume"))
            #expect(try await !store.isDraining(host))
            let audit = try await store.audit(AuditQuery(owner: owner, subject: host.description))
            #expect(audit.map(\.entry.action) == ["host.resume", "host.drain"])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an adoption of another job's number writes nothing, the audit log included`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let number = try #require(JobNumber("J00001"))
            try await store.submit(try Sample.job(1))
            try await store.takeToPrinting(Sample.id(1))
            try await store.submit(try Sample.job(2))
            try await store.act(.beginSending, on: Sample.id(2), attempt: .open(session: "s", closing: true))
            try await store.act(.lostInClosing(evidence: "cut"), on: Sample.id(2))
            let entry = AuditEntry(
                at: Sample.epoch, owner: .local, actor: "operator", action: "job.resolve",
                subject: Sample.id(2).description)
            let last = try await store.lastSequence()
            let change = JobChange(
                .decided(.adopt(number), by: "operator"), of: Sample.id(2), at: Sample.time(9), audit: entry)
            await #expect(throws: StoreError.hostJobTaken(number, by: Sample.id(1))) {
                try await store.commit(change)
            }
            #expect(try await store.job(Sample.id(2))?.state == .uncertain)
            #expect(try await store.lastSequence() == last)
            #expect(try await store.audit(AuditQuery(owner: .local)).isEmpty)
            // Once the other job has ended the number is free.
            try await store.act(.finished(.completed(0)), on: Sample.id(1))
            #expect(try await store.commit(change).hostJob == number)
            #expect(try await store.audit(AuditQuery(owner: .local)).count == 1)
        }
    }
}
