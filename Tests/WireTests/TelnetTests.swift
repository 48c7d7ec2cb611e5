import Testing
import Wire

struct TelnetTests {
    private static let pieceLengths = [Int.max, 1, 2]

    private func receive(_ octets: [UInt8], by length: Int, _ telnet: inout Telnet) -> (text: [UInt8], reply: [UInt8]) {
        var all: (text: [UInt8], reply: [UInt8]) = ([], [])
        for piece in pieces(octets, of: length) {
            let (text, reply) = telnet.receive(piece)
            all.text += text
            all.reply += reply
        }
        return all
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let octets: [UInt8]
        let text: [UInt8]
        var reply: [UInt8] = []
    }

    @Test(
        arguments: [
            Row(testDescription: "text passes", octets: [0x41, 0x0D, 0x0A], text: [0x41, 0x0D, 0x0A]),
            Row(testDescription: "a doubled IAC is one 255", octets: [1, 255, 255, 2], text: [1, 255, 2]),
            Row(
                testDescription: "WILL is answered DONT", octets: [0x41, 255, 251, 1, 0x42], text: [0x41, 0x42],
                reply: [255, 254, 1]),
            Row(testDescription: "DO is answered WONT", octets: [255, 253, 24], text: [], reply: [255, 252, 24]),
            Row(
                testDescription: "each of several is answered", octets: [255, 253, 1, 255, 251, 3, 255, 253, 1],
                text: [], reply: [255, 252, 1, 255, 254, 3, 255, 252, 1]),
            Row(
                testDescription: "WONT and DONT need no answer", octets: [255, 252, 1, 255, 254, 3, 0x41], text: [0x41]),
            Row(
                testDescription: "other commands are dropped",
                octets: [
                    255, 241, 0x41, 255, 242, 255, 243, 255, 244, 255, 245, 255, 246, 255, 247, 255, 248, 255, 249,
                    0x42,
                ],
                text: [0x41, 0x42]),
            Row(
                testDescription: "a subnegotiation is dropped, a doubled IAC in it too",
                octets: [0x41, 255, 250, 24, 1, 255, 255, 0x58, 255, 240, 0x42], text: [0x41, 0x42]),
            Row(
                testDescription: "the option of a number of IAC", octets: [255, 253, 255, 0x41], text: [0x41],
                reply: [255, 252, 255]),
        ], pieceLengths)
    func `commands are taken out, and options refused`(_ row: Row, _ length: Int) {
        var telnet = Telnet()
        let (text, reply) = receive(row.octets, by: length, &telnet)
        #expect(text == row.text)
        #expect(reply == row.reply)
        #expect(!telnet.isBroken)
    }

    @Test(arguments: pieceLengths)
    func `an option offered and accepted is not refused`(_ length: Int) {
        var telnet = Telnet()
        #expect(telnet.offer(Telnet.echo) == [255, 251, 1])
        #expect(telnet.offer(Telnet.echo) == [])
        #expect(receive([255, 253, 1, 255, 253, 1], by: length, &telnet).reply == [])
        #expect(telnet.withdraw(Telnet.echo) == [255, 252, 1])
        #expect(telnet.withdraw(Telnet.echo) == [])
        #expect(receive([255, 254, 1], by: length, &telnet).reply == [])
        #expect(receive([255, 253, 1], by: length, &telnet).reply == [255, 252, 1])
    }

    @Test func `an option offered and refused is off, and may be offered again`() {
        var telnet = Telnet()
        _ = telnet.offer(Telnet.echo)
        #expect(telnet.receive([255, 254, 1]).reply == [])
        #expect(telnet.withdraw(Telnet.echo) == [])
        #expect(telnet.offer(Telnet.echo) == [255, 251, 1])
    }

