import Wire

/// What must hold for any pattern and any record: a fault names a place in the pattern; what a matcher has seen before changes nothing;
/// a text finds what a plain search finds, and so does the expression that spells it; a record that has a match has it still with
/// more around it, where no end is asked for. The fuzz target `pattern` compiles this file as well.
enum PatternClaim {
    /// - Parameter input: an octet of choices, the pattern in UTF-8 up to the first LF, the record.
    /// - Returns: nil when it holds.
    static func violation(_ input: [UInt8]) -> String? {
        let parts = input.dropFirst().split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        guard let choices = input.first, parts.count == 2 else { return nil }
        let text = String(decoding: parts[0], as: UTF8.self)
        let record = Array(parts[1].prefix(4000))
        let ignoresCase = choices & 1 == 1
        return ofExpression(text, ignoresCase, record) ?? ofText(text, record)
    }

    private static func ofExpression(_ text: String, _ ignoresCase: Bool, _ record: [UInt8]) -> String? {
        let pattern: Pattern
        do throws(Pattern.Fault) {
            pattern = try Pattern(text, isExpression: true, ignoresCase: ignoresCase)
        } catch {
            let length = text.unicodeScalars.count
            return (1...length + 1).contains(error.column) ? nil : "the fault is in column \(error.column) of \(length)"
        }
        let found = matches(pattern, record)
        var used = PatternMatcher(pattern)
        for start in stride(from: 0, to: record.count, by: 7) { _ = used.matches(record[start...], in: table) }
        if used.matches(record[...], in: table) != found { return "another answer after other records" }
        if let twice = try? Pattern("(?:\(text))|(?:\(text))", isExpression: true, ignoresCase: ignoresCase),
            matches(twice, record) != found
        {
            return "another answer when it is said twice"
        }
        let asksForEnds = text.contains("^") || text.contains("$")
        if found, !asksForEnds, !matches(pattern, [0x00, 0x61] + record + [0x7F, 0x20]) {
            return "no match with more around it"
        }
        return nil
    }

    private static func ofText(_ text: String, _ record: [UInt8]) -> String? {
        guard !text.isEmpty, text.unicodeScalars.count <= Pattern.mostCharacters,
            let literal = try? Pattern(text, isExpression: false)
        else { return nil }
        let octets = text.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
        let isThere =
            octets.count == text.unicodeScalars.count && octets.count <= record.count
            && (0...record.count - octets.count).contains { record[$0..<$0 + octets.count].elementsEqual(octets) }
        if matches(literal, record) != isThere { return "a text is \(isThere ? "" : "not ")there" }
        let special = Set(#"\.[](){}*+?|^$-"#.unicodeScalars)
        let spelled = text.unicodeScalars.map { special.contains($0) ? "\\\($0)" : String($0) }.joined()
        if let expression = try? Pattern(spelled, isExpression: true), matches(expression, record) != isThere {
            return "the expression that spells a text finds something else"
        }
        return nil
    }

    private static let table = CodePage.ascii.latin1Table

    private static func matches(_ pattern: Pattern, _ record: [UInt8]) -> Bool {
        var matcher = PatternMatcher(pattern)
        return matcher.matches(record[...], in: table)
    }
}
