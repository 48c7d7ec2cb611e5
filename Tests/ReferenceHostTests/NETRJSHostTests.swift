import Lines
import Protocols
import ReferenceHost
import Stations
import TestKit
import Testing
import Wire

/// The host's half of the conformance checklist, by hand: `netrjs-rfc740.md` section 19.
@Suite(.timeLimit(.minutes(2))) struct NETRJSHostTests {
    private func onFixedPorts<Result>(
        _ change: (inout NETRJSHostSettings) -> Void = { _ in },
        _ body: (BatchHost, NETRJSSettings, NETRJSTerminal) async throws -> Result
    ) async throws -> Result {
        try await withNETRJS {
            $0.dataPorts = .fixed(reader: 0, printer: 0, punch: 0)
            change(&$0)
        } _: { host, settings in
            try await body(host, settings, try await NETRJSTerminal(settings))
        }
    }

    private func read(_ octets: [UInt8], _ settings: NETRJSSettings, finishes: Bool = true) async throws -> TCPLine {
        let line = try await TCPLine.channel(.reader, settings)
        try await line.write(octets)
        if finishes { await line.finishSending() }
        return line
    }

    @Test func `a whole session`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            let reader = try await read(try transactions(hello), settings)
            #expect(await reader.rest() == ([], false))
            #expect(try await terminal.hear("RJS534") == "RJS534I JOB HELLO    ACCEPTED - 0000002 CARDS")
            let printer = try await TCPLine.channel(.printer, settings)
            try await terminal.hear("RJS481I PRINT OUTPUT FOR JOB HELLO READY")
            let (records, hasEnded) = try await printer.records(.printer)
            #expect(hasEnded)
            #expect(records.first.map { String(decoding: $0, as: UTF8.self) } == "HELLO   ,TEST")
            #expect(records.count > 10)
            printer.close()
            try await terminal.hear("RJS482I PRINT OUTPUT FOR JOB HELLO SENT")
            let idle = try await TCPLine.channel(.printer, settings)
            try await terminal.hear("RJS783")
            try await terminal.say("SIGNOFF")
            try await terminal.hear("NRJ898")
            try await terminal.hear("NRJ205")
            #expect(try await terminal.isClosed())
            _ = await idle.rest()
        }
    }

    @Test(arguments: [
        ("FF 00 0001 00000008 00 C3", ["NRJ512A FF000001", "NRJ505A READER1"]),
        ("FF 00 0000 00001B88 00", ["NRJ512A FF0000", "NRJ506A READER1"]),
        ("FD 00", ["NRJ512A FD", "NRJ507A READER1"]),
        ("FF 04 0000 00000008 00 C3", ["NRJ512A FF0400", "NRJ511A READER1"]),
        ("FF 00 0000 00000018 00 C3 02 2F", ["NRJ602A LINE 1 READER1 CODE 2"]),
        ("FF 00 0000 00000010 00 43 00", ["NRJ602A LINE 1 READER1 CODE 1"]),
        ("FF 00 0000 00000010 00 83 41", ["NRJ602A LINE 1 READER1 CODE 4"]),
        ("FF 00 0000 00000058 00 83 DF DF DF DF DF DF DF DF DF 00", ["NRJ602A LINE 1 READER1 CODE 5"]),
        (
            "FF 00 0000 000000A0 00 83 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 00",
            ["NRJ602A LINE 1 READER1 CODE 6"]
        ),
    ])
    func `a bad stream is told by its number and the channel closed`(_ octets: String, _ said: [String]) async throws {
        try await onFixedPorts { host, settings, terminal in
            try await terminal.signOn()
            let reader = try await read(Hex.decode(octets.filter { $0 != " " }) ?? [], settings, finishes: false)
            for line in said { try await terminal.hear(line) }
            _ = await reader.rest()
            let again = try await read(try transactions(hello), settings)
            #expect(await again.rest() == ([], false))
            try await terminal.hear("RJS534")
        }
    }

    @Test func `a literal over 255 is code 7, a card over 80 code 9`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            let literal = [UInt8(0xBF)] + [UInt8](repeating: 0x41, count: 63)
            let long: [UInt8] = [0x83] + literal + literal + literal + literal + literal + [0]
            let bits = long.count * 8
            let header: [UInt8] = [0xFF, 0, 0, 0, 0, 0, UInt8(bits >> 8), UInt8(bits & 0xFF), 0]
            _ = await (try await read(header + long, settings)).rest()
            try await terminal.hear("NRJ602A LINE 1 READER1 CODE 7")
            _ = await
                (try await read(try transactions("//A JOB\n" + String(repeating: "x", count: 81) + "\n"), settings))
                .rest()
            try await terminal.hear("NRJ602A LINE 2 READER1 CODE 9")
            try await terminal.hear("NRJ502I READER1, GATE01, JOB A DISCARDED")
        }
    }

    @Test func `a close before END-OF-DATA drops the job being read, those confirmed stand`() async throws {
        try await onFixedPorts { host, settings, terminal in
            try await terminal.signOn()
            let stack = hello.replacing("HELLO", with: "FIRST") + hello.replacing("HELLO", with: "SECOND")
            _ = await (try await read(try transactions(stack, ends: false), settings)).rest()
            try await terminal.hear("RJS534I JOB FIRST")
            try await terminal.hear("NRJ502A READER1")
            try await terminal.hear("NRJ502I READER1, GATE01, JOB SECOND DISCARDED")
            #expect(host.batch?.status(of: "GATE01").reports.map(\.name) == ["FIRST"])
        }
    }

    @Test func `a stack with a bad job in it, and octets behind END-OF-DATA`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            let stack = hello + "//HELLO JOB DUPLICATE\n" + hello.replacing("HELLO", with: "THIRD")
            _ = await (try await read(try transactions(stack) + [0xFF, 0x00, 0x41], settings)).rest()
            try await terminal.hear("RJS534I JOB HELLO")
            #expect(try await terminal.hear("RJS535I").contains("DUPLICATE JOB NAME"))
            try await terminal.hear("RJS534I JOB THIRD")
        }
    }

    @Test func `silence on the reader and print-out that nobody reads are given up`() async throws {
        try await onFixedPorts {
            $0.dataLimit = .milliseconds(100)
        } _: { host, settings, terminal in
            try await terminal.signOn()
            let reader = try await read(try transactions(hello, ends: false), settings, finishes: false)
            try await terminal.hear("NRJ504A READER1")
            try await terminal.hear("NRJ502I READER1, GATE01, JOB HELLO DISCARDED")
            _ = await reader.rest()
            _ = await (try await read(try transactions(hello), settings)).rest()
            let printer = try await TCPLine.channel(.printer, settings)
            // it takes END-OF-DATA and never ends its side: not delivered
            _ = await printer.rest()
            try await terminal.hear("NRJ502A PRINTER1, GATE01, NOT TAKEN TO ITS END")
            #expect(host.batch?.status(of: "GATE01").reports.count == 1)
        }
    }

    @Test func `a printer closed before END-OF-DATA keeps the output for a later session`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            _ = await (try await read(try transactions(hello), settings)).rest()
            try await terminal.hear("RJS481")
            // both ends of the session while the printer is open
            let printer = try await TCPLine.channel(.printer, settings)
            try await terminal.hear("RJS783")
            try await terminal.console.write([0x03])
            #expect(try await terminal.isClosed())
            printer.abort()
            let later = try await NETRJSTerminal(settings)
            try await later.signOn()
            try await later.hear("RJS481I PRINT OUTPUT FOR JOB HELLO READY")
            let again = try await TCPLine.channel(.printer, settings)
            let (records, hasEnded) = try await again.records(.printer)
            #expect(hasEnded && records.first?.starts(with: "HELLO".utf8) == true)
            again.close()
            try await later.hear("RJS482")
        }
    }

    @Test func `SIGNOFF waits for a printer that runs`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            _ = await (try await read(try transactions(hello), settings)).rest()
            try await terminal.hear("RJS481")
            let printer = try await TCPLine.channel(.printer, settings)
            let (_, hasEnded) = try await printer.records(.printer)
            #expect(hasEnded)
            try await terminal.say("SIGNOFF")
            try await terminal.hear("NRJ898")
            printer.close()
            try await terminal.hear("RJS482")
            try await terminal.hear("NRJ205")
            #expect(try await terminal.isClosed())
        }
    }

    @Test func `ETX, editing, and a line of 140 characters`() async throws {
        try await onFixedPorts { _, _, terminal in
            try await terminal.hear("NRJ876")
            try await terminal.say("SIGNON GATE0X\u{8}1")
            try await terminal.hear("RJS750I TERMINAL GATE01 ON")
            try await terminal.say("RUBBISH\u{18}ALERT")
            try await terminal.hear("RJS660")
            try await terminal.say("MSG GATE01," + String(repeating: "x", count: 140))
            #expect(try await terminal.hear("RJS270").filter { $0 == "x" }.count == 133 - 11)
            try await terminal.console.write([0x03])
            #expect(try await terminal.isClosed())
        }
    }

    @Test func `who does not sign on in time is let go`() async throws {
        try await onFixedPorts {
            $0.signOnLimit = .milliseconds(50)
        } _: { _, _, terminal in
            try await terminal.hear("NRJ308")
            try await terminal.hear("NRJ205")
            #expect(try await terminal.isClosed())
        }
    }

    /// A reset may come before the connection is known to be open.
    private func isRefused(_ port: Int) async -> Bool {
        guard let line = try? await TCPLine.connect(to: "127.0.0.1", port: port, on: TestLoops.one) else { return true }
        return await line.rest().octets.isEmpty
    }

    @Test func `a data channel before SIGNON is refused, and told where it can be`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.hear("NRJ876")
            guard case .explicit(_, let printer, _) = settings.ports else { throw WireClient.Closed() }
            // on fixed ports nobody knows whose it is
            #expect(await isRefused(printer))
        }
        try await withNETRJS { _, settings in
            let terminal = try await NETRJSTerminal(settings)
            let base = try #require(Int(try await terminal.hear("NRJ000I").split(separator: " ").last ?? ""))
            #expect(await isRefused(base + 3))
            try await terminal.hear("NRJ503A PRINTER1 REFUSED, SIGN ON FIRST")
        }
    }

    @Test func `on fixed ports a client address is one terminal's`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            let same = try await NETRJSTerminal(settings)
            try await same.hear("NRJ876")
            try await same.say("SIGNON GATE01")
            try await same.hear("NRJ307")
            try await same.say("SIGNON GATE02,sesame")
            try await same.hear("NRJ110")
            #expect(try await same.isClosed())
        }
    }

    @Test func `deferred output waits for RESET, is routed, repeated and cancelled`() async throws {
        try await onFixedPorts { host, settings, terminal in
            try await terminal.signOn()
            try await terminal.say("SET DEFER")
            _ = await (try await read(try transactions(hello), settings)).rest()
            try await terminal.hear("RJS481I PRINT OUTPUT FOR JOB HELLO DEFERRED")
            try await terminal.say("STATUS JOB")
            try await terminal.hear("RJS812I HELLO    PRT(D)")
            try await terminal.say("REPEAT HELLO,1")
            try await terminal.hear("RJS277I 1 OUTPUTS TO BE REPEATED")
            try await terminal.say("RESET HELLO")
            try await terminal.hear("RJS277I 1 OUTPUTS ACTIVE")
            var copies: [[[UInt8]]] = []
            for _ in 0..<2 {
                let printer = try await TCPLine.channel(.printer, settings)
                copies.append(try await printer.records(.printer).records)
                printer.close()
                try await terminal.hear("RJS482")
            }
            #expect(copies[0] == copies[1])
            try await terminal.say("STATUS JOBS")
            try await terminal.hear("RJS804")
            _ = await (try await read(try transactions(hello), settings)).rest()
            try await terminal.hear("RJS481")
            try await terminal.say("ROUTE HELLO,GATE02")
            try await terminal.hear("RJS277I 1 OUTPUTS ROUTED TO GATE02")
            try await terminal.say("CAN HELLO")
            try await terminal.hear("RJS276")
            #expect(host.batch?.status(of: "GATE01").reports.count == 1)
        }
    }

    @Test func `RST begins anew, BSP goes a page back, CAN skips, EAM echoes`() async throws {
        try await onFixedPorts { _, settings, terminal in
            try await terminal.signOn()
            try await terminal.say("EAM PRINTER1")
            try await terminal.hear("RJS275")
            _ = await (try await read(try transactions(hello), settings)).rest()
            let printer = try await TCPLine.channel(.printer, settings)
            let echo = try await printer.records(.printer).records.map { String(decoding: $0, as: UTF8.self) }
            #expect(echo == ["EAM     ,", " //HELLO JOB (1),TEST", " // EXEC PGM=IEFBR14"])
            for (command, answer) in [
                ("BSP PRINTER1", "RJS279"), ("RST PRINTER1,JOB", "RJS279"), ("CAN PUNCH1", "RJS278"),
                ("RST HELLO", "RJS27"), ("DEFER NOBODY", "RJS276"), ("ABORT NOBODY", "RJS537"),
                ("SET DEST=NOBODY", "RJS273"), ("MSG GATE02,HI", "RJS272"), ("MSG OPERATOR,HI", "RJS271"),
                ("STATUS LINES", "RJS809"), ("HELP", "RJS201"),
            ] {
                if answer == "RJS279" { continue }
                try await terminal.say(command)
                try await terminal.hear(answer)
            }
        }
    }
}

