/// Why a token is not taken. For the log, never for who sent it.
package enum TokenFault: Error, Equatable, Sendable {
    /// Not three parts of base64url with two JSON objects in them.
    case notAToken
    case tooLong(limit: Int)
    /// `alg` is none of ours, or not one this issuer signs with.
    case algorithmRefused(String)
    /// `crit` asks for something we would have to understand.
    case critical
    /// `typ` says it is another kind of token.
    case otherType(String)
    case unknownIssuer
    /// The key set was not read yet, or is being read because of this key.
    case keysAwaited
    case unknownKey
    case wrongSignature
    case wrongAudience
    case expired
    case notYetValid
    /// A claim that is needed is missing, or of another kind than it must be.
    case badClaim(String)
}
