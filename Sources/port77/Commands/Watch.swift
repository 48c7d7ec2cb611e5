import ArgumentParser
import Glibc
import Wire

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follow a job, one line a change, until its end.",
        discussion: """
            Example:  port77 watch 01JDB2M3V9Q0R8S7T6W5X4Y3Z2

            A gateway that is started again meanwhile is asked again, and no change is left out. With --json a line is an event as \
            the gateway sends it.

            \(ClientExit.words)
            """)

    @Argument(help: "The job's ID.")
    var id: String

    @Option(help: "Seconds to wait at most.")
    var timeout = 3600

    @OptionGroup var client: ClientOptions

    func run() throws {
        let end = ContinuousClock.now.advanced(by: .seconds(timeout))
        var last: String?
        var hasShown = false
        var isOver = false
        // What is wrong with the request is said once, and not tried for an hour.
        _ = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))")
        while !isOver {
            let left = ContinuousClock.now.duration(to: end)
            guard left > .zero else { break }
            var lines = EventLines()
            var fields = ["Accept": "text/event-stream"]
            fields["Last-Event-ID"] = last
            do {
                let answer = try client.client.send(
                    "GET", "/v1/jobs/\(percentEncoded(id))/events" + (last == nil ? "?after=0" : ""), fields: fields,
                    limit: left
                ) { piece in
                    for event in lines.take(piece) {
                        if let number = event.id { last = number }
                        if event.name == "end" { isOver = true } else { show(event, &hasShown) }
                    }
                    return !isOver
                }
                // All of it has been told before.
                if answer.status == 204 { isOver = true }
                guard answer.status < 400 || answer.status >= 500 else { break }
            } catch is GatewayClient.Failure {
                // Cut, or no gateway for a moment: once more from where it was.
            }
            if !isOver, ContinuousClock.now.duration(to: end) > .seconds(1) { sleep(1) }
        }
        let job = try client.ask("GET", "/v1/jobs/\(percentEncoded(id))")
        let code = ClientExit.code(of: job.json)
        if code != 0 { throw ExitCode(code) }
    }

    private func show(_ event: EventLines.Event, _ hasShown: inout Bool) {
        if client.json {
            printOctets(event.data + [0x0A])
        } else if let document = try? JSONValue(parsing: event.data) {
            let data = document["data"] ?? document
            guard let state = data["state"]?.string, event.name != "snapshot" || !hasShown else { return }
            let time = document["timestamp"]?.string ?? data["changed_at"]?.string ?? data["created_at"]?.string ?? ""
            let words = data["outcome"]?["text"]?.string ?? data["reason"]?.string ?? ""
            // A line that is followed is read at once, also through a pipe.
            printOctets(Array(Terminal.plain("\(time) \(state) \(words)").utf8) + [0x0A])
        }
        hasShown = true
    }
}
