package import Jobs

/// The keys that callers have. A second process may change them under a running gateway (`port77 keys`): `keysVersion` tells.
package protocol KeyStore: AnyObject, Sendable {
    /// All that were not removed, newest first, revoked and expired ones among them.
    func keys() async throws(StoreError) -> [StoredKey]

    /// Grows with every change of a key by anybody, but not by `noteKeyUses`.
    func keysVersion() async throws(StoreError) -> Int64

    func addKey(_ key: StoredKey, audit: AuditEntry) async throws(StoreError)

    /// - Returns: the key as it is now; nil when there is none, or it was revoked before.
    func revokeKey(_ id: String, at time: Timestamp, audit: AuditEntry) async throws(StoreError) -> StoredKey?

    /// Adds a key in the place of `id`, which is good until `oldEnd` at most.
    /// - Returns: false when there is no such key, or it is revoked.
    func rotateKey(_ id: String, to new: StoredKey, oldEnd: Timestamp, audit: AuditEntry) async throws(StoreError)
        -> Bool

    /// When keys were used last, by ID.
    func noteKeyUses(_ uses: [String: Timestamp]) async throws(StoreError)
}

/// A key as it is kept: everything but the secret.
package struct StoredKey: Equatable, Sendable {
    /// 8 characters, the part of the key that may be shown.
    package let id: String
    /// For people.
    package var name: String
    package var owner: Owner
    package var scopes: Scopes
    /// Hosts of which its holder may know; nil: all.
    package var hosts: Set<HostID>?
    /// What the jobs its holder sees carry, and those he hands in get.
    package var labels: [Job.Label]
    /// Networks it may be used from (`10.0.0.0/8`); empty: any.
    package var networks: [String]
    package var allowsControlCards: Bool
    /// HMAC-SHA-256 of the key's text under the gateway's secret.
    package let hash: ContentHash
    package let createdAt: Timestamp
    package var expiresAt: Timestamp?
    package var revokedAt: Timestamp?
    /// To about a minute.
    package var lastUsedAt: Timestamp?
    /// The key that this one was made in place of.
    package var replaces: String?

    package init(
        id: String, name: String, owner: Owner, scopes: Scopes, hosts: Set<HostID>? = nil, labels: [Job.Label] = [],
        networks: [String] = [], allowsControlCards: Bool = false, hash: ContentHash, createdAt: Timestamp,
        expiresAt: Timestamp? = nil, revokedAt: Timestamp? = nil, lastUsedAt: Timestamp? = nil, replaces: String? = nil
    ) {
        self.id = id
        self.name = name
        self.owner = owner
        self.scopes = scopes
        self.hosts = hosts
        self.labels = labels
        self.networks = networks
        self.allowsControlCards = allowsControlCards
        self.hash = hash
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedAt = lastUsedAt
        self.replaces = replaces
    }

    /// Whether it opens anything at this moment.
    package func isGood(at time: Timestamp) -> Bool {
        revokedAt == nil && (expiresAt.map { time < $0 } ?? true)
    }
}
