/// What a host may take otherwise than it was meant: never a reason to refuse a deck, unless the client asks for strictness.
struct StatementCheck: Sendable {
    typealias Finding = (code: DeckFault.Code, column: Int, detail: String)

    private var continuation = StatementContinuation()
    private var hasStep = false
    private var isEnded = false
    private var toldAfterEnd = false
    private var toldData = false

    init() {}

    /// The statement before goes on in the next card.
    var isContinued: Bool { continuation.isOpen }

    mutating func read(_ card: [UInt8], _ kind: JobCardReader.Card, wasInStream: Bool) -> [Finding] {
        switch kind {
        case .data: return wasInStream ? [] : data(card)
        case .job, .statement: return statement(card)
        }
    }

    mutating func atEnd(needsDelimiter: Bool) -> Finding? {
        if needsDelimiter {
            return (.noDelimiter, 1, "The deck ends amid the data of a DD DATA or DLM=; its delimiter is missing.")
        }
        return hasStep ? nil : (.noStep, 1, "The deck has no EXEC statement; the host will find nothing to run.")
    }

    private mutating func data(_ card: [UInt8]) -> [Finding] {
        guard !toldData, card.contains(where: { $0 != 0x20 }) else { return [] }
        toldData = true
        return [(.dataWithoutDD, 1, "Data without a DD * statement before it; the host may make one named SYSIN.")]
    }

    private mutating func statement(_ card: [UInt8]) -> [Finding] {
        guard card.starts(with: [0x2F, 0x2F]), card.count < 3 || card[2] != 0x2A else { return [] }
        if card.dropFirst(2).allSatisfy({ $0 == 0x20 }) {
            isEnded = true
            return []
        }
        var found: [Finding] = []
        if isEnded, !toldAfterEnd {
            toldAfterEnd = true
            found.append(
                (
                    .afterNullStatement, 1,
                    "A statement behind the null statement //, which ends the job: it is not read."
                ))
        }
        if card.count > 71, card[70] != 0x20, card[71] != 0x20 {
            found.append((.pastColumn71, 72, "The statement runs on past column 71, which is the last that is read."))
        }
        if let column = lowerCase(card) {
            found.append((.lowerCase, column, "Small letters in a statement; most hosts want capitals."))
        }
        let text = card.prefix(71)
        if !continuation.isOpen {
            let fields = text.dropFirst(2).split(separator: 0x20, maxSplits: 2)
            let isNamed = text.dropFirst(2).first != 0x20
            if fields.dropFirst(isNamed ? 1 : 0).first?.elementsEqual("EXEC".utf8) == true { hasStep = true }
        }
        continuation.read(statement: text)
        return found
    }

    /// The column of the first small letter of name, operation or operands outside of quotations.
    private func lowerCase(_ card: [UInt8]) -> Int? {
        var isQuoted = continuation.isQuoted
        var field = 0
        var wasBlank = card.count > 2 && card[2] == 0x20
        // name, operation and operands; of a card that goes on the operands alone
        let fields = continuation.isOpen ? 1 : 2
        for (index, octet) in card.prefix(71).enumerated().dropFirst(2) {
            if octet == 0x27 { isQuoted.toggle() }
            if octet == 0x20, !isQuoted {
                wasBlank = true
                continue
            }
            if wasBlank {
                wasBlank = false
                field += 1
                if field > fields { return nil }
            }
            if !isQuoted, (0x61...0x7A).contains(octet) { return index + 1 }
        }
        return nil
    }
}
