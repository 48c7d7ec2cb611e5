import Jobs
import Testing
import Wire

@Suite struct DeckCheckTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let deck: [UInt8]
        var rules = DeckCheck.Rules()
        var form = DeckForm.text
        var faults: [String] = []
        var cards = 0
        init(
            _ description: String, _ deck: String, rules: DeckCheck.Rules = .init(), faults: [String] = [],
            cards: Int = 0
        ) {
            testDescription = description
            self.deck = Array(deck.utf8)
            self.rules = rules
            self.faults = faults
            self.cards = cards
        }
        init(_ description: String, octets: [UInt8], form: DeckForm, faults: [String] = [], cards: Int = 0) {
            testDescription = description
            deck = octets
            self.form = form
            self.faults = faults
            self.cards = cards
        }
    }

    static let eighty = "//" + String(repeating: "X", count: 78)
    static func card(_ text: String) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0x20, count: 80 - text.utf8.count)
    }

    static let rows: [Row] = [
        Row("a plain deck", "//HELLO JOB (1),TEST\n// EXEC PGM=IEFBR14\n", cards: 2),
        Row("without the last end, with CRs", "//HELLO JOB\r\n// EXEC PGM=A", cards: 2),
        Row("no octets", "", faults: ["empty-deck 1:1"]),
        Row("only blank cards", "   \n\n  \n", faults: ["empty-deck 1:1"]),
        Row("no job card", "// EXEC PGM=A\n", faults: ["no-job-card 1:1"]),
        Row("a blank card first", "\n//HELLO JOB\n", faults: ["no-job-card 1:1"]),
        Row("words first", "hello\n//HELLO JOB\n", faults: ["no-job-card 1:1"]),
        Row("job name with a digit first", "//1HELLO JOB\n", faults: ["bad-job-name 1:3"]),
        Row("job name of nine", "//ABCDEFGHI JOB\n", faults: ["bad-job-name 1:3"]),
        Row("national characters", "//$#@9 JOB\n", cards: 1),
        Row("two job cards", "//A JOB\n// EXEC PGM=X\n//B JOB\n", faults: ["second-job-card 3:1"]),
        Row("a job card ends in-stream data", "//A JOB\n//S DD *\nx\n//B JOB\n", faults: ["second-job-card 4:1"]),
        Row("a job card as data of DD DATA", "//A JOB\n//S DD DATA\n//B JOB\n/*\n", cards: 4),
        Row(
            "a job card behind the end of DD DATA", "//A JOB\n//S DD DATA\n/*\n//B JOB\n",
            faults: ["second-job-card 4:1"]),
        Row("a job card as data up to DLM", "//A JOB\n//S DD *,DLM=$$\n//B JOB\n/*\n$$\n", cards: 5),
        Row("a comment that says JOB", "//A JOB\n//* JOB\n", cards: 2),
        Row("80 columns", "//A JOB\n\(eighty)\n", cards: 2),
        Row("81 columns", "//A JOB\n\(eighty)X\n", faults: ["card-too-long 2:81"]),
        Row("a very long card", "//A JOB\n" + String(repeating: "y", count: 5000), faults: ["card-too-long 2:81"]),
        Row("a tab", "//A JOB\n//S\tEXEC PGM=X\n", faults: ["tab 2:4"]),
        Row("a tab on the job card, told once", "//A\tJOB\n", faults: ["tab 1:4"]),
        Row("a form feed", "//A JOB\n\u{0C}\n", faults: ["control-character 2:1"]),
        Row("an umlaut for an ASCII host", "//A JOB\n//* für\n", faults: ["character-not-in-code-page 2:6"]),
        Row("an umlaut for CP037", "//A JOB\n//* für\n", rules: .init(code: .cp037), cards: 2),
        Row(
            "a euro for CP037", "//A JOB\n//* 5 €\n", rules: .init(code: .cp037),
            faults: ["character-not-in-code-page 2:7"]),
        Row(
            "columns count characters", "//A JOB\n//* äöü€\n", rules: .init(code: .cp037),
            faults: ["character-not-in-code-page 2:8"]),
        Row(
            "octets that are no UTF-8", octets: Array("//A JOB\n//* ".utf8) + [0xFF, 0x0A], form: .text,
            faults: ["not-utf-8 2:5"]),
        Row("several faults at once", "//A JOB\n\t\n//B JOB\n", faults: ["tab 2:1", "second-job-card 3:1"]),
        Row("card images", octets: card("//A JOB") + card("// EXEC PGM=X"), form: .cardImages, cards: 2),
        Row(
            "card images with a rest", octets: card("//A JOB") + [0x41], form: .cardImages, faults: ["partial-card 2:1"]
        ),
    ]

    @Test(arguments: rows)
    func `a deck and its faults`(_ row: Row) {
        var whole = DeckCheck(row.rules, form: row.form)
        whole.append(row.deck)
        judge(&whole, row)
        var split = DeckCheck(row.rules, form: row.form)
        for octet in row.deck { split.append([octet]) }
        judge(&split, row)
    }

    private func judge(_ check: inout DeckCheck, _ row: Row) {
        do {
            let result = try check.finish()
            #expect(row.faults.isEmpty)
            #expect(result.cards == row.cards)
        } catch {
            #expect(
                (check.faults.isEmpty ? [error] : check.faults).map { "\($0.code.rawValue) \($0.line):\($0.column)" }
                    == row.faults)
        }
    }

    @Test func `no more than twenty faults are told`() {
        var check = DeckCheck(.init(), form: .text)
        check.append(Array(("//A JOB\n" + String(repeating: "\t\n", count: 100)).utf8))
        #expect(throws: DeckFault.self) { try check.finish() }
        #expect(check.faults.count == DeckCheck.mostFaults)
    }
}
