import Jobs
import Lines
import Protocols
import ReferenceHost
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// Keeps what is pushed, as the engine would: a stream that is there already, to the octet, counts once.
final class TestTaker: OutputTaker {
    struct Stream: Equatable, Sendable {
        let pushed: PushedStream
        var octets: [UInt8] = []
        var isLast = false
        var text: String { String(decoding: octets, as: UTF8.self) }
    }

    private struct State: Sendable {
        var streams: [Stream] = []
        var repeats = 0
        var discards = 0
        var failures = 0
        var octets = 0
        var longestPiece = 0
    }

    private let state = Mutex(State())
    /// For print-outs too long to be kept.
    private let keepsOctets: Bool

    init(keepsOctets: Bool = true, failing failures: Int = 0) {
        self.keepsOctets = keepsOctets
        state.withLock { $0.failures = failures }
    }

    var streams: [Stream] { state.withLock { $0.streams } }
    var repeats: Int { state.withLock { $0.repeats } }
    var discards: Int { state.withLock { $0.discards } }
    var octets: Int { state.withLock { $0.octets } }
    var longestPiece: Int { state.withLock { $0.longestPiece } }

    func begin(_ stream: PushedStream) async throws(StationError) -> any OutputSink { Sink(stream, self) }

    private func fails() -> Bool {
        state.withLock { state in
            state.failures -= 1
            return state.failures >= 0
        }
    }

    private actor Sink: OutputSink {
        private var stream: Stream
        private let taker: TestTaker

        init(_ stream: PushedStream, _ taker: TestTaker) {
            self.stream = Stream(pushed: stream)
            self.taker = taker
        }

        func append(_ piece: [UInt8]) async throws(StationError) {
            taker.state.withLock { state in
                state.octets += piece.count
                state.longestPiece = max(state.longestPiece, piece.count)
            }
            if taker.keepsOctets { stream.octets += piece }
        }

        func finish(isLast: Bool) async throws(StationError) {
            if taker.fails() { throw .local("the disk is full") }
            stream.isLast = isLast
            let stream = self.stream
            taker.state.withLock { state in
                let isThere = state.streams.contains { $0.pushed == stream.pushed && $0.octets == stream.octets }
                if isThere, taker.keepsOctets { state.repeats += 1 } else { state.streams.append(stream) }
            }
        }

        func discard() async { taker.state.withLock { $0.discards += 1 } }
    }
}

/// A host with NETRJS, its data ports fixed at free ones, and what the test wants of it.
func withNETRJS<Result>(
    _ change: (inout NETRJSHostSettings) -> Void = { _ in }, batch: (inout BatchSettings) -> Void = { _ in },
    _ body: (BatchHost, NETRJSSettings) async throws -> Result
) async throws -> Result {
    var netrjs = NETRJSHostSettings(listen: TestLoops.loopback)
    netrjs.terminals = [.init("GATE01"), .init("GATE02", password: "sesame")]
    change(&netrjs)
    let settings = HostSettings.test { settings in
        settings.netrjs = netrjs
        batch(&settings.batch)
    }
    return try await withHost(settings) { _, host in
        let contact = try #require(host.netrjsAddresses?.first)
        var station = NETRJSSettings(
            host: "127.0.0.1", port: Int(contact.port), characterSet: netrjs.contacts[0].characterSet,
            terminal: "GATE01")
        station.retryTime = .milliseconds(20)
        station.signOffTime = .seconds(5)
        if let ports = host.netrjsDataAddresses, ports.count == 3 {
            station.ports = .explicit(
                reader: Int(ports[0].port), printer: Int(ports[1].port), punch: Int(ports[2].port))
        }
        return try await body(host, station)
    }
}

func prepared(_ deck: String, code: CodePage = .ascii) throws -> PreparedDeck {
    let block = try CardEncoder.block(of: Array(deck.utf8), code: code).block
    return PreparedDeck(
        job: JobID(at: Timestamp(microseconds: 0)), key: "k", octets: block.count, code: code.name, form: .variable
    ) { offset, count in Array(block.dropFirst(offset).prefix(count)) }
}

