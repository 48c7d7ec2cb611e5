import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

/// The forms in which people send decks, by curl itself.
struct CurlTests {
    private let rig: Rig
    private let file: String

    init() throws {
        rig = try Rig()
        file = rig.folder + "/payroll.jcl"
        try Decks.hello.write(toFile: file, atomically: true, encoding: .utf8)
    }

    private func expectTaken(_ answer: Answer, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(answer.status == 201, "\(answer.text)", sourceLocation: sourceLocation)
        let id = try #require(answer.id, sourceLocation: sourceLocation)
        let deck = try await rig.get("/v1/jobs/\(id)/deck")
        #expect(deck.text == Decks.hello, sourceLocation: sourceLocation)
    }

    @Test func `curl -T sends a deck`() async throws {
        try await expectTaken(try await rig.curl("-T", file, "\(rig.base)/v1/jobs?host=demo"))
        try await expectTaken(try await rig.curl("-T", "-", "\(rig.base)/v1/jobs?host=demo", input: Decks.hello))
        // With a slash at the end curl adds the name of the file: it is the key.
        let keyed = try await rig.curl("-T", file, "\(rig.base)/v1/jobs/")
        try await expectTaken(keyed)
        let again = try await rig.curl("-T", file, "\(rig.base)/v1/jobs/payroll.jcl")
        #expect(again["Idempotency-Replayed"] == "true")
    }

    @Test func `curl --data-binary sends a deck under curl's form type and as octets`() async throws {
        try await expectTaken(try await rig.curl("--data-binary", "@\(file)", "\(rig.base)/v1/jobs"))
        try await expectTaken(
            try await rig.curl(
                "--data-binary", "@\(file)", "-H", "Content-Type: application/octet-stream", "\(rig.base)/v1/jobs"))
        try await expectTaken(
            try await rig.curl("--data-binary", "@\(file)", "-H", "Content-Type: text/plain", "\(rig.base)/v1/jobs"))
    }

    @Test func `curl -F sends a deck and its options in any order`() async throws {
        let two = try Rig(hosts: ["demo", "other"])
        try await expectTaken(try await rig.curl("-F", "deck=@\(file)", "-F", "host=demo", "\(rig.base)/v1/jobs"))
        let answer = try await two.curl(
            "-F", "deck=@\(file)", "-F", "host=other", "-F", "label.env=test", "\(two.base)/v1/jobs")
        #expect(answer.json["host"]?.string == "other")
        #expect(answer.json["labels"]?["env"]?.string == "test")
        let unknown = try await two.curl("-F", "deck=@\(file)", "-F", "hots=other", "\(two.base)/v1/jobs")
        #expect(unknown.status == 422)
    }

    @Test func `curl -d has lost the line ends and is told what to do`() async throws {
        let answer = try await rig.curl("-d", "@\(file)", "\(rig.base)/v1/jobs")
        #expect(answer.status == 415)
        #expect(answer.json["detail"]?.string?.contains("--data-binary") == true)
        #expect(answer.json["detail"]?.string?.contains("-T") == true)
        #expect(answer["accept-post"] != nil)
    }

    @Test func `one curl waits for the print-out`() async throws {
        let (rig, file) = (rig, file)
        async let waiting = rig.curl(
            "-T", file, "-H", "Prefer: wait=100", "-H", "Accept: text/plain", "\(rig.base)/v1/jobs?host=demo")
        let id = try await firstJob()
        try await rig.run(id)
        let answer = try await waiting
        #expect(answer.status == 201)
        #expect(answer.body == PrintFile.hello.text)
        #expect(answer["Job-Id"] == "\(id)")
        #expect(answer["Job-State"] == "completed")
        #expect(answer["Job-Outcome"] == "rc=0004")
        #expect(answer["Preference-Applied"] == "wait=100")
    }

    private func firstJob() async throws -> JobID {
        await rig.desk.watch.event(after: 0, of: nil, within: .seconds(120))
        return try #require(try await rig.store.jobs(.all).first?.id)
    }
}
