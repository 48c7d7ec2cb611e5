import Jobs
import Stores
import TestKit
import Testing

@Suite struct AuditContractTests {
    private static func entry(_ number: Int, owner: Owner = .local, subject: String = "payroll") -> AuditEntry {
        AuditEntry(
            at: Sample.time(number), owner: owner, actor: "local", action: "host.drain", subject: subject,
            detail: number.isMultiple(of: 2) ? nil : "for the \(number)th time")
    }

    @Test(arguments: StoreUnderTest.available)
    func `the audit log is paged newest first, by owner and subject, and outlives the process`(
        _ back: StoreUnderTest
    ) async throws {
        let folder = try TemporaryFolder()
        let other = try #require(Owner("other"))
        try await back.run(in: folder) { store async throws in
            for number in 1...5 { try await store.record(Self.entry(number)) }
            try await store.record(Self.entry(6, owner: other))
            try await store.record(Self.entry(7, subject: "test"))
        }
        try await back.run(in: folder) { store async throws in
            let first = try await store.audit(AuditQuery(limit: 3, owner: .local))
            #expect(first.map(\.entry) == [Self.entry(7, subject: "test"), Self.entry(5), Self.entry(4)])
            let rest = try await store.audit(AuditQuery(before: first.last?.number, limit: 50, owner: .local))
            #expect(rest.map(\.entry) == [3, 2, 1].map { Self.entry($0) })
            #expect(try await store.audit(AuditQuery(owner: other)).map(\.entry) == [Self.entry(6, owner: other)])
            let drains = try await store.audit(
                AuditQuery(before: first.last?.number, owner: .local, subject: "payroll"))
            #expect(drains == rest)
            #expect(try await store.audit(AuditQuery(owner: .local, subject: "test")).count == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an entry comes with the change it tells of, and not without it`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = Sample.id(1)
            try await store.submit(try Sample.job(1))
            let entry = AuditEntry(
                at: Sample.time(9), owner: .local, actor: "local", action: "job.hold", subject: id.description)
            _ = try await store.commit(JobChange(.hold, of: id, at: Sample.time(9), audit: entry))
            await #expect(throws: StoreError.conflict(JobConflict(state: .held, action: .running))) {
                try await store.commit(JobChange(.running, of: id, at: Sample.time(10), audit: entry))
            }
            let records = try await store.audit(AuditQuery(owner: .local, subject: id.description))
            #expect(records.map(\.entry) == [entry])
        }
    }
}
