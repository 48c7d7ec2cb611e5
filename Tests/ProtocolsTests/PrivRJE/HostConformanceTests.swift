import Protocols
import Testing

/// Section 10, "Host", row by row.
struct PrivRJEHostConformanceTests {
    private func bare(_ features: Set<PrivRJE.Feature> = []) -> HostSession {
        var abilities = everything
        abilities.features = features
        return HostSession(abilities).signOn()
    }

    private func input(_ deck: String, _ parameters: String = "") -> String {
        "INPUT OCTETS=\(deck.utf8.count)\(parameters.isEmpty ? "" : " ")\(parameters)\r\n\(deck)"
    }

    @Test func `a bare LF ends a line`() {
        let host = HostSession().signOn()
        host.receive("PING\nPING\r\n")
        #expect(host.takeLines() == ["200 ok", "200 ok"])
    }

    @Test(arguments: ["PI\rNG", "PING\r", "PING \u{0}", "PING \u{80}", "\tPING", "PING\u{7F}"])
    func `an octet that no line holds is 501 for that line only`(_ line: String) {
        for length in [1, Int.max] {
            let host = HostSession().signOn()
            host.receive(Array(line.unicodeScalars.map { UInt8($0.value) }) + Array("\r\nPING\r\n".utf8), by: length)
            #expect(host.takeLines() == ["501 octet outside 0x20 to 0x7E", "200 ok"])
        }
    }

    @Test(arguments: [1, 999, Int.max])
    func `a thousand octets are a line, one more is 500 and the end`(_ length: Int) {
        let host = HostSession().signOn()
        let longest = "PING X=" + String(repeating: "x", count: 993)
        host.receive(longest + "\r\n" + longest + "\n", by: length)
        #expect(host.takeLines() == ["200 ok", "200 ok"])
        host.receive(longest + "x", by: length)
        #expect(host.takeLines() == ["500 line longer than 1000 octets"])
        #expect(host.end == .lineTooLong)
    }

    @Test(arguments: [1, 10, Int.max])
    func `INPUT before log-on is 504, its block dropped`(_ length: Int) {
        for commands in ["", "HELLO PRIV-RJE/1\r\n", "HELLO PRIV-RJE/1\r\nUSER RMT7\r\n"] {
            let host = HostSession()
            host.receive(commands)
            _ = host.takeLines()
            host.receive(input("PING\r\nBYE\r\n") + "PING\r\n", by: length)
            #expect(host.takeLines() == ["504 not signed on", "200 ok"])
            #expect(host.batch.jobs.isEmpty)
        }
    }

    @Test(arguments: [1, 64, Int.max])
    func `OCTETS from 0 to MAXDECK are read, one more is not`(_ length: Int) {
        let host = HostSession().signOn()
        host.receive("INPUT OCTETS=0\r\nPING\r\n", by: length)
        #expect(host.takeLines() == ["461 REASON=EMPTY no records", "200 ok"])
        host.receive(input("X") + input(" ") + input("\n"), by: length)
        #expect(host.takeLines() == ["461 REASON=NOJOBCARD CARD=1", "461 REASON=EMPTY", "461 REASON=EMPTY"])
        var deck = "//A JOB\n"
        while deck.utf8.count < 1_000 { deck += String(repeating: "x", count: min(79, 999 - deck.utf8.count)) + "\n" }
        host.receive(input(deck) + "PING\r\n", by: length)
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=A CARDS=14", "200 ok"])
        host.receive("INPUT OCTETS=1001\r\n//A JOB\n", by: length)
        #expect(host.takeLines() == ["461 REASON=TOOBIG more than 1000 octets"])
        #expect(host.end == .deckTooBig)
    }

    @Test(arguments: [
        ("INPUT", "502 OCTETS is missing"), ("INPUT KEY=k", "502 OCTETS is missing"),
        ("INPUT OCTETS=5 OCTETS=5", "501 OCTETS stands twice"), ("INPUT OCTETS=5x", "501 OCTETS is not a number"),
        ("INPUT OCTETS=-1", "501 OCTETS is not a number"),
        ("INPUT OCTETS=1000000000000000", "501 OCTETS is not a number"),
        ("INPUT OCTETS=", "501 not a list of parameters"), ("INPUT  OCTETS=5", "501 not a list of parameters"),
        ("INPUT OCTETS=5 KEY=\"k", "501 not a list of parameters"), ("input octets=5 ", "501 not a list of parameters"),
        ("INPUT OCTETS=5\u{1}", "501 octet outside 0x20 to 0x7E"), (" INPUT OCTETS=5", "501 no verb"),
    ])
    func `a block whose length is not known ends the session`(_ line: String, _ answer: String) {
        let host = HostSession().signOn()
        #expect(host.ask(line, "PING") == [answer])
        #expect(host.end == .blockUnknown)
    }

