import ArgumentParser
import Foundation
import Wire

struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand in a deck; with --wait, print its print-out and end with the job's return code.",
        discussion: """
            Example:  port77 submit payroll.jcl --host demo --wait --notify https://ci.example/hook

            With --wait: \(ClientExit.words)
            """)

    @OptionGroup var deck: DeckOptions

    @Option(help: "A URL to be called when the job ends. May be given again.")
    var notify: [String] = []

    @Option(help: "With --notify: types of events with commas between, job.running,job.completed. (default: the ends)")
    var notifyEvents: String?

    @Option(help: "With --notify: a file with the secret (whsec_...) that signs instead of the gateway's.")
    var notifySecretFile: String?

    @Option(help: "Your own name for the job.")
    var correlator: String?

    @Option(help: "0 to 15, higher goes first.")
    var priority: Int?

    @Flag(help: "Store it, but do not send it until it is released.")
    var hold = false

    @Option(help: "KEY=VALUE, kept with the job. May be given again.")
    var label: [String] = []

    @Option(help: "Makes a repeat of this command find the same job.")
    var idempotencyKey: String?

    @Option(help: "Not sent before this time, as 2026-01-31T12:00:00Z.")
    var notBefore: String?

    @Option(help: "Expires when it was not sent before this time.")
    var notAfter: String?

    @Option(help: "Seconds of running after which the host is asked to cancel it.")
    var runLimit: Int?

    @Option(help: "What to do when nobody can tell whether the host has it: hold, resubmit or abandon.")
    var onUncertain: String?

    @Flag(help: "Wait for the end of the job.")
    var wait = false

    @Option(help: "Seconds to wait at most.")
    var timeout = 3600

    @OptionGroup var client: ClientOptions

    func run() throws {
        var items = try deck.items()
        items += [
            ("correlator", correlator), ("priority", priority.map(String.init)), ("hold", hold ? "true" : nil),
            ("not_before", notBefore), ("not_after", notAfter), ("timeout", runLimit.map(String.init)),
            ("on_uncertain", onUncertain),
        ]
        items += notify.map { ("notify", $0) }
        items.append(("notify_events", notifyEvents))
        for pair in label {
            guard let equals = pair.firstIndex(of: "=") else { throw ValidationError("--label takes KEY=VALUE") }
            items.append(("label.\(pair[..<equals])", String(pair[pair.index(after: equals)...])))
        }
        var fields = deck.fields
        fields["Idempotency-Key"] = idempotencyKey
        if let notifySecretFile {
            guard let octets = readSmallFile(notifySecretFile) else {
                throw ValidationError("\(notifySecretFile) cannot be read")
            }
            fields["Notify-Secret"] = String(decoding: octets, as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let answer = try client.ask("POST", "/v1/jobs" + query(items), fields: fields, body: try deck.read())
        guard let job = answer.json, let id = job["id"]?.string else {
            complain("the gateway's answer has no job")
            throw ExitCode(ClientExit.refused)
        }
        guard wait else {
            client.json ? printOctets(answer.body + [0x0A]) : print(id)
            return
        }
        if !client.json { complain("\(id) \(job["state"]?.string ?? "")") }
        let final = try waitForEnd(of: id, client, seconds: timeout)
        if client.json {
            printOctets(final.body + [0x0A])
        } else if final.json?["outputs"]?.elements?.isEmpty == false {
            _ = try client.ask("GET", "/v1/jobs/\(id)/output", fields: ["Accept": "text/plain"]) {
                printOctets($0)
                return true
            }
        }
        if !client.json, let job = final.json {
            complain(
                "\(id) \(job["state"]?.string ?? "") \(job["outcome"]?["text"]?.string ?? job["reason"]?.string ?? "")")
        }
        let code = ClientExit.code(of: final.json)
        if code != 0 { throw ExitCode(code) }
    }
}

/// Long requests, one after the other, each at most the gateway's limit.
func waitForEnd(of id: String, _ client: ClientOptions, seconds: Int) throws -> GatewayClient.Answer {
    let end = ContinuousClock.now.advanced(by: .seconds(seconds))
    while true {
        let left = max(0, ContinuousClock.now.duration(to: end).components.seconds)
        let answer = try client.ask("GET", "/v1/jobs/\(id)", fields: ["Prefer": "wait=\(min(60, max(1, left)))"])
        if ClientExit.code(of: answer.json) != ClientExit.notFinished || left == 0 { return answer }
    }
}
