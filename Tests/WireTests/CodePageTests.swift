import Testing
import Wire

struct CodePageTests {
    /// Octets 0x40 to 0xFF, sixteen a row: cp037 by Python's codec, cp1047 by glibc's IBM1047.
    static let printed: [(CodePage, [String])] = [
        (
            .cp037,
            [
                " \u{A0}âäàáãåçñ¢.<(+|",
                "&éêëèíîïìß!$*);¬",
                "-/ÂÄÀÁÃÅÇÑ¦,%_>?",
                "øÉÊËÈÍÎÏÌ`:#@'=\"",
                "Øabcdefghi«»ðýþ±",
                "°jklmnopqrªºæ¸Æ¤",
                "µ~stuvwxyz¡¿ÐÝÞ®",
                "^£¥·©§¶¼½¾[]¯¨´×",
                "{ABCDEFGHI\u{AD}ôöòóõ",
                "}JKLMNOPQR¹ûüùúÿ",
                "\\÷STUVWXYZ²ÔÖÒÓÕ",
                "0123456789³ÛÜÙÚ\u{9F}",
            ]
        ),
        (
            .cp1047,
            [
                " \u{A0}âäàáãåçñ¢.<(+|",
                "&éêëèíîïìß!$*);^",
                "-/ÂÄÀÁÃÅÇÑ¦,%_>?",
                "øÉÊËÈÍÎÏÌ`:#@'=\"",
                "Øabcdefghi«»ðýþ±",
                "°jklmnopqrªºæ¸Æ¤",
                "µ~stuvwxyz¡¿Ð[Þ®",
                "¬£¥·©§¶¼½¾Ý¨¯]´×",
                "{ABCDEFGHI\u{AD}ôöòóõ",
                "}JKLMNOPQR¹ûüùúÿ",
                "\\÷STUVWXYZ²ÔÖÒÓÕ",
                "0123456789³ÛÜÙÚ\u{9F}",
            ]
        ),
    ]

    @Test(arguments: printed)
    func `EBCDIC decodes as the published tables say`(_ page: CodePage, _ rows: [String]) {
        #expect(page.decode((0x40...0xFF).map { $0 }) == rows.joined())
    }

    @Test(arguments: [CodePage.cp037, .cp1047])
    func `EBCDIC maps every octet to a character of its own and back`(_ page: CodePage) throws {
        let all: [UInt8] = (0...255).map { $0 }
        let text = page.decode(all)
        #expect(Set(text.unicodeScalars).count == 256)
        #expect(try page.encode(text) == all)
        #expect(page.decode([0x15, 0x25, 0x0D, 0x05, 0x00]) == "\u{85}\n\r\t\0")
    }

    /// Long text is translated by the piece: each of these has its only character above 0x7F at another place, or none.
    @Test(arguments: CodePage.allCases, [0, 1, 15, 80, 1023, 1024, 1025, 3000])
    func `long text is translated as each of its characters is`(_ page: CodePage, _ count: Int) throws {
        for strange in [nil, 0, count / 2, count - 1] {
            var octets = (0..<count).map { page == .ascii ? UInt8($0 % 0x80) : UInt8(0xC1 + $0 % 9) }
            if let strange, octets.indices.contains(strange) { octets[strange] = page == .ascii ? 0xE9 : 0x51 }
            let plain = String(String.UnicodeScalarView(octets.map { page.scalar(for: $0) }))
            #expect(page.decode(octets) == plain)
            var appended: [UInt8] = [1, 2]
            page.decode(octets.span, to: &appended)
            #expect(appended == [1, 2] + Array(plain.utf8))
            if page == .ascii, strange != nil, count > 0 { continue }
            #expect(try page.encode(plain) == octets)
        }
    }

    @Test func `ASCII is itself, and says of other octets that it lacks them`() throws {
        let all: [UInt8] = (0...127).map { $0 }
        #expect(try CodePage.ascii.encode(CodePage.ascii.decode(all)) == all)
        #expect(CodePage.ascii.decode([0x41, 0x80, 0xFF]) == "A\u{FFFD}\u{FFFD}")
    }

    @Test(arguments: [
        (CodePage.ascii, "ab\u{E9}", 2, 2, "\u{E9}" as Unicode.Scalar), (.cp037, "\u{E9}\u{20AC}", 2, 1, "\u{20AC}"),
        (.cp1047, "\u{1D11E}", 0, 0, "\u{1D11E}"),
    ])
    func `the first character a page lacks is named with its place`(
        _ page: CodePage, _ text: String, _ offset: Int, _ characters: Int, _ scalar: Unicode.Scalar
    ) {
        #expect(throws: CodePageFault(offset: offset, characters: characters, scalar: scalar)) { try page.encode(text) }
    }

    @Test(
        arguments: [[0xFF], [0xC0, 0x80], [0xE9], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x80, 0x80]]
            as [[UInt8]])
    func `octets that are no UTF-8 are told from characters that lack`(_ octets: [UInt8]) {
        #expect(throws: CodePageFault(offset: 1, characters: 1, scalar: nil)) {
            var output: [UInt8] = []
            try CodePage.cp037.encode(([0x41] + octets).span, to: &output)
        }
    }

    @Test func `pages are found by either name`() {
        #expect(CodePage(named: "cp037") == .cp037)
        #expect(CodePage(named: "CP1047") == .cp1047)
        #expect(CodePage(named: "ebcdic") == nil)
        #expect(CodePage.cp037.configurationName == "cp037")
    }
}
