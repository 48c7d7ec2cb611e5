import ArgumentParser
import Foundation
import Wire

/// What is wished for a new job beside its deck: for `submit` and `resubmit`.
struct JobWishes: ParsableArguments {
    @Option(help: "A URL to be called when the job ends. May be given again.")
    var notify: [String] = []

    @Option(help: "With --notify: types of events with commas between, job.running,job.completed. (default: the ends)")
    var notifyEvents: String?

    @Option(
        help: "With --notify: a file with the secret (whsec_...) that signs instead of the gateway's.",
        completion: .file())
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

    @Flag(help: "Wait for the end, and print the print-out.")
    var wait = false

    @Option(help: "Seconds to wait at most.")
    var timeout = 3600

    func items() throws -> [(String, String?)] {
        [
            ("correlator", correlator), ("priority", priority.map(String.init)), ("hold", hold ? "true" : nil),
            ("not_before", notBefore), ("not_after", notAfter), ("timeout", runLimit.map(String.init)),
            ("on_uncertain", onUncertain), ("notify_events", notifyEvents),
        ] + notify.map { ("notify", $0) } + (try pairs(label, "label"))
    }

    func fields() throws -> [String: String] {
        var fields: [String: String] = [:]
        fields["Idempotency-Key"] = idempotencyKey
        if let notifySecretFile {
            guard let octets = readSmallFile(notifySecretFile) else {
                throw ValidationError("\(notifySecretFile) cannot be read")
            }
            fields["Notify-Secret"] = String(decoding: octets, as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return fields
    }

    /// Prints the ID of what has been made, a job or a batch; with --wait what it printed, and ends as it did.
    func follow(_ answer: GatewayClient.Answer, _ client: ClientOptions) throws {
        guard let made = answer.json, let id = made["id"]?.string else {
            complain("the gateway's answer has no job")
            throw ExitCode(ClientExit.refused)
        }
        guard wait else { return client.json ? printOctets(answer.body + [0x0A]) : print(id) }
        let isBatch = made["jobs"] != nil
        if !client.json {
            complain(isBatch ? "\(id) \(made["size"].map(words) ?? "") jobs" : "\(id) \(made["state"]?.string ?? "")")
        }
        let ended = try waitForEnd(of: (isBatch ? "/v1/batches/" : "/v1/jobs/") + id, client, seconds: timeout)
        if client.json { printOctets(ended.body + [0x0A]) }
        for job in ended.json?["jobs"]?.elements ?? [ended.json].compactMap(\.self) where !client.json {
            try Self.printOut(of: job, client)
        }
        let code = ClientExit.code(ofAll: ended.json)
        if code != 0 { throw ExitCode(code) }
    }

    private static func printOut(of job: JSONValue, _ client: ClientOptions) throws {
        guard let id = job["id"]?.string else { return }
        // (Of a job in a batch the document does not say which files there are.)
        let files = job["outputs"]?.elements ?? client.outputs(of: id)
        if !files.isEmpty {
            _ = try client.ask("GET", "/v1/jobs/\(id)/output", fields: ["Accept": "text/plain"]) {
                printOctets($0)
                return true
            }
        }
        let end = job["outcome"]?["text"]?.string ?? job["reason"]?.string ?? ""
        complain(Terminal.plain("\(id) \(job["name"]?.string ?? "") \(job["state"]?.string ?? "") \(end)"))
    }
}

extension ClientOptions {
    fileprivate func outputs(of id: String) -> [JSONValue] {
        (try? client.send("GET", "/v1/jobs/\(id)/outputs"))?.json?["items"]?.elements ?? []
    }
}

/// Long requests, one after the other, each at most the gateway's limit.
///
/// - Parameter target: of a job or a batch.
func waitForEnd(of target: String, _ client: ClientOptions, seconds: Int) throws -> GatewayClient.Answer {
    let end = ContinuousClock.now.advanced(by: .seconds(seconds))
    var told: String?
    var longest: Int64 = 2  // soon for once, so that what keeps it waiting is told
    while true {
        let left = max(0, ContinuousClock.now.duration(to: end).components.seconds)
        let answer = try client.ask("GET", target, fields: ["Prefer": "wait=\(min(longest, max(1, left)))"])
        if ClientExit.code(ofAll: answer.json) != ClientExit.notFinished || left == 0 { return answer }
        longest = 60
        if !client.json, let reason = answer.json?["reason"]?.string, reason != told {
            complain(Terminal.plain("\(answer.json?["state"]?.string ?? "waiting"): \(reason)"))
            told = reason
        }
    }
}
