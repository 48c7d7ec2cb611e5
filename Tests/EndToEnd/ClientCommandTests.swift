import Foundation
import Testing

/// What the command line makes of itself: completions, manual page, and words that a shell can use.
@Suite struct ClientCommandTests {
    @Test(arguments: [("bash", "complete "), ("zsh", "#compdef port77"), ("fish", "complete -c")])
    func `a shell gets its completions`(_ shell: String, _ mark: String) async throws {
        let result = try await Executable.run(["completions", shell])
        #expect(result.code == 0)
        #expect(result.output.contains(mark))
        #expect(result.output.contains("webhooks") && result.output.contains("idempotency-key"))
    }

    @Test func `another shell is refused`() async throws {
        #expect(try await Executable.run(["completions", "tcsh"]).code == 64)
    }

    @Test func `the manual page has every command with its options, and the exit codes`() async throws {
        let page = try await Executable.run(["man"])
        #expect(page.code == 0)
        let help = try await Executable.run(["--help"]).output
        let commands = help.split(separator: "\n").drop { !$0.hasPrefix("SUBCOMMANDS") }.dropFirst()
            .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.hasPrefix("  See ") }
            .compactMap { $0.split(separator: " ").first }
        #expect(commands.count > 20)
        for command in commands { #expect(page.output.contains(".SS \"port77 \(command)"), "\(command)") }
        for words in ["\\-\\-idempotency\\-key", ".B \"253\"", ".SS \"port77 webhooks rotate <id>\""] {
            #expect(page.output.contains(words), "\(words)")
        }
        // Every line that begins with a dot is a macro we know.
        let macros = Set(page.output.split(separator: "\n").filter { $0.hasPrefix(".") }.map { $0.prefix(3) })
        #expect(macros.isSubset(of: [".TH", ".SH", ".SS", ".TP", ".B ", ".PP", ".nf", ".fi"]), "\(macros)")
    }

    @Test(arguments: [
        ["output", "X", "--tail", "3", "--follow"], ["output", "X", "--raw", "--format", "pdf"],
        ["output", "X", "--tail", "0"], ["list", "--label", "team"],
        ["submit"], ["submit", "-", "-"], ["amend", "X"], ["amend", "X", "--label", "team"],
        ["resubmit", "X", "--label", "team"],
        ["list", "--group-by", "state", "--sort", "name"], ["list", "--fields", "id"], ["webhooks", "deliveries"],
        ["webhooks", "deliveries", "X", "--job", "Y"], ["webhooks", "deliveries", "--job", "X", "--state", "dead"],
        ["grep", "A", "--job", "X", "--host", "demo"], ["webhooks", "add", "https://x/", "--tls-key", "/nowhere"],
    ])
    func `what goes not together is said before the gateway is asked`(_ command: [String]) async throws {
        let result = try await Executable.run(command + ["--gateway", "http://127.0.0.1:1"])
        #expect(result.code == 64, "\(result.errors)")
    }
}