    @Test(arguments: [
        ("KEY=a/b", "501 KEY is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        ("KEY=" + String(repeating: "k", count: 65), "501 KEY is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        ("KEY=a KEY=a", "501 KEY stands twice"), ("RECFM=U", "501 RECFM is not V or F"),
        ("LRECL=0", "501 LRECL is not 1 to 80"), ("LRECL=81", "501 LRECL is not 1 to 80"),
        ("HOLD=N", "501 HOLD is not Y"),
        ("deck", "501 surplus parameter"), ("CODE=UTF-8", "461 REASON=BADCODE not one of ASCII,CP037,CP1047"),
        ("RECFM=F LRECL=5", "461 REASON=BADCARD not a multiple of 5 octets"),
        ("LRECL=5", "461 REASON=BADCARD CARD=1 longer than 5"),
    ])
    func `a refused INPUT is read to its end and binds nothing`(_ parameters: String, _ answer: String) {
        for length in [1, Int.max] {
            let host = HostSession().signOn()
            host.receive(input("//A JOB\nPING", parameters) + "PING\r\n", by: length)
            #expect(host.takeLines() == [answer, "200 ok"])
            host.receive(input("//A JOB\n", "KEY=a"))
            #expect(host.takeLines() == ["260 JOB=J00042 NAME=A CARDS=1"])
        }
    }

    @Test func `a deck may be fixed, held, in EBCDIC, with a class`() {
        let host = HostSession().signOn()
        host.receive(input("//A JOB   //        ", "recfm=f lrecl=10 class=B hold=y colour=RED"))
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=A CARDS=2"])
        host.receive(Array("INPUT OCTETS=8 CODE=cp037\r\n".utf8) + [0x61, 0x61, 0xC2, 0x40, 0xD1, 0xD6, 0xC2, 0x15])
        #expect(host.takeLines() == ["260 JOB=J00043 NAME=B CARDS=1"])
        #expect(
            host.ask("STATUS *") == [
                "161-JOB=J00043 NAME=B STATE=QUEUED", "161-JOB=J00042 NAME=A STATE=HELD CLASS=B", "200 COUNT=2",
            ])
    }

    @Test func `a block cut short makes no job, and FIND says 464`() {
        let batch = FakeBatch()
        let whole = Array(input(deckText, "KEY=k").utf8)
        for count in 0..<whole.count {
            let host = HostSession(batch: batch).signOn()
            host.receive(Array(whole.prefix(count)))
            host.handle(.lineClosed)
            #expect(host.end == .lineClosed)
            batch.sessions = [:]
        }
        #expect(batch.jobs.isEmpty)
        #expect(HostSession(batch: batch).signOn().ask("FIND KEY=k") == ["464 no job has this key"])
    }

    @Test func `a key makes one job, whatever comes with it again`() {
        let host = HostSession().signOn()
        host.receive(input(deckText, "KEY=k"))
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3"])
        host.receive(input(deckText, "KEY=k HOLD=Y CODE=FIELDATA"))
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3 DUPLICATE=Y"])
        host.receive(input("//B JOB\n", "KEY=k") + input("//B JOB\n", "KEY=K"))
        #expect(host.takeLines() == ["461 REASON=KEYCLASH", "260 JOB=J00043 NAME=B CARDS=1"])
        #expect(host.batch.jobs.count == 2)
    }

    @Test func `two sessions with one key at once make one job`() {
        let batch = FakeBatch()
        let sessions = [HostSession(batch: batch).signOn(), HostSession(batch: batch).signOn()]
        let octets = Array(input(deckText, "KEY=k").utf8)
        for octet in octets { for session in sessions { session.receive([octet]) } }
        #expect(sessions[0].takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3"])
        #expect(sessions[1].takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3 DUPLICATE=Y"])
        #expect(batch.jobs.count == 1)
    }

    @Test func `a key outlives PURGE`() {
        let host = HostSession().signOn()
        host.receive(input(deckText, "KEY=k"))
        host.batch.run("J00042")
        _ = host.takeLines()
        #expect(host.ask("PURGE J00042", "STATUS J00042") == ["262 JOB=J00042", "464 no such job"])
        #expect(host.ask("FIND KEY=k") == ["260 JOB=J00042 NAME=HELLO CARDS=3 PURGED=Y"])
        host.receive(input(deckText, "KEY=k"))
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3 DUPLICATE=Y"])
    }

