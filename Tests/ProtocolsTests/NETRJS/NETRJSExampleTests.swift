import Protocols
import Testing
import Wire

/// The worked examples of `netrjs-rfc740.md` section 9, octet by octet.
struct NETRJSExampleTests {
    static let header = "FF 00 0000 00000188 00"
    static let cards = ["//HELLO JOB (A1),SMITH", "// EXEC PGM=IEFBR14", "//"]
    static let records = """
        C3 16 2F 2F 48 45 4C 4C 4F 20 4A 4F 42 20 28 41 31 29 2C 53 4D 49 54 48
        C3 13 2F 2F 20 45 58 45 43 20 50 47 4D 3D 49 45 46 42 52 31 34
        C3 02 2F 2F
        """

    @Test func `three cards from an ASCII terminal, truncated`() throws {
        var encoder = NETRJS.StreamEncoder(.reader, blank: 0x20)
        var output: [UInt8] = []
        for card in Self.cards { try encoder.append(Array(card.utf8), to: &output) }
        encoder.finish(to: &output)
        #expect(output == hex(Self.header) + hex(Self.records) + [0xFE])
        #expect(output.count == 59)
        #expect(try decoded(output, .reader, blank: 0x20) == .init(Self.cards, ended: true))
    }

    @Test func `the same cards with filler`() throws {
        var encoder = NETRJS.StreamEncoder(.reader, blank: 0x20, alignment: 4)
        var output: [UInt8] = []
        for card in Self.cards { try encoder.append(Array(card.utf8), to: &output) }
        encoder.finish(to: &output)
        #expect(output == hex("FF 10 0000 00000188 00") + hex(Self.records) + [0, 0, 0xFE])
        #expect(try decoded(output, .reader, blank: 0x20) == .init(Self.cards, ended: true))
    }

    @Test(arguments: [
        ("      X = 1", "83 C6 85 58 20 3D 20 31 00"),
        ("A" + String(repeating: " ", count: 40) + "B", "83 81 41 DF C9 81 42 00"),
    ])
    func `one card, compressed`(_ card: String, _ expected: String) throws {
        var encoder = NETRJS.StreamEncoder(.reader, form: .compressed, blank: 0x20)
        var output: [UInt8] = []
        try encoder.append(Array(card.utf8), to: &output)
        encoder.flush(to: &output)
        #expect(Array(output.dropFirst(9)) == hex(expected))
        #expect(try decoded(output, .reader, blank: 0x20) == .init([card], ended: false))
    }

    @Test func `the start of a card from an EBCDIC terminal`() throws {
        let card = "//HELLO JOB".utf8.map { NETRJS.toEBCDIC(.ascii68)[Int($0)] }
        var encoder = NETRJS.StreamEncoder(.reader, blank: 0x40)
        var output: [UInt8] = []
        try encoder.append(card, to: &output)
        encoder.flush(to: &output)
        #expect(Array(output.dropFirst(9)) == hex("C3 0B 61 61 C8 C5 D3 D3 D6 40 D1 D6 C2"))
    }

    @Test func `a printer transaction`() throws {
        let octets = hex(
            """
            FF 00 0000 00000128 00
            84 85 48 45 4C 4C 4F C3 86 2C 53 4D 49 54 48 00
            84 81 31 C6 8C 48 45 4C 4C 4F 2C 20 57 4F 52 4C 44 C3 F4 2A 00
            FE
            """)
        let stars = String(repeating: "*", count: 20)
        let stream = try decoded(octets, .printer, blank: 0x20)
        #expect(stream == .init(["HELLO   ,SMITH", "1      HELLO, WORLD   " + stars], ended: true))
        let header = try #require(NETRJS.JobHeader(record: Array("HELLO   ,SMITH".utf8)))
        #expect(header == NETRJS.JobHeader(name: "HELLO", identification: "SMITH"))
        #expect(header.record == Array("HELLO   ,SMITH".utf8))
        // and back: what a host with compressed output sends
        var encoder = NETRJS.StreamEncoder(.printer, form: .compressed, blank: 0x20)
        var output: [UInt8] = []
        for record in stream.records { try encoder.append(Array(record.utf8), to: &output) }
        encoder.finish(to: &output)
        #expect(output == octets)
    }

