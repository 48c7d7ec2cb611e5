import Engine
import HTTPCore
import Jobs
import Stores
import TestKit
import Testing
import Wire

@Suite struct ConsoleTests {
    @Test(
        arguments: [
            (#"{"command":""}"#, 422), (#"{"command":" "}"#, 422), (#"{"command":"$D\nI"}"#, 422),
            (#"{"command":1}"#, 422),
            (#"{"command":"$Dé"}"#, 422), (#"{"komand":"$D"}"#, 422), ("{}", 422), ("[]", 422), ("$D", 400),
        ])
    func `what is no command is refused before the host is asked`(body: String, status: Int) async throws {
        let rig = try Rig()
        let answer = try await rig.call(
            "POST", "/v1/hosts/demo/console", [("Content-Type", "application/json")], body: Array(body.utf8))
        #expect(answer.status == status)
        #expect(try await rig.store.audit(AuditQuery(owner: nil, subject: "demo")).isEmpty)
    }

    @Test func `a command as text is one line, which may end as lines do`() async throws {
        let rig = try Rig()
        let two = try await rig.call(
            "POST", "/v1/hosts/demo/console", [("Content-Type", "text/plain")], body: Array("$D\n$P\n".utf8))
        #expect(two.status == 422)
        let long = try await rig.call(
            "POST", "/v1/hosts/demo/console", [("Content-Type", "text/plain")],
            body: Array(String(repeating: "X", count: 241).utf8))
        #expect(long.status == 422)
    }

    @Test func `a console is of a host that there is, and takes commands from those who may give them`() async throws {
        let rig = try Rig()
        #expect(try await rig.call("GET", "/v1/hosts/nobody/console").status == 404)
        let empty = try await rig.call("GET", "/v1/hosts/demo/console")
        #expect(empty.status == 200)
        #expect(empty.json["items"]?.elements?.isEmpty == true)
    }
}
