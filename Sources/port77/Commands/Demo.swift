import ArgumentParser
import Foundation
import HTTPCore
import Jobs
import Lines
import Logging
import ReferenceHost
import Synchronization
import Webhooks
import Wire

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One deck through a host, a gateway and a webhook receiver in this process; every step printed.",
        discussion: "Example:  port77 demo")

    @Flag(help: "Leave host and gateway running for the browser until Ctrl-C.")
    var stay = false

    func run() async throws {
        let terminations = Signals.stream()
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-demo-\(UUID())").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }

        var hostSettings = HostSettings()
        hostSettings.listen = SocketAddress(.loopback, port: 0)
        hostSettings.users = [HostSettings.User(name: "RMT1", password: "secret")]
        let host = BatchHost(hostSettings)
        let hostAddress = try await host.start()
        step("a batch host is up: PRIV-RJE on \(hostAddress), user RMT1, four initiators")

        let secret = SigningKey.newSecret()
        let receiver = try DemoReceiver(secret: secret)
        step("a webhook receiver is up: \(receiver.url)")

        var settings = Configuration.withoutFile
        settings.listen = [.init(.place(.address(SocketAddress(.loopback, port: 0))))]
        settings.data = folder + "/data"
        settings.hosts[0].address = HostPort(host: "127.0.0.1", port: Int(hostAddress.port))
        settings.webhooks.secret = .known(secret)
        settings.webhooks.allowNetworks = ["127.0.0.0/8"]
        settings.log.level = "error"
        let gateway = try await RunningGateway(settings, environment: [:], log: Logs.makeLogger(settings.log))
        step("the gateway is up: \(gateway.url), its store in \(folder)")

        let story = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await host.run() }
            group.addTask { await gateway.run() }
            let story = try await tell(gateway: gateway, receiver: receiver, folder: folder)
            if stay, story {
                step("host and gateway stay up: open \(gateway.url)/ (Ctrl-C ends)")
                for await _ in terminations { break }
            }
            await gateway.stop(grace: .seconds(5))
            await host.stop()
            await receiver.stop()
            return story
        }
        guard story else { throw ExitCode(1) }
        step("done: the deck ran, its print-out came back, the callback was signed and verified")
    }

    /// - Returns: whether everything was as promised.
    private func tell(gateway: RunningGateway, receiver: DemoReceiver, folder: String) async throws -> Bool {
        let deck = """
            //HELLO    JOB (1),'PORT77 DEMO',CLASS=A
            //STEP1    EXEC PGM=ECHO
            //SYSPRINT DD SYSOUT=*
            //SYSIN    DD *
            HELLO FROM THE OTHER SIDE OF PORT 77.
            /*

            """
        let file = folder + "/hello.jcl"
        try Data(deck.utf8).write(to: URL(fileURLWithPath: file))
        step("the deck, hello.jcl:")
        show(deck)
        let base = "\(gateway.url)"
        let call = [
            "-sS", "-i", "-T", file, "-H", "Prefer: wait=60", "-H", "Accept: text/plain",
            "\(base)/v1/jobs?host=demo&notify=\(receiver.url)",
        ]
        step("curl -T hello.jcl -H 'Prefer: wait=60' -H 'Accept: text/plain' '\(call.last ?? "")'")
        let answer = try await curl(call)
        show(answer)
        guard answer.contains("HELLO FROM THE OTHER SIDE OF PORT 77."),
            let location = field("location", of: answer)
        else {
            complain("the print-out did not come back")
            return false
        }
        step("curl \(base)\(location)")
        let document = try await curl(["-sS", base + location])
        show(document)
        guard document.contains("\"CC 0000\"") else {
            complain("the job did not end with CC 0000")
            return false
        }
        guard let hook = await receiver.next(within: .seconds(30)) else {
            complain("no webhook came")
            return false
        }
        step("the receiver got \(hook.id); its signature is \(hook.isVerified ? "verified" : "WRONG")")
        show(hook.body)
        return hook.isVerified && hook.body.contains("\"type\":\"job.completed\"")
    }

    private func step(_ words: String) { printReady("==> \(words)") }

    private func show(_ text: String) {
        for line in lines(text) { printReady("    \(line)") }
    }

    private func lines(_ text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    }

    private func field(_ name: String, of answer: String) -> String? {
        for line in lines(answer) where line.lowercased().hasPrefix(name + ":") {
            return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
        }
        return nil
    }

    /// Runs curl as a shell would.
    private func curl(_ arguments: [String]) async throws -> String {
        let line = (["curl"] + arguments).map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                guard let stream = popen(line, "r") else { return continuation.resume(returning: "") }
                var octets: [UInt8] = []
                var piece = [UInt8](repeating: 0, count: 65_536)
                while case let count = fread(&piece, 1, piece.count, stream), count > 0 { octets += piece[0..<count] }
                pclose(stream)
                continuation.resume(returning: String(decoding: octets, as: UTF8.self))
            }
        }
    }
}