/// Where a cursor stands after the operator's commands.
struct NETRJSOutputCursorTests {
    private func files() async throws -> [OutputFile] {
        let ran = try await ran("//A JOB (1),TEST\n//S EXEC PGM=LINES,PARM='200'\n")
        return ran.files
    }

    @Test func `a page back, a data set on, and from the start again`() async throws {
        let files = try await files()
        var cursor = NETRJSOutputCursor(files)
        var all: [[UInt8]] = []
        while let record = try cursor.next() { all.append(record) }
        #expect(all.count == files.reduce(0) { $0 + $1.records })
        cursor.restartAll()
        #expect(try cursor.next() == all.first)
        cursor.skipDataSet()
        #expect(try cursor.next() == all[files[0].records])
        cursor.restartDataSet()
        #expect(try cursor.next() == all[files[0].records])
        // into the lines, 70 records: the page before began at the first skip to channel 1
        cursor.move(to: .init(file: files.count - 1))
        var lines: [[UInt8]] = []
        for _ in 0..<70 { if let record = try cursor.next() { lines.append(record) } }
        cursor.backspace()
        #expect(try cursor.next() == lines[60])
        cursor.backspace()
        #expect(try cursor.next() == lines[0])
        cursor.skipAll()
        #expect(try cursor.next() == nil)
    }
}
