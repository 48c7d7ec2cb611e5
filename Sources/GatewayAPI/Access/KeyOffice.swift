package import Jobs
package import Stores

/// Makes, revokes and rotates keys: for the API, and for `port77 keys` on the data folder.
package struct KeyOffice: Sendable {
    /// A key with its secret, which is shown this once.
    package struct Made: Sendable {
        package let text: String
        package let key: StoredKey
    }

    package static let usualOverlap = Duration.seconds(86_400)
    package static let longestOverlapSeconds = 30 * 86_400

    private let store: any KeyStore
    private let pepper: KeyPepper
    private let clock: WallClock

    package init(store: any KeyStore, pepper: KeyPepper, clock: WallClock = .system) {
        self.store = store
        self.pepper = pepper
        self.clock = clock
    }

    /// The moment that spans of a wish are counted from.
    package var now: Timestamp { clock.now() }

    package func keys() async throws(StoreError) -> [StoredKey] { try await store.keys() }

    package func key(_ id: String) async throws(StoreError) -> StoredKey? {
        try await store.keys().first { $0.id == id }
    }

    /// - Returns: nil when the wish names no environment that a key can have.
    package func create(_ wish: KeyWish, by principal: Principal) async throws(StoreError) -> Made? {
        guard let fresh = APIKey(environment: wish.environment) else { return nil }
        let now = clock.now()
        let key = StoredKey(
            id: fresh.id, name: wish.name, owner: wish.owner, scopes: wish.scopes, hosts: wish.hosts,
            labels: wish.labels, networks: wish.networks, allowsControlCards: wish.allowsControlCards,
            hash: fresh.hash(under: pepper), createdAt: now, expiresAt: wish.expiresAt)
        try await store.addKey(
            key,
            audit: AuditEntry(
                at: now, by: principal, owner: key.owner, action: "key.create", subject: key.id,
                detail: "\(key.name): \(key.scopes.words.joined(separator: " "))"))
        return Made(text: fresh.text, key: key)
    }

    /// - Returns: false when there is no such key, or it was revoked before.
    package func revoke(_ key: StoredKey, by principal: Principal) async throws(StoreError) -> Bool {
        let now = clock.now()
        let audit = AuditEntry(
            at: now, by: principal, owner: key.owner, action: "key.revoke", subject: key.id, detail: key.name)
        return try await store.revokeKey(key.id, at: now, audit: audit) != nil
    }

    /// A new key with the rights of the old one, which is good for the overlap still.
    ///
    /// - Returns: nil when the old one is not good any more.
    package func rotate(
        _ old: StoredKey, overlap: Duration, by principal: Principal
    ) async throws(StoreError) -> Made? {
        let now = clock.now()
        guard old.isGood(at: now), let fresh = APIKey() else { return nil }
        let key = StoredKey(
            id: fresh.id, name: old.name, owner: old.owner, scopes: old.scopes, hosts: old.hosts, labels: old.labels,
            networks: old.networks, allowsControlCards: old.allowsControlCards, hash: fresh.hash(under: pepper),
            createdAt: now, expiresAt: old.expiresAt.map { now.advanced(by: old.createdAt.duration(to: $0)) },
            replaces: old.id)
        let end = now.advanced(by: overlap)
        let audit = AuditEntry(
            at: now, by: principal, owner: old.owner, action: "key.rotate", subject: old.id,
            detail: "to \(key.id), good until \(end.rfc3339)")
        guard try await store.rotateKey(old.id, to: key, oldEnd: end, audit: audit) else { return nil }
        return Made(text: fresh.text, key: key)
    }
}
