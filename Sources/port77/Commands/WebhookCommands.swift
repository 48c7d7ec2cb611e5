import ArgumentParser
import Wire

/// `port77 webhooks …`: the endpoints of `/v1/webhooks` from the command line.
struct WebhookCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhooks", abstract: "Receivers that are called for every job, and what was sent to them.",
        discussion: """
            Example:  port77 webhooks add https://ci.example/hook --event 'job.*' --v1a
                      port77 webhooks test wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2
            """,
        subcommands: [
            ListAll.self, Add.self, Show.self, Change.self, Remove.self, Rotate.self, Test.self, Deliveries.self,
            Delivery.self, Redeliver.self, Recover.self, Keys.self,
        ])

    struct ListAll: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List receivers, newest first.", discussion: "Example:  port77 webhooks list"
        )

        @OptionGroup var client: ClientOptions

        func run() throws {
            var cursor: String?
            var table = Table(["ID", "STATE", "MODE", "URL"])
            repeat {
                let items: [(String, String?)] = [("limit", "500"), ("cursor", cursor)]
                let answer = try client.ask("GET", "/v1/webhooks" + query(items))
                if client.json { printOctets(answer.body + [0x0A]) }
                for endpoint in answer.json?["items"]?.elements ?? [] {
                    table.add(["id", "state", "mode", "url"].map { endpoint[$0].map(words) ?? "-" })
                }
                cursor = answer.json?["next_cursor"]?.string
            } while cursor != nil
            if !client.json { table.print() }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a receiver. Its secret is printed once: keep it.",
            discussion: "Example:  port77 webhooks add https://ci.example/hook --event job.completed --event job.failed"
        )

        @Argument(help: "Where it is called.")
        var url: String

        @OptionGroup var wishes: EndpointOptions
        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("POST", "/v1/webhooks", json: try wishes.document(url: url))
            if client.json { return printOctets(answer.body + [0x0A]) }
            print("\(padded("id", 9))\(answer.json?["id"]?.string ?? "")")
            print("\(padded("secret", 9))\(answer.json?["secret"]?.string ?? "")")
            print("\(padded("state", 9))\(answer.json?["state"]?.string ?? "")")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one receiver.", discussion: "Example:  port77 webhooks show wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

        @Argument(help: "The receiver's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            client.show(try client.ask("GET", "/v1/webhooks/\(percentEncoded(id))"))
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a receiver; what is not named stays as it is.",
            discussion: "Example:  port77 webhooks change wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --event 'job.*' --enable")

        @Argument(help: "The receiver's ID.")
        var id: String

        @Option(help: "Where it is called.")
        var url: String?

        @Flag(help: "Call it (again), or no longer.")
        var calling: Calling?

        @OptionGroup var wishes: EndpointOptions
        @OptionGroup var client: ClientOptions

        enum Calling: String, EnumerableFlag { case enable, disable }

        func run() throws {
            let document = try wishes.document(url: url, isEnabled: calling.map { $0 == .enable })
            client.show(try client.ask("PATCH", "/v1/webhooks/\(percentEncoded(id))", json: document))
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a receiver; what is on its way there is canceled.",
            discussion: "Example:  port77 webhooks remove wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

        @Argument(help: "The receiver's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            _ = try client.ask("DELETE", "/v1/webhooks/\(percentEncoded(id))")
            if !client.json { print("removed") }
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new secret; the old one signs as well for a while.",
            discussion: "Example:  port77 webhooks rotate wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --overlap 3600")

        @Argument(help: "The receiver's ID.")
        var id: String

        @Option(help: "Seconds that the old secret signs as well, at most 604800.")
        var overlap = 86_400

        @OptionGroup var client: ClientOptions

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            json.key("overlap")
            json.int(overlap)
            json.endObject()
            let answer = try client.ask("POST", "/v1/webhooks/\(percentEncoded(id))/rotate", json: json.bytes)
            if client.json { return printOctets(answer.body + [0x0A]) }
            print("\(padded("secret", 11))\(answer.json?["secret"]?.string ?? "")")
            print("\(padded("old until", 11))\(answer.json?["old_secret_until"]?.string ?? "")")
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Call a receiver once, now, and say what it answered.",
            discussion: """
                Example:  port77 webhooks test wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2

                Exit codes: 0 it took the call, 1 it did not.
                """)

        @Argument(help: "The receiver's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("POST", "/v1/webhooks/\(percentEncoded(id))/test")
            if client.json {
                printOctets(answer.body + [0x0A])
            } else if let attempt = answer.json?["attempt"] {
                print(DeliveryWords.line(of: attempt))
            }
            if answer.json?["delivered"]?.bool != true { throw ExitCode(1) }
        }
    }
}

extension ClientOptions {
    func ask(_ method: String, _ target: String, json: [UInt8]) throws -> GatewayClient.Answer {
        try ask(method, target, fields: ["Content-Type": "application/json"], body: json)
    }

    /// One thing, a line for each member.
    func show(_ answer: GatewayClient.Answer) {
        if json { return printOctets(answer.body + [0x0A]) }
        for member in answer.json?.members ?? [] where member.name != "links" {
            let text: String
            switch member.value {
            case .array(let elements): text = elements.map(words).joined(separator: " ")
            case .object(let members):
                // A certificate is many lines: `--json` shows it.
                let members = members.filter { $0.name != "client_certificate" }
                text = members.map { member in
                    let inside = member.value.elements?.map(words).joined(separator: " ")
                    let pairs = member.value.members?.map { "\($0.name)=\(words($0.value))" }.joined(separator: " ")
                    return "\(member.name): \(inside ?? pairs ?? words(member.value))"
                }.joined(separator: "; ")
            case let value: text = words(value)
            }
            print(Terminal.plain("\(padded(member.name, 19))\(text)"))
        }
    }
}
