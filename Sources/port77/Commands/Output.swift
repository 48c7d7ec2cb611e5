import ArgumentParser

struct Output: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a job's print-out, or one of its files.",
        discussion: """
            Example:  port77 output 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --tail 100
                      port77 output 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --file 2 --raw > sysprint.bin
                      port77 output 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --format pdf > payroll.pdf
                      port77 output 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --follow
            """)

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "One file by its number; all print files unless given.")
    var file: Int?

    @Option(help: "text, raw, html, pdf, records, ndjson, or zip for everything of the job.")
    var format: String?

    @Flag(help: "The octets as the host sent them, carriage control included: --format raw.")
    var raw = false

    @Option(help: "Only the last lines, so many.")
    var tail: Int?

    @Option(help: "Only these lines: 1-100, 100-, or one number.")
    var lines: String?

    @Option(help: "Only these records as the host counts them: 1-100, 100-, -100.")
    var records: String?

    @Flag(help: "All there is, then what comes, until the job ends.")
    var follow = false

    @OptionGroup var client: ClientOptions

    func validate() throws {
        let parts = [tail != nil, lines != nil, records != nil, follow].filter { $0 }.count
        if parts > 1 { throw ValidationError("only one of --tail, --lines, --records and --follow") }
        if raw, format != nil { throw ValidationError("--raw is --format raw") }
        if let tail, tail < 1 { throw ValidationError("--tail takes a number from 1") }
    }

    func run() throws {
        let job = "/v1/jobs/\(percentEncoded(id))"
        if client.json { return printOctets(try client.ask("GET", job + "/outputs").body + [0x0A]) }
        let items: [(String, String?)] = [
            ("format", format), ("lines", tail.map { "-\($0)" } ?? lines), ("records", records),
            ("follow", follow ? "1" : nil),
        ]
        let accept = format != nil ? "*/*" : raw ? "application/octet-stream" : "text/plain"
        let target = file.map { "\(job)/outputs/\($0)" } ?? "\(job)/output"
        _ = try client.ask("GET", target + query(items), fields: ["Accept": accept]) {
            printOctets($0)
            return true
        }
    }
}
