import ArgumentParser
import Foundation
import Lines

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway.",
        discussion: """
            Example:  port77 serve --config port77.yaml

            Without a file: 127.0.0.1:8077, data under ./port77-data, one host `demo` at 127.0.0.1:7077. Prints one line,
            `port77 ready http://ADDRESS`, when it accepts. $PORT77_LISTEN, $PORT77_DATA, $PORT77_LOG_LEVEL,
            $PORT77_LOG_FORMAT and $PORT77_DRAIN_SECONDS override the file; flags override both.

            SIGTERM announces the end for 5 s, then ends gently; SIGINT ends gently without announcing it; either again ends
            at once. SIGHUP reads the file again.
            """)

    @Option(help: "The YAML configuration file.", completion: .file())
    var config: String?

    @Option(
        help:
            "ADDRESS:PORT (port 0 takes a free one), unix:/PATH, fd:NUMBER or systemd[:NAME]; may be there several times."
    )
    var listen: [String] = []

    @Option(help: "The data folder.", completion: .directory)
    var data: String?

    @Flag(help: "TLS with a certificate of our own, made in the data folder: for trials.")
    var tlsSelfSigned = false

    @Option(help: "Log lines as text or as json.")
    var logFormat: String?

    @Option(help: "The least level of a log line: trace, debug, info, notice, warning, error, critical.")
    var logLevel: String?

    func validate() throws {
        if let logFormat, Configuration.Log.Format(spelled: logFormat) == nil {
            throw ValidationError("--log-format is text or json")
        }
        if let logLevel, !Logs.levels.contains(logLevel) {
            throw ValidationError("--log-level is one of \(Logs.levels.joined(separator: ", "))")
        }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let settings: Configuration
        do {
            settings = try read(environment)
        } catch let faults as ConfigurationFaults {
            complain(faults.description)
            throw ExitCode(1)
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        let log = Logs.makeLogger(settings.log)
        let signals = Signals.stream(and: SIGHUP)
        Signals.raiseDescriptorLimit()
        await Signals.openTimers()
        let manager = ServiceManager(environment: environment)
        let gateway: RunningGateway
        do {
            gateway = try await RunningGateway(settings, environment: environment, log: log)
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        printReady("port77 ready \(gateway.url)")
        for place in gateway.places.dropFirst() { printReady("port77 listens at \(place)") }
        if tlsSelfSigned { try tellCertificate(settings, gateway) }
        manager.ready("serving at \(gateway.url)")
        await withDiscardingTaskGroup { group in
            group.addTask { await manager.watch(gateway.loops) }
            group.addTask { await obey(signals, gateway, manager, environment) }
            await gateway.run()
            group.cancelAll()
        }
    }

    /// File, environment, flags.
    private func read(_ environment: [String: String]) throws -> Configuration {
        var settings = Configuration.withoutFile
        if let config {
            guard let octets = readSmallFile(config) else {
                throw ConfigurationFault(
                    line: 0, column: 0, words: "\(config) cannot be read: \(whyUnreadable(config))")
            }
            settings = try ConfigurationReader.read(String(decoding: octets, as: UTF8.self), file: config)
        }
        try settings.apply(environment: environment)
        if !listen.isEmpty { settings.listen = try Configuration.Listen.list(listen, from: "--listen") }
        if let data { settings.data = data }
        if let format = logFormat.flatMap({ Configuration.Log.Format(spelled: $0) }) { settings.log.format = format }
        if let logLevel { settings.log.level = logLevel }
        if tlsSelfSigned {
            let made = try SelfSignedFiles(folder: settings.data, listens: settings.listen)
            settings.tls = Configuration.ServerTLS(files: made.files, isStrict: false)
        }
        return settings
    }

    private func tellCertificate(_ settings: Configuration, _ gateway: RunningGateway) throws {
        let made = try SelfSignedFiles(folder: settings.data, listens: settings.listen)
        printReady("certificate \(made.files.certificate), SHA-256 \(made.fingerprint)")
        printReady("try: curl --cacert \(made.files.certificate) \(gateway.url)/v1/jobs")
    }

    private func obey(
        _ signals: AsyncStream<CInt>, _ gateway: RunningGateway, _ manager: ServiceManager,
        _ environment: [String: String]
    ) async {
        var isStopping = false
        await withDiscardingTaskGroup { group in
            for await signal in signals {
                switch (signal, isStopping) {
                case (SIGHUP, false): await reload(gateway, manager, environment)
                case (SIGHUP, true): continue
                case (_, false):
                    isStopping = true
                    manager.stopping("stopping")
                    let settings = gateway.current.withLock { $0.configuration }
                    let time = signal == SIGTERM ? settings.announcement : .zero
                    group.addTask { await gateway.stop(announcedFor: time, grace: settings.grace) }
                case (_, true): group.addTask { await gateway.hurry() }
                }
            }
        }
    }

    private func reload(
        _ gateway: RunningGateway, _ manager: ServiceManager, _ environment: [String: String]
    ) async {
        manager.reloading()
        do {
            await gateway.tell(.success(try await gateway.reload(try read(environment))))
        } catch {
            await gateway.tell(.failure(error))
        }
        manager.ready("serving at \(gateway.url)")
    }
}
