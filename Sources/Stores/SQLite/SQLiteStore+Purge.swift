package import Jobs
import Synchronization

extension SQLiteStore {
    package func purge(
        _ job: JobID, reason: String?, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> Job {
        try await writer.write { transaction in
            let purged = try transaction.purge(job, reason: reason, at: time)
            if let audit { try transaction.audit(audit) }
            return purged
        }
    }

    package func storedOctets() async throws(StoreError) -> [Owner: Int] {
        if memory.isClosed { throw .closed }
        return memory.contents.withLock { contents in
            contents.storedOctets.reduce(into: [:]) { sums, entry in
                if let owner = Owner(entry.key), entry.value != 0 { sums[owner] = entry.value }
            }
        }
    }

    package func lastEvent(of job: JobID) async throws(StoreError) -> Event? {
        try await read { connection in
            try connection.first(Queries.lastEvent, [.id(job)]) { try Event($0, from: 0) }
        }
    }

    package func damagedBodies(limit: Int) async throws(StoreError) -> [DamagedBody] {
        try await read { connection in
            let most = SQLValue.int(max(0, limit))
            let decks = try connection.rows(Queries.damagedDecks, [most]) {
                DamagedBody(job: try $0.jobID(0), file: nil)
            }
            let files = try connection.rows(Queries.damagedFiles, [most]) {
                DamagedBody(job: try $0.jobID(0), file: $0.int(1))
            }
            return Array((decks + files).sorted { ($0.job, $0.file ?? 0) < ($1.job, $1.file ?? 0) }.prefix(limit))
        }
    }

    /// Writes down what reading a body has shown. Best effort: a store that cannot write now still says what it read.
    func note(_ condition: SpoolFile.Condition, of body: StoredBody) async {
        guard condition != body.condition else { return }
        try? await writer.write { try $0.note(condition, of: body.place) }
    }
}

/// Whose body it is.
enum BodyPlace: Hashable, Sendable {
    case deck(JobID)
    case file(JobID, Int)
    case unclaimed(Int64)
}

extension WriteTransaction {
    func purge(_ id: JobID, reason: String?, at time: Timestamp) throws -> Job {
        guard let stored = try job(id) else { throw StoreError.noSuchJob(id) }
        var purged = stored
        do {
            _ = try purged.job.apply(.purge(reason: reason), at: time)
        } catch {
            throw StoreError.conflict(error)
        }
        let pending = try pendingDeliveries(of: id)
        guard pending == 0 else { throw StoreError.undelivered(id, pending) }
        try dropDeck(of: stored)
        try dropOutputs(of: stored)
        let parts = "SELECT number FROM spool_parts WHERE job = ?"
        for number in try rows(parts, [.int(stored.row)], { $0.int(0) }) {
            finish(SpoolPart(job: id, number: number))
        }
        for state in try rows(Queries.deliveryStatesToJob, [.int(stored.row)], { DeliveryState(rawValue: $0.text(0)) })
        {
            countDelivery(state, by: -1)
        }
        try appendEvent(of: purged, previous: stored.job.state, files: [])
        try remove(stored, was: stored.job)
        try letGo(batch: stored.job.batch)
        return purged.job
    }

    func pendingDeliveries(of job: JobID) throws -> Int {
        try first(Queries.pendingOfJob, [.id(job)]) { $0.int(0) } ?? 0
    }

    /// - Returns: whether there was one.
    @discardableResult
    func dropDeck(of stored: StoredJob) throws -> Bool {
        bodies.updateValue(nil, forKey: stored.job.id)
        try dropSubmittedDeck(of: stored)
        noteDeck(of: stored.job.id, isDamaged: false)
        let dropped = try runReturning(Queries.dropDeck, [.int(stored.row)]) { row in
            (hash: try row.hash(0), octets: row.int(1))
        }
        return try letGo(dropped, of: stored)
    }

    @discardableResult
    func dropOutputs(of stored: StoredJob) throws -> Bool {
        bodies.updateValue(nil, forKey: stored.job.id)
        let dropped = try runReturning(Queries.dropOutputs, [.int(stored.row)]) { row in
            (hash: try row.hash(0), octets: row.int(1))
        }
        return try letGo(dropped, of: stored)
    }

    /// Small ones lay in their row; looking for a file of theirs costs nothing.
    private func letGo(_ bodies: [(hash: ContentHash, octets: Int)], of stored: StoredJob) throws -> Bool {
        // They hold beginnings of it.
        if !bodies.isEmpty { try run("DELETE FROM traces WHERE job = ?", [.int(stored.row)]) }
        for body in bodies {
            if body.octets > StagedBody.mostInlineOctets { release(body.hash) }
            countOctets(-body.octets, of: stored.job.owner)
        }
        return !bodies.isEmpty
    }