    @Test func `an option turned off by the peer is confirmed once`() {
        var telnet = Telnet()
        _ = telnet.offer(Telnet.echo)
        _ = telnet.receive([255, 253, 1])
        #expect(telnet.receive([255, 254, 1, 255, 254, 1]).reply == [255, 252, 1])
    }

    @Test func `a DO that crossed our WONT is no new request`() {
        var telnet = Telnet()
        _ = telnet.offer(Telnet.echo)
        _ = telnet.withdraw(Telnet.echo)
        #expect(telnet.receive([255, 253, 1, 255, 254, 1]).reply == [])
    }

    @Test(arguments: pieceLengths)
    func `a subnegotiation of the limit is dropped, a longer one breaks the session`(_ length: Int) {
        let inside = Array(repeating: UInt8(7), count: Telnet.longestSubnegotiation)
        var telnet = Telnet()
        #expect(receive([255, 250] + inside + [255, 240, 0x41], by: length, &telnet).text == [0x41])
        #expect(!telnet.isBroken)
        #expect(receive([255, 250] + inside + [7, 255, 240, 0x41], by: length, &telnet).text == [])
        #expect(telnet.isBroken)
    }

    @Test func `what is sent comes back as it was`() {
        let text = Array(UInt8.min...UInt8.max) + [255, 255, 0]
        var telnet = Telnet()
        #expect(Telnet.escaped(text).count == text.count + 3)
        #expect(telnet.receive(Telnet.escaped(text)) == (text, []))
    }

    @Test(
        arguments: [
            ("A\r\nBC\r\n", ["A", "BC"]), ("\r\n", [""]), ("A\nB\r\n", ["AB"]), ("A\rB\r\n", ["AB"]),
            ("A\r\0B\r\n", ["AB"]), ("A\r\r\n", ["A"]), ("A\r\0\nB\r\n", ["AB"]), ("A", []), ("A\r", []),
            ("A\u{8}B\t\r\n", ["A\u{8}B\t"]),
        ] as [(String, [String])], pieceLengths)
    func `a line ends at CR LF, and nothing else of the two counts`(_ row: (String, [String]), _ length: Int) {
        var lines = NVTLines(longest: 10)
        #expect(read(row.0, by: length, &lines) == row.1.map { .line(Array($0.utf8)) })
    }

    @Test(arguments: pieceLengths)
    func `a line of the limit is taken, a longer one dropped up to its end`(_ length: Int) {
        var lines = NVTLines(longest: 3)
        #expect(
            read("ABC\r\nABCD\r\n\r\nABCDEFGHI\r\nX\r\n", by: length, &lines)
                == [.line(Array("ABC".utf8)), .tooLong, .line([]), .tooLong, .line([0x58])])
        #expect(!lines.hasPartialLine)
        _ = read("Y", by: length, &lines)
        #expect(lines.hasPartialLine)
    }

    @Test(arguments: pieceLengths)
    func `a bare LF ends a line where that is asked for`(_ length: Int) {
        var lines = NVTLines(longest: 9, endsAtLineFeed: true)
        #expect(read("A\nB\r\n\n", by: length, &lines) == [.line([0x41]), .line([0x42]), .line([])])
    }

    private func read(_ text: String, by length: Int, _ lines: inout NVTLines) -> [NVTLines.Item] {
        var items: [NVTLines.Item] = []
        for piece in pieces(Array(text.utf8), of: length) {
            lines.append(Array(piece))
            while let item = lines.next() { items.append(item) }
        }
        return items
    }

    @Test func `any octets are text, the same however they come`() {
        var number: UInt64 = 854
        for _ in 0..<2_000 {
            let octets = (0..<40).map { _ -> UInt8 in
                number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let choice = Int(number >> 33)
                return choice % 3 == 0 ? UInt8(240 + choice / 3 % 16) : [0x0D, 0x0A, 0x00, 0x41, 1, 24][choice / 3 % 6]
            }
            #expect(TelnetClaim.violation(octets) == nil, "\(octets)")
        }
    }
}
