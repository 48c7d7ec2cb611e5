import HTTPCore
import TestKit
import Testing

@Suite struct NegotiationTests {
    private static func head(_ fields: String, method: String = "GET") throws -> RequestHead {
        let text = "\(method) / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n"
        return try #require(Reading(Array(text.utf8)).heads.first)
    }

    @Test(
        arguments: [
            (nil, "application/json"), ("*/*", "application/json"), ("", "application/json"),
            ("text/plain", "text/plain"),
            ("text/*", "text/plain"), ("text/plain;q=0.5, application/json;q=0.4", "text/plain"),
            ("text/plain;q=0.5, application/json", "application/json"), ("text/csv", "text/csv"),
            ("*/*;q=0.1, text/csv", "text/csv"), ("application/json;q=0, */*", "text/plain"),
            ("text/*;q=0.3, text/csv;q=0.7", "text/csv"), ("text/*, text/plain;q=0", "text/csv"),
            ("TEXT/PLAIN", "text/plain"), ("text/plain; charset=utf-8", "text/plain"), ("image/png", nil),
            ("application/json;q=0", nil), ("nonsense", "application/json"), ("*/json", "application/json"),
            ("text/csv;q=2", "application/json"), ("text/csv;q=0.1234", "application/json"),
            ("text/csv;q=", "application/json"),
            ("text/csv;a=\"x,y\", text/plain;q=0.9", "text/csv"), ("text/csv;q=0.001", "text/csv"),
            ("text/csv;q=1.000", "text/csv"), ("text/csv;q=1.001", "application/json"),
        ] as [(String?, String?)])
    func `the type the client likes best is chosen`(_ accept: String?, _ chosen: String?) {
        #expect(Accept(accept).preferred(["application/json", "text/plain", "text/csv"]) == chosen)
    }

    @Test func `preferences are read by RFC 7240`() {
        let all = Preferences("respond-async, wait=60, Return=\"minimal\"; x=y, handling=strict, wait=3, foo")
        #expect(all.wait == 60 && all.respondAsync && all.returnsMinimal && all.isStrict && !all.returnsRepresentation)
        #expect(all["foo"] == "")
        #expect(Preferences(nil).wait == nil)
        for text in ["wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=99999999999999999999", "w ait=3"] {
            #expect(Preferences(text).wait == nil)
        }
        #expect(Preferences("wait = 5").wait == 5)
    }

