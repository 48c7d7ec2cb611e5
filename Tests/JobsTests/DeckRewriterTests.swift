import Jobs
import Testing

@Suite struct DeckRewriterTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let lines: [String]
        let wishes: DeckRewriter.Wishes
        let cards: [String]
        let faults: [String]

        init(
            _ description: String, _ lines: [String], cards: [String]? = nil, faults: [String] = [],
            _ change: (inout DeckRewriter.Wishes) -> Void
        ) {
            testDescription = description
            self.lines = lines
            self.cards = cards ?? lines
            self.faults = faults
            var wishes = DeckRewriter.Wishes()
            change(&wishes)
            self.wishes = wishes
        }
    }

    private static let symbols = DeckSymbols(
        given: ["ACCT": "1234", "EMPTY": "", "LONG": .init(repeating: "L", count: 60)], usual: ["CLASS": "A"])
    private static let long = String(repeating: "D", count: 170)

    static let rows: [Row] = [
        Row("tabs", ["//A\tJOB", "ä\tb"], cards: ["//A     JOB", "ä       b"]) { $0.expandsTabs = true },
        Row("symbols", ["//A JOB (${ACCT}),CLASS=${class}${EMPTY}."], cards: ["//A JOB (1234),CLASS=A."]) {
            $0.symbols = symbols
        },
        Row("JCL's own symbols stay", ["//A JOB", "//D DD DSN=&&TEMP,UNIT=&UNIT."]) { $0.symbols = symbols },
        Row("a plain mark", ["//A JOB", "echo $${HOME} $HOME $$"], cards: ["//A JOB", "echo ${HOME} $HOME $$"]) {
            $0.symbols = symbols
        },
        Row("without symbols nothing is one", ["//A JOB", "${HOME} $${X}"]) { $0.expandsTabs = true },
        Row("an unknown symbol", ["//A JOB ${NOPE}"], cards: ["//A JOB "], faults: ["unknown-symbol 1:9"]) {
            $0.symbols = symbols
        },
        Row("a symbol that is none", ["//A JOB", "é${x:-y}"], faults: ["malformed-symbol 2:2"]) {
            $0.symbols = symbols
        },
        Row("a symbol without an end", ["//A JOB", "${ACCT"], faults: ["malformed-symbol 2:1"]) {
            $0.symbols = symbols
        },
        Row(
            "a value too long for the statement", ["//A JOB", "//B EXEC ${LONG},X"],
            cards: ["//A JOB", "//B EXEC " + String(repeating: "L", count: 60) + ",X"]
        ) { $0.symbols = symbols },
        Row(
            "a value that goes past column 71", ["//A JOB", "//B EXEC PGM=${LONG}"],
            cards: ["//A JOB", "//B EXEC PGM=" + String(repeating: "L", count: 60)],
            faults: ["symbol-too-long 2:14"]
        ) { $0.symbols = symbols },
        Row(
            "a value too long for a card of data, which is not wrapped", ["//A JOB", "//I DD *", "${LONG}${LONG}"],
            cards: ["//A JOB", "//I DD *", String(repeating: "L", count: 120)], faults: ["symbol-too-long 3:1"]
        ) {
            $0.symbols = symbols
            $0.wrapsCards = true
        },
        Row(
            "long lines of data", ["//A JOB", "//I DD *", long, "/*", "//" + long],
            cards: [
                "//A JOB", "//I DD *", String(repeating: "D", count: 80), String(repeating: "D", count: 80),
                String(repeating: "D", count: 10), "/*", "//" + long,
            ]
        ) { $0.wrapsCards = true },
        Row("a template", ["//S EXEC PGM=X"], cards: ["//HELLO JOB (1234)", "//* A", "//S EXEC PGM=X"]) {
            $0.template = ["//HELLO JOB (${ACCT})", "//* ${CLASS}"]
            $0.templateSymbols = symbols
        },
        Row("a deck with its own job card", ["//A JOB", "//S EXEC PGM=X"]) {
            $0.template = ["//HELLO JOB"]
        },
        Row("a deck with its own job card, with tabs", ["//A\tJOB"], cards: ["//A     JOB"]) {
            $0.template = ["//HELLO JOB"]
            $0.expandsTabs = true
        },
        Row("a template that is demanded", ["//A JOB"], cards: ["//HELLO JOB", "//A JOB"]) {
            $0.template = ["//HELLO JOB"]
            $0.isTemplateDemanded = true
        },
        Row(
            "a symbol of the template that nobody gave", ["//S EXEC PGM=X"],
            cards: ["//HELLO JOB ()", "//S EXEC PGM=X"], faults: ["unknown-symbol 1:1"]
        ) {
            $0.template = ["//HELLO JOB (${NOPE})"]
        },
    ]

    @Test(arguments: rows)
    func `a deck is changed as asked and nowhere else`(_ row: Row) {
        var rewriter = DeckRewriter(row.wishes, longestCard: 80)
        var cards: [String] = []
        for (index, line) in row.lines.enumerated() {
            cards += rewriter.take(Array(line.utf8), number: index + 1).map { String(decoding: $0.card, as: UTF8.self) }
        }
        #expect(cards == row.cards)
        #expect(rewriter.faults.map { "\($0.code.rawValue) \($0.line):\($0.column)" } == row.faults)
    }

    @Test(arguments: ["a\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "\u{0}", "\u{1A}", String(repeating: "x", count: 257)])
    func `no value can begin another card`(_ value: String) {
        #expect(!DeckSymbols.isValue(value))
    }

    @Test func `a symbol that stands nowhere is named`() {
        var wishes = DeckRewriter.Wishes()
        wishes.symbols = Self.symbols
        var rewriter = DeckRewriter(wishes, longestCard: 80)
        _ = rewriter.take(Array("//A JOB (${ACCT})".utf8), number: 1)
        #expect(rewriter.unusedSymbols == ["EMPTY", "LONG"])
    }
}
