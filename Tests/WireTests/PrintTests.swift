import Foundation
import Testing
import Wire

struct PrintTests {
    private static let overprinted = "1TOTAL COST\n+__________\n BOLD\n+BOLD\n A=B\n+ /\n <&\">\n1NEXT\n"

    private func html(_ text: String, by length: Int) -> String {
        var printer = LinePrinter(.asa, records: .text(.ascii), code: .ascii, on: HTMLPaper(code: .ascii))
        var output: [UInt8] = []
        for piece in pieces(Array(text.utf8), of: length) { printer.append(Array(piece).span, to: &output) }
        printer.finish(to: &output)
        printer.paper.finish(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test(arguments: pieceLengths)
    func `overprinting is underline, bold or a second character, and all is escaped`(_ length: Int) {
        #expect(
            html(Self.overprinted, by: length) == """
                <pre>
                <u>TOTAL COST</u>
                <b>BOLD</b>
                A<i data-over="/">=</i>B
                &lt;&amp;&quot;&gt;
                </pre>
                <pre>
                NEXT
                </pre>

                """)
    }

    @Test func `a title cannot leave its place`() {
        let page = String(decoding: HTMLPaper.begin(title: "</title><script>"), as: UTF8.self)
        #expect(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"))
    }

    private func pdf(_ text: String, packs: Bool = false) -> String {
        var paper = PDFPaper(code: .ascii, packs: packs)
        var output: [UInt8] = []
        paper.begin(title: "Grüße €", to: &output)
        var printer = LinePrinter(.asa, records: .text(.ascii), code: .ascii, on: paper)
        printer.append(Array(text.utf8).span, to: &output)
        printer.finish(to: &output)
        paper = printer.paper
        paper.finish(to: &output)
        while paper.end(to: &output) {}
        return String(decoding: output.map { $0 < 0x80 ? $0 : 0x3F }, as: UTF8.self)
    }

    @Test func `every place in a PDF's table is that of its object`() throws {
        let lines = (1...200).map { " LINE \($0)\n" }.joined()
        for text in ["", Self.overprinted, lines, String(repeating: "1PAGE\n", count: 600)] {
            for packs in [false, true] {
                let file = Array(pdf(text, packs: packs).utf8)
                let whole = String(decoding: file, as: UTF8.self)
                let start = try #require(whole.range(of: "startxref\n"))
                let place = try #require(Int(whole[start.upperBound...].prefix { $0.isNumber }))
                let table = String(decoding: file[place...], as: UTF8.self).split(separator: "\n")
                #expect(table[0] == "xref")
                let count = try #require(Int(table[1].split(separator: " ")[1]))
                for number in 1..<count {
                    let at = try #require(Int(table[2 + number].prefix(10)))
                    #expect(String(decoding: file[at...].prefix(20), as: UTF8.self).hasPrefix("\(number) 0 obj\n"))
                }
            }
        }
    }

    @Test func `pages end at channel 1 and at 66 lines`() {
        func pages(_ text: String) -> Int { pdf(text).components(separatedBy: "/Type /Page /").count - 1 }
        #expect(pages("") == 1)
        #expect(pages(Self.overprinted) == 2)
        #expect(pages(String(repeating: " X\n", count: 66)) == 1)
        #expect(pages(String(repeating: " X\n", count: 67)) == 2)
        #expect(pages(String(repeating: "1X\n", count: 130)) == 130)
        // a record that only skips prints an empty line there
        #expect(pages("1A\n1\n1B\n") == 3)
    }

    @Test func `a PDF prints over what is printed over, and condenses long lines`() {
        let page = pdf(Self.overprinted)
        #expect(page.contains("(TOTAL COST) Tj 0 0 Td\n(__________) Tj"))
        #expect(page.contains("(BOLD) Tj 0 0 Td\n/B 12 Tf (BOLD) Tj"))
        #expect(page.contains("(A=B) Tj 0 0 Td\n( /) Tj"))
        #expect(pdf(" (a\\b)\n").contains("(\\(a\\\\b\\)) Tj"))
        #expect(pdf(" " + String(repeating: "X", count: 264) + "\n").contains("50.00 Tz"))
        #expect(pdf(" " + String(repeating: "X", count: 265) + "\n").components(separatedBy: "Tj").count == 3)
    }

    @Test(arguments: pieceLengths)
    func `records come with number and length, whatever cuts them`(_ length: Int) {
        for (form, text, expected) in [
            (RecordSplitter.Form.text(.ascii), "A\r\n\nB\rC\nDEFGHIJ\r", ["A", "", "B\rC", "DEFG*8"]),
            (.fixed(3), "ABCDEFG", ["ABC", "DEF", "G"]), (.text(.cp037), "", []),
        ] as [(RecordSplitter.Form, String, [String])] {
            var reader = RecordReader(form, limit: 4)
            var records: [PrintRecord] = []
            let octets = Array(text.utf8)
            for piece in pieces(octets, of: length) { records += reader.append(Array(piece).span) }
            records += reader.finish()
            let shown = records.map {
                String(decoding: $0.octets, as: UTF8.self) + ($0.isCut ? "*\($0.length)" : "")
            }
            #expect(shown == expected)
            if case .ended(let mark, _) = form {
                for record in records.dropLast() { #expect(octets[record.end - 1] == mark) }
            }
        }
    }

    @Test func `an archive has its directory where its end says`() throws {
        var zip = ZIPWriter(year: 2026, month: 11, day: 23, hour: 12, minute: 30, second: 59)
        var output: [UInt8] = []
        for (name, text) in [("a/ä.txt", String(repeating: "Hello ", count: 10_000)), ("empty", "")] {
            zip.begin(name, to: &output)
            for piece in pieces(Array(text.utf8), of: 777) { try zip.append(Array(piece), to: &output) }
            try zip.end(to: &output)
        }
        zip.finish(to: &output)
        func number(_ at: Int, _ octets: Int) -> Int {
            (0..<octets).reduce(0) { $0 | Int(output[at + $1]) << (8 * $1) }
        }
        let locator = output.count - 22 - 20
        let end = number(locator + 8, 8)
        #expect(number(end, 4) == 0x0606_4B50)
        #expect(number(end + 32, 8) == 2)
        let directory = number(end + 48, 8)
        #expect(number(directory, 4) == 0x0201_4B50)
        #expect(directory + number(end + 40, 8) == end)
        var sum = CRC32()
        sum.update(Array(String(repeating: "Hello ", count: 10_000).utf8))
        #expect(number(directory + 16, 4) == Int(sum.value))
        var known = CRC32()
        known.update(Array("123456789".utf8))
        #expect(known.value == 0xCBF4_3926)
    }
}
