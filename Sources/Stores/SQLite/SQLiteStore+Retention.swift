package import Jobs

extension Schema {
    static let retention = """
        ALTER TABLE decks ADD COLUMN condition TEXT NOT NULL DEFAULT 'sound';
        ALTER TABLE spool_files ADD COLUMN condition TEXT NOT NULL DEFAULT 'sound';
        DROP INDEX decks_in_files;
        DROP INDEX spool_files_in_files;
        CREATE INDEX decks_in_files ON decks(hash) WHERE body IS NULL AND condition <> 'purged';
        CREATE INDEX spool_files_in_files ON spool_files(hash) WHERE body IS NULL AND condition <> 'purged';
        CREATE INDEX decks_damaged ON decks(job) WHERE condition = 'corrupt';
        CREATE INDEX spool_files_damaged ON spool_files(job, number) WHERE condition = 'corrupt';
        CREATE INDEX jobs_ended ON jobs(ended_at, id) WHERE ended_at IS NOT NULL;

        INSERT INTO counters (kind, host, state, count)
        SELECT 'octets', owner, '', sum(octets) FROM (
            SELECT j.owner, d.octets FROM decks d JOIN jobs j ON j.row = d.job
            UNION ALL SELECT j.owner, s.octets FROM spool_files s JOIN jobs j ON j.row = s.job) GROUP BY owner;
        """
}

extension Schema {
    static let answers = """
        CREATE INDEX delivery_attempts_answers ON delivery_attempts(at) WHERE answer <> x'';
        """
}

extension SQLiteStore {
    package func sweep(
        _ kind: RetentionKind, olderThan age: Timestamp, from mark: RetentionMark?, limit: Int, at time: Timestamp
    ) async throws(StoreError) -> SweepStep {
        let limit = max(1, limit)
        let query: String
        switch kind {
        case .deliveries:
            return try await writer.write { try $0.sweepDeliveries(olderThan: age, limit: limit) }
        case .answers: return try await writer.write { try $0.sweepAnswers(olderThan: age, limit: limit) }
        case .events: return try await writer.write { try $0.sweepEvents(olderThan: age, limit: limit) }
        case .audit: return try await writer.write { try $0.sweepAudit(olderThan: age, limit: limit) }
        case .jobs: query = Queries.ended
        case .decks: query = Queries.endedWithDeck
        case .outputs: query = Queries.endedWithOutputs
        case .bodies: query = Queries.endedWithBodies
        }
        // Looked up beside the writer; what changed since is seen inside the commit.
        let from = mark ?? RetentionMark(endedAt: Timestamp(microseconds: .min), job: JobID(bits: 0))
        let found = try await read { connection in
            try connection.rows(query, [.time(age), .time(from.endedAt), .id(from.job), .int(limit)]) {
                RetentionMark(endedAt: $0.time(0), job: try $0.jobID(1))
            }
        }
        guard let last = found.last else { return SweepStep() }
        var step = try await writer.write { transaction in
            try transaction.sweep(kind, found.map(\.job), at: time)
        }
        if found.count == limit { step.next = .after(last) }
        return step
    }
}

extension WriteTransaction {
    fileprivate func sweep(_ kind: RetentionKind, _ jobs: [JobID], at time: Timestamp) throws -> SweepStep {
        var step = SweepStep()
        for id in jobs {
            guard let stored = try job(id), stored.job.state.isFinal else { continue }
            if kind != .decks, try pendingDeliveries(of: id) > 0 {
                step.kept += 1
                continue
            }
            var isGone = true
            switch kind {
            case .decks: isGone = try dropDeck(of: stored)
            case .outputs, .bodies:
                isGone = try dropOutputs(of: stored)
                if isGone {
                    var changed = stored
                    changed.job.version += 1
                    try update(changed, from: stored.job)
                    note(changed.job)
                }
                if kind == .bodies, try dropDeck(of: stored) { isGone = true }
            case .jobs: _ = try purge(id, reason: "older than this gateway keeps jobs", at: time)
            case .deliveries, .answers, .events, .audit: isGone = false
            }
            if isGone { step.removed += 1 }
        }
        return step
    }

    fileprivate func sweepDeliveries(olderThan age: Timestamp, limit: Int) throws -> SweepStep {
        let found = try rows(Queries.oldestDeliveries, [.int(limit)]) { (id: $0.int64(0), at: $0.time(1)) }
        let old = found.prefix { $0.at < age }
        for delivery in old { try removeDelivery(delivery.id) }
        return SweepStep(removed: old.count, next: old.count == limit ? .again : nil)
    }

    fileprivate func sweepAnswers(olderThan age: Timestamp, limit: Int) throws -> SweepStep {
        let removed = try run(Queries.dropAnswers, [.time(age), .int(limit)])
        return SweepStep(removed: removed, next: removed == limit ? .again : nil)
    }

