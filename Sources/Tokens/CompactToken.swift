package import Wire

/// The ways of signing that are taken, and no others (RFC 7518, RFC 8037). There is no case for `none`, nor for a shared secret:
/// a public key can never be taken for one.
package enum SigningAlgorithm: String, CaseIterable, Sendable {
    case rs256 = "RS256"
    case es256 = "ES256"
    case edDSA = "EdDSA"
}

/// A JSON Web Token as it came (RFC 7519, compact form of RFC 7515): read, not yet believed.
package struct CompactToken: Equatable, Sendable {
    package let algorithm: SigningAlgorithm
    package let keyID: String?
    package let claims: JSONValue
    /// What is signed: the first two parts as they came.
    package let signed: [UInt8]
    package let signature: [UInt8]

    /// Octets of the whole; those of the large providers have 1 to 3 KiB.
    package static let longest = 8 * 1024
    /// A key with 8192 bits.
    static let longestSignature = 1024

    package init(parsing text: some StringProtocol) throws(TokenFault) {
        guard text.utf8.count <= Self.longest else { throw .tooLong(limit: Self.longest) }
        let parts = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .notAToken }
        let header = try Self.object(String(decoding: parts[0], as: UTF8.self))
        (algorithm, keyID) = try Self.read(header)
        claims = try Self.object(String(decoding: parts[1], as: UTF8.self))
        guard let signature = Base64.decode(String(decoding: parts[2], as: UTF8.self), .url),
            (1...Self.longestSignature).contains(signature.count)
        else { throw .notAToken }
        self.signature = signature
        signed = Array(text.utf8.prefix(parts[0].count + 1 + parts[1].count))
    }

    private static func object(_ part: String) throws(TokenFault) -> JSONValue {
        guard let octets = Base64.decode(part, .url), let value = try? JSONValue(parsing: octets),
            value.members != nil
        else { throw .notAToken }
        return value
    }

    /// Keys or places of keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are not even looked at.
    private static func read(_ header: JSONValue) throws(TokenFault) -> (SigningAlgorithm, String?) {
        guard header["crit"] == nil, header["b64"] == nil else { throw .critical }
        guard let name = header["alg"]?.string else { throw .notAToken }
        guard let algorithm = SigningAlgorithm(rawValue: name) else {
            throw .algorithmRefused(String(name.prefix(32)))
        }
        if let type = header["typ"] {
            guard let text = type.string else { throw .notAToken }
            guard ["jwt", "at+jwt", "application/jwt", "application/at+jwt"].contains(text.lowercased()) else {
                throw .otherType(String(text.prefix(32)))
            }
        }
        guard let keyID = header["kid"] else { return (algorithm, nil) }
        guard let text = keyID.string, text.utf8.count <= 256 else { throw .notAToken }
        return (algorithm, text)
    }
}
