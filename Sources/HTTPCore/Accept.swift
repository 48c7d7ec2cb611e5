package enum MediaType {
    /// Type and subtype in lower case, without parameters.
    package static func essence(_ value: String) -> String {
        let octets = value.utf8.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != 0x20 && $0 != 0x09 }
        return String(decoding: octets, as: UTF8.self).lowercased()
    }

    /// A parameter's value, unquoted; names in lower case.
    package static func parameter(_ name: String, of value: String) -> String? {
        guard value.utf8.contains(UInt8(ascii: ";")) else { return nil }
        for part in QuotedList.split(value, at: ";").dropFirst() {
            guard let equals = part.firstIndex(of: "=") else { continue }
            if QuotedList.trim(part[..<equals]).lowercased() == name {
                return QuotedList.unquoted(QuotedList.trim(part[part.index(after: equals)...]))
            }
        }
        return nil
    }
}

/// Lists in field values: separators inside quoted strings do not count.
package enum QuotedList {
    package static func split(_ text: String, at separator: Character) -> [String] {
        var parts: [String] = [], part = "", isQuoted = false, isEscaped = false
        for character in text {
            if isEscaped {
                isEscaped = false
            } else if isQuoted, character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == separator, !isQuoted {
                parts.append(part)
                part = ""
                continue
            }
            part.append(character)
        }
        return parts + [part]
    }

    package static func trim(_ text: some StringProtocol) -> String {
        var rest = Substring(text)
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }

    package static func unquoted(_ text: String) -> String {
        guard text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return text }
        var plain = "", isEscaped = false
        for character in text.dropFirst().dropLast() {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                plain.append(character)
                isEscaped = false
            }
        }
        return plain
    }
}

/// What a client takes (RFC 9110, 12.5.1): quality values in thousandths, the most specific range decides. A malformed
/// field counts as `*/*`.
package struct Accept: Sendable, Equatable {
    private struct Range: Sendable, Equatable {
        var type: String
        var subtype: String
        var quality: Int
    }

    private var ranges: [Range] = []

    /// - Parameter value: `nil` takes everything.
    package init(_ value: String?) {
        guard let value else { return }
        for part in QuotedList.split(value, at: ",") {
            let part = QuotedList.trim(part)
            if part.isEmpty { continue }
            guard let range = Self.range(part) else {
                ranges = []
                return
            }
            ranges.append(range)
        }
    }

    private static func range(_ text: String) -> Range? {
        let parts = QuotedList.split(text, at: ";").map { QuotedList.trim($0) }
        guard let name = parts.first?.lowercased() else { return nil }
        let names = name.split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == 2, names.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Octet.isToken) }),
            names[0] != "*" || names[1] == "*"
        else { return nil }
        var quality = 1000
        for parameter in parts.dropFirst() where parameter.lowercased().hasPrefix("q=") {
            guard let given = thousandths(parameter.dropFirst(2)) else { return nil }
            quality = given
        }
        return Range(type: String(names[0]), subtype: String(names[1]), quality: quality)
    }

    /// `0` to `1` with up to three decimals.
    private static func thousandths(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first, whole == "0" || whole == "1", parts.count <= 2 else { return nil }
        let decimals = parts.count == 2 ? parts[1] : ""
        guard decimals.utf8.count <= 3, decimals.utf8.allSatisfy(Octet.isDigit) else { return nil }
        let fraction = decimals.isEmpty ? 0 : (Int(decimals) ?? 0) * [0, 100, 10, 1][decimals.utf8.count]
        let value = (whole == "1" ? 1000 : 0) + fraction
        return value <= 1000 ? value : nil
    }

    /// 0 (refused) to 1000.
    package func quality(of type: String) -> Int {
        if ranges.isEmpty { return 1000 }
        let names = MediaType.essence(type).split(separator: "/")
        guard names.count == 2 else { return 0 }
        var best = (specificity: -1, quality: 0)
        for range in ranges {
            let specificity: Int
            if range.type == names[0], range.subtype == names[1] {
                specificity = 2
            } else if range.type == names[0], range.subtype == "*" {
                specificity = 1
            } else if range.type == "*" {
                specificity = 0
            } else {
                continue
            }
            if specificity > best.specificity { best = (specificity, range.quality) }
        }
        return best.quality
    }

    /// The offered type the client likes best, the first of equals; `nil` when it takes none (406).
    package func preferred(_ offered: [String]) -> String? {
        var best: (type: String, quality: Int)?
        for type in offered {
            let quality = quality(of: type)
            if quality > best?.quality ?? 0 { best = (type, quality) }
        }
        return best?.type
    }

    static func wantsPlainErrors(_ head: RequestHead) -> Bool {
        guard head.has("accept") else { return false }
        let accept = Accept(head["accept"])
        return accept.quality(of: "application/problem+json") == 0 && accept.quality(of: "application/json") == 0
            && accept.quality(of: "text/plain") > 0
    }
}

/// `Prefer` (RFC 7240). Unknown preferences are kept and mean nothing; the first of a name counts.
package struct Preferences: Sendable, Equatable {
    private var values: [String: String] = [:]

    package init(_ field: String?) {
        guard let field else { return }
        for part in QuotedList.split(field, at: ",") {
            let preference = QuotedList.trim(QuotedList.split(part, at: ";").first ?? "")
            let equals = preference.firstIndex(of: "=") ?? preference.endIndex
            let name = QuotedList.trim(preference[..<equals]).lowercased()
            guard !name.isEmpty, name.utf8.allSatisfy(Octet.isToken), values[name] == nil else { continue }
            values[name] = QuotedList.unquoted(QuotedList.trim(preference[equals...].dropFirst()))
        }
    }

    package subscript(_ name: String) -> String? { values[name] }
    /// Whole seconds; `nil` for anything else.
    package var wait: Int? {
        guard let text = values["wait"], !text.isEmpty, text.utf8.count <= 9, text.utf8.allSatisfy(Octet.isDigit) else {
            return nil
        }
        return Int(text)
    }
    package var respondAsync: Bool { values["respond-async"] != nil }
    package var returnsMinimal: Bool { values["return"] == "minimal" }
    package var returnsRepresentation: Bool { values["return"] == "representation" }
    package var isStrict: Bool { values["handling"] == "strict" }
}
