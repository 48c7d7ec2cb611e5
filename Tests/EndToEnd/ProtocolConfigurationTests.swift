import Foundation
import Testing

@Suite struct ProtocolConfigurationTests {
    private static func check(_ text: String, environment: [String: String] = [:]) async throws -> Executable.Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-config-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/port77.yaml"))
        return try await Executable.run(["config", "check", folder + "/port77.yaml"], environment: environment)
    }

    @Test func `every setting of the published protocols is taken`() async throws {
        let text = """
            hosts:
              - id: ucsb
                protocol: rfc407
                address: rje.example
                user: alice
                password: {env: SECRET}
                deck_mode: N
                print_mode: A
                dialect: block354
                print_file: A
                punch_file: B
                data: {address: 10.0.0.7, ports: 40100-40199}
              - id: drop
                protocol: rfc407
                address: "rje.example:10005"
                user: bob
                punch_file: false
                ftp: {address: ftp.example, seen_as: 10.0.0.9, user: bobftp, password: {env: SECRET}, folder: jobs}
              - id: ccn
                protocol: netrjs
                address: ccn.example
                terminal: gate01
                character_set: ebcdic
                ports: {reader: 72, printer: 73, punch: 74}
                send_compressed: true
                punch_leading_blank: auto
              - {id: bare, protocol: netrjs, address: "ccn.example:10073", terminal: GATE02, ports: {base: 40960}}
            """
        let result = try await Self.check(text, environment: ["SECRET": "x"])
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("good. 4 host(s): ucsb, drop, ccn, bare"))
        let unset = try await Self.check(text)
        #expect(unset.errors.contains("host drop, ftp: the environment variable SECRET is not set"))
    }

    @Test func `every fault of the published protocols is told with its line`() async throws {
        let result = try await Self.check(
            """
            hosts:
              - id: ucsb
                protocol: rfc407
                address: rje.example
                user: alice
                print_mode: X
                dialect: block1
                punch_file: "A B"
                data: {address: here, ports: 80-90}
                terminal: GATE01
              - id: drop
                protocol: rfc407
                address: rje.example
                user: bob
                deck_mode: N
                ftp: {address: ftp.example, user: bobftp, password: secret}
              - id: ccn
                protocol: netrjs
                address: ccn.example
                user: GATE01
                terminal: 1GATE
                character_set: baudot
                ports: {base: 40961}
                send_compressed: perhaps
                punch_leading_blank: maybe
              - {id: half, protocol: netrjs, address: ccn.example, terminal: GATE02, ports: {reader: 72}}
            """)
        #expect(result.code == 1)
        for mark in [
            "line 6, column 17: print_mode is one of A, N, T", "line 7, column 14: dialect is one of block959",
            "line 8, column 17: punch_file is one word", "line 9, column 21: address is a numeric address",
            "line 9, column 34: ports is a range", "line 10, column 5: terminal is not known here",
            "line 15, column 16: deck_mode is T with ftp", "line 16, column 57: password is never written here",
            "line 16, column 10: seen_as is missing", "line 20, column 11: a netrjs host has terminal instead of user",
            "line 21, column 15: terminal is 1 to 8", "line 22, column 20: character_set is one of ebcdic",
            "line 23, column 19: base stands alone", "line 24, column 22: send_compressed is true or false",
            "line 25, column 26: punch_leading_blank is auto", "line 26, column 81: ports: printer is missing",
        ] {
            #expect(result.errors.contains(mark), "\(mark) is missing in \(result.errors)")
        }
    }
}
