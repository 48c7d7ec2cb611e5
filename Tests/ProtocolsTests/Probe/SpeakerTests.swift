import Protocols
import Testing

@Suite struct SpeakerTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let octets: [UInt8]
        /// By what came alone, the line still open.
        let early: Speaker?
        /// When nothing more comes.
        let late: Speaker?

        init(_ text: String, early: Speaker?, late: Speaker?) {
            testDescription = text.debugDescription
            octets = Array(text.utf8)
            self.early = early
            self.late = late
        }

        init(_ octets: [UInt8], _ words: String, early: Speaker?, late: Speaker?) {
            testDescription = words
            self.octets = octets
            self.early = early
            self.late = late
        }

        init(_ text: String, _ speaker: Speaker) { self.init(text, early: speaker, late: speaker) }
    }

    @Test(arguments: [
        Row("", early: nil, late: nil),
        Row("300 PRIV-RJE/1 HOST=DEMO\n", .privRJE(version: "PRIV-RJE/1", host: "DEMO")),
        Row("300 PRIV-RJE/1 HOST=DEMO\r\n", .privRJE(version: "PRIV-RJE/1", host: "DEMO")),
        Row("300 PRIV-RJE/2\n", .privRJE(version: "PRIV-RJE/2", host: nil)),
        Row("300 PRIV-R", early: nil, late: .rje(isServing: true)),
        Row("300 RJE reference server ready\r\n", .rje(isServing: true)),
        Row("000 News of the day\r\n300 UCSB RJS 3.1, terminal 7\r\n", .rje(isServing: true)),
        Row("401 No log-ons now\r\n", .rje(isServing: false)),
        Row("436 Shutting down\r\n", .rje(isServing: false)),
        Row(
            "NRJ000I SOCKET BASE 40960\r\nNRJ876R READY, SIGN ON PLEASE\r\n",
            .netrjs(isServing: true, socketBase: 40960)),
        Row("NRJ876R READY\r\n", .netrjs(isServing: true, socketBase: nil)),
        Row("NRJ000I SOCKET BASE 40960\r\n", early: nil, late: .netrjs(isServing: false, socketBase: 40960)),
        Row("NRJ000I SOCKET BASE 99999999999999999999\r\n", early: nil, late: .unknown),
        Row("NRJ110I ALL PORTS BUSY\r\n", .netrjs(isServing: false, socketBase: nil)),
        Row("NRJ111I RJS DOWN\r\n", .netrjs(isServing: false, socketBase: nil)),
        Row("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n", .http),
        Row("SSH-2.0-OpenSSH_9.2\r\n", .ssh),
        Row("220 ftp.example ready\r\n", .ftpOrMail),
        Row("220-ftp.example\r\n220 ready\r\n", .ftpOrMail),
        Row("220", early: nil, late: .ftpOrMail),
        Row("login: ", early: nil, late: .unknown),
        Row("3000 is no code\r\n", early: nil, late: .unknown),
        Row([0x16, 0x03, 0x03, 0x00, 0x40], "a TLS handshake", early: .tls, late: .tls),
        Row([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28], "a TLS alert", early: .tls, late: .tls),
        Row([0x16, 0x03], "a TLS record cut short", early: nil, late: .unknown),
        Row([0xFF, 0xFD, 0x18, 0xFF, 0xFB, 0x01], "TELNET options", early: nil, late: .telnet),
        Row([0xFF, 0xFD, 0x18] + Array("login: ".utf8), "TELNET options and a prompt", early: nil, late: .telnet),
        Row(
            [0xFF, 0xFB, 0x01] + Array("300 RJE ready\r\n".utf8), "RJE behind TELNET options",
            early: .rje(isServing: true),
            late: .rje(isServing: true)),
        Row(
            Array("NRJ876R".utf8) + [0xFF, 0xF1] + Array(" READY\r\n".utf8), "NETRJS with a TELNET NOP inside",
            early: .netrjs(isServing: true, socketBase: nil), late: .netrjs(isServing: true, socketBase: nil)),
        Row([0xFF], "IAC alone", early: nil, late: .unknown),
        Row([0xFF, 0x01, 0x02], "an octet FF that is no TELNET", early: nil, late: .unknown),
        Row([0x00, 0x01, 0x02, 0x80], "binary", early: nil, late: .unknown),
    ])
    func `a port is known by what it says first`(_ row: Row) {
        var reading = SpeakerReading()
        for octet in row.octets { reading.append([octet]) }
        #expect(reading.verdict(isComplete: false) == row.early)
        #expect(reading.verdict(isComplete: true) == row.late)
    }

    @Test func `no more than the limit is kept, and then it is decided`() {
        var reading = SpeakerReading()
        reading.append([UInt8](repeating: 0x41, count: SpeakerReading.mostOctets - 1))
        #expect(reading.verdict(isComplete: false) == nil)
        reading.append([UInt8](repeating: 0x41, count: 10))
        #expect(reading.verdict(isComplete: false) == .unknown)
        #expect(reading.octets.count == SpeakerReading.mostOctets)
    }

    @Test func `an excerpt is one printable line`() {
        var reading = SpeakerReading()
        reading.append(Array("\r\nA\\B\r\n\r\n".utf8) + [0x00, 0xFF, 0x0A])
        #expect(reading.excerpt() == "A\\\\B \\x00\\xFF")
        reading.append([UInt8](repeating: 0x2E, count: 200))
        #expect(reading.excerpt(longest: 20).utf8.count == 23)
    }

    @Test func `strangers on the ports of RJE are to be investigated, others are their own business`() {
        let stranger = ProbeFinding.speaks(.http, excerpt: "")
        #expect(stranger.isStranger(on: 71) && !stranger.isStranger(on: 80))
        #expect(stranger.advice(on: 71)?.hasPrefix("investigate") == true && stranger.advice(on: 80) == nil)
        #expect(ProbeFinding.silent.isStranger(on: 77) && ProbeFinding.hangsUp.isStranger(on: 5))
        for finding in [ProbeFinding.closed, .filtered, .unreachable("")] {
            #expect(!finding.isStranger(on: 77) && finding.advice(on: 77) == nil)
        }
        for speaker in [Speaker.rje(isServing: true), .privRJE(version: "", host: nil)] {
            #expect(!ProbeFinding.speaks(speaker, excerpt: "").isStranger(on: 5))
        }
        #expect(ProbeFinding.speaks(.tls, excerpt: "").advice(on: 77)?.contains("tls: true") == true)
    }

    @Test(arguments: [
        [], [0xFF], [0x16, 0x03, 0x01], Array("300 X\r\n\u{FF}".utf8), [UInt8](repeating: 0xFF, count: 5000),
    ])
    func `the claim of the fuzzer holds`(_ octets: [UInt8]) {
        #expect(ProbeClaim.violation(octets) == nil)
    }
}
