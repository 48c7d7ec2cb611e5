import Crypto
package import Jobs
import Lines
package import Stores
import Wire

/// The gateway's own Ed25519 keys (`v1a`): the newest signs, the one before it for some days more, and the public half of all
/// that ever signed is served, so that a receipt can be checked years later.
package final class GatewayKeys: Sendable {
    package struct PublicKey: Equatable, Sendable {
        package let id: String
        /// `whpk_` and base64.
        package let text: String
        package let createdAt: Timestamp
        /// nil for the newest, which has no end yet; in the past for one that is only kept for old receipts.
        package var signsUntil: Timestamp?
    }

    private struct Key: Sendable {
        let publicKey: PublicKey
        let key: SigningKey
    }

    /// Receivers that hold the old public key have this long to fetch the new one.
    package static let overlap: Duration = .seconds(7 * 86_400)

    private let keys: Locked<[Key]>

    /// Reads the keys of a store, and makes the first one.
    package init(store: any EndpointStore, clock: WallClock = .system) async throws(StoreError) {
        var stored = try await store.signingKeys()
        if stored.isEmpty {
            let first = Self.make(at: clock.now())
            try await store.addSigningKey(first, audit: nil)
            stored = [first]
        }
        keys = Locked(stored.compactMap { Self.key($0) })
    }

    /// Newest first.
    package var publicKeys: [PublicKey] {
        let all = keys.withLock { $0.map(\.publicKey) }
        return all.enumerated().map { index, key in
            guard index > 0 else { return key }
            var key = key
            let replaced = all[index - 1].createdAt
            // The third newest signs no more, however soon it was replaced.
            let last = index > 1 ? all[index - 2].createdAt : replaced.advanced(by: Self.overlap)
            key.signsUntil = min(last, replaced.advanced(by: Self.overlap))
            return key
        }
    }

    /// A new key signs from now on.
    package func rotate(
        in store: any EndpointStore, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) {
        let new = Self.make(at: time)
        try await store.addSigningKey(new, audit: audit)
        if let key = Self.key(new) { keys.withLock { $0.insert(key, at: 0) } }
    }

    /// What signs at this time, newest first.
    package func signing(at time: Timestamp) -> [SigningKey] {
        keys.withLock { keys in
            guard let newest = keys.first else { return [] }
            let isOverlap = newest.publicKey.createdAt.duration(to: time) < Self.overlap
            return keys.prefix(isOverlap ? 2 : 1).map(\.key)
        }
    }

    /// `v1a,` and base64, by each key that signs now.
    package func signature(id: String, timestamp: Int64, body: [UInt8]) -> String {
        Signer(signing(at: Timestamp(microseconds: timestamp * 1_000_000)))
            .signatures(id: id, timestamp: timestamp, body: body)
    }

    private static func make(at time: Timestamp) -> StoredSigningKey {
        let key = Curve25519.Signing.PrivateKey()
        return StoredSigningKey(
            id: "key_\(JobID(at: time))", secret: "whsk_" + Base64.encode(Array(key.rawRepresentation)),
            createdAt: time)
    }

    private static func key(_ stored: StoredSigningKey) -> Key? {
        guard let key = try? SigningKey(stored.secret), let text = key.publicKey else { return nil }
        return Key(publicKey: PublicKey(id: stored.id, text: text, createdAt: stored.createdAt), key: key)
    }
}
