import ArgumentParser
import Wire

struct Hosts: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look after the hosts of a running gateway.",
        subcommands: [ListHosts.self, Show.self, Drain.self, Resume.self, Retry.self, Console.self],
        defaultSubcommand: ListHosts.self)

    struct ListHosts: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "One line a host: state, sessions, jobs.",
            discussion: "Example:  port77 hosts")

        @OptionGroup var client: ClientOptions

        func run() throws {
            let answer = try client.ask("GET", "/v1/hosts")
            if client.json {
                printOctets(answer.body + [0x0A])
                return
            }
            for host in answer.json?["items"]?.elements ?? [] { print(Hosts.line(host)) }
        }
    }

    struct Drain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send nothing more to a host; what it has is followed to its end.",
            discussion: "It stays so over restarts, until resumed.  Example:  port77 hosts drain payroll")

        @Argument(help: "The host's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws { try client.show("drain", of: id) }
    }

    struct Resume: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send to a drained host again.", discussion: "Example:  port77 hosts resume payroll")

        @Argument(help: "The host's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws { try client.show("resume", of: id) }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a host: what it can do, its sessions, what waits for it.",
            discussion: "Example:  port77 hosts show payroll")

        @Argument(help: "The host's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws { client.show(try client.ask("GET", "/v1/hosts/\(percentEncoded(id))")) }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Try a host now: after a refused log-on whose cause has been mended, or in a pause between tries.",
            discussion: "Example:  port77 hosts retry payroll")

        @Argument(help: "The host's ID.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() throws { try client.show("retry", of: id) }
    }

    struct Console: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a command to a host's operator console; without one, show what was said there.",
            discussion: "The command is in the audit log.  Example:  port77 hosts console payroll '$D'")

        @Argument(help: "The host's ID.")
        var id: String

        @Argument(help: "The command, in the host's language.")
        var command: [String] = []

        @OptionGroup var client: ClientOptions

        func run() throws {
            let path = "/v1/hosts/\(percentEncoded(id))/console"
            var fields = ["Accept": client.json ? "application/json" : "text/plain"]
            if command.isEmpty {
                printOctets(try client.ask("GET", path, fields: fields).body)
            } else {
                var json = JSONWriter()
                json.beginObject()
                json.key("command")
                json.string(command.joined(separator: " "))
                json.endObject()
                fields["Content-Type"] = "application/json"
                printOctets(try client.ask("POST", path, fields: fields, body: json.bytes).body)
            }
            if client.json { printOctets([0x0A]) }
        }
    }

    fileprivate static func line(_ host: JSONValue) -> String {
        let jobs = (host["jobs"]?.members ?? []).map { "\($0.name) \($0.value.int ?? 0)" }.joined(separator: ", ")
        let state = (host["state"]?.string ?? "") + (host["draining"] == .bool(true) ? ", drained" : "")
        return [
            host["id"]?.string ?? "", host["protocol"]?.string ?? "", host["address"]?.string ?? "", state,
            "sessions \(host["pool"]?["sessions_up"]?.int ?? 0)/\(host["pool"]?["sessions_limit"]?.int ?? 0)",
            jobs.isEmpty ? "no jobs" : jobs,
        ].joined(separator: "  ")
    }
}

extension ClientOptions {
    fileprivate func show(_ action: String, of host: String) throws {
        let answer = try ask("POST", "/v1/hosts/\(percentEncoded(host))/\(action)")
        if json {
            printOctets(answer.body + [0x0A])
        } else if let host = answer.json {
            print(Hosts.line(host))
        }
    }
}
