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
        let before = SQLValue.int(query.before ?? .max)
        let limit = SQLValue.int(max(0, query.limit))
        return try await read { connection in
            if let subject = query.subject {
                return try connection.rows(
                    Queries.auditOfSubject, [.text(query.owner.description), .text(subject), before, limit]
                ) { try AuditRecord($0) }
            }
            return try connection.rows(Queries.audit, [.text(query.owner.description), before, limit]) {
                try AuditRecord($0)
            }
        }
    }
}

extension WriteTransaction {
    /// Writes an entry with the change that this transaction makes.
    func audit(_ entry: AuditEntry) throws {
        try run(
            "INSERT INTO audit (at, owner, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
            [
                .time(entry.at), .text(entry.owner.description), .text(entry.actor), .text(entry.action),
                .text(entry.subject), .optional(entry.detail),
            ])
    }
}

extension Queries {
    static let audit = """
        SELECT row, at, owner, actor, action, subject, detail FROM audit INDEXED BY audit_by_owner
        WHERE owner = ? AND row < ? ORDER BY row DESC LIMIT ?
        """
    static let auditOfSubject = """
        SELECT row, at, owner, actor, action, subject, detail FROM audit INDEXED BY audit_by_subject
        WHERE owner = ? AND subject = ? AND row < ? ORDER BY row DESC LIMIT ?
        """
}

extension AuditRecord {
    fileprivate init(_ row: SQLRow) throws {
        self.init(
            number: row.int64(0),
            entry: AuditEntry(
                at: row.time(1), owner: try row.require(Owner(row.text(2)), "an owner"), actor: row.text(3),
                action: row.text(4), subject: row.text(5), detail: row.optionalText(6)))
    }
}
