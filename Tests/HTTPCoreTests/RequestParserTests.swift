import HTTPCore
import TestKit
import Testing

/// What a parser gives, body pieces put together.
struct Reading: Equatable, CustomStringConvertible {
    enum Step: Equatable {
        case head(RequestHead)
        case body([UInt8])
        case end
        case fault(RequestFault)
    }

    var steps: [Step] = []

    /// - Parameter cuts: sizes of the pieces the octets come in, repeated; 0: all at once.
    init(_ octets: [UInt8], cuts: [Int] = [0], limits: Limits = Limits()) {
        var parser = RequestParser(limits: limits)
        var start = 0
        var turn = 0
        while start < octets.count {
            let size = cuts[turn % cuts.count]
            turn += 1
            let end = size <= 0 ? octets.count : min(octets.count, start + size)
            let piece = Array(octets[start..<end])
            start = end
            guard read(piece, &parser) else { return }
        }
    }

    private mutating func read(_ piece: [UInt8], _ parser: inout RequestParser) -> Bool {
        var offset = 0
        do {
            while let event = try parser.next(piece.span, at: &offset) {
                switch event {
                case .head(let head): steps.append(.head(head))
                case .body(let range):
                    if case .body(let before)? = steps.last {
                        steps[steps.count - 1] = .body(before + piece[range])
                    } else {
                        steps.append(.body(Array(piece[range])))
                    }
                case .end: steps.append(.end)
                }
            }
        } catch {
            steps.append(.fault(error))
            return false
        }
        return offset == piece.count
    }

    var body: [UInt8] {
        steps.reduce(into: []) { if case .body(let octets) = $1 { $0 += octets } }
    }
    var fault: RequestFault? {
        if case .fault(let fault)? = steps.last { fault } else { nil }
    }
    var heads: [RequestHead] {
        steps.compactMap { if case .head(let head) = $0 { head } else { nil } }
    }
    var description: String {
        steps.map { step in
            switch step {
            case .head(let head): "\(head.methodName) \(head.target)"
            case .body(let octets): "\(octets.count) octets"
            case .end: "end"
            case .fault(let fault): "\(fault)"
            }
        }.joined(separator: ", ")
    }
}

@Suite struct RequestParserTests {
    private static let first = Array("GET /first HTTP/1.1\r\nHost: a\r\n\r\n".utf8)

    @Test(arguments: RequestRow.all)
    func `a row of the conventions`(_ row: RequestRow) {
        let reading = Reading(row.bytes)
        switch row.verdict {
        case .refused(let status):
            #expect(reading.fault?.problem.status == status, "\(reading)")
        case .answered:
            if row.endsWithHead {
                // The server refuses it by the head alone.
                #expect(reading.heads.count == 1)
            } else {
                #expect(reading.steps.last == .end, "\(reading)")
                #expect(String(decoding: reading.body, as: UTF8.self) == row.body)
            }
        }
    }

    @Test(arguments: RequestRow.all)
    func `a row means the same however it is cut`(_ row: RequestRow) {
        let whole = Reading(row.bytes)
        #expect(Reading(row.bytes, cuts: [1]) == whole)
        #expect(Reading(row.bytes, cuts: [7, 1, 3]) == whole)
        #expect(Reading(row.bytes, cuts: [row.bytes.count - 1, 1]) == whole)
    }

    @Test(arguments: RequestRow.all)
    func `a row means the same behind another request, and lets the next one through`(_ row: RequestRow) {
        if row.endsWithHead { return }
        let alone = Reading(row.bytes)
        let isRefused = alone.fault != nil
        let both = Reading(Self.first + row.bytes + Self.first)
        #expect(both.steps.prefix(2) == Reading(Self.first).steps[...])
        #expect(Array(both.steps.dropFirst(2).prefix(alone.steps.count)) == alone.steps)
        #expect(both.heads.last?.target == (isRefused ? alone.heads.last?.target ?? "/first" : "/first"))
        if isRefused { #expect(both.fault == alone.fault) }
    }

    @Test func `a fault stays`() {
        var parser = RequestParser()
        let octets = Array("bad\r\n".utf8), good = Self.first
        var offset = 0
        #expect(throws: RequestFault.self) { try parser.next(octets.span, at: &offset) }
        offset = 0
        #expect(throws: RequestFault.self) { try parser.next(good.span, at: &offset) }
    }

    @Test func `a head gives its parts without regard to the case of names`() throws {
        let head = try #require(
            Reading(
                Array("POST /a%20b?x=1&y HTTP/1.1\r\nHost: h:1\r\nACCEPT: a\r\naccept:  b \r\nEmpty:\r\n\r\n".utf8)
            ).heads.first)
        #expect(head.method == .post)
        #expect(head.target == "/a%20b?x=1&y")
        #expect(head.path.text == "/a%20b")
        #expect(head.query?.text == "x=1&y")
        #expect(head["accept"] == "a, b")
        #expect(head.value("accept")?.text == "a")
        #expect(head["empty"] == "")
        #expect(head["missing"] == nil)
        let dynamic = "Accept"
        #expect(head[dynamic] == "a, b")
        #expect(head.authority == "h:1")
        #expect(head.fields.map(\.name) == ["Host", "ACCEPT", "accept", "Empty"])
    }

