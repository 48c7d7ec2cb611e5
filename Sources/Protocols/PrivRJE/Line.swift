extension PrivRJE {
    /// One line of an answer, or a notice: a code, pairs, and words for people. Section 2.
    package struct Line: Equatable, Sendable {
        package struct Pair: Equatable, Sendable {
            /// In upper case.
            package let key: String
            package let value: String
        }

        /// 0 to 999.
        package let code: Int
        /// Whether another line of the same answer follows (`263-`). No matter in a notice.
        package var hasMore: Bool
        package private(set) var pairs: [Pair] = []
        /// From the first token that is no pair; may be empty.
        package private(set) var words: String
        /// All that stood after the code, as it came; empty for a line made here.
        package private(set) var text = ""

        /// A line to send; `words` loses what a line cannot hold.
        package init(_ code: Int, _ words: String = "", hasMore: Bool = false) {
            self.code = code
            self.hasMore = hasMore
            self.words = words
        }

        /// The value of a key, written in upper case here.
        package subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }

        package func number(_ key: String) -> Int? { self[key].flatMap { PrivRJE.number($0) } }
        /// True for `Y`, in any case.
        package func isYes(_ key: String) -> Bool { self[key]?.uppercased() == "Y" }

        /// Adds a pair; a key that is there already keeps its value.
        package mutating func add(_ key: String, _ value: String?) {
            guard let value, self[key] == nil else { return }
            pairs.append(Pair(key: key, value: value))
        }

        package mutating func add(_ key: String, _ value: Int?) { add(key, value.map(String.init)) }
    }
}

extension PrivRJE.Line {
    /// Why octets are no line of an answer.
    package enum Fault: Error, Equatable, Sendable {
        case badOctet
        /// No code, or nothing that may follow one.
        case noCode
        case keyTwice(String)
    }

    /// - Parameter octets: the line without its end, and for a notice without `* `.
    package init(parsing octets: [UInt8]) throws(Fault) {
        guard octets.allSatisfy(PrivRJE.isPrintable) else { throw .badOctet }
        guard octets.count >= 4, let code = PrivRJE.number(String(decoding: octets[..<3], as: UTF8.self)),
            octets[3] == 0x20 || octets[3] == 0x2D
        else { throw .noCode }
        self.init(code, hasMore: octets[3] == 0x2D)
        text = String(decoding: octets[4...], as: UTF8.self)
        var reader = PrivRJE.TokenReader(octets, from: 4)
        var wordsStart = 4
        while let (key, value) = reader.parameter(), let key {
            guard self[key] == nil else { throw .keyTwice(key) }
            pairs.append(Pair(key: key, value: value))
            wordsStart = reader.at
            guard reader.space() else { break }
            wordsStart = reader.at
        }
        words = String(decoding: octets[wordsStart...], as: UTF8.self)
    }

    /// The line with its end. Characters that a line cannot hold become `?`; words are cut where the line would be too long.
    package var octets: [UInt8] { octets(isNotice: false) }

    package func octets(isNotice: Bool) -> [UInt8] {
        var line: [UInt8] = isNotice ? [0x2A, 0x20] : []
        for digit in [code / 100, code / 10, code] { line.append(0x30 + UInt8(abs(digit) % 10)) }
        line.append(hasMore ? 0x2D : 0x20)
        var separator = false
        for pair in pairs {
            var token = separator ? [0x20] : [] as [UInt8]
            token.append(contentsOf: pair.key.utf8)
            token.append(0x3D)
            PrivRJE.append(value: Self.printable(pair.value), isPositional: false, to: &token)
            guard line.count + token.count <= PrivRJE.longestLine else { continue }
            line.append(contentsOf: token)
            separator = true
        }
        if !words.isEmpty {
            if separator { line.append(0x20) }
            line.append(contentsOf: Self.printable(words).utf8.prefix(max(0, PrivRJE.longestLine - line.count)))
        }
        line.append(contentsOf: [0x0D, 0x0A])
        return line
    }

    private static func printable(_ text: String) -> String {
        if text.utf8.allSatisfy(PrivRJE.isPrintable) { return text }
        return String(text.map { $0.isASCII && $0.utf8.allSatisfy(PrivRJE.isPrintable) ? $0 : "?" })
    }
}
