import Foundation
import Testing

@Suite struct CommandLineTests {
    @Test(arguments: [
        [], ["serve"], ["demo"], ["host"], ["submit"], ["status"], ["output"], ["list"], ["cancel"], ["watch"],
        ["config", "check"], ["grep"], ["validate"], ["completions"], ["man"], ["webhooks", "keys"], ["verify"],
        ["purge"], ["audit"], ["backup"], ["webhooks"], ["webhooks", "add"], ["webhooks", "change"],
        ["webhooks", "deliveries"], ["webhooks", "recover"],
    ])
    func `every command explains itself with an example`(_ command: [String]) async throws {
        let result = try await Executable.run(command + ["--help"])
        #expect(result.code == 0)
        #expect(result.output.contains("Example:") || command.isEmpty)
        #expect(result.output.contains("OVERVIEW"))
    }

    @Test func `config check tells every fault with its line`() async throws {
        try await withFolder { folder in
            let file = folder + "/bad.yaml"
            let text = """
                listen: 8077
                hosts:
                  - id: pay roll
                    protocol: bisync
                    address: rje.example:77
                    user: RMT7
                    password: secret
                    sessions: {min: 5, max: 2}
                    code_page: cp1
                colour: green
                webhooks: {allow_networks: [10.0.0.0/64], strict_ports: 443, calls_at_a_time: 0}
                retention: {jobs: 30, decks: 2d, size: 5GB}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            let result = try await Executable.run(["config", "check", file])
            #expect(result.code == 1)
            for mark in [
                "line 1, column 9: listen is ADDRESS:PORT", "line 3, column 9: id is",
                "line 4, column 15: protocol bisync",
                "line 7, column 15: password is never written here", "line 8, column 15: sessions: min is above max",
                "line 9, column 16: code_page cp1", "line 10, column 1: colour is not known here",
                "line 11, column 29: 10.0.0.0/64 is no network", "line 12, column 19: jobs is an age such as",
                "line 12, column 40: size is a number of octets", "line 11, column 57: strict_ports is true or false",
                "line 11, column 79: calls_at_a_time is a number from 1 to 8192",
            ] {
                #expect(result.errors.contains(mark), "\(mark) is missing in \(result.errors)")
            }
        }
    }

    @Test func `config check takes a good file and names a variable that is not set`() async throws {
        try await withFolder { folder in
            let file = folder + "/good.yaml"
            let text = """
                hosts:
                  - {id: payroll, protocol: priv-rje, address: "rje.example:77", user: RMT7, password: {env: NO_SUCH_VARIABLE}}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            let missing = try await Executable.run(["config", "check", file])
            #expect(missing.code == 1)
            #expect(missing.errors.contains("NO_SUCH_VARIABLE is not set"))
            let good = try await Executable.run(["config", "check", file], environment: ["NO_SUCH_VARIABLE": "x"])
            #expect(good.code == 0)
            #expect(good.output.contains("good. 1 host(s): payroll"))
        }
    }

    @Test(arguments: ["0.0.0.0:0", "192.0.2.1:8077", "nonsense"])
    func `serve refuses to listen beyond loopback`(_ address: String) async throws {
        try await withFolder { folder in
            let result = try await Executable.run(["serve", "--listen", address, "--data", folder + "/data"])
            #expect(result.code == 1)
            #expect(result.errors.contains("listen:"))
        }
    }

    @Test func `two gateways on one data folder are refused`() async throws {
        try await withFolder { folder in
            let first = try Server(["serve", "--listen", "127.0.0.1:0", "--data", folder])
            let second = try await Executable.run(["serve", "--listen", "127.0.0.1:0", "--data", folder])
            #expect(second.code == 1)
            #expect(second.errors.contains(folder))
            #expect(first.stop() == 0)
        }
    }

    @Test func `client commands say that no gateway is there`() async throws {
        let result = try await Executable.run(["list", "--gateway", "http://127.0.0.1:1"])
        #expect(result.code == 250)
        #expect(result.errors.contains("Is the gateway running?"))
    }
}