    /// What stood under the number of a spool file that comes again.
    func releaseFile(of stored: StoredJob, number: Int) throws {
        let old = try first(Queries.storedFile, [.int(stored.row), .int(number)]) { row in
            (hash: try row.hash(0), octets: row.int(1))
        }
        if let old { _ = try letGo([old], of: stored) }
    }

    func note(_ condition: SpoolFile.Condition, of place: BodyPlace) throws {
        let id: JobID
        switch place {
        case .deck(let job), .file(let job, _): id = job
        case .unclaimed: return
        }
        guard var stored = try job(id) else { return }
        bodies.updateValue(nil, forKey: id)
        let word = SQLValue.text(condition.rawValue)
        let changed =
            switch place {
            case .unclaimed: 0
            case .deck:
                try run(
                    "UPDATE decks SET condition = ?1 WHERE job = ?2 AND condition NOT IN (?1, 'purged')",
                    [word, .int(stored.row)])
            case .file(_, let number):
                try run(
                    "UPDATE spool_files SET condition = ?1 WHERE job = ?2 AND number = ?3 AND condition NOT IN (?1, 'purged')",
                    [word, .int(stored.row), .int(number)])
            }
        guard changed > 0 else { return }
        if case .deck = place { noteDeck(of: id, isDamaged: condition == .corrupt) }
        // The document of the job shows it, and its tag must tell that it does.
        let previous = stored.job
        stored.job.version += 1
        try update(stored, from: previous)
        note(stored.job)
    }
}

extension SpoolFolder {
    /// Removes the files of bodies that nothing names or holds. On the writer's queue, between two commits, so that no row
    /// can come to name one meanwhile. What cannot be decided is kept; the next start names it.
    func removeUnnamed(_ bodies: [ContentHash], _ connection: SQLConnection) {
        let unnamed = bodies.filter { body in
            do {
                return try connection.first(Queries.bodyIsNamed, [.hash(body)], { _ in true }) == nil
            } catch {
                return false
            }
        }
        if !unnamed.isEmpty { removeUnheld(unnamed) }
    }
}

extension Queries {
    /// Every table that names a body by its hash must stand here: what this does not find is removed.
    static let bodyIsNamed = """
        SELECT 1 FROM decks INDEXED BY decks_in_files WHERE hash = ?1 AND body IS NULL AND condition <> 'purged'
        UNION ALL SELECT 1 FROM spool_files INDEXED BY spool_files_in_files
        WHERE hash = ?1 AND body IS NULL AND condition <> 'purged'
        UNION ALL SELECT 1 FROM unclaimed INDEXED BY unclaimed_in_files WHERE hash = ?1 AND body IS NULL LIMIT 1
        """
    static let lastEvent = """
        SELECT sequence, id, type, job, at, body FROM events INDEXED BY events_by_job
        WHERE job = ? ORDER BY sequence DESC LIMIT 1
        """
    static let damagedDecks = """
        SELECT j.id FROM decks d INDEXED BY decks_damaged CROSS JOIN jobs j ON j.row = d.job
        WHERE d.condition = 'corrupt' ORDER BY d.job LIMIT ?
        """
    static let damagedFiles = """
        SELECT j.id, s.number FROM spool_files s INDEXED BY spool_files_damaged CROSS JOIN jobs j ON j.row = s.job
        WHERE s.condition = 'corrupt' ORDER BY s.job, s.number LIMIT ?
        """
    static let pendingOfJob = """
        SELECT count(*) FROM events e INDEXED BY events_by_job
        CROSS JOIN deliveries d INDEXED BY deliveries_by_event ON d.event = e.sequence
        WHERE e.job = ? AND d.state = 'pending'
        """
    static let deliveryStatesToJob = """
        SELECT d.state FROM endpoints p INDEXED BY endpoints_by_job
        CROSS JOIN deliveries d INDEXED BY deliveries_by_endpoint ON d.endpoint = p.row WHERE p.job = ?
        """
    static let dropDeck = """
        UPDATE decks SET body = NULL, condition = 'purged' WHERE job = ? AND condition <> 'purged'
        RETURNING hash, octets
        """
    static let dropOutputs = """
        UPDATE spool_files SET body = NULL, condition = 'purged' WHERE job = ? AND condition <> 'purged'
        RETURNING hash, octets
        """
    static let storedFile = """
        SELECT hash, octets FROM spool_files WHERE job = ? AND number = ? AND condition <> 'purged'
        """
}
