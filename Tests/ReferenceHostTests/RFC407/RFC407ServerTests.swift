import Jobs
import Lines
import Protocols
import ReferenceHost
import Synchronization
import TestKit
import Testing
import Wire

/// The server's half of the checklist in section 19, by hand over sockets.
struct RFC407ServerTests {
    private static let job = "//T JOB 1\r\n//S EXEC PGM=LINES,PARM='40'\r\n//SYSPRINT DD SYSOUT=A\r\n"

    /// Hands a deck in as text and returns the job-id.
    private func submit(_ hand: RFC407Hand, _ text: String = job) async throws -> String {
        let door = try RFC407HandDoor()
        try await hand.send("INPUT=D\(door.port):T")
        try await door.give(Array(text.utf8))
        let line = try await hand.wait(for: 260, 460, 461)
        try #require(line.hasPrefix("260"))
        return RFC407.acceptedJob(in: String(line.dropFirst(4))) ?? line
    }

    private func submitted(_ hand: RFC407Hand, _ text: String = job) async throws -> String {
        let id = try await submit(hand, text)
        _ = try await hand.wait(for: 261, 463)
        return id
    }

    private func reset(_ door: RFC407HandDoor) async throws {
        let line = try await door.accept()
        _ = try await line.read(within: .seconds(20))
        line.abort()
    }

