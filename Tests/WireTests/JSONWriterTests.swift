import Testing
import Wire

struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        write(&json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func `commas stand between members and elements at every depth`() {
        let written = text {
            $0.beginObject()
            $0.key("a")
            $0.beginArray()
            $0.beginArray()
            $0.int(1)
            $0.int(-2)
            $0.endArray()
            $0.beginObject()
            $0.endObject()
            $0.null()
            $0.endArray()
            $0.key("b")
            $0.beginObject()
            $0.key("c")
            $0.bool(true)
            $0.key("d")
            $0.rawJSON(Array("[1]".utf8))
            $0.endObject()
            $0.key("e" + "\"")
            $0.bool(false)
            $0.endObject()
        }
        #expect(written == #"{"a":[[1,-2],{},null],"b":{"c":true,"d":[1]},"e\"":false}"#)
    }

    @Test(arguments: [
        ("", #""""#), ("plain", #""plain""#), ("a\"b\\c", #""a\"b\\c""#), ("\n\r\t", #""\n\r\t""#),
        ("\u{0}\u{1F}\u{7F}", "\"\\u0000\\u001f\u{7F}\""), ("naïve ☃ 𝄞", #""naïve ☃ 𝄞""#), ("end\"", #""end\"""#),
    ])
    func `strings are escaped`(_ value: String, _ expected: String) {
        #expect(text { $0.string(value) } == expected)
    }

    @Test func `octets that are no UTF-8 become replacement characters`() {
        #expect(text { $0.string(decoding: [0x41, 0xFF, 0x42]) } == "\"A\u{FFFD}B\"")
    }

    @Test func `numbers that JSON lacks are null`() {
        #expect(
            text {
                $0.beginArray()
                $0.double(.nan)
                $0.double(-.infinity)
                $0.double(0.5)
                $0.double(1e300)
                $0.int(Int64.min)
                $0.int(Int64.max)
                $0.int(0)
                $0.endArray()
            } == "[null,null,0.5,1e+300,-9223372036854775808,9223372036854775807,0]")
    }
}
