import Jobs
import Lines
import Protocols
import ReferenceHost
import Stations
import TestKit
import Testing
import Wire

/// Our station and our host over loopback.
@Suite(.timeLimit(.minutes(2))) struct NETRJSStationTests {
    private func station(_ settings: NETRJSSettings, _ taker: TestTaker) -> NETRJSStation {
        NETRJSStationFactory(settings, loops: TestLoops.group, taker: taker).makeStation()
    }

    /// One job by PRIV-RJE's rules on the same host: what every protocol should bring.
    private func expected(_ deck: String, _ host: BatchHost) async throws -> (print: [UInt8], punch: [UInt8]) {
        let batch = try #require(host.batch)
        let receipt = try await batch.accept(deck)
        let ran = try await batch.ended(receipt.number.description)
        func octets(_ kind: OutputFile.Kind) throws -> [UInt8] {
            try ran.files.filter { $0.kind == kind }.flatMap { try $0.body.read(offset: 0, count: $0.octets) }
        }
        return (try octets(.print), try octets(.punch))
    }

    /// Times and job numbers differ between two runs.
    private func comparable(_ text: [UInt8]) -> [String] {
        String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            !["J000", "TIME=", "/START", "/STOP", "EXECUTION TIME", "JOB STATISTICS"].contains { line.contains($0) }
        }.map(String.init)
    }

    @Test(arguments: [
        (NETRJS.CharacterSet.ascii68, NETRJS.Form.truncated, false),
        (.ascii63, .compressed, false), (.ebcdic, .compressed, true), (.ascii68, .compressed, true),
        (.ebcdic, .truncated, false),
    ])
    func `print and punch come as the host has them`(
        _ set: NETRJS.CharacterSet, _ form: NETRJS.Form, _ hostIsEBCDIC: Bool
    ) async throws {
        try await withNETRJS {
            $0.contacts[0].characterSet = set
            $0.terminals = [.init("GATE01", form: form)]
        } batch: {
            $0.code = hostIsEBCDIC ? .cp037 : .ascii
        } _: { host, settings in
            var settings = settings
            settings.form = form
            let taker = TestTaker()
            let station = station(settings, taker)
            try await station.signOn()
            let deck = printAndPunch.replacing("CARD ONE", with: "CARD ONE  (A|B) <5")
            let receipt = try await station.submit(prepared(deck, code: settings.codePage), closing: nil)
            #expect(receipt == Receipt(job: JobNumber("BOTH"), name: "BOTH", cards: 8))
            try await eventually("both outputs") { taker.streams.count == 2 }
            let print = try #require(taker.streams.first { $0.pushed.kind == .print })
            let punch = try #require(taker.streams.first { $0.pushed.kind == .punch })
            #expect(taker.streams.map(\.isLast).sorted { !$0 && $1 } == [false, true])
            #expect(print.pushed.name == JobName("BOTH") && print.pushed.header == "TEST")
            #expect(punch.pushed.code == "BINARY" && print.pushed.carriageControl == .asa)
            let mine = try await expected(deck, host)
            #expect(punch.octets == mine.punch)
            if set != .ebcdic && !hostIsEBCDIC { #expect(comparable(print.octets) == comparable(mine.print)) }
            #expect(CodePage(named: print.pushed.code)?.decode(print.octets).contains("IEBGENER") == true)
            try await eventually("the job is purged") {
                host.batch?.status(of: "GATE01").reports.isEmpty == true
            }
            await station.signOff()
            #expect(taker.discards == 0)
        }
    }

    @Test func `announced ports, a password, and jobs one behind the other`() async throws {
        try await withNETRJS { _, settings in
            var settings = settings
            settings.terminal = "GATE02"
            settings.password = { "sesame" }
            #expect(settings.ports == .announced)
            let taker = TestTaker()
            let station = station(settings, taker)
            try await station.signOn()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        let deck = hello.replacing("//HELLO", with: "//JOB\(number)")
                        let receipt = try await station.submit(prepared(deck), closing: {})
                        #expect(receipt.job == JobNumber("JOB\(number)"))
                    }
                }
                try await group.waitForAll()
            }
            try await eventually("20 outputs") { taker.streams.count == 20 }
            #expect(Set(taker.streams.compactMap(\.pushed.number)).count == 20)
            #expect(!taker.streams.contains { !$0.isLast })
            #expect(try await station.status(of: #require(JobNumber("JOB3"))) == nil)
            await station.signOff()
        }
    }

    @Test func `wrong passwords and unknown terminals are refused, a second session waits`() async throws {
        try await withNETRJS { _, settings in
            var wrong = settings
            wrong.terminal = "GATE02"
            await #expect(throws: StationError.logonRefused("NRJ307R INVALID SIGN ON, UNKNOWN TERMINAL")) {
                try await station(wrong, TestTaker()).signOn()
            }
            let first = station(settings, TestTaker())
            try await first.signOn()
            await #expect(throws: StationError.hostUnwilling("NRJ307R INVALID SIGN ON, TERMINAL ALREADY SIGNED ON")) {
                try await station(settings, TestTaker()).signOn()
            }
            await first.signOff()
            let again = station(settings, TestTaker())
            try await again.signOn()
            await again.signOff()
        }
    }

    @Test func `status, cancel, a console command, and names that are taken`() async throws {
        try await withNETRJS { host, settings in
            let taker = TestTaker()
            let station = station(settings, taker)
            try await station.signOn()
            let slow = "//SLOW JOB (1),TEST\n// EXEC PGM=WAIT,PARM='600'\n"
            let number = try #require(try await station.submit(prepared(slow), closing: nil).job)
            #expect(try await station.status(of: number)?.state == .queued)
            #expect(try await station.statusOfAll().jobs.map(\.number) == [number])
            await #expect(throws: StationError.self) { try await station.submit(prepared(slow), closing: nil) }
            #expect(try await station.operate("STATUS SYSTEM").first?.hasPrefix("RJS800I") == true)
            await #expect(throws: StationError.self) { try await station.operate("SIGNOFF") }
            #expect(try await station.cancel(number) == .canceled)
            #expect(try await station.cancel(#require(JobNumber("NOBODY"))) == .unknownJob)
            try await eventually("its print-out") { taker.streams.count == 1 }
            #expect(taker.streams[0].text.contains("ABEND=S222"))
            // The name is free when the host has heard that its output is stored, a moment after that.
            try await eventually("the name is free") {
                do throws(StationError) {
                    let deck: PreparedDeck
                    do { deck = try prepared(hello.replacing("HELLO", with: "SLOW")) } catch {
                        throw .local("\(error)")
                    }
                    return try await station.submit(deck, closing: nil).job == number
                } catch {
                    guard case .busy = error else { throw error }
                    return false
                }
            }
            await station.signOff()
        }
    }

    @Test func `decks that NETRJS or the host cannot take`() async throws {
        try await withNETRJS { _, settings in
            let station = station(settings, TestTaker())
            try await station.signOn()
            for deck in ["NO JOB CARD\n", "//BAD/NAME JOB\n"] {
                await #expect(throws: StationError.self) { try await station.submit(prepared(deck), closing: nil) }
            }
            let wide = Array(("//WIDE JOB\n" + String(repeating: "x", count: 81) + "\n").utf8)
            let long = PreparedDeck(
                job: JobID(at: Timestamp(microseconds: 0)), key: "k", octets: wide.count, code: "ASCII",
                form: .variable
            ) { Array(wide.dropFirst($0).prefix($1)) }
            await #expect(throws: StationError.refusedDeck(reason: "card 2 has 81 columns; NETRJS carries 80")) {
                try await station.submit(long, closing: nil)
            }
            await #expect(throws: StationError.self) {
                try await station.submit(prepared(hello, code: .cp037), closing: nil)
            }
            // a commit that fails cuts the deck: the host drops it, and the name is free
            struct Refused: Error {}
            await #expect(throws: StationError.self) {
                try await station.submit(prepared(hello), closing: { throw Refused() })
            }
            try await eventually("the reader is free again") {
                (try? await station.submit(prepared(hello), closing: nil)) != nil
            }
            await station.signOff()
        }
    }

    @Test func `output that cannot be stored is not acknowledged, and comes again`() async throws {
        try await withNETRJS { _, settings in
            let taker = TestTaker(failing: 2)
            let station = station(settings, taker)
            try await station.signOn()
            _ = try await station.submit(prepared(hello), closing: nil)
            try await eventually("the output") { taker.streams.count == 1 }
            #expect(taker.repeats == 0)
            await station.signOff()
        }
    }

    @Test func `a long deck and a long print-out pass in flat memory`() async throws {
        try await withNETRJS { _, settings in
            let taker = TestTaker(keepsOctets: false)
            let station = station(settings, taker)
            try await station.signOn()
            let lines = 60_000
            let card = Array((String(repeating: "x", count: 79) + "\n").utf8)
            let head = Array("//BIG JOB (1),TEST\n//A EXEC PGM=LINES,PARM='\(lines)'\n//X DD *\n".utf8)
            let cards = 20_000
            let octets = head.count + cards * card.count
            let deck = PreparedDeck(
                job: JobID(at: Timestamp(microseconds: 0)), key: "k", octets: octets, code: "ASCII", form: .variable
            ) { offset, count in
                (offset..<min(octets, offset + count)).map { $0 < head.count ? head[$0] : card[($0 - head.count) % 80] }
            }
            let receipt = try await station.submit(deck, closing: {})
            #expect(receipt.cards == cards + 3)
            try await eventually("the print-out", within: .seconds(60)) { taker.streams.count == 1 }
            #expect(taker.octets > 4_000_000)
            #expect(taker.longestPiece <= 128 * 1024)
            await station.signOff()
        }
    }
}
