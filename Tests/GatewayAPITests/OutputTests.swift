import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct OutputTests {
    @Test func `print-out is text with its carriage control applied, or the octets of the host`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let target = "/v1/jobs/\(job.id)/outputs/1"
        let text = try await rig.get(target)
        #expect(text.status == 200)
        #expect(text["content-type"] == "text/plain; charset=utf-8")
        #expect(text.text == "PAGE ONE\nHELLO\n\nWORLD\n\u{0C}PAGE TWO\n")
        #expect(text["content-length"] == "\(text.body.count)")
        for raw in [
            try await rig.get(target, ("Accept", "application/octet-stream")),
            try await rig.get("\(target)?format=raw"),
        ] {
            #expect(raw.body == PrintFile.hello.octets)
            #expect(raw.mediaType == "application/octet-stream")
            let digest = Base64.encode(ContentHash(of: PrintFile.hello.octets).octets)
            #expect(raw["repr-digest"] == "sha-256=:\(digest):")
        }
        #expect(try await rig.get("\(target)?format=text", ("Accept", "application/octet-stream")).body == text.body)
        #expect(try await rig.get(target, ("Accept", "image/png")).status == 406)
        #expect(try await rig.get("\(target)?format=zip").status == 400)
    }

    @Test func `output is handed out as hostile content`() async throws {
        let rig = try Rig()
        let job = try await rig.submit("//HELLO JOB\n<script>alert(1)</script>\n")
        try await rig.run(job.id, files: [PrintFile(octets: Array("1<script>alert(1)</script>\n".utf8))])
        for path in ["outputs/1", "output", "deck"] {
            let answer = try await rig.get("/v1/jobs/\(job.id)/\(path)")
            #expect(answer.status == 200)
            #expect(answer["x-content-type-options"] == "nosniff")
            #expect(answer["content-security-policy"] == "sandbox; default-src 'none'")
            #expect(answer.mediaType == "text/plain")
        }
    }

    @Test func `code pages, punch and several files`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let ebcdic = PrintFile(
            octets: try CodePage.cp037.encode("1GRÜSSE\u{85} ¢\u{85}"), code: "CP037")
        let punch = PrintFile(octets: Array("CARD 1\n".utf8), kind: .punch, carriageControl: .none)
        try await rig.run(job.id, files: [.log, punch, ebcdic])
        let list = try await rig.get("/v1/jobs/\(job.id)/outputs")
        #expect(list.json["items"]?.elements?.map { $0["kind"]?.string } == ["print", "punch", "print"])
        #expect(list.json["complete"]?.bool == true)
        #expect(try await rig.get("/v1/jobs/\(job.id)/outputs/3").text == "GRÜSSE\n¢\n")
        let all = try await rig.get("/v1/jobs/\(job.id)/output")
        #expect(all.text == "JOB LOG\nIEF403I STARTED\n\u{0C}GRÜSSE\n¢\n")
        #expect(all["content-length"] == "\(all.body.count)")
        let raw = try await rig.get("/v1/jobs/\(job.id)/output?format=raw")
        #expect(raw.body == PrintFile.log.octets + ebcdic.octets)
        for missing in ["4", "0", "x", "01x", "99999999999999999999"] {
            #expect(try await rig.get("/v1/jobs/\(job.id)/outputs/\(missing)").status == 404, "\(missing)")
        }
    }

    @Test func `before the end there is no output, unless one waits`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        for path in ["output", "outputs/1"] {
            let answer = try await rig.get("/v1/jobs/\(job.id)/\(path)")
            #expect(answer.status == 409)
            #expect(answer.problem == "state-conflict")
            #expect(answer.json["state"]?.string == "queued")
            #expect(answer["retry-after"] != nil)
        }
        let list = try await rig.get("/v1/jobs/\(job.id)/outputs")
        #expect(list.json["items"]?.elements == [])
        #expect(list.json["complete"]?.bool == false)
        async let waiting = rig.get("/v1/jobs/\(job.id)/output", ("Prefer", "wait=30"))
        try await rig.waitForWaiters(1)
        try await rig.run(job.id)
        #expect(try await waiting.body == PrintFile.hello.text)
    }

    @Test func `a job that printed nothing has an empty print-out`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        _ = try await rig.call("POST", "/v1/jobs/\(job.id)/cancel")
        let answer = try await rig.get("/v1/jobs/\(job.id)/output")
        #expect(answer.status == 200)
        #expect(answer.body.isEmpty)
        let posted = try await rig.post(
            "/v1/jobs?hold=true&until=held", Decks.hello, ("Prefer", "wait=5"), ("Accept", "text/plain"))
        #expect(posted.text == "\(posted["job-id"] ?? "") held held on request\n")
    }

    @Test func `HEAD answers the fields of GET`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        for path in ["outputs/1", "output", "deck", "outputs", ""] {
            let target = "/v1/jobs/\(job.id)" + (path.isEmpty ? "" : "/\(path)")
            let get = try await rig.get(target)
            let head = try await rig.call("HEAD", target)
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            for name in ["content-type", "content-length", "etag", "accept-ranges", "repr-digest", "vary"] {
                #expect(head[name] == get[name], "\(path) \(name)")
            }
        }
    }

    // MARK: ranges

    @Test(arguments: ["text", "raw"])
    func `any range of a print-out is that part of the whole`(_ format: String) async throws {
        let rig = try Rig { $0.outputPieceOctets = 7 }
        let job = try await rig.submit()
        try await rig.run(job.id, files: [.log, .hello])
        for path in ["outputs/2", "output"] {
            let target = "/v1/jobs/\(job.id)/\(path)?format=\(format)"
            let whole = try await rig.get(target)
            #expect(whole["accept-ranges"] == "bytes")
            let length = whole.body.count
            for first in stride(from: 0, to: length, by: 5) {
                for last in [first, first + 3, length - 1, length + 100] where last >= first {
                    let part = try await rig.get(target, ("Range", "bytes=\(first)-\(last)"))
                    let end = min(last, length - 1)
                    #expect(part.status == 206)
                    #expect(part["content-range"] == "bytes \(first)-\(end)/\(length)")
                    #expect(part.body == Array(whole.body[first...end]), "\(path) \(first)-\(last)")
                }
            }
            #expect(try await rig.get(target, ("Range", "bytes=-4")).body == Array(whole.body.suffix(4)))
            let beyond = try await rig.get(target, ("Range", "bytes=\(length)-"))
            #expect(beyond.status == 416)
            #expect(beyond["content-range"] == "bytes */\(length)")
            for ignored in ["bytes=2-1", "lines=1-2", "bytes=0-1,4-5", "bytes=x"] {
                #expect(try await rig.get(target, ("Range", ignored)).status == 200, "\(ignored)")
            }
        }
    }

    @Test func `a range is bound to the representation by its tag`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        try await rig.run(job.id)
        let target = "/v1/jobs/\(job.id)/outputs/1"
        let text = try #require(try await rig.get(target)["etag"])
        let raw = try #require(try await rig.get("\(target)?format=raw")["etag"])
        #expect(text != raw)
        #expect(try await rig.get(target, ("Range", "bytes=0-3"), ("If-Range", text)).status == 206)
        #expect(try await rig.get(target, ("Range", "bytes=0-3"), ("If-Range", raw)).status == 200)
        #expect(try await rig.get(target, ("If-None-Match", text)).status == 304)
    }

    @Test func `a long print-out streams whole`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let line = " " + String(repeating: "X", count: 120) + "\n"
        let file = PrintFile(octets: Array(String(repeating: line, count: 20_000).utf8))
        try await rig.run(job.id, files: [file])
        let answer = try await rig.get("/v1/jobs/\(job.id)/output")
        #expect(answer.body == file.text)
        #expect(try await rig.get("/v1/jobs/\(job.id)/output?format=raw").body == file.octets)
        #expect(try await rig.get("/v1/jobs/\(job.id)/deck").text == Decks.hello)
    }
}
