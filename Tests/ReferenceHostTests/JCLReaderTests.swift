import ReferenceHost
import Testing

@Suite struct JCLReaderTests {
    private func read(_ lines: String...) -> JobDefinition { JCLReader.read(CardDeck(lines: lines)) }

    @Test func `a job card says class, priority, print-out class and hold`() {
        let job = read(
            "//PAYROLL JOB (ACCT,1),'J. O''DAY',CLASS=B,PRTY=12,   COMMENT", "//  MSGCLASS=X,TYPRUN=HOLD  COMMENT",
            "// EXEC PGM=IEFBR14")
        #expect(job.errors == [])
        #expect(job.name == "PAYROLL")
        #expect(job.programmer == "J. O'DAY")
        #expect(job.jobClass == JobClass("B"))
        #expect(job.priority == 12)
        #expect(job.messageClass == 0x58)
        #expect(job.isHeld)
    }

    @Test func `a statement goes on after a comma, with comments between`() {
        let job = read(
            "//A JOB (1),", "//* WHO", "//  PROG,CLASS=C,      REMARK", "//             PRTY=3", "//S EXEC PGM=LINES,",
            "// PARM='5'")
        #expect(job.errors == [])
        #expect(job.jobClass == JobClass("C"))
        #expect(job.priority == 3)
        #expect(job.steps.first?.parameter == "5")
        #expect(job.listing.count == 6)
    }

    @Test func `a string cut at column 71 goes on in column 16`() {
        let first = "//S EXEC PGM=ECHO,PARM='" + String(repeating: "A", count: 71 - 24) + "X"
        let job = read("//A JOB", first, "//             BB'")
        #expect(job.errors == [])
        #expect(job.steps.first?.parameter == String(repeating: "A", count: 47) + "BB")
    }

