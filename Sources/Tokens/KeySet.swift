import Crypto
import CryptoExtras
import Foundation

/// Keys that signatures are checked with.
package struct KeySet: Sendable {
    fileprivate enum Checker: Sendable {
        case rs256(_RSA.Signing.PublicKey)
        case es256(P256.Signing.PublicKey)
        case edDSA(Curve25519.Signing.PublicKey)
    }

    fileprivate struct Entry: Sendable {
        let id: String?
        let algorithm: SigningAlgorithm
        let checker: Checker
    }

    private let entries: [Entry]
    /// Why others were left out, for the log.
    package let leftOut: [String]

    /// Keys tried for one token: a set may have two of one name while they change.
    private static let mostTried = 4

    package init(parsing text: [UInt8]) throws(KeySetDocument.Fault) {
        let document = try KeySetDocument(parsing: text)
        var leftOut = document.leftOut
        entries = document.keys.compactMap { key in
            if let checker = Self.checker(key.material) {
                return Entry(id: key.id, algorithm: key.algorithm, checker: checker)
            }
            leftOut.append(
                "the key \(key.id?.prefix(64).description ?? "without kid"): it is no point of its curve, or no modulus"
            )
            return nil
        }
        self.leftOut = leftOut
        if entries.isEmpty { throw .nothingUsable(leftOut) }
    }

    package var count: Int { entries.count }

    private static func checker(_ material: KeySetDocument.Key.Material) -> Checker? {
        switch material {
        case .rsa(let modulus, let exponent):
            (try? _RSA.Signing.PublicKey(n: modulus, e: exponent)).map { .rs256($0) }
        case .p256(let x, let y): (try? P256.Signing.PublicKey(rawRepresentation: x + y)).map { .es256($0) }
        case .ed25519(let x): (try? Curve25519.Signing.PublicKey(rawRepresentation: x)).map { .edDSA($0) }
        }
    }

    /// - Throws: `unknownKey` when the set has none for this token, `wrongSignature` when those it has did not sign it.
    package func check(_ token: CompactToken) throws(TokenFault) {
        try check(token.signature, of: token.signed, token.algorithm, keyID: token.keyID)
    }

    package func check(
        _ signature: [UInt8], of signed: [UInt8], _ algorithm: SigningAlgorithm, keyID: String?
    ) throws(TokenFault) {
        let fitting = entries.filter { $0.algorithm == algorithm && ($0.id == keyID || keyID == nil) }
        // What names no key is taken where there is one choice only.
        guard !fitting.isEmpty, keyID != nil || fitting.count == 1 else { throw .unknownKey }
        for entry in fitting.prefix(Self.mostTried) where entry.hasSigned(signed, signature) { return }
        throw .wrongSignature
    }
}

extension KeySet.Entry {
    fileprivate func hasSigned(_ signed: [UInt8], _ signature: [UInt8]) -> Bool {
        switch checker {
        case .rs256(let key):
            key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: signed),
                padding: .insecurePKCS1v1_5)
        case .es256(let key):
            (try? P256.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA256.hash(data: signed)) } ?? false
        case .edDSA(let key): key.isValidSignature(signature, for: signed)
        }
    }
}
