import HTTPCore
import Testing

@Suite struct ProblemTests {
    @Test func `a problem is written by RFC 9457`() {
        var problem = Problem(
            .invalidDeck, "The deck has 2 faults.",
            errors: [
                Problem.Item(line: 3, column: 81, code: "card-too-long", detail: "Card \"3\" is too long."),
                Problem.Item(pointer: "/host", code: "unknown", detail: "No such host."),
            ], retryAfter: 5, job: "01J")
        problem.requestID = "r-1"
        problem.instance = "/v1/jobs/01J"
        problem.retryable = false
        problem.members = ["ability": "cancel"]
        #expect(
            problem.json.text
                == #"{"type":"/problems/invalid-deck","title":"Invalid deck","status":422,"detail":"The deck has 2 faults.","#
                + #""instance":"/v1/jobs/01J","errors":[{"line":3,"column":81,"code":"card-too-long","detail":"Card \"3\" is too long."},"#
                + #"{"pointer":"/host","code":"unknown","detail":"No such host."}],"request_id":"r-1","retryable":false,"job":"01J","ability":"cancel"}"#
        )
        #expect(
            problem.line
                == "error: Invalid deck: The deck has 2 faults.; Card \"3\" is too long. (line 3, column 81); No such host. (/host)\n"
        )
        let response = problem.response()
        #expect(response.status == 422 && response.contentType == "application/problem+json")
        #expect(response.fields["retry-after"] == "5")
    }

    @Test func `a line stays one line`() {
        #expect(Problem(.notFound, "a\r\nb").line == "error: Not found: a  b\n")
    }

    @Test func `each kind has its own slug, and a status that is an error`() {
        #expect(Set(ProblemKind.all.map(\.slug)).count == ProblemKind.all.count)
        #expect(
            ProblemKind.all.allSatisfy {
                (400...599).contains($0.status) && $0.slug.utf8.allSatisfy { Octet.isAlpha($0) || $0 == 0x2D }
            })
    }

    @Test func `fields are found and replaced without regard to case`() {
        var fields: Fields = ["A": "1", "b": "2"]
        fields.add("a", "3")
        #expect(fields["a"] == "1")
        fields["A"] = "4"
        #expect(fields.items.map { "\($0.name)\($0.value)" } == ["b2", "A4"])
        fields["B"] = nil
        #expect(fields.items.count == 1)
        #expect(fields.isValid)
    }

    @Test(arguments: [
        ("a", "data: a\n\n"), ("", "data: \n\n"), ("a\nb", "data: a\ndata: b\n\n"),
        ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
        (":x\n\nid: 3", "data: :x\ndata: \ndata: id: 3\n\n"),
    ])
    func `data of an event stay data`(_ data: String, _ frame: String) {
        #expect(EventStream.frame(data: data).text == frame)
    }

    @Test func `an event has its name and number, if they are such`() {
        #expect(
            EventStream.frame(event: "job.queued", id: "7", data: "x").text == "event: job.queued\nid: 7\ndata: x\n\n")
        #expect(EventStream.frame(event: "a\nb", id: "7\u{0}", data: "x").text == "data: x\n\n")
    }

    @Test func `a body read whole has a limit`() async throws {
        #expect(try await RequestBody([1, 2, 3]).collect(upTo: 3) == [1, 2, 3])
        await #expect(throws: Problem.self) { try await RequestBody([1, 2, 3]).collect(upTo: 2) }
        #expect(try await RequestBody.empty.collect(upTo: 0) == [])
    }
}
