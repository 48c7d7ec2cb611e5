import Protocols
import Testing

/// The grammar of section 4, and the words of section 8.
struct RFC407CommandTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let command: RFC407.Command
        var testDescription: String { line }
        init(_ line: String, _ command: RFC407.Command) {
            self.line = line
            self.command = command
        }
    }

    /// Section 4.4, in its order.
    @Test(arguments: [
        Row("user=alice", .user("alice")),
        Row("USER   alice", .user("alice")),
        Row("OUT = D40102:T", .out(file: "", .send(.socket(nil, port: 40102, .init(.text)), keeps: false))),
        Row(
            "out punch = (s) H0A000005,D40103:ne",
            .out(
                file: "punch",
                .send(.socket(.number(0x0A00_0005), port: 40103, .init(.records, isEBCDIC: true)), keeps: true))),
        Row("OUT punch=(H)", .out(file: "punch", .hold)),
        Row(
            "OUT=:E/.sysprinter",
            .out(file: "", .send(.path(nil, .init(isEBCDIC: true), pathname: ".sysprinter"), keeps: false))),
        Row(
            "INPUT=H0A000007:E/my.jobinput",
            .input(.path(.number(0x0A00_0007), .init(isEBCDIC: true), pathname: "my.jobinput"))),
        Row("INPUT", .input(nil)),
        Row("CHANGE J00042 punch = (D)", .change(job: "J00042", file: "punch", .discard)),
        Row(
            "CHANGE J00042 = D40109:T",
            .change(job: "J00042", file: "", .send(.socket(nil, port: 40109, .init(.text)), keeps: false))),
        Row("BACK D3 J00042", .transmission(.back, count: 3, .file(job: "J00042", file: ""))),
        Row("HOLD @D40102", .transmission(.hold, count: 1, .place(.socket(nil, port: 40102, .init())))),
        Row("INPUT=40101", .input(.socket(nil, port: 40101, .init()))),
    ])
    func `the vectors of the note are read`(_ row: Row) throws {
        #expect(try RFC407.Command(parsing: Array(row.line.utf8)) == row.command)
    }

    @Test func `a terminal processor's socket is no port`() {
        #expect(throws: RFC407.Complaint(501, "A socket is a port from 1 to 65535 here")) {
            try RFC407.Command(parsing: Array("OUT=H70002".utf8))
        }
    }

    @Test(arguments: [
        Row("  UsEr  =  al ice  ", .user("al ice")),
        Row("PASS = =x", .pass("=x")),
        Row("InUser bob", .inID("bob")),
        Row("INID=bob", .inID("bob")), Row("inpass pw", .inPass("pw")), Row("OUTUSER=bob", .outUser("bob")),
        Row("OUTPASS=pw", .outPass("pw")), Row("REINIT", .reinit), Row("bye  ", .bye),
        Row("ABORT", .abortInput), Row("ABORT   ", .abortInput),
        Row("ABORT J00042", .transmission(.abort, count: 1, .file(job: "J00042", file: ""))),
        Row("ABORT job 123 puncher", .transmission(.abort, count: 1, .file(job: "123", file: "puncher"))),
        Row("CHANGE job 123 puncher = (D)", .change(job: "123", file: "puncher", .discard)),
        Row("RESTART JOB J1", .transmission(.restart, count: 1, .file(job: "J1", file: ""))),
        Row("RECOVER J1 punch", .transmission(.recover, count: 1, .file(job: "J1", file: "punch"))),
        Row("SKIP O17 J1 punch", .transmission(.skip, count: 15, .file(job: "J1", file: "punch"))),
        Row("SKIP XfF J1", .transmission(.skip, count: 255, .file(job: "J1", file: ""))),
        Row("BACK D3", .transmission(.back, count: 1, .file(job: "D3", file: ""))),
        Row("STATUS", .status(job: nil, file: nil)), Row("status j1", .status(job: "j1", file: nil)),
        Row("STATUS J1 punch", .status(job: "J1", file: "punch")), Row("CANCEL J1", .cancel(job: "J1")),
        Row("ALTER J1 priority 7", .alter(job: "J1", "priority 7")),
        Row("ALTER JOB J1 HOLD", .alter(job: "J1", "HOLD")),
        Row("OP mount tape  7 ", .op("mount tape  7")), Row("OP", .op(nil)),
    ])
    func `blanks, case and the equals sign are free`(_ row: Row) throws {
        #expect(try RFC407.Command(parsing: Array(row.line.utf8)) == row.command)
    }

    @Test(arguments: [
        ("FROB", 500), ("", 500), ("US ER", 500), ("USER", 502), ("USER=", 502), ("OUT punch", 502), ("OUT=", 502),
        ("OUT a b=(H)", 501), ("OUT=(S)", 502), ("OUT=(H) D40102", 503), ("OUT=(D)x", 503), ("OUT=D70000", 501),
        ("OUT=D0", 501), ("OUT=D40102:Q", 501), ("OUT=D40102:TEE", 501), ("OUT=H7F000001,", 501), ("OUT=/", 502),
        ("OUT=H1FFFFFFFF,D1", 501), ("OUT=[::1,D1", 501), ("CHANGE = (D)", 502), ("CHANGE a b c = (D)", 501),
        ("STATUS a b c", 501), ("CANCEL", 502), ("CANCEL a b", 501), ("ALTER J1", 502), ("REINIT x", 501),
        ("BYE x", 501),
        ("RESTART", 502), ("RESTART D2 J1", 503), ("STATUS J1:2", 501), ("HOLD @", 502), ("STATUS J\u{1}", 501),
    ])
    func `what is no command is answered by its code`(_ line: String, _ code: Int) {
        let complaint = #expect(throws: RFC407.Complaint.self) { try RFC407.Command(parsing: Array(line.utf8)) }
        #expect(complaint?.code == code, "\(line)")
    }

    @Test(arguments: [
        ("D3", RFC407.HostField.number(3)), ("O17", .number(15)), ("H7F000001", .number(0x7F00_0001)),
        ("X7f000001", .number(0x7F00_0001)), ("167772165", .number(167_772_165)), ("DEAD", .name("DEAD")),
        ("O18", .name("O18")), ("host.example", .name("host.example")), ("127.0.0.1", .name("127.0.0.1")),
        ("[::1]", .name("::1")),
    ])
    func `a host is a number, or what is none`(_ text: String, _ host: RFC407.HostField) throws {
        let expected = RFC407.Command.input(.socket(host, port: 40102, .init(.text)))
        #expect(try RFC407.Command(parsing: Array("INPUT=\(text) , D40102 : t".utf8)) == expected)
        let path = RFC407.Command.input(.path(host, .init(.text), pathname: "/a:b=c,d"))
        #expect(try RFC407.Command(parsing: Array("INPUT=\(text):T//a:b=c,d".utf8)) == path)
    }

    @Test(arguments: [
        RFC407.Command.user("alice"), .pass("=x y"),
        .out(file: "", .send(.socket(.number(0x7F00_0001), port: 40102, .init(.text)), keeps: false)),
        .out(file: "punch", .hold), .input(.socket(.name("::1"), port: 1, .init(isEBCDIC: true))),
        .input(.path(.number(3), .init(.text), pathname: "jobs/run1 .jcl")), .input(nil),
        .inPath(.path(nil, .init(), pathname: "x")),
        .change(
            job: "J00042", file: "punch", .send(.socket(nil, port: 40103, .init(.records, isEBCDIC: true)), keeps: true)
        ),
        .transmission(.back, count: 3, .file(job: "J1", file: "")),
        .transmission(.hold, count: 1, .place(.socket(nil, port: 9, .init()))),
        .status(job: nil, file: nil), .status(job: "J1", file: "punch"), .cancel(job: "J1"), .alter(job: "J1", "HOLD"),
        .op(nil),
        .op("text"), .reinit, .bye, .abortInput, .inID("a"), .inPass("b"), .outUser("c"), .outPass("d"),
        .user("\u{FF}l\u{E9}a"),
    ])
    func `what a station says is read back`(_ command: RFC407.Command) throws {
        #expect(command.isSayable)
        #expect(try RFC407.Command(parsing: RFC407.octets(command.text)) == command)
    }

    @Test(arguments: [
        RFC407.Command.user(""), .user(" a"), .pass("a "), .user("a\r\nBYE"), .user("\u{20AC}"),
        .status(job: "a b", file: nil),
        .status(job: nil, file: "x"), .cancel(job: ""), .change(job: "J1", file: "a=b", .hold),
        .input(.path(nil, .init(), pathname: "")), .pass(String(repeating: "x", count: 4_096)),
    ])
    func `what a line cannot carry is not said`(_ command: RFC407.Command) {
        #expect(!command.isSayable)
    }

    @Test(arguments: [
        ("300 ready", RFC407.ReplyLine.numbered(code: 300, text: "ready")), ("240", .numbered(code: 240, text: "")),
        ("    more", .continuation("more")), ("     more", .continuation(" more")), ("   three", .other("   three")),
        ("24 x", .other("24 x")), ("240x", .other("240x")), ("", .other("")), ("abc d", .other("abc d")),
    ])
    func `a line of the host has a number, continues, or is talk`(_ text: String, _ line: RFC407.ReplyLine) {
        #expect(RFC407.ReplyLine(parsing: Array(text.utf8)) == line)
    }

    @Test func `a reply is cut to a line and holds no line end`() {
        let octets = RFC407.Reply(60, "a\r\nb" + String(repeating: "x", count: 5_000), more: ["c"]).octets
        #expect(octets.starts(with: Array("060 a??bxxx".utf8)))
        #expect(octets.suffix(9) == Array("\r\n    c\r\n".utf8)[...])
        #expect(octets.firstIndex(of: 0x0D) == RFC407.longestLine)
    }

    @Test(
        arguments: [
            ("Job J00042 accepted", "J00042"), ("JOB ABC DROPPED ASSIGNED JOBID IS DEF.", "DEF"),
            ("old job X1 dropped, ASSIGNED JOB ID IS Y22", "Y22"), ("accepted as J00042.", "J00042"), ("accepted", nil),
            ("assigned jobid is q7", "q7"), ("ASSIGNED JOBID IS", nil),
        ] as [(String, String?)])
    func `the job-id is found in the phrases of 260`(_ text: String, _ job: String?) {
        #expect(RFC407.acceptedJob(in: text) == job)
    }
}
