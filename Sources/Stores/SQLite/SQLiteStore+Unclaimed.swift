package import Jobs
import Wire

extension Schema {
    /// AUTOINCREMENT: a number that was shown to somebody never means another stream. A body that is NULL is a file of the
    /// spool folder, as in `spool_files`; whoever removes such files must ask this table as well.
    static let unclaimed = """
        CREATE TABLE unclaimed (
            row INTEGER PRIMARY KEY AUTOINCREMENT,
            host TEXT NOT NULL,
            at INTEGER NOT NULL,
            name TEXT,
            host_job TEXT,
            header TEXT,
            reason TEXT NOT NULL,
            kind TEXT NOT NULL,
            carriage_control TEXT NOT NULL,
            code TEXT NOT NULL,
            record_length INTEGER NOT NULL,
            records INTEGER NOT NULL,
            octets INTEGER NOT NULL,
            text_octets INTEGER NOT NULL,
            hash BLOB NOT NULL,
            body BLOB
        );
        CREATE INDEX unclaimed_by_host ON unclaimed(host);
        CREATE INDEX unclaimed_in_files ON unclaimed(hash) WHERE body IS NULL;
        """
}

extension SQLiteStore {
    package func keepUnclaimed(
        _ stream: UnclaimedStream, body: StagedBody
    ) async throws(StoreError) -> UnclaimedStream {
        try await writer.write { try $0.keepUnclaimed(stream, body: body) }
    }

    package func unclaimed(on host: HostID?, before: Int64?, limit: Int) async throws(StoreError) -> [UnclaimedStream] {
        let before = SQLValue.int(before ?? .max)
        let limit = SQLValue.int(max(0, limit))
        return try await read { connection in
            guard let host else {
                return try connection.rows(Queries.unclaimed, [before, limit]) { try UnclaimedStream($0) }
            }
            return try connection.rows(Queries.unclaimedOfHost, [.text(host.description), before, limit]) {
                try UnclaimedStream($0)
            }
        }
    }

    package func unclaimed(_ number: Int64) async throws(StoreError) -> UnclaimedStream? {
        try await read { try $0.first(Queries.oneUnclaimed, [.int(number)]) { try UnclaimedStream($0) } }
    }

    package func unclaimedBody(_ number: Int64) async throws(StoreError) -> (any BodyReader)? {
        try await findReader(.unclaimed(number))
    }

    package func claim(
        _ number: Int64, for job: JobID, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> Job? {
        try await writer.write { try $0.claim(number, for: job, at: time, audit: audit) }
    }

    package func removeUnclaimed(_ number: Int64, audit: AuditEntry?) async throws(StoreError) -> Bool {
        try await writer.write { transaction in
            let removed = try transaction.runReturning(
                "DELETE FROM unclaimed WHERE row = ? RETURNING hash", [.int(number)]
            ) { try $0.hash(0) }
            guard let body = removed.first else { return false }
            transaction.release(body)
            if let audit { try transaction.audit(audit) }
            return true
        }
    }

    package func unclaimedCounts() async throws(StoreError) -> [HostID: Int] {
        let counts = try await read { connection in
            try connection.rows("SELECT host, count(*) FROM unclaimed INDEXED BY unclaimed_by_host GROUP BY host") {
                row in
                HostID(row.text(0)).map { ($0, row.int(1)) }
            }
        }
        return Dictionary(counts, uniquingKeysWith: +)
    }
}

extension WriteTransaction {
    fileprivate func keepUnclaimed(_ stream: UnclaimedStream, body: StagedBody) throws -> UnclaimedStream {
        let numbers = try runReturning(
            """
            INSERT INTO unclaimed (host, at, name, host_job, header, reason, kind, carriage_control, code, record_length,
                records, octets, text_octets, text_hash, hash, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            RETURNING row
            """,
            [
                .text(stream.host.description), .time(stream.at), .optional(stream.name?.description),
                .optional(stream.hostJob?.description), .optional(stream.header), .text(stream.reason),
                .text(stream.kind.rawValue), .text(stream.carriageControl.rawValue), .text(stream.code),
                .int(stream.recordLength), .int(stream.records), .int(body.octets), .int(stream.textOctets),
                .optional(stream.textHash), .hash(body.hash), body.column,
            ]
        ) { $0.int64(0) }
        guard let number = numbers.first else { throw StoreError.corrupt(what: "the table of unclaimed output") }
        var kept = stream
        kept.number = number
        kept.octets = body.octets
        kept.hash = body.hash
        return kept
    }

    fileprivate func claim(_ number: Int64, for job: JobID, at time: Timestamp, audit: AuditEntry?) throws -> Job? {
        let found = try first(Queries.oneUnclaimed, [.int(number)]) { try UnclaimedStream($0) }
        guard let found else { return nil }
        let content = try first(Queries.unclaimedBody, [.int(number)]) { row in
            row.optionalBlob(2).map { StagedBody.Content.inline($0) } ?? .file
        }
        let last = "SELECT max(number) FROM spool_files WHERE job = (SELECT row FROM jobs WHERE id = ?)"
        let next = 1 + (try first(last, [.id(job)]) { $0.int(0) } ?? 0)
        let body = StagedBody(hash: found.hash, octets: found.octets, content: content ?? .file)
        let changed = try apply(
            JobChange(
                nil, of: job, at: time, files: [FinishedSpoolFile(file: found.file(next, of: job), body: body)],
                audit: audit))
        try run("DELETE FROM unclaimed WHERE row = ?", [.int(number)])
        return changed
    }
}

extension Queries {
    private static let unclaimedColumns = """
        row, host, at, name, host_job, header, reason, kind, carriage_control, code, record_length, records, octets, \
        text_octets, hash, text_hash
        """
    static let unclaimed = "SELECT \(unclaimedColumns) FROM unclaimed WHERE row < ? ORDER BY row DESC LIMIT ?"
    static let unclaimedOfHost = """
        SELECT \(unclaimedColumns) FROM unclaimed INDEXED BY unclaimed_by_host WHERE host = ? AND row < ?
        ORDER BY row DESC LIMIT ?
        """
    static let oneUnclaimed = "SELECT \(unclaimedColumns) FROM unclaimed WHERE row = ?"
    static let unclaimedBody = "SELECT hash, octets, body, 'sound' FROM unclaimed WHERE row = ?"
}

extension UnclaimedStream {
    fileprivate init(_ row: SQLRow) throws {
        self.init(
            number: row.int64(0), host: try row.require(HostID(row.text(1)), "a host"), at: row.time(2),
            name: row.optionalText(3).flatMap { JobName($0) }, hostJob: row.optionalText(4).flatMap { JobNumber($0) },
            header: row.optionalText(5), reason: row.text(6),
            kind: try row.require(SpoolFile.Kind(rawValue: row.text(7)), "a kind of spool file"),
            carriageControl: try row.require(CarriageControl(rawValue: row.text(8)), "carriage control"),
            code: row.text(9), recordLength: row.int(10), records: row.int(11), octets: row.int(12),
            textOctets: row.int(13), textHash: try row.optionalHash(15), hash: try row.hash(14))
    }
}
