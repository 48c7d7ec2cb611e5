import Protocols
import Testing

/// Sections 5 and 12: what is typed and what is said.
struct NETRJSConsoleTests {
    // MARK: lines that a host reads

    @Test(arguments: [
        ("STATUS JOB\r\n", ["STATUS JOB"]),
        ("A\nB\r\n", ["AB"]),
        ("A\r\rB\r\n\r\n", ["AB", ""]),
        ("STAX\u{8}TUS\r\n", ["STATUS"]),
        ("\u{8}\u{8}A\r\n", ["A"]),
        ("RUBBISH\u{18}ALERT\r\n", ["ALERT"]),
        ("A\tB\r\n", ["A B"]),
        ("A\u{7}\u{0}\u{1B}B\r\n", ["AB"]),
    ])
    func `typed lines are edited`(_ typed: String, _ lines: [String]) {
        for length in [Int.max, 1] {
            var input = NETRJS.ConsoleInput()
            var items: [NETRJS.ConsoleInput.Item] = []
            for piece in pieces(Array(typed.utf8), by: length) { items += input.receive(piece).items }
            #expect(items == lines.map { .line($0) })
        }
    }

    @Test func `133 characters are taken, what is longer is cut`() {
        for length in [133, 134, 140, 5_000] {
            var input = NETRJS.ConsoleInput()
            let line = String(repeating: "x", count: length)
            #expect(input.receive(Array((line + "\r\n").utf8)).items == [.line(String(line.prefix(133)))])
        }
    }

    @Test func `ETX ends, TELNET is refused and taken out`() {
        var input = NETRJS.ConsoleInput()
        let (items, reply) = input.receive([0xFF, 0xFD, 0x01, 0x41, 0xFF, 0xF1, 0x42, 0x0D, 0x0A, 0x03])
        #expect(items == [.line("AB"), .end])
        #expect(reply == [0xFF, 0xFC, 0x01])
    }

    @Test func `six graphics become question marks`() {
        #expect(NETRJS.asTheHostSees("a[b]c{d}e^f`g|h~i\\j") == "a?b?c?d?e?f?g|h~i\\j")
    }

    // MARK: commands

    @Test(
        arguments: [
            ("SIGNON NETUTAH1", .signOn(terminal: "NETUTAH1", password: nil)),
            ("signon gate01,Secret word", .signOn(terminal: "GATE01", password: "Secret word")),
            ("SIGNON GATE01,", .signOn(terminal: "GATE01", password: "")),
            ("SIGNON 1GATE", .unknown), ("SIGNON", .unknown), ("SIGNON TOOLONGNAME", .unknown),
            ("  SIGNOFF  ", .signOff), ("SIGNOFF NOW", .unknown),
            ("STATUS JOB", .status(.jobs)), ("STATUS JOBS", .status(.jobs)), ("STATUS J", .status(.jobs)),
            ("STATUS SYSTEM", .status(.system)), ("STATUS SYS", .status(.system)), ("STATUS LINES", .status(.lines)),
            ("STATUS WHAT", .unknown), ("STATUS", .unknown),
            ("ALERT", .alert), ("MSG OPERATOR,Hello, you", .message(to: "OPERATOR", text: "Hello, you")),
            ("MSG X", .unknown),
            ("SET DEST=RMT2", .setDestination("RMT2")), ("SET DEFER", .setDeferred(true)),
            ("SET ACTIVE", .setDeferred(false)),
            ("SET DEST=", .unknown), ("DEFER A,B", .defer(["A", "B"])), ("DEFER", .unknown), ("DEFER A,,B", .unknown),
            ("RESET A", .reset(["A"])), ("RESET *", .reset(nil)), ("RESET", .unknown),
            ("ROUTE A,RMT2", .route(job: "A", to: "RMT2")), ("ROUTE A", .unknown), ("ABORT A", .abort(job: "A")),
            ("ABORT", .unknown), ("BSP PRINTER1", .backspace(.printer)), ("BACKSPACE PUNCH1", .backspace(.punch)),
            ("BSP TAPE1", .unknown), ("CAN PRINTER1", .cancel(.device(.printer), wholeJob: false)),
            ("CANCEL PUNCH1,JOB", .cancel(.device(.punch), wholeJob: true)),
            ("CAN A", .cancel(.job("A"), wholeJob: false)),
            ("CAN A,B", .unknown), ("RST PRINTER1", .restart(.device(.printer), wholeJob: false)),
            ("RESTART A,JOB", .restart(.job("A"), wholeJob: true)), ("REPEAT A,3", .repeat(job: "A", copies: 3)),
            ("REPEAT A,0", .unknown), ("REPEAT A", .unknown), ("EAM PRINTER1", .echo(.printer)),
            ("EAM READER1", .unknown),
            ("HELP", .unknown),
        ] as [(String, NETRJS.Command)])
    func `commands are read by the table`(_ line: String, _ command: NETRJS.Command) {
        #expect(NETRJS.Command(line) == command)
    }

    // MARK: messages

