import Jobs

/// The queries of the contract, each with the index that carries it: a query that would walk a large table must not
/// come about by a change of the planner's mind.
enum Queries {
    static let job = "SELECT \(StoredJob.columns) FROM jobs WHERE id = ?"

    static let ownersWithSendable = """
        SELECT owner FROM jobs INDEXED BY jobs_sendable
        WHERE state = 'queued' AND delayed = 0 AND host = ? AND owner > ? ORDER BY owner LIMIT 1
        """
    /// `delayed` is only lifted by time passing, so `not_before` is asked again for a caller whose clock is behind.
    static let sendable = """
        SELECT \(StoredJob.columns) FROM jobs INDEXED BY jobs_sendable
        WHERE state = 'queued' AND delayed = 0 AND host = ? AND owner = ? AND (not_before IS NULL OR not_before <= ?)
        ORDER BY priority DESC, created_at, id LIMIT ?
        """
    static let jobsBefore = """
        SELECT count(*) FROM (
            SELECT 1 FROM jobs INDEXED BY jobs_sendable
            WHERE state = 'queued' AND delayed = 0 AND host = ?1
            AND (priority > ?2 OR priority = ?2 AND (created_at, id) < (?3, ?4)) LIMIT ?5)
        """
    static let hasRipe = """
        SELECT 1 FROM jobs INDEXED BY jobs_delayed WHERE state = 'queued' AND delayed = 1 AND not_before <= ? LIMIT 1
        """
    static let ripen = """
        UPDATE jobs INDEXED BY jobs_delayed SET delayed = 0 WHERE state = 'queued' AND delayed = 1 AND not_before <= ?
        """
    static let underWay = """
        SELECT \(StoredJob.columns) FROM jobs INDEXED BY jobs_under_way
        WHERE state IN ('sending', 'uncertain', 'submitted', 'running', 'printing') AND host = ? ORDER BY id
        """
    static let overdue = """
        SELECT id FROM jobs INDEXED BY jobs_deadline
        WHERE not_after IS NOT NULL AND state IN ('held', 'queued') AND not_after <= ? ORDER BY not_after LIMIT ?
        """
    static let attempts = """
        SELECT a.number, a.host, a.session, a.opened_at, a.phase, a.evidence
        FROM jobs j CROSS JOIN attempts a ON a.job = j.row WHERE j.id = ? ORDER BY a.number
        """
    /// The last column says that the row is that of the job: an index with a flipped bit leads to a row of another. It is read by
    /// the number of the row, since SQLite takes what an index holds from the index.
    static let deck = """
        SELECT hash, octets, body, condition, (SELECT id FROM jobs WHERE row = decks.job) = ?1
        FROM decks WHERE job = (SELECT row FROM jobs WHERE id = ?1)
        """
    /// The last column as in `deck`; the columns are NULL where the index leads to no row at all.
    static let spoolFiles = """
        SELECT \(SpoolFile.qualifiedColumns), i.number = f.number AND (SELECT id FROM jobs WHERE row = f.job) = ?1
        FROM (SELECT row, number FROM spool_files WHERE job = (SELECT row FROM jobs WHERE id = ?1)) i
            LEFT JOIN spool_files f ON f.row = i.row
        ORDER BY i.number
        """
    /// The last column as in `deck`.
    static let spoolBody = """
        SELECT hash, octets, body, condition,
            number = ?2 AND (SELECT id FROM jobs WHERE row = spool_files.job) = ?1
        FROM spool_files
        WHERE row = (SELECT row FROM spool_files WHERE job = (SELECT row FROM jobs WHERE id = ?1) AND number = ?2)
        """
    static let spoolPart = """
        SELECT octets FROM spool_parts WHERE job = (SELECT row FROM jobs WHERE id = ?) AND number = ?
        """
    static let events = """
        SELECT sequence, id, type, job, at, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?
        """
    static let eventsOfJob = """
        SELECT sequence, id, type, job, at, body FROM events INDEXED BY events_by_job
        WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT ?
        """
    /// Answered from the index alone: what is under way or left out is skipped cheaply.
    static let dueDeliveries = """
        SELECT id, endpoint FROM deliveries INDEXED BY deliveries_due
        WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, id
        """
    static let delivery = """
        SELECT d.id, d.attempts, d.endpoint, p.owner, p.url, e.sequence, e.id, e.type, e.job, e.at, e.body, d.once, p.id,
            p.secrets, j.traceparent, j.tracestate
        FROM deliveries d CROSS JOIN events e ON e.sequence = d.event CROSS JOIN endpoints p ON p.row = d.endpoint
            LEFT JOIN jobs j ON j.id = e.job
        WHERE d.id = ?
        """
    static let nextDelivery = """
        SELECT next_at FROM deliveries INDEXED BY deliveries_due
        WHERE state = 'pending' AND next_at > ? ORDER BY next_at LIMIT 1
        """
    static let deliveryAttempts = """
        SELECT at, status, result, detail, duration, address, answer, connected, secured, first_byte, extra, resolved,
            sent_octets, received_octets, http_version, tls_version, verify_result, batch
        FROM delivery_attempts
        WHERE delivery = ? ORDER BY number
        """
    /// A try that counts. What was paused meanwhile stays so unless it is at its end; with an extra try still to come, the
    /// result is kept as what that one comes back to.
    static let recordDelivery = """
        UPDATE deliveries SET attempts = attempts + 1,
            state = CASE WHEN ?1 != 'delivered' AND once IS NOT NULL THEN state
                WHEN state = 'paused' AND ?1 = 'pending' THEN state ELSE ?1 END,
            next_at = CASE WHEN ?1 != 'delivered' AND once IS NOT NULL THEN next_at
                WHEN state = 'paused' THEN NULL ELSE ?2 END,
            once = CASE WHEN ?1 = 'delivered' OR once IS NULL THEN NULL
                WHEN once = 'paused' AND ?1 = 'pending' THEN once ELSE ?1 END,
            once_at = CASE WHEN ?1 = 'delivered' OR once IS NULL OR once = 'paused' THEN NULL ELSE ?2 END
        WHERE id = ?3 AND coalesce(once, state) IN ('pending', 'paused')
        RETURNING attempts + extra, endpoint, state
        """
    static let deliveryState = "SELECT state, once FROM deliveries WHERE id = ?"
    /// An extra try: it changes nothing unless it brought the event there.
    static let recordExtra = """
        UPDATE deliveries SET state = CASE WHEN ?1 = 'delivered' THEN ?1 ELSE once END,
            next_at = CASE WHEN ?1 = 'delivered' THEN NULL ELSE once_at END, once = NULL, once_at = NULL, extra = extra + 1
        WHERE id = ?2 AND state = 'pending' AND once IS NOT NULL
        RETURNING attempts + extra, endpoint, state
        """

    /// Every fixed query, for the test of their plans.
    static let all: [String: String] = [
        "unclaimed": unclaimed, "unclaimedOfHost": unclaimedOfHost, "oneUnclaimed": oneUnclaimed,
        "unclaimedBody": unclaimedBody,
        "job": job, "ownersWithSendable": ownersWithSendable, "sendable": sendable, "jobsBefore": jobsBefore,
        "hasRipe": hasRipe, "ripen": ripen,
        "underWay": underWay, "overdue": overdue, "attempts": attempts, "deck": deck, "spoolFiles": spoolFiles,
        "spoolBody": spoolBody, "spoolPart": spoolPart, "events": events, "eventsOfJob": eventsOfJob,
        "dueDeliveries": dueDeliveries, "delivery": delivery, "nextDelivery": nextDelivery,
        "deliveryAttempts": deliveryAttempts, "recordDelivery": recordDelivery, "recordExtra": recordExtra,
        "deliveryState": deliveryState,
        "timedOut": timedOut, "jobWithNumber": jobWithNumber,
        "audit": audit(["row < ?"]), "auditOfSubject": audit(["row < ?", "subject = ?"]), "key": key,
    ].merging(ofEndpoints) { $1 }
}
