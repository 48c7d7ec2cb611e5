import HTTPCore
import TestKit
import Testing

@Suite struct MultipartTests {
    private static let type = "multipart/form-data; boundary=XX"

    /// What the parser gives, data put together; cut in pieces of `size`.
    private static func read(_ text: String, size: Int = .max, type: String = Self.type) -> [String] {
        var seen: [String] = []
        do {
            var parser = try MultipartParser(contentType: type)
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                parser.append(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
                while let event = try parser.next() {
                    switch event {
                    case .part(let part):
                        seen.append("\(part.name)|\(part.filename ?? "-")|\(part.contentType ?? "-")=")
                    case .data(let data): seen[seen.count - 1] += String(decoding: data, as: UTF8.self)
                    case .partEnd: seen[seen.count - 1] += "."
                    case .end: seen.append("end")
                    }
                }
            }
            try parser.finish()
        } catch {
            seen.append("fault")
        }
        return seen
    }

    private static func part(_ name: String, _ data: String) -> String {
        "--XX\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(data)\r\n"
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        let seen: [String]
        var testDescription: String { name }
    }

    static let rows = [
        Row(
            name: "what curl sends",
            text: "--XX\r\nContent-Disposition: form-data; name=\"deck\"; filename=\"a \\\"b\\\".jcl\"\r\n"
                + "Content-Type: application/octet-stream\r\n\r\n//A JOB\r\n//\r\n\r\n" + part("host", "mvs")
                + "--XX--\r\n",
            seen: ["deck|a \"b\".jcl|application/octet-stream=//A JOB\r\n//\r\n.", "host|-|-=mvs.", "end"]),
        Row(name: "an empty part", text: part("a", "") + "--XX--", seen: ["a|-|-=.", "end"]),
        Row(name: "no parts", text: "--XX--\r\n", seen: ["end"]),
        Row(name: "an empty line before", text: "\r\n" + part("a", "b") + "--XX--\r\n", seen: ["a|-|-=b.", "end"]),
        Row(
            name: "almost boundaries", text: part("a", "\r\n--X\r\r\n-\r\n--Y\r\n") + "--XX--\r\n",
            seen: ["a|-|-=\r\n--X\r\r\n-\r\n--Y\r\n.", "end"]),
        Row(name: "text before", text: "hello\r\n" + part("a", "b") + "--XX--\r\n", seen: ["fault"]),
        Row(name: "text behind", text: part("a", "b") + "--XX--\r\nhello", seen: ["a|-|-=b.", "end", "fault"]),
        Row(name: "no last boundary", text: part("a", "b"), seen: ["a|-|-=b", "fault"]),
        Row(name: "text behind a boundary", text: part("a", "b") + "--XXY\r\n", seen: ["a|-|-=b.", "fault"]),
        Row(name: "no name", text: "--XX\r\nContent-Disposition: form-data\r\n\r\nb\r\n--XX--", seen: ["fault"]),
        Row(name: "no disposition", text: "--XX\r\nContent-Type: text/plain\r\n\r\nb\r\n--XX--", seen: ["fault"]),
        Row(
            name: "an attachment", text: "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nb\r\n--XX--",
            seen: ["fault"]),
        Row(name: "LF", text: "--XX\r\nContent-Disposition: form-data; name=a\n\r\nb\r\n--XX--", seen: ["fault"]),
        Row(
            name: "base64",
            text:
                "--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nb\r\n--XX--",
            seen: ["fault"]),
        Row(name: "a long header", text: "--XX\r\nX: " + String(repeating: "a", count: 9000) + "\r\n", seen: ["fault"]),
        Row(
            name: "too many parts", text: String(repeating: part("a", ""), count: 101),
            seen: Array(repeating: "a|-|-=.", count: 100) + ["fault"]),
    ]

    @Test(arguments: rows)
    func `a form means the same however it is cut`(_ row: Row) {
        #expect(Self.read(row.text) == row.seen)
        for size in [1, 2, 3, 5, 7, 64] { #expect(Self.read(row.text, size: size) == row.seen) }
    }

    @Test(arguments: [
        "multipart/form-data", "multipart/mixed; boundary=a", "text/plain", "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a\u{7}\"",
        "multipart/form-data; boundary=" + String(repeating: "a", count: 71),
    ])
    func `a media type without a good boundary is refused`(_ type: String) {
        #expect(throws: FormError.self) { try MultipartParser(contentType: type) }
    }

    @Test func `a form is read into memory up to a limit`() async throws {
        let text = Array((Self.part("a", "1234") + Self.part("b", "56") + "--XX--\r\n").utf8)
        let form = try FormData(text, contentType: Self.type, upTo: 6)
        #expect(form["a"]?.text == "1234" && form["b"]?.data == Array("56".utf8) && form["c"] == nil)
        #expect(throws: FormError.self) { try FormData(text, contentType: Self.type, upTo: 5) }
        #expect(try await FormData(RequestBody(text), contentType: Self.type, upTo: 6) == form)
        await #expect(throws: Problem.self) { try await FormData(RequestBody(text), contentType: Self.type, upTo: 5) }
    }

    @Test func `random forms never trap`() {
        var random = SplitMix(seed: 5)
        for _ in 0..<500 {
            var octets = Array(Self.rows[Int(random.next() % UInt64(Self.rows.count))].text.utf8.prefix(600))
            for _ in 0...(random.next() % 4) where !octets.isEmpty {
                octets[Int(random.next() % UInt64(octets.count))] =
                    [0x0D, 0x0A, 0x2D, 0x58, 0x22, 0x3B][Int(random.next() % 6)]
            }
            let text = String(decoding: octets, as: UTF8.self)
            #expect(Self.read(text) == Self.read(text, size: 1 + Int(random.next() % 9)))
        }
    }
}
