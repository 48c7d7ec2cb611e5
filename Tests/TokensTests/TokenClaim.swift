import Wire

#if canImport(Tokens)
    import Tokens
#endif

/// What must hold for any octets sent as a token or found as a key set: a fault, or something that is whole and within its
/// limits. The fuzz target `token` compiles this file and the parsers as well, without the cryptography.
enum TokenClaim {
    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let text = String(decoding: octets, as: UTF8.self)
        if let token = try? CompactToken(parsing: text) {
            if text.utf8.count > CompactToken.longest { return "a token of \(text.utf8.count) octets" }
            let again = String(decoding: token.signed, as: UTF8.self) + "." + Base64.encode(token.signature, .url)
            if again != text { return "a token that is not spelled in one way" }
            if token.claims.members == nil { return "claims that are no object" }
            if token.signature.isEmpty { return "a token without signature" }
        }
        if let set = try? KeySetDocument(parsing: octets) {
            if set.keys.isEmpty || set.keys.count > KeySetDocument.mostKeys { return "a set of \(set.keys.count) keys" }
            for key in set.keys {
                switch key.material {
                case .rsa(let modulus, let exponent):
                    if !(256...1024).contains(modulus.count) || modulus.first == 0 || exponent.isEmpty {
                        return "an RSA key of \(modulus.count) octets"
                    }
                case .p256(let x, let y): if x.count != 32 || y.count != 32 { return "a point of another size" }
                case .ed25519(let x): if x.count != 32 { return "an Ed25519 key of another size" }
                }
            }
        }
        return nil
    }
}
