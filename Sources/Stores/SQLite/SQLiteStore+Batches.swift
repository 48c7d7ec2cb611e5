package import Jobs

extension Schema {
    /// A batch lives as long as one of its jobs; a deck as it was submitted goes with the deck that was made of it.
    static let batches = """
        ALTER TABLE jobs ADD COLUMN batch BLOB;
        CREATE INDEX jobs_by_batch ON jobs(batch, id) WHERE batch IS NOT NULL;

        CREATE TABLE batches (
            id BLOB PRIMARY KEY NOT NULL,
            owner TEXT NOT NULL,
            host TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            size INTEGER NOT NULL,
            key TEXT,
            fingerprint BLOB,
            answer BLOB
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX batches_by_key ON batches(owner, key) WHERE key IS NOT NULL;

        CREATE TABLE submitted_decks (
            job INTEGER PRIMARY KEY REFERENCES jobs(row) ON DELETE CASCADE,
            hash BLOB NOT NULL,
            octets INTEGER NOT NULL,
            body BLOB                   -- NULL: too long to be kept
        );
        """
}

extension Queries {
    static let batch = "SELECT id, owner, host, created_at, size FROM batches WHERE id = ?"
    static let batchWithKey = """
        SELECT id, fingerprint, answer FROM batches INDEXED BY batches_by_key WHERE owner = ? AND key = ?
        """
    static let jobsOfBatch = """
        SELECT \(StoredJob.columns) FROM jobs INDEXED BY jobs_by_batch WHERE batch = ? ORDER BY id
        """
    static let batchHasJobs = "SELECT 1 FROM jobs INDEXED BY jobs_by_batch WHERE batch = ? LIMIT 1"
    static let submittedDeck = """
        SELECT d.hash, d.octets, d.body FROM jobs j CROSS JOIN submitted_decks d ON d.job = j.row WHERE j.id = ?
        """
    static let batches: [String: String] = [
        "batch": batch, "batchWithKey": batchWithKey, "jobsOfBatch": jobsOfBatch, "batchHasJobs": batchHasJobs,
        "submittedDeck": submittedDeck,
    ]
}

extension SQLiteStore {
    package func submit(_ submission: BatchSubmission) async throws(StoreError) -> BatchResult {
        try await writer.write { try $0.submit(submission) }
    }

    package func batch(_ id: BatchID) async throws(StoreError) -> Batch? {
        try await read { connection in
            try connection.first(Queries.batch, [.batch(id)]) { row in
                Batch(
                    id: id, owner: try row.require(Owner(row.text(1)), "an owner"),
                    host: try row.require(HostID(row.text(2)), "a host"), createdAt: row.time(3), size: row.int(4))
            }
        }
    }

    package func jobs(of batch: BatchID) async throws(StoreError) -> [Job] {
        try await read { connection in
            try connection.rows(Queries.jobsOfBatch, [.batch(batch)]) { try StoredJob($0).job }
        }
    }

    package func submittedDeck(of job: JobID) async throws(StoreError) -> SubmittedDeck? {
        let deck = try await read { connection in
            try connection.first(Queries.submittedDeck, [.id(job)]) { row in
                SubmittedDeck(hash: try row.hash(0), octets: row.int(1), content: row.optionalBlob(2))
            }
        }
        if let deck, let content = deck.content, ContentHash(of: content) != deck.hash {
            throw .corrupt(what: "the deck of job \(job) as it was submitted")
        }
        return deck
    }
}

extension WriteTransaction {
    func submit(_ submission: BatchSubmission) throws -> BatchResult {
        let batch = submission.batch
        if let idempotency = submission.idempotency {
            if let bound = try keyHolder(idempotency, of: batch.owner) {
                switch bound {
                case .replayed(.batch(let id), let answer): return .replayed(id, answer: answer)
                case .replayed(let holder, _), .reused(let holder): return .keyReused(holder)
                }
            }
        }
        if let hit = try limitHit(by: submission.jobs) { return .overLimit(hit) }
        try run(
            "INSERT INTO batches (id, owner, host, created_at, size, key, fingerprint, answer) VALUES (?,?,?,?,?,?,?,?)",
            [
                .batch(batch.id), .text(batch.owner.description), .text(batch.host.description), .time(batch.createdAt),
                .int(batch.size), .optional(submission.idempotency?.key),
                submission.idempotency.map { .hash($0.fingerprint) } ?? .null,
                submission.idempotency.map { .blob($0.answer) } ?? .null,
            ])
        for job in submission.jobs { try store(job) }
        return .created(submission.jobs.map(\.job))
    }

