import Lines
import Stations
import TestKit
import Testing

struct SignOnRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let steps: [HostStep]
    let error: StationError
}

@Suite(.timeLimit(.minutes(1))) struct SignOnTests {
    static let hello: [HostStep] = [.say("300 PRIV-RJE/1 HOST=DEMO"), .hear("HELLO"), .say("200 WINDOW=2")]
    static let user: [HostStep] = hello + [.hear("USER RMT7"), .say("330 password"), .hear("PASS secret")]

    static let rows: [SignOnRow] = [
        .init(
            testDescription: "401 instead of the greeting", steps: [.say("401 full")],
            error: .hostUnwilling("401 full")),
        .init(
            testDescription: "too many sessions", steps: user + [.say("430 REASON=SESSIONS")],
            error: .tooManySessions(most: nil)),
        .init(
            testDescription: "a wrong password", steps: user + [.say("431 no such user or password")],
            error: .logonRefused("431 no such user or password")),
        .init(
            testDescription: "a wrong password, repeated by the host",
            steps: user + [.say("431 \"secret\" is not it")], error: .logonRefused("431 \"…\" is not it")),
        .init(
            testDescription: "too many tries", steps: user + [.say("430 REASON=TRIES locked")],
            error: .logonRefused("430 REASON=TRIES locked")),
        .init(
            testDescription: "430 without a reason is not tried again", steps: user + [.say("430 go away")],
            error: .logonRefused("430 go away")),
        .init(
            testDescription: "log-on took too long for the host", steps: user + [.say("430 REASON=TIME")],
            error: .hostUnwilling("430 REASON=TIME")),
        .init(
            testDescription: "trouble at the greeting", steps: [.say("435 spool")], error: .hostUnwilling("435 spool")),
        .init(
            testDescription: "trouble at HELLO",
            steps: [.say("300 PRIV-RJE/1"), .hear("HELLO"), .say("435 spool")], error: .hostUnwilling("435 spool")),
        .init(
            testDescription: "shutdown at USER", steps: hello + [.hear("USER"), .say("436 REASON=SHUTDOWN")],
            error: .hostUnwilling("436 REASON=SHUTDOWN")),
        .init(
            testDescription: "shutdown at PASS", steps: user + [.say("436 REASON=SHUTDOWN")],
            error: .hostUnwilling("436 REASON=SHUTDOWN")),
        .init(
            testDescription: "something else sits on the port", steps: [.say("SSH-2.0-OpenSSH_9.6")],
            error: .garbage(
                "octet 0 of what it sent begins a line without a three-digit code: \"SSH-2.0-OpenSSH_9.6\"")),
        .init(
            testDescription: "octets that are no text", steps: [.send([0x16, 0x03, 0x01, 0x0A])],
            error: .garbage(
                "octet 0 of what it sent begins a line with an octet that is no printable ASCII character: hex 16 03 01"
            )),
        .init(
            testDescription: "a greeting of another version", steps: [.say("300 PRIV-RJE/9 HOST=X")],
            error: .garbage("it greets with \"PRIV-RJE/9\", not with PRIV-RJE/1")),
        .init(
            testDescription: "garbage further on says where",
            steps: [.say("300 PRIV-RJE/1"), .hear("HELLO"), .say("what?")],
            error: .garbage("octet 16 of what it sent begins a line without a three-digit code: \"what?\"")),
        .init(
            testDescription: "an echo of the password is not shown", steps: user + [.say("PASS secret")],
            error: .garbage(
                "octet 54 of what it sent begins a line without a three-digit code (not shown: it may hold the password)"
            )
        ),
        .init(
            testDescription: "a line without end", steps: [.send(Array(repeating: 0x41, count: 1002))],
            error: .garbage(
                "octet 0 of what it sent begins a line of more than 1000 octets: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"")),
        .init(testDescription: "the host hangs up at once", steps: [], error: .lineLost("the host closed it")),
        .init(testDescription: "the host hangs up after PASS", steps: user, error: .lineLost("the host closed it")),
    ]

    @Test(arguments: rows)
    func `a sign-on that fails says why`(_ row: SignOnRow) async {
        let station = station { await play(row.steps, on: $0) }
        await #expect(throws: row.error) { try await station.signOn() }
        var reports = station.reports.makeAsyncIterator()
        #expect(await reports.next() == .lineDown(row.error))
        #expect(await reports.next() == nil)
        #expect(!"\(row.error)".contains("secret"))
        await station.signOff()
    }

    @Test func `what the host can and takes is known afterwards`() async throws {
        let station = station {
            await play(
                .signOn(
                    "MAXDECK=1000 LRECL=72 CODES=ASCII,CP037 WINDOW=3 SESSIONS=2 KEEP=60 IDLE=30 FEATURES=KEY,RANGE X=1"
                )
                    + [.hear("BYE"), .say("231 bye")], on: $0)
        }
        try await station.signOn()
        #expect(station.window == 3 && station.sessionLimit == 2 && station.keyMemory == .seconds(60))
        #expect(
            station.limits
                == HostLimits(
                    longestDeck: 1000, longestCard: 72, codes: ["ASCII", "CP037"], window: 3, sessions: 2,
                    keepsKeys: .seconds(60), idle: .seconds(30)))
        #expect(station.abilities.contains([.submissionKey, .rangedFetch, .jobNumbers, .status, .dropsCutDecks]))
        #expect(station.abilities.isDisjoint(with: [.notices, .hold, .operatorCommands]))
        await station.signOff()
        var reports = station.reports.makeAsyncIterator()
        #expect(await reports.next() == .lineDown(.closed))
    }

    @Test func `a host that says nothing has the defaults and none of the features`() async throws {
        let station = station { await play(.signOn("") + [.fallSilent], on: $0) }
        try await station.signOn()
        #expect(station.window == 1 && station.sessionLimit == 1 && station.keyMemory == nil)
        #expect(station.abilities == [.jobNumbers, .status, .cancel, .pulledOutput, .punch, .dropsCutDecks])
        await #expect(throws: StationError.lacks("submissionKey")) { try await station.find(key: "K") }
        await #expect(throws: StationError.lacks("submissionKey")) { try await station.void(key: "K") }
        await #expect(throws: StationError.lacks("operatorCommands")) { try await station.operate("D A") }
        await #expect(throws: StationError.lacks("hold")) { try await station.submit(deck(held: true), closing: nil) }
        try await station.watchAll()
    }

    @Test func `no answer at all is a deadline`() async {
        let clock = ManualClock()
        let station = station(clock: clock) { await play([.fallSilent], on: $0) }
        let signOn = Task { try await station.signOn() }
        while clock.nextDue != .seconds(60) { await Task.yield() }
        clock.advance(by: .seconds(60))
        await #expect(throws: StationError.deadline("not an octet for 60 s while an answer was due")) {
            try await signOn.value
        }
    }

    @Test func `a host that only dribbles does not hold sign-on up for ever`() async {
        let clock = ManualClock()
        let (turns, turn) = AsyncStream<Void>.makeStream()
        let station = station(clock: clock) { line in
            for await _ in turns { try? await line.write(Array("* 060 wait\r\n".utf8)) }
        }
        let signOn = Task { try await station.signOn() }
        var reports = station.reports.makeAsyncIterator()
        for _ in 0..<9 {
            turn.yield()
            #expect(await reports.next() == .message("wait"))
            clock.advance(by: .seconds(20))
        }
        await #expect(throws: StationError.deadline("sign-on took longer than 180 s")) { try await signOn.value }
        turn.finish()
    }

    @Test func `a line that cannot be opened says where and why`() async {
        let station = PrivRJEStation(settings(), on: TestLoops.one, clock: ManualClock()) {
            () async throws(LineError) -> any Line in throw .refused
        }
        await #expect(
            throws: StationError.noLine("test.example:77: connection refused: nothing listens on that port")
        ) { try await station.signOn() }
    }

    @Test func `signing off while signing on ends it`() async {
        let station = station { await play([.fallSilent], on: $0) }
        let signOn = Task { try await station.signOn() }
        while station.abilities.isEmpty, await !station.isOpen { await Task.yield() }
        await station.signOff()
        await #expect(throws: StationError.self) { try await signOn.value }
    }

    @Test func `signing off before signing on is an end as well`() async {
        let station = station { await play([], on: $0) }
        await station.signOff()
        await #expect(throws: StationError.closed) { try await station.signOn() }
    }

    @Test func `a password that cannot be read is our fault, not the host's`() async {
        struct Missing: Error {}
        var settings = settings()
        settings.password = { throw Missing() }
        let station = station(settings) { await play([.fallSilent], on: $0) }
        await #expect(throws: StationError.local("the password cannot be read: Missing")) { try await station.signOn() }
    }

    @Test func `a host that wants a password where none is configured`() async {
        let station = station(settings(password: nil)) {
            await play(Self.hello + [.hear("USER"), .say("330 ?")], on: $0)
        }
        await #expect(throws: StationError.logonRefused("it wants a password, and none is configured")) {
            try await station.signOn()
        }
    }
}
