/// How card images stand in a block: the RECFM of PRIV-RJE and of data sets.
package enum CardForm: String, Sendable {
    /// Each ended by LF (ASCII) or NEL (EBCDIC).
    case variable = "V"
    /// Padded with blanks to one length, without ends.
    case fixed = "F"
}

/// Turns a deck as people write it (UTF-8, lines ended by LF, one CR before it dropped, the last end optional) into card
/// images in the host's code. A stream: the result is the same for any split of the deck.
package struct CardEncoder: Sendable {
    package let code: CodePage
    package let form: CardForm
    /// Characters a card may have; with `.fixed` also its length.
    package let longestCard: Int
    /// Cards encoded so far.
    package var cards: Int { splitter.records }

    private var splitter: RecordSplitter

    package init(code: CodePage, form: CardForm = .variable, longestCard: Int = 80) {
        self.code = code
        self.form = form
        self.longestCard = longestCard
        // four octets a character at most: a longer line is too long whatever it holds
        splitter = RecordSplitter(.text(.ascii), longestRecord: longestCard * 4)
    }

    package mutating func append(_ deck: some Collection<UInt8>, to output: inout [UInt8]) throws(CardFault) {
        splitter.append(deck)
        while let line = try take({ (splitter) throws(RecordSplitter.TooLong) in try splitter.next() }) {
            try encode(line, to: &output)
        }
    }

    /// The last card, when its line has no end.
    package mutating func finish(to output: inout [UInt8]) throws(CardFault) {
        if let line = try take({ (splitter) throws(RecordSplitter.TooLong) in try splitter.finish() }) {
            try encode(line, to: &output)
        }
    }

    /// A whole deck at once.
    ///
    /// - Returns: the block, and how many cards it holds.
    package static func block(
        of deck: [UInt8], code: CodePage, form: CardForm = .variable, longestCard: Int = 80
    ) throws(CardFault) -> (block: [UInt8], cards: Int) {
        var encoder = CardEncoder(code: code, form: form, longestCard: longestCard)
        var block: [UInt8] = []
        block.reserveCapacity(deck.count + 1)
        try encoder.append(deck, to: &block)
        try encoder.finish(to: &block)
        return (block, encoder.cards)
    }

    private mutating func take(
        _ read: (inout RecordSplitter) throws(RecordSplitter.TooLong) -> [UInt8]?
    ) throws(CardFault) -> [UInt8]? {
        do {
            return try read(&splitter)
        } catch {
            throw CardFault(line: error.record, column: longestCard + 1, kind: .tooLong(limit: longestCard))
        }
    }

    private func encode(_ line: [UInt8], to output: inout [UInt8]) throws(CardFault) {
        let first = output.count
        do {
            try code.encode(line.span, to: &output)
        } catch {
            throw CardFault(
                line: cards, column: error.characters + 1, kind: error.scalar.map { .lacking($0, code) } ?? .notText)
        }
        let length = output.count - first
        if length > longestCard {
            throw CardFault(line: cards, column: longestCard + 1, kind: .tooLong(limit: longestCard))
        }
        switch form {
        case .fixed:
            output.append(contentsOf: repeatElement(code.blank, count: longestCard - length))
        case .variable:
            // NEL in a deck (U+0085) would become a record end that nobody wrote
            if let end = output[first...].firstIndex(of: code.recordEnd) {
                throw CardFault(
                    line: cards, column: end - first + 1, kind: .lacking(code.scalar(for: code.recordEnd), code))
            }
            output.append(code.recordEnd)
        }
    }
}

/// Where a deck cannot become card images.
package struct CardFault: Error, Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case tooLong(limit: Int)
        /// A character that the code page lacks, or that would end the record.
        case lacking(Unicode.Scalar, CodePage)
        /// Octets that are no UTF-8.
        case notText
    }

    /// From 1.
    package let line: Int
    /// In characters, from 1.
    package let column: Int
    package let kind: Kind

    package init(line: Int, column: Int, kind: Kind) {
        self.line = line
        self.column = column
        self.kind = kind
    }
}
