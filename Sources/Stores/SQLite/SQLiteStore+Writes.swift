package import Jobs
import Wire

extension SQLiteStore {
    package func submit(_ submission: Submission) async throws(StoreError) -> SubmissionResult {
        #if SEEDED_BUG_11  // the 201 does not wait for the commit
            Task { try await writer.write { try $0.submit(submission) } }
            return .created(submission.job)
        #else
            try await writer.write { try $0.submit(submission) }
        #endif
    }

    package func commit(_ change: JobChange) async throws(StoreError) -> Job {
        let frames = change.frames?.encoded  // not on the writer's time
        return try await writer.write { try $0.apply(change, frames: frames) }
    }

    package func append(
        type: String, host: HostID?, body: [UInt8], at time: Timestamp
    ) async throws(StoreError) -> Event {
        try await writer.write { try $0.appendEvent(type: type, host: host, at: time, body: body) }
    }

    package func setRefusal(_ refusal: HostRefusal?, of host: HostID) async throws(StoreError) {
        _ = try await writer.write { transaction in
            try transaction.run(
                """
                INSERT INTO hosts (id, refused_reason, refused_credential, refused_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET refused_reason = excluded.refused_reason,
                    refused_credential = excluded.refused_credential, refused_at = excluded.refused_at
                """,
                [
                    .text(host.description), .optional(refusal?.reason), refusal.map { .hash($0.credential) } ?? .null,
                    .time(refusal?.at),
                ])
        }
    }
}

extension WriteTransaction {
    func submit(_ submission: Submission) throws -> SubmissionResult {
        let job = submission.job
        if let idempotency = submission.idempotency {
            switch try keyHolder(idempotency, of: job.owner) {
            case .replayed(.job(let id), let answer): return .replayed(id, answer: answer)
            case .replayed(let holder, _), .reused(let holder): return .keyReused(holder)
            case nil: break
            }
        }
        if let hit = limitHit(by: submission) { return .overLimit(hit) }
        try store(submission)
        return .created(job)
    }

    func store(_ submission: Submission) throws {
        let job = submission.job
        let stored = try insert(job)
        try run(
            "INSERT INTO decks (job, hash, octets, body) VALUES (?, ?, ?, ?)",
            [
                .int(stored.row), .hash(submission.deck.hash), .int(submission.deck.octets), submission.deck.column,
            ])
        countOctets(submission.deck.octets, of: job.owner)
        // A held one is not sent in a moment.
        if job.state == .queued { bodies[job.id] = RecentBodies.Entry(deck: RecentBodies.Body(submission.deck)) }
        if let deck = submission.submittedDeck { try store(deck, of: stored) }
        try insertLabels(of: stored)
        if let idempotency = submission.idempotency {
            #if SEEDED_BUG_2  // the key is bound outside of the commit that makes the job
                later { try $0.bind(idempotency, to: stored) }
            #else
                try bind(idempotency, to: stored)
            #endif
        }
        for request in submission.notify { try insertEndpoint(request, of: stored) }
        if let entry = submission.audit { try audit(entry) }
        try appendEvent(of: stored, previous: nil, files: [])
    }

    private func bind(_ idempotency: Submission.Idempotency, to stored: StoredJob) throws {
        try run(
            "INSERT INTO idempotency (owner, key, id, job, fingerprint, answer) VALUES (?, ?, ?, ?, ?, ?)",
            [
                .text(stored.job.owner.description), .text(idempotency.key), .id(stored.job.id), .int(stored.row),
                .hash(idempotency.fingerprint), .blob(idempotency.answer),
            ])
    }

    /// - Parameter frames: those of the change, as they are stored.
    func apply(_ change: JobChange, frames: [UInt8]? = nil) throws -> Job {
        guard var stored = try job(change.job) else { throw StoreError.noSuchJob(change.job) }
        let previous = stored.job
        var effect = JobEffect.nothing
        if let action = change.action {
            if case .decided(.adopt(let number), _) = action { try checkFree(number, on: stored.job.host) }
            do {
                effect = try stored.job.apply(action, at: change.at)
            } catch {
                throw StoreError.conflict(error)
            }
        }
        var outputs: [SpoolFile]?
        if !change.files.isEmpty {
            outputs = try record(change.files, of: &stored)
            if effect == .nothing {
                stored.job.version += 1
                stored.job.changedAt = max(stored.job.changedAt, change.at)
                effect = .noted
            }
        }
        if effect != .nothing { try update(stored, from: previous) }
        if let attempt = change.attempt { try apply(attempt, of: stored, at: change.at) }
        if let frames { try record(frames, of: stored) }
        if let entry = change.audit { try audit(entry) }
        switch effect {
        case .entered:
            let files = try outputs ?? self.outputs(of: stored)
            #if SEEDED_BUG_4  // the event comes after the commit
                note(stored.job)
                later { [stored] in try $0.appendEvent(of: stored, previous: previous.state, files: files) }
            #else
                try appendEvent(of: stored, previous: previous.state, files: files)
            #endif
        case .noted: note(stored.job)
        case .nothing: break
        }
        return stored.job
    }

