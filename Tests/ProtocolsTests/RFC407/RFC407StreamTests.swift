import Protocols
import Testing
import Wire

/// Sections 5.1, 5.4 and 7, with the decisions of section 20.
struct RFC407StreamTests {
    static let lengths = [Int.max, 1, 2, 5]

    private func format(
        _ mode: RFC407.Mode, _ dialect: RFC407.StreamFormat.Dialect = .block959, isEBCDIC: Bool = false,
        _ direction: RFC407.Direction = .output
    ) -> RFC407.StreamFormat {
        .init(.init(mode, isEBCDIC: isEBCDIC), direction, dialect: dialect)
    }

    private func read(
        _ octets: [UInt8], _ format: RFC407.StreamFormat, longest: Int = 65_535, by length: Int
    ) throws -> [[UInt8]] {
        var reader = RFC407.StreamReader(format, longestRecord: longest)
        var records: [[UInt8]] = []
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            reader.append(Array(octets[start..<min(octets.count, start + length)]))
            while let record = try reader.next() { records.append(record) }
        }
        if let last = try reader.finish() { records.append(last) }
        return records
    }

    private func write(_ records: [String], _ format: RFC407.StreamFormat) throws -> [UInt8] {
        var writer = RFC407.StreamWriter(format)
        var output: [UInt8] = []
        for record in records { try writer.append(Array(record.utf8), to: &output) }
        writer.finish(to: &output)
        return output
    }

    @Test(arguments: [
        (RFC407.Attributes(), RFC407.Direction.input, RFC407.Mode.records), (.init(), .output, .asa),
        (.init(.text), .input, .text), (.init(.asa), .input, .asa), (.init(isEBCDIC: true), .output, .asa),
    ])
    func `without an attribute input is N and output A`(
        _ attributes: RFC407.Attributes, _ direction: RFC407.Direction, _ mode: RFC407.Mode
    ) {
        #expect(attributes.mode(for: direction) == mode)
    }

    struct Worked: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let mode: RFC407.Mode
        var dialect = RFC407.StreamFormat.Dialect.block959
        let records: [String]
        let octets: String
    }

    @Test(
        arguments: [
            Worked(
                testDescription: "N in block959", mode: .records, records: ["HELLO", "BYE"],
                octets: "80000548454C4C4FC00003425945"),
            Worked(
                testDescription: "N in block354", mode: .records, dialect: .block354, records: ["HELLO", "BYE"],
                octets: "01000548454C4C4F010003425945020000"),
            Worked(
                testDescription: "A, a new page and a double space", mode: .asa, records: ["1TITLE", "0BODY"],
                octets: "800006315449544C45C0000530424F4459"),
            Worked(testDescription: "no record", mode: .records, records: [], octets: "400000"),
            Worked(testDescription: "empty records", mode: .records, records: ["", "A"], octets: "800000C0000141"),
            Worked(testDescription: "T", mode: .text, records: ["\u{0C}JOB", ""], octets: "0C4A4F420D0A0D0A"),
        ], lengths)
    func `the worked octets of the note`(_ row: Worked, _ length: Int) throws {
        let octets = try #require(Hex.decode(row.octets))
        #expect(try write(row.records, format(row.mode, row.dialect)) == octets)
        #expect(try read(octets, format(row.mode, row.dialect), by: length) == row.records.map { Array($0.utf8) })
    }

    @Test(
        arguments: [
            ("8000014140 0000", ["A"]), ("0000014100000142C0000143", ["ABC"]), ("80000141C00000", ["A"]),
            ("00000141C00000", ["A"]), ("80000141" + "10000335363790000" + "2" + "3131C0000142", ["A", "B"]),
            ("A0000141C0000142", ["A", "B"]),
        ] as [(String, [String])], lengths)
    func `blocks make records, and markers none`(_ row: (String, [String]), _ length: Int) throws {
        let octets = try #require(Hex.decode(row.0.filter { $0 != " " }))
        #expect(try read(octets, format(.records), by: length) == row.1.map { Array($0.utf8) })
    }

    @Test(
        arguments: [
            (RFC407.StreamFormat.Dialect.block959, "80000141", RFC407.StreamFault.cut), (.block959, "C000", .cut),
            (.block959, "C0000541", .cut), (.block959, "81000141", .badDescriptor(0x81)),
            (.block959, "C000014142", .pastEnd),
            (.block354, "05000141", .badDescriptor(5)), (.block354, "01000141", .cut), (.fixed, "41", .cut),
        ], lengths)
    func `a stream that is not whole is no file`(
        _ row: (RFC407.StreamFormat.Dialect, String, RFC407.StreamFault), _ length: Int
    ) throws {
        let octets = try #require(Hex.decode(row.1))
        #expect(throws: row.2) { try read(octets, format(.records, row.0), by: length) }
    }

    @Test(arguments: lengths)
    func `a record of the limit is taken, one octet more is not`(_ length: Int) throws {
        #expect(try read([0xC0, 0, 3, 1, 2, 3], format(.records), longest: 3, by: length) == [[1, 2, 3]])
        #expect(throws: RFC407.StreamFault.recordTooLong(limit: 3)) {
            try read([0, 0, 2, 1, 2, 0xC0, 0, 2, 3, 4], format(.records), longest: 3, by: length)
        }
        #expect(throws: RFC407.StreamFault.recordTooLong(limit: 3)) {
            try read(Array("ABCD\r\n".utf8), format(.text), longest: 3, by: length)
        }
    }

    @Test(
        arguments: [
            ("A\r\nB", ["A", "B"]), ("A\r\n", ["A"]), ("A\nB\n", ["A", "B"]), ("A\rB\r\n", ["A\rB"]), ("A\r", ["A\r"]),
            ("\r\n", [""]), ("", []), ("\u{0C}A\r\n", ["\u{0C}A"]),
        ] as [(String, [String])], lengths)
    func `text ends lines by CR LF, or LF alone`(_ row: (String, [String]), _ length: Int) throws {
        #expect(try read(Array(row.0.utf8), format(.text), by: length) == row.1.map { Array($0.utf8) })
    }

    @Test(arguments: lengths)
    func `EBCDIC text ends lines by CR LF, LF or NEL`(_ length: Int) throws {
        let octets: [UInt8] = [0xC1, 0x0D, 0x25, 0xC2, 0x15, 0xC3, 0x25]
        #expect(try read(octets, format(.text, isEBCDIC: true), by: length) == [[0xC1], [0xC2], [0xC3]])
        var writer = RFC407.StreamWriter(format(.text, isEBCDIC: true))
        var output: [UInt8] = []
        try writer.append([0xC1], to: &output)
        #expect(output == [0xC1, 0x0D, 0x25])
    }

    @Test(arguments: [
        (RFC407.Mode.records, RFC407.Direction.input, 80), (.asa, .input, 81), (.records, .output, 132),
        (.asa, .output, 133),
    ])
    func `fixed records have UCSB's lengths`(_ mode: RFC407.Mode, _ direction: RFC407.Direction, _ length: Int) throws {
        let format = format(mode, .fixed, direction)
        #expect(format.fixedLength == length)
        let octets = try write(["AB", ""], format)
        #expect(octets.count == 2 * length)
        let records = try read(octets, format, by: 7)
        #expect(
            records == [
                [0x41, 0x42] + Array(repeating: 0x20, count: length - 2), Array(repeating: 0x20, count: length),
            ])
        #expect(throws: RFC407.StreamFault.recordTooLong(limit: length)) {
            try write([String(repeating: "x", count: length + 1)], format)
        }
        #expect(!format.hasEnd)
    }

    @Test func `a record longer than a block takes several`() throws {
        let long = String(repeating: "x", count: 140_000)
        for dialect in [RFC407.StreamFormat.Dialect.block959, .block354] {
            let octets = try write([long, "y"], format(.records, dialect))
            #expect(octets.starts(with: [0, 0xFF, 0xFF]))
            #expect(
                try read(octets, format(.records, dialect), longest: 140_000, by: 9_999) == [Array(long.utf8), [0x79]])
        }
    }

    // MARK: NET cards

    private func cards(_ lines: [String]) -> (cards: RFC407.NetCards, deck: [String]) {
        var cards = RFC407.NetCards(.init())
        var deck: [String] = []
        for line in lines { if !cards.take(Array(line.utf8)) { deck.append(line) } }
        cards.finish()
        return (cards, deck)
    }

    @Test func `NET cards override the connection's settings, with continuations, and are not passed on`() {
        let (cards, deck) = cards([
            "NET OUTUSER = bob", "NET OUTPASS=pw", "NET OUT punch = (S)D401", "NET+03:N          ", "NET OUTUSER=carol",
            "NET OUT = D40102:T", "NET OP mount", "NET+  tape", "//HELLO JOB 1", "NET OP late",
        ])
        #expect(deck == ["//HELLO JOB 1", "NET OP late"])
        #expect(cards.faults == [])
        #expect(
            cards.settings.outputs["punch"]
                == .init(.send(.socket(nil, port: 40103, .init(.records)), keeps: true), user: "bob", password: "pw"))
        #expect(cards.settings.outputs[""]?.user == "carol")
        #expect(cards.settings.outputs[""]?.password == "pw")
        #expect(cards.settings.operatorText == "mount  tape")
    }

    @Test(arguments: [
        ("NET FROB x", 507), ("NETOUT = (H)", 507), ("NET USER=x", 507), ("NET OUT a b=(H)", 508), ("NET+ x", 508),
        ("NET OUT punch", 509), ("NET OUTUSER", 509), ("NET OUT=(H) D1", 510),
    ])
    func `a card with a fault is told by its code, and the rest counts`(_ line: String, _ code: Int) {
        let (cards, deck) = cards([line, "NET OP text", "//X JOB"])
        #expect(cards.faults.map(\.code) == [code])
        #expect(cards.settings.operatorText == "text")
        #expect(deck == ["//X JOB"])
    }

    @Test func `no deck of bad cards makes a flood of replies or a line without end`() {
        let (many, _) = cards(Array(repeating: "NET FROB", count: 1_000))
        #expect(many.faults.count == RFC407.NetCards.mostFaults)
        let (long, _) = cards(["NET OP x"] + Array(repeating: "NET+" + String(repeating: "y", count: 76), count: 200))
        #expect(long.faults.first?.code == 508)
        #expect((long.settings.operatorText?.count ?? 0) <= RFC407.longestLine)
    }
}
