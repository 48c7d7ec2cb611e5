import Crypto
import Foundation
import Glibc
import Jobs

/// 32 random octets of this data folder, made at the first use: keys the hashes and signatures that only this gateway reads.
struct InstanceSecret {
    let octets: [UInt8]

    init(folder: String) throws {
        let path = "\(folder)/instance-secret"
        if let stored = readSmallFile(path), stored.count == 32 {
            octets = stored
            return
        }
        let fresh = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
            let words = cause.map { String(cString: strerror(Int32(truncatingIfNeeded: $0.code))) }
            throw ConfigurationFault(
                line: 0, column: 0,
                words: "the data folder \(folder) cannot be made: \(words ?? error.localizedDescription)")
        }
        // Written whole and named last: `serve` and `port77 keys` may both be the first, and then one secret stays.
        let draft = "\(path).\(getpid())"
        defer { unlink(draft) }
        guard Self.write(fresh, to: draft) else {
            let words = String(cString: strerror(errno))
            throw ConfigurationFault(
                line: 0, column: 0,
                words: "the data folder \(folder) cannot be written: \(words); it has to belong to whoever runs port77")
        }
        if readSmallFile(path) != nil { unlink(path) }  // what a crash left of one
        if link(draft, path) != 0, errno != EEXIST {
            throw ConfigurationFault(line: 0, column: 0, words: "\(path) cannot be written")
        }
        guard let stored = readSmallFile(path), stored.count == 32 else {
            throw ConfigurationFault(line: 0, column: 0, words: "\(path) cannot be read")
        }
        octets = stored
    }

    private static func write(_ octets: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Glibc.write(descriptor, octets, octets.count) == octets.count && fsync(descriptor) == 0
    }

    /// Tells whether a credential is the one that was refused, without keeping it.
    func fingerprint(of credential: String) -> ContentHash {
        let code = HMAC<SHA256>.authenticationCode(for: Data(credential.utf8), using: SymmetricKey(data: octets))
        return ContentHash(octets: Array(code)) ?? ContentHash(of: [])
    }
}