    @Test func `the worked job of section 10 over sockets`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let printer = try RFC407HandDoor()
            #expect(try await hand.ask("OUT=H7F000001,D\(printer.port):T").hasPrefix("200"))
            #expect(try await hand.ask("OUT punch=(H)").hasPrefix("200"))
            let id = try await submit(hand, rfc407Hello.replacing("\n", with: "\r\n"))
            let text = String(decoding: try await printer.takeAll(), as: UTF8.self)
            #expect(text.contains("LINE ONE\r\n"))
            #expect(try await hand.wait(for: 60).hasPrefix("060 Job \(id)"))
            #expect(try await hand.ask("STATUS \(id) punch") == "161 Job \(id) file punch HELD 3 records")
            let punch = try RFC407HandDoor()
            #expect(try await hand.ask("CHANGE \(id) punch = H7F000001,D\(punch.port):NE").hasPrefix("200"))
            let cards = try await punch.takeAll()
            var reader = RFC407.StreamReader(.init(.init(.records, isEBCDIC: true), .output))
            reader.append(cards)
            var count = 0
            while try reader.next() != nil { count += 1 }
            #expect(count == 3)
            #expect(reader.isComplete)
            #expect(try await hand.ask("BYE").hasPrefix("231"))
            #expect(try await hand.readLine() == nil)
        }
    }

    @Test func `NET cards hold for the job, and their faults are told with its id`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let printer = try RFC407HandDoor()
            let port = "\(printer.port)"
            let id = try await submit(
                hand,
                "NET OUT = D\(port.prefix(2))\r\nNET+\(port.dropFirst(2)):T\r\nNET FROB\r\nNET OP hello\r\n" + Self.job)
            #expect(try await hand.wait(for: 507) == "507 Job \(id): Not recognised")
            let text = String(decoding: try await printer.takeAll(), as: UTF8.self)
            #expect(!text.contains("NET OUT"))
            #expect(text.contains("\r\n"))
        }
    }

    @Test func `a stream of several jobs gives a 260 for each`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let door = try RFC407HandDoor()
            try await hand.send("INPUT=D\(door.port):T")
            let data = "//D JOB 1\r\n//S EXEC PGM=ECHO\r\n//SYSIN DD DATA\r\n//NO JOB 2\r\n/*\r\n"
            try await door.give(Array((Self.job + data + Self.job).utf8))
            for _ in 0..<3 { #expect(try await hand.wait(for: 260, 460, 461).hasPrefix("260")) }
            let batch = try #require(host.batch)
            #expect(batch.status(of: "RMT1").reports.count == 3)
        }
    }

    @Test(arguments: ["close", "abort", "cut"])
    func `an input that breaks off leaves no job`(_ way: String) async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let door = try RFC407HandDoor()
            try await hand.send("INPUT=D\(door.port):\(way == "cut" ? "N" : "T")")
            let line = try await door.accept()
            #expect(try await hand.wait(for: 240).hasPrefix("240"))
            try await line.write(way == "cut" ? [0x80, 0, 2, 0x2F, 0x2F] : Array(Self.job.utf8), within: .seconds(20))
            switch way {
            case "close":
                hand.line.close()
                // dropped by the host, which ends the connection
                while let more = try? await line.read(within: .seconds(20)), !more.isEmpty {}
            case "abort":
                #expect(try await hand.ask("ABORT").hasPrefix("201"))
                #expect(try await hand.ask("ABORT").hasPrefix("202"))
            default:
                await line.finishSending()
                #expect(try await hand.wait(for: 460).hasPrefix("460"))
            }
            let batch = try #require(host.batch)
            #expect(batch.status(of: "RMT1").reports.isEmpty)
        }
    }

    @Test func `send-then-discard is made again after a reset, and (S) is held`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let id = try await submitted(hand)
            let door = try RFC407HandDoor()
            #expect(try await hand.ask("CHANGE \(id) = (S)D\(door.port):T").hasPrefix("200"))
            try await reset(door)
            var status = ""
            let limit = ContinuousClock.now + .seconds(20)
            while !status.contains("HELD"), ContinuousClock.now < limit {
                status = try await hand.ask("STATUS \(id) print")
            }
            #expect(status.contains("HELD"))
            #expect(try await hand.ask("CHANGE \(id) = D\(door.port):T").hasPrefix("200"))
            try await reset(door)
            let whole = try await door.takeAll()
            #expect(String(decoding: whole, as: UTF8.self).split(separator: "\r\n").count > 40)
            #expect(try await hand.wait(for: 60).hasPrefix("060"))
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("464"))
        }
    }

    @Test func `RESTART, HOLD and ABORT of a kept file, CHANGE of a file that was never named`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let id = try await submitted(hand)
            for line in ["RESTART \(id)", "RECOVER \(id)", "BACK D2 \(id)", "SKIP \(id)", "HOLD \(id)", "HOLD @D40102"]
            {
                #expect(try await hand.ask(line).hasPrefix("504"), "\(line)")
            }
            #expect(try await hand.ask("CHANGE \(id) nothing = D40102").hasPrefix("464"))
            #expect(try await hand.ask("CHANGE J99999 = (D)").hasPrefix("464"))
            let door = try RFC407HandDoor()
            #expect(try await hand.ask("change job \(id) = (s)d\(door.port):t").hasPrefix("200"))
            let first = try await door.takeAll()
            _ = try await hand.wait(for: 60)
            #expect(try await hand.ask("STATUS \(id) print").contains("DONE"))
            #expect(try await hand.ask("RESTART \(id)").hasPrefix("203"))
            #expect(try await door.takeAll() == first)
            _ = try await hand.wait(for: 60)
            #expect(try await hand.ask("ABORT \(id)").hasPrefix("203"))
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("464"))
        }
    }

    @Test func `nothing connects where it is not allowed`() async throws {
        try await withRFC407Host { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            for place in ["H0A000001,D40102", "D80", "10.1.2.3,D40102"] {
                #expect(try await hand.ask("INPUT=\(place)").hasPrefix("442"), "\(place)")
            }
            #expect(try await hand.ask("INPUT=D1024").hasPrefix("442"))
            #expect(try await hand.ask("OUT=D64,D40102").hasPrefix("200") == false)
            let id = try await submitted(hand)
            #expect(try await hand.ask("CHANGE \(id) = H0A000001,D40102").hasPrefix("200"))
            #expect(try await hand.wait(for: 445).hasPrefix("445 Job \(id)"))
            #expect(try await hand.ask("STATUS \(id) print").contains("STRANDED"))
            #expect(try await hand.ask("CHANGE \(id) = (D)").hasPrefix("200"))
            #expect(try await hand.ask("INPUT=/no/ftp").hasPrefix("506"))
        }
    }

    @Test func `a user has so many sessions at a time, and the next is told 401`() async throws {
        try await withRFC407Host { _, own in
            own.mostSessionsPerUser = 2
        } _: { _, address in
            let first = try await RFC407Hand(address)
            try await first.signOn()
            let second = try await RFC407Hand(address)
            try await second.signOn()
            // The same session again is no further one.
            _ = try await second.ask("USER=RMT1")
            #expect(try await second.ask("PASS=secret").hasPrefix("230"))
            let third = try await RFC407Hand(address)
            _ = try await third.readLine()
            _ = try await third.ask("USER=RMT1")
            #expect(try await third.ask("PASS=secret").hasPrefix("401"))
            #expect(try await third.readLine() == nil)
            // Another user is not held up, nor the same one when a session has ended.
            let other = try await RFC407Hand(address)
            _ = try await other.readLine()
            #expect(try await other.ask("USER=OPEN").hasPrefix("230"))
            #expect(try await second.ask("BYE").hasPrefix("231"))
            #expect(try await second.readLine() == nil)
            let fourth = try await RFC407Hand(address)
            try await fourth.signOn()
        }
    }

    @Test func `ALTER holds, releases and prefers; CANCEL ends; other users see nothing`() async throws {
        try await withRFC407Host { settings, _ in
            settings.batch.initiators = [[]]
        } _: { host, address in
            let hand = try await RFC407Hand(address)
            try await hand.signOn()
            let id = try await submit(hand)
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("161 Job \(id) QUEUED"))
            #expect(try await hand.ask("ALTER \(id) HOLD").hasPrefix("263"))
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("161 Job \(id) HELD"))
            #expect(try await hand.ask("ALTER \(id) release").hasPrefix("263"))
            #expect(try await hand.ask("ALTER \(id) PRIORITY 9").hasPrefix("263"))
            let batch = try #require(host.batch)
            #expect(batch.status(id, of: "RMT1")?.priority == 9)
            #expect(try await hand.ask("ALTER \(id) PRIORITY 99").hasPrefix("465"))
            #expect(try await hand.ask("ALTER \(id) COPIES 2").hasPrefix("465"))
            #expect(try await hand.ask("ALTER J77777 HOLD").hasPrefix("464"))
            let other = try await RFC407Hand(address)
            _ = try await other.readLine()
            #expect(try await other.ask("USER=OPEN").hasPrefix("230"))
            #expect(try await other.ask("STATUS \(id)").hasPrefix("464"))
            #expect(try await other.ask("CANCEL \(id)").hasPrefix("464"))
            #expect(try await hand.ask("CANCEL \(id)").hasPrefix("262"))
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("161 Job \(id) CANCELLED"))
            #expect(try await hand.ask("CHANGE \(id) = (D)").hasPrefix("200"))
            #expect(try await hand.ask("STATUS \(id)").hasPrefix("464"))
        }
    }
}
