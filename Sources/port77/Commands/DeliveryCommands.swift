import ArgumentParser
import Wire

extension WebhookCommands {
    struct Deliveries: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List what was sent to a receiver, newest first, or for a job, with every try.",
            discussion: """
                Example:  port77 webhooks deliveries wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --state dead
                          port77 webhooks deliveries --job 01JDB2M3V9Q0R8S7T6W5X4Y3Z2
                """)

        @Argument(help: "The receiver's ID.")
        var id: String?

        @Option(help: "What was sent for this job instead, oldest first.")
        var job: String?

        @Option(help: "pending, delivered, dead, paused or canceled. May be given again.")
        var state: [String] = []

        @Option(help: "A type of event, as job.completed or job.*")
        var type: String?

        @Option(help: "Events then or later, as 2026-01-31T12:00:00Z.")
        var since: String?

        @Option(help: "How many, 1 to 500.")
        var limit = 50

        @OptionGroup var client: ClientOptions

        func validate() throws {
            if (id == nil) == (job == nil) { throw ValidationError("Name a receiver, or a job by --job.") }
            if job != nil, !state.isEmpty || type != nil || since != nil {
                throw ValidationError("--state, --type and --since go with a receiver.")
            }
        }

        func run() throws {
            var items: [(String, String?)] = [("type", type), ("since", since), ("limit", String(limit))]
            if !state.isEmpty { items.append(("state", state.joined(separator: ","))) }
            let place =
                job.map { "/v1/jobs/\(percentEncoded($0))/deliveries" }
                ?? "/v1/webhooks/\(percentEncoded(id ?? ""))/deliveries" + query(items)
            let answer = try client.ask("GET", place)
            if client.json { return printOctets(answer.body + [0x0A]) }
            for delivery in answer.json?["items"]?.elements ?? [] { DeliveryWords.print(delivery) }
        }
    }

    struct Delivery: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one delivery with its tries.", discussion: "Example:  port77 webhooks delivery 17")

        @Argument(help: "Its number.")
        var delivery: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("GET", "/v1/deliveries/\(percentEncoded(delivery))")
            if client.json { return printOctets(answer.body + [0x0A]) }
            if let delivery = answer.json { DeliveryWords.print(delivery) }
        }
    }

    struct Redeliver: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send one delivery once more, whatever became of it.",
            discussion: "Example:  port77 webhooks redeliver 4711")

        @Argument(help: "The delivery's number.")
        var delivery: String

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("POST", "/v1/deliveries/\(percentEncoded(delivery))/redeliver")
            if client.json { return printOctets(answer.body + [0x0A]) }
            if let delivery = answer.json { DeliveryWords.print(delivery) }
        }
    }

    struct Recover: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send again what a receiver missed in a range of time.",
            discussion: """
                Example:  port77 webhooks recover wh_01JDB2M3V9Q0R8S7T6W5X4Y3Z2 --since 2026-01-31T12:00:00Z
                """)

        @Argument(help: "The receiver's ID.")
        var id: String

        @Option(help: "Events then or later, as 2026-01-31T12:00:00Z.")
        var since: String

        @Option(help: "Events then or earlier. (default: now)")
        var until: String?

        @Option(
            help:
                "Which of the deliveries there are: dead, paused, canceled, delivered. May be given again. (default: dead, paused)"
        )
        var state: [String] = []

        @OptionGroup var client: ClientOptions

        func run() throws {
            var json = JSONWriter()
            json.beginObject()
            json.key("since")
            json.string(since)
            if let until {
                json.key("until")
                json.string(until)
            }
            if !state.isEmpty {
                json.key("states")
                json.beginArray()
                for name in state { json.string(name) }
                json.endArray()
            }
            json.endObject()
            let answer = try client.ask("POST", "/v1/webhooks/\(percentEncoded(id))/recover", json: json.bytes)
            if client.json { return printOctets(answer.body + [0x0A]) }
            print("\(answer.json?["count"].map(words) ?? "0") deliveries are on their way")
        }
    }
}

/// Deliveries for people.
enum DeliveryWords {
    static func print(_ delivery: JSONValue) {
        let column = { (name: String, width: Int) in padded(delivery[name].map(words) ?? "-", width) }
        let next = delivery["next_at"]?.string.map { " next try \($0)" } ?? ""
        Swift.print(
            column("id", 9) + column("state", 10) + column("event_type", 15) + column("job", 27)
                + (delivery["event_id"]?.string ?? "") + next)
        for attempt in delivery["attempts"]?.elements ?? [] { Swift.print("         " + line(of: attempt)) }
    }

    static func line(of attempt: JSONValue) -> String {
        let octets = attempt["sent_octets"].map { sent in
            "sent \(words(sent))" + (attempt["received_octets"].map { ", got \(words($0))" } ?? "") + " octets"
        }
        return [
            attempt["at"]?.string, attempt["result"]?.string, attempt["status"].map(words), attempt["address"]?.string,
            attempt["http_version"]?.string.map { "HTTP/\($0)" }, attempt["tls_version"]?.string.map { "TLS \($0)" },
            attempt["duration_ms"].map { "\(words($0)) ms" }, octets, attempt["batch"]?.string,
            attempt["detail"]?.string,
        ].compactMap(\.self).joined(separator: " ")
    }
}
