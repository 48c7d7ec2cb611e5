import Crypto
import Foundation
import HTTPCore
import Jobs
import Stores
import Wire

/// Where a list goes on: opaque to clients, signed, bound to the filters it was made for.
struct Cursor: Equatable {
    /// The last item of the page before; the first one of the page behind, for a cursor that goes back.
    let mark: JobMark
    let isBackward: Bool
    let expires: Timestamp

    private static let version: UInt8 = 2
    private static let signatureOctets = 16
    /// Version, direction, ID, time, kind of the value.
    private static let fixedOctets = 27
    private static let mostValueOctets = 64

    var last: JobID { mark.id }

    init(last: JobID, expires: Timestamp) { self.init(JobMark(id: last), expires: expires) }

    init(_ mark: JobMark, isBackward: Bool = false, expires: Timestamp) {
        self.mark = mark
        self.isBackward = isBackward
        self.expires = expires
    }

    /// - Parameter filters: the list's canonical filters.
    func text(filters: String, secret: [UInt8]) -> String {
        var octets = [Self.version, isBackward ? 1 : 0]
        withUnsafeBytes(of: last.bits.bigEndian) { octets += $0 }
        withUnsafeBytes(of: expires.microseconds.bigEndian) { octets += $0 }
        switch mark.value {
        case .none: octets.append(0)
        case .int(let value):
            octets.append(1)
            withUnsafeBytes(of: value.bigEndian) { octets += $0 }
        case .text(let value): octets += [2] + value.utf8.prefix(Self.mostValueOctets)
        }
        return Base64.encode(octets + Self.signature(octets, filters, secret), .url)
    }

    init(_ text: String, filters: String, secret: [UInt8], now: Timestamp) throws(Problem) {
        guard let octets = Base64.decode(text, .url), octets[0..<min(1, octets.count)] == [Self.version],
            (Self.fixedOctets...Self.fixedOctets + Self.mostValueOctets).contains(octets.count - Self.signatureOctets)
        else { throw Problem(.invalidCursor, "This is no cursor of this list; begin again without it.") }
        let signed = Array(octets.dropLast(Self.signatureOctets))
        let expected = Self.signature(signed, filters, secret)
        var difference: UInt8 = 0
        for (given, right) in zip(octets[signed.count...], expected) { difference |= given ^ right }
        guard difference == 0 else {
            throw Problem(
                .invalidCursor, "The cursor belongs to a list with other filters, or to another gateway; begin again.")
        }
        func number(_ octets: ArraySlice<UInt8>) -> Int64 {
            Int64(bitPattern: octets.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        let rest = signed[Self.fixedOctets...]
        let value: JobMark.Value =
            switch signed[Self.fixedOctets - 1] {
            case 1: .int(number(rest.prefix(8)))
            case 2: .text(String(decoding: rest, as: UTF8.self))
            default: .none
            }
        mark = JobMark(id: JobID(bits: signed[2..<18].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }), value: value)
        isBackward = signed[1] == 1
        expires = Timestamp(microseconds: number(signed[18..<26]))
        guard expires >= now else { throw Problem(.invalidCursor, "The cursor has expired; begin again without it.") }
    }

    private static func signature(_ octets: [UInt8], _ filters: String, _ secret: [UInt8]) -> [UInt8] {
        var hash = HMAC<SHA256>(key: SymmetricKey(data: secret))
        hash.update(data: octets)
        hash.update(data: Array(filters.utf8))
        return Array(Array(hash.finalize()).prefix(signatureOctets))
    }
}
