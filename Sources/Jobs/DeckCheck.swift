package import Wire

/// One thing wrong with a deck, and where.
package struct DeckFault: Error, Equatable, Sendable {
    package enum Code: String, Sendable {
        case empty = "empty-deck"
        case noJobCard = "no-job-card"
        case secondJobCard = "second-job-card"
        case badJobName = "bad-job-name"
        case cardTooLong = "card-too-long"
        case tab
        case control = "control-character"
        case notText = "not-utf-8"
        case lackingCharacter = "character-not-in-code-page"
        case partialCard = "partial-card"
    }

    package let code: Code
    /// From 1.
    package let line: Int
    /// In characters, from 1.
    package let column: Int
    /// What is wrong and what to do.
    package let detail: String

    package init(_ code: Code, line: Int, column: Int, detail: String) {
        self.code = code
        self.line = line
        self.column = column
        self.detail = detail
    }
}

/// Checks a deck before anything is promised: a stream with flat memory, so a deck of any allowed size can pass.
///
/// Collects up to `mostFaults` faults, so that one answer tells them all.
package struct DeckCheck: Sendable {
    package struct Rules: Equatable, Sendable {
        package var code: CodePage
        package var longestCard: Int
        package init(code: CodePage = .ascii, longestCard: Int = 80) {
            self.code = code
            self.longestCard = longestCard
        }
    }

    package struct Result: Equatable, Sendable {
        package let name: JobName
        package let cards: Int
    }

    package static let mostFaults = 20

    package private(set) var faults: [DeckFault] = []
    /// From the first card, when it is a job card.
    package private(set) var name: JobName?

    private let rules: Rules
    private let form: DeckForm
    private var splitter: RecordSplitter
    private var reader = JobCardReader()
    private var cards = 0
    private var isBlankSoFar = true
    /// A line too long to be collected: what follows cannot be counted any more.
    private var isLost = false

    package init(_ rules: Rules, form: DeckForm) {
        self.rules = rules
        self.form = form
        switch form {
        case .text:
            // four octets a character at most, and a CR: a longer line is too long whatever it holds
            splitter = RecordSplitter(
                .ended(by: 0x0A, dropsCarriageReturn: true), longestRecord: rules.longestCard * 4 + 1)
        case .cardImages: splitter = RecordSplitter(.fixed(80))
        }
    }

    package mutating func append(_ piece: some Collection<UInt8>) {
        guard !isLost else { return }
        splitter.append(piece)
        do {
            while let card = try splitter.next() { check(card) }
        } catch {
            tooLong(line: error.record)
            isLost = true
        }
    }

    /// - Throws: the first fault; `faults` has all of them.
    package mutating func finish() throws(DeckFault) -> Result {
        if !isLost {
            do {
                if let card = try splitter.finish() {
                    if form == .cardImages && card.count != 80 {
                        note(
                            .partialCard, cards + 1, 1,
                            "The deck ends in a card of \(card.count) octets; card images are 80 octets each.")
                    }
                    check(card)
                }
            } catch {
                tooLong(line: error.record)
            }
        }
        if isBlankSoFar && !isLost {
            faults = [DeckFault(.empty, line: 1, column: 1, detail: "The deck has no card that is not blank.")]
        }
        if let fault = faults.first { throw fault }
        guard let name else {
            throw DeckFault(.noJobCard, line: 1, column: 1, detail: Self.noJobCard)
        }
        return Result(name: name, cards: cards)
    }

    private static let noJobCard =
        "The first card is no job card; it must read //NAME JOB ..., with // in columns 1 and 2."

    private mutating func tooLong(line: Int) {
        note(
            .cardTooLong, line, rules.longestCard + 1,
            "The card is longer than \(rules.longestCard) characters; break the line or continue the statement.")
    }

    private mutating func check(_ octets: [UInt8]) {
        cards += 1
        var card = octets
        if form == .cardImages {
            card.removeAll(keepingCapacity: true)
            rules.code.decode(octets.span, to: &card)
        }
        if card.contains(where: { $0 != 0x20 }) { isBlankSoFar = false }
        if form == .text { checkCharacters(card) }
        // A tab was told already; what the card says is clear all the same.
        switch reader.read(card.map { $0 == 0x09 ? 0x20 : $0 }) {
        case .job(let text):
            if cards == 1 {
                name = JobName(text)
                if name == nil {
                    note(
                        .badJobName, 1, 3,
                        "A job name is 1 to 8 of A-Z, 0-9, $, # and @, beginning with none of the digits.")
                }
            } else if name != nil {
                note(
                    .secondJobCard, cards, 1,
                    "A second job card; one deck is one job: send the decks one by one.")
            }
        case .statement, .data:
            if cards == 1 { note(.noJobCard, 1, 1, Self.noJobCard) }
        }
    }

    private mutating func checkCharacters(_ card: [UInt8]) {
        let text = card.span
        var offset = 0
        var column = 1
        while offset < text.count {
            guard let (scalar, length) = UTF8Reader.scalar(in: text, at: offset) else {
                note(.notText, cards, column, "The octet \(Hex.encode([text[offset]])) begins no UTF-8 character.")
                return
            }
            switch scalar.value {
            case 0x09: note(.tab, cards, column, "A tab: cards have columns; expand it to blanks (expand -t8).")
            case 0..<0x20, 0x7F, 0x80..<0xA0:
                note(
                    .control, cards, column,
                    "The control character U+\(hex4(scalar.value)): remove it (a form feed or NUL often comes from a copied listing)."
                )
            default:
                if scalar.value > 0x7E && rules.code.octet(for: scalar) == nil {
                    note(
                        .lackingCharacter, cards, column,
                        "The character U+\(hex4(scalar.value)) does not exist in the host's code page \(rules.code.name)."
                    )
                }
            }
            offset += length
            column += 1
        }
        if column - 1 > rules.longestCard { tooLong(line: cards) }
    }

    private func hex4(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private mutating func note(_ code: DeckFault.Code, _ line: Int, _ column: Int, _ detail: String) {
        guard faults.count < Self.mostFaults else { return }
        faults.append(DeckFault(code, line: line, column: column, detail: detail))
    }
}
