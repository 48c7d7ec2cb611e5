import Crypto
import Foundation

/// - Parameters:
///   - keys: `whsec_` secrets and `whpk_` public keys; a match of any is enough.
///   - now: Unix seconds.
func isGenuine(
    id: String, timestamp: String, signatures: String, body: Data, keys: [String],
    now: Int = Int(Date().timeIntervalSince1970)
) -> Bool {
    guard let seconds = Int(timestamp), (now - 300...now + 300).contains(seconds) else { return false }
    let signed = Data("\(id).\(timestamp).".utf8) + body
    for entry in signatures.split(separator: " ") {
        let parts = entry.split(separator: ",", maxSplits: 1)
        guard parts.count == 2, let signature = Data(base64Encoded: String(parts[1])) else { continue }
        for key in keys {
            let octets = Data(base64Encoded: String(key.drop { $0 != "_" }.dropFirst())) ?? Data()
            if key.hasPrefix("whsec_"), parts[0] == "v1" {
                let key = SymmetricKey(data: octets)
                if HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: key) { return true }
            } else if key.hasPrefix("whpk_"), parts[0] == "v1a",
                let key = try? Curve25519.Signing.PublicKey(rawRepresentation: octets)
            {
                if key.isValidSignature(signature, for: signed) { return true }
            }
        }
    }
    return false
}
