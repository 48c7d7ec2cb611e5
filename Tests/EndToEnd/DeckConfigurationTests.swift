import Foundation
import Testing

@Suite struct DeckConfigurationTests {
    private static let head = """
        hosts:
          - id: demo
            protocol: priv-rje
            address: 127.0.0.1:7077
            user: RMT1
            password: {env: SECRET}

        """

    private static func check(_ more: String, files: [String: String] = [:]) async throws -> Executable.Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-decks-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
        let text = head + more.replacing("FOLDER", with: folder)
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/port77.yaml"))
        return try await Executable.run(["config", "check", folder + "/port77.yaml"], environment: ["SECRET": "x"])
    }

    @Test func `templates, symbols and control cards of a host are taken`() async throws {
        let result = try await Self.check(
            """
                template: {file: FOLDER/job-card.jcl}
                templates:
                  night: {text: "//NIGHT JOB (${ACCT}),CLASS=B"}
                symbols: {ACCT: 1234, CLASS: A}
                control_cards: [session, stream, "/*SETUP"]

            """, files: ["job-card.jcl": "//${JOBNAME} JOB (${ACCT}),\n//  CLASS=${CLASS}\n\n"])
        #expect(result.code == 0, "\(result.errors)")
    }

    @Test func `every fault in them is told with its line`() async throws {
        let result = try await Self.check(
            """
                control_cards: [session, sesion, "/*X"]
                template: {text: "NOJOB"}
                templates:
                  a b: {text: "//A JOB"}
                  none: {text: "//A JOB"}
                  bad: {text: "//A JOB ${x"}
                  gone: {file: /nope}
                symbols: {1X: a, OK: "line\\nend"}

            """)
        #expect(result.code == 1)
        for mark in [
            "line 7, column 30: sesion is neither session, stream, command, routing",
            "line 8, column 15: template is 1 to 50",
            "line 10, column 7: the name of a template", "line 11, column 7: the name of a template",
            "line 12, column 12: bad, card 1, column 9: A symbol reads",
            "line 13, column 20: the template's file /nope",
            "line 14, column 15: a symbol's name", "line 14, column 26: a symbol's value",
        ] {
            #expect(result.errors.contains(mark), "\(mark): \(result.errors)")
        }
    }
}