    @Test func `the host of an absolute target goes before Host`() throws {
        let text = "GET http://a.example:8077/x HTTP/1.1\r\nHost: A.example:8077\r\n\r\n"
        let head = try #require(Reading(Array(text.utf8)).heads.first)
        #expect(head.authority == "a.example:8077")
        #expect(head.path.text == "/x")
    }

    // MARK: limits, in pairs

    private static func fault(_ text: String, _ change: (inout Limits) -> Void) -> RequestFault? {
        var limits = Limits()
        change(&limits)
        let whole = Reading(Array(text.utf8), limits: limits)
        let split = Reading(Array(text.utf8), cuts: [1], limits: limits)
        #expect(whole == split)
        return whole.fault
    }

    @Test(arguments: [(8192, nil), (8193, RequestFault.targetTooLong)])
    func `a request line`(_ length: Int, _ fault: RequestFault?) {
        let target = "/" + String(repeating: "a", count: length - "GET / HTTP/1.1".utf8.count)
        #expect(Self.fault("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n") { _ in } == fault)
    }

    @Test(arguments: [(16384, nil), (16385, RequestFault.headTooLarge)])
    func `a field`(_ length: Int, _ fault: RequestFault?) {
        let field = "X:" + String(repeating: "a", count: length - 2)
        #expect(Self.fault("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n") { _ in } == fault)
    }

    @Test(arguments: [(100, nil), (101, RequestFault.headTooLarge)])
    func `a number of fields`(_ count: Int, _ fault: RequestFault?) {
        let fields = String(repeating: "X: a\r\n", count: count - 1)
        #expect(Self.fault("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n") { _ in } == fault)
    }

    @Test(arguments: [(32768, nil), (32769, RequestFault.headTooLarge)])
    func `a head`(_ length: Int, _ fault: RequestFault?) {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 16000) + "\r\nY: "
        let head = start + String(repeating: "a", count: length - start.utf8.count - 4) + "\r\n\r\n"
        #expect(head.utf8.count == length)
        #expect(Self.fault(head) { $0.fieldBytes = 20_000 } == fault)
    }

    @Test(arguments: [(10, nil), (11, RequestFault.bodyTooLarge(limit: 10))])
    func `a body by length`(_ length: Int, _ fault: RequestFault?) {
        let body = String(repeating: "a", count: length)
        let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n\(body)"
        #expect(Self.fault(text) { $0.bodyBytes = 10 } == fault)
    }

    @Test(arguments: [(4, nil), (5, RequestFault.bodyTooLarge(limit: 10))])
    func `a body in chunks`(_ last: Int, _ fault: RequestFault?) {
        let chunk = String(repeating: "a", count: last)
        let text =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n\(last)\r\n\(chunk)\r\n0\r\n\r\n"
        #expect(Self.fault(text) { $0.bodyBytes = 10 } == fault)
    }

    @Test(arguments: [(256, true), (257, false)])
    func `a chunk extension`(_ length: Int, _ fits: Bool) {
        let text = ";" + String(repeating: "a", count: length - 1)
        let fault = Self.fault("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\(text)\r\n\r\n") {
            _ in
        }
        #expect((fault == nil) == fits)
    }

    @Test(arguments: [(1024, true), (1028, false)])
    func `the chunk extensions of a message`(_ sum: Int, _ fits: Bool) {
        let text = String(repeating: "1;aaa\r\nx\r\n", count: sum / 4 - 1)
        let fault = Self.fault("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(text)0;aaa\r\n\r\n") {
            _ in
        }
        #expect((fault == nil) == fits)
    }

    @Test(arguments: [(4096, nil), (4097, RequestFault.headTooLarge)])
    func `trailers`(_ length: Int, _ fault: RequestFault?) {
        let trailer = "X:" + String(repeating: "a", count: length - 6)
        let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(trailer)\r\n\r\n"
        #expect(Self.fault(text) { _ in } == fault)
    }

    @Test func `a head without end is refused as soon as it is too long`() {
        let endless = Array("GET /".utf8) + [UInt8](repeating: 0x61, count: 9000)
        #expect(Reading(endless, cuts: [100]).fault == .targetTooLong)
        let field = Array("GET / HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 0x61, count: 17_000)
        #expect(Reading(field, cuts: [100]).fault == .headTooLarge)
    }

    @Test func `random changes to good requests never trap and mean the same however cut`() {
        var random = SplitMix(seed: 77)
        let seeds = RequestRow.all.map(\.bytes)
        for _ in 0..<4000 {
            var octets = seeds[Int(random.next() % UInt64(seeds.count))]
            for _ in 0...(random.next() % 3) {
                let at = Int(random.next() % UInt64(octets.count))
                switch random.next() % 4 {
                case 0: octets[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: octets.insert([0x0D, 0x0A, 0x20, 0x3A, 0x30][Int(random.next() % 5)], at: at)
                case 2: octets.remove(at: at)
                default: octets += seeds[Int(random.next() % UInt64(seeds.count))]
                }
                if octets.isEmpty { octets = [0x0D] }
            }
            let whole = Reading(octets)
            let cut = Int(random.next() % UInt64(octets.count)) + 1
            guard Reading(octets, cuts: [cut]) == whole else {
                Issue.record("cut at \(cut): \(octets)")
                return
            }
        }
    }
}
