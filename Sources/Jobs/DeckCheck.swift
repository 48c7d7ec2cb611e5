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
        case controlCard = "control-card"
        case outsideJob = "before-first-job-card"
        case tooManyJobs = "too-many-jobs"
        case unknownSymbol = "unknown-symbol"
        case badSymbol = "malformed-symbol"
        case symbolTooLong = "symbol-too-long"

        // Warnings: the host may take the deck all the same.
        case lowerCase = "lower-case"
        case pastColumn71 = "past-column-71"
        case noDelimiter = "no-delimiter"
        case noStep = "no-step"
        case afterNullStatement = "after-null-statement"
        case dataWithoutDD = "data-without-dd"
        case unusedSymbol = "unused-symbol"
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

/// Where a card that is checked comes from.
package enum CardOrigin: Equatable, Sendable {
    /// A line of the deck as it was submitted, from 1.
    case line(Int)
    /// A card of the host's template, from 1.
    case template(Int)
}

/// Checks a deck before anything is promised: a stream with flat memory, so a deck of any allowed size can pass.
///
/// Collects up to `mostFaults` faults and as many warnings, so that one answer tells them all.
package struct DeckCheck: Sendable {
    package struct Rules: Equatable, Sendable {
        package var code: CodePage
        package var longestCard: Int
        package var controlCards: ControlCards
        package init(code: CodePage = .ascii, longestCard: Int = 80, controlCards: ControlCards = .usual) {
            self.code = code
            self.longestCard = longestCard
            self.controlCards = controlCards
        }
    }

    package struct Result: Equatable, Sendable {
        package let name: JobName
        package let cards: Int
    }

    package static let mostFaults = 20

    package private(set) var faults: [DeckFault] = []
    /// What the host may take otherwise than it was meant.
    package private(set) var warnings: [DeckFault] = []
    /// From the job card.
    package private(set) var name: JobName?

    private let rules: Rules
    private let form: DeckForm
    private var splitter: RecordSplitter
    private var reader = JobCardReader()
    private var statements = StatementCheck()
    private var cards = 0
    private var hasJobCard = false
    private var toldNoJobCard = false
    private var isBlankSoFar = true
    /// A line too long to be collected: what follows cannot be counted any more.
    private var isLost = false
    private var origin = CardOrigin.line(1)

    package init(_ rules: Rules, form: DeckForm) {
        self.rules = rules
        self.form = form
        splitter = Self.splitter(form, longestCard: rules.longestCard)
    }

    static func splitter(_ form: DeckForm, longestCard: Int) -> RecordSplitter {
        switch form {
        case .text:
            // four octets a character at most, and a CR: a longer line is too long whatever it holds
            RecordSplitter(.ended(by: 0x0A, dropsCarriageReturn: true), longestRecord: longestCard * 4 + 1)
        case .cardImages: RecordSplitter(.fixed(80))
        }
    }

    package mutating func append(_ piece: some Collection<UInt8>) {
        guard !isLost else { return }
        splitter.append(piece)
        do {
            while let card = try splitter.next() { take(card, from: .line(cards + 1)) }
        } catch {
            lose(line: error.record)
        }
    }

    /// A card that somebody else has cut; then nothing is appended.
    package mutating func take(_ card: [UInt8], from origin: CardOrigin) {
        self.origin = origin
        if form == .cardImages && card.count != 80 {
            note(
                .partialCard, 1,
                "The deck ends in a card of \(card.count) octets; card images are 80 octets each.")
        }
        check(card)
    }

    /// A line that is too long to be collected.
    package mutating func lose(line: Int) {
        origin = .line(line)
        tooLong()
        isLost = true
    }

    package mutating func add(_ fault: DeckFault) {
        if faults.count < Self.mostFaults { faults.append(fault) }
    }

    package mutating func warn(_ warning: DeckFault) {
        if warnings.count < Self.mostFaults { warnings.append(warning) }
    }

    /// - Throws: the first fault; `faults` has all of them.
    package mutating func finish() throws(DeckFault) -> Result {
        if !isLost {
            do {
                if let card = try splitter.finish() { take(card, from: .line(cards + 1)) }
            } catch {
                lose(line: error.record)
            }
        }
        if isBlankSoFar && !isLost {
            faults = [DeckFault(.empty, line: 1, column: 1, detail: "The deck has no card that is not blank.")]
        }
        if let warning = statements.atEnd(needsDelimiter: reader.needsDelimiter) { report(warning, asFault: false) }
        if let fault = faults.first { throw fault }
        guard let name else {
            throw DeckFault(.noJobCard, line: 1, column: 1, detail: Self.noJobCard)
        }
        return Result(name: name, cards: cards)
    }

    private static let noJobCard =
        "The first card is no job card; it must read //NAME JOB ..., with // in columns 1 and 2."

    private mutating func tooLong() {
        note(
            .cardTooLong, rules.longestCard + 1,
            "The card is longer than \(rules.longestCard) characters; break the line or continue the statement.")
    }

    private mutating func check(_ octets: [UInt8]) {
        cards += 1
        var card = octets
        if form == .cardImages {
            card.removeAll(keepingCapacity: true)
            rules.code.decode(octets.span, to: &card)
        }
        if case .line = origin, isBlankSoFar, card.contains(where: { $0 != 0x20 }) { isBlankSoFar = false }
        let isPlain = Self.isPlain(card.span)
        if form == .text {
            if !isPlain {
                checkCharacters(card)
            } else if card.count > rules.longestCard {
                tooLong()
            }
        }
        // A tab was told already; what the card says is clear all the same.
        if !isPlain, card.contains(0x09) { card = card.map { $0 == 0x09 ? 0x20 : $0 } }
        let wasInStream = reader.isInStream
        let kind = reader.read(card)
        let place: ControlCards.Place =
            !hasJobCard ? .front : kind == .data && wasInStream ? .inStream : .statement
        let control =
            kind.isJob ? nil : rules.controlCards.finding(in: card, at: place, isContinued: statements.isContinued)
        if let control, rules.controlCards.refuses(control) {
            note(
                .controlCard, 1,
                "The host's reader may obey the card \(control.card) itself: \(control.reason). "
                    + "Remove it; who may send such cards has a key that says so, or changes control_cards of the host."
            )
        }
        switch kind {
        case .job(let text):
            if hasJobCard {
                note(
                    .secondJobCard, 1,
                    "A second job card; one deck is one job: send the decks one by one, or with split=true.")
            } else {
                hasJobCard = true
                name = JobName(text)
                if name == nil {
                    note(
                        .badJobName, 3,
                        "A job name is 1 to 8 of A-Z, 0-9, $, # and @, beginning with none of the digits.")
                }
            }
        case .statement, .data:
            if !hasJobCard, control == nil, !toldNoJobCard {
                toldNoJobCard = true
                note(.noJobCard, 1, Self.noJobCard)
            }
        }
        for warning in statements.read(card, kind, wasInStream: wasInStream) { report(warning, asFault: false) }
    }

    /// Printable ASCII and nothing else, as nearly every card: one pass without a branch for each octet.
    private static func isPlain(_ card: Span<UInt8>) -> Bool {
        var others: UInt8 = 0
        for index in card.indices {
            // Below a blank or above a tilde: 95 or more when counted from the blank.
            others |= card[index] &- 0x20 > 0x7E - 0x20 ? 1 : 0
        }
        return others == 0
    }

    private mutating func checkCharacters(_ card: [UInt8]) {
        let text = card.span
        var offset = 0
        var column = 1
        while offset < text.count {
            guard let (scalar, length) = UTF8Reader.scalar(in: text, at: offset) else {
                note(.notText, column, "The octet \(Hex.encode([text[offset]])) begins no UTF-8 character.")
                return
            }
            switch scalar.value {
            case 0x09:
                note(.tab, column, "A tab: cards have columns; expand it to blanks (expand -t8, or tabs=expand).")
            case 0..<0x20, 0x7F, 0x80..<0xA0:
                note(
                    .control, column,
                    "The control character U+\(hex4(scalar.value)): remove it (a form feed or NUL often comes from a copied listing)."
                )
            default:
                if scalar.value > 0x7E && rules.code.octet(for: scalar) == nil {
                    note(
                        .lackingCharacter, column,
                        "The character U+\(hex4(scalar.value)) does not exist in the host's code page \(rules.code.name)."
                    )
                }
            }
            offset += length
            column += 1
        }
        if column - 1 > rules.longestCard { tooLong() }
    }

    private func hex4(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private mutating func note(_ code: DeckFault.Code, _ column: Int, _ detail: String) {
        report((code, column, detail), asFault: true)
    }

    private mutating func report(_ found: StatementCheck.Finding, asFault: Bool) {
        let fault =
            switch origin {
            case .line(let line): DeckFault(found.code, line: line, column: found.column, detail: found.detail)
            case .template(let card):
                DeckFault(
                    found.code, line: 1, column: 1,
                    detail: "In card \(card), column \(found.column) of the host's template: \(found.detail)")
            }
        if asFault { add(fault) } else { warn(fault) }
    }
}
