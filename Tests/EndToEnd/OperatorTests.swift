import Foundation
import TestKit
import Testing

/// What operators do, over processes and the command line.
@Suite struct OperatorTests {
    /// A host that runs one job at a time, and the configuration of a gateway to it.
    private func withHost(_ body: (_ config: String) async throws -> Void) async throws {
        try await withFolder { folder in
            let host = try Server(["host", "--listen", "127.0.0.1:0", "--user", "RMT1:secret", "--initiators", "1"])
            let text = """
                listen: 127.0.0.1:0
                data: \(folder)/data
                hosts:
                  - {id: demo, protocol: priv-rje, address: "\(host.address)", user: RMT1, password: {env: RJE_PASSWORD}}
                """
            let file = folder + "/port77.yaml"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            try await body(file)
            _ = host.stop()
        }
    }

    private func gateway(_ config: String) throws -> Server {
        try Server(["serve", "--config", config], environment: ["RJE_PASSWORD": "secret"])
    }

    private func submit(_ url: String, _ program: String, _ more: String...) async throws -> String {
        let deck = "//OPER JOB (1),TEST\n//S1 EXEC PGM=\(program)\n"
        let result = try await Executable.run(["submit", "-", "--gateway", url] + more, input: deck)
        #expect(result.code == 0, "\(result.errors)")
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Asks until the job's status holds a word.
    private func status(of id: String, at url: String, holds word: String) async throws -> String {
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while true {
            let text = try await Executable.run(["status", id, "--gateway", url]).output
            if text.contains(word) || ContinuousClock.now > end { return text }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test func `a drained host stays drained over a restart, until it is resumed`() async throws {
        try await withHost { config in
            let first = try gateway(config)
            let drained = try await Executable.run(["hosts", "drain", "demo", "--gateway", first.address])
            #expect(drained.code == 0)
            #expect(drained.output.contains("drained"))
            let id = try await submit(first.address, "IEFBR14")
            #expect(first.stop() == 0)
            let second = try gateway(config)
            let waiting = try await status(of: id, at: second.address, holds: "drained")
            #expect(waiting.contains("the host is drained: waits until it is resumed"))
            let listed = try await Executable.run(["hosts", "--gateway", second.address])
            #expect(listed.output.contains("drained"))
            _ = try await Executable.run(["hosts", "resume", "demo", "--gateway", second.address])
            let watched = try await Executable.run(["watch", id, "--gateway", second.address])
            #expect(watched.code == 0)
            #expect(second.stop() == 0)
        }
    }

    @Test func `an operator asks the console of a host, and reads there what was said`() async throws {
        try await withHost { config in
            let gateway = try gateway(config)
            // A job that ends: then a session is up.
            let id = try await submit(gateway.address, "IEFBR14")
            #expect(try await Executable.run(["watch", id, "--gateway", gateway.address]).code == 0)
            let asked = try await Executable.run(["hosts", "console", "demo", "$D", "I", "--gateway", gateway.address])
            #expect(asked.code == 0, "\(asked.errors)")
            #expect(asked.output.hasPrefix("INIT 1   INACTIVE"))
            let said = try await Executable.run(["hosts", "console", "demo", "--gateway", gateway.address])
            #expect(said.output.contains("> $D I\n"))
            #expect(said.output.contains("  INIT 1   INACTIVE"))
            let audit = try await Executable.run(["audit", "--subject", "demo", "--gateway", gateway.address])
            #expect(audit.output.contains("host.command") && audit.output.contains("$D I"))
            #expect(gateway.stop() == 0)
        }
    }

    @Test func `output that cannot be written is said, and crashes nothing`() async throws {
        try await withHost { config in
            let gateway = try gateway(config)
            let command = "\(Executable.path) hosts console demo --json --gateway \(gateway.address)"
            let full = try await Child.run("/bin/sh", ["-c", "\(command) > /dev/full"], input: [], environment: [:])
            #expect(full.code == 254)
            #expect(full.errorText.contains("standard output cannot be written: No space left on device"))
            #expect(gateway.stop() == 0)
        }
    }

    @Test func `a job over its run limit is canceled by its host, and its end says so`() async throws {
        try await withHost { config in
            let gateway = try gateway(config)
            let id = try await submit(gateway.address, "WAIT,PARM=600", "--run-limit", "1")
            let ended = try await status(of: id, at: gateway.address, holds: "canceled")
            #expect(ended.contains("ran longer than its timeout of 1 s"))
            #expect(ended.contains("requested-at-host"))
            #expect(gateway.stop() == 0)
        }
    }

    @Test func `hold, release and cancel reach a job that waits at its host`() async throws {
        try await withHost { config in
            let gateway = try gateway(config)
            let url = gateway.address
            let busy = try await submit(url, "WAIT,PARM=600")
            _ = try await status(of: busy, at: url, holds: "running")
            let id = try await submit(url, "IEFBR14")
            _ = try await status(of: id, at: url, holds: "submitted")
            let held = try await Executable.run(["hold", id, "--gateway", url])
            #expect(held.output == "held-at-host\n", "\(held.errors)")
            let running = try await Executable.run(["hold", busy, "--gateway", url])
            #expect(running.code == 251, "a running job cannot be held")
            let canceled = try await Executable.run(["cancel", busy, "--gateway", url])
            #expect(canceled.output == "requested-at-host\n")
            _ = try await status(of: busy, at: url, holds: "canceled")
            // The initiator is free, and the job still waits.
            #expect(try await status(of: id, at: url, holds: "held at the host").contains("submitted"))
            let released = try await Executable.run(["release", id, "--gateway", url])
            #expect(released.output == "released-at-host\n", "\(released.errors)")
            let watched = try await Executable.run(["watch", id, "--gateway", url])
            #expect(watched.code == 0)
            let late = try await Executable.run(["cancel", id, "--gateway", url])
            #expect(late.output == "too-late\n")
            #expect(gateway.stop() == 0)
        }
    }

    @Test func `only an uncertain job is resolved`() async throws {
        try await withHost { config in
            let gateway = try gateway(config)
            let id = try await submit(gateway.address, "IEFBR14", "--hold")
            let refused = try await Executable.run(["resolve", id, "--resend", "--gateway", gateway.address])
            #expect(refused.code == 251)
            #expect(refused.errors.contains("only an uncertain job is resolved"))
            let unclear = try await Executable.run(["resolve", id, "--gateway", gateway.address])
            #expect(unclear.code != 0)
            #expect(gateway.stop() == 0)
        }
    }
}
