import Protocols
import Testing

/// What the station machine does with each event, from sign-on to the last deck.
struct PrivRJEStationMachineTests {
    typealias Machine = PrivRJE.StationMachine

    struct Row: CustomTestStringConvertible {
        let testDescription: String
        /// Lines of the host before; `opened` comes first.
        var heard: [String] = []
        var before: [Machine.Event] = []
        let event: Machine.Event
        let actions: [Machine.Action]
        var end: PrivRJE.SessionEnd?
    }

    static let logOn = ["300 PRIV-RJE/1 HOST=DEMO", "200 WINDOW=2 IDLE=100", "330 password", "230 USER=RMT7"]
    static let id = PrivRJE.RequestID(7)
    static let abilities: PrivRJE.Abilities = {
        var abilities = PrivRJE.Abilities()
        (abilities.window, abilities.idle) = (2, .seconds(100))
        return abilities
    }()

    static func line(_ text: String) -> [UInt8] { Array((text + "\r\n").utf8) }
    static func hangUp(_ end: PrivRJE.SessionEnd) -> [Machine.Action] {
        [.stopTimer(.answer), .stopTimer(.keepAlive), .hangUp(end)]
    }
    static let due = Machine.Action.startTimer(.answer, .seconds(60))
    static let quiet = Machine.Action.startTimer(.keepAlive, .seconds(50))

