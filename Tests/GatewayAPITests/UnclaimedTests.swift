import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Testing
import Wire

struct UnclaimedTests {
    private static func keep(_ text: String, _ name: String, in rig: Rig, host: String = "demo") async throws -> Int {
        let body = StagedBody.inline(Array(text.utf8))
        let stream = UnclaimedStream(
            host: try #require(HostID(host)), at: rig.desk.clock.now(), name: JobName(name), header: "SMITH",
            reason: "no job under way here is named \(name)", kind: .print, carriageControl: .asa, code: "ASCII",
            recordLength: 133, records: 2, octets: 0, textOctets: 8, hash: body.hash)
        return Int(try await rig.store.keepUnclaimed(stream, body: body).number)
    }

    static let printOut = "1ONE\n TWO\n"

    @Test func `unclaimed output is listed in pages and shown in both forms`() async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        var numbers: [Int] = []
        for name in ["A", "B", "C"] { numbers.append(try await Self.keep(Self.printOut, name, in: rig)) }
        _ = try await Self.keep(Self.printOut, "D", in: rig, host: "other")
        let page = try await rig.get("/v1/unclaimed?host=demo&limit=2")
        #expect(page.json["items"]?.elements?.compactMap { $0["name"]?.string } == ["C", "B"])
        let cursor = try #require(page.json["next_cursor"]?.string)
        let rest = try await rig.get("/v1/unclaimed?host=demo&limit=2&cursor=\(cursor)")
        #expect(rest.json["items"]?.elements?.compactMap { $0["name"]?.string } == ["A"])
        #expect(rest.json["next_cursor"] == nil)
        #expect(try await rig.get("/v1/unclaimed?limit=2&cursor=\(cursor)").status == 400, "another list's cursor")
        #expect(try await rig.get("/v1/unclaimed").json["items"]?.elements?.count == 4)
        let one = try await rig.get("/v1/unclaimed/\(numbers[0])")
        #expect(one.json["reason"]?.string == "no job under way here is named A" && one.json["octets"]?.int == 10)
        #expect(try await rig.get("/v1/unclaimed/\(numbers[0])/body?format=raw").text == Self.printOut)
        #expect(try await rig.get("/v1/unclaimed/\(numbers[0])/body", ("Accept", "text/plain")).text == "ONE\nTWO\n")
        for path in ["0", "999", "x", "-1", "999/body"] {
            #expect(try await rig.get("/v1/unclaimed/\(path)").status == 404)
        }
    }

    @Test func `output is claimed for a job of its host once, and that is on record`() async throws {
        let rig = try Rig(hosts: ["demo", "other"])
        let job = try await rig.submit()
        let stranger = try await rig.submit(host: "other")
        let number = try await Self.keep(Self.printOut, "A", in: rig)
        #expect(try await rig.call("POST", "/v1/unclaimed/\(number)/claim").status == 400)
        #expect(try await rig.call("POST", "/v1/unclaimed/\(number)/claim?job=nope").status == 404)
        #expect(try await rig.call("POST", "/v1/unclaimed/\(number)/claim?job=\(stranger.id)").status == 409)
        let claimed = try await rig.call("POST", "/v1/unclaimed/\(number)/claim?job=\(job.id)")
        #expect(claimed.status == 200 && claimed.json["outputs"]?.elements?.count == 1)
        #expect(try await rig.get("/v1/jobs/\(job.id)/outputs/1?format=raw").text == Self.printOut)
        #expect(try await rig.call("POST", "/v1/unclaimed/\(number)/claim?job=\(job.id)").status == 404)
        let entries = try await rig.store.audit(AuditQuery(owner: .local))
        #expect(entries.map(\.entry.action) == ["unclaimed.claim"] && entries.first?.entry.subject == "\(job.id)")
    }

    @Test func `removed output is gone, and that is on record`() async throws {
        let rig = try Rig()
        let number = try await Self.keep(Self.printOut, "A", in: rig)
        #expect(try await rig.call("DELETE", "/v1/unclaimed/\(number)").status == 204)
        #expect(try await rig.call("DELETE", "/v1/unclaimed/\(number)").status == 404)
        #expect(try await rig.store.audit(AuditQuery(owner: .local)).map(\.entry.action) == ["unclaimed.remove"])
    }

    @Test func `another owner does not see output of nobody`() async throws {
        let other = try #require(Owner("other"))
        let rig = try Rig { $0.identify = { _ in Caller(owner: other) } }
        let number = try await Self.keep(Self.printOut, "A", in: rig)
        for path in ["", "/\(number)", "/\(number)/body"] {
            #expect(try await rig.get("/v1/unclaimed\(path)").status == 403)
        }
        #expect(try await rig.call("DELETE", "/v1/unclaimed/\(number)").status == 403)
    }
}
