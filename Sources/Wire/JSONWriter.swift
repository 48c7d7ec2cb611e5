/// Writes one JSON text into an array of UTF-8 octets.
///
/// Commas are set by the writer, in objects and arrays of any depth. What it writes is always well-formed as long as
/// each `begin` has its `end` and each member its `key`: strings are escaped, and a number that JSON lacks is `null`.
///
///     var json = JSONWriter()
///     json.beginObject()
///     json.key("id"); json.string(id)
///     json.key("tags"); json.beginArray(); json.string("a"); json.string("b"); json.endArray()
///     json.endObject()
///     send(json.bytes)
package struct JSONWriter: Sendable {
    /// The text so far.
    package private(set) var bytes: [UInt8] = []
    /// True when the next key or value of this object or array is not its first.
    private var needsComma = false

    /// - Parameter capacity: octets to reserve at the start.
    package init(capacity: Int = 512) { bytes.reserveCapacity(capacity) }

    package mutating func beginObject() { begin(0x7B) }
    package mutating func endObject() { end(0x7D) }
    package mutating func beginArray() { begin(0x5B) }
    package mutating func endArray() { end(0x5D) }

    /// The name of the next member.
    ///
    /// - Parameter name: a literal of printable ASCII without quote and backslash: it is copied, not escaped.
    package mutating func key(_ name: StaticString) {
        separate()
        bytes.append(0x22)
        append(name)
        bytes.append(0x22)
        bytes.append(0x3A)
        needsComma = false
    }

    /// The name of the next member, when it is not a literal; escaped as any string.
    @_disfavoredOverload  // or `key("id")` would take this slower form
    package mutating func key(_ name: String) {
        separate()
        quote(name)
        bytes.append(0x3A)
        needsComma = false
    }

    package mutating func string(_ value: String) {
        separate()
        quote(value)
        needsComma = true
    }

    /// A member of an object, when there is a value for it.
    ///
    /// - Parameter name: as for `key`.
    package mutating func member(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        key(name)
        string(value)
    }

    package mutating func member(_ name: StaticString, _ value: Int?) { member(name, value.map { Int64($0) }) }

    package mutating func member(_ name: StaticString, _ value: Int64?) {
        guard let value else { return }
        key(name)
        int(value)
    }

    /// A string from octets that should be UTF-8; what is not becomes U+FFFD.
    package mutating func string(decoding octets: some Collection<UInt8>) {
        string(String(decoding: octets, as: UTF8.self))
    }

    package mutating func int(_ value: Int) { int(Int64(value)) }

    package mutating func int(_ value: Int64) {
        separate()
        if value < 0 { bytes.append(0x2D) }
        var rest = value.magnitude
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var first = digits.count
            repeat {
                first -= 1
                digits[first] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
                rest /= 10
            } while rest > 0
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
        }
        needsComma = true
    }

    package mutating func bool(_ value: Bool) {
        separate()
        append(value ? "true" : "false")
        needsComma = true
    }

    package mutating func null() {
        separate()
        append("null")
        needsComma = true
    }

    /// The shortest text that reads back as the same number; `null` for infinities and NaN.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        separate()
        bytes.append(contentsOf: value.description.utf8)
        needsComma = true
    }

    /// A value that is JSON already, copied as it is.
    package mutating func rawJSON(_ value: [UInt8]) {
        separate()
        bytes.append(contentsOf: value)
        needsComma = true
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(0x2C) }
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func quote(_ value: String) {
        var value = value
        bytes.append(0x22)
        value.withUTF8 { octets in
            if octets.span.isPlainInJSON { return bytes.append(contentsOf: octets) }
            var start = 0
            for at in octets.indices {
                let octet = octets[at]
                if octet >= 0x20 && octet != 0x22 && octet != 0x5C { continue }
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: octets[start..<at]))
                escape(octet)
                start = at + 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: octets[start...]))
        }
        bytes.append(0x22)
    }

    private mutating func escape(_ octet: UInt8) {
        switch octet {
        case 0x22: append("\\\"")
        case 0x5C: append("\\\\")
        case 0x0A: append("\\n")
        case 0x0D: append("\\r")
        case 0x09: append("\\t")
        default:
            append("\\u00")
            bytes.append(Hex.digit(octet >> 4))
            bytes.append(Hex.digit(octet & 15))
        }
    }
}
