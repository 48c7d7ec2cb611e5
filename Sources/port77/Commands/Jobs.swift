import ArgumentParser
import Wire

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show one job.", discussion: "Example:  port77 status 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))")
        if client.json {
            printOctets(answer.body + [0x0A])
            return
        }
        guard let job = answer.json else { return }
        for name in [
            "id", "host", "name", "host_job", "state", "reason", "position", "created_at", "submitted_at", "started_at",
            "ended_at", "attempts", "timeout", "cancel_effect",
        ] {
            if let value = job[name] { print("\(padded(name, 13))\(words(value))") }
        }
        if let attempt = job["uncertain"] {
            print(
                "\(padded("seen", 13))\(attempt["phase"].map(words) ?? "") over \(attempt["session"].map(words) ?? ""): "
                    + (attempt["evidence"].map(words) ?? "nothing"))
        }
        if let text = job["outcome"]?["text"]?.string { print("\(padded("outcome", 13))\(text)") }
        for file in job["outputs"]?.elements ?? [] {
            let dd = file["dd"].map(words) ?? "-"
            print(
                "\(padded("output", 13))\(file["number"].map(words) ?? "") \(dd) \(file["records"].map(words) ?? "0") records"
            )
        }
    }
}

struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel a job, wherever it is.", discussion: "Example:  port77 cancel 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.ask("POST", "/v1/jobs/\(percentEncoded(id))/cancel")
        if client.json {
            printOctets(answer.body + [0x0A])
        } else {
            print(answer.json?["effect"]?.string ?? "")
        }
    }
}

func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
}

func words(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): text
    case .int(let number): String(number)
    case .double(let number): String(number)
    case .bool(let isTrue): isTrue ? "yes" : "no"
    case .null, .array, .object: ""
    }
}
