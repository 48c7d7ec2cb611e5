package import Crypto
import Wire

/// SHA-256 of a stored body.
package struct ContentHash: Hashable, Sendable {
    /// 32 octets.
    package let octets: [UInt8]

    package init?(octets: [UInt8]) {
        guard octets.count == 32 else { return nil }
        self.octets = octets
    }

    package init?(hex: some StringProtocol) {
        guard let octets = Hex.decode(hex) else { return nil }
        self.init(octets: octets)
    }

    package init(of bytes: [UInt8]) { self.init(SHA256.hash(data: bytes)) }

    package init(_ digest: SHA256.Digest) { octets = digest.withUnsafeBytes { Array($0) } }

    package var hex: String { Hex.encode(octets) }
}

/// The hash of what comes piece by piece.
package struct ContentHasher: Sendable {
    private var hash = SHA256()

    package init() {}
    package mutating func update(_ piece: [UInt8]) { hash.update(data: piece) }
    package func finish() -> ContentHash { ContentHash(hash.finalize()) }
}
