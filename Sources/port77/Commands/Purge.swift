import ArgumentParser
import Wire

struct Purge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove an ended job with its deck and print-out, for good.",
        discussion: "Example:  port77 purge 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws { _ = try client.ask("DELETE", "/v1/jobs/\(percentEncoded(id))") }
}

struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who did what by hand, newest first.",
        discussion: "Example:  port77 audit --subject 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Option(help: "Only what was done to this: a job's ID, a host.")
    var subject: String?

    @Option(help: "How many, 1 to 500.")
    var limit = 50

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask("GET", "/v1/audit" + query([("subject", subject), ("limit", String(limit))]))
        if client.json {
            printOctets(answer.body + [0x0A])
            return
        }
        for item in answer.json?["items"]?.elements ?? [] {
            print(
                ["at", "actor", "action", "subject", "detail"].compactMap { item[$0]?.string }.joined(separator: "  "))
        }
    }
}