    static let rows: [Row] = [
        Row(
            testDescription: "the greeting is answered by HELLO", event: .received(line("300 PRIV-RJE/1 HOST=DEMO")),
            actions: [.send(line("HELLO PRIV-RJE/1 AGENT=port77")), due]),
        Row(
            testDescription: "another version is not spoken", event: .received(line("300 PRIV-RJE/2 HOST=DEMO")),
            actions: hangUp(.unknownVersion("PRIV-RJE/2")), end: .unknownVersion("PRIV-RJE/2")),
        Row(
            testDescription: "HELLO refused", heard: Array(logOn.prefix(1)),
            event: .received(line("506 only PRIV-RJE/3")),
            actions: hangUp(.unknownVersion("only PRIV-RJE/3")), end: .unknownVersion("only PRIV-RJE/3")),
        Row(
            testDescription: "HELLO answered", heard: Array(logOn.prefix(1)), event: .received(line(logOn[1])),
            actions: [.send(line("USER \"RMT 7\"")), due]),
        Row(
            testDescription: "a password is wanted", heard: Array(logOn.prefix(2)), event: .received(line(logOn[2])),
            actions: [.send(line("PASS \"a=b\"")), due]),
        Row(
            testDescription: "no password is wanted", heard: Array(logOn.prefix(2)), event: .received(line(logOn[3])),
            actions: [.signedOn(abilities), .stopTimer(.answer), quiet]),
        Row(
            testDescription: "signed on", heard: Array(logOn.prefix(3)), event: .received(line(logOn[3])),
            actions: [.signedOn(abilities), .stopTimer(.answer), quiet]),
        Row(
            testDescription: "a wrong password is tried once", heard: Array(logOn.prefix(3)),
            event: .received(line("431 wrong")), actions: hangUp(.refused("wrong")), end: .refused("wrong")),
        Row(
            testDescription: "silence before the greeting", event: .timerFired(.answer),
            actions: hangUp(.silence(.seconds(60))), end: .silence(.seconds(60))),
        Row(
            testDescription: "a quiet session is kept alive", heard: logOn, event: .timerFired(.keepAlive),
            actions: [.send(line("PING")), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "our own PING is answered to nobody", heard: logOn, before: [.timerFired(.keepAlive)],
            event: .received(line("200 ok")), actions: [.stopTimer(.answer), quiet]),
        Row(
            testDescription: "a timer that lost its race", heard: logOn, event: .timerFired(.answer), actions: []),
        Row(
            testDescription: "a request goes out at once", heard: logOn, event: .submitted(id, .status(.all)),
            actions: [.send(line("STATUS *")), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "a request before sign-on waits", event: .submitted(id, .ping), actions: []),
        Row(
            testDescription: "and goes out with it", heard: Array(logOn.prefix(3)), before: [.submitted(id, .ping)],
            event: .received(line(logOn[3])), actions: [.signedOn(abilities), .send(line("PING")), due]),
        Row(
            testDescription: "the window is full", heard: logOn,
            before: [.submitted(.init(1), .ping), .submitted(.init(2), .ping)], event: .submitted(id, .ping),
            actions: []),
        Row(
            testDescription: "an answer makes room in it", heard: logOn,
            before: [.submitted(.init(1), .ping), .submitted(.init(2), .ping), .submitted(id, .status(.job("J1")))],
            event: .received(line("200 ok")), actions: [.deliver(.init(1), .done), .send(line("STATUS J1")), due]),
        Row(
            testDescription: "a deck is asked for behind its line", heard: logOn,
            event: .submitted(id, .input(.init(octets: 4, key: "k", holds: true))),
            actions: [.send(line("INPUT OCTETS=4 KEY=k HOLD=Y")), .provideDeck(id, octets: 4)]),
        Row(
            testDescription: "a piece of it goes out", heard: logOn, before: [.submitted(id, .input(.init(octets: 4)))],
            event: .deckPiece(id, [1, 2, 3]), actions: [.send([1, 2, 3])]),
        Row(
            testDescription: "the last piece waits for the commit", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4)))], event: .deckPiece(id, [1, 2, 3, 4]),
            actions: [.commitClosing(id)]),
        Row(
            testDescription: "and goes out with it", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4))), .deckPiece(id, [1, 2, 3, 4])],
            event: .closingCommitted(id),
            actions: [.send([1, 2, 3, 4]), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "a commit made before saves the turn", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4))), .closingCommitted(id)],
            event: .deckPiece(id, [1, 2, 3, 4]),
            actions: [.send([1, 2, 3, 4]), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "more than OCTETS is not sent", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 2))), .closingCommitted(id)],
            event: .deckPiece(id, [1, 2, 3]),
            actions: [.send([1, 2]), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "a deck on its way holds up what is behind", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4)))], event: .submitted(.init(8), .ping), actions: []),
        Row(
            testDescription: "which follows it", heard: logOn,
            before: [
                .submitted(id, .input(.init(octets: 4))), .submitted(.init(8), .ping), .closingCommitted(id),
            ], event: .deckPiece(id, [1, 2, 3, 4]),
            actions: [.send([1, 2, 3, 4]), .send(line("PING")), .stopTimer(.keepAlive), due]),
        Row(
            testDescription: "an empty deck is not sent", heard: logOn, event: .submitted(id, .input(.init(octets: 0))),
            actions: [.deliver(id, .notSent(.emptyDeck))]),
        Row(
            testDescription: "a deck over MAXDECK is not sent", heard: logOn,
            event: .submitted(id, .input(.init(octets: 16_777_217))),
            actions: [.deliver(id, .notSent(.deckTooLong(octets: 16_777_217, limit: 16_777_216)))]),
        Row(
            testDescription: "a value with a line end is not sent", heard: logOn,
            event: .submitted(id, .operatorCommand("a\r\nBYE")),
            actions: [.deliver(id, .notSent(.unsayable("OPERATOR")))]),
        Row(
            testDescription: "giving up cuts the line", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4)))],
            event: .gaveUp, actions: [.unanswered(id, .partly(blockOctets: 0))] + hangUp(.gaveUp), end: .gaveUp),
        Row(
            testDescription: "a refusal before the block's end is told, and the line cut", heard: logOn,
            before: [.submitted(id, .input(.init(octets: 4))), .deckPiece(id, [1])],
            event: .received(line("461 REASON=TOOBIG")),
            actions: [.deliver(id, .refused(.init(.tooBig)))] + hangUp(.lineClosed), end: .lineClosed),
        Row(
            testDescription: "nothing follows BYE", heard: logOn, before: [.submitted(.init(1), .bye)],
            event: .submitted(id, .ping), actions: [.deliver(id, .notSent(.sessionEnding))]),
        Row(
            testDescription: "BYE is answered", heard: logOn, before: [.submitted(id, .bye)],
            event: .received(line("231 bye")), actions: [.deliver(id, .done)] + hangUp(.bye), end: .bye),
        Row(
            testDescription: "what comes after the end is not heard", heard: logOn, before: [.lineClosed],
            event: .received(line("200 ok")), actions: [], end: .lineClosed),
        Row(
            testDescription: "a request after the end was never sent", heard: logOn, before: [.lineClosed],
            event: .submitted(id, .ping), actions: [.unanswered(id, .nothing)], end: .lineClosed),
    ]

    @Test(arguments: rows)
    func transition(_ row: Row) {
        var machine = Machine(.init(user: "RMT 7", password: "a=b"))
        #expect(machine.handle(.opened) == [Self.due])
        for text in row.heard { _ = machine.handle(.received(Self.line(text))) }
        for event in row.before { _ = machine.handle(event) }
        #expect(machine.handle(row.event) == row.actions)
        #expect(machine.end == row.end)
    }

    @Test func `a host that wants a password which is not configured is left`() {
        let station = StationSession(.init(user: "RMT7", password: nil))
        station.hear("300 PRIV-RJE/1", "200 ", "330 password")
        #expect(station.end == .passwordNeeded && station.end?.remedy == .tellOperator)
    }

    @Test func `a user that no line can hold is told before it is sent`() {
        let station = StationSession(.init(user: "RÄT7", password: nil))
        station.hear("300 PRIV-RJE/1", "200 ")
        #expect(station.end == .unsayable(.unsayable("USER")))
    }

    @Test func `every request has the answers of the page`() {
        typealias Outcome = PrivRJE.Outcome
        let rows: [(PrivRJE.Request, String, Outcome)] = [
            (.void(key: "k"), "262 void", .voided), (.void(key: "k"), "260 JOB=J1", .accepted(.init(job: "J1"))),
            (.void(key: "k"), "506 no", .failed(code: 506, text: "no")), (.watch(.all), "200 watching", .done),
            (.unwatch(nil), "200 ", .done), (.purge(job: "J1"), "262 JOB=J1", .changed(nil)),
            (.purge(job: "J1"), "504 not now", .failed(code: 504, text: "not now")),
            (.cancel(job: "J1"), "262 JOB=J1 STATE=FAILED", .changed(.failed)),
            (.hold(job: "J1"), "263 JOB=J1 STATE=HELD", .changed(.held)),
            (.release(job: "J1"), "465 finished", .failed(code: 465, text: "finished")),
            (.hold(job: "J1"), "464 no such job", .notFound("no such job")),
            (.operatorCommand("D"), "060-LINE=1\r\n060-two\r\n200 ", .operatorAnswer(["LINE=1", "two"])),
            (.operatorCommand("D"), "433 no", .failed(code: 433, text: "no")),
            (.input(.init(octets: 1)), "462 full", .notTakingJobs("full")),
            (
                .input(.init(octets: 1)), "461 REASON=MOON CARD=2 not tonight",
                .refused(.init(.other("MOON"), card: 2, "not tonight"))
            ),
        ]
        for (request, answer, outcome) in rows {
            let station = StationSession.signedOn()
            let id = station.submit(request)
            if case .input = request {
                station.handle(.deckPiece(id, [0x41]))
            }
            station.hear(answer)
            #expect(station.outcomes[id] == outcome, "\(answer)")
        }
    }
}
