import Testing
import Wire

struct TextRendererTests {
    private func text(
        _ octets: [UInt8], _ control: CarriageControl, _ form: RecordSplitter.Form, _ code: CodePage, by length: Int,
        records: Int? = nil
    ) -> String {
        var renderer = TextRenderer(control, records: form, code: code)
        var output: [UInt8] = []
        for piece in pieces(octets, of: length) { renderer.append(Array(piece).span, to: &output) }
        renderer.finish(to: &output)
        if let records { #expect(renderer.records == records) }
        return String(decoding: output, as: UTF8.self)
    }

    @Test(
        arguments: [
            ("", ""), (" A\n B\n", "A\nB\n"), (" A\n0B\n-C\n", "A\n\nB\n\n\nC\n"), (" A\n+__\n B", "A\nB\n"),
            (" A B\n+___\n+A\n B", "A B\nB\n"),
            (" ___\n+X\n", "X\n"), (" NAME:\n+      ___\n", "NAME: ___\n"), (" A_B\n+A_B\n+___\n", "A_B\n"),
            (" AB\n+CDE\n", "ABE\n"), (" A\n+\n", "A\n"),
            ("1A\n1B\n C\n1D\n", "A\n\u{0C}B\nC\n\u{0C}D\n"), ("1\n A\n", "\nA\n"), ("0A\n", "\nA\n"), ("+A\n", "A\n"),
            (" \n \n", "\n\n"), ("\n A\n", "\nA\n"), (" A\n1\n+B\n", "A\n\u{0C}B\n"), ("2A\n?B\n", "A\nB\n"),
            (" A\r\n B\r\n", "A\nB\n"), (" A\rB\n", "A\rB\n"), (" A\r", "A\r\n"), ("1A\n1\n", "A\n\u{0C}\n"),
        ], pieceLengths)
    func `ASA moves the paper before the line`(_ row: (String, String), _ length: Int) {
        #expect(text(Array(row.0.utf8), .asa, .text(.ascii), .ascii, by: length) == row.1)
    }

    @Test(
        arguments: [
            ([0x09, 0x41, 0x0A, 0x09, 0x42, 0x0A], "A\nB\n"),
            ([0x11, 0x41, 0x0A, 0x19, 0x42, 0x0A, 0x09, 0x43, 0x0A], "A\n\nB\n\n\nC\n"),
            ([0x01, 0x41, 0x0A, 0x09, 0x5F, 0x0A], "A\n"),
            ([0x8B, 0x0A, 0x09, 0x41, 0x0A, 0x8B, 0x0A, 0x09, 0x42, 0x0A], "A\n\u{0C}B\n"),
            ([0x89, 0x41, 0x0A, 0x89, 0x42, 0x0A], "A\n\u{0C}B\n"),
            ([0x0B, 0x0A, 0x13, 0x0A, 0x1B, 0x0A, 0x09, 0x41, 0x0A], "\n\n\n\n\n\nA\n"),
            ([0x0B, 0x41, 0x0A, 0x09, 0x5F, 0x0A], "\nA\n"),
            ([0x03, 0x0A, 0x91, 0x41, 0x0A, 0xE3, 0x0A, 0x09, 0x42], "A\n\nB\n"), ([0x0A, 0x40, 0x41], "\nA\n"),
        ] as [([UInt8], String)], pieceLengths)
    func `machine codes move it after the line, or at once`(_ row: ([UInt8], String), _ length: Int) {
        #expect(text(row.0, .machine, .text(.ascii), .ascii, by: length) == row.1)
    }

    @Test(arguments: pieceLengths)
    func `records without carriage control are lines, whatever cuts them`(_ length: Int) {
        #expect(text(Array("A\n\nB".utf8), .none, .text(.ascii), .ascii, by: length, records: 3) == "A\n\nB\n")
        #expect(text([0xC1, 0x15, 0x71], .none, .text(.cp037), .cp037, by: length, records: 2) == "A\nÉ\n")
        #expect(text([0xC1, 0xC2, 0x15, 0x40], .none, .fixed(2), .cp037, by: length, records: 2) == "AB\n\u{85} \n")
        #expect(text([0xF1, 0xC1, 0x40, 0xC2], .asa, .fixed(2), .cp037, by: length, records: 2) == "A\nB\n")
    }

    @Test(arguments: [CarriageControl.none, .asa, .machine])
    func `any octets print the same for any split`(_ control: CarriageControl) {
        var seed: UInt64 = 77
        for _ in 0..<300 {
            let octets: [UInt8] = (0..<40).map { _ in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1
                return [0x0A, 0x0D, 0x31, 0x2B, 0x20, 0x30, 0x41, 0x89, 0x01, 0x0B, 0x8B, 0x15][Int(seed >> 33) % 12]
            }
            for form in [RecordSplitter.Form.text(.ascii), .text(.cp037), .fixed(7)] {
                let whole = text(octets, control, form, .ascii, by: .max)
                for length in [1, 2, 5] { #expect(text(octets, control, form, .ascii, by: length) == whole) }
                #expect(whole.unicodeScalars.last == "\n")
            }
        }
    }
}
