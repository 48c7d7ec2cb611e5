import GRDB
package import Jobs
import Synchronization

extension Schema {
    static let traces = """
        ALTER TABLE jobs ADD COLUMN request_id TEXT;
        ALTER TABLE jobs ADD COLUMN traceparent TEXT;
        ALTER TABLE jobs ADD COLUMN tracestate TEXT;
        CREATE TABLE traces (
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            attempt INTEGER NOT NULL,
            part INTEGER NOT NULL,      -- from 1 within the attempt
            body BLOB NOT NULL,         -- as `FrameLog.encoded` has it
            PRIMARY KEY (job, attempt, part)
        ) WITHOUT ROWID;
        """
}

extension Queries {
    /// The index holds all that is asked for: queued jobs are counted in it, none is read.
    static let frames = """
        SELECT t.attempt, t.part, t.body FROM jobs j CROSS JOIN traces t ON t.job = j.row WHERE j.id = ?
        ORDER BY t.attempt, t.part
        """
    static let oldestQueued = """
        SELECT host, min(created_at) FROM jobs INDEXED BY jobs_sendable WHERE state = 'queued' AND delayed = 0
        GROUP BY host
        """
}

extension SQLiteStore {
    package nonisolated var figures: StoreFigures { writer.figures.withLock { $0 } }

    package func ping() async {
        guard health != .closed else { return }
        await withUnsafeContinuation { continuation in
            pool.asyncWriteWithoutTransaction { _ in continuation.resume() }
        }
    }

    package func oldestQueued() async throws(StoreError) -> [HostID: Timestamp] {
        let found = try await read { connection in
            try connection.rows(Queries.oldestQueued, []) { row in HostID(row.text(0)).map { ($0, row.time(1)) } }
        }
        return Dictionary(found) { first, _ in first }
    }
}

extension SQLiteStore {
    package func frames(of job: JobID) async throws(StoreError) -> [StoredFrames] {
        try await read { connection in
            try connection.rows(Queries.frames, [.id(job)]) { row in
                StoredFrames(
                    attempt: row.int(0), part: row.int(1),
                    log: try row.require(FrameLog(encoded: row.blob(2)), "a trace"))
            }
        }
    }
}

extension WriteTransaction {
    /// Attempts whose frames are kept beside the first one's.
    private static let mostTraced = 15

    /// - Parameter frames: as `FrameLog.encoded` has them.
    func record(_ frames: [UInt8], of stored: StoredJob) throws {
        let attempt = SQLValue.int(stored.job.attempts)
        if stored.job.attempts > Self.mostTraced + 1 {
            try run(
                "DELETE FROM traces WHERE job = ? AND attempt > 1 AND attempt <= ?",
                [.int(stored.row), .int(stored.job.attempts - Self.mostTraced)])
        }
        try run(
            """
            INSERT INTO traces (job, attempt, part, body)
            SELECT ?1, ?2, n + 1, ?3 FROM (SELECT count(*) AS n FROM traces WHERE job = ?1 AND attempt = ?2) WHERE n < 16
            """, [.int(stored.row), attempt, .blob(frames)])
    }
}

extension Origin {
    /// Reads `request_id, traceparent, tracestate`.
    init?(_ row: SQLRow, from column: CInt) {
        guard let id = row.optionalText(column),
            let trace = row.optionalText(column + 1).flatMap({ parent in
                TraceContext(parent: parent, state: row.optionalText(column + 2))
            })
        else { return nil }
        self.init(requestID: id, trace: trace)
    }
}
