import Foundation
import Testing

/// Host and gateway as processes, driven by the client commands.
@Suite struct WholeWayTests {
    private func withGateway(_ body: (_ url: String, _ folder: String) async throws -> Void) async throws {
        try await withFolder { folder in
            let host = try Server(["host", "--listen", "127.0.0.1:0", "--user", "RMT1:secret"])
            let text = """
                listen: 127.0.0.1:0
                data: \(folder)/data
                hosts:
                  - {id: demo, protocol: priv-rje, address: "\(host.address)", user: RMT1, password: {env: RJE_PASSWORD}}
                """
            let file = folder + "/port77.yaml"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            let gateway = try Server(["serve", "--config", file], environment: ["RJE_PASSWORD": "secret"])
            #expect(gateway.address.hasPrefix("http://127.0.0.1:"))
            try await body(gateway.address, folder)
            #expect(gateway.stop() == 0)
            #expect(host.stop() == 0)
        }
    }

    @Test func `submit --wait prints the print-out and ends with the return code`() async throws {
        try await withGateway { url, _ in
            let deck =
                "//RC4 JOB (1),TEST\n//S1 EXEC PGM=RC,PARM=4\n//S2 EXEC PGM=LINES,PARM=3\n//SYSPRINT DD SYSOUT=*\n"
            let result = try await Executable.run(["submit", "-", "--wait", "--gateway", url], input: deck)
            #expect(result.code == 4)
            #expect(result.output.contains("COND CODE 0004"))
            #expect(result.errors.contains("completed CC 0004"))
        }
    }

    @Test func `a job is listed, shown, watched and its output taken`() async throws {
        try await withGateway { url, folder in
            let file = folder + "/echo.jcl"
            let deck = "//ECHO JOB (1),TEST\n//S1 EXEC PGM=ECHO\n//SYSPRINT DD SYSOUT=*\n//SYSIN DD *\nMARK 4711\n/*\n"
            try Data(deck.utf8).write(to: URL(fileURLWithPath: file))
            let submitted = try await Executable.run(["submit", file, "--gateway", url, "--label", "team=pay"])
            let id = submitted.output.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(id.count == 26)
            let watched = try await Executable.run(["watch", id, "--gateway", url])
            #expect(watched.code == 0)
            #expect(watched.output.contains("queued"))
            #expect(watched.output.contains("completed CC 0000"))
            let status = try await Executable.run(["status", id, "--gateway", url])
            #expect(status.output.contains("CC 0000"))
            #expect(status.output.contains("ECHO"))
            let list = try await Executable.run(["list", "--gateway", url, "--state", "completed"])
            #expect(list.output.contains(id))
            let output = try await Executable.run(["output", id, "--gateway", url])
            #expect(output.output.contains("MARK 4711"))
        }
    }

    @Test func `a held job is canceled before it is sent`() async throws {
        try await withGateway { url, _ in
            let submitted = try await Executable.run(
                ["submit", "-", "--hold", "--gateway", url], input: "//HELD JOB\n// EXEC PGM=IEFBR14\n")
            let id = submitted.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let canceled = try await Executable.run(["cancel", id, "--gateway", url])
            #expect(canceled.output.contains("removed-before-send"))
        }
    }

    @Test func `a bad deck is refused with line and column`() async throws {
        try await withGateway { url, _ in
            let result = try await Executable.run(
                ["submit", "-", "--gateway", url], input: "//TABS JOB\n//S1\tEXEC PGM=IEFBR14\n")
            #expect(result.code == 251)
            #expect(result.errors.contains("line 2, column 5"))
        }
    }
}
