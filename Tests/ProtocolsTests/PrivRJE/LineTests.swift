import Protocols
import Testing

struct PrivRJELineTests {
    private func line(_ text: String) throws -> PrivRJE.Line { try PrivRJE.Line(parsing: Array(text.utf8)) }

    @Test func `pairs come first, words for people follow`() throws {
        let read = try line("461 REASON=BADCARD Card=3 \"2\" of A=1")
        #expect(read.code == 461 && !read.hasMore)
        #expect(read["REASON"] == "BADCARD" && read.number("CARD") == 3)
        #expect(read.words == "\"2\" of A=1")
        #expect(read.text == "REASON=BADCARD Card=3 \"2\" of A=1")
    }

    @Test func `a quoted value with escapes is read and written`() throws {
        let read = try line(#"230 USER="a \"b\" \\c=d" X=1=2"#)
        #expect(read["USER"] == #"a "b" \c=d"# && read["X"] == "1=2")
        #expect(read.octets == Array(#"230 USER="a \"b\" \\c=d" X=1=2"#.utf8) + [0x0D, 0x0A])
    }

    @Test(arguments: [
        ("200 ", "", ""), ("200-", "", ""), ("200 A=", "", "A="), ("200 A=\"x", "", "A=\"x"),
        ("200 A=1  B=2", "1", " B=2"),
        ("200 A=1 ", "1", ""), ("200 A=\"x\"y", "", "A=\"x\"y"), ("200 ABCDEFGHIJKLMNOPQ=1", "", "ABCDEFGHIJKLMNOPQ=1"),
        ("200 A=a\\b", "", "A=a\\b"), ("200 A=\"\\x\"", "", "A=\"\\x\""),
    ])
    func `the first token that is no pair begins the words`(_ text: String, _ value: String, _ words: String) throws {
        let read = try line(text)
        #expect((read["A"] ?? "") == value && read.words == words)
    }

    @Test(arguments: [
        ("20 x", PrivRJE.Line.Fault.noCode), ("", .noCode), ("200", .noCode), ("200x", .noCode), ("2000 ", .noCode),
        ("+20 x", .noCode), ("200 A=1 a=2", .keyTwice("A")), ("200 a\tb", .badOctet), ("200 a\rb", .badOctet),
        ("200 é", .badOctet),
    ])
    func `what is no line of an answer is told why`(_ text: String, _ fault: PrivRJE.Line.Fault) {
        #expect(throws: fault) { try line(text) }
    }

    @Test func `a line that is sent holds what a line can hold`() {
        #expect(PrivRJE.Line(60, "Grüße\r\n").octets == Array("060 Gr??e?\r\n".utf8))
        let long = PrivRJE.Line(60, String(repeating: "x", count: 2_000)).octets
        #expect(long.count == 1_002)
        #expect(PrivRJE.Line(7, "x").octets(isNotice: true) == Array("* 007 x\r\n".utf8))
    }

    @Test(arguments: [
        "161 JOB=J00042 NAME=PAYROLL STATE=RUNNING CLASS=A SUBMITTED=2026-11-23T01:02:03Z STARTED=2026-11-23T01:02:04Z",
        "261 JOB=J00042 NAME=PAYROLL STATE=DONE RC=0004 FILES=3 ENDED=2026-11-23T01:02:09Z",
        "463 JOB=J00043 NAME=BAD STATE=FAILED REASON=JCL FILES=2", "463 JOB=J1 STATE=FAILED REASON=ABEND ABEND=S0C7",
    ])
    func `the page's job lines are read and written unchanged`(_ text: String) throws {
        let job = try #require(PrivRJE.JobLine(try line(text)))
        #expect(job.line.octets == Array((text + "\r\n").utf8))
    }

    @Test(arguments: [
        "263-FILE=1 KIND=PRINT DD=JESMSGLG RECORDS=9 OCTETS=702 CC=ASA CODE=ASCII LRECL=133",
        "263-FILE=3 KIND=PUNCH STEP=STEP1 DD=SYSPUNCH RECORDS=2 OCTETS=160 CC=NONE CODE=BINARY LRECL=80",
    ])
    func `the page's file lines are read and written unchanged`(_ text: String) throws {
        let file = try #require(PrivRJE.FileLine(try line(text)))
        #expect(file.line.octets == Array((text + "\r\n").utf8))
    }

    @Test(arguments: [
        ("261 JOB=A STATE=RUNNING", false), ("161 JOB=A STATE=DONE", false), ("161 STATE=RUNNING", false),
        ("161 JOB=A STATE=SPOOLING", true), ("161 JOB=A STATE=running", true),
    ])
    func `a state must fit its code, and a new one is judged by it`(_ text: String, _ isJob: Bool) throws {
        #expect((PrivRJE.JobLine(try line(text)) != nil) == isJob)
    }

    @Test func `abilities have the page's defaults`() throws {
        let bare = try #require(PrivRJE.Abilities(try line("200 ")))
        #expect(bare.maxDeck == 16_777_216 && bare.lrecl == 80 && bare.codes == ["ASCII"] && bare.window == 1)
        #expect(
            bare.sessions == 1 && bare.keep == .seconds(86_400) && bare.idle == .seconds(600) && bare.features.isEmpty)
        #expect(PrivRJE.Abilities(try line("200 WINDOW=many")) == nil)
        #expect(PrivRJE.Abilities(try line("200 WINDOW=0"))?.window == 1)
        #expect(PrivRJE.Abilities(try line("200 FEATURES=key,TELEPATHY"))?.features == [.key])
        #expect(PrivRJE.Abilities(everything.line) == everything)
    }

