import Protocols
import Testing
import Wire

/// Section 10, "Station", row by row.
struct PrivRJEStationConformanceTests {
    @Test(arguments: [1, 2, 5, Int.max])
    func `answers come split over reads, and several in one`(_ length: Int) {
        let station = StationSession.signedOn()
        let ids = [
            station.submit(.status(.job("J1"))), station.submit(.find(key: "k")), station.submit(.status(.all)),
            station.submit(.ping),
        ]
        station.receive(
            "161 JOB=J1 STATE=HELD\r\n464 no job has this key\n161-JOB=J2 STATE=QUEUED\r\n261-JOB=J1 STATE=DONE RC=0008\r\n"
                + "200 COUNT=2 MORE=Y\r\n200 \r\n", by: length)
        #expect(station.outcomes[ids[0]] == .jobs([.init(job: "J1", state: .held)], hasMore: false))
        #expect(station.outcomes[ids[1]] == .notFound("no job has this key"))
        var done = PrivRJE.JobLine(job: "J1", state: .done)
        done.returnCode = 8
        #expect(station.outcomes[ids[2]] == .jobs([.init(job: "J2", state: .queued), done], hasMore: true))
        #expect(station.outcomes[ids[3]] == .done)
        #expect(station.machine.unansweredCount == 0)
    }

