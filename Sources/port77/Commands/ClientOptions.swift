import ArgumentParser
import Foundation
import Wire

/// Where the gateway is; shared by all client commands.
struct ClientOptions: ParsableArguments {
    @Option(
        help: "The gateway's URL, or unix:/PATH. (default: $PORT77_URL or http://127.0.0.1:8077)")
    var gateway: String?

    @Option(help: "The API key; better in $PORT77_KEY or the file ~/.config/port77/key, where `ps` does not show it.")
    var key: String?

    @Option(
        help:
            "PEM file with the authorities to trust for https, or the gateway's own certificate. (default: $PORT77_CA_FILE)"
    )
    var caFile: String?

    @Option(help: "Ask by this socket of the file system. (default: $PORT77_UNIX_SOCKET)", completion: .file())
    var unixSocket: String?

    @Option(
        help: "PEM file with the certificate to show, and its key unless --client-key names it.", completion: .file())
    var clientCertificate: String?

    @Option(help: "PEM file with the key of --client-certificate.", completion: .file())
    var clientKey: String?

    @Flag(name: .long, help: "Print the gateway's JSON as it is.")
    var json = false

    var client: GatewayClient {
        let environment = ProcessInfo.processInfo.environment
        var base = gateway ?? environment["PORT77_URL"] ?? "http://127.0.0.1:8077"
        var socket = unixSocket ?? (gateway == nil ? environment["PORT77_UNIX_SOCKET"] : nil)
        if base.hasPrefix("unix:") {
            socket = String(base.dropFirst(5))
            base = "http://localhost"
        }
        var client = GatewayClient(base: base, key: key ?? environment["PORT77_KEY"] ?? Self.storedKey(environment))
        client.unixSocket = socket
        client.authorities = caFile ?? environment["PORT77_CA_FILE"]
        client.certificate = clientCertificate
        client.certificateKey = clientKey
        return client
    }

    /// The first line of `$XDG_CONFIG_HOME/port77/key`.
    private static func storedKey(_ environment: [String: String]) -> String? {
        let home = environment["XDG_CONFIG_HOME"] ?? environment["HOME"].map { $0 + "/.config" }
        guard let home, let octets = readSmallFile("\(home)/port77/key") else { return nil }
        let line = String(decoding: octets, as: UTF8.self).prefix { !$0.isNewline }
        return line.isEmpty ? nil : String(line)
    }

    /// - Parameter files: which the problem may be about.
    /// - Returns: the answer when it is a success; otherwise prints the problem and ends with `ClientExit.refused`.
    func ask(
        _ method: String, _ target: String, fields: [String: String] = [:], body: [UInt8]? = nil,
        files: DeckOptions? = nil, piece: (([UInt8]) -> Bool)? = nil
    ) throws -> GatewayClient.Answer {
        let answer: GatewayClient.Answer
        do {
            answer = try client.send(method, target, fields: fields, body: body, piece: piece)
        } catch let failure as GatewayClient.Failure {
            complain(failure.description)
            throw ExitCode(ClientExit.noGateway)
        }
        guard answer.status < 400 else {
            complain(Self.words(of: answer, files))
            throw ExitCode(ClientExit.refused)
        }
        return answer
    }

    private static func words(of answer: GatewayClient.Answer, _ files: DeckOptions?) -> String {
        guard let problem = answer.json, let title = problem["title"]?.string else {
            let text = String(decoding: answer.body.prefix(2_000), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            // A problem as text: there is nothing to add.
            return text.hasPrefix("error: ")
                ? String(text.dropFirst(7)) : "the gateway answered \(answer.status): \(text)"
        }
        var lines = [problem["detail"]?.string.map { "\(title): \($0)" } ?? title]
        for item in problem["errors"]?.elements ?? [] {
            guard let detail = item["detail"]?.string else { continue }
            if let line = item["line"]?.int {
                let file = files.map { $0.files.count > 1 ? "\($0.file(of: item)), " : "" } ?? ""
                lines.append("  \(file)line \(line), column \(item["column"]?.int ?? 1): \(detail)")
            } else {
                lines.append("  \(item["pointer"]?.string ?? ""): \(detail)")
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// Exit codes of the client commands beside a job's own return code (0-255, larger ones as 255).
enum ClientExit {
    static let table: [(code: String, meaning: String)] = [
        ("0-249", "the return code of the job, for submit --wait and watch (larger ones are 255)"),
        ("250", "no gateway answered"), ("251", "the gateway refused the request; its words are on standard error"),
        ("252", "the job failed, was rejected, canceled or expired"), ("253", "the job did not end in time"),
        ("254", "standard output could not be written"),
    ]

    static let words = """
        Exit codes: the job's return code (at most 255); 250 no gateway, 251 refused, 252 the job failed, was rejected, \
        canceled or expired, 253 not finished in time, 254 output not written.
        """
    static let noGateway: Int32 = 250
    static let refused: Int32 = 251
    static let jobFailed: Int32 = 252
    static let notFinished: Int32 = 253
    static let outputLost: Int32 = 254

    /// The return code of the job, or why there is none.
    static func code(of job: JSONValue?) -> Int32 {
        guard let job, let state = job["state"]?.string else { return jobFailed }
        switch state {
        case "completed": return Int32(clamping: min(255, max(0, job["outcome"]?["return_code"]?.int ?? 0)))
        case "failed", "rejected", "canceled", "expired": return jobFailed
        default: return notFinished
        }
    }

    /// The same of a batch: what is worst of its jobs.
    static func code(ofAll document: JSONValue?) -> Int32 {
        guard let jobs = document?["jobs"]?.elements else { return code(of: document) }
        let codes = jobs.map { code(of: $0) }
        if codes.contains(notFinished) { return notFinished }
        return codes.contains(jobFailed) ? jobFailed : codes.max() ?? jobFailed
    }
}

/// For a query or a path segment.
func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for octet in text.utf8 {
        switch octet {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
            encoded.unicodeScalars.append(Unicode.Scalar(octet))
        default: encoded += "%" + Hex.encode([octet]).uppercased()
        }
    }
    return encoded
}

func query(_ items: [(String, String?)]) -> String {
    let parts = items.compactMap { name, value in value.map { "\(percentEncoded(name))=\(percentEncoded($0))" } }
    return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
}
