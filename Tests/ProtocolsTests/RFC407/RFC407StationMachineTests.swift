import Protocols
import Testing
import Wire

/// Section 8.6 row by row, the client's half of the checklist in section 19, and UCSB's ways of section 14.
struct RFC407StationMachineTests {
    typealias Machine = RFC407.StationMachine
    private let source = RFC407.Command.input(.socket(nil, port: 40101, .init(.text)))

    @Test func `a user without password is on at once, and a password is said when it is wanted`() {
        let station = RFC407StationSession()
        station.hear("300 UCSB RJS V3, terminal 2", "230 on")
        #expect(station.machine.isSignedOn)
        #expect(station.lines == ["USER=alice"])
        #expect(RFC407StationSession.signedOn().lines == ["USER=alice", "PASS=s3cret"])
    }

    @Test(arguments: [
        (["401 full"], Machine.StationEnd.unwilling(.init(401, "full"))),
        (["300 hi", "431 who"], .refused(.init(431, "who"))), (["300 hi", "432 no"], .refused(.init(432, "no"))),
        (["300 hi", "330 pw", "431 bad"], .refused(.init(431, "bad"))),
        (["300 hi", "330 pw", "430 slow"], .refused(.init(430, "slow"))),
        (["220 FTP ready"], .garbage("it greets with 220")), (["SSH-2.0-x"], .garbage("it begins with \"SSH-2.0-x\"")),
        (["300 hi", "500 what"], .garbage("log-on was answered 500 what")),
    ])
    func `log-on that fails`(_ lines: [String], _ end: Machine.StationEnd) {
        let station = RFC407StationSession()
        for line in lines { station.hear(line) }
        #expect(station.machine.end == end)
        #expect(station.actions.last == .hangUp(end))
        #expect(station.timers == [])
    }

    @Test func `without a password for a host that wants one, and with one that cannot be said`() {
        let none = RFC407StationSession(password: nil)
        none.hear("300 hi", "330 pw")
        #expect(none.machine.end == .passwordNeeded)
        let bad = RFC407StationSession(password: "ends ")
        bad.hear("300 hi", "330 pw")
        #expect(bad.machine.end == .unsayable)
    }

