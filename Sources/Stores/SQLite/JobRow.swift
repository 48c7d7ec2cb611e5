import Jobs
import Wire

/// A job with its place in the database.
struct StoredJob {
    let row: Int64
    var job: Job
}

extension StoredJob {
    static let columns = """
        row, id, host, owner, name, state, reason, host_job, outcome_kind, outcome_return_code, outcome_abend, \
        outcome_text, outcome_matched_by, version, priority, created_at, changed_at, submitted_at, started_at, ended_at, \
        not_before, not_after, correlator, labels, deck_octets, deck_cards, deck_hash, deck_form, attempts, \
        cancel_requested_at, uncertain_policy, outputs, timeout, cancel_effect, batch, request_id, traceparent, \
        tracestate
        """

    /// The columns again, for a query in which `jobs` is called `j`.
    static let qualifiedColumns = columns.split(separator: ", ").map { "j.\($0)" }.joined(separator: ", ")

    /// Reads a row of `columns`.
    init(_ row: SQLRow) throws {
        self.row = row.int64(0)
        job = Job(
            id: try row.jobID(1),
            host: try row.require(HostID(row.text(2)), "a host"),
            owner: try row.require(Owner(row.text(3)), "an owner"),
            name: try row.optionalText(4).map { try row.require(JobName($0), "a job name") },
            priority: row.int(14),
            createdAt: row.time(15),
            notBefore: row.optionalTime(20),
            notAfter: row.optionalTime(21),
            correlator: row.optionalText(22),
            labels: try row.require(Labels.decode(row.text(23)), "labels"),
            deck: DeckSummary(
                octets: row.int(24), cards: row.int(25), hash: try row.hash(26),
                form: try row.require(DeckForm(rawValue: row.text(27)), "a deck form")),
            uncertainPolicy: try row.require(Job.UncertainPolicy(rawValue: row.text(30)), "a policy"),
            timeout: row.optionalInt(32).map { .microseconds($0) },
            batch: row.isNull(34) ? nil : BatchID(bits: try row.jobID(34).bits))
        job.state = try row.require(JobState(rawValue: row.text(5)), "a job state")
        job.reason = row.optionalText(6)
        job.hostJob = try row.optionalText(7).map { try row.require(JobNumber($0), "a job number") }
        job.outcome = try row.optionalText(8).map { kind in
            Outcome(
                kind: try row.require(Outcome.Kind(rawValue: kind), "an outcome"), returnCode: row.optionalInt(9),
                abend: row.optionalText(10), text: row.text(11), matchedBy: row.optionalText(12))
        }
        job.version = row.int(13)
        job.changedAt = row.time(16)
        job.submittedAt = row.optionalTime(17)
        job.startedAt = row.optionalTime(18)
        job.endedAt = row.optionalTime(19)
        job.attempts = row.int(28)
        job.cancelRequestedAt = row.optionalTime(29)
        job.outputs = row.int(31)
        job.cancelEffect = try row.optionalText(33).map {
            try row.require(CancelEffect(rawValue: $0), "a cancel effect")
        }
        job.origin = Origin(row, from: 35)
    }

    static let insert = """
        INSERT INTO jobs (id, host, owner, name, state, reason, host_job, outcome_kind, outcome_return_code,
            outcome_abend, outcome_text, outcome_matched_by, version, priority, created_at, changed_at, submitted_at,
            started_at, ended_at, not_before, not_after, correlator, labels, deck_octets, deck_cards, deck_hash,
            deck_form, attempts, cancel_requested_at, uncertain_policy, outputs, delayed, timeout, cancel_effect, batch,
            request_id, traceparent, tracestate)
        VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
        """

    static func insertValues(_ job: Job) -> [SQLValue] {
        [
            .id(job.id), .text(job.host.description), .text(job.owner.description),
            .optional(job.name?.description), .text(job.state.rawValue), .optional(job.reason),
            .optional(job.hostJob?.description), .optional(job.outcome?.kind.rawValue),
            .optional(job.outcome?.returnCode), .optional(job.outcome?.abend), .optional(job.outcome?.text),
            .optional(job.outcome?.matchedBy), .int(job.version), .int(job.priority), .time(job.createdAt),
            .time(job.changedAt), .time(job.submittedAt), .time(job.startedAt), .time(job.endedAt),
            .time(job.notBefore), .time(job.notAfter), .optional(job.correlator), .text(Labels.encode(job.labels)),
            .int(job.deck.octets), .int(job.deck.cards), .hash(job.deck.hash), .text(job.deck.form.rawValue),
            .int(job.attempts), .time(job.cancelRequestedAt), .text(job.uncertainPolicy.rawValue), .int(job.outputs),
            .int(delayed(job)), .optional(job.timeout.map(microseconds)), .optional(job.cancelEffect?.rawValue),
            job.batch.map { .batch($0) } ?? .null,
            .optional(job.origin?.requestID), .optional(job.origin?.trace.parent), .optional(job.origin?.trace.state),
        ]
    }

