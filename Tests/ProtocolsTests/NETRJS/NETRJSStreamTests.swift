import Protocols
import Testing

/// Sections 8 and 10: what the grammar allows beyond the worked examples, and the limits in pairs.
struct NETRJSStreamTests {
    @Test func `a transaction of 880 octets is taken, one more is refused`() throws {
        // 3 records of 255, one of 98: 871 octets
        let body = [255, 255, 255, 98].flatMap { (count: Int) -> [UInt8] in
            [0xC4, UInt8(count)] + [UInt8](repeating: 0x41, count: count)
        }
        #expect(body.count == 871)
        #expect(
            try decoded(transaction(body) + [0xFE], .printer, blank: 0x20).records.map(\.count) == [255, 255, 255, 98])
        #expect(throws: NETRJS.StreamFault.self) { try decoded(transaction(body + [0]), .printer, blank: 0x20) }
        #expect(throws: NETRJS.StreamFault.self) { try decoded(transaction(body, filler: 1), .printer, blank: 0x20) }
    }

    @Test func `an encoder fills transactions with whole records and numbers them`() throws {
        var encoder = NETRJS.StreamEncoder(.printer, blank: 0x20)
        var output: [UInt8] = []
        let records = (0..<40).map { String(repeating: "x", count: 100 + $0) }
        for record in records { try encoder.append(Array(record.utf8), to: &output) }
        encoder.finish(to: &output)
        #expect(try decoded(output, .printer, blank: 0x20) == .init(records, ended: true))
        var at = 0
        var sequence = 0
        while output[at] == 0xFF {
            #expect(Int(output[at + 2]) << 8 | Int(output[at + 3]) == sequence)
            let octets = output[at + 4..<at + 8].reduce(0) { $0 << 8 | Int($1) } / 8
            #expect(octets <= 871)
            at += 9 + octets
            sequence += 1
        }
        #expect(at == output.count - 1)
        #expect(sequence == 6)
    }

    @Test func `the sequence number wraps to 0`() throws {
        var octets: [UInt8] = []
        for number in 0...65_537 { octets += transaction([0xC4, 0x00], sequence: UInt16(truncatingIfNeeded: number)) }
        var decoder = NETRJS.StreamDecoder(.printer, blank: 0x20)
        decoder.append(octets)
        while try decoder.next() != nil {}
        #expect(decoder.records == 65_538)
        var encoder = NETRJS.StreamEncoder(.printer, blank: 0x20)
        var output: [UInt8] = []
        for _ in 0...65_537 {
            try encoder.append([0x41], to: &output)
            encoder.flush(to: &output)
        }
        #expect(output[(65_536 * 12)...].prefix(4) == [0xFF, 0x00, 0x00, 0x00])
    }

    @Test func `records of both forms mix, empty transactions and empty records are taken, zero counts are nothing`()
        throws
    {
        let octets =
            transaction([])
            + transaction([0xC4, 0x01, 0x41, 0x84, 0x81, 0x42, 0x00, 0xC4, 0x00, 0x84, 0x00], sequence: 1)
            + transaction([0x84, 0x80, 0xC0, 0xE0, 0x58, 0x81, 0x43, 0x00], sequence: 2, filler: 31) + [0xFE]
        #expect(try decoded(octets, .printer, blank: 0x20) == .init(["A", "B", "", "", "C"], ended: true))
    }

    @Test func `a last header octet that is not zero does no harm`() throws {
        var octets = transaction([0xC4, 0x01, 0x41])
        octets[8] = 0x2A
        #expect(try decoded(octets, .printer, blank: 0x20).records == ["A"])
    }

    @Test func `what follows END-OF-DATA is dropped, and FE where filler is due is filler`() throws {
        #expect(try decoded(hex("FE FF 00 0000 00000008"), .printer, blank: 0x20) == .init([], ended: true))
        var octets = transaction([0xC4, 0x00], filler: 2)
        octets[octets.count - 1] = 0xFE
        #expect(try decoded(octets, .printer, blank: 0x20) == .init([""], ended: false))
        #expect(try decoded(octets + [0xFE], .printer, blank: 0x20) == .init([""], ended: true))
    }

    @Test(arguments: NETRJS.Form.allCases, [0x20, 0x40] as [UInt8])
    func `what is encoded is decoded, but for the blanks at the end`(_ form: NETRJS.Form, _ blank: UInt8) throws {
        var random = SeededNumbers(seed: 740)
        var records: [[UInt8]] = [[], [blank], Array(repeating: blank, count: 255), Array(0...254), Array(1...255)]
        for _ in 0..<500 {
            var record: [UInt8] = []
            while record.count < 255, random.next(12) > 0 {
                let octet = [blank, 0x41, UInt8(random.next(256))][random.next(3)]
                record += Array(repeating: octet, count: min(255 - record.count, 1 + random.next(40)))
            }
            records.append(record)
        }
        var encoder = NETRJS.StreamEncoder(.punch, form: form, blank: blank, alignment: 1 + random.next(32))
        var output: [UInt8] = []
        for record in records { try encoder.append(record, to: &output) }
        encoder.finish(to: &output)
        var decoder = NETRJS.StreamDecoder(.punch, blank: blank)
        decoder.append(output)
        for record in records {
            var kept = record
            while kept.last == blank { kept.removeLast() }
            #expect(try decoder.next() == .record(kept))
        }
        #expect(try decoder.next() == .endOfData)
        #expect(try decoder.next() == nil)
    }

    @Test func `a record over 255 octets is not sent`() throws {
        var encoder = NETRJS.StreamEncoder(.printer, blank: 0x20)
        var output: [UInt8] = []
        try encoder.append(Array(repeating: 0x41, count: 255), to: &output)
        #expect(throws: NETRJS.RecordTooLong(octets: 256)) {
            try encoder.append(Array(repeating: 0x41, count: 256), to: &output)
        }
        encoder.finish(to: &output)
        #expect(try decoded(output, .printer, blank: 0x20).records.map(\.count) == [255])
    }

    @Test func `operation codes are those of the table`() {
        let codes = NETRJS.Device.allCases.flatMap { device in NETRJS.Form.allCases.map { $0.operation(device) } }
        #expect(codes == [0x83, 0xC3, 0x84, 0xC4, 0x85, 0xC5])
    }

    // MARK: character sets

    @Test(
        arguments: [
            (0x4F, 0x7C, 0x5B), (0x5F, 0x7E, 0x5D), (0x4A, 0x5C, 0x5C), (0x6D, 0x5F, 0x5F), (0x71, 0x5E, 0x5E),
            (0xAD, 0x5B, 0x7C), (0xBD, 0x5D, 0x7E), (0x8B, 0x7B, 0x7B), (0x9B, 0x7D, 0x7D), (0x79, 0x60, 0x60),
            (0x13, 0x14, 0x14), (0x3C, 0x13, 0x13), (0x40, 0x20, 0x20), (0x05, 0x09, 0x09), (0x25, 0x0A, 0x0A),
        ] as [(Int, UInt8, UInt8)])
    func `graphics and controls map by the table`(_ ebcdic: Int, _ ascii68: UInt8, _ ascii63: UInt8) {
        #expect(NETRJS.fromEBCDIC(.ascii68)[ebcdic] == ascii68)
        #expect(NETRJS.fromEBCDIC(.ascii63)[ebcdic] == ascii63)
        #expect(NETRJS.toEBCDIC(.ascii68)[Int(ascii68)] == UInt8(ebcdic))
        #expect(NETRJS.toEBCDIC(.ascii63)[Int(ascii63)] == UInt8(ebcdic))
    }

    @Test(arguments: [NETRJS.CharacterSet.ascii68, .ascii63])
    func `128 codes map one to one, all others to question marks`(_ set: NETRJS.CharacterSet) {
        let (to, from) = (NETRJS.toEBCDIC(set), NETRJS.fromEBCDIC(set))
        #expect((to.count, from.count) == (256, 256))
        for octet in 0..<128 { #expect(from[Int(to[octet])] == UInt8(octet)) }
        #expect(to[128...].allSatisfy { $0 == 0x6F })
        let partners = Set(to[..<128])
        for octet in 0..<256 where !partners.contains(UInt8(octet)) { #expect(from[octet] == 0x3F) }
        #expect(to[0x41...0x5A].elementsEqual([0xC1...0xC9, 0xD1...0xD9, 0xE2...0xE9].flatMap { Array($0) }))
        #expect(to[0x61...0x7A].elementsEqual([0x81...0x89, 0x91...0x99, 0xA2...0xA9].flatMap { Array($0) }))
        #expect(to[0x30...0x39].elementsEqual(Array(0xF0...0xF9)))
    }

    @Test func `EBCDIC is not touched, and between the ASCIIs bar and brackets change places`() {
        #expect(NETRJS.toEBCDIC(.ebcdic) == (0...255).map { UInt8($0) })
        let table = NETRJS.betweenASCIIs
        let changed = (0..<128).filter { table[$0] != UInt8($0) }
        #expect(
            changed.map { [UInt8($0), table[$0]] } == [[0x5B, 0x7C], [0x5D, 0x7E], [0x7C, 0x5B], [0x7E, 0x5D]])
    }

    @Test(arguments: [
        ("HELLO", "HELLO", ""), ("hello   ,A B", "HELLO", "A B"), ("A,B,C", "A", "B,C"), ("$#@12345,", "$#@12345", ""),
    ])
    func `a job header is read leniently`(_ record: String, _ name: String, _ identification: String) {
        #expect(NETRJS.JobHeader(record: Array(record.utf8)) == .init(name: name, identification: identification))
    }

    @Test(arguments: ["", ",SMITH", "123456789,X", "1ABC", "A/B,C"])
    func `what is no name is no header`(_ record: String) {
        #expect(NETRJS.JobHeader(record: Array(record.utf8)) == nil)
    }
}
