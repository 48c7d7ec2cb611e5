import Jobs
import Testing
import Wire

@Suite struct MarkerCardTests {
    static let id = JobID(bits: 77)
    static let card = MarkerCard.text(for: id)

    @Test func `a card names its job, in a deck and in a listing of it`() {
        #expect(Self.card.utf8.count <= 71)
        #expect(MarkerCard.job(inLine: Self.card) == Self.id)
        #expect(MarkerCard.job(inLine: "        2 " + Self.card + "       00000200") == Self.id)
        #expect(MarkerCard.job(inLine: "//* PORT77 NOTANID") == nil)
        #expect(MarkerCard.job(inLine: "//* PORT7") == nil)
    }

    struct Row: Sendable {
        let testDescription: String
        let before: String
        /// Cards that stand before the marker.
        let place: Int
    }

    @Test(arguments: [
        Row(testDescription: "one card", before: "//A JOB (1),'X',CLASS=A\n// EXEC PGM=B\n", place: 1),
        Row(
            testDescription: "operands go on", before: "//A JOB (1),\n//  CLASS=A,\n//  MSGCLASS=X\n// EXEC PGM=B\n",
            place: 3),
        Row(
            testDescription: "a comment follows the operands", before: "//A JOB (1),'X' COMMENT,\n// EXEC PGM=B\n",
            place: 1),
        Row(testDescription: "a comma in quotes ends nothing", before: "//A JOB (1),'X,'\n// EXEC PGM=B\n", place: 1),
        Row(
            testDescription: "a comment card between", before: "//A JOB (1),\n//* HERE\n//  CLASS=A\n//S EXEC PGM=B\n",
            place: 3),
        Row(
            testDescription: "an open quotation", before: "//A JOB (1),'LONG\n//  NAME',CLASS=A\n//S EXEC PGM=B\n",
            place: 2),
        Row(testDescription: "without operands", before: "//A JOB\n// EXEC PGM=B\n", place: 1),
        Row(testDescription: "carriage returns", before: "//A JOB (1),\r\n//  CLASS=A\r\n// EXEC PGM=B\r\n", place: 2),
        Row(testDescription: "a job card alone, without an end", before: "//A JOB (1)", place: 1),
    ])
    func `the card stands behind the job card, for any split of the deck`(_ row: Row) throws {
        let deck = Array(row.before.utf8)
        for size in [1, 2, 7, deck.count] {
            var inserter = try CardInserter(Self.card, form: .text, code: .ascii)
            var output: [UInt8] = []
            var at = 0
            while at < deck.count {
                inserter.append(Array(deck[at..<min(deck.count, at + size)]), to: &output)
                at += size
            }
            inserter.finish(to: &output)
            // By octets: CR LF is one character to a String.
            var lines = output.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
            #expect(
                lines.count > row.place && lines[row.place] == Array(Self.card.utf8), "\(row.testDescription), \(size)")
            if lines.count > row.place { lines.remove(at: row.place) }
            let rest = Array(lines.joined(separator: [0x0A]))
            #expect(rest == deck || rest == deck + [0x0A], "\(row.testDescription), \(size)")
        }
    }

    @Test func `among card images it is one, in the host's code`() throws {
        let page = CodePage.cp037
        func image(_ text: String) throws -> [UInt8] {
            let coded = try page.encode(text)
            return coded + [UInt8](repeating: page.blank, count: 80 - coded.count)
        }
        let first = try image("//A JOB (1)")
        let second = try image("//S EXEC PGM=B")
        var inserter = try CardInserter(Self.card, form: .cardImages, code: page)
        var output: [UInt8] = []
        inserter.append(first + second, to: &output)
        inserter.finish(to: &output)
        #expect(output == first + (try image(Self.card)) + second)
    }
}
