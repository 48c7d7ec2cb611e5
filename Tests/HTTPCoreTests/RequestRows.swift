import Testing

/// One input and what becomes of it: rows of the conventions' tables in section 12, and of the prototype's known gaps.
struct RequestRow: Sendable, CustomTestStringConvertible {
    enum Verdict: Sendable, Equatable {
        /// By the parser: this status, and the connection ends.
        case refused(Int)
        /// By the server, after the head was read.
        case answered(Int, keepsAlive: Bool = true)
    }

    let name: String
    let bytes: [UInt8]
    let verdict: Verdict
    /// What the parser gives as the body, when it takes the request.
    let body: String

    init(_ name: String, _ text: String, _ verdict: Verdict, body: String = "") {
        self.name = name
        self.bytes = Array(text.utf8)
        self.verdict = verdict
        self.body = body
    }

    init(_ name: String, bytes: [UInt8], _ verdict: Verdict) {
        self.name = name
        self.bytes = bytes
        self.verdict = verdict
        self.body = ""
    }

    var testDescription: String { name }
    private var isAnswered: Bool { if case .answered = verdict { true } else { false } }
    /// A body is announced and not sent.
    var endsWithHead: Bool {
        bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) && Reading(bytes).steps.last != .end
            && Reading(bytes).heads.count == 1
            && body.isEmpty && isAnswered
    }

    private static func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }
    private static func with(_ field: String) -> String { "GET /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n" }
    private static func host(_ value: String) -> String { "GET /echo HTTP/1.1\r\nHost: \(value)\r\n\r\n" }
    private static func post(_ field: String, _ body: String) -> String {
        "POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n\(body)"
    }
    private static func chunks(_ body: String) -> String { post("Transfer-Encoding: chunked", body) }

    static let all = framing + chunked + syntax + hosts + targets + versionsAndMethods + expectations + limits

    static let framing: [RequestRow] = [
        RequestRow("a body by length", post("Content-Length: 5", "hello"), .answered(200), body: "hello"),
        RequestRow("length 0", post("Content-Length: 0", ""), .answered(200)),
        RequestRow(
            "length with spaces around it", post("Content-Length:  5\t", "hello"), .answered(200), body: "hello"),
        RequestRow(
            "length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), .refused(400)),
        RequestRow(
            "chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), .refused(400)),
        RequestRow("two equal lengths", post("Content-Length: 5\r\nContent-Length: 5", "hello"), .refused(400)),
        RequestRow("two different lengths", post("Content-Length: 5\r\nContent-Length: 6", "hello"), .refused(400)),
        RequestRow("a list of equal lengths", post("Content-Length: 5, 5", "hello"), .refused(400)),
        RequestRow("a list of lengths", post("Content-Length: 5,6", "hello"), .refused(400)),
        RequestRow("length with plus", post("Content-Length: +5", "hello"), .refused(400)),
        RequestRow("length with minus", post("Content-Length: -5", "hello"), .refused(400)),
        RequestRow("length with a space inside", post("Content-Length: 1 0", "hello"), .refused(400)),
        RequestRow("length in hexadecimal", post("Content-Length: 0x5", "hello"), .refused(400)),
        RequestRow("length with underscore", post("Content-Length: 1_0", "hello"), .refused(400)),
        RequestRow("length with a leading zero", post("Content-Length: 05", "hello"), .refused(400)),
        RequestRow("length of two zeros", post("Content-Length: 00", ""), .refused(400)),
        RequestRow("length 010", post("Content-Length: 010", "hello"), .refused(400)),
        RequestRow("empty length", post("Content-Length:", "hello"), .refused(400)),
        RequestRow("length 2^63", post("Content-Length: 9223372036854775808", ""), .refused(400)),
        RequestRow("length of 25 digits", post("Content-Length: 1000000000000000000000000", ""), .refused(400)),
        RequestRow(
            "length 2^63-1", post("Content-Length: 9223372036854775807", ""), .answered(413, keepsAlive: false)),
        RequestRow(
            "length of 16 digits", post("Content-Length: 1000000000000000", ""), .answered(413, keepsAlive: false)),
        RequestRow("chunked, gzip", post("Transfer-Encoding: chunked, gzip", ""), .refused(400)),
        RequestRow("chunked twice", post("Transfer-Encoding: chunked, chunked", ""), .refused(400)),
        RequestRow(
            "chunked in two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", ""), .refused(400)
        ),
        RequestRow("chunked with a parameter", post("Transfer-Encoding: chunked;q=1", ""), .refused(400)),
        RequestRow("chunked with a semicolon", post("Transfer-Encoding: chunked;", ""), .refused(400)),
        RequestRow("chunked in quotes", post("Transfer-Encoding: \"chunked\"", ""), .refused(400)),
        RequestRow("chunked with a vertical tab", post("Transfer-Encoding: \u{0B}chunked", ""), .refused(400)),
        RequestRow("an empty coding", post("Transfer-Encoding:", ""), .refused(400)),
        RequestRow("chunked behind an empty coding", post("Transfer-Encoding: , chunked", ""), .refused(400)),
        RequestRow("gzip, chunked", post("Transfer-Encoding: gzip, chunked", ""), .refused(501)),
        RequestRow("gzip", post("Transfer-Encoding: gzip", ""), .refused(501)),
        RequestRow("identity", post("Transfer-Encoding: identity", ""), .refused(501)),
        RequestRow("xchunked", post("Transfer-Encoding: xchunked", ""), .refused(501)),
        RequestRow(
            "chunked in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .refused(400)),
        RequestRow("chunked in capitals", post("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), .answered(200)),
        RequestRow(
            "a body of GET is dropped", "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            .answered(200), body: "hello"),
        RequestRow(
            "a long body of GET", "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n",
            .answered(413, keepsAlive: false)),
    ]

    static let chunked: [RequestRow] = [
        RequestRow("one chunk", chunks("5\r\nhello\r\n0\r\n\r\n"), .answered(200), body: "hello"),
        RequestRow("two chunks", chunks("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), .answered(200), body: "hello"),
        RequestRow(
            "a size with leading zeros", chunks("0000000000005\r\nhello\r\n000\r\n\r\n"), .answered(200), body: "hello"),
        RequestRow(
            "sizes of both cases", chunks("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), .answered(200),
            body: "01234567890123456789"),
        RequestRow("an extension", chunks("5;a\r\nhello\r\n0\r\n\r\n"), .answered(200), body: "hello"),
        RequestRow(
            "extensions with values", chunks("5;a=b;c=\"d e\\\"\"\r\nhello\r\n0;x\r\n\r\n"), .answered(200),
            body: "hello"),
        RequestRow("a trailer", chunks("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), .answered(200), body: "hello"),
        RequestRow("size 0x5", chunks("0x5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("size +5", chunks("+5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("size -5", chunks("-5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("size 1_0", chunks("1_0\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a space before the size", chunks(" 5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a space behind the size", chunks("5 \r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a tab behind the size", chunks("5\t\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("two sizes", chunks("5 7\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a space behind the last size", chunks("5\r\nhello\r\n0 \r\n\r\n"), .refused(400)),
        RequestRow("no size", chunks("\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a size of 16 digits", chunks("8000000000000000\r\n"), .refused(400)),
        RequestRow("a size of 17 digits", chunks("10000000000000005\r\nhello\r\n"), .refused(400)),
        RequestRow("a size beyond the limit", chunks("7fffffffffffffff\r\n"), .refused(413)),
        RequestRow("a bare semicolon", chunks("5;\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("two semicolons", chunks("5;;a\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension without name", chunks("5;=b\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension without value", chunks("5;a=\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension with an open quote", chunks("5;a=\"b\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension that is no token", chunks("5;a b\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension that is not ASCII", chunks("5;é\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension with CR", chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("an extension with LF", chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("LF behind the size", chunks("5\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("LF behind the chunk", chunks("5\r\nhello\n0\r\n\r\n"), .refused(400)),
        RequestRow("a chunk longer than its size", chunks("4\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("a chunk shorter than its size", chunks("6\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        RequestRow("LF behind the last chunk", chunks("0\n\r\n"), .refused(400)),
        RequestRow("LF at the end", chunks("0\r\n\n"), .refused(400)),
        RequestRow("a trailer with Content-Length", chunks("0\r\nContent-Length: 5\r\n\r\n"), .refused(400)),
        RequestRow(
            "a trailer with Transfer-Encoding", chunks("0\r\ntransfer-encoding: chunked\r\n\r\n"), .refused(400)),
        RequestRow("a trailer with Host", chunks("0\r\nHost: b\r\n\r\n"), .refused(400)),
        RequestRow("a trailer without colon", chunks("0\r\nX\r\n\r\n"), .refused(400)),
        RequestRow("a trailer with a space in its name", chunks("0\r\nX : 1\r\n\r\n"), .refused(400)),
        RequestRow("a folded trailer", chunks("0\r\nX: 1\r\n 2\r\n\r\n"), .refused(400)),
        RequestRow("a trailer with NUL", chunks("0\r\nX: \u{0}\r\n\r\n"), .refused(400)),
        RequestRow("a trailer with CR", chunks("0\r\nX: a\rb\r\n\r\n"), .refused(400)),
        RequestRow(
            "a request where the last line end is missing",
            chunks("0\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n"), .refused(400)),
        RequestRow(
            "trailers beyond 4 KiB", chunks("0\r\nX: " + String(repeating: "a", count: 4100) + "\r\n\r\n"),
            .refused(431)),
    ]

    static let syntax: [RequestRow] = [
        RequestRow("plain GET", get("/echo"), .answered(200)),
        RequestRow("an empty value", with("X-Empty:"), .answered(200)),
        RequestRow("a value above ASCII", with("X-Name: é"), .answered(200)),
        RequestRow("a tab in a value", with("X-Name: a\tb"), .answered(200)),
        RequestRow("a folded value", with("X: a\r\n b"), .refused(400)),
        RequestRow("a space before the colon", with("X : a"), .refused(400)),
        RequestRow("a tab before the colon", with("X\t: a"), .refused(400)),
        RequestRow("a space before the colon of the length", post("Content-Length : 5", "hello"), .refused(400)),
        RequestRow("no name", with(": a"), .refused(400)),
        RequestRow("a name that is no token", with("X(Y): a"), .refused(400)),
        RequestRow("a name above ASCII", with("Xé: a"), .refused(400)),
        RequestRow("no colon", with("X"), .refused(400)),
        RequestRow("white space before the first field", "GET /echo HTTP/1.1\r\n Host: a\r\n\r\n", .refused(400)),
        RequestRow("a bare CR in a value", with("X: a\rb"), .refused(400)),
        RequestRow("a bare CR in the request line", "GET /echo\r HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("CR CR LF", with("X: a\r"), .refused(400)),
        RequestRow("LF behind the request line", "GET /echo HTTP/1.1\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("LF behind a field", "GET /echo HTTP/1.1\r\nHost: a\n\r\n", .refused(400)),
        RequestRow("LF at the end of the head", "GET /echo HTTP/1.1\r\nHost: a\r\n\n", .refused(400)),
        RequestRow("NUL in a value", with("X: a\u{0}b"), .refused(400)),
        RequestRow("a control character in a value", with("X: a\u{1}b"), .refused(400)),
        RequestRow("DEL in a value", with("X: a\u{7F}b"), .refused(400)),
        RequestRow("NUL in a name", with("X\u{0}: b"), .refused(400)),
        RequestRow("one empty line before", "\r\n" + get("/echo"), .answered(200)),
        RequestRow("two empty lines before", "\r\n\r\n" + get("/echo"), .refused(400)),
        RequestRow("LF before", "\n" + get("/echo"), .refused(400)),
        RequestRow("a space before", " " + get("/echo"), .refused(400)),
        RequestRow("noise", bytes: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03], .refused(400)),
        RequestRow("one word", "hello\r\n\r\n", .refused(400)),
        RequestRow("two spaces behind the method", "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("two spaces before the version", "GET /echo  HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("a tab in the request line", "GET\t/echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("a space behind the version", "GET /echo HTTP/1.1 \r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("a space in the target", "GET /ec ho HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow(
            "Connection names our own fields", with("Connection: authorization, content-length"), .answered(200)),
        RequestRow("Connection: close", with("Connection: Close"), .answered(200, keepsAlive: false)),
        RequestRow(
            "Upgrade is ignored", with("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"),
            .answered(200)),
    ]

    static let hosts: [RequestRow] = [
        RequestRow("no Host", "GET /echo HTTP/1.1\r\n\r\n", .refused(400)),
        RequestRow("two Hosts", host("a\r\nHost: a"), .refused(400)),
        RequestRow("an empty Host", host(""), .refused(400)),
        RequestRow("a Host with user", host("user@a"), .refused(400)),
        RequestRow("a Host with path", host("a/b"), .refused(400)),
        RequestRow("two names in Host", host("a, b"), .refused(400)),
        RequestRow("a Host with a space", host("a b"), .refused(400)),
        RequestRow("a port of letters", host("a:http"), .refused(400)),
        RequestRow("a port too high", host("a:65536"), .refused(400)),
        RequestRow("two ports", host("a:1:2"), .refused(400)),
        RequestRow("a negative port", host("a:-1"), .refused(400)),
        RequestRow("half a bracket", host("[::1"), .refused(400)),
        RequestRow("the other half", host("::1]"), .refused(400)),
        RequestRow("an address without brackets", host("::1"), .refused(400)),
        RequestRow("no address in brackets", host("[hello]"), .refused(400)),
        RequestRow("text behind the bracket", host("[::1]a"), .refused(400)),
        RequestRow("a Host above ASCII", host("é"), .refused(400)),
        RequestRow("a Host with percent", host("a%00"), .refused(400)),
        RequestRow("only a port", host(":80"), .refused(400)),
        RequestRow("a name and a port", host("a.example:8077"), .answered(200)),
        RequestRow("an IPv6 address and a port", host("[::1]:8077"), .answered(200)),
        RequestRow("an IPv4 address", host("127.0.0.1"), .answered(200)),
        RequestRow("HTTP/1.0 without Host", "GET /echo HTTP/1.0\r\n\r\n", .answered(200, keepsAlive: false)),
        RequestRow("HTTP/1.0 with two Hosts", "GET /echo HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow(
            "HTTP/1.0 with keep-alive", "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .answered(200)),
        RequestRow("a host that is not served", host("other.example"), .answered(421)),
        RequestRow("absolute form", "GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(200)),
        RequestRow("absolute form with a port", "GET HTTP://A:80/echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(200)),
        RequestRow("absolute form without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", .answered(404)),
        RequestRow(
            "absolute form without path, with query", "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n", .answered(404)),
        RequestRow("absolute form and another Host", "GET http://a/echo HTTP/1.1\r\nHost: b\r\n\r\n", .refused(400)),
        RequestRow("absolute form and no Host", "GET http://a/echo HTTP/1.1\r\n\r\n", .refused(400)),
        RequestRow(
            "absolute form of a host that is not served",
            "GET http://other.example/echo HTTP/1.1\r\nHost: other.example\r\n\r\n", .answered(421)),
        RequestRow("absolute form without host", "GET http:///echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("absolute form with user", "GET http://u@a/echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("another scheme", "GET ftp://a/echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ]

    static let targets: [RequestRow] = [
        RequestRow("a fragment", get("/echo#a"), .refused(400)),
        RequestRow("a fragment in the query", get("/echo?a#b"), .refused(400)),
        RequestRow("raw text above ASCII", get("/é"), .refused(400)),
        RequestRow("a backslash", get("/echo\\a"), .refused(400)),
        RequestRow("a backslash in the query", get("/echo?a\\b"), .refused(400)),
        RequestRow("%00", get("/echo%00"), .refused(400)),
        RequestRow("%00 in the query", get("/echo?a=%00"), .refused(400)),
        RequestRow("an encoded CR LF", get("/echo%0d%0aX"), .refused(400)),
        RequestRow("an encoded CR LF in the query", get("/echo?a=%0D%0AX:1"), .refused(400)),
        RequestRow("overlong UTF-8", get("/%c0%ae%c0%ae/echo"), .refused(400)),
        RequestRow("overlong UTF-8 in the query", get("/echo?%c0%80"), .refused(400)),
        RequestRow("two dots", get("/../echo"), .refused(400)),
        RequestRow("two dots at the end", get("/echo/.."), .refused(400)),
        RequestRow("two encoded dots", get("/%2e%2E/echo"), .refused(400)),
        RequestRow("dots behind an encoded slash", get("/a%2f../echo"), .refused(400)),
        RequestRow("two dots in the query", get("/echo?a=../b"), .answered(200)),
        RequestRow("three dots", get("/.../x"), .answered(404)),
        RequestRow("half an encoding", get("/echo%4"), .refused(400)),
        RequestRow("a broken encoding", get("/echo%zz"), .refused(400)),
        RequestRow("a broken encoding in the query", get("/echo?a=%"), .refused(400)),
        RequestRow("an encoded letter", get("/%65cho"), .answered(200)),
        RequestRow("encoded UTF-8", get("/echo?a=%C3%A9"), .answered(200)),
        RequestRow("no slash", get("echo"), .refused(400)),
        RequestRow("an authority", get("a:80"), .refused(400)),
        RequestRow("a star with GET", get("*"), .refused(400)),
        RequestRow("a star with OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .answered(204)),
        RequestRow("no such path", get("/nothing"), .answered(404)),
    ]

    static let versionsAndMethods: [RequestRow] = [
        RequestRow("HTTP/0.9", "GET /echo\r\n", .refused(400)),
        RequestRow("HTTP/0.9 by name", "GET /echo HTTP/0.9\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("HTTP/2.0", "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", .refused(505)),
        RequestRow("HTTP/3.1", "GET /echo HTTP/3.1\r\nHost: a\r\n\r\n", .refused(505)),
        RequestRow("HTTP/1,1", "GET /echo HTTP/1,1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("HTTP/x.y", "GET /echo HTTP/x.y\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("HTTP/1.10", "GET /echo HTTP/1.10\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("http/1.1", "GET /echo http/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("XTTP/1.1", "GET /echo XTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("HTTP/1.2 is answered as 1.1", "GET /echo HTTP/1.2\r\nHost: a\r\n\r\n", .answered(200)),
        RequestRow("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .refused(400)),
        RequestRow("an unknown method", "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(501)),
        RequestRow("get", "get /echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(501)),
        RequestRow(
            "an unknown method and a body", "BREW /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            .answered(501), body: "hello"),
        RequestRow("a method that is no token", "G(T /echo HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        RequestRow("a known method that the path lacks", "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(405)),
        RequestRow("TRACE", "TRACE /echo HTTP/1.1\r\nHost: a\r\nX: secret\r\n\r\n", .answered(405)),
        RequestRow("TRACE of no path", "TRACE /nothing HTTP/1.1\r\nHost: a\r\n\r\n", .answered(405)),
        RequestRow("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", .answered(501)),
        RequestRow("OPTIONS", "OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(204)),
        RequestRow("HEAD", "HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n", .answered(200)),
    ]

    static let expectations: [RequestRow] = [
        RequestRow("an unknown expectation", with("Expect: 200-maybe"), .refused(417)),
        RequestRow("two expectations", with("Expect: 100-continue, x"), .refused(417)),
        RequestRow(
            "an unknown expectation in HTTP/1.0", "GET /echo HTTP/1.0\r\nExpect: 200-maybe\r\n\r\n",
            .answered(200, keepsAlive: false)),
        RequestRow("100-continue without a body", with("Expect: 100-Continue"), .answered(200)),
        RequestRow(
            "100-continue at no path",
            "POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            .answered(404, keepsAlive: false)),
        RequestRow(
            "100-continue with a wrong method",
            "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            .answered(405, keepsAlive: false)),
        RequestRow(
            "100-continue with a wrong media type",
            "POST /typed HTTP/1.1\r\nHost: a\r\nContent-Type: text/html\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            .answered(415, keepsAlive: false)),
        RequestRow(
            "100-continue with a body too long",
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 16777217\r\n\r\n",
            .answered(413, keepsAlive: false)),
        RequestRow(
            "a wrong media type",
            "POST /typed HTTP/1.1\r\nHost: a\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
            .answered(415), body: "hello"),
        RequestRow(
            "no media type", "POST /typed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", .answered(415),
            body: "hello"),
        RequestRow(
            "a content coding", post("Content-Encoding: gzip\r\nContent-Length: 5", "hello"), .answered(415),
            body: "hello"),
    ]

    static let limits: [RequestRow] = [
        RequestRow("a request line beyond 8 KiB", get("/" + String(repeating: "a", count: 8192)), .refused(414)),
        RequestRow("a query beyond 8 KiB", get("/echo?a=" + String(repeating: "a", count: 8192)), .refused(414)),
        RequestRow("a field beyond 16 KiB", with("X: " + String(repeating: "a", count: 16384)), .refused(431)),
        RequestRow(
            "a name beyond 16 KiB", with(String(repeating: "X", count: 16384) + ": a"), .refused(431)),
        RequestRow(
            "a hundred fields beside Host", with(Array(repeating: "X: a", count: 100).joined(separator: "\r\n")),
            .refused(431)),
        RequestRow(
            "fields beyond 32 KiB",
            with(Array(repeating: "X: " + String(repeating: "a", count: 8000), count: 5).joined(separator: "\r\n")),
            .refused(431)),
        RequestRow(
            "extensions beyond 1 KiB",
            chunks(String(repeating: "1;" + String(repeating: "a", count: 200) + "\r\nx\r\n", count: 6)),
            .refused(400)),
        RequestRow(
            "an extension beyond 256 octets", chunks("1;" + String(repeating: "a", count: 256) + "\r\nx\r\n0\r\n\r\n"),
            .refused(400)),
    ]
}