    @Test func `VOID before the deck keeps it out, after it finds the job`() {
        let host = HostSession().signOn()
        #expect(host.ask("VOID KEY=k", "VOID KEY=k") == ["262 void", "262 void"])
        host.receive(input(deckText, "KEY=k"))
        #expect(host.takeLines() == ["461 REASON=KEYVOID"])
        #expect(host.ask("FIND KEY=k") == ["464 no job has this key"])
        host.receive(input(deckText, "KEY=l"))
        #expect(host.takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3"])
        #expect(host.ask("VOID KEY=l") == ["260 JOB=J00042 NAME=HELLO CARDS=3"])
        #expect(
            host.ask("VOID", "FIND KEY=\"a b\"") == [
                "502 KEY is missing", "501 KEY is not 1 to 64 of A-Z a-z 0-9 . _ -",
            ])
    }

    @Test func `FETCH gives every part of a file`() {
        let host = HostSession().signOn()
        host.receive(input(deckText))
        let file = Array("1FIRST\n* 060\r\n200 \n LAST\n".utf8)
        host.batch.run("J00042", files: [file, []])
        host.sent = []
        for offset in 0...file.count {
            for count in [1, 7, 1_000] {
                host.receive("FETCH J00042 1 OFFSET=\(offset) COUNT=\(count)\r\n")
                let part = file[offset...].prefix(count)
                let header = "264 JOB=J00042 FILE=1 OFFSET=\(offset) OCTETS=\(part.count) TOTAL=\(file.count)\r\n"
                #expect(host.sent == Array(header.utf8) + part)
                host.sent = []
            }
        }
        #expect(
            host.ask(
                "FETCH J00042 1 OFFSET=\(file.count + 1)", "FETCH J00042 1 COUNT=0", "FETCH J00042 3", "FETCH J00042")
                == [
                    "501 beyond the file", "501 COUNT is not a number above 0", "501 no such file",
                    "502 file is missing",
                ])
        #expect(host.ask("FETCH J00042 2") == ["264 JOB=J00042 FILE=2 OFFSET=0 OCTETS=0 TOTAL=0"])
        #expect(
            host.ask("FILES J00042").first
                == "263-FILE=1 KIND=PRINT DD=JESMSGLG RECORDS=4 OCTETS=\(file.count) CC=ASA CODE=ASCII LRECL=133")
    }

    @Test func `more than WINDOW waits in the line, and is answered in order`() {
        var abilities = everything
        abilities.window = 3
        let host = HostSession(abilities).signOn()
        host.receive(input(deckText))
        host.isHeld = true
        host.actions = []
        host.receive((1...5).map { "STATUS J\($0)\r\n" }.joined() + input(deckText) + "STATUS J00042\r\nPING\r\n")
        #expect(host.actions.count { if case .perform = $0 { true } else { false } } == 3)
        #expect(host.actions.contains(.pauseReading) && !host.actions.contains(.resumeReading))
        _ = host.takeLines()
        host.release()
        #expect(
            host.takeLines()
                == Array(repeating: "464 no such job", count: 5) + [
                    "260 JOB=J00043 NAME=HELLO CARDS=3", "161 JOB=J00042 NAME=HELLO STATE=QUEUED", "200 ok",
                ])
        #expect(host.actions.contains(.resumeReading))
    }

    @Test func `STATUS lists a thousand of ten thousand jobs, newest first`() {
        let host = HostSession().signOn()
        for number in 0..<10_000 {
            host.batch.jobs.append(
                .init(user: "RMT7", line: .init(job: "J\(number)", name: "A", state: .queued), block: [], cards: 1))
        }
        let lines = host.ask("STATUS *")
        #expect(lines.count == 1_001 && lines.first == "161-JOB=J9999 NAME=A STATE=QUEUED")
        #expect(lines.last == "200 COUNT=1000 MORE=Y")
        host.batch.jobs.removeFirst(9_000)
        #expect(host.ask("STATUS *").last == "200 COUNT=1000")
    }

    @Test func `a job of another user is not there`() {
        let batch = FakeBatch()
        let (mine, other) = (HostSession(batch: batch).signOn("RMT7"), HostSession(batch: batch).signOn("RMT8"))
        mine.receive(input(deckText, "KEY=k"))
        other.receive(input(deckText, "KEY=k"))
        #expect(mine.takeLines() == ["260 JOB=J00042 NAME=HELLO CARDS=3"])
        #expect(other.takeLines() == ["260 JOB=J00043 NAME=HELLO CARDS=3"])
        batch.run("J00042", files: [[0x41]])
        let nowhere = "464 no such job"
        #expect(
            other.ask(
                "STATUS J00042", "FILES J00042", "FETCH J00042 1", "PURGE J00042", "CANCEL J00042", "HOLD J00042",
                "RELEASE J00042", "WATCH J00042") == Array(repeating: nowhere, count: 8))
        #expect(other.ask("STATUS *") == ["161-JOB=J00043 NAME=HELLO STATE=QUEUED", "200 COUNT=1"])
    }

    @Test func `one session too many is refused at PASS and closed`() {
        var abilities = everything
        abilities.sessions = 2
        let batch = FakeBatch()
        let sessions = (0..<3).map { _ in HostSession(abilities, batch: batch) }
        let answers = sessions.map { $0.ask("HELLO PRIV-RJE/1", "USER RMT7", "PASS secret").last }
        #expect(answers == ["230 USER=RMT7", "230 USER=RMT7", "430 REASON=SESSIONS"])
        #expect(sessions.map(\.end) == [nil, nil, .sessions])
    }

    @Test func `ten errors end the session, nine do not`() {
        let host = HostSession().signOn()
        #expect(
            host.ask("FROB", "", "STATUS", "STATUS J1 J2", "P1NG", "PING ", "PING\u{1}", "FETCH J1 x", "FIND KEY=/")
                .count == 9)
        #expect(host.ask("FILES J1", "PURGE J1", "HELLO PRIV-RJE/1").count == 3)
        #expect(host.end == nil)
        #expect(host.ask("FROB", "PING") == ["500 unknown verb", "436 REASON=ERRORS"])
        #expect(host.end == .errors)
    }
}
