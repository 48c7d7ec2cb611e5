/// One JCL statement with its continuations joined: `//name operation operands comments`.
struct Statement: Equatable, Sendable {
    var name = ""
    var operation = ""
    /// Without comments, in columns 4 to 71 of all its cards.
    var operands: [UInt8] = []
    /// Statement cards and the comment cards between them, by index in the deck.
    var cards: Range<Int>
    var fault: String?

    /// Columns that hold JCL; 72 marks a continuation, 73 to 80 are a sequence number.
    private static let width = 71

    /// Name and operation of a card that begins with `//`, whatever they are.
    static func head(of card: ArraySlice<UInt8>) -> (name: String, operation: String, operands: Int) {
        let text = Array(card.prefix(width))
        var at = min(2, text.count)
        func word() -> String {
            let start = at
            while at < text.count && text[at] != 0x20 { at += 1 }
            return String(decoding: text[start..<at], as: UTF8.self)
        }
        func skipBlanks() { while at < text.count && text[at] == 0x20 { at += 1 } }
        let name = word()
        skipBlanks()
        let operation = word()
        skipBlanks()
        return (name, operation, at)
    }

    /// Reads the statement that begins at card `first`, which begins with `//` and is neither comment nor null.
    init(deck: CardDeck, at first: Int) {
        let head = Statement.head(of: deck[first])
        name = head.name
        operation = head.operation
        cards = first..<first + 1
        var isQuoted = false
        var next = take(deck[first], from: head.operands, isQuoted: &isQuoted)
        while next != .ends {
            var at = cards.upperBound
            while deck[at].starts(with: [0x2F, 0x2F, 0x2A]) { at += 1 }
            let card = deck[at]
            let text = Array(card.prefix(Statement.width))
            guard text.starts(with: [0x2F, 0x2F, 0x20]), let start = text.dropFirst(2).firstIndex(where: { $0 != 0x20 })
            else {
                fault = "IEFC621I EXPECTED CONTINUATION NOT RECEIVED"
                return
            }
            // a string that was cut at column 71 goes on in column 16, blanks included
            let column = next == .stringGoesOn ? 15 : start
            guard start <= 15 || next == .stringGoesOn else {
                fault = "IEFC621I EXPECTED CONTINUATION NOT RECEIVED"
                return
            }
            cards = first..<at + 1
            next = take(card, from: column, isQuoted: &isQuoted)
        }
        if isQuoted { fault = "IEFC629I INCORRECT USE OF APOSTROPHE IN THE OPERAND FIELD" }
    }

    private enum Next { case ends, goesOn, stringGoesOn }

    private mutating func take(_ card: ArraySlice<UInt8>, from column: Int, isQuoted: inout Bool) -> Next {
        let text = Array(card.prefix(Statement.width))
        var at = column
        while at < text.count {
            let octet = text[at]
            if octet == 0x20 && !isQuoted { break }
            if octet == 0x27 { isQuoted.toggle() }
            operands.append(octet)
            at += 1
        }
        if isQuoted {
            // only a card whose string reaches column 71 can go on
            guard text.count == Statement.width, card.count > Statement.width,
                card[card.startIndex + Statement.width] != 0x20
            else { return .ends }
            return .stringGoesOn
        }
        return operands.last == 0x2C && at > column ? .goesOn : .ends
    }
}