    struct Data: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let dd: String
        let cards: [String]
        /// Cards of the deck that are data; the DD is card 2.
        let data: Range<Int>
    }

    @Test(arguments: [
        Data(testDescription: "DD * ends at /*", dd: "*", cards: ["ONE", "TWO", "/*", "//B DD DUMMY"], data: 3..<5),
        Data(testDescription: "DD * ends at //", dd: "*", cards: ["ONE", "//B DD DUMMY"], data: 3..<4),
        Data(testDescription: "DD DATA holds //", dd: "DATA", cards: ["//X JOB", "/*", "//B DD DUMMY"], data: 3..<4),
        Data(
            testDescription: "DLM of DATA holds /* and //", dd: "DATA,DLM=$$",
            cards: ["/*", "//X JOB", "$$", "//B DD DUMMY"], data: 3..<5),
        Data(
            testDescription: "DLM of * holds /*, ends at //", dd: "*,DLM='@@'", cards: ["/*", "//B DD DUMMY"],
            data: 3..<4),
        Data(testDescription: "data up to the end of the deck", dd: "*", cards: ["ONE"], data: 3..<4),
        Data(testDescription: "no data", dd: "*", cards: ["/*"], data: 3..<3),
    ])
    func `in-stream data`(_ row: Data) {
        let deck = CardDeck(lines: ["//A JOB", "//S EXEC PGM=ECHO", "//SYSIN DD \(row.dd)"] + row.cards)
        let job = JCLReader.read(deck)
        #expect(job.errors == [])
        #expect(job.steps.first?.dataSets.first?.sources == [.inStream(row.data)])
        #expect(job.secondJobCard == nil)
    }

    @Test func `data without DD become SYSIN`() {
        let job = read("//A JOB", "//S EXEC PGM=ECHO", "ONE", "TWO")
        #expect(job.errors == [])
        #expect(job.steps.first?.dataSets.first?.name == "SYSIN")
        #expect(job.steps.first?.dataSets.first?.sources == [.inStream(2..<4)])
    }

    @Test func `DD statements without name are read after the one before`() {
        let job = read(
            "//A JOB", "//S EXEC PGM=ECHO", "//SYSIN DD *", "ONE", "// DD *", "TWO", "/*", "//OUT DD SYSOUT=(B,,STD)")
        #expect(job.errors == [])
        #expect(job.steps.first?.dataSets.first?.sources == [.inStream(3..<4), .inStream(5..<6)])
        #expect(job.steps.first?.dataSets.last?.sources == [.sysout(0x42)])
    }

    @Test func `COND takes tests of all and of named steps`() {
        let job = read(
            "//A JOB", "//S1 EXEC PGM=RC,PARM=4", "//S2 EXEC PGM=RC,COND=((4,LT),(8,EQ,S1),EVEN)",
            "//S3 EXEC PGM=RC,COND=ONLY")
        #expect(job.errors == [])
        #expect(
            job.steps[1].conditions == [
                .init(code: 4, relation: .LT, step: nil), .init(code: 8, relation: .EQ, step: "S1"),
            ])
        #expect(job.steps[1].runs == .even)
        #expect(job.steps[2].runs == .only)
    }

    @Test func `a second job card is found, behind a null statement as well`() {
        #expect(read("//A JOB", "// EXEC PGM=IEFBR14", "//B JOB").secondJobCard == 2)
        #expect(read("//A JOB", "// EXEC PGM=IEFBR14", "//", "junk", "//B JOB").secondJobCard == 4)
        #expect(read("//A JOB", "// EXEC PGM=IEFBR14", "//", "junk").secondJobCard == nil)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String { card }
        let card: String
        let statement: Int
        let message: String
    }

    @Test(arguments: [
        Fault(card: "//S FROB X", statement: 2, message: "IEFC605I UNIDENTIFIED OPERATION FIELD"),
        Fault(card: "//S EXEC PGM=RC,FOO=1", statement: 2, message: "IEFC630I UNIDENTIFIED KEYWORD FOO"),
        Fault(card: "//S EXEC MYPROC", statement: 2, message: "IEFC612I PROCEDURE MYPROC WAS NOT FOUND"),
        Fault(
            card: "//S EXEC PGM=RC,PARM='X", statement: 2,
            message: "IEFC629I INCORRECT USE OF APOSTROPHE IN THE OPERAND FIELD"),
        Fault(card: "//S EXEC PGM=RC,COND=(4", statement: 2, message: "IEFC622I UNBALANCED PARENTHESIS"),
        Fault(card: "//S EXEC PGM=RC,COND=(4,XX)", statement: 2, message: "IEFC641I INCORRECT VALUE IN THE COND FIELD"),
        Fault(
            card: "//S EXEC PGM=RC,COND=(4,LT,NONE)", statement: 2,
            message: "IEFC650I STEP NONE IN THE COND FIELD WAS NOT FOUND"),
        Fault(card: "//TOOLONGNAME EXEC PGM=RC", statement: 2, message: "IEFC662I INVALID LABEL"),
        Fault(card: "//S EXEC PGM=RC,", statement: 2, message: "IEFC621I EXPECTED CONTINUATION NOT RECEIVED"),
        Fault(card: "//D DD DUMMY", statement: 2, message: "IEFC019I MISPLACED DD STATEMENT"),
        Fault(card: "//* ONLY A COMMENT", statement: 1, message: "IEFC607I JOB HAS NO STEPS"),
    ])
    func `a fault in JCL is listed with its statement`(_ row: Fault) {
        let job = read("//A JOB", row.card)
        #expect(job.errors.first == JCLError(statement: row.statement, text: row.message))
    }

    @Test(arguments: ["CLASS=AB", "PRTY=16", "MSGCLASS=", "TYPRUN=NEVER"])
    func `a job card with a wrong value`(_ operand: String) {
        let errors = read("//A JOB (1),X,\(operand)", "// EXEC PGM=IEFBR14").errors
        #expect(errors.count == 1)
        #expect(errors.first?.text.hasPrefix("IEFC641I") == true)
    }

    @Test func `no octets make the reader trap`() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("//  ,,''(())=*JOBEXECDDPGM&A1\u{7F}".utf8)
        for _ in 0..<3_000 {
            var deck = CardDeck()
            deck.append("//A JOB".utf8)
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let length = Int.random(in: 0...80, using: &random)
                deck.append(
                    Array("//".utf8.prefix(Int.random(in: 0...2, using: &random)))
                        + (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0x20 })
            }
            _ = JCLReader.read(deck)
        }
    }
}
