import ArgumentParser
import Wire

struct DeckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deck", abstract: "Print a job's deck as it is sent.",
        discussion: "Example:  port77 deck 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --submitted > payroll.jcl")

    @Argument(help: "The job's ID.")
    var id: String

    @Flag(help: "As it was submitted: before template, symbols, tabs and long lines changed it.")
    var submitted = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        _ = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))/deck" + (submitted ? "?as=submitted" : "")) {
            printOctets($0)
            return true
        }
    }
}

struct Amend: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Change a job's labels, or its priority until it is sent.",
        discussion:
            "Example:  port77 amend 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --label checked=yes --drop-label todo --priority 7")

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "KEY=VALUE, set or changed. May be given again.")
    var label: [String] = []

    @Option(help: "KEY of a label that goes. May be given again.")
    var dropLabel: [String] = []

    @Option(help: "0 to 15, higher goes first.")
    var priority: Int?

    @OptionGroup var client: ClientOptions

    func validate() throws {
        if label.isEmpty, dropLabel.isEmpty, priority == nil {
            throw ValidationError("Say what is to change: --label, --drop-label or --priority.")
        }
    }

    func run() throws {
        var json = JSONWriter()
        json.beginObject()
        if let priority {
            json.key("priority")
            json.int(priority)
        }
        if !label.isEmpty || !dropLabel.isEmpty {
            json.key("labels")
            json.beginObject()
            for (name, value) in try pairs(label, "label") {
                json.key(String(name.dropFirst("label.".count)))
                json.string(value ?? "")
            }
            for name in dropLabel {
                json.key(name)
                json.null()
            }
            json.endObject()
        }
        json.endObject()
        let answer = try client.ask("PATCH", "/v1/jobs/\(percentEncoded(id))", json: json.bytes)
        if client.json { return printOctets(answer.body + [0x0A]) }
        let labels = (answer.json?["labels"]?.members ?? []).map { "\($0.name)=\($0.value.string ?? "")" }
        print(Terminal.plain("priority \(answer.json?["priority"].map(words) ?? "0") " + labels.joined(separator: " ")))
    }
}

struct Attempts: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how a deck was handed in, try by try.",
        discussion: "Example:  port77 attempts 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))/attempts")
        if client.json { return printOctets(answer.body + [0x0A]) }
        var table = Table(["NUMBER", "SESSION", "OPENED", "PHASE", "EVIDENCE"])
        for item in answer.json?["items"]?.elements ?? [] {
            table.add(["number", "session", "opened_at", "phase", "evidence"].map { item[$0].map(words) ?? "-" })
        }
        table.print()
    }
}

struct ReceiptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt", abstract: "Print the signed end of a job, as `port77 verify` reads it.",
        discussion: """
            Example:  port77 receipt 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 > payroll.receipt
                      port77 webhooks keys --json > keys.json
                      port77 verify payroll.receipt --keys keys.json --deck payroll.jcl
            """)

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))/receipt")
        if client.json { return printOctets(answer.body + [0x0A]) }
        let lines = ["webhook-id", "webhook-timestamp", "webhook-signature"].map {
            "\($0): \(answer.fields[$0] ?? "")\r\n"
        }
        printOctets(Array((lines.joined() + "\r\n").utf8) + answer.body)
    }
}