    @Test(
        arguments: [
            ("FD 00 0000", [], NETRJS.StreamFault.type(header: [0xFD, 0, 0, 0]), 507),
            ("FF 04 0000 00000000 00", [], .filler(header: hex("FF 04 0000 00000000 00")), 511),
            (
                "FF 00 0000 00000000 00 FF 00 0000 00000000 00", [], .sequence(header: hex("FF 00 0000 00000000 00")),
                505
            ),
            ("FF 00 0000 00001B88 00", [], .length(header: hex("FF 00 0000 00001B88 00")), 506),
            ("FF 00 0000 00000004 00", [], .length(header: hex("FF 00 0000 00000004 00")), 506),
            ("FF 08 0000 00001B38 00", [], .length(header: hex("FF 08 0000 00001B38 00")), 506),
            ("FF 00 0000 00000020 00 43 02 2F 2F", [], .record(line: 1, code: .operation), 602),
            ("FF 00 0000 00000020 00 C4 02 2F 2F", [], .record(line: 1, code: .operation), 602),
            ("FF 00 0000 00000020 00 CB 02 2F 2F", [], .record(line: 1, code: .operation), 602),
            ("FF 00 0000 00000018 00 C3 02 2F", [], .record(line: 1, code: .cut), 602),
            ("FF 00 0000 00000008 00 C3", [], .record(line: 1, code: .cut), 602),
            ("FF 00 0000 00000018 00 83 81 41", [], .record(line: 1, code: .cut), 602),
            ("FF 00 0000 00000018 00 83 82 41", [], .record(line: 1, code: .cut), 602),
            ("FF 00 0000 00000010 00 83 E2", [], .record(line: 1, code: .cut), 602),
            ("FF 00 0000 00000010 00 83 41", [], .record(line: 1, code: .string), 602),
            ("FF 00 0000 00000050 00 83 DF DF DF DF DF DF DF DF DF", [], .record(line: 1, code: .blanks), 602),
            (
                "FF 00 0000 00000098 00 83 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41 FF 41", [],
                .record(line: 1, code: .repetition), 602
            ),
            ("FF 00 0000 00000030 00 C3 01 41 C3 02 42", ["A"], .record(line: 2, code: .cut), 602),
        ] as [(String, [String], NETRJS.StreamFault, Int)])
    func `rejects`(_ octets: String, _ before: [String], _ fault: NETRJS.StreamFault, _ message: Int) {
        for length in [Int.max, 1] {
            var decoder = NETRJS.StreamDecoder(.reader, blank: 0x20, longest: NETRJS.longestCard)
            var records: [String] = []
            // A wrong type is seen at its octet; of the header it shows what has arrived.
            var expected = fault
            if case .type(let header) = fault { expected = .type(header: Array(header.prefix(length))) }
            #expect(throws: expected) {
                for piece in pieces(hex(octets), by: length) {
                    decoder.append(piece)
                    while case .record(let record)? = try decoder.next() {
                        records.append(String(decoding: record, as: UTF8.self))
                    }
                }
            }
            #expect(records == before)
        }
        #expect(fault.message == message)
        #expect((fault.header == nil) == (message == 602))
    }

    @Test func `a literal that passes 255 is error 7, a card over 80 error 9 when it is whole`() {
        let literal = [UInt8(0xBF)] + [UInt8](repeating: 0x41, count: 63)
        let long = literal + literal + literal + literal + literal
        #expect(throws: NETRJS.StreamFault.record(line: 1, code: .literal)) {
            try decoded(transaction([0x83] + long + [0]), .reader, blank: 0x20)
        }
        let card: (Int) -> [UInt8] = { [0xC3, UInt8($0)] + [UInt8](repeating: 0x41, count: $0) }
        var decoder = NETRJS.StreamDecoder(.reader, blank: 0x20, longest: NETRJS.longestCard)
        decoder.append(transaction(card(80) + card(81)))
        #expect(throws: NETRJS.StreamFault.record(line: 2, code: .card)) {
            #expect(try decoder.next() == .record(Array(repeating: 0x41, count: 80)))
            _ = try decoder.next()
        }
    }
}

// MARK: for all tests of streams

func hex(_ text: String) -> [UInt8] {
    Hex.decode(text.filter { $0 != " " && $0 != "\n" }) ?? []
}

func pieces(_ octets: [UInt8], by length: Int) -> [[UInt8]] {
    let length = max(1, min(length, octets.count))
    return stride(from: 0, to: octets.count, by: length).map { Array(octets[$0..<min(octets.count, $0 + length)]) }
}

/// One transaction with this body.
func transaction(_ body: [UInt8], sequence: UInt16 = 0, filler: Int = 0) -> [UInt8] {
    let bits = body.count * 8
    let header: [UInt8] = [
        0xFF, UInt8(filler * 8), UInt8(sequence >> 8), UInt8(sequence & 0xFF), UInt8(bits >> 24 & 0xFF),
        UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF), 0,
    ]
    return header + body + Array(repeating: 0, count: filler)
}

struct DecodedStream: Equatable {
    var records: [String]
    var ended: Bool
    init(_ records: [String], ended: Bool) {
        self.records = records
        self.ended = ended
    }
}

/// Decodes whole, octet by octet and in sevens, which must be the same.
func decoded(_ octets: [UInt8], _ device: NETRJS.Device, blank: UInt8) throws -> DecodedStream {
    var streams: [DecodedStream] = []
    for length in [Int.max, 1, 7] {
        var decoder = NETRJS.StreamDecoder(device, blank: blank)
        var stream = DecodedStream([], ended: false)
        for piece in pieces(octets, by: length) {
            decoder.append(piece)
            while let item = try decoder.next() {
                switch item {
                case .record(let record): stream.records.append(String(decoding: record, as: UTF8.self))
                case .endOfData: stream.ended = true
                }
            }
        }
        streams.append(stream)
    }
    #expect(streams.allSatisfy { $0 == streams[0] })
    return streams[0]
}
