import Testing
import Wire

/// Every way to feed an input: whole, octet by octet, in threes.
let pieceLengths = [Int.max, 1, 3]

func pieces(_ octets: [UInt8], of length: Int) -> [ArraySlice<UInt8>] {
    guard length < octets.count else { return [octets[...]] }
    return stride(from: 0, to: octets.count, by: length).map { octets[$0..<min(octets.count, $0 + length)] }
}

struct RecordTests {
    private func records(
        _ text: String, _ form: RecordSplitter.Form, longest: Int = .max, by length: Int
    ) throws -> [String] {
        var splitter = RecordSplitter(form, longestRecord: longest)
        var found: [String] = []
        for piece in pieces(Array(text.utf8), of: length) {
            splitter.append(piece)
            while let record = try splitter.next() { found.append(String(decoding: record, as: UTF8.self)) }
        }
        if let record = try splitter.finish() { found.append(String(decoding: record, as: UTF8.self)) }
        #expect(splitter.records == found.count)
        return found
    }

    @Test(
        arguments: [
            ("", []), ("A", ["A"]), ("A\n", ["A"]), ("A\r\nB", ["A", "B"]), ("\n\n", ["", ""]), ("A\r\r\n", ["A\r"]),
            ("A\rB\n", ["A\rB"]), ("A\r", ["A\r"]), ("\r\n", [""]),
        ], pieceLengths)
    func `text is cut at LF, and one CR before it is no text`(_ row: (String, [String]), _ length: Int) throws {
        #expect(try records(row.0, .text(.ascii), by: length) == row.1)
    }

    @Test(arguments: [("", []), ("ABCDEF", ["ABC", "DEF"]), ("ABCD", ["ABC", "D"])], pieceLengths)
    func `fixed records are cut by length`(_ row: (String, [String]), _ length: Int) throws {
        #expect(try records(row.0, .fixed(3), by: length) == row.1)
    }

    @Test(arguments: pieceLengths)
    func `a record of the limit is taken, one octet more is not`(_ length: Int) throws {
        #expect(try records("A\nBCD\r\nEFG", .text(.ascii), longest: 3, by: length) == ["A", "BCD", "EFG"])
        for text in ["A\nBCDE\n", "A\nBCDE", "A\nBCD\rE"] {
            #expect(throws: RecordSplitter.TooLong(record: 2, limit: 3)) {
                try records(text, .text(.ascii), longest: 3, by: length)
            }
        }
    }
}

struct CardEncoderTests {
    private func block(
        _ deck: String, _ code: CodePage, _ form: CardForm = .variable, longest: Int = 80, by length: Int
    ) throws -> [UInt8] {
        var encoder = CardEncoder(code: code, form: form, longestCard: longest)
        var block: [UInt8] = []
        for piece in pieces(Array(deck.utf8), of: length) { try encoder.append(piece, to: &block) }
        try encoder.finish(to: &block)
        return block
    }

    @Test(arguments: pieceLengths)
    func `cards travel in the host's code with its record ends, or padded without`(_ length: Int) throws {
        #expect(try block("//A JOB\r\n//B", .ascii, by: length) == Array("//A JOB\n//B\n".utf8))
        #expect(try block("//A\nÉ", .cp037, by: length) == [0x61, 0x61, 0xC1, 0x15, 0x71, 0x15])
        #expect(try block("AB\n\nC", .cp1047, .fixed, longest: 2, by: length) == [0xC1, 0xC2, 0x40, 0x40, 0xC3, 0x40])
        #expect(try CardEncoder.block(of: Array("A\nB\n".utf8), code: .ascii).cards == 2)
    }

    @Test(arguments: pieceLengths)
    func `a fault says line and column in characters`(_ length: Int) throws {
        let card = String(repeating: "É", count: 80)
        #expect(try block(card, .cp037, by: length).count == 81)
        #expect(throws: CardFault(line: 2, column: 81, kind: .tooLong(limit: 80))) {
            try block("A\n" + card + "X", .cp037, by: length)
        }
        #expect(throws: CardFault(line: 1, column: 81, kind: .tooLong(limit: 80))) {
            try block(String(repeating: "A", count: 400), .ascii, by: length)
        }
        #expect(throws: CardFault(line: 2, column: 3, kind: .lacking("€", .cp037))) {
            try block("A\néx€", .cp037, by: length)
        }
        #expect(throws: CardFault(line: 1, column: 2, kind: .lacking("\u{85}", .cp037))) {
            try block("A\u{85}B", .cp037, by: length)
        }
    }
}
