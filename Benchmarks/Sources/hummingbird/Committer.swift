import Foundation
import GRDB

/// A deck as it is stored: what Port77 writes for a job at least, without its events, traces and counters.
struct StoredJob: Sendable {
    let id: String
    let name: String
    let deck: Data
    let createdAt: Int64
}

/// One writer; what comes while it commits is committed together afterwards.
actor Committer {
    private let database: DatabaseQueue
    private var waiting: [(job: StoredJob, continuation: CheckedContinuation<Void, any Error>)] = []
    private var isCommitting = false

    init(path: String) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") }
        database = try DatabaseQueue(path: path, configuration: configuration)
        try database.write {
            try $0.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS jobs (
                        row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, state TEXT NOT NULL,
                        created_at INTEGER NOT NULL);
                    CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, row);
                    CREATE TABLE IF NOT EXISTS decks (job INTEGER PRIMARY KEY, deck BLOB NOT NULL);
                    CREATE TABLE IF NOT EXISTS events (
                        sequence INTEGER PRIMARY KEY, job INTEGER NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL);
                    """)
        }
    }

    /// Returns when the job is on disk.
    func store(_ job: StoredJob) async throws {
        try await withCheckedThrowingContinuation { continuation in
            waiting.append((job, continuation))
            if !isCommitting {
                isCommitting = true
                Task { await commitAll() }
            }
        }
    }

    private func commitAll() async {
        while !waiting.isEmpty {
            let group = waiting
            waiting = []
            let jobs = group.map(\.job)
            let result: Result<Void, any Error>
            do {
                try await database.write { try Self.insert(jobs, into: $0) }
                result = .success(())
            } catch {
                result = .failure(error)
            }
            for member in group { member.continuation.resume(with: result) }
        }
        isCommitting = false
    }

    private static func insert(_ jobs: [StoredJob], into database: Database) throws {
        let job = try database.cachedStatement(
            sql: "INSERT INTO jobs (id, name, state, created_at) VALUES (?, ?, 'held', ?)")
        let deck = try database.cachedStatement(sql: "INSERT INTO decks VALUES (?, ?)")
        let event = try database.cachedStatement(sql: "INSERT INTO events (job, type, at) VALUES (?, 'job.held', ?)")
        for new in jobs {
            try job.execute(arguments: [new.id, new.name, new.createdAt])
            let row = database.lastInsertedRowID
            try deck.execute(arguments: [row, new.deck])
            try event.execute(arguments: [row, new.createdAt])
        }
    }
}
