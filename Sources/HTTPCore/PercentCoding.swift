package enum PercentCoding {
    /// - Returns: `nil` when a percent sign is not followed by two hexadecimal digits.
    package static func decode(_ octets: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(octets.count)
        var at = octets.startIndex
        while at < octets.endIndex {
            let octet = octets[at]
            if octet == UInt8(ascii: "%") {
                guard octets.endIndex - at > 2, let high = Octet.hexValue(octets[at + 1]),
                    let low = Octet.hexValue(octets[at + 2])
                else { return nil }
                decoded.append(high << 4 | low)
                at += 3
            } else {
                decoded.append(plusIsSpace && octet == UInt8(ascii: "+") ? 0x20 : octet)
                at += 1
            }
        }
        return decoded
    }

    /// Text of one segment or one query part; `nil` for a broken encoding and for what is not UTF-8.
    package static func text(_ octets: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> String? {
        if !octets.contains(UInt8(ascii: "%")), !plusIsSpace { return String(validating: octets, as: UTF8.self) }
        return decode(octets, plusIsSpace: plusIsSpace).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// For one path segment or one query name or value: everything but unreserved characters is encoded.
    package static func encode(_ text: String) -> String {
        var encoded: [UInt8] = []
        for octet in text.utf8 {
            if Octet.isAlpha(octet) || Octet.isDigit(octet) || "-._~".utf8.contains(octet) {
                encoded.append(octet)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                encoded += [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }
        }
        return encoded.text
    }
}

/// Names and values of a query or of a form body, in the order they came, duplicates kept.
///
/// In a query `+` is a plus; in a form body (`application/x-www-form-urlencoded`) it is a space.
package struct Parameters: Sendable, Equatable {
    package struct Item: Sendable, Equatable {
        package let name: String
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var items: [Item] = []

    package init() {}

    /// - Returns: `nil` for a broken percent-encoding, and for what is not UTF-8 when decoded.
    package init?(query octets: ArraySlice<UInt8>) {
        self.init(octets, plusIsSpace: false)
    }

    package init?(form octets: ArraySlice<UInt8>) {
        self.init(octets, plusIsSpace: true)
    }

    private init?(_ octets: ArraySlice<UInt8>, plusIsSpace: Bool) {
        for part in octets.split(separator: UInt8(ascii: "&")) {
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            guard let name = PercentCoding.text(part[..<equals], plusIsSpace: plusIsSpace),
                let value = PercentCoding.text(part[equals...].dropFirst(), plusIsSpace: plusIsSpace)
            else { return nil }
            items.append(Item(name: name, value: value))
        }
    }

    /// The first value of that name; empty for a name without `=`.
    package subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }
    package func values(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }
    package func has(_ name: String) -> Bool { items.contains { $0.name == name } }
    /// Names that come more than once, which most routes refuse.
    package var repeatedNames: [String] {
        var seen: Set<String> = [], repeated: [String] = []
        for item in items where !seen.insert(item.name).inserted && !repeated.contains(item.name) {
            repeated.append(item.name)
        }
        return repeated
    }
}
