import ArgumentParser
import Wire

/// Which jobs, for the commands that look at many.
struct JobFilter: ParsableArguments {
    @Option(help: "Only jobs in this state. May be given again.")
    var state: [String] = []

    @Option(help: "Only jobs of this host.")
    var host: String?

    @Option(help: "Only jobs of this name; a trailing * matches any rest.")
    var name: String?

    @Option(help: "KEY=VALUE: only jobs with this label. May be given again.")
    var label: [String] = []

    @Option(help: "Only jobs that came to this end: ok, abend, jcl_error, canceled, lost, rejected.")
    var outcome: String?

    @Option(help: "Only jobs of this owner, where more than one's may be seen.")
    var owner: String?

    @Option(help: "Only jobs under this name of yours.")
    var correlator: String?

    @Option(help: "Only jobs that came then or later, as 2026-01-31T12:00:00Z.")
    var since: String?

    @Option(help: "Only jobs that came before then.")
    var until: String?

    @Option(help: "Only jobs with this in name, label, correlator or host's number.")
    var text: String?

    func items() throws -> [(String, String?)] {
        var items: [(String, String?)] = [
            ("state", state.isEmpty ? nil : state.joined(separator: ",")), ("host", host), ("name", name),
            ("outcome", outcome), ("owner", owner), ("correlator", correlator), ("since", since), ("until", until),
            ("text", text),
        ]
        for pair in label {
            guard let equals = pair.firstIndex(of: "=") else { throw ValidationError("--label takes KEY=VALUE") }
            items.append(("label.\(pair[..<equals])", String(pair[pair.index(after: equals)...])))
        }
        return items
    }
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List jobs, newest first.",
        discussion: """
            Example:  port77 list --state running --host demo
                      port77 list --name 'PAY*' --label team=pay --since 2026-01-31T00:00:00Z --all
            """)

    @OptionGroup var filter: JobFilter

    @Option(help: "How many at a time, 1 to 500.")
    var limit = 50

    @Flag(help: "All of them, page by page.")
    var all = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        var table = Table(["ID", "NAME", "HOST", "HOST JOB", "STATE", "OUTCOME"])
        var cursor: String?
        repeat {
            let paging: [(String, String?)] = [("limit", String(all ? 500 : limit)), ("cursor", cursor)]
            let answer = try client.ask("GET", "/v1/jobs" + query(try filter.items() + paging))
            if client.json { printOctets(answer.body + [0x0A]) }
            for job in answer.json?["items"]?.elements ?? [] {
                let columns = ["id", "name", "host", "host_job", "state"].map { job[$0].map(words) ?? "-" }
                table.add(columns + [job["outcome"]?["text"]?.string ?? job["reason"]?.string ?? ""])
            }
            cursor = all ? answer.json?["next_cursor"]?.string : nil
        } while cursor != nil
        if !client.json { table.print() }
    }
}
