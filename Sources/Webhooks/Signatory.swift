import Jobs
import Lines
import Stores

/// Finds the keys that sign for an endpoint now: its own secrets or the gateway's, and the gateway's Ed25519 keys if asked for.
final class Signatory: Sendable {
    private let ordinary: Locked<@Sendable (Int64) -> Signer>
    private let gateway: GatewayKeys?
    /// Read once: base64 and a check.
    private let known = Locked<[String: SigningKey]>([:])

    private static let mostKnown = 4096

    init(ordinary: @escaping @Sendable (Int64) -> Signer, gateway: GatewayKeys?) {
        self.ordinary = Locked(ordinary)
        self.gateway = gateway
    }

    func use(_ ordinary: @escaping @Sendable (Int64) -> Signer) { self.ordinary.withLock { $0 = ordinary } }

    func signer(for target: DeliveryTarget, endpoint: Int64, at now: Timestamp) -> Signer {
        var keys = target.secrets.filter { $0.signs(at: now) }.compactMap { key($0.text) }
        if keys.isEmpty { keys = ordinary.withLock { $0 }(endpoint).keys }
        if target.signatures.contains(.v1a), let gateway { keys += gateway.signing(at: now) }
        return Signer(keys)
    }

    private func key(_ secret: String) -> SigningKey? {
        known.withLock { known in
            if let key = known[secret] { return key }
            guard let key = try? SigningKey(secret) else { return nil }
            if known.count >= Self.mostKnown { known = [:] }
            known[secret] = key
            return key
        }
    }
}
