import ArgumentParser
import Wire

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show what went over the lines to the host for a job.",
        discussion: """
            Example:  port77 trace 01JDB2M3V9Q0R8S7T6W5X4Y3Z2

            Each line: time, > to the host or < from it, which line, octets, and what was said. Passwords are blanked before
            anything is kept; decks and print-out appear as lengths, with --data by their beginnings.
            """)

    @Argument(help: "The job's ID.")
    var id: String

    @Flag(help: "Show the beginning of each block of data.")
    var data = false

    @Option(help: "Only this attempt.")
    var attempt: Int?

    @OptionGroup var client: ClientOptions

    func run() throws {
        let items = [("data", data ? "1" : nil), ("attempt", attempt.map(String.init))]
        let accept = client.json ? "application/json" : "text/plain"
        let answer = try client.ask(
            "GET", "/v1/jobs/\(percentEncoded(id))/trace" + query(items), fields: ["Accept": accept])
        printOctets(client.json ? answer.body + [0x0A] : answer.body)
    }
}
