import Foundation
import GRDB
import Jobs
import Stores
import TestKit
import Testing

/// What only this back end has: files, pragmas, plans.
@Suite struct SQLiteStoreTests {
    @Test func `every commit is synchronous, whatever GRDB set`() async throws {
        try await withStore { store, _ async throws in
            #expect(try await store.writerPragma("synchronous") == "2")
            #expect(try await store.writerPragma("journal_mode") == "wal")
            #expect(try await store.writerPragma("foreign_keys") == "1")
            #expect(try await store.writerPragma("wal_autocheckpoint") == "0")
        }
    }

    @Test func `two stores cannot share a folder`() async throws {
        try await withStore { _, folder async throws in
            let process = "\(ProcessInfo.processInfo.processIdentifier)"
            #expect(throws: StoreOpeningError.usedByAnother(folder: folder, process: process)) {
                try SQLiteStore(folder: folder)
            }
        }
    }

    @Test func `an endpoint that a killed process had half stopped is stopped by the next one`() async throws {
        let folder = try TemporaryFolder()
        let first = try SQLiteStore(folder: folder.path)
        try await first.create(try Sample.endpoint(1, events: ["host.up"]))
        for second in 1...3 {
            _ = try await first.append(type: "host.up", body: [0x7B, 0x7D], at: Sample.time(second))
        }
        await first.close()
        let queue = try DatabaseQueue(path: folder.path + "/port77.db")
        try await queue.write { try $0.execute(sql: "UPDATE endpoints SET state = 'disabled'") }
        try queue.close()
        let second = try SQLiteStore(folder: folder.path)
        #expect(try await DeliveryContractTests.due(second).isEmpty)
        #expect(try await second.deliveryCounts() == [.paused: 3])
        await second.close()
    }

    @Test func `a database of a newer program is left alone`() async throws {
        let folder = try TemporaryFolder()
        await (try SQLiteStore(folder: folder.path)).close()
        let queue = try DatabaseQueue(path: folder.path + "/port77.db")
        try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99')") }
        try queue.close()
        #expect(throws: StoreOpeningError.newerThanProgram) { try SQLiteStore(folder: folder.path) }
    }

    @Test func `no query of the contract walks a large table`() async throws {
        let queries = Dictionary(uniqueKeysWithValues: ListingContractTests.rows.map { ($0.testDescription, $0.query) })
        try await withStore { store, _ async throws in
            try await ListingContractTests.fill(store)
            let plans = try await store.queryPlans(listing: queries)
            #expect(plans.count > 40)
            for (name, plan) in plans {
                #expect(!plan.contains { $0.hasPrefix("SCAN") && !$0.hasPrefix("SCAN (subquery") }, "\(name): \(plan)")
                // Names by their beginning are few where they are sorted.
                let maySort = name.hasPrefix("a name's beginning")
                #expect(maySort || !plan.contains { $0.contains("TEMP B-TREE") }, "\(name): \(plan)")
            }
        }
    }

    @Test func `the counters agree with the rows`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        try await ListingContractTests.fill(store)
        let counts = try await store.jobCounts().reduce(into: [:]) { $0["\($1.host) \($1.state.rawValue)"] = $1.count }
        await store.close()
        let queue = try DatabaseQueue(path: folder.path + "/port77.db")
        let rows = try await queue.read { database in
            try Row.fetchAll(database, sql: "SELECT host || ' ' || state AS what, count(*) AS n FROM jobs GROUP BY 1")
                .reduce(into: [String: Int]()) { $0[$1["what"]] = $1["n"] }
        }
        #expect(rows == counts)
        #expect(rows.count == 5)
    }

    @Test func `the endpoint of one job is done when the job has ended and all is delivered`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        func states() async throws -> [String] {
            let queue = try DatabaseQueue(path: folder.path + "/port77.db")
            return try await queue.read { try String.fetchAll($0, sql: "SELECT state FROM endpoints ORDER BY row") }
        }
        func deliverAll() async throws {
            try await store.record(
                try await DeliveryContractTests.due(store).map {
                    DeliveryResult(delivery: $0.id, attempt: DeliveryContractTests.attempt(10), next: .delivered)
                })
        }
        let atEnd = Submission.NotifyRequest(url: "https://b.example/", events: ["job.expired"])
        try await store.submit(try Sample.job(1), notify: [DeliveryContractTests.hook, atEnd])
        try await deliverAll()
        #expect(try await states() == ["active", "active"])
        try await store.act(.cancel, on: Sample.id(1))
        #expect(try await states() == ["closed", "done"])
        try await deliverAll()
        #expect(try await states() == ["done", "done"])
        await store.close()
    }

    @Test func `a job lies in memory once it was written or read`() async throws {
        let folder = try TemporaryFolder()
        let first = try SQLiteStore(folder: folder.path)
        try await first.submit(try Sample.job(1))
        #expect(first.cachedJob(Sample.id(1)) == (try Sample.job(1)))
        await first.close()
        let second = try SQLiteStore(folder: folder.path)
        #expect(second.cachedJob(Sample.id(1)) == nil)
        _ = try await second.job(Sample.id(1))
        #expect(second.cachedJob(Sample.id(1)) == (try Sample.job(1)))
        try await second.act(.hold, on: Sample.id(1))
        #expect(second.cachedJob(Sample.id(1))?.state == .held)
        await second.close()
    }

    @Test func `a full disk refuses writes, keeps reads, and heals`() async throws {
        try await withStore { store, _ async throws in
            try await store.submit(try Sample.job(1))
            let pages = try #require(try await store.writerPragma("page_count"))
            #expect(try await store.writerPragma("max_page_count = \(pages)") == pages)
            let large = StagedBody.inline(Sample.octets(60_000))
            let (sample, small) = (try Sample.job(2, deck: large), try Sample.job(3))
            // Small changes beside the one that does not fit.
            let held = Task { try await store.act(.hold, on: Sample.id(1)) }
            await #expect {
                try await store.submit(sample, deck: large)
            } throws: {
                if case StoreError.unavailable(let words) = $0 { words.contains("full") } else { false }
            }
            _ = await held.result
            #expect(try await store.job(Sample.id(2)) == nil)
            #expect(try await store.job(Sample.id(1)) != nil)
            _ = try await store.writerPragma("max_page_count = 100000")
            try await store.submit(sample, deck: large)
            try await store.submit(small)
            let events = try await store.events(after: 0, job: nil, limit: 10)
            #expect(events.map(\.sequence) == Array(1...Int64(events.count)))
            #expect(events.suffix(2).map(\.job) == [2, 3].map(Sample.id))
        }
    }

    @Test func `a store that was stopped acknowledges nothing and still reads`() async throws {
        try await withStore { store, _ async throws in
            try await store.submit(try Sample.job(1))
            store.stop(because: "fsync failed")
            await #expect(throws: StoreError.unavailable("fsync failed")) { try await store.submit(try Sample.job(2)) }
            await #expect(throws: StoreError.unavailable("fsync failed")) { try await store.checkWritable() }
            await #expect(throws: StoreError.unavailable("fsync failed")) { try await store.stageBody() }
            #expect(try await store.job(Sample.id(1)) != nil)
            #expect(try await store.jobs(JobQuery()).count == 1)
        }
    }

    private func withStore(_ body: (SQLiteStore, _ folder: String) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        do {
            try await body(store, folder.path)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}
