package import Jobs

extension SQLiteStore {
    package func stageBody() async throws(StoreError) -> any BodyWriter {
        if let refusal = memory.writeRefusal() { throw refusal }
        return SpoolWriter(spool: spool)
    }

    package func deck(of job: JobID) async throws(StoreError) -> any BodyReader {
        let body = try await read { connection in
            try connection.first(Queries.deck, [.id(job)]) { try StoredBody($0, what: "the deck of job \(job)") }
        }
        guard let body else { throw .noSuchJob(job) }
        return try await open(body)
    }

    package func spoolFiles(of job: JobID) async throws(StoreError) -> [SpoolFile] {
        try await read { connection in
            try connection.rows(Queries.spoolFiles, [.id(job)]) { try SpoolFile($0, job: job) }
        }
    }

    package func spoolBody(of job: JobID, file number: Int) async throws(StoreError) -> any BodyReader {
        let body = try await read { connection in
            if let body = try connection.first(
                Queries.spoolBody, [.id(job), .int(number)],
                { try StoredBody($0, what: "spool file \(number) of job \(job)") })
            {
                return body
            }
            let isThere = try connection.first(Queries.job, [.id(job)]) { _ in true } ?? false
            throw isThere ? StoreError.noSuchFile(job, number) : .noSuchJob(job)
        }
        return try await open(body)
    }

    package func resumeSpoolFile(of job: JobID, file number: Int) async throws(StoreError) -> any BodyWriter {
        if let refusal = memory.writeRefusal() { throw refusal }
        let part = SpoolPart(job: job, number: number)
        let durable = try await read { connection in
            try connection.first(Queries.spoolPart, [.id(job), .int(number)]) { $0.int(0) }
        }
        return try await spool.resume(part, durable: durable ?? 0, writer: writer)
    }

    func open(_ body: StoredBody) async throws(StoreError) -> any BodyReader {
        switch body.place {
        case .inline(let octets): InlineReader(hash: body.hash, content: octets)
        case .file: try await spool.reader(of: body)
        }
    }
}

/// A body as its row describes it.
struct StoredBody: Sendable {
    enum Place: Sendable {
        case inline([UInt8])
        case file
    }

    let hash: ContentHash
    let octets: Int
    let place: Place
    /// For the words of an error.
    let what: String

    /// Reads hash, octets and body; an inline body is checked here, on the reader's thread.
    init(_ row: SQLRow, what: String) throws {
        guard let hash = ContentHash(octets: row.blob(0)) else { throw StoreError.corrupt(what: what) }
        self.hash = hash
        octets = row.int(1)
        self.what = what
        guard let content = row.optionalBlob(2) else {
            place = .file
            return
        }
        guard content.count == octets, ContentHash(of: content) == hash else { throw StoreError.corrupt(what: what) }
        place = .inline(content)
    }
}

extension WriteTransaction {
    /// `octets` nil: there is nothing to resume any more.
    func recordPart(_ part: SpoolPart, octets: Int?) throws {
        guard let stored = try job(part.job) else { throw StoreError.noSuchJob(part.job) }
        let key = [SQLValue.int(stored.row), .int(part.number)]
        guard let octets else {
            try run("DELETE FROM spool_parts WHERE job = ? AND number = ?", key)
            return
        }
        try run(
            """
            INSERT INTO spool_parts (job, number, octets) VALUES (?, ?, ?)
            ON CONFLICT (job, number) DO UPDATE SET octets = excluded.octets
            """, key + [.int(octets)])
    }
}
