import Engine
import Foundation
import Jobs
import Logging
import Stores
import Synchronization
import TestKit
import Testing

@Suite struct RetentionTests {
    @Test func `what is older than its age goes, and the oldest go when there is too much`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let now = Mutex(Timestamp(microseconds: 1_763_870_400_000_000))
        let clock = WallClock { now.withLock { $0 } }
        func keeper(_ rules: RetentionRules) -> Retention {
            Retention(
                store: store, rules: rules, clock: clock, sleeper: ContinuousClock(), log: Logger(label: "test"))
        }
        var ids: [JobID] = []
        for day in 0..<40 {
            let at = now.withLock { $0 }
            let deck = StagedBody.inline([UInt8](repeating: UInt8(day), count: 1000))
            let job = Job(
                id: JobID(at: at), host: try #require(HostID("h")), owner: .local, name: nil, createdAt: at,
                deck: DeckSummary(octets: 1000, cards: 12, hash: deck.hash))
            ids.append(job.id)
            _ = try await store.submit(Submission(job: job, deck: deck))
            // The third never ends.
            if day != 2 { _ = try await store.commit(JobChange(.cancel, of: job.id, at: at)) }
            now.withLock { $0 = $0.advanced(by: .seconds(86_400)) }
        }
        #expect(try await keeper(RetentionRules()).sweep().isEmpty)
        let aged = keeper(RetentionRules(ages: [.jobs: .seconds(30 * 86_400), .decks: .seconds(10 * 86_400)]))
        // Forty days in: days 0 to 9 are older than thirty.
        #expect(try await aged.sweep() == [.jobs: 9, .decks: 20])
        #expect(try await store.job(ids[2])?.state == .queued)
        #expect(try await Set(store.jobs(JobQuery(limit: 500)).map(\.id)) == Set([ids[2]] + ids[10...]))
        #expect(try await store.storedOctets() == [.local: 11_000])
        let limited = keeper(RetentionRules(mostOctets: 5500))
        #expect(try await limited.sweep() == [.bodies: 6])
        #expect(try await store.storedOctets() == [.local: 5000])
        #expect(try await store.jobs(JobQuery(limit: 500)).count == 31)
        #expect(try await store.deck(of: ids[39]).octets == 1000)
        #expect(try await store.deck(of: ids[2]).octets == 1000)
        await #expect(throws: StoreError.purged(what: "the deck of job \(ids[35])")) {
            try await store.deck(of: ids[35])
        }
        await store.close()
    }
}
