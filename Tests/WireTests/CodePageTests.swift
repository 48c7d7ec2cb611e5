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
