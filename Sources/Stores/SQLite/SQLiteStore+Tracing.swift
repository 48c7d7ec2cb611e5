package import Jobs

extension Schema {
    static let traces = """
        ALTER TABLE jobs ADD COLUMN request_id TEXT;
        ALTER TABLE jobs ADD COLUMN traceparent TEXT;
        ALTER TABLE jobs ADD COLUMN tracestate TEXT;
        CREATE TABLE traces (
            job INTEGER NOT NULL REFERENCES jobs(row) ON DELETE CASCADE,
            attempt INTEGER NOT NULL,
            body BLOB NOT NULL,         -- as `FrameRecord` writes it
            PRIMARY KEY (job, attempt)
        ) WITHOUT ROWID;
        """
}

extension Queries {
    /// The index holds all that is asked for: queued jobs are counted in it, none is read.
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
