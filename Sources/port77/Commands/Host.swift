import ArgumentParser
import Foundation
import Lines
import ReferenceHost
import Wire

struct Host: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the reference host: a small, real batch system reached by PRIV-RJE, RFC 407 and NETRJS.",
        discussion: """
            Example:  port77 host --listen 127.0.0.1:7077 --user RMT1:secret --data ./host

            Programs: IEFBR14, IEBGENER, SORT, IDCAMS PRINT, and for tests WAIT, RC, ABEND, LINES, CARDS, ECHO. Without --data
            everything is in memory. Prints one line, `port77 host ready ADDRESS`, when it accepts, and one more for each other
            protocol, `port77 host rfc407 ADDRESS` and `port77 host netrjs ADDRESS`. A user's name and password are those of the
            NETRJS terminal of that name as well.

            Faults on request, separated by commas: cut-sent=N, cut-received=N, silent-sent=N, silent-received=N, garbage-sent=N
            (N octets or a range, with :each in every session), delay=SECONDS, slow=OCTETS, no-sessions[=COUNT],
            refuse-logon[=COUNT], refuse-input[=COUNT], close-after-input[=COUNT], seed=N.
            """)

    @Option(help: "ADDRESS:PORT; port 0 takes a free one.")
    var listen = "127.0.0.1:7077"

    @OptionGroup(title: "Other protocols") var doors: HostDoors

    @Option(help: "NAME:PASSWORD, at least one.")
    var user: [String]

    @Option(help: "Folder for jobs, keys and print-out, kept over kill -9.")
    var data: String?

    @Option(help: "Faults to make; see above.")
    var faults = ""

    @Option(help: "File for the host's own record of what it ran, one JSON object a line.")
    var ledger: String?

    @Option(help: "A user who may start and stop initiators and sees everybody's jobs. May be given again.")
    var `operator`: [String] = []

    @Option(help: "The host's name, 1 to 8 characters.")
    var name = "DEMO"

    @Option(help: "The host's own code: ascii, cp037 or cp1047.")
    var code = "ascii"

    @Option(help: "How many jobs run at once.")
    var initiators = 4

    @Flag(help: "Print START and END pages around each job.")
    var separators = false

    @Option(help: "PEM file with the certificate; TLS from the first octet.", completion: .file())
    var tlsCertificate: String?

    @Option(help: "PEM file with the certificate's key.", completion: .file())
    var tlsKey: String?

    func run() async throws {
        let host = BatchHost(try settings())
        let terminations = Signals.stream()
        Signals.raiseDescriptorLimit()
        let address: SocketAddress
        do {
            address = try await host.start()
        } catch {
            complain("\(error)")
            throw ExitCode(1)
        }
        printReady("port77 host ready \(address)")
        for line in HostDoors.lines(of: host) { printReady(line) }
        await withDiscardingTaskGroup { group in
            group.addTask { await host.run() }
            for await _ in terminations { break }
            await host.stop()
        }
    }

    private func settings() throws -> HostSettings {
        var settings = HostSettings()
        let spelled = listen.hasPrefix("localhost:") ? "127.0.0.1:" + listen.dropFirst("localhost:".count) : listen
        guard let address = SocketAddress(spelled) else {
            throw ValidationError("--listen takes ADDRESS:PORT, not \(listen)")
        }
        settings.listen = address
        settings.users = try user.map { text in
            guard let user = HostSettings.User(text) else { throw ValidationError("--user takes NAME:PASSWORD") }
            return user
        }
        guard !settings.users.isEmpty else { throw ValidationError("at least one --user NAME:PASSWORD is needed") }
        try doors.apply(to: &settings)
        settings.dataFolder = data
        settings.ledgerFile = ledger
        settings.operators = Set(`operator`)
        settings.batch.name = name
        guard let page = CodePage(named: code) else { throw ValidationError("--code is ascii, cp037 or cp1047") }
        settings.batch.code = page
        guard (1...100).contains(initiators) else { throw ValidationError("--initiators is 1 to 100") }
        settings.batch.initiators = Array(repeating: settings.batch.initiators[0], count: initiators)
        settings.batch.printsSeparators = separators
        do { settings.faults = try FaultPlan(faults) } catch { throw ValidationError("--faults: \(error)") }
        switch (tlsCertificate, tlsKey) {
        case (let certificate?, let key?): settings.tls = (certificate, key)
        case (nil, nil): break
        default: throw ValidationError("--tls-certificate and --tls-key go together")
        }
        return settings
    }
}
