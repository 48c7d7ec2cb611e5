import ArgumentParser
import Wire

struct Grep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find lines in print-out, of one job or of all that fit.",
        discussion: """
            Example:  port77 grep ABEND --job 01JDB2M3V9Q0R8S7T6W5X4Y3Z2
                      port77 grep -E 'IEC[0-9]+I' --host demo --since 2026-01-31T00:00:00Z --context 2

            Exit codes: 0 found, 1 not found, 250 no gateway, 251 refused.
            """)

    @Argument(help: "What to find.")
    var pattern: String

    @Option(help: "Only in this job.")
    var job: String?

    @Flag(name: [.customShort("E"), .long], help: "It is a regular expression.")
    var regex = false

    @Flag(name: .shortAndLong, help: "Upper and lower case are the same.")
    var ignoreCase = false

    @Option(name: [.customShort("C"), .long], help: "Lines before and behind each.")
    var context: Int?

    @Option(help: "At most so many.")
    var max: Int?

    @OptionGroup var filter: JobFilter
    @OptionGroup var client: ClientOptions

    func run() throws {
        let search: [(String, String?)] = [
            ("grep", pattern), ("regex", regex ? "1" : nil), ("ignore_case", ignoreCase ? "1" : nil),
            ("context", context.map(String.init)), ("max", max.map(String.init)),
        ]
        let filters = try filter.items()
        if job != nil, filters.contains(where: { $0.1 != nil }) {
            throw ValidationError("--job names the one job; the filters choose among many")
        }
        let place = job.map { "/v1/jobs/\(percentEncoded($0))/output" } ?? "/v1/outputs"
        var hasFound = false
        _ = try client.ask(
            "GET", place + query(search + filters),
            fields: ["Accept": client.json ? "application/x-ndjson" : "text/plain"]
        ) {
            hasFound = hasFound || !$0.isEmpty
            printOctets($0)
            return true
        }
        if !hasFound { throw ExitCode(1) }
    }
}