    enum BoundKey {
        case replayed(SubmissionResult.KeyHolder, answer: [UInt8])
        case reused(SubmissionResult.KeyHolder)
    }

    /// Keys of jobs and of batches are one space.
    func keyHolder(_ idempotency: Submission.Idempotency, of owner: Owner) throws -> BoundKey? {
        let values: [SQLValue] = [.text(owner.description), .text(idempotency.key)]
        func bound(_ holder: SubmissionResult.KeyHolder, _ row: SQLRow) throws -> BoundKey {
            try row.hash(1) == idempotency.fingerprint
                ? .replayed(holder, answer: row.blob(2)) : .reused(holder)
        }
        return try first("SELECT id, fingerprint, answer FROM idempotency WHERE owner = ? AND key = ?", values) {
            try bound(.job($0.jobID(0)), $0)
        } ?? first(Queries.batchWithKey, values) { try bound(.batch(BatchID(bits: $0.jobID(0).bits)), $0) }
    }

    /// The limits of host and owner with all jobs counted: the last one must still find room.
    private func limitHit(by jobs: [Submission]) throws -> LimitHit? {
        guard var last = jobs.last else { return nil }
        let others = jobs.dropLast()
        let octets = others.reduce(0) { $0 + $1.job.deck.octets }
        if let hit = limitHit(by: last) { return hit }
        last.hostLimits = last.hostLimits.with(jobs: others.count, octets: octets)
        last.ownerLimits = last.ownerLimits.with(jobs: others.count, octets: octets)
        guard let hit = limitHit(by: last) else { return nil }
        let given = hit.subject == .host ? jobs[0].hostLimits : jobs[0].ownerLimits
        let limit: Int? =
            switch hit.measure {
            case .jobs: given.jobs
            case .octets: given.octets
            case .stored: given.stored
            case .active: given.active
            }
        return LimitHit(hit.subject, hit.measure, limit: limit ?? hit.limit)
    }

    /// After a job was taken out: the last one takes its batch along.
    func letGo(batch: BatchID?) throws {
        guard let batch, try first(Queries.batchHasJobs, [.batch(batch)], { _ in true }) == nil else { return }
        try run("DELETE FROM batches WHERE id = ?", [.batch(batch)])
    }

    func store(_ deck: SubmittedDeck, of stored: StoredJob) throws {
        try run(
            "INSERT INTO submitted_decks (job, hash, octets, body) VALUES (?, ?, ?, ?)",
            [.int(stored.row), .hash(deck.hash), .int(deck.octets), deck.content.map { .blob($0) } ?? .null])
        countOctets(deck.content?.count ?? 0, of: stored.job.owner)
    }

    func dropSubmittedDeck(of stored: StoredJob) throws {
        let dropped = try runReturning(
            "DELETE FROM submitted_decks WHERE job = ? RETURNING length(body)", [.int(stored.row)]
        ) { $0.optionalInt(0) ?? 0 }
        for octets in dropped { countOctets(-octets, of: stored.job.owner) }
    }
}

extension BacklogLimits {
    /// With so much less room. An empty line takes any one deck, but not any batch.
    fileprivate func with(jobs: Int, octets: Int) -> BacklogLimits {
        BacklogLimits(
            jobs: self.jobs.map { $0 - jobs }, octets: self.octets.map { $0 - octets },
            stored: stored.map { $0 - octets }, active: active.map { $0 - jobs })
    }
}

extension SQLValue {
    static func batch(_ id: BatchID) -> SQLValue { .id(JobID(bits: id.bits)) }
}
