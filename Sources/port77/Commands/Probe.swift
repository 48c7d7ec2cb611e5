import ArgumentParser
import Lines
import Protocols
import Stations
import Wire

struct Probe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out what answers on the ports of RJE: 5, 71 to 74 and 77.",
        discussion: """
            Example:  port77 probe mainframe.example 10.0.0.7:77 [fd00::7]:10005 --json

            Connects, listens, says what speaks there: PRIV-RJE, RJE (RFC 407), NETRJS (RFC 740), or something that has no business
            on these ports. Only where nobody greets it asks, as a web client and as a TLS client would (--listen-only: never).

            Exit codes: 0 an RJE server answers somewhere, and nobody else sits on these ports; 1 no RJE server answers;
            2 something else sits on a port of RJE: investigate.
            """)

    @Argument(help: "HOST for all six ports, HOST:PORT for one.")
    var targets: [String]

    @Option(help: "How long to wait for a greeting, in seconds.")
    var listenSeconds = 5

    @Option(help: "How long to wait for a connection, in seconds.")
    var connectSeconds = 5

    @Flag(help: "Never send an octet.")
    var listenOnly = false

    @Flag(help: "Print one JSON object.")
    var json = false

    private struct Target: Sendable {
        let host: String
        let port: Int
    }

    func validate() throws {
        guard !targets.isEmpty else { throw ValidationError("name at least one HOST or HOST:PORT") }
        guard (1...600).contains(listenSeconds), (1...600).contains(connectSeconds) else {
            throw ValidationError("seconds are 1 to 600")
        }
    }

    func run() async throws {
        var wanted: [Target] = []
        for text in targets {
            guard let one = HostPort(text, defaultPort: 0) else {
                throw ValidationError("\(text) is neither HOST nor HOST:PORT")
            }
            let ports = one.port == 0 ? ProbeFinding.ports : [one.port]
            wanted += ports.map { Target(host: one.host, port: $0) }
        }
        Signals.raiseDescriptorLimit()
        let loops = try EventLoopGroup(count: 1, name: "probe")
        loops.start()
        var settings = Prober.Settings()
        settings.listenTime = .seconds(listenSeconds)
        settings.connectTime = .seconds(connectSeconds)
        settings.listensOnly = listenOnly
        let findings = await findings(of: wanted, by: Prober(settings, loops: loops))
        await loops.stopAndWait()
        let lines = zip(wanted, findings)
        json ? printJSON(Array(lines)) : printTable(Array(lines))
        if lines.contains(where: { $1.isStranger(on: $0.port) }) { throw ExitCode(2) }
        if !findings.contains(where: \.isRJE) { throw ExitCode(1) }
    }

    /// A hundred at once.
    private func findings(of targets: [Target], by prober: Prober) async -> [ProbeFinding] {
        await withTaskGroup(of: (Int, ProbeFinding).self) { group in
            var found = [ProbeFinding](repeating: .filtered, count: targets.count)
            for (at, target) in targets.enumerated() {
                if at >= 100, let (done, finding) = await group.next() { found[done] = finding }
                group.addTask { (at, await prober.probe(host: target.host, port: target.port)) }
            }
            for await (done, finding) in group { found[done] = finding }
            return found
        }
    }

    private static func spelled(_ target: Target) -> String {
        target.host.contains(":") ? "[\(target.host)]:\(target.port)" : "\(target.host):\(target.port)"
    }

    private func printTable(_ lines: [(Target, ProbeFinding)]) {
        let width = (lines.map { Self.spelled($0.0).utf8.count }.max() ?? 0) + 2
        for (target, finding) in lines {
            print("\(padded(Self.spelled(target), width))\(finding.says)")
            if case .speaks(_, let excerpt) = finding { print("\(padded("", width))  it says: \(excerpt)") }
            if let advice = finding.advice(on: target.port) { print("\(padded("", width))  \(advice)") }
        }
    }

    private func printJSON(_ lines: [(Target, ProbeFinding)]) {
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for (target, finding) in lines {
            json.beginObject()
            json.key("host")
            json.string(target.host)
            json.key("port")
            json.int(target.port)
            json.key("finding")
            json.string(finding.word)
            json.key("rje")
            json.bool(finding.isRJE)
            json.key("investigate")
            json.bool(finding.isStranger(on: target.port))
            json.key("detail")
            json.string(finding.says)
            if case .speaks(_, let excerpt) = finding {
                json.key("excerpt")
                json.string(excerpt)
            }
            if let advice = finding.advice(on: target.port) {
                json.key("advice")
                json.string(advice)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        printOctets(json.bytes + [0x0A])
    }
}
