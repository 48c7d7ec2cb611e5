import Jobs

extension Schema {
    /// `row` is the end of every index of SQLite, so both hold the order of a page.
    static let audit = """
        ALTER TABLE audit ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
        CREATE INDEX audit_by_owner ON audit(owner);
        CREATE INDEX audit_by_subject ON audit(owner, subject);
        """
}

extension SQLiteStore {
    package func record(_ entry: AuditEntry) async throws(StoreError) {
        try await writer.write { try $0.audit(entry) }
    }

    package func audit(_ query: AuditQuery) async throws(StoreError) -> [AuditRecord] {
        var conditions = ["row < ?"]
        var values: [SQLValue] = [.int(query.before ?? .max)]
        func narrow(_ condition: String, _ value: SQLValue?) {
            guard let value else { return }
            conditions.append(condition)
            values.append(value)
        }
        narrow("subject = ?", query.subject.map { .text($0) })
        narrow("actor = ?", query.actor.map { .text($0) })
        narrow("owner = ?", query.owner.map { .text($0.description) })
        narrow("action = ?", query.action.map { .text($0) })
        narrow("at >= ?", query.since.map { .time($0) })
        narrow("at <= ?", query.until.map { .time($0) })
        let sql = Queries.audit(conditions)
        let bound = values + [.int(max(0, query.limit))]
        return try await read { connection in try connection.rows(sql, bound) { try AuditRecord($0) } }
    }
}

extension WriteTransaction {
    /// Writes an entry with the change that this transaction makes.
    func audit(_ entry: AuditEntry) throws {
        try run(
            """
            INSERT INTO audit (at, owner, actor, actor_owner, address, action, subject, detail)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .time(entry.at), .text(entry.owner.description), .text(entry.actor),
                .optional(entry.actorOwner?.description), .optional(entry.address), .text(entry.action),
                .text(entry.subject), .optional(entry.detail),
            ])
    }
}

extension Queries {
    static func audit(_ conditions: [String]) -> String {
        """
        SELECT row, at, owner, actor, actor_owner, address, action, subject, detail FROM audit
        WHERE \(conditions.joined(separator: " AND ")) ORDER BY row DESC LIMIT ?
        """
    }
}

extension AuditRecord {
    fileprivate init(_ row: SQLRow) throws {
        self.init(
            number: row.int64(0),
            entry: AuditEntry(
                at: row.time(1), owner: try row.require(Owner(row.text(2)), "an owner"), actor: row.text(3),
                actorOwner: row.optionalText(4).flatMap { Owner($0) }, address: row.optionalText(5),
                action: row.text(6), subject: row.text(7), detail: row.optionalText(8)))
    }
}