    /// Only what an action can change: an index whose columns are not named here is not touched.
    static let update = """
        UPDATE jobs SET state = ?, reason = ?, host_job = ?, outcome_kind = ?, outcome_return_code = ?,
            outcome_abend = ?, outcome_text = ?, outcome_matched_by = ?, version = ?, changed_at = ?, submitted_at = ?,
            started_at = ?, ended_at = ?, attempts = ?, cancel_requested_at = ?, outputs = ?, delayed = ?,
            cancel_effect = ?, times_out_at = ?
        WHERE row = ?
        """

    var updateValues: [SQLValue] {
        [
            .text(job.state.rawValue), .optional(job.reason), .optional(job.hostJob?.description),
            .optional(job.outcome?.kind.rawValue), .optional(job.outcome?.returnCode),
            .optional(job.outcome?.abend), .optional(job.outcome?.text), .optional(job.outcome?.matchedBy),
            .int(job.version), .time(job.changedAt), .time(job.submittedAt), .time(job.startedAt), .time(job.endedAt),
            .int(job.attempts), .time(job.cancelRequestedAt), .int(job.outputs), .int(Self.delayed(job)),
            .optional(job.cancelEffect?.rawValue), .time(Self.timesOutAt(job)), .int(row),
        ]
    }

    /// Only while it can still time out: the index holds nothing else.
    private static func timesOutAt(_ job: Job) -> Timestamp? {
        job.state == .running && job.cancelRequestedAt == nil ? job.timesOutAt : nil
    }

    private static func microseconds(_ duration: Duration) -> Int {
        let (seconds, fraction) = duration.components
        return Int(clamping: seconds) * 1_000_000 + Int(fraction / 1_000_000_000_000)
    }

    private static func delayed(_ job: Job) -> Int {
        guard let notBefore = job.notBefore else { return 0 }
        return notBefore > job.changedAt ? 1 : 0
    }
}

/// Labels in one column, as netstrings: `3:env,4:prod,` and so on, key and value in turn. Any text can stand in them.
enum Labels {
    static func encode(_ labels: [Job.Label]) -> String {
        labels.map { "\($0.key.utf8.count):\($0.key),\($0.value.utf8.count):\($0.value)," }.joined()
    }

    static func decode(_ text: String) -> [Job.Label]? {
        if text.isEmpty { return [] }
        let octets = Array(text.utf8)
        var at = 0
        func next() -> String? {
            guard let colon = octets[at...].firstIndex(of: 0x3A),
                let count = Int(String(decoding: octets[at..<colon], as: UTF8.self)),
                count >= 0, count < octets.count - colon - 1, octets[colon + 1 + count] == 0x2C
            else { return nil }
            at = colon + 2 + count
            return String(decoding: octets[colon + 1..<colon + 1 + count], as: UTF8.self)
        }
        var labels: [Job.Label] = []
        while at < octets.count {
            guard let key = next(), let value = next() else { return nil }
            labels.append(Job.Label(key: key, value: value))
        }
        return labels
    }
}

extension SpoolFile {
    static let columns = """
        number, kind, step, dd_name, sysout_class, forms, carriage_control, code, record_length, records, octets, \
        text_octets, hash, condition, text_hash
        """

    private static let columnCount = CInt(columns.split(separator: ", ").count)

    /// The columns again, for a query in which `spool_files` is called `f`.
    static let qualifiedColumns = columns.split(separator: ", ").map { "f.\($0)" }.joined(separator: ", ")

    /// Reads a row of `columns`.
    init(_ row: SQLRow, job: JobID) throws {
        self.init(
            job: job, number: row.int(0), kind: try row.require(Kind(rawValue: row.text(1)), "a kind of spool file"),
            step: row.optionalText(2), ddName: row.optionalText(3), sysoutClass: row.optionalText(4),
            forms: row.optionalText(5),
            carriageControl: try row.require(.init(rawValue: row.text(6)), "carriage control"),
            code: row.text(7), recordLength: row.int(8), records: row.int(9), octets: row.int(10),
            textOctets: row.int(11), textHash: try row.optionalHash(14), hash: try row.hash(12),
            condition: try row.require(Condition(rawValue: row.text(13)), "a condition"))
    }

    /// Whether a row of `Queries.spoolFiles` is one of the job that was asked for.
    static func isListed(_ row: SQLRow) -> Bool { row.int(columnCount) == 1 }

    /// Reads a row of `Queries.spoolFiles`.
    /// - Throws: `.corrupt` when the row is not one of the job: it may be that of another owner.
    init(listed row: SQLRow, of job: JobID) throws {
        guard Self.isListed(row) else {
            throw StoreError.corrupt(what: "the index that leads to the outputs of job \(job)")
        }
        try self.init(row, job: job)
    }
}

extension StagedBody {
    /// What goes into a `body` column.
    var column: SQLValue {
        switch content {
        case .inline(let octets): .blob(octets)
        case .file: .null
        }
    }
}