    @Test func `one command waits for the first reply of the one before`() {
        let station = RFC407StationSession.signedOn()
        let first = station.submit(.out(file: "", .hold))
        let second = station.submit(.status(job: "J1", file: nil))
        #expect(station.lines.suffix(1) == ["OUT=(H)"])
        station.hear("060 talk", "261 Job J9 completed", "200 OK")
        #expect(station.lines.suffix(1) == ["STATUS J1"])
        station.hear("161 Job J1 QUEUED")
        #expect(
            station.news() == [
                .message(.init(60, "talk")), .news(job: "J9", .init(261, "Job J9 completed")),
                .answer(first, .init(200, "OK")), .answer(second, .init(161, "Job J1 QUEUED")),
            ])
    }

    @Test func `INPUT in the order of RFC 407`() {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        station.hear("240 Reading")
        let status = station.submit(.status(job: nil, file: nil))
        #expect(station.lines.suffix(1) == ["STATUS"])
        station.hear("260 Job J00042 accepted", "100 one job")
        #expect(
            station.news() == [
                .inputBegan(input), .inputAccepted(input, job: "J00042", .init(260, "Job J00042 accepted")),
                .inputDone(input),
                .answer(status, .init(100, "one job")),
            ])
    }

    @Test func `INPUT in UCSB's order, with its phrase on a continuation line`() {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        let reply = RFC407.Reply(260, "JOB OLD1 DROPPED", more: ["ASSIGNED JOBID IS NEW2."])
        station.hear("260 JOB OLD1 DROPPED", "    ASSIGNED JOBID IS NEW2.", "240 retrieval begins")
        #expect(
            station.news() == [.inputAccepted(input, job: "NEW2", reply), .inputBegan(input), .inputDone(input)])
        let paused = RFC407StationSession.signedOn()
        paused.submit(source)
        paused.hear("260 JOB OLD1 DROPPED", "    ASSIGNED JOBID IS NEW2.")
        #expect(paused.news() == [])
        #expect(paused.timers.contains(.text))
        paused.handle(.timerFired(.text))
        #expect(paused.news() == [.inputAccepted(.init(1), job: "NEW2", reply)])
    }

    @Test(arguments: [360, 440, 441, 442, 460, 461, 500, 501, 502, 503, 504, 505, 506])
    func `INPUT that is refused`(_ code: Int) {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        let next = station.submit(source)
        station.hear("\(code) no")
        #expect(station.news() == [.inputFailed(input, .init(code, "no"))])
        #expect(station.lines.count == 4)
        station.hear("240 x", "260 Job J1 accepted")
        #expect(station.news().last == .inputDone(next))
    }

    @Test(arguments: [440, 441, 442, 460, 461])
    func `INPUT that fails behind its first reply`(_ code: Int) {
        for first in ["240 Reading", "260 Job J1 accepted"] {
            let station = RFC407StationSession.signedOn()
            let input = station.submit(source)
            station.hear(first, "\(code) no")
            #expect(station.news().last == .inputFailed(input, .init(code, "no")))
            station.submit(source)
            #expect(station.lines.count == 4)
        }
    }

    @Test func `one INPUT at a time; other commands go on`() {
        let station = RFC407StationSession.signedOn()
        station.submit(source)
        station.submit(source)
        station.submit(.cancel(job: "J7"))
        station.hear("240 Reading")
        #expect(station.lines.suffix(1) == ["CANCEL J7"])
        station.hear("262 Job J7 cancelled")
        #expect(station.lines.count == 4)
        station.hear("260 Job J00042 accepted")
        #expect(station.lines.count == 5)
    }

    @Test func `ABORT need not wait for INPUT's first reply, and is answered in its place`() {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        let abort = station.submit(.abortInput)
        #expect(station.lines.suffix(1) == ["ABORT"])
        station.hear("201 Input aborted")
        #expect(
            station.news() == [
                .answer(abort, .init(201, "Input aborted")), .inputFailed(input, .init(201, "Input aborted")),
            ])
        let late = RFC407StationSession.signedOn()
        let other = late.submit(source)
        let tooLate = late.submit(.abortInput)
        late.hear("442 no", "202 nothing")
        #expect(late.news() == [.inputFailed(other, .init(442, "no")), .answer(tooLate, .init(202, "nothing"))])
    }

    @Test(arguments: [
        (261, "Job J1 completed"), (262, "Job J1 cancelled"), (443, "Job J1 no"), (444, "Job J1 no"),
        (445, "Job J1 no"),
        (462, "Job J1 lost"), (463, "Job J1 failed"), (466, "Job J1 discarded"), (507, "Job J1 bad card"),
        (512, "Job J1 bad card"),
        (240, "Job J1"), (260, "Job J1"), (460, "Job J1"),
    ])
    func `news of jobs, also while a command waits`(_ code: Int, _ text: String) {
        let station = RFC407StationSession.signedOn()
        let id = station.submit(.out(file: "", .hold))
        station.hear("\(code) \(text)", "200 OK")
        #expect(station.news() == [.news(job: "J1", .init(code, text)), .answer(id, .init(200, "OK"))])
    }

    @Test func `466 long after, 301 nudges, a second 300 and unknown lines disturb nothing`() {
        let station = RFC407StationSession.signedOn()
        station.hear("301 go on", "300 again", "no number", "466 Job J00007 file print discarded")
        station.handle(.timerFired(.text))
        #expect(
            station.news() == [
                .message(.init(301, "go on")), .message(.init(0, "no number")), .message(.init(300, "again")),
                .news(job: "J00007", .init(466, "Job J00007 file print discarded")),
            ])
        #expect(station.machine.end == nil)
    }

    @Test func `text that matters waits for its continuation lines`() {
        let station = RFC407StationSession.signedOn()
        let id = station.submit(.status(job: nil, file: nil), wholeText: true)
        let next = station.submit(.out(file: "", .hold))
        station.hear("100 two jobs", "    Job J1 A QUEUED", "    Job J2 B HELD", "200 OK")
        #expect(
            station.news() == [
                .answer(id, .init(100, "two jobs", more: ["Job J1 A QUEUED", "Job J2 B HELD"])),
                .answer(next, .init(200, "OK")),
            ])
    }

    @Test func `232, then the result, then 231`() {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        station.hear("240 Reading")
        let bye = station.submit(.bye)
        station.hear("232 After the input", "260 Job J1 accepted", "231 Bye")
        #expect(station.news().contains(.inputAccepted(input, job: "J1", .init(260, "Job J1 accepted"))))
        #expect(station.actions.contains(.answer(bye, .init(231, "Bye"))))
        #expect(station.machine.end == .bye)
    }

    @Test(arguments: [430, 434, 435, 436, 401])
    func `the host says why, and closes`(_ code: Int) {
        let station = RFC407StationSession.signedOn()
        let id = station.submit(.status(job: "J1", file: nil))
        station.hear("\(code) bye")
        station.handle(.lineClosed)
        let end = Machine.StationEnd.unwilling(.init(code, "bye"))
        let isKnown = station.machine.end == end || station.machine.end == .refused(.init(code, "bye"))
        #expect(isKnown)
        #expect(station.actions.contains(.unanswered(id, wasSent: true)))
    }

    @Test func `a lost line leaves what was sent unanswered, once, and what was not as not sent`() {
        let station = RFC407StationSession.signedOn()
        let input = station.submit(source)
        let next = station.submit(source)
        station.hear("240 Reading")
        let status = station.submit(.status(job: "J1", file: nil))
        _ = station.news()
        station.handle(.lineClosed)
        #expect(
            station.news() == [
                .unanswered(input, wasSent: true), .unanswered(status, wasSent: true),
                .unanswered(next, wasSent: false),
                .hangUp(.lineClosed),
            ])
        station.submit(.bye)
        #expect(station.news() == [.unanswered(.init(4), wasSent: false)])
    }

    @Test func `a host that says nothing is given up, and a quiet session is kept alive`() {
        let station = RFC407StationSession.signedOn()
        #expect(station.timers == [.keepAlive])
        station.handle(.timerFired(.keepAlive))
        #expect(station.lines.suffix(1) == ["OUT=(H)"])
        #expect(station.timers == [.answer])
        station.hear("200 OK")
        #expect(station.timers == [.keepAlive])
        #expect(station.news() == [])
        station.submit(.out(file: "", .hold))
        station.handle(.timerFired(.answer))
        #expect(station.machine.end == .silence(.seconds(60)))
    }

    @Test(arguments: [503, 505, 506])
    func `a refused OUT, and a host that has nothing optional, are answers`(_ code: Int) {
        let station = RFC407StationSession.signedOn()
        let out = station.submit(.out(file: "punch", .hold))
        station.hear("\(code) not here")
        #expect(station.news() == [.answer(out, .init(code, "not here"))])
    }

    @Test func `what a line cannot carry is not sent`() {
        let station = RFC407StationSession.signedOn()
        let id = station.submit(.cancel(job: "a b"))
        #expect(station.news() == [.unanswered(id, wasSent: false)])
        #expect(station.lines.count == 2)
    }
}
