import ArgumentParser
import Wire

struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand in a deck; with --wait, print its print-out and end with the job's return code.",
        discussion: """
            Example:  port77 submit payroll.jcl --host demo --wait --notify https://ci.example/hook
                      port77 submit night/*.jcl --wait
                      port77 submit all.jcl --split

            Several files, or one with --split, are a batch: all jobs are stored or none is, and its ID is printed.

            With --wait: \(ClientExit.words)
            """)

    @OptionGroup var deck: DeckOptions
    @OptionGroup var wishes: JobWishes
    @OptionGroup var client: ClientOptions

    func run() throws {
        let fields = deck.fields.merging(try wishes.fields()) { $1 }
        let answer = try client.ask(
            "POST", "/v1/jobs" + query(try deck.items() + wishes.items()), fields: fields, body: try deck.body(),
            files: deck)
        try wishes.follow(answer, client)
    }
}

struct Resubmit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand in the deck of an ended job again, as a new job.",
        discussion: """
            Example:  port77 resubmit 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --label try=2 --wait

            Host, name, priority, labels, correlator and limits are those of the old job unless said otherwise; who is notified \
            is said anew.

            With --wait: \(ClientExit.words)
            """)

    @Argument(help: "The ended job's ID.")
    var id: String

    @OptionGroup var wishes: JobWishes
    @OptionGroup var client: ClientOptions

    func run() throws {
        let target = "/v1/jobs/\(percentEncoded(id))/resubmit" + query(try wishes.items())
        try wishes.follow(try client.ask("POST", target, fields: try wishes.fields()), client)
    }
}

struct Batch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the jobs that were handed in together.",
        discussion: """
            Example:  port77 batch 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --wait

            With --wait the exit code is that of the worst job: \(ClientExit.words)
            """)

    @Argument(help: "The batch's ID.")
    var id: String

    @Flag(help: "Wait for the end of all of them.")
    var wait = false

    @Option(help: "Seconds to wait at most.")
    var timeout = 3600

    @OptionGroup var client: ClientOptions

    func run() throws {
        let target = "/v1/batches/\(percentEncoded(id))"
        let answer = wait ? try waitForEnd(of: target, client, seconds: timeout) : try client.ask("GET", target)
        if client.json {
            printOctets(answer.body + [0x0A])
        } else {
            var table = JobTable()
            for job in answer.json?["jobs"]?.elements ?? [] { table.add(job) }
            table.print()
        }
        let code = wait ? ClientExit.code(ofAll: answer.json) : 0
        if code != 0 { throw ExitCode(code) }
    }
}
