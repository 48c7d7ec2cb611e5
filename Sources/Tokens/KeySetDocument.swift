import Wire

/// A JSON Web Key Set (RFC 7517): the public keys in it that can check a signature of ours.
package struct KeySetDocument: Equatable, Sendable {
    package struct Key: Equatable, Sendable {
        package enum Material: Equatable, Sendable {
            case rsa(modulus: [UInt8], exponent: [UInt8])
            case p256(x: [UInt8], y: [UInt8])
            case ed25519([UInt8])
        }

        package let id: String?
        package let material: Material

        package var algorithm: SigningAlgorithm {
            switch material {
            case .rsa: .rs256
            case .p256: .es256
            case .ed25519: .edDSA
            }
        }
    }

    package enum Fault: Error, Equatable, Sendable {
        case tooLarge(limit: Int)
        /// No JSON object with a list `keys`.
        case notAKeySet
        case tooManyKeys(limit: Int)
        /// None of its keys can be used; why not, one by one.
        case nothingUsable([String])
    }

    package let keys: [Key]
    /// Why others were left out, for the log.
    package let leftOut: [String]

    package static let largest = 256 * 1024
    package static let mostKeys = 100

    package init(parsing text: [UInt8]) throws(Fault) {
        guard text.count <= Self.largest else { throw .tooLarge(limit: Self.largest) }
        guard let document = try? JSONValue(parsing: text), let list = document["keys"]?.elements else {
            throw .notAKeySet
        }
        guard list.count <= Self.mostKeys else { throw .tooManyKeys(limit: Self.mostKeys) }
        var keys: [Key] = []
        var leftOut: [String] = []
        for (number, value) in list.enumerated() {
            do throws(KeyFault) {
                keys.append(try Self.key(value))
            } catch {
                leftOut.append("key \(number + 1): \(error.words)")
            }
        }
        guard !keys.isEmpty else { throw .nothingUsable(leftOut) }
        self.keys = keys
        self.leftOut = leftOut
    }

    private struct KeyFault: Error {
        let words: String
    }

    private static func key(_ value: JSONValue) throws(KeyFault) -> Key {
        guard value["d"] == nil, value["k"] == nil else { throw KeyFault(words: "it is a secret, not a public key") }
        if let use = value["use"], use.string != "sig" { throw KeyFault(words: "it is not for signatures") }
        if let deeds = value["key_ops"] {
            guard deeds.elements?.contains(.string("verify")) ?? false else {
                throw KeyFault(words: "it is not for checking signatures")
            }
        }
        var id: String?
        if let given = value["kid"] {
            guard let text = given.string, text.utf8.count <= 256 else {
                throw KeyFault(words: "its kid is no text of at most 256 octets")
            }
            id = text
        }
        let key = Key(id: id, material: try material(value))
        if let algorithm = value["alg"], algorithm.string != key.algorithm.rawValue {
            throw KeyFault(words: "it is for an algorithm that is not taken")
        }
        return key
    }

    private static func material(_ value: JSONValue) throws(KeyFault) -> Key.Material {
        func octets(_ name: String, _ length: ClosedRange<Int>) throws(KeyFault) -> [UInt8] {
            guard let text = value[name]?.string, let octets = Base64.decode(text, .url),
                length.contains(octets.count)
            else { throw KeyFault(words: "its \(name) is missing, no base64url, or of a wrong length") }
            return octets
        }
        switch (value["kty"]?.string, value["crv"]?.string) {
        case ("RSA", _):
            // 2048 to 8192 bits, perhaps with a zero before them.
            let modulus = Array(try octets("n", 256...1025).drop { $0 == 0 })
            guard let first = modulus.first, (256...1024).contains(modulus.count),
                modulus.count > 256 || first & 0x80 != 0
            else { throw KeyFault(words: "its modulus has not 2048 to 8192 bits") }
            return .rsa(modulus: modulus, exponent: try octets("e", 1...4))
        case ("EC", "P-256"): return .p256(x: try octets("x", 32...32), y: try octets("y", 32...32))
        case ("OKP", "Ed25519"): return .ed25519(try octets("x", 32...32))
        default: throw KeyFault(words: "it is none of RSA, P-256 and Ed25519")
        }
    }
}
