import ArgumentParser
import Wire

struct Unclaimed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at output that a host sent and that matched no job.",
        discussion: """
            Example:  port77 unclaimed list --host netrjs
                      port77 unclaimed show 17
                      port77 unclaimed claim 17 01JDB2M3V9Q0R8S7T6W5X4Y3Z2
            """,
        subcommands: [List.self, Show.self, Claim.self, Remove.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List it, newest first.")

        @Option(help: "Only of this host.")
        var host: String?

        @Option(help: "How many, 1 to 500.")
        var limit = 50

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("GET", "/v1/unclaimed" + query([("host", host), ("limit", String(limit))]))
            if client.json {
                printOctets(answer.body + [0x0A])
                return
            }
            var table = Table(["NUMBER", "HOST", "NAME", "KIND", "RECORDS", "RECEIVED", "WHY"])
            for item in answer.json?["items"]?.elements ?? [] {
                let columns = ["number", "host", "name", "kind", "records", "received_at"]
                table.add(columns.map { item[$0].map(words) ?? "-" } + [item["reason"]?.string ?? ""])
            }
            table.print()
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print it; with --json what is known of it.")

        @Argument(help: "Its number.")
        var number: Int

        @Flag(help: "The octets as the host sent them, carriage control included.")
        var raw = false

        @OptionGroup var client: ClientOptions

        func run() throws {
            if client.json { return printOctets(try client.ask("GET", "/v1/unclaimed/\(number)").body + [0x0A]) }
            let accept = raw ? "application/octet-stream" : "text/plain"
            _ = try client.ask("GET", "/v1/unclaimed/\(number)/body", fields: ["Accept": accept]) {
                printOctets($0)
                return true
            }
        }
    }

    struct Claim: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make it the next output file of a job.")

        @Argument(help: "Its number.")
        var number: Int

        @Argument(help: "The job's ID.")
        var job: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("POST", "/v1/unclaimed/\(number)/claim" + query([("job", job)]))
            if client.json {
                printOctets(answer.body + [0x0A])
            } else if let outputs = answer.json?["outputs"]?.elements {
                print("claimed as output \(outputs.count) of \(job)")
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove it; the audit log keeps its name and hash.")

        @Argument(help: "Its number.")
        var number: Int

        @OptionGroup var client: ClientOptions

        func run() throws {
            _ = try client.ask("DELETE", "/v1/unclaimed/\(number)")
            if !client.json { print("removed \(number)") }
        }
    }
}
