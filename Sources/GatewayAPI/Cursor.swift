import Crypto
import Foundation
import HTTPCore
import Jobs
import Wire

/// Where a list goes on: opaque to clients, signed, bound to the filters it was made for.
struct Cursor: Equatable {
    /// The last job of the page before.
    let last: JobID
    let expires: Timestamp

    private static let version: UInt8 = 1
    private static let signatureOctets = 16

    /// - Parameter filters: the list's canonical filters.
    func text(filters: String, secret: [UInt8]) -> String {
        var octets = [Self.version]
        withUnsafeBytes(of: last.bits.bigEndian) { octets += $0 }
        withUnsafeBytes(of: expires.microseconds.bigEndian) { octets += $0 }
        return Base64.encode(octets + Self.signature(octets, filters, secret), .url)
    }

    init(last: JobID, expires: Timestamp) {
        self.last = last
        self.expires = expires
    }

    init(_ text: String, filters: String, secret: [UInt8], now: Timestamp) throws(Problem) {
        guard let octets = Base64.decode(text, .url), octets.count == 25 + Self.signatureOctets,
            octets[0] == Self.version
        else { throw Problem(.invalidCursor, "This is no cursor of this list; begin again without it.") }
        let signed = Array(octets[..<25])
        let expected = Self.signature(signed, filters, secret)
        var difference: UInt8 = 0
        for (given, right) in zip(octets[25...], expected) { difference |= given ^ right }
        guard difference == 0 else {
            throw Problem(
                .invalidCursor, "The cursor belongs to a list with other filters, or to another gateway; begin again.")
        }
        last = JobID(bits: octets[1..<17].reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
        expires = Timestamp(
            microseconds: Int64(bitPattern: octets[17..<25].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
        guard expires >= now else { throw Problem(.invalidCursor, "The cursor has expired; begin again without it.") }
    }

    private static func signature(_ octets: [UInt8], _ filters: String, _ secret: [UInt8]) -> [UInt8] {
        var hash = HMAC<SHA256>(key: SymmetricKey(data: secret))
        hash.update(data: octets)
        hash.update(data: Array(filters.utf8))
        return Array(Array(hash.finalize()).prefix(signatureOctets))
    }
}
