import Jobs
import Stores
import TestKit
import Testing

private let entry = AuditEntry(at: Sample.time(1), by: .local, action: "key.test", subject: "k")

private func key(_ id: String, _ change: (inout StoredKey) -> Void = { _ in }) -> StoredKey {
    var key = StoredKey(
        id: id, name: "for \(id)", owner: .local, scopes: [.jobsRead, .jobsReadAll],
        hash: ContentHash(of: Array(id.utf8)), createdAt: Sample.time(id.utf8.reduce(0) { $0 + Int($1) }))
    change(&key)
    return key
}

@Suite struct KeyContractTests {
    @Test(arguments: StoreUnderTest.available)
    func `a key is kept with all that belongs to it, the newest first`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let owner = try #require(Owner("ci"))
        let hosts: Set<HostID> = [try #require(HostID("x")), try #require(HostID("y"))]
        let full = key("b") {
            $0.owner = owner
            $0.hosts = hosts
            $0.labels = [Job.Label(key: "team", value: "a=b c"), Job.Label(key: "z", value: "1")]
            $0.networks = ["10.0.0.0/8", "::1/128"]
            $0.allowsControlCards = true
            $0.expiresAt = Sample.time(500)
        }
        try await back.run(in: folder) { store async throws in
            for key in [key("a"), full] { try await store.addKey(key, audit: entry) }
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.keys() == [full, key("a")])
            #expect(try await store.audit(AuditQuery()).map(\.entry) == [entry, entry])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a key is revoked once, and each change is a new version`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            var versions = [try await store.keysVersion()]
            try await store.addKey(key("a"), audit: entry)
            versions.append(try await store.keysVersion())
            let revoked = try await store.revokeKey("a", at: Sample.time(7), audit: entry)
            #expect(revoked?.revokedAt == Sample.time(7))
            versions.append(try await store.keysVersion())
            #expect(versions == versions.sorted() && Set(versions).count == 3)
            #expect(try await store.revokeKey("a", at: Sample.time(8), audit: entry) == nil)
            #expect(try await store.revokeKey("none", at: Sample.time(8), audit: entry) == nil)
            #expect(try await store.rotateKey("a", to: key("b"), oldEnd: Sample.time(9), audit: entry) == false)
            #expect(try await store.keysVersion() == versions.last)
            #expect(try await store.keys().map(\.revokedAt) == [Sample.time(7)])
            #expect(try await store.audit(AuditQuery()).count == 2)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `rotation ends the old key no later than it would have ended, and notes of use change no version`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            try await store.addKey(key("a") { $0.expiresAt = Sample.time(50) }, audit: entry)
            try await store.addKey(key("b"), audit: entry)
            #expect(try await store.rotateKey("a", to: key("c"), oldEnd: Sample.time(60), audit: entry))
            #expect(try await store.rotateKey("b", to: key("d"), oldEnd: Sample.time(60), audit: entry))
            let version = try await store.keysVersion()
            try await store.noteKeyUses(["a": Sample.time(5), "none": Sample.time(6)])
            try await store.noteKeyUses(["a": Sample.time(4)])
            #expect(try await store.keysVersion() == version)
            let ends = try await store.keys().map { [$0.expiresAt, $0.lastUsedAt] }
            #expect(ends == [[nil, nil], [nil, nil], [Sample.time(60), nil], [Sample.time(50), Sample.time(5)]])
        }
    }
}

@Suite struct KeyFileTests {
    @Test func `keys are changed beside the gateway that has the folder open`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let version = try await store.keysVersion()
        let file = try await KeyFile(folder: folder.path)
        try await file.addKey(key("a"), audit: entry)
        try await store.submit(try Sample.job(1))
        #expect(try await file.revokeKey("a", at: Sample.time(3), audit: entry) != nil)
        #expect(try await store.keysVersion() > version)
        #expect(try await store.keys().map(\.revokedAt) == [Sample.time(3)])
        #expect(try await store.audit(AuditQuery()).count == 2)
        file.close()
        try await store.submit(try Sample.job(2))
        await store.close()
        let again = try SQLiteStore(folder: folder.path)
        #expect(try await again.jobs(JobQuery()).count == 2)
        #expect(try await again.keys().count == 1)
        await again.close()
    }

    @Test func `the first key may be made before the first start`() async throws {
        let folder = try TemporaryFolder()
        #expect(!KeyFile.hasKeys(folder: folder.path + "/new"))
        let file = try await KeyFile(folder: folder.path + "/new")
        #expect(!KeyFile.hasKeys(folder: folder.path + "/new"))
        try await file.addKey(key("a"), audit: entry)
        file.close()
        #expect(KeyFile.hasKeys(folder: folder.path + "/new"))
        let store = try SQLiteStore(folder: folder.path + "/new")
        #expect(try await store.keys() == [key("a")])
        await store.close()
    }
}
