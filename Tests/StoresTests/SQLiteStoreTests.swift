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
        var queries = Dictionary(uniqueKeysWithValues: ListingContractTests.rows.map { ($0.testDescription, $0.query) })
        for order in ListContractTests.orders {
            let name = "by \(order.key) \(order.isDescending)"
            queries[name] = JobQuery(order: order)
            queries[name + " of an owner"] = JobQuery(owner: .local, order: order)
            queries[name + " of an owner, with a text"] = JobQuery(owner: .local, text: "pay", order: order)
            var next = JobQuery(owner: .local, order: order)
            next.from = JobMark(
                id: Sample.id(3), value: order.key == .name ? .text("A") : order.key == .created ? .none : .int(7))
            queries[name + " of an owner, the next page"] = next
            queries["few, " + name] = JobQuery(states: [.held], order: order)
            queries["few with a label, " + name] = JobQuery(
                labels: [.init(key: "env", value: "prod"), .init(key: "n", value: "8")], order: order)
        }
        try await withStore { store, _ async throws in
            try await ListingContractTests.fill(store)
            let plans = try await store.queryPlans(listing: queries)
            #expect(plans.count > 40)
            for (name, plan) in plans {
                let mayScan = ["SCAN (subquery", "SCAN visited"]
                #expect(
                    !plan.contains { step in step.hasPrefix("SCAN") && !mayScan.contains { step.hasPrefix($0) } },
                    "\(name): \(plan)")
                // Names by their beginning, and what is known to be few, is sorted; counts of so many jobs at most are gathered.
                let maySort =
                    name.hasPrefix("a name's beginning") || name.hasPrefix("few") || name.hasPrefix("tally of ")
                #expect(maySort || !plan.contains { $0.contains("TEMP B-TREE") }, "\(name): \(plan)")
            }
        }
    }

    @Test func `a store from before the lists gets its counts, and owners for its events`() async throws {
        let folder = try TemporaryFolder()
        let first = try SQLiteStore(folder: folder.path)
        try await ListingContractTests.fill(first)
        _ = try await first.purge(Sample.id(2), reason: nil, at: Sample.time(2000), audit: nil)
        let query = JobQuery(owner: .local)
        let counted = Set(try await first.tallies(query).tallies)
        let events = try await first.events(after: 0, of: .local, limit: 100)
        await first.close()
        let queue = try DatabaseQueue(path: folder.path + "/port77.db")
        try await queue.write { database in
            try database.execute(
                sql: """
                    DELETE FROM grdb_migrations WHERE identifier = 'lists';
                    DELETE FROM counters WHERE kind = 'tally';
                    UPDATE events SET owner = NULL WHERE job IS NOT NULL;
                    DROP INDEX events_by_owner; DROP INDEX jobs_by_owner_name; DROP INDEX jobs_by_owner_ended;
                    DROP INDEX jobs_by_owner_priority; DROP INDEX jobs_by_priority;
                    """)
        }
        try queue.close()
        let second = try SQLiteStore(folder: folder.path)
        #expect(Set(try await second.tallies(query).tallies) == counted)
        #expect(try await second.events(after: 0, of: .local, limit: 100) == events)
        #expect(events.count == 8)
        await second.close()
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
