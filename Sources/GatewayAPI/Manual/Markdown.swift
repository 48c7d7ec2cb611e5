/// The Markdown of our own pages as HTML: headings, paragraphs, lists, tables, fences; in them `code`, **bold**, *emphasis* and
/// links. Comments are left out, and all else is text: no octet of a page becomes markup by itself.
struct Markdown {
    private(set) var html = ""
    /// The first heading.
    private(set) var title = ""
    /// The headings below it.
    private(set) var sections: [(id: String, title: String)] = []
    private var lines: ArraySlice<Substring>

    init(_ text: String) {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        while let line = lines.first { block(line) }
    }

    // MARK: blocks

    private mutating func block(_ line: Substring) {
        if line.isBlank {
            lines.removeFirst()
        } else if line.hasPrefix("<!--") {
            while let line = lines.popFirst(), !line.contains("-->") {}
        } else if line.hasPrefix("```") {
            fence()
        } else if line.hasPrefix("#") {
            heading(line)
        } else if line.hasPrefix("|") {
            table()
        } else if let kind = Self.listKind(line) {
            list(kind)
        } else {
            let text = takeText { _ in false }
            html += "<p>\(Self.inline(text))</p>\n"
        }
    }

    private mutating func fence() {
        lines.removeFirst()
        html += "<pre class=\"example\">"
        while let line = lines.popFirst(), !line.hasPrefix("```") { html += Self.escaped(line) + "\n" }
        html += "</pre>\n"
    }

    private mutating func heading(_ line: Substring) {
        lines.removeFirst()
        let level = min(6, line.prefix { $0 == "#" }.count)
        let text = line.dropFirst(level).trimmingBlanks
        let id = Self.anchor(text)
        if title.isEmpty {
            title = String(text)
        } else if level == 2 {
            sections.append((id, String(text)))
        }
        html += "<h\(level) id=\"\(id)\">\(Self.inline(text))</h\(level)>\n"
    }

    private mutating func table() {
        html += "<div class=\"table\"><table><thead>"
        var number = 0
        while let line = lines.first, line.hasPrefix("|") {
            lines.removeFirst()
            number += 1
            if number == 2 {  // | --- | --- |
                html += "</thead><tbody>"
                continue
            }
            let cell = number == 1 ? "th" : "td"
            html += "<tr>"
            for text in Self.cells(line) { html += "<\(cell)>\(Self.inline(text))</\(cell)>" }
            html += "</tr>"
        }
        html += number < 2 ? "</thead></table></div>\n" : "</tbody></table></div>\n"
    }

    private enum ListKind: String { case ul, ol }

    private mutating func list(_ kind: ListKind) {
        html += "<\(kind.rawValue)>"
        while let line = lines.first, Self.listKind(line) == kind {
            let mark = line.prefix { $0 != " " }.count
            lines[lines.startIndex] = line.dropFirst(mark)
            let item = takeText { Self.listKind($0) != nil }
            html += "<li>\(Self.inline(item))</li>"
        }
        html += "</\(kind.rawValue)>\n"
    }

    private static func listKind(_ line: Substring) -> ListKind? {
        if line.hasPrefix("* ") || line.hasPrefix("- ") { return .ul }
        let digits = line.prefix { ("0"..."9").contains($0) }
        return !digits.isEmpty && digits.count < 4 && line.dropFirst(digits.count).hasPrefix(". ") ? .ol : nil
    }

    /// The lines up to the next block, as one; the first is taken whatever it is.
    private mutating func takeText(until isNext: (Substring) -> Bool) -> Substring {
        var words = String((lines.popFirst() ?? "").trimmingBlanks)
        while let line = lines.first, !line.isBlank,
            !["```", "#", "|", "<!--"].contains(where: { line.hasPrefix($0) }),
            !isNext(line)
        {
            lines.removeFirst()
            words += " " + line.trimmingBlanks
        }
        return Substring(words)
    }

    /// A bar in code, or behind a backslash, parts no cells.
    private static func cells(_ line: Substring) -> [Substring] {
        var cells: [Substring] = []
        var cell = ""
        var isCode = false
        var isEscaped = false
        for character in line.dropFirst() {
            if character == "|", !isCode, !isEscaped {
                cells.append(Substring(cell).trimmingBlanks)
                cell = ""
                continue
            }
            if isEscaped, character != "|" { cell.append("\\") }
            isEscaped = character == "\\" && !isEscaped
            if character == "`" { isCode.toggle() }
            if !isEscaped { cell.append(character) }
        }
        if !cell.allSatisfy({ $0 == " " }) { cells.append(Substring(cell).trimmingBlanks) }
        return cells
    }

    // MARK: in a line

    private static func inline(_ text: Substring) -> String {
        var html = ""
        var rest = text
        while let character = rest.first {
            if character == "`", let (code, after) = part(of: rest, from: "`", to: "`") {
                html += "<code>\(escaped(code))</code>"
                rest = after
            } else if let (bold, after) = part(of: rest, from: "**", to: "**") {
                html += "<strong>\(inline(bold))</strong>"
                rest = after
            } else if let (words, after) = part(of: rest, from: "*", to: "*"), words.first != " ", words.last != " " {
                html += "<em>\(inline(words))</em>"
                rest = after
            } else if let (words, after) = part(of: rest, from: "[", to: "]("),
                let (target, end) = part(of: after, from: "", to: ")"), let address = address(target)
            {
                html += "<a href=\"\(escaped(Substring(address)))\">\(inline(words))</a>"
                rest = end
            } else {
                html += escaped(rest.prefix(1))
                rest.removeFirst()
            }
        }
        return html
    }

    /// What lies between two marks, when it begins with the first and is not empty.
    private static func part(
        of text: Substring, from begin: String, to end: String
    ) -> (inside: Substring, after: Substring)? {
        guard text.hasPrefix(begin) else { return nil }
        let rest = text.dropFirst(begin.count)
        guard let found = rest.firstRange(of: end), found.lowerBound > rest.startIndex else { return nil }
        return (rest[..<found.lowerBound], rest[found.upperBound...])
    }

    /// Where a link may lead: to another page of ours, a place in this one, or out by https.
    private static func address(_ target: Substring) -> String? {
        if target.hasPrefix("https://") || target.hasPrefix("#") { return String(target) }
        let file = target.prefix { $0 != "#" }
        guard file.hasSuffix(".md"),
            file.dropLast(3).allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
        else { return nil }
        return "/docs/\(file.dropLast(3))\(target.dropFirst(file.count))"
    }

    /// As others make them of headings, so that the same links hold there.
    private static func anchor(_ heading: Substring) -> String {
        String(
            heading.lowercased().compactMap { character -> Character? in
                if character == " " { return "-" }
                return character.isASCII && (character.isLetter || character.isNumber || "-_".contains(character))
                    ? character : nil
            })
    }

    static func escaped(_ text: some StringProtocol) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "&": escaped += "&amp;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}

extension Substring {
    fileprivate var isBlank: Bool { allSatisfy { $0 == " " } }

    fileprivate var trimmingBlanks: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }
}
