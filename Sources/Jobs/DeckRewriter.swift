import Wire

/// What is put for `${NAME}` in a deck, and the rule for names and values.
package struct DeckSymbols: Equatable, Sendable {
    /// Of the request; each should be used.
    package var given: [String: String]
    /// Of the host, and what Port77 knows itself.
    package var usual: [String: String]

    package init(given: [String: String] = [:], usual: [String: String] = [:]) {
        self.given = given
        self.usual = usual
    }

    package static let mostSymbols = 64
    package static let longestValue = 256

    /// 1 to 32 of A-Z 0-9 _, beginning with a letter; small letters are taken as capitals.
    package static func name(_ text: some StringProtocol) -> String? {
        let name = text.uppercased()
        guard (1...32).contains(name.utf8.count), let first = name.utf8.first, (0x41...0x5A).contains(first),
            name.utf8.allSatisfy({ (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F })
        else { return nil }
        return name
    }

    /// At most `longestValue` octets and no control character: it never begins another card.
    package static func isValue(_ text: String) -> Bool {
        text.utf8.count <= longestValue
            && text.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) && $0.value != 0x2028 && $0.value != 0x2029
            }
    }

    package subscript(_ name: String) -> String? { given[name] ?? usual[name] }
}

/// Changes a deck of text on its way in: the host's job card before it, symbols, tabs, long lines. Takes it line by line.
///
/// Symbols are written `${NAME}`, because JCL has `&NAME` for its own and no `{`: what a job's JCL says about `&` is left alone. `$${`
/// stands for `${`. A value is put in once and not read again.
package struct DeckRewriter: Sendable {
    package struct Wishes: Equatable, Sendable {
        package var expandsTabs = false
        package var wrapsCards = false
        /// nil: `${` in the deck means nothing.
        package var symbols: DeckSymbols?
        /// Put before a deck that begins with no job card, or always.
        package var template: [String]?
        package var isTemplateDemanded = false
        /// For the cards of the template.
        package var templateSymbols = DeckSymbols()

        package init() {}

        package var changesNothing: Bool { !expandsTabs && !wrapsCards && symbols == nil && template == nil }
    }

    /// A line longer than this is not taken, whatever would be made of it.
    package static let longestLine = 32 * 1024

    private let wishes: Wishes
    private let longestCard: Int
    private var reader = JobCardReader()
    private var isFirst = true
    private var used: Set<String> = []
    package private(set) var hasTemplate = false
    package private(set) var faults: [DeckFault] = []

    package init(_ wishes: Wishes, longestCard: Int) {
        self.wishes = wishes
        self.longestCard = longestCard
    }

    /// - Parameter line: without its end.
    /// - Returns: the cards that come of it.
    package mutating func take(_ line: [UInt8], number: Int) -> [(card: [UInt8], origin: CardOrigin)] {
        var cards: [(card: [UInt8], origin: CardOrigin)] = []
        if isFirst {
            isFirst = false
            var first = JobCardReader()
            if let template = wishes.template, wishes.isTemplateDemanded || !first.read(line).isJob {
                hasTemplate = true
                for (index, text) in template.enumerated() {
                    let card = substituted(Array(text.utf8), wishes.templateSymbols, .template(index + 1)).octets
                    _ = reader.read(card)
                    cards.append((card, .template(index + 1)))
                }
            }
        }
        var octets = wishes.expandsTabs ? Self.expanded(line) : line
        var isChanged = false
        if let symbols = wishes.symbols { (octets, isChanged) = substituted(octets, symbols, .line(number)) }
        let wasInStream = reader.isInStream
        let isData = reader.read(octets) == .data && wasInStream
        // A line of data only, and none that a value has made long: no part of a value begins a card.
        if wishes.wrapsCards, isData, !isChanged {
            for piece in Self.wrapped(octets, longestCard) { cards.append((piece, .line(number))) }
        } else {
            cards.append((octets, .line(number)))
        }
        return cards
    }

    /// Symbols of the request that stand nowhere.
    package var unusedSymbols: [String] {
        (wishes.symbols ?? wishes.templateSymbols).given.keys.filter { !used.contains($0) }.sorted()
    }

    private mutating func substituted(
        _ line: [UInt8], _ symbols: DeckSymbols, _ origin: CardOrigin
    ) -> (octets: [UInt8], isChanged: Bool) {
        guard line.contains(0x24) else { return (line, false) }
        var made: [UInt8] = []
        var isChanged = false
        var firstSymbol: (name: String, offset: Int)?
        var at = 0
        while at < line.count {
            let rest = line[at...]
            if rest.starts(with: "$${".utf8) {
                made += "${".utf8
                at += 3
            } else if rest.starts(with: "${".utf8) {
                let end = rest.firstIndex(of: 0x7D) ?? line.count
                let text = String(decoding: line[(at + 2)..<end], as: UTF8.self)
                if end < line.count, let name = DeckSymbols.name(text) {
                    if let value = symbols[name] {
                        used.insert(name)
                        made += value.utf8
                        isChanged = true
                        if firstSymbol == nil { firstSymbol = (name, at) }
                    } else {
                        let known = Set(symbols.given.keys).union(symbols.usual.keys).sorted().joined(separator: ", ")
                        note(
                            .unknownSymbol, line, at, origin,
                            "The symbol \(name) is not known: give it as symbol.\(name)=VALUE"
                                + (name == "JOBNAME" ? ", or the job a name as name=VALUE" : "")
                                + (known.isEmpty ? "." : "; known are \(known)."))
                    }
                    at = end + 1
                } else {
                    note(
                        .badSymbol, line, at, origin,
                        "A symbol reads ${NAME}, 1 to 32 of A-Z 0-9 _; for ${ itself write $${, or send symbols=off.")
                    made += "${".utf8
                    at += 2
                }
            } else {
                made.append(line[at])
                at += 1
            }
        }
        if let firstSymbol, let limit = limit(of: line, made), Self.characters(made) > limit {
            note(
                .symbolTooLong, line, firstSymbol.offset, origin,
                "With the value of \(firstSymbol.name) the card is \(Self.characters(made)) characters long; \(limit) are read."
            )
        }
        return (made, isChanged)
    }

    /// A statement that ended before column 72 must still do so, or its end would not be read.
    private func limit(of line: [UInt8], _ made: [UInt8]) -> Int? {
        guard made.starts(with: [0x2F, 0x2F]), !reader.isInStream, Self.characters(line) <= 71 else {
            return longestCard
        }
        return min(71, longestCard)
    }

    private mutating func note(
        _ code: DeckFault.Code, _ line: [UInt8], _ offset: Int, _ origin: CardOrigin, _ words: String
    ) {
        guard faults.count < DeckCheck.mostFaults else { return }
        let column = Self.characters(line[..<offset]) + 1
        switch origin {
        case .line(let number): faults.append(DeckFault(code, line: number, column: column, detail: words))
        case .template(let card):
            faults.append(
                DeckFault(
                    code, line: 1, column: 1,
                    detail: "In card \(card), column \(column) of the host's template: \(words)"))
        }
    }

    // MARK: lines

    /// Of UTF-8: octets that begin a character.
    private static func characters(_ octets: some Collection<UInt8>) -> Int { octets.count { $0 & 0xC0 != 0x80 } }

    /// Tab stops every 8 columns.
    static func expanded(_ line: [UInt8]) -> [UInt8] {
        guard line.contains(0x09) else { return line }
        var made: [UInt8] = []
        var column = 0
        for octet in line {
            if octet == 0x09 {
                let blanks = 8 - column % 8
                made += [UInt8](repeating: 0x20, count: blanks)
                column += blanks
            } else {
                made.append(octet)
                if octet & 0xC0 != 0x80 { column += 1 }
            }
        }
        return made
    }

    static func wrapped(_ line: [UInt8], _ length: Int) -> [[UInt8]] {
        guard line.count > length else { return [line] }
        var pieces: [[UInt8]] = []
        var piece: [UInt8] = []
        var characters = 0
        for octet in line {
            if octet & 0xC0 != 0x80 {
                if characters == length {
                    pieces.append(piece)
                    piece = []
                    characters = 0
                }
                characters += 1
            }
            piece.append(octet)
        }
        pieces.append(piece)
        return pieces
    }
}
