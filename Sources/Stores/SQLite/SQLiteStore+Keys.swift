package import Jobs

extension Schema {
    /// The table of the first schema was never used. Lists have spaces between, labels are `key=value` with a line feed between.
    static let keys = """
        DROP TABLE keys;
        CREATE TABLE api_keys (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT NOT NULL,
            owner TEXT NOT NULL,
            scopes TEXT NOT NULL,
            hosts TEXT,
            labels TEXT NOT NULL,
            networks TEXT NOT NULL,
            control_cards INTEGER NOT NULL,
            hash BLOB NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER,
            revoked_at INTEGER,
            last_used_at INTEGER,
            replaces TEXT
        ) WITHOUT ROWID;
        CREATE TABLE api_key_changes (row INTEGER PRIMARY KEY CHECK (row = 1), version INTEGER NOT NULL);
        INSERT INTO api_key_changes VALUES (1, 0);

        ALTER TABLE audit ADD COLUMN address TEXT;
        ALTER TABLE audit ADD COLUMN actor_owner TEXT;
        CREATE INDEX audit_of_subject ON audit(subject);
        CREATE INDEX audit_by_actor ON audit(actor);
        CREATE INDEX audit_by_action ON audit(action);
        """
}

extension SQLiteStore {
    package func keys() async throws(StoreError) -> [StoredKey] { try await read { try $0.keys() } }

    package func keysVersion() async throws(StoreError) -> Int64 { try await read { try $0.keysVersion() } }

    package func addKey(_ key: StoredKey, audit: AuditEntry) async throws(StoreError) {
        try await writer.write { try $0.addKey(key, audit: audit) }
    }

    package func revokeKey(
        _ id: String, at time: Timestamp, audit: AuditEntry
    ) async throws(StoreError) -> StoredKey? {
        try await writer.write { try $0.revokeKey(id, at: time, audit: audit) }
    }

    package func rotateKey(
        _ id: String, to new: StoredKey, oldEnd: Timestamp, audit: AuditEntry
    ) async throws(StoreError) -> Bool {
        try await writer.write { try $0.rotateKey(id, to: new, oldEnd: oldEnd, audit: audit) }
    }

    package func noteKeyUses(_ uses: [String: Timestamp]) async throws(StoreError) {
        try await writer.write { try $0.noteKeyUses(uses) }
    }
}

extension SQLConnection {
    func keys() throws -> [StoredKey] { try rows(Queries.keys) { try StoredKey($0) } }

    func keysVersion() throws -> Int64 { try first("SELECT version FROM api_key_changes") { $0.int64(0) } ?? 0 }
}

extension WriteTransaction {
    func addKey(_ key: StoredKey, audit entry: AuditEntry) throws {
        let hosts = key.hosts.map { $0.sorted().map(\.description).joined(separator: " ") }
        try run(
            "INSERT INTO api_keys (\(StoredKey.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .text(key.id), .text(key.name), .text(key.owner.description),
                .text(key.scopes.words.joined(separator: " ")), .optional(hosts),
                .text(key.labels.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")),
                .text(key.networks.joined(separator: " ")), .int(key.allowsControlCards ? 1 : 0), .hash(key.hash),
                .time(key.createdAt), .time(key.expiresAt), .time(key.revokedAt), .time(key.lastUsedAt),
                .optional(key.replaces),
            ])
        try noteKeysChanged(entry)
    }

    func revokeKey(_ id: String, at time: Timestamp, audit entry: AuditEntry) throws -> StoredKey? {
        let changed = try run(
            "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [.time(time), .text(id)])
        guard changed > 0 else { return nil }
        try noteKeysChanged(entry)
        return try first(Queries.key, [.text(id)]) { try StoredKey($0) }
    }

    func rotateKey(_ id: String, to new: StoredKey, oldEnd: Timestamp, audit entry: AuditEntry) throws -> Bool {
        let changed = try run(
            """
            UPDATE api_keys SET expires_at = min(coalesce(expires_at, ?1), ?1) WHERE id = ?2 AND revoked_at IS NULL
            """, [.time(oldEnd), .text(id)])
        guard changed > 0 else { return false }
        try addKey(new, audit: entry)
        return true
    }

    func noteKeyUses(_ uses: [String: Timestamp]) throws {
        for (id, time) in uses {
            try run(
                "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?",
                [.time(time), .text(id)])
        }
    }

    private func noteKeysChanged(_ entry: AuditEntry) throws {
        try run("UPDATE api_key_changes SET version = version + 1")
        try audit(entry)
    }
}

extension Queries {
    /// Few, so that they are sorted in memory.
    static let keys = "SELECT \(StoredKey.columns) FROM api_keys ORDER BY created_at DESC, id DESC"
    static let key = "SELECT \(StoredKey.columns) FROM api_keys WHERE id = ?"
}

extension StoredKey {
    fileprivate static let columns = """
        id, name, owner, scopes, hosts, labels, networks, control_cards, hash, created_at, expires_at, revoked_at, \
        last_used_at, replaces
        """

    fileprivate init(_ row: SQLRow) throws {
        let hosts = row.optionalText(4).map { Set($0.split(separator: " ").compactMap { HostID($0) }) }
        let labels = row.text(5).split(separator: "\n").compactMap { line -> Job.Label? in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 ? Job.Label(key: String(parts[0]), value: String(parts[1])) : nil
        }
        self.init(
            id: row.text(0), name: row.text(1), owner: try row.require(Owner(row.text(2)), "an owner"),
            // A scope of a newer version is no right here.
            scopes: Scopes(row.text(3).split(separator: " ").compactMap { Scope(rawValue: String($0)) }),
            hosts: hosts, labels: labels, networks: row.text(6).split(separator: " ").map(String.init),
            allowsControlCards: row.int(7) != 0, hash: try row.hash(8), createdAt: row.time(9),
            expiresAt: row.optionalTime(10), revokedAt: row.optionalTime(11), lastUsedAt: row.optionalTime(12),
            replaces: row.optionalText(13))
    }
}
