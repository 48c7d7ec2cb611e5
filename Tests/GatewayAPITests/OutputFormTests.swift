import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

/// Parts of outputs, and outputs in other forms.
struct OutputFormTests {
    /// 40 lines on 4 pages, some overprinted.
    private static let long = PrintFile(
        octets: Array(
            (0..<40).map { number in
                let control = number % 10 == 0 ? "1" : number % 7 == 3 ? "+" : number % 5 == 2 ? "0" : " "
                return "\(control)RECORD \(number + 1)\n"
            }.joined().utf8))

    private static func lines(_ text: [UInt8]) -> [[UInt8]] {
        var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) + [0x0A] }
        lines.removeLast()
        return lines
    }

    private func run(_ rig: Rig, _ files: [PrintFile]) async throws -> String {
        let job = try await rig.submit()
        try await rig.run(job.id, files: files)
        return "/v1/jobs/\(job.id)"
    }

    @Test func `lines are those of the text`() async throws {
        let rig = try Rig { $0.outputPieceOctets = 11 }
        let job = try await run(rig, [Self.long, .hello])
        for path in ["outputs/1", "output"] {
            let whole = Self.lines(try await rig.get("\(job)/\(path)").body)
            for (first, last) in [
                (1, 1), (1, 3), (5, 30), (whole.count, whole.count + 9), (whole.count + 1, whole.count + 2),
            ] {
                let answer = try await rig.get("\(job)/\(path)?lines=\(first)-\(last)")
                #expect(answer.status == 200)
                #expect(
                    answer.body == Array(whole.dropFirst(first - 1).prefix(last - first + 1).joined()),
                    "\(path) \(first)")
            }
            #expect(try await rig.get("\(job)/\(path)?lines=9-").body == Array(whole.dropFirst(8).joined()))
            for count in [1, 2, 5, whole.count - 1, whole.count, whole.count + 5] {
                let answer = try await rig.get("\(job)/\(path)?lines=-\(count)")
                #expect(answer.body == Array(whole.suffix(count).joined()), "\(path) -\(count)")
            }
        }
        for bad in ["0-1", "2-1", "", "-", "x", "1-2-3", "-0"] {
            #expect(try await rig.get("\(job)/output?lines=\(bad)").status == 400, "\(bad)")
        }
        #expect(try await rig.get("\(job)/output?lines=1-2&format=raw").status == 400)
    }

    @Test func `records are those of the host, in every form`() async throws {
        let rig = try Rig { $0.outputPieceOctets = 11 }
        let job = try await run(rig, [Self.long, .hello])
        let all = Self.lines(Self.long.octets) + Self.lines(PrintFile.hello.octets)
        for (text, range) in [
            ("1-44", 0..<44), ("1", 0..<1), ("39-42", 38..<42), ("-3", 41..<44), ("40-", 39..<44), ("30-31", 29..<31),
            ("-99", 0..<44), ("44-99", 43..<44),
        ] {
            let raw = try await rig.get("\(job)/output?format=raw&records=\(text)")
            #expect(raw.body == Array(all[range].joined()), "\(text)")
            #expect(raw["output-records"] == "\(range.lowerBound + 1)-\(range.upperBound)/44")
            #expect(raw["output-complete"] == "?1")
            let lines = try await rig.get("\(job)/output?format=ndjson&records=\(text)")
            let records = try Self.lines(lines.body).map { try JSONValue(parsing: $0) }
            #expect(
                records.map { "\($0["control"]?.string ?? "")\($0["text"]?.string ?? "")\n" }
                    == all[range].map { String(decoding: $0, as: UTF8.self) })
            #expect(
                records.first?["record"]?.int
                    == Int64(range.lowerBound < 40 ? range.lowerBound + 1 : range.lowerBound - 39))
            let document = try await rig.get("\(job)/output?format=records&records=\(text)")
            #expect(document.json["records"]?.elements?.count == range.count)
            #expect(document.mediaType == "application/vnd.rje.records+json")
        }
        let beyond = try await rig.get("\(job)/outputs/1?records=41-")
        #expect(beyond.status == 416)
        #expect(beyond["output-records"] == "*/40")
        // An overprinted record without its line is a line of its own.
        #expect(try await rig.get("\(job)/outputs/1?records=4").text == "RECORD 4\n")
    }

    @Test func `each form has its type, its tag and its policy`() async throws {
        let rig = try Rig()
        let job = try await run(rig, [.hello])
        var tags: Set<String> = []
        for (format, type, begin) in [
            ("text", "text/plain", "PAGE ONE"), ("raw", "application/octet-stream", "1PAGE"),
            ("html", "text/html", "<!DOCTYPE html>"), ("pdf", "application/pdf", "%PDF-1.4"),
            ("records", "application/vnd.rje.records+json", "{\"job\""),
            ("ndjson", "application/x-ndjson", "{\"output\":1"),
            ("zip", "application/zip", "PK"), ("mixed", "multipart/mixed", "--port77-"),
        ] {
            for answer in [
                try await rig.get("\(job)/output?format=\(format)"),
                try await rig.get("\(job)/output", ("Accept", type)),
            ] {
                #expect(answer.status == 200)
                #expect(answer.mediaType == type)
                #expect(answer.text.hasPrefix(begin), "\(format)")
                #expect(answer["content-security-policy"]?.hasPrefix("sandbox; default-src 'none'") == true)
                let tag = try #require(answer["etag"])
                tags.insert(tag)
                let again = try await rig.get("\(job)/output?format=\(format)", ("If-None-Match", tag))
                #expect(again.status == 304)
            }
            let head = try await rig.call("HEAD", "\(job)/output?format=\(format)")
            #expect(head["content-type"].map { MediaType.essence($0) } == type)
        }
        #expect(tags.count == 8)
        let small = try await rig.get("\(job)/output")
        #expect(small["repr-digest"] == "sha-256=:\(Base64.encode(ContentHash(of: small.body).octets)):")
    }

    @Test func `the digest of a long text is the one kept of it`() async throws {
        let rig = try Rig()
        let long = PrintFile(octets: Array(String(repeating: " A LINE OF SOME LENGTH\n", count: 4000).utf8))
        let job = try await run(rig, [long, .hello])
        let text = try await rig.get("\(job)/outputs/1")
        #expect(text.body.count > 64 * 1024)
        #expect(text["repr-digest"] == "sha-256=:\(Base64.encode(ContentHash(of: text.body).octets)):")
        let part = try await rig.get("\(job)/outputs/1", ("Range", "bytes=70000-70009"))
        #expect(part["repr-digest"] == text["repr-digest"])
        // Nobody has hashed these.
        for other in ["outputs/1?lines=-5", "outputs/1?records=2-9", "output", "outputs/1?format=ndjson"] {
            #expect(try await rig.get("\(job)/\(other)")["repr-digest"] == nil, "\(other)")
        }
    }

    @Test func `each output is a part with its own fields`() async throws {
        let rig = try Rig()
        var cards = PrintFile(octets: Array(0...255), kind: .punch, carriageControl: .none, code: "BINARY")
        cards.ddName = "SYSPUNCH"
        let job = try await run(rig, [.hello, cards])
        let answer = try await rig.get("\(job)/output", ("Accept", "multipart/mixed"))
        let boundary = try #require(answer["content-type"]?.split(separator: "=").last)
        let text = PrintFile.hello.text
        var right = Array("--\(boundary)\r\nContent-Type: text/plain; charset=utf-8\r\n".utf8)
        right += Array("Content-Length: \(text.count)\r\nContent-Location: \(job)/outputs/1\r\n".utf8)
        right += Array("Content-Disposition: attachment; filename=\"001-STEP1-SYSPRINT.txt\"\r\n\r\n".utf8) + text
        right += Array("\r\n--\(boundary)\r\nContent-Type: application/octet-stream\r\nContent-Length: 256\r\n".utf8)
        right += Array("Content-Location: \(job)/outputs/2\r\n".utf8)
        right += Array("Content-Disposition: attachment; filename=\"002-STEP1-SYSPUNCH.bin\"\r\n".utf8)
        let digest = Base64.encode(ContentHash(of: cards.octets).octets)
        right += Array("Repr-Digest: sha-256=:\(digest):\r\n\r\n".utf8) + cards.octets
        right += Array("\r\n--\(boundary)--\r\n".utf8)
        #expect(answer.body == right, "\(answer.text)")
        let none = try await rig.get("\(try await run(rig, []))/output?format=mixed")
        let empty = try #require(none["content-type"]?.split(separator: "=").last)
        #expect(none.text == "--\(empty)\r\n\r\n\r\n--\(empty)--\r\n")
        #expect(try await rig.get("\(job)/outputs/1?format=mixed").status == 400)
    }

    @Test func `long whole answers are packed for who asks`() async throws {
        let rig = try Rig()
        let job = try await run(
            rig, [PrintFile(octets: Array(String(repeating: " LINE\n", count: 2000).utf8)), .hello])
        let plain = try await rig.get("\(job)/outputs/1")
        let packed = try await rig.get("\(job)/outputs/1", ("Accept-Encoding", "br;q=1, gzip"))
        #expect(packed["content-encoding"] == "gzip")
        #expect(packed["etag"] != plain["etag"])
        #expect(packed.body.count < 1000)
        #expect(Array(packed.body.prefix(2)) == [0x1F, 0x8B])
        for (path, fields) in [
            ("outputs/1", [("Accept-Encoding", "gzip;q=0")]), ("outputs/2", [("Accept-Encoding", "gzip")]),
            ("outputs/1", [("Accept-Encoding", "gzip"), ("Range", "bytes=0-9")]),
            ("outputs/1", [("Accept-Encoding", "*")]),
            ("outputs/1?format=pdf", [("Accept-Encoding", "gzip")]),
        ] {
            let answer = try await rig.call("GET", "\(job)/\(path)", fields)
            #expect(answer["content-encoding"] == nil, "\(path) \(fields)")
        }
    }

    // MARK: search

    @Test func `a search tells the records that match, their neighbours and whether there is more`() async throws {
        let rig = try Rig()
        let job = try await run(rig, [.log, Self.long])
        #expect(try await rig.get("\(job)/outputs/2?grep=RECORD%2012").text == "12:RECORD 12\n")
        #expect(try await rig.get("\(job)/outputs/2?grep=/D%203$/").text == "3:RECORD 3\n")
        #expect(
            try await rig.get("\(job)/outputs/2?grep=d%20(2|4)$&regex=1&ignore_case=1&context=1").text
                == "1-RECORD 1\n2:RECORD 2\n3-RECORD 3\n4:RECORD 4\n5-RECORD 5\n")
        #expect(
            try await rig.get("\(job)/output?grep=RECORD%209&context=1").text
                == "2-8-RECORD 8\n2:9:RECORD 9\n2-10-RECORD 10\n")
        #expect(try await rig.get("\(job)/output?grep=nothing").text.isEmpty)
        var found: [String] = []
        var cursor = ""
        repeat {
            let page = try await rig.get("\(job)/output?grep=R&max=7&format=ndjson\(cursor)")
            let lines = try Self.lines(page.body).map { try JSONValue(parsing: $0) }
            found += lines.dropLast().map { "\($0["output"]?.int ?? 0) \($0["text"]?.string ?? "")" }
            let summary = lines.last?["summary"]
            cursor = summary?["next_cursor"]?.string.map { "&cursor=\($0)" } ?? ""
            #expect(summary?["truncated"]?.bool == !cursor.isEmpty)
        } while !cursor.isEmpty
        #expect(found == ["1 IEF403I STARTED"] + (1...40).map { "2 RECORD \($0)" })
        let fault = try await rig.get("\(job)/output?grep=a(b&regex=1")
        #expect(fault.status == 400)
        #expect(fault.text.contains("column 2"))
        for bad in [
            "regex=1", "grep=", "grep=x&max=0", "grep=x&lines=1", "grep=x&format=pdf", "grep=x&follow",
            "grep=x&cursor=1", "grep=x&ignore_case=perhaps",
        ] {
            #expect(try await rig.get("\(job)/output?\(bad)").status == 400, "\(bad)")
        }
    }

    @Test func `one search goes over many jobs, the newest first, and over no one else's`() async throws {
        let rig = try Rig { $0.mostSearchedOctets = 300 }
        var jobs: [JobID] = []
        for number in 0..<6 {
            let job = try await rig.submit(owner: Owner(number == 3 ? "somebody" : "local") ?? .local)
            let file = PrintFile(
                octets: Array(" NUMBER \(number)\n ABEND S0C\(number)\n\(String(repeating: " -\n", count: 30))".utf8))
            try await rig.run(job.id, files: [file])
            jobs.append(job.id)
        }
        var found: [String] = []
        var cursor = ""
        var pages = 0
        repeat {
            let page = try await rig.get("/v1/outputs?grep=/S0C[0-9]/&state=completed\(cursor)")
            #expect(page.status == 200)
            cursor = ""
            for line in page.text.split(separator: "\n") {
                if line.hasPrefix("-- more: ") { cursor = "&" + line.dropFirst(9) } else { found.append(String(line)) }
            }
            pages += 1
        } while !cursor.isEmpty && pages < 20
        let visible = jobs.enumerated().filter { $0.offset != 3 || Caller.local.seesAllOwners }
        #expect(found == visible.reversed().map { "\($0.element):1:2:ABEND S0C\($0.offset)" })
        #expect(pages > 1)
        #expect(try await rig.get("/v1/outputs").status == 400)
        #expect(try await rig.get("/v1/outputs?grep=x&lines=1").status == 400)
    }

    // MARK: growing

    /// A file that is being taken.
    private final class Growing: Sendable {
        let rig: Rig
        let job: Job
        let body: any Stores.BodyWriter
        let file: GrowingOutputs.File

        init(_ rig: Rig) async throws {
            self.rig = rig
            job = try await rig.submit()
            try await rig.send(job.id)
            try await rig.commit(.running, job.id)
            body = try await rig.store.stageBody()
            file = GrowingOutputs.File(
                number: 1, kind: .print, step: "STEP1", ddName: "SYSPRINT", carriageControl: .asa, code: "ASCII",
                recordLength: 133, body: body, extent: .init())
            rig.desk.hosts[0].growing.add(file, of: job.id)
        }

        func append(_ text: String, of whole: String) async throws {
            try await body.append(Array(text.utf8))
            var renderer = TextRenderer(.asa, records: .text(.ascii), code: .ascii)
            var output: [UInt8] = []
            renderer.append(Array(whole.utf8).span, to: &output)
            var extent = GrowingOutputs.Extent()
            (extent.octets, extent.textOctets, extent.records) = (whole.utf8.count, output.count, renderer.wholeRecords)
            rig.desk.hosts[0].growing.grow(file, of: job.id, to: extent)
        }
    }

    @Test func `what grows is read as far as it has come`() async throws {
        let rig = try Rig()
        let growing = try await Growing(rig)
        try await growing.append("1ONE\n TWO\n THR", of: "1ONE\n TWO\n THR")
        let target = "/v1/jobs/\(growing.job.id)/outputs/1"
        let list = try await rig.get("/v1/jobs/\(growing.job.id)/outputs")
        #expect(list.json["items"]?.elements?.first?["growing"]?.bool == true)
        let answer = try await rig.get(target)
        #expect(answer.text == "ONE\nTWO\n")
        #expect(answer["output-complete"] == "?0")
        #expect(answer["etag"]?.hasPrefix("W/") == true)
        #expect(answer["repr-digest"] == nil)
        let part = try await rig.get("\(target)?format=raw", ("Range", "bytes=-4"))
        #expect(part.text == " THR")
        #expect(part["content-range"] == "bytes 10-13/*")
        #expect(try await rig.get("\(target)?format=raw", ("Range", "bytes=14-")).status == 416)
        let tag = try #require(answer["etag"])
        #expect(try await rig.get(target, ("If-None-Match", tag)).status == 304)
        #expect(try await rig.get(target, ("Range", "bytes=0-1"), ("If-Range", tag)).status == 200)
        #expect(try await rig.get("\(target)?format=raw&records=2-9").text == " TWO\n")
        #expect(try await rig.get("\(target)?records=-1")["output-records"] == "2-2/*")
        #expect(try await rig.get("\(target)?lines=-1").text == "TWO\n")
        #expect(try await rig.get("\(target)?grep=T").text == "2:TWO\n")
        #expect(try await rig.get("/v1/jobs/\(growing.job.id)/output").status == 409)
    }

    @Test func `following sends what comes until all of it is there`() async throws {
        let rig = try Rig()
        let growing = try await Growing(rig)
        try await growing.append("1ONE\n TWO\n", of: "1ONE\n TWO\n")
        let all = try await Exchange(rig)
        try await all.send(Array("GET /v1/jobs/\(growing.job.id)/output?follow HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        let from = try await Exchange(rig)
        try await from.send(
            Array("GET /v1/jobs/\(growing.job.id)/outputs/1?follow&from=bytes:5 HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        #expect(try await all.head()["output-complete"] == "?0")
        #expect(try await from.head().status == 200)
        #expect(String(decoding: try await all.read(upTo: "ONE\n"), as: UTF8.self).hasSuffix("ONE\n"))
        let whole = "1ONE\n TWO\n THREE\n"
        try await growing.append(" THREE\n", of: whole)
        _ = try await all.read(upTo: "TWO\n")
        try await rig.finish(growing.job.id, files: [PrintFile(octets: Array(whole.utf8)), .log])
        rig.desk.hosts[0].growing.forget(growing.job.id)
        let rest = String(decoding: try await all.read(upTo: "\r\n0\r\n\r\n"), as: UTF8.self)
        #expect(rest.contains("THREE\n"))
        #expect(rest.contains("\u{0C}JOB LOG\n"))
        let part = String(decoding: try await from.read(upTo: "\r\n0\r\n\r\n"), as: UTF8.self)
        #expect(part.contains("WO\n"))
        #expect(!part.contains("TWO"))
        #expect(part.contains("THREE\n"))
        #expect(!part.contains("JOB LOG"))
        let after = try await rig.get("/v1/jobs/\(growing.job.id)/output?follow&from=bytes:8")
        #expect(after.text == "THREE\n\u{0C}JOB LOG\nIEF403I STARTED\n")
        #expect(after["output-complete"] == "?1")
        for bad in ["from=bytes:1", "follow&from=1", "follow&lines=1", "follow&format=pdf", "follow=x"] {
            #expect(try await rig.get("/v1/jobs/\(growing.job.id)/output?\(bad)").status == 400, "\(bad)")
        }
    }
}
