import Crypto
import Foundation
import Jobs

/// 32 random octets of this data folder, made at the first start: keys the hashes and signatures that only this gateway reads.
struct InstanceSecret {
    let octets: [UInt8]

    init(folder: String) throws {
        let path = "\(folder)/instance-secret"
        if let stored = readSmallFile(path), stored.count == 32 {
            octets = stored
            return
        }
        let fresh = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data(fresh), attributes: [.posixPermissions: NSNumber(value: 0o600)])
        else { throw ConfigurationFault(line: 0, column: 0, words: "\(path) cannot be written") }
        octets = fresh
    }

    /// Tells whether a credential is the one that was refused, without keeping it.
    func fingerprint(of credential: String) -> ContentHash {
        let code = HMAC<SHA256>.authenticationCode(for: Data(credential.utf8), using: SymmetricKey(data: octets))
        return ContentHash(octets: Array(code)) ?? ContentHash(of: [])
    }
}
