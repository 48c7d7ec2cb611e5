/// `"abc"`, or `W/"abc"` where the same tag may stand for other octets.
package struct EntityTag: Sendable, Equatable, CustomStringConvertible {
    package let opaque: String
    package let isWeak: Bool

    /// - Parameter opaque: printable ASCII without quotes.
    package init(_ opaque: String, isWeak: Bool = false) {
        self.opaque = opaque
        self.isWeak = isWeak
    }

    /// As it stands in a field.
    package init?(parsing text: String) {
        var rest = Substring(text)
        isWeak = rest.hasPrefix("W/")
        if isWeak { rest = rest.dropFirst(2) }
        guard rest.utf8.count >= 2, rest.hasPrefix("\""), rest.hasSuffix("\"") else { return nil }
        let inner = rest.dropFirst().dropLast()
        guard inner.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x22 && $0 != 0x7F }) else { return nil }
        opaque = String(inner)
    }

    package var description: String { isWeak ? "W/\"\(opaque)\"" : "\"\(opaque)\"" }
}

/// The conditional fields of a request, evaluated in the order of RFC 9110, 13.2.2.
package enum Conditions {
    package enum Verdict: Equatable, Sendable {
        case proceed
        /// 304, for GET and HEAD.
        case notModified
        /// 412
        case preconditionFailed
    }

    /// - Parameters:
    ///   - tag: `nil` when what is asked for does not exist.
    ///   - lastModified: seconds since 1970.
    package static func evaluate(
        _ head: RequestHead, tag: EntityTag?, lastModified: Int64? = nil
    ) -> Verdict {
        let isRead = head.method == .get || head.method == .head
        if let field = head["if-match"] {
            if !matches(field, tag, strongly: true) { return .preconditionFailed }
        } else if let since = head["if-unmodified-since"].flatMap(HTTPDate.seconds), let lastModified,
            lastModified > since
        {
            return .preconditionFailed
        }
        if let field = head["if-none-match"] {
            if matches(field, tag, strongly: false) { return isRead ? .notModified : .preconditionFailed }
        } else if isRead, let since = head["if-modified-since"].flatMap(HTTPDate.seconds), let lastModified,
            lastModified <= since
        {
            return .notModified
        }
        return .proceed
    }

    private static func matches(_ field: String, _ tag: EntityTag?, strongly: Bool) -> Bool {
        guard let tag else { return false }
        if QuotedList.trim(field) == "*" { return true }
        return QuotedList.split(field, at: ",").contains { text in
            guard let given = EntityTag(parsing: QuotedList.trim(text)), given.opaque == tag.opaque else {
                return false
            }
            return !strongly || !given.isWeak && !tag.isWeak
        }
    }
}

/// `Range` of one range in bytes. Several ranges, other units and bad syntax count as no range at all.
package enum ByteRange: Equatable, Sendable {
    /// 200, all of it.
    case whole
    /// 206
    case part(Range<Int>)
    /// 416, with `Content-Range: bytes */N`
    case unsatisfiable

    /// - Parameters:
    ///   - length: octets there are now.
    ///   - tag, lastModified: for `If-Range`, which needs a strong match.
    package init(_ head: RequestHead, length: Int, tag: EntityTag? = nil, lastModified: Int64? = nil) {
        self = .whole
        guard head.method == .get || head.method == .head, let field = head["range"] else { return }
        if let condition = head["if-range"] {
            if let given = EntityTag(parsing: condition) {
                guard let tag, !given.isWeak, !tag.isWeak, given.opaque == tag.opaque else { return }
            } else {
                guard let given = HTTPDate.seconds(condition), given == lastModified else { return }
            }
        }
        if let parsed = ByteRange(field, length: length) { self = parsed }
    }

    /// - Returns: `nil` when the field is to be ignored.
    package init?(_ field: String, length: Int) {
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return nil }
        let ends = QuotedList.trim(parts[1]).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy(Octet.isDigit) }) else { return nil }
        // More digits than Int holds are simply behind the end.
        let first = ends[0].isEmpty ? nil : Int(ends[0]) ?? .max
        let last = ends[1].isEmpty ? nil : Int(ends[1]) ?? .max
        switch (first, last) {
        case (nil, nil): return nil
        case (nil, let count?):
            self = count > 0 && length > 0 ? .part(max(0, length - count)..<length) : .unsatisfiable
        case (let first?, let last):
            if let last, last < first { return nil }
            self = first < length ? .part(first..<min(last ?? .max, length - 1) + 1) : .unsatisfiable
        }
    }

    /// `Content-Range` of a part; `total` is `nil` while the whole still grows.
    package static func contentRange(_ range: Range<Int>, of total: Int?) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total.map(String.init) ?? "*")"
    }

    package static func problem(length: Int) -> Problem {
        Problem(
            .rangeNotSatisfiable, "The range begins behind the end: there are \(length) octets.",
            fields: ["Content-Range": "bytes */\(length)"])
    }
}
