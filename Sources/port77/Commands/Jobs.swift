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

struct Output: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a job's print-out, or one of its files.",
        discussion: "Example:  port77 output 01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --file 2 --raw > sysprint.bin")

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "One file by its number; all print files unless given.")
    var file: Int?

    @Flag(help: "The octets as the host sent them, carriage control included.")
    var raw = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        let target =
            file.map { "/v1/jobs/\(percentEncoded(id))/outputs/\($0)" } ?? "/v1/jobs/\(percentEncoded(id))/output"
        let accept = raw ? "application/octet-stream" : "text/plain"
        _ = try client.ask("GET", target, fields: ["Accept": accept]) {
            printOctets($0)
            return true
        }
    }
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List jobs, newest first.", discussion: "Example:  port77 list --state running --host demo")

    @Option(help: "Only jobs in this state. May be given again.")
    var state: [String] = []

    @Option(help: "Only jobs of this host.")
    var host: String?

    @Option(help: "Only jobs of this name; a trailing * matches any rest.")
    var name: String?

    @Option(help: "How many, 1 to 500.")
    var limit = 50

    @OptionGroup var client: ClientOptions

    func run() throws {
        var items: [(String, String?)] = [("host", host), ("name", name), ("limit", String(limit))]
        if !state.isEmpty { items.append(("state", state.joined(separator: ","))) }
        let answer = try client.ask("GET", "/v1/jobs" + query(items))
        if client.json {
            printOctets(answer.body + [0x0A])
            return
        }
        print(
            "\(padded("ID", 27))\(padded("NAME", 9))\(padded("HOST", 11))\(padded("HOST JOB", 10))\(padded("STATE", 11))OUTCOME"
        )
        for job in answer.json?["items"]?.elements ?? [] {
            let column = { (name: String, width: Int) in padded(job[name].map(words) ?? "-", width) }
            print(
                column("id", 27) + column("name", 9) + column("host", 11) + column("host_job", 10) + column("state", 11)
                    + (job["outcome"]?["text"]?.string ?? ""))
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

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follow a job, one line a change, until its end.",
        discussion: "Example:  port77 watch 01JDB2M3V9Q0R8S7T6W5X4Y3Z2")

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "Seconds to wait at most.")
    var timeout = 3600

    @OptionGroup var client: ClientOptions

    func run() throws {
        let end = ContinuousClock.now.advanced(by: .seconds(timeout))
        var after: Int64 = 0
        while true {
            let left = max(0, ContinuousClock.now.duration(to: end).components.seconds)
            let wait = after == 0 ? 0 : min(60, left)
            let page = try client.ask(
                "GET",
                "/v1/jobs/\(percentEncoded(id))/events"
                    + query([("after", String(after)), ("wait", String(wait))]), fields: ["Accept": "application/json"])
            for event in page.json?["items"]?.elements ?? [] {
                after = max(after, event["sequence"]?.int ?? 0)
                guard let data = event["event"]?["data"] ?? event["data"] else { continue }
                let words = data["outcome"]?["text"]?.string ?? data["reason"]?.string ?? ""
                if client.json {
                    print(String(decoding: page.body, as: UTF8.self))
                } else {
                    print(
                        "\(event["at"]?.string ?? event["timestamp"]?.string ?? "") \(data["state"]?.string ?? "") \(words)"
                    )
                }
            }
            let job = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))")
            let code = ClientExit.code(of: job.json)
            guard code != ClientExit.notFinished || left == 0 else { continue }
            if code != 0 { throw ExitCode(code) }
            return
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