    @Test(
        arguments: [
            ("NRJ000I SOCKET BASE 40960", .socketBase(40960)),
            ("NRJ876R READY, SIGN ON PLEASE", .ready),
            ("NRJ110R ALL PORTS BUSY", .ended(.busy)), ("NRJ111R RJS IS DOWN", .ended(.down)),
            ("NRJ307R INVALID SIGN ON", .signOnRefused(isTaken: false)),
            ("NRJ307R TERMINAL IS ALREADY SIGNED ON", .signOnRefused(isTaken: true)),
            ("NRJ308R SIGN ON TIME EXCEEDED", .ended(.timedOut)), ("NRJ205R SESSION ENDED", .ended(.closed)),
            ("NRJ204R KILLED", .ended(.killed)), ("NRJ898I SIGNOFF ACCEPTED", .other),
            ("RJS750I TERMINAL GATE01 ON", .signedOn(terminal: "GATE01")), ("RJS751I TERMINAL GATE01 OFF", .other),
            ("RJS250I X", .alert), ("RJS650I X", .alert), ("RJS652I X", .alert), ("RJS660I NO ALERTS", .alert),
            ("RJS534I JOB HELLO    ACCEPTED - 0000003 CARDS", .jobAccepted(name: "HELLO", cards: 3)),
            ("rjs534i job hello accepted", .other),
            ("RJS534I job hello accepted", .jobAccepted(name: "HELLO", cards: nil)),
            ("RJS535I JOB HELLO REJECTED NO ROOM", .jobRejected(name: "HELLO")),
            ("RJS481I PRINT OUTPUT FOR JOB HELLO READY", .outputReady(.printer, job: "HELLO", isDeferred: false)),
            ("RJS481I PUNCH OUTPUT FOR JOB A DEFERRED", .outputReady(.punch, job: "A", isDeferred: true)),
            ("RJS482I PRINT OUTPUT FOR JOB HELLO SENT", .outputSent(.printer, job: "HELLO")),
            ("RJS783I PRINTER1 STATUS CHANGED", .other),
            ("RJS800I 3 TERMINALS", .statusWords), ("RJS802I X", .statusWords), ("RJS804I NONE", .statusWords),
            ("RJS809I X", .statusWords), ("RJS810I NAME STATE", .statusWords),
            ("RJS812I HELLO PRT(A) 012", .status(.init(name: "HELLO", state: .printing, isActive: true, number: 12))),
            ("RJS812I A XEQ 001", .status(.init(name: "A", state: .executing, isActive: nil, number: 1))),
            ("RJS812I A SPL(D) 1", .status(.init(name: "A", state: .reading, isActive: false, number: 1))),
            ("RJS812I A ZZZ", .status(.init(name: "A", state: nil, isActive: nil, number: nil))),
            ("RJS812I", .statusWords),
            ("NRJ502I READER1, GATE01, JOB HELLO DISCARDED", .deckDropped(job: "HELLO")),
            ("NRJ502A PRINTER1, GATE01", .trouble(.printer)), ("NRJ504A READER1 GATE01", .trouble(.reader)),
            ("NRJ512A FF 00", .other), ("NRJ505A READER1", .trouble(.reader)), ("NRJ506A X", .trouble(nil)),
            ("NRJ507A READER1", .trouble(.reader)), ("NRJ511A READER1", .trouble(.reader)),
            ("NRJ602A LINE 3 READER1 CODE 4", .trouble(.reader)), ("NRJ501A PUNCH1", .trouble(.punch)),
            ("NRJ503A READER1 LATER", .trouble(.reader)), ("NRJ207A X", .trouble(nil)),
            ("NRJ509A PRINTER1", .trouble(.printer)),
            ("NRJ510A PUNCH1.", .trouble(.punch)), ("NRJ106A X", .ended(.failed)), ("NRJ201A X", .ended(.failed)),
            ("NRJ208A X", .ended(.failed)), ("NRJ209A X", .ended(.failed)), ("NRJ304A X", .ended(.failed)),
            ("NRJ401A X", .ended(.failed)), ("NRJ402A X", .ended(.failed)), ("WELCOME TO CCN", .other),
            ("RJS534", .other), ("", .other),
        ] as [(String, NETRJS.ConsoleMessage.Meaning)])
    func `messages are matched by their identifier`(_ line: String, _ meaning: NETRJS.ConsoleMessage.Meaning) {
        #expect(NETRJS.ConsoleMessage(line).meaning == meaning)
    }

    @Test func `a continued line is handed out again, whole`() {
        for length in [Int.max, 1] {
            var output = NETRJS.ConsoleOutput()
            var messages: [NETRJS.ConsoleMessage] = []
            let text = "RJS534I JOB HELLO ACCEPTED -\r\n** 0000003 CARDS\r\nRJS660I NO ALERTS\r\n"
            for piece in pieces(Array(text.utf8), by: length) { messages += output.receive(piece).messages }
            #expect(
                messages.map(\.meaning) == [
                    .jobAccepted(name: "HELLO", cards: nil), .jobAccepted(name: "HELLO", cards: 3), .alert,
                ])
        }
    }

    @Test func `a message that never ends costs no memory`() {
        var output = NETRJS.ConsoleOutput()
        var longest = 0
        for _ in 0..<1_000 {
            for message in output.receive(Array("** \(String(repeating: "x", count: 100))\r\n".utf8)).messages {
                longest = max(longest, message.text.utf8.count)
            }
        }
        #expect(longest <= NETRJS.ConsoleOutput.longestMessage)
        #expect(output.receive(Array(repeating: 0x41, count: 100_000)).messages.isEmpty)
        #expect(output.receive(Array("\r\nRJS660I\r\n".utf8)).messages.map(\.meaning) == [.alert])
    }
}