    private func apply(_ change: JobChange.AttemptChange, of stored: StoredJob, at time: Timestamp) throws {
        let last = "WHERE job = ?1 AND number = (SELECT max(number) FROM attempts WHERE job = ?1)"
        switch change {
        case .open(let session, let closing):
            try run(
                """
                INSERT INTO attempts (job, number, host, session, opened_at, phase, evidence)
                VALUES (?, ?, ?, ?, ?, ?, NULL)
                """,
                [
                    .int(stored.row), .int(stored.job.attempts), .text(stored.job.host.description), .text(session),
                    .time(time), .text((closing ? Attempt.Phase.closing : .open).rawValue),
                ])
        case .closing:
            try run("UPDATE attempts SET phase = 'closing' \(last)", [.int(stored.row)])
        case .end(let evidence):
            try run(
                "UPDATE attempts SET phase = 'ended', evidence = coalesce(?2, evidence) \(last)",
                [.int(stored.row), .optional(evidence)])
        case .note(let evidence):
            try run("UPDATE attempts SET evidence = ?2 \(last)", [.int(stored.row), .text(evidence)])
        }
    }

    /// For the event of a job.
    private func outputs(of stored: StoredJob) throws -> [SpoolFile] {
        if stored.job.outputs == 0 { return [] }
        // What a damaged index leads to may be another owner's: no event tells of it, and none is held up by it.
        return try rows(Queries.spoolFiles, [.id(stored.job.id)]) {
            !SpoolFile.isListed($0) ? nil : try SpoolFile($0, job: stored.job.id)
        }
    }

    /// - Returns: all outputs that the job has now; nil: they have to be looked up.
    private func record(_ files: [FinishedSpoolFile], of stored: inout StoredJob) throws -> [SpoolFile]? {
        let numbers = Set(files.map(\.file.number))
        let areAll = stored.job.outputs == 0 && numbers.count == files.count
        for finished in files {
            if !areAll { try releaseFile(of: stored, number: finished.file.number) }
            try record(finished, of: stored)
        }
        let parts = "SELECT number FROM spool_parts WHERE job = ?"
        for number in try rows(parts, [.int(stored.row)], { $0.int(0) }) where numbers.contains(number) {
            try run("DELETE FROM spool_parts WHERE job = ? AND number = ?", [.int(stored.row), .int(number)])
            finish(SpoolPart(job: stored.job.id, number: number))
        }
        guard areAll else {
            let count = "SELECT count(*) FROM spool_files WHERE job = ?"
            stored.job.outputs = try first(count, [.int(stored.row)]) { $0.int(0) } ?? 0
            bodies.updateValue(nil, forKey: stored.job.id)
            return nil
        }
        stored.job.outputs = files.count
        let listed = files.map(\.file).sorted { $0.number < $1.number }
        let contents = files.compactMap { file in RecentBodies.Body(file.body).map { (file.file.number, $0) } }
        bodies[stored.job.id] = RecentBodies.Entry(
            files: listed, contents: Dictionary(uniqueKeysWithValues: contents))
        return listed
    }

    private func record(_ finished: FinishedSpoolFile, of stored: StoredJob) throws {
        let file = finished.file
        countOctets(finished.body.octets, of: stored.job.owner)
        try run(
            """
            INSERT INTO spool_files (job, number, kind, step, dd_name, sysout_class, forms, carriage_control, code,
                record_length, records, octets, text_octets, text_hash, hash, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (job, number) DO UPDATE SET kind = excluded.kind, step = excluded.step,
                dd_name = excluded.dd_name, sysout_class = excluded.sysout_class, forms = excluded.forms,
                carriage_control = excluded.carriage_control, code = excluded.code,
                record_length = excluded.record_length, records = excluded.records, octets = excluded.octets,
                text_octets = excluded.text_octets, text_hash = excluded.text_hash, hash = excluded.hash,
                body = excluded.body, condition = 'sound'
            """,
            [
                .int(stored.row), .int(file.number), .text(file.kind.rawValue), .optional(file.step),
                .optional(file.ddName), .optional(file.sysoutClass), .optional(file.forms),
                .text(file.carriageControl.rawValue), .text(file.code), .int(file.recordLength), .int(file.records),
                .int(finished.body.octets), .int(file.textOctets), .optional(file.textHash),
                .hash(finished.body.hash), finished.body.column,
            ])
    }
}
