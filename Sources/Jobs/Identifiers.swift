import Wire

/// Ours: 26 characters of Crockford base 32, sortable by the time of submission (a ULID).
package struct JobID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let bits: UInt128

    package init(bits: UInt128) { self.bits = bits }

    /// - Returns: nil unless `text` is 26 characters of the alphabet (any case) that fit into 128 bits.
    package init?(_ text: some StringProtocol) {
        guard let bits = Crockford.decode(text) else { return nil }
        self.init(bits: bits)
    }

    /// - Parameters:
    ///   - time: the 48 bits of milliseconds that the ID begins with.
    ///   - random: its lower 80 bits are taken.
    package init(time: Timestamp, random: UInt128) {
        let milliseconds = UInt128(UInt64(max(0, time.microseconds / 1000)) & 0xFFFF_FFFF_FFFF)
        self.init(bits: milliseconds << 80 | random & (1 << 80 - 1))
    }

    /// A fresh one from the system's generator.
    package init(at time: Timestamp) {
        var generator = PooledRandom()
        self.init(time: time, random: UInt128(generator.next()) << 64 | UInt128(generator.next()))
    }

    package var description: String { Crockford.encode(bits) }

    package static func < (left: JobID, right: JobID) -> Bool { left.bits < right.bits }
}

/// Of jobs that were handed in together: 26 characters like those of a job ID.
package struct BatchID: Hashable, Sendable, CustomStringConvertible {
    private let id: JobID

    package init(bits: UInt128) { id = JobID(bits: bits) }

    package init?(_ text: some StringProtocol) {
        guard let id = JobID(text) else { return nil }
        self.id = id
    }

    package init(at time: Timestamp) { id = JobID(at: time) }

    package var bits: UInt128 { id.bits }
    package var description: String { id.description }
}

/// The submitter's name for a job, from its job card: 1-8 of A-Z 0-9 $ # @, not beginning with a digit.
package struct JobName: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: some StringProtocol) {
        let national: (UInt8) -> Bool = { $0 == 0x24 || $0 == 0x23 || $0 == 0x40 }
        let letter: (UInt8) -> Bool = { (0x41...0x5A).contains($0) || national($0) }
        let octets = Array(text.uppercased().utf8)
        guard (1...8).contains(octets.count), let first = octets.first, letter(first),
            octets.allSatisfy({ letter($0) || (0x30...0x39).contains($0) })
        else { return nil }
        description = String(decoding: octets, as: UTF8.self)
    }
}

/// The host's number for a job, as the host spells it (`J00042`). At most 64 printable octets without a space.
package struct JobNumber: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: some StringProtocol) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        description = String(text)
    }
}

/// A configured host's name in URLs: 1-64 of a-z A-Z 0-9 . _ -
package struct HostID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: some StringProtocol) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isTokenOctet) else { return nil }
        description = String(text)
    }

    package static func < (left: HostID, right: HostID) -> Bool { left.description < right.description }
}

/// Whose job it is. Until keys exist everything belongs to `Owner.local`.
package struct Owner: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String
    package static let local = Owner(unchecked: "local")

    package init?(_ text: some StringProtocol) {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isTokenOctet) else { return nil }
        description = String(text)
    }

    private init(unchecked text: String) { description = text }

    package static func < (left: Owner, right: Owner) -> Bool { left.description < right.description }
}

/// The characters allowed in keys and names that travel in URLs and on the wire.
package func isTokenOctet(_ octet: UInt8) -> Bool {
    switch octet {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x2D: true
    default: false
    }
}
