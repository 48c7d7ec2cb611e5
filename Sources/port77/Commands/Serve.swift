import ArgumentParser
import Foundation

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway.",
        discussion: """
            Example:  port77 serve --config port77.yaml

            Without a file: 127.0.0.1:8077, data under ./port77-data, one host `demo` at 127.0.0.1:7077. Prints one line,
            `port77 ready http://ADDRESS`, when it accepts. SIGTERM ends it gently. $PORT77_LISTEN, $PORT77_DATA,
            $PORT77_LOG_LEVEL and $PORT77_LOG_FORMAT override the file; flags override both.
            """)

    @Option(help: "The YAML configuration file.")
    var config: String?

    @Option(help: "ADDRESS:PORT; port 0 takes a free one.")
    var listen: String?

    @Option(help: "The data folder.")
    var data: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        var settings = try loadConfiguration(config)
        settings.apply(environment: environment)
        if let listen { settings.listen = listen }
        if let data { settings.data = data }
        let log = Logs.makeLogger(settings.log)
        let terminations = Signals.terminations()
        Signals.raiseDescriptorLimit()
        await Signals.openTimers()
        let gateway: RunningGateway
        do {
            gateway = try await RunningGateway(settings, environment: environment, log: log)
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        printReady("port77 ready http://\(gateway.address)")
        let grace = settings.grace
        await withDiscardingTaskGroup { group in
            group.addTask { await gateway.run() }
            for await _ in terminations { break }
            await gateway.stop(grace: grace)
        }
    }
}

/// One line that scripts wait for, past any buffer.
func printReady(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