/// Asks until it holds.
func eventually(_ what: String, within limit: Duration = .seconds(30), _ holds: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !holds() {
        guard .now < end else { throw NotInTime(what: what) }
        try await Task.sleep(for: .milliseconds(5))
    }
}

struct NotInTime: Error { let what: String }

/// A terminal by hand: a console, and channels as octets.
final class NETRJSTerminal {
    let console: TCPLine
    private var output = NETRJS.ConsoleOutput()
    private(set) var lines: [String] = []
    private var at = 0

    init(_ settings: NETRJSSettings) async throws {
        console = try await TCPLine.connect(to: "127.0.0.1", port: settings.contactPort, on: TestLoops.one)
    }

    func say(_ line: String) async throws { try await console.write(Array((line + "\r\n").utf8)) }

    /// The next line that begins so; others are passed over.
    @discardableResult
    func hear(_ start: String) async throws -> String {
        while true {
            while at < lines.count {
                at += 1
                if lines[at - 1].hasPrefix(start) { return lines[at - 1] }
            }
            guard let octets = try await console.read(within: .seconds(20)) else { throw WireClient.Closed() }
            lines += output.receive(octets).messages.map(\.text)
        }
    }

    /// Whether the host has closed the console, after what it still said.
    func isClosed() async throws -> Bool {
        do throws(LineError) {
            while let octets = try await console.read(within: .seconds(20)) {
                lines += output.receive(octets).messages.map(\.text)
            }
            return true
        } catch {
            return error == .reset || error == .closed
        }
    }

    func signOn(_ terminal: String = "GATE01") async throws {
        try await hear("NRJ876")
        try await say("SIGNON \(terminal)")
        try await hear("RJS750")
        try await hear("RJS6")
    }
}

extension TCPLine {
    /// A data channel by hand.
    static func channel(_ device: NETRJS.Device, _ settings: NETRJSSettings) async throws -> TCPLine {
        guard case .explicit(let reader, let printer, let punch) = settings.ports else { throw WireClient.Closed() }
        let port = device == .reader ? reader : device == .printer ? printer : punch
        return try await TCPLine.connect(to: "127.0.0.1", port: port, on: TestLoops.one)
    }

    /// Everything until the host ends its side, or breaks.
    func rest() async -> (octets: [UInt8], isBroken: Bool) {
        var octets: [UInt8] = []
        do throws(LineError) {
            while let more = try await read(within: .seconds(20)) { octets += more }
            return (octets, false)
        } catch {
            return (octets, true)
        }
    }

    /// The records of a whole stream.
    func records(_ device: NETRJS.Device, blank: UInt8 = 0x20) async throws -> (records: [[UInt8]], hasEnded: Bool) {
        var decoder = NETRJS.StreamDecoder(device, blank: blank)
        decoder.append(await rest().octets)
        var records: [[UInt8]] = []
        while case .record(let record)? = try decoder.next() { records.append(record) }
        return (records, decoder.hasEnded)
    }
}

func transactions(_ deck: String, ends: Bool = true) throws -> [UInt8] {
    var encoder = NETRJS.StreamEncoder(.reader, blank: 0x20)
    var octets: [UInt8] = []
    for card in deck.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
        try encoder.append(Array(card.utf8), to: &octets)
    }
    if ends { encoder.finish(to: &octets) } else { encoder.flush(to: &octets) }
    return octets
}

/// Print and punch: what each line of the print-out says is in the cards.
let printAndPunch = """
    //BOTH JOB (1),TEST
    //COPY EXEC PGM=IEBGENER
    //SYSPRINT DD SYSOUT=*
    //SYSUT1 DD *
    CARD ONE
    CARD TWO
    /*
    //SYSUT2 DD SYSOUT=B

    """
