package import Wire

/// The comment card that carries a job's ID to its host and back in the print-out: `//* PORT77 01JDB2M3V9Q0R8S7T6W5X4Y3Z2`.
///
/// It makes certain which job a print-out belongs to on hosts whose protocol carries no number.
package enum MarkerCard {
    private static let mark = "//* PORT77 "

    package static func text(for job: JobID) -> String { mark + job.description }

    /// The ID in a line of a deck or of a listing of one (JES prints statement numbers before it).
    package static func job(inLine line: some StringProtocol) -> JobID? {
        guard let found = line.firstRange(of: mark) else { return nil }
        return JobID(line[found.upperBound...].prefix(26))
    }
}

/// Puts one card behind the job card of a deck and its continuations. A stream: the result is the same for any split.
///
/// Source: z/OS MVS JCL Reference, "Continuing statements": a statement goes on when its operands end with a comma before
/// column 72, or in an open quotation, on a card with `//` in columns 1-2 and a blank in column 3.
package struct CardInserter: Sendable {
    private enum Place: Equatable, Sendable {
        case beforeJobCard
        case inJobCard
        case behind
    }

    private let card: [UInt8]
    private let code: CodePage
    /// Ends a card; card images have none.
    private let end: [UInt8]
    private var splitter: RecordSplitter
    private var place = Place.beforeJobCard
    private var continuation = StatementContinuation()

    /// - Parameters:
    ///   - text: of the card, at most 80 characters of ASCII.
    ///   - form: how the deck's octets are to be read.
    ///   - code: of card images.
    package init(_ text: String, form: DeckForm, code: CodePage) throws(CodePageFault) {
        switch form {
        case .text:
            self.code = .ascii
            card = Array(text.utf8)
            end = [0x0A]
            splitter = RecordSplitter(.ended(by: 0x0A, dropsCarriageReturn: false))
        case .cardImages:
            self.code = code
            let coded = try code.encode(text)
            card = coded + [UInt8](repeating: code.blank, count: max(0, 80 - coded.count))
            end = []
            splitter = RecordSplitter(.fixed(80))
        }
    }

    package mutating func append(_ piece: [UInt8], to output: inout [UInt8]) {
        splitter.append(piece)
        // It refuses no length: it was given none.
        while let line = try? splitter.next() { pass(line, isEnded: true, to: &output) }
    }

    /// The last card, when its line has no end.
    package mutating func finish(to output: inout [UInt8]) {
        if let line = try? splitter.finish() { pass(line, isEnded: false, to: &output) }
    }

    private mutating func pass(_ line: [UInt8], isEnded: Bool, to output: inout [UInt8]) {
        output += line
        if isEnded { output += end }
        guard place != .behind, endsJobCard(line) else { return }
        place = .behind
        if !isEnded { output += end }
        output += card + end
    }

    private mutating func endsJobCard(_ line: [UInt8]) -> Bool {
        let text = code == .ascii ? line : Array(code.decode(line).utf8)
        let statement = text.prefix(71)
        let isComment = statement.starts(with: "//*".utf8)
        switch place {
        case .beforeJobCard:
            // A checked deck begins with its job card, or with control cards that its host is to get.
            guard
                statement.dropFirst(2).split(separator: 0x20, maxSplits: 2).dropFirst().first?.elementsEqual("JOB".utf8)
                    == true
            else { return false }
            place = .inJobCard
        case .inJobCard: if isComment { return false }
        case .behind: return true
        }
        continuation.read(statement: statement)
        return !continuation.isOpen
    }
}
