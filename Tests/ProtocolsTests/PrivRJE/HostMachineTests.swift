import Protocols
import Testing

/// What the host machine answers, and in which order, beside the rows of section 10.
struct PrivRJEHostMachineTests {
    private func host(_ features: Set<PrivRJE.Feature>) -> HostSession {
        var abilities = everything
        abilities.features = features
        return HostSession(abilities, mostErrors: 100)
    }

    @Test func `the greeting names the host, or says that no session is to be had`() {
        #expect(HostSession().takeLines() == ["300 PRIV-RJE/1 HOST=DEMO"])
        let full = HostSession(takesSessions: false)
        #expect(full.takeLines() == ["401 no new sessions now"] && full.end == .noSessions)
    }

    @Test func `log-on goes HELLO, USER, PASS, and nothing else before`() {
        let host = host(Set(PrivRJE.Feature.allCases))
        #expect(
            host.ask("USER RMT7", "PASS secret", "STATUS *", "PING").dropFirst()
                == ["504 HELLO first", "504 USER first", "504 not signed on", "200 ok"])
        #expect(
            host.ask("HELLO PRIV-RJE/1", "HELLO PRIV-RJE/1", "PASS secret").dropFirst() == [
                "504 HELLO was answered", "504 USER first",
            ])
        #expect(
            host.ask("USER RMT7", "USER NOBODY", "HELLO PRIV-RJE/1") == [
                "330 password", "330 password", "504 HELLO was answered",
            ])
        #expect(host.ask("PASS secret", "PASS secret") == ["431 user or password wrong", "504 USER first"])
        #expect(host.ask("user RMT7", "pass \"secret\"") == ["330 password", "230 USER=RMT7"])
        #expect(
            host.ask("USER RMT7", "PASS secret", "HELLO PRIV-RJE/1")
                == ["504 signed on already", "504 signed on already", "504 HELLO was answered"])
    }

    @Test func `a user without password is signed on at once`() {
        #expect(HostSession().ask("HELLO PRIV-RJE/1", "USER OPEN").last == "230 USER=OPEN")
    }

    @Test func `another version ends the session`() {
        let host = HostSession()
        #expect(host.ask("HELLO PRIV-RJE/2", "PING").last == "506 only PRIV-RJE/1")
        #expect(host.end == .unknownVersion)
    }

    @Test func `the third wrong password ends the session`() {
        let host = HostSession()
        let lines = host.ask(
            "HELLO PRIV-RJE/1", "USER X", "PASS a", "USER RMT7", "PASS b", "USER RMT7", "PASS c", "PING")
        #expect(lines.suffix(3) == ["431 user or password wrong", "330 password", "430 REASON=TRIES"])
        #expect(host.end == .logOnTries)
    }

    @Test func `log-on takes 180 seconds at most`() {
        let host = HostSession()
        #expect(host.actions.contains(.startTimer(.logOn, .seconds(180))))
        _ = host.takeLines()
        host.handle(.timerFired(.logOn))
        #expect(host.takeLines() == ["430 REASON=TIME"] && host.end == .logOnTime)
        let quick = HostSession().signOn()
        #expect(quick.actions.contains(.stopTimer(.logOn)))
        quick.handle(.timerFired(.logOn))
        #expect(quick.end == nil)
    }

    @Test func `a session without an octet is closed, one that waits for us is not`() {
        let host = HostSession().signOn()
        #expect(host.actions.contains(.startTimer(.idle, .seconds(600))))
        host.isHeld = true
        host.receive("STATUS *\r\n")
        host.handle(.timerFired(.idle))
        #expect(host.end == nil)
        host.actions = []
        host.release()
        #expect(host.actions.contains(.startTimer(.idle, .seconds(600))))
        _ = host.takeLines()
        host.handle(.timerFired(.idle))
        #expect(host.takeLines() == ["436 REASON=IDLE"] && host.end == .idle)
    }

    @Test func `going down, the host answers what it was asked first`() {
        let host = HostSession().signOn()
        host.isHeld = true
        host.receive("STATUS *\r\nINPUT OCTETS=9\r\n//A")
        host.handle(.shutDown)
        host.receive(" JOB\nPING\r\n")
        #expect(host.takeLines() == [] && host.end == nil)
        host.release()
        #expect(host.takeLines() == ["200 COUNT=0", "436 REASON=SHUTDOWN"])
        #expect(host.end == .shutdown && host.batch.jobs.isEmpty)
        #expect(host.machine.handle(.received([0x41])) == [])
    }

    @Test func `trouble is told at once`() {
        let host = HostSession().signOn()
        host.handle(.troubled("disk"))
        #expect(host.takeLines() == ["435 disk"] && host.end == .trouble)
    }

    @Test func `BYE waits its turn`() {
        let host = HostSession().signOn()
        host.isHeld = true
        host.receive("STATUS *\r\nBYE\r\nPING\r\n")
        host.release()
        #expect(host.takeLines() == ["200 COUNT=0", "231 bye"] && host.end == .bye)
    }

    /// Section 7, "Which failure first".
    @Test(arguments: [
        ("FROB\u{1}", "501 octet outside 0x20 to 0x7E"), ("", "501 no verb"), ("1FROB", "501 no verb"),
        ("=", "501 no verb"), ("ABCDEFGHIJKLMNOPQ", "501 no verb"), ("ABCDEFGHIJKLMNOP \"", "500 unknown verb"),
        ("FIND \"", "506 no feature KEY"), ("VOID", "506 no feature KEY"), ("WATCH", "506 no feature NOTICE"),
        ("UNWATCH", "506 no feature NOTICE"), ("HOLD", "506 no feature HOLD"),
        ("OPERATOR D", "506 no feature OPERATOR"),
        ("FETCH J1 1 OFFSET=1", "506 no feature RANGE"), ("FETCH COUNT=1", "506 no feature RANGE"),
        ("FETCH J1 1 OFFSET=0", "504 not signed on"), ("STATUS", "504 not signed on"),
        ("STATUS \"", "504 not signed on"),
        ("USER", "504 HELLO first"), ("HELLO", "502 version is missing"),
        ("HELLO PRIV-RJE/1 X", "501 surplus parameter"),
        ("PING 1", "501 surplus parameter"), ("PING X=1 x=2", "501 X stands twice"), ("ping x=\"\\\\\"", "200 ok"),
    ])
    func `the first failure of the page's order is told`(_ line: String, _ answer: String) {
        let host = host([])
        _ = host.takeLines()
        #expect(host.ask(line) == [answer])
    }

    @Test func `signed on, form comes before the job, and the job before its state`() {
        let host = host(Set(PrivRJE.Feature.allCases)).signOn()
        #expect(
            host.ask(
                "STATUS", "STATUS J1 J2", "STATUS X=1", "FETCH J1", "FETCH J1 1 OFFSET=x", "OPERATOR D A", "FILES J1")
                == [
                    "502 job is missing", "501 surplus parameter", "502 job is missing", "502 file is missing",
                    "501 OFFSET is not a number", "501 surplus parameter", "464 no such job",
                ])
        host.receive("INPUT OCTETS=8\r\n//A JOB\n")
        _ = host.takeLines()
        #expect(
            host.ask("FILES J00042", "FETCH J00042 9", "PURGE J00042", "HOLD J00042", "HOLD J00042", "RELEASE J00042")
                == [
                    "504 not finished", "504 not finished", "504 not finished", "263 JOB=J00042 STATE=HELD",
                    "263 JOB=J00042 STATE=HELD", "263 JOB=J00042 STATE=QUEUED",
                ])
        #expect(
            host.ask("CANCEL J00042", "CANCEL J00042", "HOLD J00042", "RELEASE J00042", "STATUS J00042") == [
                "262 JOB=J00042 STATE=FAILED", "504 finished", "465 FAILED", "465 FAILED",
                "463 JOB=J00042 NAME=A STATE=FAILED REASON=CANCELLED",
            ])
        #expect(host.ask("OPERATOR \"D A,L\"") == ["060-YOU SAID D A,L", "200 "])
    }

    @Test func `without HOLD a held deck is 506, without KEY a key is nothing`() {
        let host = host([]).signOn()
        host.receive(
            "INPUT OCTETS=8 HOLD=Y\r\n//A JOB\nINPUT OCTETS=8 KEY=/\r\n//A JOB\nINPUT OCTETS=8 KEY=/\r\n//A JOB\n")
        #expect(
            host.takeLines()
                == ["506 no feature HOLD", "260 JOB=J00042 NAME=A CARDS=1", "260 JOB=J00043 NAME=A CARDS=1"])
    }

    @Test func `a host that takes no jobs says so after the block`() {
        let host = HostSession().signOn()
        host.batch.isDraining = true
        host.receive("INPUT OCTETS=8\r\n//A JOB\nPING\r\n")
        #expect(host.takeLines() == ["462 draining", "200 ok"])
    }

    @Test func `notices go to who watches, and only then`() {
        let host = HostSession().signOn()
        host.receive("INPUT OCTETS=8\r\n//A JOB\nINPUT OCTETS=8\r\n//B JOB\nINPUT OCTETS=8\r\n//C JOB\n")
        _ = host.takeLines()
        host.batch.run("J00042")
        #expect(host.takeLines() == [])
        #expect(
            host.ask("WATCH J00043", "WATCH J00044", "UNWATCH J00044", "UNWATCH *") == [
                "200 ok", "200 ok", "200 ok", "200 ok",
            ])
        host.batch.run("J00043", returnCode: 12)
        host.batch.run("J00044")
        #expect(
            host.takeLines() == [
                "* 161 JOB=J00043 NAME=B STATE=RUNNING",
                "* 261 JOB=J00043 NAME=B STATE=DONE RC=0012 FILES=0",
            ])
        #expect(host.ask("WATCH *", "UNWATCH") == ["200 watching", "200 ok"])
        host.batch.run("J00043")
        #expect(host.takeLines() == [] && !host.machine.isWatching)
        host.handle(.operatorMessage("going down"))
        #expect(host.takeLines() == ["* 060 going down"])
    }

    @Test func `a notice never stands inside a block`() {
        var machine = PrivRJE.HostMachine(.init(name: "DEMO", abilities: everything))
        _ = machine.handle(.opened(takesSessions: true))
        _ = machine.handle(.received(Array("HELLO PRIV-RJE/1\nUSER OPEN\n".utf8)))
        _ = machine.handle(.judged(.signedOn))
        _ = machine.handle(.received(Array("FETCH J1 1\nPING\n".utf8)))
        let ticket = PrivRJE.HostMachine.Ticket(3)
        let header = PrivRJE.BlockHeader(job: "J1", file: 1, offset: 0, octets: 4, total: 4)
        #expect(machine.handle(.fetched(ticket, header)) == [.send(header.line.octets), .provideBlock(ticket, header)])
        #expect(machine.handle(.operatorMessage("tea")) == [])
        #expect(machine.handle(.blockPiece(ticket, [1, 2, 3])) == [.send([1, 2, 3])])
        #expect(
            machine.handle(.blockPiece(ticket, [4, 5])) == [
                .send([4]), .send(Array("* 060 tea\r\n".utf8)), .send(Array("200 ok\r\n".utf8)),
                .startTimer(.idle, .seconds(600)),
            ])
    }

    @Test func `a block that cannot be finished ends the session`() {
        let host = HostSession().signOn()
        host.isHeld = true
        host.receive("FETCH J1 1\r\n")
        let ticket = host.actions.compactMap { if case .perform(let ticket, _) = $0 { ticket } else { nil } }.last
        host.handle(.blockFailed(ticket ?? .init(0)))
        #expect(host.end == .blockFailed)
    }

    @Test func `a deck may arrive in any pieces, and tickets be answered in any order`() {
        for length in 1...40 {
            let host = HostSession().signOn()
            host.isHeld = true
            host.receive(
                "INPUT OCTETS=8\r\n//A JOB\nSTATUS J1\r\nINPUT OCTETS=8\r\n//B JOB\nFIND KEY=k\r\n", by: length)
            host.release()  // answers the last first
            #expect(
                host.takeLines() == [
                    "260 JOB=J00043 NAME=A CARDS=1", "464 no such job", "260 JOB=J00042 NAME=B CARDS=1",
                    "464 no job has this key",
                ])
        }
    }
}
