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
        items += try pairs(label, "label")
        return items
    }
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List jobs, newest first.",
        discussion: """
            Example:  port77 list --state running --host demo
                      port77 list --name 'PAY*' --label team=pay --since 2026-01-31T00:00:00Z --all
                      port77 list --group-by state,outcome
                      port77 list --format csv --fields id,name,state,outcome > jobs.csv
            """)

    @OptionGroup var filter: JobFilter

    @Option(help: "How many at a time, 1 to 500.")
    var limit = 50

    @Flag(help: "All of them, page by page.")
    var all = false

    @Option(help: "created, ended, name or priority; --sort=-priority for downward. (default: -created)")
    var sort: String?

    @Option(help: "Count them by state, host, owner or outcome; several with commas between.")
    var groupBy: String?

    @Option(help: "csv, ndjson or text: the whole list as the gateway writes it.")
    var format: String?

    @Option(help: "With --format: the members wanted, with commas between.")
    var fields: String?

    @OptionGroup var client: ClientOptions

    func validate() throws {
        if groupBy != nil, format != nil || sort != nil {
            throw ValidationError("--group-by counts: it has no order or format")
        }
        if fields != nil, format == nil { throw ValidationError("--fields goes with --format") }
    }

    func run() throws {
        if groupBy != nil { return try count() }
        if format != nil {
            let items = try filter.items() + [("sort", sort), ("format", format), ("fields", fields)]
            _ = try client.ask("GET", "/v1/jobs" + query(items)) {
                printOctets($0)
                return true
            }
            return
        }
        var table = JobTable()
        var cursor: String?
        repeat {
            let paging: [(String, String?)] = [
                ("sort", sort), ("limit", String(all ? 500 : limit)), ("cursor", cursor),
            ]
            let answer = try client.ask("GET", "/v1/jobs" + query(try filter.items() + paging))
            if client.json { printOctets(answer.body + [0x0A]) }
            for job in answer.json?["items"]?.elements ?? [] { table.add(job) }
            cursor = all ? answer.json?["next_cursor"]?.string : nil
        } while cursor != nil
        if !client.json { table.print() }
    }

    private func count() throws {
        let answer = try client.ask("GET", "/v1/jobs" + query(try filter.items() + [("group_by", groupBy)]))
        if client.json { return printOctets(answer.body + [0x0A]) }
        let names = (answer.json?["group_by"]?.elements ?? []).compactMap(\.string)
        var table = Table(names.map { $0.uppercased() } + ["JOBS"])
        for group in answer.json?["groups"]?.elements ?? [] {
            table.add((names + ["count"]).map { group[$0].map(words) ?? "-" })
        }
        table.print()
        if answer.json?["complete"] == .bool(false) { complain("too many jobs to look at: these are not all of them") }
    }
}

/// Jobs as people read them: of a list, of a batch.
struct JobTable {
    private var table = Table(["ID", "NAME", "HOST", "HOST JOB", "STATE", "OUTCOME"])

    mutating func add(_ job: JSONValue) {
        let columns = ["id", "name", "host", "host_job", "state"].map { job[$0].map(words) ?? "-" }
        table.add(columns + [job["outcome"]?["text"]?.string ?? job["reason"]?.string ?? ""])
    }

    func print() { table.print() }
}
