import Jobs
import Testing
import Wire

@Suite struct ControlCardTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let lines: [String]
        let policy: ControlCards
        /// `line: card` of what is refused.
        let refused: [String]

        init(_ description: String, _ lines: [String], _ policy: ControlCards = .usual, refused: [String] = []) {
            testDescription = description
            self.lines = lines
            self.policy = policy
            self.refused = refused
        }
    }

    private static let job = "//A JOB"

    static let rows: [Row] = [
        Row("a sign-on amid data", [job, "//I DD *", "/*SIGNON REMOTE1", "/*"], refused: ["3: /*SIGNON"]),
        Row("a sign-on in data of a DLM", [job, "//I DD DATA,DLM=@@", "/*SIGNON", "@@"], refused: ["3: /*SIGNON"]),
        Row("in small letters", [job, "/*signoff"], refused: ["2: /*SIGNOFF"]),
        Row("a sign-on further right is data", [job, "//I DD *", " /*SIGNON", "/*"]),
        Row("RBF's end of input", [job, "//I DD *", "/*EOI   ", "/*"], refused: ["3: /*EOI"]),
        Row("a longer word is none", [job, "//I DD *", "/*EOIX", "/*"]),
        Row("a record's end", [job, "/*EOR", "/*EOF"], refused: ["2: /*EOR", "3: /*EOF"]),
        Row("a JES2 command", [job, "/*$SI1-5"], refused: ["2: /*$"]),
        Row("a JES2 command in data that it ends", [job, "//I DD *", "/*$PJES2"], refused: ["3: /*$"]),
        Row("a JES2 command in data that it does not end", [job, "//I DD DATA,DLM=@@", "/*$PJES2", "@@"]),
        Row("an operator command", [job, "// START NET"], refused: ["2: // START"]),
        Row("its abbreviation", [job, "//  D  U,ALL"], refused: ["2: // D"]),
        Row("a command statement", [job, "//X COMMAND 'D T'"], refused: ["2: // COMMAND"]),
        Row(
            "JCL without a name", [job, "// EXEC PGM=X", "// SET A=1", "//I DD *", "// DD DSN=X", "// IF RC = 0 THEN"]),
        Row("a step called START", [job, "//START EXEC PGM=X"]),
        Row(
            "a continuation that looks like a command", ["//A JOB (1),", "// S,", "// CLASS=A", "// S EXEC"],
            refused: ["4: // S"]),
        Row("a terminal command of OS/360 RJE", [job, ".. LOGOFF"], refused: ["2: .."]),
        Row("troff in data", [job, "//I DD *", "..", "/*"]),
        Row("POWER's job entry control amid data", [job, "//I DD *", "* $$ EOJ", "/*"], refused: ["3: * $$"]),
        Row("VM's job card", [job, "/JOB USER PASS"], refused: ["2: /JOB"]),
        Row("RFC 407's card at the front", ["NET OUT = other", job], refused: ["1: NET"]),
        Row("RFC 407's card behind the job card is data", [job, "NET OUT = other"]),
        Row("an RSCS card at the front", ["ID OTHER", job], refused: ["1: ID "]),
        Row("a command of HASP at the front", ["$DA", job], refused: ["1: $"]),
        Row("a command of JES3 at the front", ["//**START", job], refused: ["1: //**"]),
        Row("a box of stars", [job, "//******", "//* TEXT"]),
        Row("routing is usual", [job, "/*ROUTE PRINT R1", "/*XEQ N1", "/*JOBPARM S=A"]),
        Row(
            "routing, where it is refused", [job, "/*ROUTE PRINT R1", "//I DD *", "//*MAIN X"],
            ControlCards([.routing]), refused: ["2: /*ROUTE", "4: //*MAIN"]),
        Row("everything is allowed", ["NET OUT = a", job, "/*SIGNON", "/*$DA", "// START X"], .allowed),
        Row(
            "a list of the host's own", [job, "/*SIGNON", "#pragma", "//I DD *", "#PRAGMA x"],
            ControlCards([], beginnings: ["#pragma"]), refused: ["3: #PRAGMA", "5: #PRAGMA"]),
    ]

    @Test(arguments: rows)
    func `a card is refused where a reader would obey it`(_ row: Row) {
        for form in [DeckForm.text, .cardImages] {
            let code = form == .text ? CodePage.ascii : .cp037
            var check = DeckCheck(.init(code: code, controlCards: row.policy), form: form)
            switch form {
            case .text: check.append(Array(row.lines.joined(separator: "\n").utf8))
            case .cardImages:
                for line in row.lines {
                    let card = (try? code.encode(line)) ?? []
                    check.append(card + [UInt8](repeating: code.blank, count: 80 - card.count))
                }
            }
            let result = Result { () throws(DeckFault) in try check.finish() }
            let refused = check.faults.compactMap { fault in
                row.refused.first {
                    $0.hasPrefix("\(fault.line): ") && fault.detail.contains($0.dropFirst("\(fault.line): ".count))
                }
            }
            #expect(refused == row.refused, "\(check.faults)")
            #expect(check.faults.count == row.refused.count, "\(check.faults)")
            #expect(check.faults.allSatisfy { $0.code == .controlCard && $0.column == 1 })
            #expect((try? result.get()) == nil || row.refused.isEmpty)
        }
    }
}

@Suite struct DeckWarningTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let deck: String
        let warnings: [String]

        init(_ description: String, _ deck: String, _ warnings: [String] = []) {
            testDescription = description
            self.deck = deck
            self.warnings = warnings
        }
    }

    static let rows: [Row] = [
        Row(
            "a clean deck",
            "//A JOB (1),'Tom, Dick',\n//  CLASS=A   and a comment\n//S EXEC PGM=X comment\n//I DD *\nsmall\n/*\n"),
        Row("no step", "//A JOB\n", ["no-step 1:1"]),
        Row("small letters", "//A JOB\n//s EXEC PGM=X\n//S EXEC pgm=X\n", ["lower-case 2:3", "lower-case 3:10"]),
        Row("small letters in a continued quotation", "//A JOB (1),'to\n//             be'\n//S EXEC PGM=X\n"),
        Row(
            "a statement past column 71",
            "//A JOB\n//S EXEC PGM=X,PARM='" + String(repeating: "X", count: 55) + "'\n", ["past-column-71 2:72"]),
        Row("sequence numbers", "//A JOB\n//S EXEC PGM=X" + String(repeating: " ", count: 58) + "00000010\n"),
        Row("data without an end", "//A JOB\n//S EXEC PGM=X\n//I DD DATA\nX\n", ["no-delimiter 4:1"]),
        Row("data of DD * need none", "//A JOB\n//S EXEC PGM=X\n//I DD *\nX\n"),
        Row("data without a DD", "//A JOB\n//S EXEC PGM=X\nX\nY\n", ["data-without-dd 3:1"]),
        Row("behind the null statement", "//A JOB\n//S EXEC PGM=X\n//\n//T EXEC PGM=X\n", ["after-null-statement 4:1"]),
    ]

    @Test(arguments: rows)
    func `what is doubtful is told and does not refuse the deck`(_ row: Row) throws {
        var check = DeckCheck(.init(), form: .text)
        check.append(Array(row.deck.utf8))
        _ = try check.finish()
        #expect(check.warnings.map { "\($0.code.rawValue) \($0.line):\($0.column)" } == row.warnings)
    }
}