    @Test(
        arguments: [
            ("bytes=0-9", .part(0..<10)), ("bytes=5-", .part(5..<100)), ("bytes=-10", .part(90..<100)),
            ("bytes=-200", .part(0..<100)), ("bytes=90-200", .part(90..<100)), ("bytes=99-99", .part(99..<100)),
            ("bytes=100-", .unsatisfiable), ("bytes=100-200", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999999", .part(0..<100)),
            ("BYTES=0-0", .part(0..<1)), ("bytes=5-4", .whole), ("bytes=0-1,5-6", .whole), ("lines=0-1", .whole),
            ("bytes", .whole), ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("bytes=+1-2", .whole),
            ("bytes=1-2-3", .whole), ("bytes= 1-2", .part(1..<3)), ("bytes=1 -2", .whole),
        ] as [(String, ByteRange)])
    func `a range of 100 octets`(_ field: String, _ range: ByteRange) throws {
        #expect(ByteRange(try Self.head("Range: \(field)"), length: 100) == range)
    }

    @Test func `nothing of an empty file can be had`() {
        for field in ["bytes=0-", "bytes=-1", "bytes=0-0"] { #expect(ByteRange(field, length: 0) == .unsatisfiable) }
        #expect(ByteRange.contentRange(0..<10, of: 100) == "bytes 0-9/100")
        #expect(ByteRange.contentRange(0..<10, of: nil) == "bytes 0-9/*")
        #expect(ByteRange.problem(length: 7).fields["Content-Range"] == "bytes */7")
    }

    @Test(arguments: [
        ("\"a\"", true), ("\"b\"", false), ("W/\"a\"", false), ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("Sun, 06 Nov 1994 08:49:38 GMT", false), ("nonsense", false),
    ])
    func `If-Range needs the very same file`(_ condition: String, _ isPart: Bool) throws {
        let head = try Self.head("Range: bytes=0-0\r\nIf-Range: \(condition)")
        let range = ByteRange(head, length: 9, tag: EntityTag("a"), lastModified: 784_111_777)
        #expect((range == .part(0..<1)) == isPart)
        #expect(ByteRange(head, length: 9, tag: EntityTag("a", isWeak: true)) == .whole)
    }

    @Test func `a range means nothing to POST`() throws {
        #expect(ByteRange(try Self.head("Range: bytes=0-0", method: "POST"), length: 9) == .whole)
    }

    struct ConditionRow: Sendable, CustomTestStringConvertible {
        var fields: String
        var method = "GET"
        var tag: EntityTag? = EntityTag("a")
        var verdict: Conditions.Verdict
        var testDescription: String { "\(method) \(fields)" }
    }

    @Test(arguments: [
        ConditionRow(fields: "X: y", verdict: .proceed),
        ConditionRow(fields: "If-None-Match: \"a\"", verdict: .notModified),
        ConditionRow(fields: "If-None-Match: W/\"a\"", verdict: .notModified),
        ConditionRow(fields: "If-None-Match: \"x\", \"a,b\", \"a\"", verdict: .notModified),
        ConditionRow(fields: "If-None-Match: \"x\"", verdict: .proceed),
        ConditionRow(fields: "If-None-Match: *", verdict: .notModified),
        ConditionRow(fields: "If-None-Match: *", tag: nil, verdict: .proceed),
        ConditionRow(fields: "If-None-Match: *", method: "PUT", verdict: .preconditionFailed),
        ConditionRow(fields: "If-None-Match: \"a\"", method: "HEAD", verdict: .notModified),
        ConditionRow(fields: "If-Match: \"a\"", method: "DELETE", verdict: .proceed),
        ConditionRow(fields: "If-Match: \"b\"", method: "DELETE", verdict: .preconditionFailed),
        ConditionRow(fields: "If-Match: W/\"a\"", method: "DELETE", verdict: .preconditionFailed),
        ConditionRow(fields: "If-Match: \"a\"", tag: EntityTag("a", isWeak: true), verdict: .preconditionFailed),
        ConditionRow(fields: "If-Match: *", verdict: .proceed),
        ConditionRow(fields: "If-Match: *", tag: nil, verdict: .preconditionFailed),
        ConditionRow(fields: "If-Match: a", verdict: .preconditionFailed),
        ConditionRow(fields: "If-Match: \"b\"\r\nIf-None-Match: \"a\"", verdict: .preconditionFailed),
        ConditionRow(fields: "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", verdict: .notModified),
        ConditionRow(fields: "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", verdict: .proceed),
        ConditionRow(fields: "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", method: "POST", verdict: .proceed),
        ConditionRow(fields: "If-Modified-Since: yesterday", verdict: .proceed),
        ConditionRow(
            fields: "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", verdict: .proceed),
        ConditionRow(fields: "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", verdict: .preconditionFailed),
        ConditionRow(fields: "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", verdict: .proceed),
    ])
    func `conditions in their order`(_ row: ConditionRow) throws {
        let head = try Self.head(row.fields, method: row.method)
        #expect(Conditions.evaluate(head, tag: row.tag, lastModified: 784_111_777) == row.verdict)
    }

    @Test func `a date is written and read back`() {
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        var random = SplitMix(seed: 1)
        for _ in 0..<1000 {
            let seconds = Int64(random.next() % 4_102_444_800)
            #expect(HTTPDate.seconds(HTTPDate.text(seconds)) == seconds)
        }
        for text in [
            "", "Sun, 31 Feb 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 0a Nov 1994 08:49:37 GMT",
        ] {
            #expect(HTTPDate.seconds(text) == nil)
        }
    }

    @Test func `a query keeps order and duplicates, and a plus is a plus`() throws {
        func query(_ text: String) -> Parameters? { Parameters(query: Array(text.utf8)[...]) }
        let parameters = try #require(query("a=1&b&a=2&c=x%20y+z&&d==&%C3%A9=%26"))
        #expect(parameters.items.map { "\($0.name):\($0.value)" } == ["a:1", "b:", "a:2", "c:x y+z", "d:=", "é:&"])
        #expect(parameters["a"] == "1" && parameters.values("a") == ["1", "2"] && parameters.has("b"))
        #expect(parameters.repeatedNames == ["a"])
        #expect(query("a=%") == nil && query("a=%f") == nil && query("%ff=a") == nil)
        #expect(Parameters(form: Array("a=x+y%2B".utf8)[...])?["a"] == "x y+")
        #expect(PercentCoding.encode("a b/é~") == "a%20b%2F%C3%A9~")
    }

    @Test func `parameters of a media type are found in quotes too`() {
        #expect(MediaType.essence("Text/HTML ; charset=x") == "text/html")
        #expect(
            MediaType.parameter("boundary", of: "multipart/form-data; a=\"x;boundary=no\"; Boundary=\"b c\"") == "b c")
        #expect(MediaType.parameter("charset", of: "text/plain") == nil)
    }
}
