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
        discussion: """
            Example:  port77 audit --subject 01JDB2M3V9Q0R8S7T6W5X4Y3Z2
                      port77 audit --actor key:Yd7aQ0bX --since 2026-01-31T00:00:00Z

            While the gateway has keys it wants one with the scope admin.
            """)

    @Option(help: "Only what was done to this: a job's ID, a host, a key.")
    var subject: String?

    @Option(help: "Only what this one did: key:ID, local, console.")
    var actor: String?

    @Option(help: "Only what was done to things of this owner.")
    var owner: String?

    @Option(help: "Only this deed: job.cancel.")
    var action: String?

    @Option(help: "Not before this time.")
    var since: String?

    @Option(help: "Not after this time.")
    var until: String?

    @Option(help: "How many, 1 to 500.")
    var limit = 50

    @OptionGroup var client: ClientOptions

    func run() throws {
        let filters: [(String, String?)] = [
            ("subject", subject), ("actor", actor), ("owner", owner), ("action", action), ("since", since),
            ("until", until), ("limit", String(limit)),
        ]
        let answer = try client.ask("GET", "/v1/audit" + query(filters))
        if client.json {
            printOctets(answer.body + [0x0A])
            return
        }
        var table = Table(["AT", "ACTOR", "ADDRESS", "ACTION", "SUBJECT", "DETAIL"])
        for item in answer.json?["items"]?.elements ?? [] {
            table.add(["at", "actor", "address", "action", "subject", "detail"].map { item[$0]?.string ?? "" })
        }
        table.print()
    }
}