    private func removeDelivery(_ id: Int64) throws {
        let removed = try runReturning(
            "DELETE FROM deliveries WHERE id = ? AND state <> 'pending' RETURNING state", [.int(id)]
        ) { DeliveryState(rawValue: $0.text(0)) }
        for state in removed { countDelivery(state, by: -1) }
    }

    /// Events go from the front only, so that what is left has no gap.
    fileprivate func sweepEvents(olderThan age: Timestamp, limit: Int) throws -> SweepStep {
        let found = try rows(Queries.oldestEvents, [.int(lastSequence), .int(limit)]) { row in
            (sequence: row.int64(0), at: row.time(1))
        }
        var removed = 0
        for event in found where removed < limit {
            guard event.at < age else { break }
            let deliveries = try rows(Queries.deliveriesOfEvent, [.int(event.sequence)]) { row in
                (id: row.int64(0), isPending: row.text(1) == DeliveryState.pending.rawValue)
            }
            if deliveries.contains(where: \.isPending) { break }
            for delivery in deliveries { try removeDelivery(delivery.id) }
            try run("DELETE FROM events WHERE sequence = ?", [.int(event.sequence)])
            removed += 1
        }
        return SweepStep(removed: removed, next: removed == limit ? .again : nil)
    }

    fileprivate func sweepAudit(olderThan age: Timestamp, limit: Int) throws -> SweepStep {
        let found = try rows(Queries.oldestAudit, [.int(limit)]) { (row: $0.int64(0), at: $0.time(1)) }
        let old = found.prefix { $0.at < age }
        if let last = old.last { try run("DELETE FROM audit WHERE row <= ?", [.int(last.row)]) }
        return SweepStep(removed: old.count, next: old.count == limit ? .again : nil)
    }
}

extension Queries {
    private static let isEnded = """
        j.ended_at IS NOT NULL AND j.ended_at < ?1 AND (j.ended_at, j.id) > (?2, ?3) ORDER BY j.ended_at, j.id LIMIT ?4
        """
    static let ended = "SELECT j.ended_at, j.id FROM jobs j INDEXED BY jobs_ended WHERE \(isEnded)"
    static let endedWithDeck = """
        SELECT j.ended_at, j.id FROM jobs j INDEXED BY jobs_ended CROSS JOIN decks d ON d.job = j.row
        WHERE d.condition <> 'purged' AND \(isEnded)
        """
    static let endedWithOutputs = """
        SELECT j.ended_at, j.id FROM jobs j INDEXED BY jobs_ended
        WHERE EXISTS (SELECT 1 FROM spool_files s WHERE s.job = j.row AND s.condition <> 'purged') AND \(isEnded)
        """
    static let endedWithBodies = """
        SELECT j.ended_at, j.id FROM jobs j INDEXED BY jobs_ended
        WHERE (EXISTS (SELECT 1 FROM decks d WHERE d.job = j.row AND d.condition <> 'purged')
            OR EXISTS (SELECT 1 FROM spool_files s WHERE s.job = j.row AND s.condition <> 'purged')) AND \(isEnded)
        """
    static let oldestDeliveries = """
        SELECT d.id, e.at FROM deliveries d INDEXED BY deliveries_by_event CROSS JOIN events e ON e.sequence = d.event
        WHERE d.state <> 'pending' ORDER BY d.event LIMIT ?
        """
    static let dropAnswers = """
        UPDATE delivery_attempts SET answer = x'' WHERE (delivery, number) IN
            (SELECT delivery, number FROM delivery_attempts INDEXED BY delivery_attempts_answers
            WHERE answer <> x'' AND at < ?1 ORDER BY at LIMIT ?2)
        """
    static let oldestEvents = "SELECT sequence, at FROM events WHERE sequence < ? ORDER BY sequence LIMIT ?"
    static let deliveriesOfEvent = """
        SELECT id, state FROM deliveries INDEXED BY deliveries_by_event WHERE event = ?
        """
    static let oldestAudit = "SELECT row, at FROM audit ORDER BY row LIMIT ?"

    static let retention: [String: String] = [
        "bodyIsNamed": bodyIsNamed, "lastEvent": lastEvent,
        "pendingOfJob": pendingOfJob, "deliveryStatesToJob": deliveryStatesToJob, "dropDeck": dropDeck,
        "dropOutputs": dropOutputs, "storedFile": storedFile, "ended": ended, "endedWithDeck": endedWithDeck,
        "endedWithOutputs": endedWithOutputs, "endedWithBodies": endedWithBodies,
        "deliveriesOfEvent": deliveriesOfEvent, "dropAnswers": dropAnswers,
    ]
}
