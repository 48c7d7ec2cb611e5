import Jobs
import Lines
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// A host's part of a dialogue, for what the host machine would never say.
enum HostStep: Sendable {
    /// A line, its end added.
    case say(String)
    /// Octets as they are.
    case send([UInt8])
    /// The next line begins so.
    case hear(String)
    /// So many octets of a block.
    case hearBlock(Int)
    /// Waits for the test.
    case await(@Sendable () async -> Void)
    /// Reads and says no more, until the station hangs up.
    case fallSilent
}

extension [HostStep] {
    static let signOn: [HostStep] = signOn("WINDOW=8 SESSIONS=2 FEATURES=KEY,NOTICE,RANGE,HOLD,OPERATOR")

    static func signOn(_ abilities: String) -> [HostStep] {
        [
            .say("300 PRIV-RJE/1 HOST=DEMO"), .hear("HELLO PRIV-RJE/1"), .say("200 \(abilities)"), .hear("USER RMT7"),
            .say("330 password"), .hear("PASS secret"), .say("230 USER=RMT7"),
        ]
    }
}

/// Plays the steps, then hangs up.
func play(_ steps: [HostStep], on line: any Line) async {
    var unread: [UInt8] = []
    func more() async -> Bool {
        guard let octets = try? await line.read() else { return false }
        unread += octets
        return true
    }
    loop: for step in steps {
        switch step {
        case .say(let text): try? await line.write(Array((text + "\r\n").utf8))
        case .send(let octets): try? await line.write(octets)
        case .hear(let start):
            while !unread.contains(0x0A) { if await !more() { break loop } }
            let end = unread.firstIndex(of: 0x0A) ?? unread.endIndex
            let heard = String(decoding: unread[..<end], as: UTF8.self)
            #expect(heard.hasPrefix(start), "the station said \(heard)")
            unread.removeSubrange(...end)
        case .hearBlock(let count):
            while unread.count < count { if await !more() { break loop } }
            unread.removeFirst(count)
        case .await(let body): await body()
        case .fallSilent: while await more() {}
        }
    }
    line.close()
}

func settings(
    _ change: (inout PrivRJESettings) -> Void = { _ in }, password: String? = "secret"
) -> PrivRJESettings {
    var settings = PrivRJESettings(host: "test.example", user: "RMT7", password: { password })
    change(&settings)
    return settings
}

/// A station whose line ends at `host`, which plays on a task of its own.
func station(
    _ settings: PrivRJESettings = settings(), clock: any Clock<Duration> = ManualClock(),
    host: @escaping @Sendable (any Line) async -> Void
) -> PrivRJEStation {
    PrivRJEStation(settings, on: TestLoops.one, clock: clock) { () async throws(LineError) -> any Line in
        let pair = LinePair()
        Task { await host(pair.far) }
        return pair.near
    }
}

let helloDeck = Array("//HELLO JOB (1),TEST\n// EXEC PGM=IEFBR14\n".utf8)
let jobOne = JobNumber("J00001")

func deck(_ octets: [UInt8] = helloDeck, key: String = "KEY-1", code: String = "ASCII", held: Bool = false)
    -> PreparedDeck
{
    PreparedDeck(
        job: JobID(at: Timestamp(microseconds: 0)), key: key, octets: octets.count, code: code, form: .variable,
        held: held
    ) { offset, count in Array(octets[offset...].prefix(count)) }
}

func hostFile(_ number: Int = 1, octets: Int? = nil) -> HostFile {
    HostFile(number: number, kind: .print, octets: octets, carriageControl: .none, code: "ASCII", recordLength: 133)
}

/// Something to wait for.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let key: AsyncStream<Void>.Continuation
    init() { (stream, key) = AsyncStream.makeStream() }
    func open() { key.finish() }
    func wait() async { for await _ in stream {} }
}

/// A value for several tasks.
final class Box<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { value.withLock { body(&$0) } }
}

/// Octets that pieces are put into.
final class Basket: Sendable {
    private let octets = Mutex<[UInt8]>([])
    func put(_ piece: [UInt8]) { octets.withLock { $0 += piece } }
    var contents: [UInt8] { octets.withLock { $0 } }
}
