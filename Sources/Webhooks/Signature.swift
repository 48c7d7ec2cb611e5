package import Crypto
import Wire

/// Why a signing secret was not taken.
package enum SecretError: Error, Equatable, CustomStringConvertible {
    case unknownKind
    case notBase64
    case wrongLength(bytes: Int, allowed: ClosedRange<Int>)

    package var description: String {
        switch self {
        case .unknownKind: "A webhook secret begins with whsec_ (or whsk_ for Ed25519)."
        case .notBase64: "What follows the prefix of a webhook secret is base64."
        case .wrongLength(let bytes, let allowed):
            allowed.count == 1
                ? "The key has \(bytes) bytes; it must have \(allowed.lowerBound)."
                : "The key has \(bytes) bytes; it must have \(allowed.lowerBound) to \(allowed.upperBound)."
        }
    }
}

/// One key of an endpoint. Its text form is a secret: never logged, hence no `description`.
package enum SigningKey: Sendable {
    /// `v1`: HMAC-SHA256.
    case shared(SymmetricKey)
    /// `v1a`: Ed25519.
    case pair(Curve25519.Signing.PrivateKey)

    /// - Parameter secret: `whsec_` and base64 of 24-64 bytes, or `whsk_` and base64 of a 32-byte seed.
    package init(_ secret: some StringProtocol) throws(SecretError) {
        if secret.hasPrefix("whsec_") {
            let bytes = try decode(secret.dropFirst(6), 24...64)
            self = .shared(SymmetricKey(data: bytes))
        } else if secret.hasPrefix("whsk_") {
            let bytes = try decode(secret.dropFirst(5), 32...32)
            guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes) else { throw .notBase64 }
            self = .pair(key)
        } else {
            throw .unknownKind
        }
    }

    /// A fresh `whsec_` secret of 32 random bytes.
    package static func newSecret() -> String {
        "whsec_" + SymmetricKey(size: .bits256).withUnsafeBytes { Base64.encode($0) }
    }

    /// `whpk_` and base64 for an Ed25519 key; nil for a shared one.
    package var publicKey: String? {
        guard case .pair(let key) = self else { return nil }
        return "whpk_" + Base64.encode(Array(key.publicKey.rawRepresentation))
    }

    func signature(over content: [UInt8]) -> String? {
        switch self {
        case .shared(let key):
            return "v1," + Base64.encode(Array(HMAC<SHA256>.authenticationCode(for: content, using: key)))
        case .pair(let key):
            // Fails only for want of random numbers, which Ed25519 does not need.
            guard let signature = try? key.signature(for: content) else { return nil }
            return "v1a," + Base64.encode(Array(signature))
        }
    }
}

/// Signs by Standard Webhooks. Several keys give several signatures in one header: the new and the old secret during a
/// rotation, an Ed25519 key beside a shared one.
package struct Signer: Sendable {
    package let keys: [SigningKey]

    package init(_ keys: [SigningKey]) { self.keys = keys }

    package init(secret: String) throws(SecretError) { keys = [try SigningKey(secret)] }

    /// The value of `webhook-signature`.
    /// - Parameters:
    ///   - id: `webhook-id`; has no dot in it.
    ///   - timestamp: Unix seconds of this try.
    package func signatures(id: String, timestamp: Int64, body: [UInt8]) -> String {
        let content = signedContent(id: id, timestamp: String(timestamp), body: body)
        return keys.compactMap { $0.signature(over: content) }.joined(separator: " ")
    }
}

/// The receiver's side, as `port77 demo` and the tests use it.
package struct SignatureVerifier: Sendable {
    package enum Failure: Error, Equatable {
        case malformedTimestamp
        /// More than five minutes off, to either side: an old request played again, or a wrong clock.
        case timestampTooOld, timestampTooNew
        case noMatchingSignature
    }

    /// To either side of the receiver's clock; the reference libraries' figure.
    package static let tolerance: Duration = .seconds(300)

    private enum Key: Sendable {
        case shared(SymmetricKey)
        case open(Curve25519.Signing.PublicKey)
    }

    private let keys: [Key]

    /// - Parameter keys: `whsec_` secrets and `whpk_` public keys; a match of any is enough.
    package init(_ keys: [String]) throws(SecretError) {
        var parsed: [Key] = []
        for key in keys {
            if key.hasPrefix("whpk_") {
                let bytes = try decode(key.dropFirst(5), 32...32)
                guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { throw .notBase64 }
                parsed.append(.open(key))
            } else if case .shared(let key) = try SigningKey(key) {
                parsed.append(.shared(key))
            } else {
                throw .unknownKind
            }
        }
        self.keys = parsed
    }

    /// - Parameters:
    ///   - timestamp: the header as it came.
    ///   - signatures: the header as it came; entries of unknown versions are passed over.
    ///   - now: Unix seconds.
    package func verify(id: String, timestamp: String, signatures: String, body: [UInt8], now: Int64) throws(Failure) {
        guard timestamp.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int64(timestamp) else {
            throw .malformedTimestamp
        }
        let tolerance = Self.tolerance.components.seconds
        guard seconds >= now - tolerance else { throw .timestampTooOld }
        guard seconds <= now + tolerance else { throw .timestampTooNew }
        let content = signedContent(id: id, timestamp: timestamp, body: body)
        var isGenuine = false
        // At most eight: a header must not make us compute for long.
        for entry in signatures.split(separator: " ").prefix(8) {
            guard let comma = entry.firstIndex(of: ","),
                let bytes = Base64.decode(entry[entry.index(after: comma)...])
            else { continue }
            for key in keys {
                switch (key, entry[..<comma]) {
                case (.shared(let key), "v1"):
                    // Compares in constant time.
                    if HMAC<SHA256>.isValidAuthenticationCode(bytes, authenticating: content, using: key) {
                        isGenuine = true
                    }
                case (.open(let key), "v1a"):
                    if key.isValidSignature(bytes, for: content) { isGenuine = true }
                default: continue
                }
            }
        }
        guard isGenuine else { throw .noMatchingSignature }
    }
}

private func signedContent(id: String, timestamp: String, body: [UInt8]) -> [UInt8] {
    var content: [UInt8] = []
    content.reserveCapacity(id.utf8.count + timestamp.utf8.count + 2 + body.count)
    content.append(contentsOf: id.utf8)
    content.append(0x2E)
    content.append(contentsOf: timestamp.utf8)
    content.append(0x2E)
    content.append(contentsOf: body)
    return content
}

private func decode(_ text: some StringProtocol, _ allowed: ClosedRange<Int>) throws(SecretError) -> [UInt8] {
    guard let bytes = Base64.decode(text) else { throw .notBase64 }
    guard allowed.contains(bytes.count) else { throw .wrongLength(bytes: bytes.count, allowed: allowed) }
    return bytes
}
