import Foundation
import Jobs
import Logging
import Synchronization
import TestKit
import Testing
import Tokens

@Suite struct KeySetTests {
    private let clock = MovedClock()

    @Test func `a set is read at once, and again when its time is up`() {
        var schedule = KeySetSchedule()
        #expect(schedule.due(at: clock.now) == clock.now)
        schedule.begun(at: clock.now)
        #expect(schedule.due(at: clock.now) == nil)
        schedule.succeeded(maxAge: .seconds(300), at: clock.now)
        #expect(schedule.due(at: clock.now) == clock.now.advanced(by: .seconds(300)))
    }

    @Test(
        arguments: [
            (nil, 600), (.zero, 60), (.seconds(59), 60), (.seconds(61), 61), (.seconds(86_400), 86_400),
            (.seconds(2_000_000_000), 86_400),
        ] as [(Duration?, Int)])
    func `how long it is kept has a floor and a ceiling`(_ maxAge: Duration?, _ seconds: Int) {
        var schedule = KeySetSchedule()
        schedule.begun(at: clock.now)
        schedule.succeeded(maxAge: maxAge, at: clock.now)
        #expect(schedule.due(at: clock.now) == clock.now.advanced(by: .seconds(seconds)))
    }

    @Test func `unknown keys have it read once every 30 s at most`() {
        var schedule = KeySetSchedule()
        schedule.begun(at: clock.now)
        let whileReading = schedule.keyMissed(at: clock.now)
        schedule.succeeded(maxAge: .seconds(300), at: clock.now)
        clock.move(by: .seconds(29))
        let tooSoon = schedule.keyMissed(at: clock.now)
        #expect(schedule.due(at: clock.now) != clock.now)
        clock.move(by: .seconds(1))
        let inTime = schedule.keyMissed(at: clock.now)
        #expect([whileReading, tooSoon, inTime] == [true, false, true])
        #expect(schedule.due(at: clock.now) == clock.now)
    }

    @Test func `after a failure it is read again half a minute later`() {
        var schedule = KeySetSchedule()
        schedule.begun(at: clock.now)
        schedule.failed(at: clock.now)
        #expect(schedule.due(at: clock.now) == clock.now.advanced(by: .seconds(30)))
    }

    @Test func `keys come from a server, stay while it fails, and change when it has others`() async throws {
        let answer = Shared(Self.ok(Vectors.all.keys))
        let server = try Receiver { peer in
            guard peer.readRequest() != nil else { return }
            peer.write(answer.value)
        }
        defer { server.stop() }
        let keeper = KeySetKeeper(.url(server.url, authorities: nil), clock: clock.clock, log: Self.quiet)
        #expect(keeper.keys == nil)
        keeper.readIfDue()
        #expect(keeper.keys?.set.count == 3)
        #expect(keeper.readIfDue() == .seconds(120))

        answer.value = Array("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
        clock.move(by: .seconds(121))
        keeper.readIfDue()
        #expect(keeper.keys?.generation == 1)
        answer.value = Self.ok(Array("{}".utf8))
        clock.move(by: .seconds(31))
        keeper.readIfDue()
        #expect(keeper.keys?.generation == 1)
        answer.value = Self.ok(Array(repeating: 0x20, count: 300_000))
        clock.move(by: .seconds(31))
        keeper.readIfDue()
        #expect(keeper.keys?.generation == 1)

        answer.value = Self.ok(Vectors.all.examples[0].keys)
        clock.move(by: .seconds(31))
        keeper.readIfDue()
        #expect(keeper.keys?.generation == 2)
        #expect(keeper.keys?.set.count == 1)
        #expect(server.requests.count == 5)
    }

    @Test func `a token of a key that is not there yet is told to wait, once in a while, and is good afterwards`()
        throws
    {
        let folder = try TemporaryFolder()
        let path = folder.path + "/keys.json"
        let keeper = KeySetKeeper(.file(path), clock: clock.clock, log: Self.quiet)
        let rules = IssuerRules(issuer: "https://id.example/", audiences: ["port77"])
        let verifier = TokenVerifier([.init(rules, keys: keeper)], clock: clock.clock)
        let token = Vectors.all.token("EdDSA")
        #expect(throws: TokenFault.keysAwaited) { try verifier.grant(for: token) }
        try Data(Vectors.all.examples[0].keys).write(to: URL(filePath: path))
        keeper.readIfDue()
        #expect(throws: TokenFault.unknownKey) { try verifier.grant(for: token) }
        clock.move(by: .seconds(30))
        #expect(throws: TokenFault.keysAwaited) { try verifier.grant(for: token) }
        try Data(Vectors.all.keys).write(to: URL(filePath: path))
        keeper.readIfDue()
        _ = try verifier.grant(for: token)
    }

    @Test func `a token is no longer good when its key is gone from the set`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/keys.json"
        try Data(Vectors.all.keys).write(to: URL(filePath: path))
        let keeper = KeySetKeeper(.file(path), clock: clock.clock, log: Self.quiet)
        let rules = IssuerRules(issuer: "https://id.example/", audiences: ["port77"])
        let verifier = TokenVerifier([.init(rules, keys: keeper)], clock: clock.clock)
        keeper.readIfDue()
        let token = Vectors.all.token("EdDSA")
        _ = try verifier.grant(for: token)
        try Data(Vectors.all.examples[0].keys).write(to: URL(filePath: path))
        clock.move(by: .seconds(60))
        keeper.readIfDue()
        #expect(throws: TokenFault.unknownKey) { try verifier.grant(for: token) }
    }

    @Test(arguments: [
        ("https://id.example/keys", true), ("http://127.0.0.1:80/keys", true), ("http://[::1]:80/keys", true),
        ("http://id.example/keys", false), ("ftp://id.example/keys", false), ("https://u:p@id.example/", false),
        ("file:///etc/passwd", false), ("keys", false), ("http://127.0.0.1.example/", false),
    ])
    func `keys come over TLS or from this machine`(_ url: String, _ isGood: Bool) {
        #expect(KeySetPlace.isGood(url: url) == isGood)
    }

    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func ok(_ body: [UInt8]) -> [UInt8] {
        Array(
            "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=120\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
                .utf8) + body
    }
}

private final class Shared: Sendable {
    private let octets: Mutex<[UInt8]>
    init(_ octets: [UInt8]) { self.octets = Mutex(octets) }
    var value: [UInt8] {
        get { octets.withLock { $0 } }
        set { octets.withLock { $0 = newValue } }
    }
}
