import Jobs
import Lines
import Protocols
import ReferenceHost
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// A reference host that serves RFC 407 while `body` runs.
func withRFC407Host<Result>(
    _ change: (inout HostSettings, inout RFC407HostSettings) -> Void = { _, _ in }, time: HostTime = .system,
    _ body: (BatchHost, SocketAddress) async throws -> Result
) async throws -> Result {
    var settings = HostSettings()
    settings.listen = SocketAddress(.loopback, port: 0)
    settings.users = [.init(name: "RMT1", password: "secret"), .init(name: "OPEN", password: "")]
    var own = RFC407HostSettings()
    own.listen = SocketAddress(.loopback, port: 0)
    own.hidesPasswords = false
    own.retryPauses = [.milliseconds(20)]
    change(&settings, &own)
    settings.rfc407 = own
    let host = BatchHost(settings, time: time)
    _ = try await host.start()
    let address = try #require(host.rfc407Address)
    let running = Task { await host.run() }
    do {
        let result = try await body(host, address)
        await host.stop()
        await running.value
        return result
    } catch {
        await host.stop()
        await running.value
        throw error
    }
}

func rfc407Settings(_ address: SocketAddress, _ change: (inout RFC407Settings) -> Void = { _ in }) -> RFC407Settings {
    var settings = RFC407Settings(host: "127.0.0.1", port: Int(address.port), user: "RMT1", password: { "secret" })
    settings.dataTime = .seconds(20)
    change(&settings)
    return settings
}

/// A station that signs on itself, and again when its line was cut.
func rfc407Station(_ settings: RFC407Settings) async throws -> RFC407Station {
    let station = RFC407Station(settings, on: TestLoops.one) { () async throws(LineError) -> any Line in
        try await TCPLine.connect(to: settings.host, port: settings.port, on: TestLoops.one)
    }
    try await station.signOn()
    return station
}

func rfc407Deck(_ text: String, code: CodePage = .ascii) throws -> PreparedDeck {
    let block = try CardEncoder.block(of: Array(text.utf8), code: code).block
    return PreparedDeck(
        job: JobID(bits: 1), key: "KEY", octets: block.count, code: code.name, form: .variable
    ) { offset, count in Array(block[min(offset, block.count)..<min(block.count, offset + count)]) }
}

extension RFC407Station {
    /// Waits for the job's end by asking.
    func ended(_ job: JobNumber) async throws -> Outcome {
        let limit = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < limit {
            if case .ended(let outcome)? = try await status(of: job)?.state { return outcome }
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
        throw StationError.deadline("the job did not end")
    }

    func taken(_ file: HostFile, of job: JobNumber, from offset: Int = 0, limit: Int? = nil) async throws -> [UInt8] {
        let octets = Locked<[UInt8]>([])
        let total = try await fetch(file, of: job, from: offset, limit: limit) { piece in
            octets.withLock { $0 += piece }
        }
        let result = octets.withLock { $0 }
        if limit == nil { #expect(total == offset + result.count) }
        return result
    }
}

extension BatchSystem {
    /// A job's print files one after the other, or its cards.
    func spooled(_ kind: OutputFile.Kind, _ job: String, user: String = "RMT1") throws -> [UInt8] {
        try files(job, of: user).filter { $0.kind == kind }.flatMap { try $0.body.read(offset: 0, count: $0.octets) }
    }
}

func hello407() throws -> PreparedDeck { try rfc407Deck(rfc407Hello) }

let rfc407Hello = """
    //HELLO JOB (A1),SMITH,CLASS=A
    //S1 EXEC PGM=ECHO
    //SYSPRINT DD SYSOUT=A
    //SYSIN DD *
    LINE ONE
    LINE TWO
    //S2 EXEC PGM=CARDS,PARM='3'
    //SYSPUNCH DD SYSOUT=B
    //
    """

/// A control connection by hand.
final class RFC407Hand {
    let line: TCPLine
    private var buffer: [UInt8] = []
    /// Lines that no `ask` waited for.
    private(set) var heard: [String] = []

    init(_ address: SocketAddress) async throws { line = try await TCPLine.connect(to: address, on: TestLoops.one) }

    func send(_ text: String) async throws { try await line.write(RFC407.octets(text + "\r\n"), within: .seconds(20)) }

    /// Without its end; nil when the host closed.
    func readLine() async throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let text = RFC407.text(buffer[..<end].filter { $0 != 0x0D })
                buffer.removeFirst(end + 1 - buffer.startIndex)
                heard.append(text)
                return text
            }
            guard let more = try await line.read(within: .seconds(20)) else { return nil }
            buffer += more
        }
    }

    /// The next line that begins with one of the codes; those before it are in `heard`.
    func wait(for codes: Int...) async throws -> String {
        while let text = try await readLine() {
            if codes.contains(where: { text.hasPrefix("\(1000 + $0)".dropFirst()) }) { return text }
        }
        return "closed"
    }

    /// The first line that is no courtesy and no news.
    func ask(_ command: String) async throws -> String {
        try await send(command)
        while let text = try await readLine() {
            if !text.hasPrefix("0"), !text.hasPrefix("261"), !text.hasPrefix("   ") { return text }
        }
        return "closed"
    }

    func signOn(_ user: String = "RMT1", _ password: String = "secret") async throws {
        _ = try await readLine()
        _ = try await ask("USER=\(user)")
        let answer = try await ask("PASS=\(password)")
        try #require(answer.hasPrefix("230"))
    }
}

/// A port where the host is awaited, by hand.
final class RFC407HandDoor {
    private let listener: LineListener
    private let lines: AsyncStream<TCPLine>
    var port: Int { listener.port }

    init() throws {
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        self.lines = lines
        listener = try LineListener(on: SocketAddress(.loopback, port: 0), loops: [TestLoops.one]) { arrival.yield($0) }
    }

    deinit { listener.stopListening() }

    func accept() async throws -> TCPLine {
        for await line in lines { return line }
        throw LineError.closed
    }

    /// All octets up to the orderly end.
    func takeAll() async throws -> [UInt8] {
        let line = try await accept()
        var octets: [UInt8] = []
        while let more = try await line.read(within: .seconds(20)) { octets += more }
        line.close()
        return octets
    }

    func give(_ octets: [UInt8]) async throws {
        let line = try await accept()
        try await line.write(octets, within: .seconds(20))
        await line.finishSending()
        while try await line.read(within: .seconds(20)) != nil {}
        line.close()
    }
}
