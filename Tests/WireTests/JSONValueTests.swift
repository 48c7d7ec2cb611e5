import Testing
import Wire

struct JSONValueTests {
    @Test(arguments: [
        ("null", JSONValue.null), (" true ", .bool(true)), ("-0", .int(0)), ("9223372036854775807", .int(.max)),
        ("9223372036854775808", .double(9_223_372_036_854_775_808)), ("1.5e2", .int(150)), ("-3.0", .int(-3)), ("0.0", .int(0)), ("1.25", .double(1.25)),
        ("9007199254740992.0", .double(9_007_199_254_740_992)), ("[]", .array([])),
        ("[1,[2]]", .array([.int(1), .array([.int(2)])])), (#""a\n\u00e9\ud834\udd1e\/""#, .string("a\né𝄞/")),
        (
            #"{"b":1,"a":{}}"#,
            .object([.init(name: "b", value: .int(1)), .init(name: "a", value: .object([]))])
        ),
    ])
    func `well-formed texts are read`(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONValue(parsing: Array(text.utf8)) == value)
    }

    @Test(arguments: [
        ("", JSONFault.Kind.unexpectedEnd, 0, 1, 1), ("[1,\n  tru]", .unexpected(0x5D), 9, 2, 6),
        (#"{"é":1,"é":2}"#, .duplicateName("é"), 8, 1, 8), ("1 2", .trailing, 2, 1, 3), ("01", .trailing, 1, 1, 2),
        ("[1,]", .unexpected(0x5D), 3, 1, 4), ("{,}", .unexpected(0x2C), 1, 1, 2), ("1.", .unexpectedEnd, 2, 1, 3),
        ("-", .unexpectedEnd, 1, 1, 2), (#""\x""#, .badEscape, 1, 1, 2), (#""\ud834""#, .badEscape, 1, 1, 2),
        (#""\udd1e""#, .badEscape, 1, 1, 2), ("\"a\u{01}\"", .controlCharacter(1), 2, 1, 3),
        ("\"abc", .unexpectedEnd, 4, 1, 5), ("1e999", .numberTooLarge, 0, 1, 1),
        ("\u{FEFF}1", .unexpected(0xEF), 0, 1, 1),
        (#"{"a" 1}"#, .unexpected(0x31), 5, 1, 6), ("+1", .unexpected(0x2B), 0, 1, 1),
        ("{\"a\":1", .unexpectedEnd, 6, 1, 7),
    ])
    func `what is no JSON is refused with its place`(
        _ text: String, _ kind: JSONFault.Kind, _ offset: Int, _ line: Int, _ column: Int
    ) {
        #expect(throws: JSONFault(kind: kind, offset: offset, line: line, column: column)) {
            try JSONValue(parsing: Array(text.utf8))
        }
    }

    @Test func `strings must be UTF-8`() {
        #expect(throws: JSONFault(kind: .notUTF8, offset: 2, line: 1, column: 3)) {
            try JSONValue(parsing: [0x22, 0x41, 0xFF, 0x22])
        }
    }

    @Test func `thirty-two levels are taken, one more is refused`() throws {
        let deep = { (levels: Int) in
            Array(String(repeating: "[", count: levels).utf8) + Array(String(repeating: "]", count: levels).utf8)
        }
        #expect(try JSONValue(parsing: deep(32)).elements?.count == 1)
        #expect(throws: JSONFault(kind: .tooDeep(limit: 32), offset: 32, line: 1, column: 33)) {
            try JSONValue(parsing: deep(33))
        }
    }

    @Test func `members are found by name and kind`() throws {
        let value = try JSONValue(parsing: Array(#"{"a":"x","n":3,"l":[1],"d":0.5}"#.utf8))
        #expect(
            value["a"]?.string == "x" && value["n"]?.int == 3 && value["n"]?.double == 3 && value["d"]?.double == 0.5)
        #expect(value["l"]?.elements == [.int(1)] && value["z"] == nil && value["a"]?.int == nil)
    }

    @Test func `any octets are a value or a fault`() {
        var seed: UInt64 = 7
        let alphabet = Array("{}[]\",:\\u01tfn .eE-d8".utf8) + [0x80, 0xC3]
        for _ in 0..<20_000 {
            let octets: [UInt8] = (0..<12).map { _ in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1
                return alphabet[Int(seed >> 33) % alphabet.count]
            }
            do {
                _ = try JSONValue(parsing: octets)
            } catch {
                #expect(error.offset <= octets.count && error.line >= 1 && error.column >= 1)
            }
        }
    }
}