    @Test func `a request that no line can hold is told why`() throws {
        #expect(try PrivRJE.Request.operatorCommand("D A,L").line() == Array("OPERATOR \"D A,L\"\r\n".utf8))
        #expect(try PrivRJE.Request.operatorCommand("$D'A=B'").line() == Array("OPERATOR \"$D'A=B'\"\r\n".utf8))
        #expect(throws: PrivRJE.RequestFault.unsayable("OPERATOR")) { try PrivRJE.Request.operatorCommand("é").line() }
        #expect(throws: PrivRJE.RequestFault.unsayable("OPERATOR")) {
            try PrivRJE.Request.operatorCommand("a\r\nBYE").line()
        }
        let longest = String(repeating: "x", count: 1_000 - "OPERATOR ".count)
        #expect(try PrivRJE.Request.operatorCommand(longest).line().count == 1_002)
        #expect(throws: PrivRJE.RequestFault.lineTooLong(octets: 1_001)) {
            try PrivRJE.Request.operatorCommand(longest + "x").line()
        }
    }
}

struct PrivRJEInputBufferTests {
    private func items(_ octets: [UInt8], by length: Int, block: Int = 0) -> [PrivRJE.InputBuffer.Item] {
        var buffer = PrivRJE.InputBuffer()
        var found: [PrivRJE.InputBuffer.Item] = []
        buffer.beginBlock(block)
        for start in stride(from: 0, to: octets.count, by: min(length, octets.count)) {
            buffer.append(Array(octets[start..<min(octets.count, start + min(length, octets.count))]))
            while let item = buffer.next() { found.append(item) }
        }
        return found
    }

    @Test(arguments: [Int.max, 1, 3])
    func `lines end in CR LF or LF, and keep any other CR`(_ length: Int) {
        #expect(
            items(Array("A\r\nB\n\r\nC\rD\r\r\nE".utf8), by: length)
                == ["A", "B", "", "C\rD\r"].map { .line(Array($0.utf8)) })
    }

    @Test(arguments: [Int.max, 1, 999, 1_000, 1_001])
    func `a thousand octets are a line, one more is none`(_ length: Int) {
        let longest = [UInt8](repeating: 0x41, count: 1_000)
        for end in [[0x0A], [0x0D, 0x0A]] as [[UInt8]] {
            #expect(items(longest + end + longest + end, by: length) == [.line(longest), .line(longest)])
        }
        for end in [[0x41], [0x41, 0x0A], [0x0D, 0x41], [0x0D, 0x0D], [0x41, 0x0D, 0x0A]] as [[UInt8]] {
            #expect(items(longest + end + [0x0A, 0x42, 0x0A], by: length) == [.lineTooLong])
        }
        #expect(items(longest + [0x0D], by: length) == [])
    }

    @Test func `a block comes in pieces that are never held back`() {
        #expect(
            items(Array("abcdefgX\n".utf8), by: 3, block: 7) == [
                .piece(Array("abc".utf8), remaining: 4), .piece(Array("def".utf8), remaining: 1),
                .piece(Array("g".utf8), remaining: 0), .line(Array("X".utf8)),
            ])
    }
}
