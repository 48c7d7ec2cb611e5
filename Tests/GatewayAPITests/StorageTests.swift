import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct StorageTests {
    @Test func `an ended job is purged once, is known as purged after, and the audit log names who`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let path = "/v1/jobs/\(job.id)"
        #expect(try await rig.call("DELETE", path).problem == "state-conflict")
        try await rig.run(job.id)
        #expect(try await rig.get(path).status == 200)
        let other = try await rig.call("DELETE", path, [("If-Match", "\"99-0\"")])
        #expect(other.status == 412)
        let answer = try await rig.call("DELETE", path)
        #expect(answer.status == 204 && answer.body.isEmpty)
        for target in [path, path + "/output", path + "/outputs/1", path + "/deck", path + "/events"] {
            let gone = try await rig.get(target)
            #expect(gone.status == 410 && gone.problem == "purged", "\(target)")
        }
        #expect(try await rig.call("DELETE", path).status == 410)
        #expect(try await rig.get("/v1/jobs").json["items"]?.elements?.isEmpty == true)
        let events = try await rig.get("/v1/events?after=0&limit=100").json["items"]?.elements ?? []
        #expect(events.last?["type"]?.string == "job.purged")

        let audit = try await rig.get("/v1/audit?subject=\(job.id)").json["items"]?.elements ?? []
        #expect(audit.map { $0["action"]?.string } == ["job.purge"])
        #expect(audit.first?["actor"]?.string == "local")
        #expect(audit.first?["detail"]?.string?.contains("completed") == true)
    }

    @Test func `another owner's job cannot be purged, nor be known as purged`() async throws {
        let rig = try Rig { settings in
            settings.identify = { request in
                request["x-owner"].flatMap { Owner($0) }.map { Caller(owner: $0) } ?? .local
            }
        }
        let other = try #require(Owner("other"))
        let third = ("X-Owner", "third")
        let job = try await rig.submit(owner: other)
        try await rig.run(job.id)
        #expect(try await rig.call("DELETE", "/v1/jobs/\(job.id)", [third]).status == 404)
        #expect(try await rig.call("DELETE", "/v1/jobs/\(job.id)", [("X-Owner", "other")]).status == 204)
        #expect(try await rig.get("/v1/jobs/\(job.id)", third).status == 404)
        #expect(try await rig.get("/v1/jobs/\(job.id)", ("X-Owner", "other")).status == 410)
        #expect(try await rig.get("/v1/audit", third).status == 403)
    }

    @Test func `the audit log is paged`() async throws {
        let rig = try Rig()
        for number in 1...5 {
            try await rig.store.record(
                AuditEntry(
                    at: rig.desk.clock.now(), owner: .local, actor: "me", action: "host.drain", subject: "h\(number)"))
        }
        let first = try await rig.get("/v1/audit?limit=3").json
        #expect(first["items"]?.elements?.compactMap { $0["subject"]?.string } == ["h5", "h4", "h3"])
        let cursor = try #require(first["next_cursor"]?.string)
        let rest = try await rig.get("/v1/audit?limit=3&cursor=\(cursor)").json
        #expect(rest["items"]?.elements?.compactMap { $0["subject"]?.string } == ["h2", "h1"])
        #expect(rest["next_cursor"] == nil)
        #expect(try await rig.get("/v1/audit?subject=h1&cursor=\(cursor)").problem == "invalid-cursor")
    }

    @Test(arguments: [500, 100_000, 400_000])
    func `a damaged output is a problem that names it, and the rest of the job is served`(octets: Int) async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        let lines = Array(String(repeating: " A LINE OF PRINT-OUT\n", count: octets / 21).utf8)
        try await rig.run(job.id, files: [PrintFile(octets: lines), .hello])
        let path = "/v1/jobs/\(job.id)"
        let before = try await rig.get(path)
        try await rig.fillMemoryWithDecks()
        try rig.damage(ContentHash(of: lines), lines)
        let whole = try? await rig.get(path + "/outputs/1?format=raw")
        // A long one breaks off; the next reader is told at once.
        #expect(whole?.body != lines)
        if octets < 256 * 1024 {
            #expect(whole?.status == 500 && whole?.problem == "corrupt")
            #expect(whole?.json["detail"]?.string?.contains("spool file 1 of job \(job.id)") == true)
        }
        let after = try await rig.get(path)
        #expect(after.json["outputs"]?.elements?.map { $0["condition"]?.string } == ["corrupt", nil])
        #expect(after["etag"] != before["etag"])
        #expect(try await rig.get(path + "/outputs/2?format=raw").body == PrintFile.hello.octets)
        #expect(try await rig.get(path + "/deck").status == 200)
        let storage = try await rig.get("/v1/storage").json
        #expect(storage["damaged"]?.elements?.map { $0["number"]?.int } == [1])
        #expect(storage["damaged"]?.elements?.first?["job"]?.string == job.id.description)
    }

    @Test func `a store that stopped says so, refuses writes with its words, and goes on reading`() async throws {
        let rig = try Rig()
        let job = try await rig.submit()
        rig.store.stop(because: "The disk failed to make a write durable: fsync.")
        let refused = try await rig.post("/v1/jobs?host=demo")
        #expect(refused.status == 503 && refused.problem == "storage-unavailable")
        #expect(refused.json["detail"]?.string?.contains("The disk failed to make a write durable") == true)
        #expect(refused["retry-after"] != nil)
        #expect(try await rig.call("POST", "/v1/jobs/\(job.id)/hold").status == 503)
        #expect(try await rig.get("/v1/jobs/\(job.id)").status == 200)
        let ready = try await rig.get("/readyz?verbose")
        #expect(ready.status == 503 && ready.text.contains("[-]store cannot write: The disk failed"))
        #expect(try await rig.get("/metrics").text.contains("rje_storage_writable 0\n"))
        let storage = try await rig.get("/v1/storage").json
        #expect(storage["state"]?.string == "stopped")
        #expect(storage["octets"]?.int == Int64(Decks.hello.utf8.count))
    }
}

extension Rig {
    /// Flips a bit of a stored body, wherever it lies.
    func damage(_ hash: ContentHash, _ octets: [UInt8]) throws {
        var changed = octets
        changed[octets.count - 5] ^= 1
        let file = "\(folder)/spool/\(hash.hex.prefix(2))/\(hash.hex)"
        if FileManager.default.fileExists(atPath: file) {
            try Data(changed).write(to: URL(fileURLWithPath: file))
            return
        }
        let path = "\(folder)/port77.db"
        let program = """
            import sqlite3,sys
            d=sqlite3.connect(sys.argv[1],timeout=20)
            d.execute("UPDATE spool_files SET body=x'\(Hex.encode(changed))' WHERE hash=x'\(hash.hex)'")
            d.commit()
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", program, path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}

extension Rig {
    /// What memory holds of other jobs goes, so that their bodies are read from the disk.
    fileprivate func fillMemoryWithDecks() async throws {
        let deck = StagedBody.inline([UInt8](repeating: 0x20, count: 60_000))
        let summary = DeckSummary(octets: deck.octets, cards: 750, hash: deck.hash)
        let host = try desk.host(named: "demo").id
        for _ in 1...160 {
            let now = desk.clock.now()
            let job = Job(id: JobID(at: now), host: host, owner: .local, name: nil, createdAt: now, deck: summary)
            _ = try await store.submit(Submission(job: job, deck: deck))
        }
    }
}
