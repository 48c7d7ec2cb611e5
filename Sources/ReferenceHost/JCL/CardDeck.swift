package import Wire

/// The records of a deck without their ends, in Latin-1: every code page maps to it one to one, so JCL is read and
/// programs run in one code, whatever the deck came in.
package struct CardDeck: Equatable, Sendable {
    private var octets: [UInt8] = []
    /// Where each card ends in `octets`.
    private var ends: [Int] = []

    package init() {}

    package init(lines: [String]) {
        for line in lines { append(line.utf8) }
    }

    package var count: Int { ends.count }

    /// Empty for an index that is no card's.
    package subscript(index: Int) -> ArraySlice<UInt8> {
        guard ends.indices.contains(index) else { return [] }
        return octets[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    package mutating func append(_ card: some Collection<UInt8>) {
        octets.append(contentsOf: card)
        ends.append(octets.count)
    }

    /// Reads an INPUT block.
    ///
    /// - Parameters:
    ///   - longest: with `.fixed` the length of each record, with `.variable` of the longest, in characters.
    /// - Throws: `badCard` with the first card that cannot be read.
    package init(block: [UInt8], code: CodePage, form: CardForm, longest: Int) throws(DeckRefusal) {
        guard longest > 0 else { throw DeckRefusal(.badCard, card: nil, "LRECL is 0") }
        octets.reserveCapacity(block.count)
        switch form {
        case .fixed:
            guard block.count % longest == 0 else {
                throw DeckRefusal(.badCard, card: block.count / longest + 1, "the last record is shorter than LRECL")
            }
            for start in stride(from: 0, to: block.count, by: longest) {
                append(block[start..<start + longest])
            }
        case .variable:
            var start = 0
            while start < block.count {
                let end = block[start...].firstIndex(of: code.recordEnd) ?? block.count
                var length = end - start
                if code == .ascii, end < block.count, length > 0, block[end - 1] == 0x0D { length -= 1 }
                guard length <= longest else {
                    throw DeckRefusal(
                        .badCard, card: count + 1, "a record of \(length) characters, the limit is \(longest)")
                }
                append(block[start..<start + length])
                start = end + 1
            }
        }
        if code == .ascii {
            if let bad = octets.firstIndex(where: { $0 >= 0x80 }) {
                let card = ends.firstIndex { $0 > bad } ?? 0
                throw DeckRefusal(.badCard, card: card + 1, "an octet that ASCII lacks")
            }
        } else {
            let table = Translation.toLatin1(code)
            for at in octets.indices { octets[at] = table[Int(octets[at])] }
        }
    }
}

/// Why a deck is not taken: the REASON of 461.
package struct DeckRefusal: Error, Equatable, Sendable {
    package enum Reason: String, Sendable {
        case tooBig = "TOOBIG"
        case empty = "EMPTY"
        case noJobCard = "NOJOBCARD"
        case badCard = "BADCARD"
        case badCode = "BADCODE"
        case keyClash = "KEYCLASH"
        case keyVoid = "KEYVOID"
        case notAllowed = "NOTALLOWED"
    }

    package let reason: Reason
    /// From 1.
    package let card: Int?
    package let text: String

    package init(_ reason: Reason, card: Int? = nil, _ text: String) {
        self.reason = reason
        self.card = card
        self.text = text
    }
}

/// Tables between the host's inner code (Latin-1) and a code page.
enum Translation {
    private static let toTables: [CodePage: [UInt8]] = table { page, octet in
        let value = page.scalar(for: octet).value
        return value < 0x100 ? UInt8(value) : 0x3F
    }
    private static let fromTables: [CodePage: [UInt8]] = table { page, octet in
        page.octet(for: Unicode.Scalar(octet)) ?? page.octet(for: "?") ?? 0x3F
    }
    private static let printTables: [CodePage: [UInt8]] = table { page, octet in
        let isControl = octet < 0x20 || (0x7F...0x9F).contains(octet)
        return isControl ? page.blank : page.octet(for: Unicode.Scalar(octet)) ?? page.octet(for: "?") ?? 0x3F
    }

    /// What the page lacks becomes a question mark.
    static func toLatin1(_ page: CodePage) -> [UInt8] { toTables[page] ?? [] }
    static func fromLatin1(_ page: CodePage) -> [UInt8] { fromTables[page] ?? [] }
    /// As `fromLatin1`, with controls as blanks: a printer has no glyph for them.
    static func printable(_ page: CodePage) -> [UInt8] { printTables[page] ?? [] }

    private static func table(_ map: (CodePage, UInt8) -> UInt8) -> [CodePage: [UInt8]] {
        var tables: [CodePage: [UInt8]] = [:]
        for page in CodePage.allCases { tables[page] = (0...255).map { map(page, UInt8($0)) } }
        return tables
    }
}
