import Jobs
import Lines
import Protocols
import Stations
import Synchronization
import TestKit
import Testing
import Wire

private struct Broken: Error {}

@Suite(.timeLimit(.minutes(1))) struct PrivRJEStationTests {
    /// Signs on and, when `body` is through, off.
    private func withStation(
        _ settings: PrivRJESettings = settings(), clock: any Clock<Duration> = ManualClock(),
        host: @escaping @Sendable (any Line) async -> Void, _ body: (PrivRJEStation) async throws -> Void
    ) async throws {
        let station = station(settings, clock: clock, host: host)
        try await station.signOn()
        try await body(station)
        await station.signOff()
    }

    @Test func `a whole job`() async throws {
        let system = FakeSystem()
        let number = try #require(jobOne)
        try await withStation(host: { await serve($0, system) }) { station in
            try await station.watchAll()
            let receipt = try await station.submit(deck(), closing: nil)
            #expect(receipt == Receipt(job: number, name: "HELLO", cards: 3))
            #expect(system.jobs.map(\.block) == [helloDeck])
            var reports = station.reports.makeAsyncIterator()
            #expect(await reports.next() == .job(HostJob(number: number, name: "HELLO", state: .running)))
            #expect(await reports.next() == .message("job ran"))
            let ended = HostJob(number: number, name: "HELLO", state: .ended(.completed(4)), files: 1)
            #expect(await reports.next() == .job(ended))
            #expect(try await station.status(of: number) == ended)
            #expect(try await station.statusOfAll().jobs == [ended])
            let files = try await station.files(of: number)
            let file = try #require(files.first)
            #expect(file.carriageControl == .asa && file.kind == .print && file.code == "ASCII")
            let basket = Basket()
            let total = try await station.fetch(file, of: number, from: 0, limit: nil) { basket.put($0) }
            #expect(basket.contents == system.output[0] && total == system.output[0].count)
            #expect(try await station.cancel(number) == .tooLate)
            #expect(try await station.operate("D A,L") == ["heard", "D A,L"])
            try await station.ping()
            try await station.purge(number)
            try await station.purge(number)
            #expect(try await station.status(of: number) == nil)
            #expect(try await station.cancel(number) == .unknownJob)
        }
    }

    @Test func `the same deck again is a duplicate, and keys can be asked for and given up`() async throws {
        let system = FakeSystem()
        try await withStation(host: { await serve($0, system) }) { station in
            #expect(try await station.find(key: "KEY-1") == nil)
            let first = try await station.submit(deck(), closing: nil)
            let second = try await station.submit(deck(), closing: nil)
            #expect(!first.duplicate && second.duplicate && first.job == second.job)
            #expect(try await station.find(key: "KEY-1")?.job == first.job)
            #expect(try await station.void(key: "KEY-1")?.job == first.job)
            #expect(try await station.void(key: "KEY-2") == nil)
            await #expect(throws: StationError.refusedDeck(reason: "its submission key was given up")) {
                try await station.submit(deck(key: "KEY-2"), closing: nil)
            }
            #expect(system.jobs.count == 1)
        }
    }

    @Test func `a refused deck says why, and the session goes on`() async throws {
        let system = FakeSystem()
        try await withStation(host: { await serve($0, system) }) { station in
            await #expect(
                throws: StationError.refusedDeck(reason: "its first card is no job card, card 1: no job card")
            ) { try await station.submit(deck(Array("HELLO\n".utf8)), closing: nil) }
            await #expect(
                throws: StationError.refusedDeck(reason: "the host takes no decks in CP500, only in ASCII, CP037")
            ) { try await station.submit(deck(code: "CP500"), closing: nil) }
            await #expect(throws: StationError.refusedDeck(reason: "it is empty")) {
                try await station.submit(deck([]), closing: nil)
            }
            system.state.withLock { $0.takesJobs = false }
            await #expect(throws: StationError.busy("spool full")) {
                try await station.submit(deck(), closing: nil)
            }
            try await station.ping()
        }
    }

    @Test(arguments: [1, 100, 65_536, 65_537, 300_000])
    func `closing is awaited before the host has the whole deck`(octets: Int) async throws {
        let system = FakeSystem()
        let block = Array("//BIG JOB\n".utf8) + Array(repeating: 0x2A, count: octets)
        let calls = Box(0)
        try await withStation(host: { await serve($0, system) }) { station in
            _ = try await station.submit(deck(block)) {
                #expect(system.jobs.isEmpty)
                await Task.yield()
                calls.withLock { $0 += 1 }
            }
            #expect(system.jobs.map(\.block) == [block])
        }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func `a small deck whose attempt cannot be stored is not sent, and the session goes on`() async throws {
        let system = FakeSystem()
        try await withStation(host: { await serve($0, system) }) { station in
            await #expect(throws: StationError.notSent("the attempt could not be stored as closing: Broken()")) {
                try await station.submit(deck()) { throw Broken() }
            }
            try await station.ping()
        }
        #expect(system.jobs.isEmpty)
    }

    @Test func `a long deck whose attempt cannot be stored is cut`() async throws {
        let system = FakeSystem()
        let over = Gate()
        let block = Array("//BIG JOB\n".utf8) + Array(repeating: 0x2A, count: 200_000)
        try await withStation(
            host: {
                await serve($0, system)
                over.open()
            }
        ) { station in
            await #expect(throws: StationError.notSent("the attempt could not be stored as closing: Broken()")) {
                try await station.submit(deck(block)) { throw Broken() }
            }
            await over.wait()
            await #expect(throws: StationError.self) { try await station.ping() }
        }
        #expect(system.jobs.isEmpty)
    }

    @Test func `a deck that cannot be read on is cut`() async throws {
        let system = FakeSystem()
        let prepared = PreparedDeck(
            job: JobID(at: Timestamp(microseconds: 0)), key: "K", octets: 200_000, code: "ASCII", form: .variable
        ) { offset, count in
            if offset > 100_000 { throw Broken() }
            return Array(repeating: 0x2F, count: count)
        }
        try await withStation(host: { await serve($0, system) }) { station in
            await #expect(throws: StationError.local("the deck cannot be read: Broken()")) {
                try await station.submit(prepared, closing: nil)
            }
        }
        #expect(system.jobs.isEmpty)
    }

    @Test(arguments: ["435 disk", "436 REASON=SHUTDOWN", "436 REASON=IDLE", "401 no"])
    func `a session-ending code leaves an INPUT open, and nothing else done`(code: String) async throws {
        let station = station {
            await play(
                .signOn + [.hear("STATUS"), .hear("INPUT"), .hearBlock(helloDeck.count), .say(code)], on: $0)
        }
        try await station.signOn()
        let number = try #require(jobOne)
        let status = Task { try await station.status(of: number) }
        while await station.callCount < 1 { await Task.yield() }
        let error = StationError.hostUnwilling(code)
        await #expect(
            throws: StationError.uncertain(
                evidence: "the whole deck was handed to the line, no answer was read; then \(error)")
        ) { try await station.submit(deck(), closing: nil) }
        await #expect(throws: error) { try await status.value }
    }

    @Test func `436 ERRORS tells the operator`() async throws {
        let station = station { await play(.signOn + [.hear("PING"), .say("436 REASON=ERRORS")], on: $0) }
        try await station.signOn()
        await #expect(
            throws: StationError.garbage(
                "it gave up on us after too many commands that it could not read: 436 REASON=ERRORS")
        ) { try await station.ping() }
    }

    @Test func `a receipt read is a receipt, though the line is lost right after`() async throws {
        let station = station {
            await play(.signOn + [.hear("INPUT"), .hearBlock(helloDeck.count), .say("260 JOB=J00007 CARDS=2")], on: $0)
        }
        try await station.signOn()
        #expect(try await station.submit(deck(), closing: nil).job == JobNumber("J00007"))
        var reports = station.reports.makeAsyncIterator()
        #expect(await reports.next() == .lineDown(.lineLost("the host closed it")))
    }

    @Test func `notices stand anywhere, for any job`() async throws {
        let station = station {
            await play(
                .signOn + [
                    .say("* 161 JOB=J99999 STATE=RUNNING"), .hear("STATUS *"), .say("* 060 hello operator"),
                    .say("161-JOB=J00001 STATE=QUEUED NEW=1"),
                    .say("* 463 JOB=J00003 STATE=FAILED REASON=ABEND ABEND=S0C7"),
                    .say("463-JOB=J00002 STATE=FAILED REASON=JCL"), .say("200 COUNT=2 MORE=Y"), .hear("BYE"),
                    .say("231 bye"),
                ], on: $0)
        }
        try await station.signOn()
        let all = try await station.statusOfAll()
        #expect(all.jobs.map(\.state) == [.queued, .ended(.jclError)] && !all.complete)
        var reports = station.reports.makeAsyncIterator()
        let first = try #require(JobNumber("J99999"))
        let third = try #require(JobNumber("J00003"))
        #expect(await reports.next() == .job(HostJob(number: first, state: .running)))
        #expect(await reports.next() == .message("hello operator"))
        #expect(await reports.next() == .job(HostJob(number: third, state: .ended(.abended("S0C7")))))
        await station.signOff()
    }

    @Test(
        arguments: [
            ("161 JOB=J00001 STATE=HELD", HostJob.State.held),
            ("161 JOB=J00001 STATE=RUNNING", .running),
            ("261 JOB=J00001 STATE=DONE RC=0012 FILES=3", .ended(.completed(12))),
            ("463 JOB=J00001 STATE=FAILED REASON=ABEND ABEND=U0016", .ended(.abended("U0016"))),
            ("463 JOB=J00001 STATE=FAILED REASON=CANCELLED", .ended(.canceled)),
            ("463 JOB=J00001 STATE=FAILED REASON=LOST", .ended(.lost("the host lost the job"))),
        ] as [(String, HostJob.State)])
    func `states of a job`(line: String, state: HostJob.State) async throws {
        let number = try #require(jobOne)
        let station = station { await play(.signOn + [.hear("STATUS J00001"), .say(line), .fallSilent], on: $0) }
        try await station.signOn()
        #expect(try await station.status(of: number)?.state == state)
    }

    @Test func `commands go out without waiting, as many as WINDOW allows`() async throws {
        let station = station {
            await play(
                .signOn("WINDOW=3") + [
                    .hear("STATUS"), .hear("STATUS"), .hear("STATUS"), .say("464 no"), .hear("STATUS"), .say("464 no"),
                    .say("464 no"), .say("464 no"), .hear("BYE"), .say("231 bye"),
                ], on: $0)
        }
        try await station.signOn()
        let number = try #require(jobOne)
        try await withThrowingTaskGroup(of: HostJob?.self) { group in
            for _ in 0..<4 { group.addTask { try await station.status(of: number) } }
            for try await job in group { #expect(job == nil) }
        }
        await station.signOff()
    }

    @Test func `silence after a command is a deadline, however many notices there are not`() async throws {
        let clock = ManualClock()
        let station = station(clock: clock) { await play(.signOn + [.fallSilent], on: $0) }
        try await station.signOn()
        let ping = Task { try await station.ping() }
        while await station.callCount < 1 { await Task.yield() }
        while clock.sleepers == 0 { await Task.yield() }
        clock.advance(by: .seconds(59))
        for _ in 0..<20 { await Task.yield() }
        #expect(await station.isOpen)
        while !ping.isCancelled, await station.isOpen {
            clock.advance(by: .seconds(1))
            for _ in 0..<20 { await Task.yield() }
        }
        await #expect(throws: StationError.deadline("not an octet for 60 s while an answer was due")) {
            try await ping.value
        }
    }

    @Test func `an idle session is kept alive before the host's IDLE`() async throws {
        let clock = ManualClock()
        let pinged = Gate()
        let station = station(clock: clock) {
            await play(
                .signOn("IDLE=100") + [.hear("PING"), .await { pinged.open() }, .say("200 ok"), .fallSilent], on: $0)
        }
        try await station.signOn()
        let pump = Task {
            while !Task.isCancelled {
                if clock.now.offset < .seconds(50) { clock.advance(by: .seconds(1)) }
                for _ in 0..<20 { await Task.yield() }
            }
        }
        await pinged.wait()
        pump.cancel()
        #expect(clock.now.offset == .seconds(50))
        await station.signOff(clock)
    }
}

extension PrivRJEStation {
    /// Signs off from a host that no longer answers.
    func signOff(_ clock: ManualClock) async {
        async let off: Void = signOff()
        while isOpen {
            clock.advance(by: .seconds(1))
            for _ in 0..<20 { await Task.yield() }
        }
        await off
    }
}
