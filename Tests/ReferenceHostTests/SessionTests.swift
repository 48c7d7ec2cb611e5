import Jobs
import Lines
import ReferenceHost
import TestKit
import Testing

/// The host's half of the checklist in PRIV-RJE/1 section 10, over sockets.
@Suite struct SessionTests {
    @Test func `a whole job, as section 9 shows it`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            #expect(try await station.last() == "300 PRIV-RJE/1 HOST=DEMO")
            #expect(
                try await station.ask("HELLO PRIV-RJE/1 AGENT=test")
                    == "200 MAXDECK=16777216 LRECL=80 CODES=ASCII,CP037,CP1047 WINDOW=16 SESSIONS=8 KEEP=604800 IDLE=600 FEATURES=KEY,NOTICE,RANGE,HOLD,OPERATOR"
            )
            #expect(try await station.ask("USER RMT1") == "330 password")
            #expect(try await station.ask("PASS secret") == "230 USER=RMT1")
            #expect(try await station.ask("WATCH *") == "200 watching")
            #expect(try await station.input(hello, "KEY=01JDB2M3.1") == "260 JOB=J00001 NAME=HELLO CARDS=2")
            let end = try await station.waitForEnd("J00001")
            #expect(end.hasPrefix("261 JOB=J00001 NAME=HELLO STATE=DONE RC=0000 FILES=3 CLASS=A SUBMITTED="))
            #expect(station.notices.contains { $0.hasPrefix("* 161 JOB=J00001 NAME=HELLO STATE=RUNNING") })
            try await station.send("FILES J00001")
            let files = try await station.answer()
            #expect(files.count == 4 && files.last == "200 COUNT=3")
            #expect(files[0].hasPrefix("263-FILE=1 KIND=PRINT DD=JESMSGLG RECORDS="))
            #expect(files[0].hasSuffix(" CC=ASA CODE=ASCII LRECL=133"))
            let (header, octets) = try await station.fetch("J00001", 1)
            #expect(header == "264 JOB=J00001 FILE=1 OFFSET=0 OCTETS=\(octets.count) TOTAL=\(octets.count)")
            #expect(String(decoding: octets, as: UTF8.self).hasPrefix("1 "))
            #expect(try await station.ask("PURGE J00001") == "262 JOB=J00001")
            #expect(try await station.ask("STATUS J00001").hasPrefix("464"))
            #expect(try await station.ask("FIND KEY=01JDB2M3.1") == "260 JOB=J00001 NAME=HELLO CARDS=2 PURGED=Y")
            #expect(try await station.input(hello, "KEY=01JDB2M3.1") == "260 JOB=J00001 NAME=HELLO CARDS=2 DUPLICATE=Y")
            #expect(try await station.ask("BYE") == "231 bye")
            #expect(try await station.readLine() == nil)
        }
    }

    @Test func `line ends, octets and lengths`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            try await station.send(Array("PING\n".utf8))
            #expect(try await station.last().hasPrefix("200"))
            for bad: [UInt8] in [[0x00], [0x80], [0x0D, 0x20], [0x1B], [0x7F]] {
                try await station.send(Array("STATUS J0".utf8) + bad + Array("1\r\n".utf8))
                #expect(try await station.last().hasPrefix("501"))
            }
            let longest = "STATUS " + String(repeating: "J", count: 993)
            #expect(try await station.ask(longest).hasPrefix("464"))
            #expect(try await station.ask("FROB").hasPrefix("500"))
            #expect(try await station.ask(longest + "J").hasPrefix("500"))
            #expect(try await station.readLine() == nil)
        }
    }

    @Test func `the tenth error ends the session`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            for _ in 1...10 { #expect(try await station.ask("FROB").hasPrefix("500")) }
            #expect(try await station.last() == "436 REASON=ERRORS")
            #expect(try await station.readLine() == nil)
        }
    }

    @Test func `INPUT before log-on is read and dropped`() async throws {
        try await withHost { address, host in
            let station = try await WireClient(address)
            _ = try await station.last()
            _ = try await station.ask("HELLO PRIV-RJE/1")
            #expect(try await station.input(hello).hasPrefix("504"))
            #expect(try await station.ask("STATUS *").hasPrefix("504"))
            #expect(try await station.ask("PING").hasPrefix("200"))
            #expect(host.batch?.status(of: "RMT1").reports == [])
        }
    }

    @Test func `log-on: unknown user, wrong password, three tries, order of verbs`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            _ = try await station.last()
            #expect(try await station.ask("USER RMT1").hasPrefix("504"))
            _ = try await station.ask("HELLO PRIV-RJE/1")
            #expect(try await station.ask("HELLO PRIV-RJE/1").hasPrefix("504"))
            #expect(try await station.ask("PASS secret").hasPrefix("504"))
            #expect(try await station.ask("USER NOBODY").hasPrefix("330"))
            #expect(try await station.ask("PASS secret").hasPrefix("431"))
            _ = try await station.ask("USER RMT1")
            #expect(try await station.ask("PASS Secret").hasPrefix("431"))
            _ = try await station.ask("USER RMT1")
            #expect(try await station.ask("PASS secretsecret") == "430 REASON=TRIES")
            #expect(try await station.readLine() == nil)
            let other = try await WireClient(address)
            _ = try await other.last()
            #expect(try await other.ask("HELLO PRIV-RJE/9").hasPrefix("506"))
            #expect(try await other.readLine() == nil)
        }
    }

    @Test func `a user without password signs on with USER alone`() async throws {
        try await withHost(.test { $0.users = [.init(name: "OPEN", password: "")] }) { address, _ in
            let station = try await WireClient(address)
            _ = try await station.last()
            _ = try await station.ask("HELLO PRIV-RJE/1")
            #expect(try await station.ask("USER OPEN") == "230 USER=OPEN")
        }
    }

    @Test func `more sessions than SESSIONS are refused, until one ends`() async throws {
        try await withHost(.test { $0.sessionsPerUser = 2 }) { address, _ in
            let stations = [
                try await WireClient(address), try await WireClient(address), try await WireClient(address),
            ]
            try await stations[0].signOn()
            try await stations[1].signOn()
            _ = try await stations[2].last()
            _ = try await stations[2].ask("HELLO PRIV-RJE/1")
            _ = try await stations[2].ask("USER RMT1")
            #expect(try await stations[2].ask("PASS secret") == "430 REASON=SESSIONS")
            #expect(try await stations[2].readLine() == nil)
            let other = try await WireClient(address)
            try await other.signOn("RMT2", "other")
            _ = try await stations[0].ask("BYE")
            #expect(try await stations[0].readLine() == nil)
            let next = try await WireClient(address)
            try await next.signOn()
        }
    }

    @Test func `too many sessions altogether hear 401`() async throws {
        try await withHost(.test { $0.mostSessions = 1 }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            let other = try await WireClient(address)
            #expect(try await other.last().hasPrefix("401"))
            #expect(try await other.readLine() == nil)
        }
    }

    @Test func `OCTETS that tell no length close the session`() async throws {
        for parameters in ["", "OCTETS=", "OCTETS=x", "OCTETS=1 OCTETS=1", "OCTETS=1234567890123456", "OCTETS=-1"] {
            try await withHost { address, _ in
                let station = try await WireClient(address)
                try await station.signOn()
                let answer = try await station.ask("INPUT \(parameters)")
                #expect(answer.hasPrefix("501") || answer.hasPrefix("502"), "\(parameters): \(answer)")
                #expect(try await station.readLine() == nil)
            }
        }
    }

    @Test func `OCTETS of 0, 1, MAXDECK and one more`() async throws {
        try await withHost(.test { $0.batch.mostDeckOctets = 4096 }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.input("").hasPrefix("461 REASON=EMPTY"))
            #expect(try await station.input("/").hasPrefix("461 REASON=NOJOBCARD"))
            #expect(try await station.input("\n").hasPrefix("461 REASON=EMPTY"))
            let full = hello + String(repeating: "//*\n", count: (4096 - hello.utf8.count) / 4)
            let exact = full + String(repeating: " ", count: 4096 - full.utf8.count)
            #expect(try await station.input(exact).hasPrefix("260 JOB=J00001"))
            try await station.send("INPUT OCTETS=4097")
            #expect(try await station.last().hasPrefix("461 REASON=TOOBIG"))
            #expect(try await station.readLine() == nil)
        }
    }

    @Test func `forms and codes of a block`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.input("//A JOB \n// EXEC \n", "RECFM=F LRECL=9").hasPrefix("260"))
            #expect(try await station.input("//A JOB \n// EXEC \n-", "RECFM=F LRECL=9").hasPrefix("461 REASON=BADCARD"))
            #expect(try await station.input(hello, "CODE=CP500").hasPrefix("461 REASON=BADCODE"))
            #expect(try await station.input(hello, "CODE=CP037").hasPrefix("461"))
            #expect(try await station.input(hello, "RECFM=U").hasPrefix("501"))
            #expect(try await station.input(hello, "LRECL=81").hasPrefix("501"))
            #expect(try await station.input(hello, "LRECL=10").hasPrefix("461 REASON=BADCARD CARD=1"))
            #expect(try await station.input(hello, "CLASS=AB").hasPrefix("461 REASON=NOTALLOWED"))
            #expect(try await station.input(hello, "PRIORITY=16").hasPrefix("461 REASON=NOTALLOWED"))
            #expect(try await station.input(hello + hello).hasPrefix("461 REASON=BADCARD CARD=3"))
            #expect(try await station.input(hello, "CLASS=b PRIORITY=15 HOLD=Y").hasPrefix("260"))
            #expect(try await station.ask("STATUS *").hasPrefix("200 COUNT=2"))
        }
    }

    @Test func `a block that is cut short leaves no job`() async throws {
        try await withHost { address, host in
            let station = try await WireClient(address)
            try await station.signOn()
            try await station.send(Array("INPUT OCTETS=\(hello.utf8.count) KEY=CUT\r\n\(hello.dropLast())".utf8))
            station.close()
            let other = try await WireClient(address)
            try await other.signOn()
            #expect(try await other.ask("FIND KEY=CUT").hasPrefix("464"))
            #expect(host.batch?.status(of: "RMT1").reports == [])
        }
    }

    @Test func `one key by two sessions at once is one job`() async throws {
        try await withHost { address, host in
            let stations = [try await WireClient(address), try await WireClient(address)]
            for station in stations { try await station.signOn() }
            for number in 0..<50 {
                for station in stations {
                    try await station.send(Array("INPUT OCTETS=\(hello.utf8.count) KEY=K\(number)\r\n\(hello)".utf8))
                }
                let answers = [try await stations[0].last(), try await stations[1].last()]
                #expect(Set(answers.map(jobNumber)).count == 1)
                #expect(answers.filter { $0.hasSuffix("DUPLICATE=Y") }.count == 1)
            }
            #expect(try await stations[0].input(hello + "//*\n", "KEY=K7").hasPrefix("461 REASON=KEYCLASH"))
            #expect(host.batch?.status(of: "RMT1").reports.count == 50)
            #expect(try await stations[0].ask("VOID KEY=K7").hasPrefix("260 JOB="))
            #expect(try await stations[0].ask("VOID KEY=NEW") == "262 void")
            #expect(try await stations[1].input(hello, "KEY=NEW").hasPrefix("461 REASON=KEYVOID"))
            #expect(try await stations[1].ask("VOID").hasPrefix("502"))
            #expect(try await stations[1].ask("FIND KEY=a/b").hasPrefix("501"))
        }
    }

    @Test func `FETCH of every offset, and of what is not there`() async throws {
        try await withHost { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            _ = try await station.input("//A JOB\n// EXEC PGM=LINES,PARM=3\n")
            _ = try await station.waitForEnd("J00001")
            let (_, whole) = try await station.fetch("J00001", 4)
            #expect(whole.count == 3 * 86)
            for offset in 0...whole.count {
                let (header, rest) = try await station.fetch("J00001", 4, "OFFSET=\(offset)")
                #expect(rest == Array(whole[offset...]))
                #expect(
                    header
                        == "264 JOB=J00001 FILE=4 OFFSET=\(offset) OCTETS=\(whole.count - offset) TOTAL=\(whole.count)")
            }
            #expect(try await station.fetch("J00001", 4, "OFFSET=5 COUNT=7").octets == Array(whole[5..<12]))
            #expect(try await station.fetch("J00001", 4, "COUNT=999999").octets == whole)
            #expect(try await station.ask("FETCH J00001 4 OFFSET=\(whole.count + 1)").hasPrefix("501"))
            #expect(try await station.ask("FETCH J00001 4 COUNT=0").hasPrefix("501"))
            #expect(try await station.ask("FETCH J00001 5").hasPrefix("501"))
            #expect(try await station.ask("FETCH J00001 0").hasPrefix("501"))
            #expect(try await station.ask("FETCH J00002 1").hasPrefix("464"))
            #expect(try await station.ask("FETCH J00001").hasPrefix("502"))
        }
    }

    @Test func `another user's job is not there`() async throws {
        try await withHost { address, _ in
            let (one, other) = (try await WireClient(address), try await WireClient(address))
            try await one.signOn()
            try await other.signOn("RMT2", "other")
            _ = try await one.input(hello, "KEY=K")
            _ = try await one.waitForEnd("J00001")
            for command in ["STATUS", "FILES", "PURGE", "CANCEL", "HOLD", "RELEASE", "WATCH"] {
                #expect(try await other.ask("\(command) J00001").hasPrefix("464"), "\(command)")
            }
            #expect(try await other.ask("FETCH J00001 1").hasPrefix("464"))
            #expect(try await other.ask("FIND KEY=K").hasPrefix("464"))
            #expect(try await other.ask("STATUS *") == "200 COUNT=0")
            #expect(try await other.input(hello, "KEY=K") == "260 JOB=J00002 NAME=HELLO CARDS=2")
        }
    }

    @Test func `STATUS lists the newest 1000 of 10000, in order`() async throws {
        try await withHost(.test { $0.batch.initiators = [] }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            let command = Array("INPUT OCTETS=\(hello.utf8.count)\r\n\(hello)".utf8)
            for _ in 0..<625 {
                try await station.send(Array(repeatElement(command, count: 16).joined()))
                for _ in 0..<16 { #expect(try await station.last().hasPrefix("260")) }
            }
            try await station.send("STATUS *")
            let lines = try await station.answer()
            #expect(lines.count == 1001)
            #expect(lines.last == "200 COUNT=1000 MORE=Y")
            #expect(lines.first?.hasPrefix("161-JOB=J10000 NAME=HELLO STATE=QUEUED") == true)
            #expect(lines[999].hasPrefix("161-JOB=J09001 "))
        }
    }

    @Test func `more commands than WINDOW are answered all the same, in order`() async throws {
        try await withHost(.test { $0.window = 4 }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            var commands: [UInt8] = []
            for number in 0..<100 {
                commands += Array(
                    "INPUT OCTETS=\(hello.utf8.count) KEY=K\(number)\r\n\(hello)STATUS J99999\r\nPING\r\n".utf8)
            }
            try await station.send(commands)
            for number in 0..<100 {
                #expect(
                    try await station.last()
                        == "260 JOB=\("J" + String(100_001 + number).dropFirst()) NAME=HELLO CARDS=2")
                #expect(try await station.last().hasPrefix("464"))
                #expect(try await station.last().hasPrefix("200"))
            }
        }
    }

    @Test func `HOLD, RELEASE, CANCEL and OPERATOR`() async throws {
        try await withHost(.test { $0.operators = ["RMT2"] }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            _ = try await station.input(hello, "HOLD=Y")
            #expect(try await station.ask("STATUS J00001").hasPrefix("161 JOB=J00001 NAME=HELLO STATE=HELD"))
            #expect(try await station.ask("FILES J00001").hasPrefix("504"))
            #expect(try await station.ask("FETCH J00001 1").hasPrefix("504"))
            #expect(try await station.ask("PURGE J00001").hasPrefix("504"))
            #expect(try await station.ask("HOLD J00001") == "263 JOB=J00001 STATE=HELD")
            #expect(try await station.ask("CANCEL J00001") == "262 JOB=J00001 STATE=FAILED")
            #expect(
                try await station.ask("STATUS J00001").hasPrefix(
                    "463 JOB=J00001 NAME=HELLO STATE=FAILED REASON=CANCELLED FILES=2"))
            #expect(try await station.ask("CANCEL J00001").hasPrefix("504"))
            #expect(try await station.ask("HOLD J00001").hasPrefix("465"))
            #expect(try await station.ask("RELEASE J00001").hasPrefix("465"))
            _ = try await station.input("//B JOB\n// EXEC PGM=ABEND,PARM=S0C7\n", "HOLD=Y")
            #expect(try await station.ask("RELEASE J00002") == "263 JOB=J00002 STATE=QUEUED")
            #expect(
                try await station.waitForEnd("J00002").hasPrefix(
                    "463 JOB=J00002 NAME=B STATE=FAILED REASON=ABEND ABEND=S0C7 FILES=3"))
            #expect(try await station.ask("OPERATOR $P").hasPrefix("433"))
            try await station.send("OPERATOR \"$D I\"")
            let lines = try await station.answer()
            #expect(lines.count == 5 && lines[0].hasPrefix("060-INIT 1 ") && lines[4] == "200 ")
        }
    }

    @Test func `a host without features says 506 and takes plain jobs`() async throws {
        try await withHost(.test { $0.withoutFeatures = ["KEY", "NOTICE", "RANGE", "HOLD", "OPERATOR"] }) {
            address, _ in
            let station = try await WireClient(address)
            _ = try await station.last()
            #expect(try await station.ask("HELLO PRIV-RJE/1").contains("FEATURES") == false)
            _ = try await station.ask("USER RMT1")
            _ = try await station.ask("PASS secret")
            for command in [
                "FIND KEY=K", "VOID KEY=K", "WATCH *", "UNWATCH", "HOLD J00001", "RELEASE J00001", "OPERATOR $D",
            ] {
                #expect(try await station.ask(command).hasPrefix("506"), "\(command)")
            }
            #expect(try await station.input(hello, "HOLD=Y").hasPrefix("506"))
            #expect(try await station.input(hello, "KEY=K").hasPrefix("260"))
            #expect(try await station.input(hello, "KEY=K") == "260 JOB=J00002 NAME=HELLO CARDS=2")
        }
    }

    @Test func `a station that does not read a long file holds nobody up`() async throws {
        try await withHost { address, _ in
            let (slow, other) = (try await WireClient(address), try await WireClient(address))
            try await slow.signOn()
            try await other.signOn()
            _ = try await slow.input("//A JOB\n// EXEC PGM=LINES,PARM=50000\n")
            _ = try await slow.waitForEnd("J00001")
            try await slow.send("FETCH J00001 4")
            try await slow.send("STATUS J00001")
            #expect(try await other.ask("STATUS J00001").hasPrefix("261"))
            let header = try await slow.last()
            #expect(header == "264 JOB=J00001 FILE=4 OFFSET=0 OCTETS=4300000 TOTAL=4300000")
            #expect(
                ContentHash(of: try await slow.read(4_300_000))
                    == ContentHash(of: try await other.fetch("J00001", 4).octets))
            #expect(try await slow.last().hasPrefix("261"))
        }
    }

    @Test func `a silent session is closed after IDLE, a slow log-on after its limit`() async throws {
        try await withHost(.test { $0.idle = .milliseconds(50) }) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.last() == "436 REASON=IDLE")
            #expect(try await station.readLine() == nil)
        }
        try await withHost(.test { $0.logOnLimit = .milliseconds(50) }) { address, _ in
            let station = try await WireClient(address)
            _ = try await station.last()
            #expect(try await station.last() == "430 REASON=TIME")
        }
    }

    @Test func `a stop is told, and ends the host`() async throws {
        let host = BatchHost(.test())
        let address = try await host.start()
        let running = Task { await host.run() }
        let station = try await WireClient(address)
        try await station.signOn()
        async let stopped: Void = host.stop()
        #expect(try await station.last() == "436 REASON=SHUTDOWN")
        #expect(try await station.readLine() == nil)
        station.close()
        await stopped
        await running.value
    }

    @Test func `TLS from the first octet`() async throws {
        let certificates = try TestCertificates.shared.get()
        try await withHost(.test { $0.tls = (certificates.certificate, certificates.key) }) { address, _ in
            let station = try await WireClient(address, tls: TLSClientSettings(authorityFile: certificates.authority))
            try await station.signOn()
            #expect(try await station.input(hello).hasPrefix("260"))
        }
    }

    @Test(arguments: [("RMT1:secret", "RMT1", "secret"), ("A:b:c", "A", "b:c"), ("A:", "A", "")])
    func `a user is NAME:PASSWORD`(_ text: String, _ name: String, _ password: String) {
        #expect(HostSettings.User(text) == .init(name: name, password: password))
    }

    @Test(arguments: ["RMT1", ":secret", "", "A:b\n"])
    func `nothing else is a user`(_ text: String) { #expect(HostSettings.User(text) == nil) }
}
