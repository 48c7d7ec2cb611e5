import Crypto
package import Jobs
import Wire

/// A key as its holder has it: `rje_ENV_` and 8 characters of ID, `_` and 43 of secret with 6 of a sum over all before.
/// The sum lets a secret scanner, and us, tell a key from what only looks like one, without asking anybody.
package struct APIKey: Sendable {
    /// Shown everywhere; finds the key.
    package let id: String
    package let text: String

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let idLength = 8
    /// 43 of 62 characters are 256 bits.
    private static let secretLength = 43
    private static let sumLength = 6
    /// An environment is 1 to 12 of a-z 0-9.
    private static let lengths =
        4 + 1 + 1 + idLength + 1 + secretLength + sumLength...4 + 12 + 1 + idLength + 1 + secretLength + sumLength

    /// A fresh one from the system's generator.
    ///
    /// - Returns: nil when the environment is not 1 to 12 of a-z 0-9.
    package init?(environment: String = "live") {
        guard Self.isEnvironment(environment.utf8) else { return nil }
        var generator = SystemRandomNumberGenerator()
        func random(_ count: Int) -> String {
            String(
                decoding: (0..<count).map { _ in Self.alphabet[Int.random(in: 0..<62, using: &generator)] },
                as: UTF8.self)
        }
        id = random(Self.idLength)
        let body = "rje_\(environment)_\(id)_\(random(Self.secretLength))"
        text = body + Self.sum(Array(body.utf8)[...])
    }

    /// - Returns: nil unless the form and the sum are right.
    package init?(_ text: some StringProtocol) {
        let octets = Array(text.utf8)
        guard Self.lengths.contains(octets.count), octets.starts(with: "rje_".utf8) else { return nil }
        let parts = octets.split(separator: 0x5F, omittingEmptySubsequences: false)
        guard parts.count == 4, Self.isEnvironment(parts[1]), parts[2].count == Self.idLength,
            parts[3].count == Self.secretLength + Self.sumLength,
            (parts[2] + parts[3]).allSatisfy({ Self.alphabet.contains($0) }),
            Self.sum(octets.dropLast(Self.sumLength)).utf8.elementsEqual(octets.suffix(Self.sumLength))
        else { return nil }
        id = String(decoding: parts[2], as: UTF8.self)
        self.text = String(text)
    }

    private static func isEnvironment(_ octets: some Collection<UInt8>) -> Bool {
        (1...12).contains(octets.count)
            && octets.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
    }

    private static func sum(_ octets: ArraySlice<UInt8>) -> String {
        var rest = Int(CRC32.of(octets))
        var digits: [UInt8] = []
        for _ in 0..<sumLength {
            digits.append(alphabet[rest % 62])
            rest /= 62
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }

    /// What is stored of it.
    package func hash(under pepper: KeyPepper) -> ContentHash { pepper.hash(text) }
}

/// What the hashes of keys are made under: without it, a stolen database is no list to try keys against.
package struct KeyPepper: Sendable {
    private let key: SymmetricKey

    /// - Parameter secret: of the data folder; what is derived serves nothing else.
    package init(secret: [UInt8]) {
        key = SymmetricKey(
            data: HMAC<SHA256>.authenticationCode(for: Array("port77 api keys".utf8), using: SymmetricKey(data: secret))
        )
    }

    func hash(_ text: String) -> ContentHash {
        let code = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
        return ContentHash(octets: Array(code)) ?? ContentHash(of: [])
    }
}

extension ContentHash {
    /// Takes as long wherever the first difference is.
    func isSame(as other: ContentHash) -> Bool {
        zip(octets, other.octets).reduce(0) { $0 | $1.0 ^ $1.1 } == 0
    }
}
