package import Jobs
import Synchronization

extension Schema {
    static let flow = """
        ALTER TABLE jobs ADD COLUMN timeout INTEGER;            -- microseconds
        ALTER TABLE jobs ADD COLUMN times_out_at INTEGER;       -- while it runs and is not to be canceled yet
        ALTER TABLE jobs ADD COLUMN cancel_effect TEXT;
        CREATE INDEX jobs_timing_out ON jobs(times_out_at) WHERE times_out_at IS NOT NULL;
        ALTER TABLE hosts ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
        """
}

extension Queries {
    static let timedOut = """
        SELECT id FROM jobs INDEXED BY jobs_timing_out
        WHERE times_out_at IS NOT NULL AND times_out_at <= ? ORDER BY times_out_at LIMIT ?
        """
    /// Jobs that wait, by host and owner: once, when the store is opened, for the counts in memory.
    static let backlog = """
        SELECT host, owner, count(*), sum(deck_octets) FROM jobs INDEXED BY jobs_by_state
        WHERE state IN ('held', 'queued') GROUP BY host, owner
        """
    static let jobWithNumber = """
        SELECT id FROM jobs INDEXED BY jobs_under_way
        WHERE state IN ('sending', 'uncertain', 'submitted', 'running', 'printing') AND host = ? AND host_job = ? LIMIT 1
        """
}

extension SQLiteStore {
    package func timedOut(at time: Timestamp, limit: Int) async throws(StoreError) -> [JobID] {
        try await read { connection in
            try connection.rows(Queries.timedOut, [.time(time), .int(max(0, limit))]) { try $0.jobID(0) }
        }
    }

    package func isDraining(_ host: HostID) async throws(StoreError) -> Bool {
        try await read { connection in
            try connection.first("SELECT draining FROM hosts WHERE id = ?", [.text(host.description)]) {
                $0.int(0) != 0
            } ?? false
        }
    }

    package func setDraining(_ isDraining: Bool, of host: HostID, audit entry: AuditEntry) async throws(StoreError) {
        try await writer.write { transaction in
            try transaction.run(
                """
                INSERT INTO hosts (id, draining) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET draining = excluded.draining
                """, [.text(host.description), .int(isDraining ? 1 : 0)])
            try transaction.audit(entry)
        }
    }

    package nonisolated func backlog(of host: HostID) -> Backlog {
        memory.contents.withLock { $0.backlogs[.host(host.description)] ?? Backlog() }
    }

    package nonisolated func backlog(of owner: Owner) -> Backlog {
        memory.contents.withLock { $0.backlogs[.owner(owner.description)] ?? Backlog() }
    }
}

/// Whose waiting jobs are counted together.
enum BacklogKey: Hashable {
    case host(String)
    case owner(String)

    static func keys(of job: Job) -> [BacklogKey] { [.host(job.host.description), .owner(job.owner.description)] }
}

extension Dictionary<BacklogKey, Backlog> {
    mutating func add(_ change: Backlog, to key: BacklogKey) { self[key] = (self[key] ?? Backlog()) + change }

    /// What a store that was just opened holds.
    static func counted(on connection: SQLConnection) throws -> Self {
        var backlogs: Self = [:]
        _ = try connection.rows(Queries.backlog, []) { row in
            let count = Backlog(jobs: row.int(2), octets: row.int(3))
            backlogs.add(count, to: .host(row.text(0)))
            backlogs.add(count, to: .owner(row.text(1)))
            return Never?.none
        }
        return backlogs
    }
}

extension WriteTransaction {
    /// Decided inside the commit, so that many requests at one moment exceed no limit together.
    func limitHit(by submission: Submission) -> LimitHit? {
        let octets = submission.job.deck.octets
        let owner = submission.job.owner.description
        if let most = submission.ownerLimits.stored {
            let kept = memory.contents.withLock { $0.storedOctets[owner] ?? 0 }
            if kept + (storedOctets[owner] ?? 0) + octets > most { return LimitHit(.owner, .stored, limit: most) }
        }
        if let most = submission.ownerLimits.active,
            activeJobs(of: submission.job.owner, on: submission.job.host) >= most
        {
            return LimitHit(.owner, .active, limit: most)
        }
        return LimitHit(
            .host, adding: octets, to: backlog(.host(submission.job.host.description)), within: submission.hostLimits)
            ?? LimitHit(
                .owner, adding: octets, to: backlog(.owner(owner)),
                within: submission.ownerLimits)
    }

    /// - Throws: `.hostJobTaken` when another job of ours follows this number.
    func checkFree(_ number: JobNumber, on host: HostID) throws {
        let taken = try first(Queries.jobWithNumber, [.text(host.description), .text(number.description)]) {
            try $0.jobID(0)
        }
        if let taken { throw StoreError.hostJobTaken(number, by: taken) }
    }
}
