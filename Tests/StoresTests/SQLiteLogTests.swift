import Foundation
import Jobs
import Stores
import TestKit
import Testing

/// A write-ahead log that is damaged between a kill and the next start.
@Suite struct SQLiteLogTests {
    /// A folder as a kill leaves it after `jobs` submissions were answered, the last commit without an event.
    private func killed(jobs: Int) async throws -> TemporaryFolder {
        let (source, target) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: source.path)
        for number in 1...jobs { try await store.submit(try Sample.job(number)) }
        let key = StoredSigningKey(id: "k", secret: "whsk_1", createdAt: Sample.time(1))
        try await store.addSigningKey(key, audit: nil)
        for name in ["port77.db-wal", "port77.db", "commit-mark"] {
            try FileManager.default.copyItem(atPath: "\(source.path)/\(name)", toPath: "\(target.path)/\(name)")
        }
        await store.close()
        return target
    }

    private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var octets = Array(try Data(contentsOf: URL(filePath: path)))
        body(&octets)
        try Data(octets).write(to: URL(filePath: path))
    }

    private func open<Result>(
        _ folder: TemporaryFolder, _ body: (SQLiteStore) async throws -> Result
    ) async throws -> Result {
        let store = try SQLiteStore(folder: folder.path)
        let result = try await body(store)
        await store.close()
        return result
    }

    @Test func `a log that is whole loses nothing and is not suspected`() async throws {
        let folder = try await killed(jobs: 9)
        try await open(folder) { store async throws in
            #expect(store.openReport.rolledBack == nil)
            #expect(try await store.jobs(JobQuery(limit: 100)).count == 9)
            try await store.submit(try Sample.job(10))
        }
        // After an orderly end neither.
        try await open(folder) { store async throws in #expect(store.openReport.rolledBack == nil) }
    }

    /// Where in the log a bit is flipped, as a share of it; nil: the header.
    @Test(arguments: [nil, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999] as [Double?], [0, 5])
    func `a flipped bit takes commits away, and that is said`(_ place: Double?, _ bit: Int) async throws {
        let folder = try await killed(jobs: 12)
        try change(folder.path + "/port77.db-wal") { log in
            let at = place.map { 32 + Int($0 * Double(log.count - 32)) } ?? 18
            log[min(at, log.count - 1)] ^= 1 << UInt8(bit)
        }
        let damaged = try Data(contentsOf: URL(filePath: folder.path + "/port77.db-wal"))
        let found = try await open(folder) { store async throws in
            let lost = try #require(store.openReport.rolledBack)
            #expect(lost.acknowledged == 12 && lost.found <= 12)
            let kept = try #require(lost.keptLog)
            #expect(try Data(contentsOf: URL(filePath: kept)) == damaged)
            let jobs = try await store.jobs(JobQuery(limit: 100)).map(\.id)
            // The oldest ones, and each of them whole.
            #expect(Array(jobs.reversed()) == Array((1...12).map { Sample.id($0) }.prefix(jobs.count)))
            #expect(Int64(jobs.count) == lost.found)
            // A number that somebody has heard is given to no other event.
            try await store.submit(try Sample.job(50))
            #expect(try await store.events(after: 12, job: nil, limit: 9).map(\.sequence) == [13])
            return lost.found
        }
        #expect(found < 12 || (place ?? 0) > 0.8, "only the last commit has no event")
        try await open(folder) { store async throws in
            #expect(store.openReport.rolledBack == nil, "said once")
            #expect(try await store.lastSequence() == 13)
        }
    }

    @Test(arguments: [0.0, 0.3, 0.95, 1.0])
    func `a log that was cut or removed is noticed as well`(_ share: Double) async throws {
        let folder = try await killed(jobs: 12)
        let path = folder.path + "/port77.db-wal"
        if share == 0 {
            try FileManager.default.removeItem(atPath: path)
        } else {
            try change(path) { $0.removeLast($0.count - max(32, Int(share * Double($0.count)) - 1)) }
        }
        try await open(folder) { store async throws in
            let lost = try #require(store.openReport.rolledBack)
            #expect(lost.acknowledged == 12)
            #expect(try await store.jobs(JobQuery(limit: 100)).count == Int(lost.found))
        }
    }

    @Test func `a mark that is torn, older or missing accuses nobody`() async throws {
        for change in [{ $0[9] ^= 1 }, { $0.removeLast() }, { $0 = [] }] as [@Sendable (inout [UInt8]) -> Void] {
            let folder = try await killed(jobs: 3)
            try self.change(folder.path + "/commit-mark", change)
            try await open(folder) { store async throws in
                #expect(store.openReport.rolledBack == nil)
                #expect(try await store.jobs(JobQuery(limit: 100)).count == 3)
            }
        }
        let folder = try await killed(jobs: 3)
        try FileManager.default.removeItem(atPath: folder.path + "/commit-mark")
        try await open(folder) { store async throws in #expect(store.openReport.rolledBack == nil) }
    }
}
