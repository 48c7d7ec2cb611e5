import Foundation
import Testing
import Wire

struct PatternTests {
    private func matches(_ pattern: Pattern, _ text: String, in page: CodePage = .cp037) throws -> Bool {
        var matcher = PatternMatcher(pattern)
        return matcher.matches(try page.encode(text)[...], in: page.latin1Table)
    }

    @Test(
        arguments: [
            ("ABEND", "IEF450I ABEND=S0C7", true), ("abend", "ABEND", false), ("a.c", "abc", false),
            ("a.c", "xa.cx", true),
            ("$", "costs $5", true), ("É", "CAFÉ", true), ("😀", "x", false),
        ])
    func `a literal is found as it stands`(_ row: (String, String, Bool)) throws {
        #expect(try matches(Pattern(row.0, isExpression: false), row.1) == row.2)
    }

    @Test(
        arguments: [
            ("S[0-9A-F]{3}", "ABEND=S0C7 U0000", true), ("^IEF", "IEF403I", true), ("^IEF", " IEF403I", false),
            ("RC=0*$", "COND RC=0000", true), ("RC=0*$", "RC=0004", false), ("^$", "", true), ("^$", " ", false),
            ("a|b$", "xb", true), ("a|b$", "bx", false), ("(ab)+c", "ababc", true), ("^(ab)+c", "abac", false),
            ("\\d{2,3}", "x1x22", true), ("^\\d{2,3}$", "1234", false), ("[^a-z]", "abc", false), ("[]x]", "a]", true),
            ("a{,2}", "a{,2}", true), ("x*", "", true), ("(?:a|)b", "b", true), ("\\x41", "A", true),
            ("\\.", "a", false),
            ("a.*?c", "abbc", true), ("[\\d-]", "-", true), ("[^\\W]", "é", true), ("^.{0}$", "", true),
            ("()", "", true),
            ("(a*)*b", "aaac", false), ("\\s\\S", "a b", true), ("[a\\-z]", "-", true), ("[+--]", ",", true),
        ])
    func `an expression finds what it says`(_ row: (String, String, Bool)) throws {
        #expect(try matches(Pattern(row.0, isExpression: true), row.1) == row.2, "\(row.0)")
    }

    @Test func `upper and lower case may count as one, beyond ASCII too`() throws {
        for (pattern, text, found) in [("é[a-c]", "ÉB", true), ("÷", "×", false), ("[^a]", "A", false)] {
            #expect(try matches(Pattern(pattern, isExpression: true, ignoresCase: true), text) == found, "\(pattern)")
        }
    }

    @Test(
        arguments: [
            ("", 1), ("a(b", 2), ("ab)", 3), ("[a", 1), ("a**", 3), ("*a", 1), ("a\\", 2), ("\\1", 1), ("(?=a)", 1),
            ("a{3,2}", 2), ("a{999}", 2), ("[b-a]", 2), ("\\x4", 1), ("^*", 1), ("[[:digit:]]", 2), ("\\bx", 1),
            ("((a{200}){200}){200}", 1), (String(repeating: "(", count: 40), 33),
        ])
    func `what is not understood is refused with its column`(_ row: (String, Int)) {
        do {
            _ = try Pattern(row.0, isExpression: true)
            Issue.record("\(row.0) was taken")
        } catch {
            #expect(error.column == row.1, "\(row.0): \(error.detail)")
        }
    }

    @Test func `random expressions find what ICU finds`() throws {
        var random = SystemRandomNumberGenerator()
        func make(_ depth: Int) -> String {
            switch Int.random(in: 0..<(depth > 0 ? 9 : 4), using: &random) {
            case 0, 1: return "a"
            case 2: return "b"
            case 3: return ["[ab]", "[^a]", ".", "c"].randomElement(using: &random) ?? "c"
            case 4: return make(depth - 1) + make(depth - 1)
            case 5: return "(?:" + make(depth - 1) + "|" + make(depth - 1) + ")"
            case 6:
                return "(?:" + make(depth - 1) + ")"
                    + (["*", "+", "?", "{2}", "{1,3}"].randomElement(using: &random) ?? "*")
            case 7: return "^" + make(depth - 1)
            default: return make(depth - 1) + "$"
            }
        }
        for _ in 0..<400 {
            let text = make(4)
            let pattern = try Pattern(text, isExpression: true)
            var matcher = PatternMatcher(pattern)
            let expected = try NSRegularExpression(pattern: text)
            for _ in 0..<25 {
                let record = String((0..<Int.random(in: 0...8)).map { _ in "abc".randomElement() ?? "a" })
                let range = NSRange(location: 0, length: record.utf16.count)
                let found = expected.firstMatch(in: record, range: range) != nil
                let isMatch = matcher.matches(Array(record.utf8)[...], in: CodePage.ascii.latin1Table)
                #expect(isMatch == found, "\(text) in \(record)")
            }
        }
    }

    @Test func `any octets are a pattern that keeps its word, or a fault with its place`() throws {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "a", "b", ".", "[ab]", "[^a]", "(", ")", "(?:", "|", "*", "+", "?", "{2}", "{1,3}", "^", "$", "\\", "\\d",
            "-", "é", "😀",
        ]
        for _ in 0..<2000 {
            let pattern = (0..<Int.random(in: 0...8)).map { _ in pieces.randomElement(using: &random) ?? "a" }.joined()
            let record = (0..<Int.random(in: 0...12)).map { _ -> UInt8 in
                [0x61, 0x62, 0x2E, 0xE9].randomElement(using: &random) ?? 0x61
            }
            let input = [UInt8.random(in: 0...1, using: &random)] + Array("\(pattern)\n".utf8) + record
            #expect(PatternClaim.violation(input) == nil, "\(pattern) in \(record)")
        }
    }

    /// `(a?){n}a{n}` takes a backtracking engine 2 to the n steps, `a.{n}` an automaton made beforehand 2 to the n states.
    @Test(arguments: ["(a?){60}a{60}", "a.{60}c", "(.*a){12}c", "((a|b)*){20}c"])
    func `no pattern takes more than linear time`(_ text: String) throws {
        var matcher = PatternMatcher(try Pattern(text, isExpression: true))
        var seed: UInt64 = 1
        let record: [UInt8] = (0..<20_000).map { _ in
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            return seed >> 40 & 1 == 0 ? 0x61 : 0x62
        }
        let isFound = matcher.matches(record[...], in: CodePage.ascii.latin1Table)
        #expect(!isFound || text.contains("?"))
        let short = Array(String(repeating: "a", count: 200).utf8) + [0x63]
        let isFoundInShort = matcher.matches(short[...], in: CodePage.ascii.latin1Table)
        #expect(isFoundInShort)
    }
}
