import Foundation
import TestKit
import Testing
import Wire

/// `port77 webhooks …` against a gateway and a host, as a user would.
@Suite struct WebhookCommandTests {
    private static let deck =
        "//HELLO JOB (1),'TEST',CLASS=A\n//S1 EXEC PGM=IEBGENER\n//SYSUT1 DD *\nHELLO\n/*\n//SYSUT2 DD SYSOUT=*\n"

    private func json(_ result: Executable.Result) throws -> JSONValue {
        try JSONValue(parsing: Array(result.output.utf8))
    }

    @Test func `a receiver is added, tested, changed, rotated, recovered and removed`() async throws {
        try await withFolder { folder in
            let host = try Server(["host", "--listen", "127.0.0.1:0", "--user", "RMT1:secret"])
            defer { _ = host.stop() }
            let config = folder + "/port77.yaml"
            let text = """
                listen: 127.0.0.1:0
                data: \(folder)/data
                hosts:
                  - {id: demo, protocol: priv-rje, address: "\(host.address)", user: RMT1, password: {env: HOST_PASSWORD}}
                webhooks: {allow_networks: [127.0.0.0/8]}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: config))
            let gateway = try Server(["serve", "--config", config], environment: ["HOST_PASSWORD": "secret"])
            defer { _ = gateway.stop() }
            let url = ["PORT77_URL": gateway.address]
            func port77(_ arguments: String...) async throws -> Executable.Result {
                try await Executable.run(arguments, environment: url)
            }

            // Nobody listens there: what is sent cannot arrive.
            let hook = "http://127.0.0.1:1024/hook"
            let added = try await port77(
                "webhooks", "add", hook, "--event", "job.completed", "--v1a", "--schedule", "0", "--header",
                "X-Team: pay",
                "--only-host", "demo", "--json")
            #expect(added.code == 0, "\(added)")
            let id = try #require(try json(added)["id"]?.string)
            #expect(try json(added)["secret"]?.string?.hasPrefix("whsec_") == true)

            let test = try await port77("webhooks", "test", id)
            #expect(test.code == 1)
            #expect(test.output.contains("connect"), "\(test)")
            let refused = try await port77("webhooks", "add", "http://10.0.0.1/")
            #expect(refused.code == 251)

            let file = folder + "/hello.jcl"
            try Data(Self.deck.utf8).write(to: URL(fileURLWithPath: file))
            let job = try await port77("submit", file, "--wait", "--json")
            #expect(job.code == 0)
            let number = try #require(try json(job)["id"]?.string)
            let end = ContinuousClock.now.advanced(by: .seconds(30))
            var dead: [JSONValue] = []
            while dead.isEmpty, ContinuousClock.now < end {
                let listed = try await port77("webhooks", "deliveries", id, "--state", "dead", "--json")
                dead = try json(listed)["items"]?.elements ?? []
            }
            let delivery = try #require(dead.first)
            #expect(delivery["job"]?.string == number)
            #expect(delivery["attempts"]?.elements?.count == 1)
            let lines = try await port77("webhooks", "deliveries", id)
            #expect(lines.output.contains("dead") && lines.output.contains("job.completed"), "\(lines)")

            let again = try await port77("webhooks", "redeliver", try #require(delivery["id"]?.string))
            #expect(again.code == 0, "\(again)")
            let recovered = try await port77("webhooks", "recover", id, "--since", "2026-01-01T00:00:00Z")
            #expect(recovered.output.contains("deliveries are on their way"), "\(recovered)")

            let changed = try await port77(
                "webhooks", "change", id, "--disable", "--description", "off for now", "--json")
            #expect(try json(changed)["state"]?.string == "disabled")
            let shown = try await port77("webhooks", "show", id)
            #expect(shown.output.contains("off for now") && shown.output.contains("X-Team: ***"), "\(shown)")
            #expect(!shown.output.contains("whsec_"))
            let rotated = try await port77("webhooks", "rotate", id, "--overlap", "60")
            #expect(rotated.output.contains("whsec_"))
            let listed = try await port77("webhooks", "list")
            #expect(listed.output.contains(id) && listed.output.contains("disabled"))
            #expect(try await port77("webhooks", "remove", id).code == 0)
            #expect(try await port77("webhooks", "show", id).code == 251)

            let secret = folder + "/secret"
            try Data("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".utf8).write(
                to: URL(fileURLWithPath: secret))
            let once = try await port77(
                "submit", file, "--hold", "--notify", hook, "--notify-events", "job.held", "--notify-secret-file",
                secret,
                "--json")
            #expect(once.code == 0, "\(once)")
            let calls = try #require(try json(once)["links"]?["deliveries"]?.string)
            let asked = try await Child.run("curl", ["-sf", gateway.address + calls])
            #expect(asked.outputText.contains(#""event_type":"job.held""#), "\(asked.outputText)")

            try await receipt(of: number, file, gateway.address, folder)
        }
    }

    /// What `curl -si` writes down is verified offline, with deck and print-out.
    private func receipt(of job: String, _ deck: String, _ gateway: String, _ folder: String) async throws {
        let script = """
            curl -sf "$1/v1/webhook-keys" >keys.json && curl -sfi "$1/v1/jobs/$2/receipt" >receipt &&
            curl -sf -H 'Accept: application/octet-stream' "$1/v1/jobs/$2/outputs/1" >output
            """
        let run = try await Child.run("sh", ["-c", "cd '\(folder)' && \(script)", "-", gateway, job])
        #expect(run.code == 0, "\(run.errorText)")
        let verify = ["verify", folder + "/receipt", "--keys", folder + "/keys.json"]
        let good = try await Executable.run(verify + ["--deck", deck, "--output", "1=\(folder)/output"])
        #expect(good.code == 0, "\(good)")
        #expect(good.output.contains(job))
        #expect(good.output.contains("is the deck to the octet"))
        let other = try await Executable.run(verify + ["--output", "1=\(deck)"])
        #expect(other.code == 1)
        #expect(other.output.contains("is NOT output 1"))
    }
}