    @Test(arguments: [1, Int.max])
    func `notices stand before, between and inside answers`(_ length: Int) {
        let station = StationSession.signedOn()
        let first = station.submit(.files(job: "J1"))
        let second = station.submit(.ping)
        let notice = "* 161 JOB=J9 STATE=RUNNING\r\n"
        station.receive(
            notice + "263-FILE=1 KIND=PRINT OCTETS=5 CC=ASA\r\n" + notice
                + "200 COUNT=1\r\n* 060 DOWN AT=6 SHARP\r\n200 ok\r\n"
                + notice, by: length)
        #expect(
            station.outcomes[first]
                == .files([.init(file: 1, kind: .print, octets: 5, carriageControl: .asa)]))
        #expect(station.outcomes[second] == .done)
        #expect(station.actions.count { $0 == .jobChanged(.init(job: "J9", state: .running)) } == 3)
        #expect(station.actions.contains(.message(code: 60, text: "DOWN AT=6 SHARP")))
    }

    @Test func `a notice for a job it does not know is reported like any other`() {
        let station = StationSession.signedOn()
        station.hear("* 463 JOB=J777 NAME=X STATE=FAILED REASON=CANCELLED FILES=0")
        var job = PrivRJE.JobLine(job: "J777", name: "X", state: .failed)
        (job.reason, job.files) = (.cancelled, 0)
        #expect(station.actions == [.jobChanged(job)])
        #expect(station.end == nil)
    }

    @Test func `no jobs and no files are lists too`() {
        let station = StationSession.signedOn()
        let jobs = station.submit(.status(.all))
        let files = station.submit(.files(job: "J1"))
        station.hear("200 COUNT=0", "200 COUNT=0")
        #expect(station.outcomes[jobs] == .jobs([], hasMore: false))
        #expect(station.outcomes[files] == .files([]))
    }

    @Test(arguments: [1, 3, Int.max])
    func `a block arrives octet by octet, and holds anything`(_ length: Int) {
        let station = StationSession.signedOn()
        let fetch = station.submit(.fetch(.init(job: "J1", file: 1)))
        let after = station.submit(.ping)
        station.receive("264 JOB=J1 FILE=1 OFFSET=0 OCTETS=12 TOTAL=12\r\n* 060\n\r\n200 \n200 ok\r\n", by: length)
        #expect(station.blocks[fetch] == Array("* 060\n\r\n200 ".utf8.prefix(12)))
        // what follows the twelve octets is an empty line: no answer
        #expect(station.outcomes[after] == nil)
        #expect(station.end?.isHostSuspect == true)
    }

    @Test func `an empty block is whole at once`() {
        let station = StationSession.signedOn()
        let fetch = station.submit(.fetch(.init(job: "J1", file: 1, offset: 9)))
        let after = station.submit(.ping)
        #expect(station.takeSent() == "FETCH J1 1 OFFSET=9\r\nPING\r\n")
        station.hear("264 JOB=J1 FILE=1 OFFSET=9 OCTETS=0 TOTAL=9", "200 ok")
        #expect(station.outcomes[fetch] == .block(.init(job: "J1", file: 1, offset: 9, octets: 0, total: 9)))
        #expect(station.outcomes[after] == .done)
        #expect(station.blocks[fetch] == nil)
    }

    @Test func `DUPLICATE and PURGED are told`() {
        let station = StationSession.signedOn()
        let input = station.submit(deck: deckText, key: "k")
        let find = station.submit(.find(key: "k"))
        station.hear("260 JOB=J1 NAME=A CARDS=3 DUPLICATE=y", "260 JOB=J1 PURGED=Y")
        #expect(station.outcomes[input] == .accepted(.init(job: "J1", name: "A", cards: 3, isDuplicate: true)))
        #expect(station.outcomes[find] == .accepted(.init(job: "J1", isPurged: true)))
    }

    @Test func `a connection lost says of each request how much the line had taken`() {
        let station = StationSession.signedOn("WINDOW=3")
        let answered = station.submit(deck: "AAAAAAAA")
        station.hear("260 JOB=J1")
        let after = station.submit(deck: "BBBBBBBB")
        let inside = station.submit(.input(.init(octets: 8)))  // the driver's disk is slow from here
        station.handle(.deckPiece(inside, Array("CCC".utf8)))
        let before = station.submit(.ping)
        station.handle(.lineClosed)
        #expect(station.outcomes[answered] == .accepted(.init(job: "J1")))
        #expect(station.unanswered == [after: .fully, inside: .partly(blockOctets: 3), before: .nothing])
        #expect(station.end == .lineClosed && station.end?.remedy == .backOff)
        #expect(station.actions.last == .hangUp(.lineClosed))
    }

    @Test func `a block cut short counts what the line had taken`() {
        let station = StationSession.signedOn()
        var machine = station.machine
        let id = PrivRJE.RequestID(9)
        _ = machine.handle(.submitted(id, .input(.init(octets: 10))))
        #expect(machine.handle(.deckPiece(id, [1, 2, 3])).contains(.send([1, 2, 3])))
        #expect(machine.handle(.deckPiece(id, [4, 5, 6, 7, 8, 9, 10])) == [.commitClosing(id)])
        #expect(machine.handle(.lineClosed).first == .unanswered(id, .partly(blockOctets: 3)))
    }

    @Test func `a fetch cut short goes on at its offset in the next session`() {
        let file = Array("0123456789".utf8)
        let station = StationSession.signedOn()
        let fetch = station.submit(.fetch(.init(job: "J1", file: 1)))
        station.receive("264 JOB=J1 FILE=1 OFFSET=0 OCTETS=10 TOTAL=10\r\n0123")
        station.handle(.lineClosed)
        #expect(station.unanswered == [fetch: .fully])
        let have = station.blocks[fetch] ?? []
        let next = StationSession.signedOn()
        let rest = next.submit(.fetch(.init(job: "J1", file: 1, offset: have.count)))
        #expect(next.takeSent() == "FETCH J1 1 OFFSET=4\r\n")
        next.receive("264 JOB=J1 FILE=1 OFFSET=4 OCTETS=6 TOTAL=10\r\n456789")
        #expect(have + (next.blocks[rest] ?? []) == file)
    }

    static let endings: [(String, PrivRJE.SessionEnd, PrivRJE.Remedy)] = [
        ("401 full", .noNewSessions("full"), .backOff),
        ("430 REASON=TIME", .logOnFailed(.time, "REASON=TIME"), .backOff),
        ("430 REASON=TRIES", .logOnFailed(.tries, "REASON=TRIES"), .tellOperator),
        ("430 REASON=SESSIONS", .logOnFailed(.sessions, "REASON=SESSIONS"), .backOff),
        ("430 ", .logOnFailed(.other, ""), .backOff), ("435 disk", .hostTrouble("disk"), .backOff),
        ("436 REASON=SHUTDOWN", .closedByHost(.shutdown, "REASON=SHUTDOWN"), .reconnectWhenNeeded),
        ("436 REASON=idle", .closedByHost(.idle, "REASON=idle"), .reconnectWhenNeeded),
        ("436 REASON=ERRORS", .closedByHost(.errors, "REASON=ERRORS"), .tellOperator),
        ("436 bye", .closedByHost(.other, "bye"), .backOff),
    ]

    @Test(arguments: endings)
    func `the host may end the session at every point`(
        _ line: String, _ end: PrivRJE.SessionEnd, _ remedy: PrivRJE.Remedy
    ) {
        #expect(end.remedy == remedy)
        let logOn = ["300 PRIV-RJE/1 HOST=DEMO", "200 WINDOW=4", "330 password", "230 USER=RMT7"]
        for count in 0...logOn.count {
            let station = StationSession()
            for earlier in logOn.prefix(count) { station.hear(earlier) }
            station.hear(line)
            #expect(station.end == end, "after \(count) lines")
            #expect(station.actions.last == .hangUp(end))
        }
        // with requests open, and inside an answer
        let station = StationSession.signedOn()
        let input = station.submit(deck: "AAAA")
        let list = station.submit(.status(.all))
        station.hear("260 JOB=J1", "161-JOB=J1 STATE=QUEUED", line)
        #expect(station.end == end)
        #expect(station.outcomes[input] == .accepted(.init(job: "J1")) && station.unanswered == [list: .fully])
    }

    @Test func `a host without any FEATURES has a window of one`() {
        let station = StationSession.signedOn("")
        #expect(station.machine.abilities.features.isEmpty)
        let first = station.submit(.ping)
        let second = station.submit(deck: "AAAA")
        #expect(station.takeSent() == "PING\r\n" && station.machine.freeWindow == 0)
        station.hear("200 ok")
        #expect(station.takeSent() == "INPUT OCTETS=4\r\nAAAA")
        station.hear("260 JOB=J1")
        let void = station.submit(.void(key: "k"))
        station.hear("506 no feature KEY")
        #expect(station.outcomes[void] == .failed(code: 506, text: "no feature KEY"))
        #expect(station.outcomes[first] == .done && station.outcomes[second] == .accepted(.init(job: "J1")))
    }

    @Test func `unknown keys are ignored`() throws {
        let station = StationSession()
        station.hear("300 PRIV-RJE/1 HOST=DEMO MOON=FULL", "200 WINDOW=2 COLOUR=RED", "230 USER=RMT7 MOOD=GOOD")
        #expect(station.machine.isSignedOn && station.machine.abilities.window == 2)
        let input = station.submit(deck: "AAAA")
        station.hear("260 X=1 JOB=J1 WHY=\"no reason\" welcome")
        #expect(station.outcomes[input] == .accepted(.init(job: "J1")))
    }

    @Test func `a quoted value with escapes is read`() {
        let station = StationSession.signedOn()
        let input = station.submit(deck: "AAAA")
        station.hear(#"260 JOB="J \"1\" \\" CARDS=1"#)
        #expect(station.outcomes[input] == .accepted(.init(job: #"J "1" \"#, cards: 1)))
    }

    @Test(arguments: [
        ("264 JOB=J1 FILE=1 OFFSET=0 OCTETS=3 TOTAL=3\r\nABCDEF\r\n", PrivRJE.Garbage.Reason.notALine(.noCode), 117),
        ("264 JOB=J1 FILE=1 OFFSET=1 OCTETS=3 TOTAL=4\r\nABC", .unexpected(code: 264), 69),
        ("264 JOB=J1 FILE=2 OFFSET=0 OCTETS=3 TOTAL=3\r\nABC", .unexpected(code: 264), 69),
        ("264 JOB=J1 FILE=1 OFFSET=0 OCTETS=0 TOTAL=3\r\n", .unexpected(code: 264), 69),
        ("264 JOB=J1 FILE=1 OFFSET=0 OCTETS=9 TOTAL=3\r\n", .unexpected(code: 264), 69),
        ("264 JOB=J1 FILE=1 OFFSET=0 TOTAL=3\r\n", .unexpected(code: 264), 69),
        ("260 JOB=J1\r\n", .unexpected(code: 260), 69),
        ("\u{1}\r\n", .notALine(.badOctet), 69), ("HTTP/1.1 400 Bad Request\r\n", .notALine(.noCode), 69),
    ])
    func `what cannot be the answer makes the host suspect`(
        _ text: String, _ reason: PrivRJE.Garbage.Reason, _ offset: Int
    ) {
        for length in [1, Int.max] {
            let station = StationSession.signedOn("WINDOW=2")
            station.submit(.fetch(.init(job: "J1", file: 1)))
            station.receive(text, by: length)
            guard case .garbage(let garbage) = station.end else {
                Issue.record("\(text): \(String(describing: station.end))")
                continue
            }
            #expect(garbage.reason == reason && !garbage.excerpt.isEmpty)
            // the log-on takes 69 octets, the block and its header 48
            #expect(garbage.offset == offset)
            #expect(station.end?.isHostSuspect == true && station.end?.remedy == .tellOperator)
        }
    }

    @Test func `an answer that nothing asked for makes the host suspect`() {
        let station = StationSession.signedOn()
        station.hear("200 ok")
        guard case .garbage(let garbage) = station.end else { return #expect(station.end != nil) }
        #expect(garbage.reason == .unasked(code: 200))
    }

    @Test(arguments: [1, 100, Int.max])
    func `a line that never ends is cut at octet 1,001`(_ length: Int) {
        let station = StationSession.signedOn()
        station.receive(String(repeating: "2", count: 1_000), by: length)
        #expect(station.end == nil)
        station.receive("2", by: length)
        guard case .garbage(let garbage) = station.end else { return #expect(station.end != nil) }
        #expect(garbage.reason == .lineTooLong)
    }

    @Test func `an answer of endless lines is cut`() {
        let station = StationSession.signedOn()
        station.submit(.status(.all))
        for _ in 0...PrivRJE.StationMachine.mostAnswerLines { station.hear("161-JOB=J1 STATE=HELD") }
        guard case .garbage(let garbage) = station.end else { return #expect(station.end != nil) }
        #expect(garbage.reason == .answerTooLong)
    }

    @Test func `silence after a command ends the session`() {
        let station = StationSession.signedOn()
        let ping = station.submit(.ping)
        #expect(station.actions.contains(.startTimer(.answer, .seconds(60))))
        station.handle(.timerFired(.answer))
        #expect(station.end == .silence(.seconds(60)) && station.unanswered == [ping: .fully])
    }

    @Test func `a COUNT that is not the number of lines is garbage`() {
        let station = StationSession.signedOn()
        station.submit(.status(.all))
        station.hear("161-JOB=J1 STATE=HELD", "200 COUNT=2")
        #expect(station.end?.isHostSuspect == true)
    }
}
