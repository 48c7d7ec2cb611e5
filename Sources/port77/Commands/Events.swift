import ArgumentParser
import Glibc
import Wire

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened to all jobs and hosts, one line each.",
        discussion: """
            Example:  port77 events --after 0
                      port77 events --follow --json | jq .type

            Oldest first. With --follow and without --after it begins with what comes from now on. One job: port77 watch.
            """)

    @Option(help: "Only those behind the event of this number.")
    var after: Int?

    @Option(help: "At most so many, 1 to 500.")
    var limit = 50

    @Flag(help: "Go on with what comes, until interrupted; a gateway that is started again is asked again.")
    var follow = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        if follow { return try stream() }
        let answer = try client.ask(
            "GET", "/v1/events" + query([("after", after.map(String.init)), ("limit", String(limit))]))
        if client.json { return printOctets(answer.body + [0x0A]) }
        for event in answer.json?["items"]?.elements ?? [] { printOctets(Self.line(event)) }
    }

    private func stream() throws {
        var last = after.map(String.init)
        // What is wrong with the request is said once.
        _ = try client.ask("GET", "/v1/events?limit=1")
        while true {
            var lines = EventLines()
            var fields = ["Accept": "text/event-stream"]
            fields["Last-Event-ID"] = last
            do {
                let answer = try client.client.send("GET", "/v1/events", fields: fields) { piece in
                    for event in lines.take(piece) {
                        if let number = event.id { last = number }
                        if event.name == "snapshot" { continue }
                        if client.json {
                            printOctets(event.data + [0x0A])
                        } else if let document = try? JSONValue(parsing: event.data) {
                            printOctets(event.name == "gap" ? Self.gap(document) : Self.line(document))
                        }
                    }
                    return true
                }
                guard answer.status < 400 || answer.status >= 500 else {
                    complain("the gateway answered \(answer.status)")
                    throw ExitCode(ClientExit.refused)
                }
            } catch is GatewayClient.Failure {
                // Cut, or no gateway for a moment: once more from where it was.
            }
            sleep(1)
        }
    }

    private static func line(_ event: JSONValue) -> [UInt8] {
        let data = event["data"]
        let subject = data?["id"]?.string ?? data?["host"]?.string ?? ""
        let end = data?["outcome"]?["text"]?.string ?? data?["reason"]?.string ?? data?["text"]?.string ?? ""
        let text = [
            event["sequence"].map(words) ?? "", event["timestamp"]?.string ?? "", event["type"]?.string ?? "", subject,
            data?["name"]?.string ?? "", end,
        ].filter { !$0.isEmpty }.joined(separator: " ")
        return Array(Terminal.plain(text).utf8) + [0x0A]
    }

    private static func gap(_ document: JSONValue) -> [UInt8] {
        Array("-- events before \(document["oldest"].map(words) ?? "the next one") are not kept any more\n".utf8)
    }
}
