import Engine
import Foundation
import Jobs
import Logging
import Stations
import Stores
import Testing
import Wire

@Suite struct PushedOutputTests {
    /// A store in a fresh folder, and the taker of its host.
    struct Desk: Sendable {
        let store: any JobStore
        let host: HostID
        let taker: PushedOutputs
        let growing: GrowingOutputs
        let now: Timestamp

        static func run(_ body: (Desk) async throws -> Void) async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "port77-pushed-\(UUID())").path()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            var log = Logger(label: "test")
            log.logLevel = .critical
            let store = try SQLiteStore(folder: folder)
            let host = try #require(HostID("netrjs"))
            let now = Timestamp(microseconds: 1_763_870_400_000_000)
            let growing = GrowingOutputs()
            let desk = Desk(
                store: store, host: host,
                taker: PushedOutputs(host: host, codePage: .ascii, store: store, growing: growing, log: log),
                growing: growing, now: now)
            do {
                try await body(desk)
            } catch {
                await store.close()
                throw error
            }
            await store.close()
        }

        func submit(_ name: String, _ number: UInt128 = 1, to state: JobState = .submitted) async throws -> JobID {
            let id = JobID(time: now, random: number)
            let deck = StagedBody.inline(Array("//\(name) JOB (1)\n".utf8))
            let job = Job(
                id: id, host: host, owner: .local, name: JobName(name), createdAt: now,
                deck: DeckSummary(octets: deck.octets, cards: 1, hash: deck.hash))
            _ = try await store.submit(Submission(job: job, deck: deck))
            try await act(.beginSending, id, .open(session: "s", closing: true))
            if state == .submitted { try await act(.accepted(JobNumber(name), adopted: nil), id, .end(evidence: nil)) }
            if state == .uncertain { try await act(.lostInClosing(evidence: "cut"), id) }
            return id
        }

        func act(_ action: JobAction, _ id: JobID, _ attempt: JobChange.AttemptChange? = nil) async throws {
            _ = try await store.commit(JobChange(action, of: id, at: now, attempt: attempt))
        }

        func push(
            _ text: String, _ name: String, kind: SpoolFile.Kind = .print, isLast: Bool = true
        ) async throws {
            let stream = PushedStream(
                kind: kind, carriageControl: kind == .print ? .asa : .none, code: kind == .print ? "ASCII" : "BINARY",
                recordLength: kind == .print ? 133 : 80, name: JobName(name), header: "SMITH")
            let sink = try await taker.begin(stream)
            for octet in text.utf8 { try await sink.append([octet]) }
            try await sink.finish(isLast: isLast)
        }

        func unclaimed() async throws -> [UnclaimedStream] {
            try await store.unclaimed(on: host, before: nil, limit: 10)
        }
    }

    static func printOut(_ name: String, _ end: String = "RC=0004") -> String {
        "1 12.01.07 \(name) ---- MONDAY,    23 NOV 2026 ----\n  12.01.09  $HASP395 \(name) ENDED - \(end)\n"
    }

    @Test func `the last stream of a job ends it with what it says of the end`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            let card = String(repeating: "C", count: 80)
            try await desk.push(Self.printOut("HELLO"), "HELLO", isLast: false)
            #expect(try await desk.store.job(id)?.state == .submitted)
            try await desk.push(card, "HELLO", kind: .punch)
            let job = try #require(try await desk.store.job(id))
            #expect(job.state == .completed && job.outputs == 2)
            #expect(job.outcome?.returnCode == 4 && job.outcome?.matchedBy == "print-out")
            let files = try await desk.store.spoolFiles(of: id)
            #expect(files.map(\.kind) == [.print, .punch] && files.map(\.records) == [2, 1])
            let body = try await desk.store.spoolBody(of: id, file: 1).read(from: 0, count: 10_000)
            #expect(body == Array(Self.printOut("HELLO").utf8))
            #expect(try await desk.unclaimed().isEmpty)
        }
    }

    @Test func `a print-out that says nothing ends the job all the same`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            try await desk.push(" SOME LINES\n", "HELLO")
            let job = try #require(try await desk.store.job(id))
            #expect(job.state == .completed && job.outcome?.returnCode == nil && job.outcome?.matchedBy == "output")
        }
    }

    @Test func `a long stream can be read while it comes, under the number it will have`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            let lines = Array(String(repeating: " A LINE OF SOME LENGTH\n", count: 1000).utf8)
            let stream = PushedStream(
                kind: .print, carriageControl: .asa, code: "ASCII", recordLength: 133, number: JobNumber("HELLO"),
                name: JobName("HELLO"))
            for isWhole in [false, true] {
                let sink = try await desk.taker.begin(stream)
                try await sink.append(lines)
                #expect(desk.growing.files(of: id).isEmpty, "a short one is soon there")
                for _ in 1...3 { try await sink.append(lines) }
                let file = try #require(desk.growing.files(of: id).first)
                #expect(file.number == (isWhole ? 4 : 1))
                #expect(file.extent.octets == 4 * lines.count && file.extent.records == 4000)
                #expect(try await file.read(from: 3 * lines.count, count: lines.count) == lines)
                if isWhole {
                    try await sink.finish(isLast: true)
                } else {
                    // Another stream of the job does not take its number.
                    try await desk.push(String(repeating: "C", count: 80), "HELLO", kind: .punch, isLast: false)
                    #expect(try await desk.store.spoolFiles(of: id).map(\.number) == [2])
                    try await desk.push(" SHORT\n", "HELLO", isLast: false)
                    #expect(try await desk.store.spoolFiles(of: id).map(\.number) == [2, 3])
                    await sink.discard()
                }
                #expect(desk.growing.files(of: id).isEmpty)
            }
            #expect(try await desk.store.spoolFiles(of: id).map(\.number) == [2, 3, 4])
        }
    }

    @Test func `a long stream that may be another job's is not shown`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            let stream = PushedStream(
                kind: .print, carriageControl: .asa, code: "ASCII", recordLength: 133, name: JobName("HELLO"))
            let sink = try await desk.taker.begin(stream)
            try await sink.append(Array(String(repeating: " LINE\n", count: 20_000).utf8))
            #expect(desk.growing.files(of: id).isEmpty)
            try await sink.finish(isLast: true)
            #expect(try await desk.store.job(id)?.outputs == 1)
        }
    }

    @Test func `a stream that comes again is taken once`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            for _ in 1...2 { try await desk.push(Self.printOut("HELLO"), "HELLO", isLast: false) }
            #expect(try await desk.store.job(id)?.outputs == 1)
            for _ in 1...2 { try await desk.push(Self.printOut("HELLO"), "HELLO") }
            #expect(try await desk.store.job(id)?.outputs == 1)
            #expect(try await desk.unclaimed().isEmpty)
        }
    }

    @Test func `an uncertain job is adopted by its print-out`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO", to: .uncertain)
            try await desk.push(Self.printOut("HELLO", "ABEND=S0C7"), "HELLO")
            let job = try #require(try await desk.store.job(id))
            #expect(job.state == .failed && job.outcome?.abend == "S0C7")
            let events = try await desk.store.events(after: 0, job: id, limit: 20).map(\.type)
            #expect(events.suffix(3) == ["job.uncertain", "job.submitted", "job.failed"])
            #expect(try await desk.store.attempts(of: id).last?.phase == .ended)
        }
    }

    @Test func `output that overtakes the receipt waits for it`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO", to: .sending)
            async let pushed: Void = desk.push(Self.printOut("HELLO"), "HELLO")
            try await desk.act(.accepted(JobNumber("HELLO"), adopted: nil), id, .end(evidence: nil))
            try await pushed
            #expect(try await desk.store.job(id)?.state == .completed)
        }
    }

    @Test func `output of nobody is kept`() async throws {
        try await Desk.run { desk async throws in
            _ = try await desk.submit("HELLO")
            try await desk.push(Self.printOut("STRANGER"), "STRANGER")
            let kept = try await desk.unclaimed()
            #expect(kept.map(\.name) == [JobName("STRANGER")] && kept.first?.header == "SMITH")
            #expect(kept.first?.reason == "no job under way here is named STRANGER")
            let body = try await desk.store.unclaimedBody(kept.first?.number ?? 0)?.read(from: 0, count: 1000)
            #expect(body == Array(Self.printOut("STRANGER").utf8))
        }
    }

    @Test func `output under a name that two jobs have is kept for people`() async throws {
        try await Desk.run { desk async throws in
            for number in 1...2 { _ = try await desk.submit("HELLO", UInt128(number)) }
            try await desk.push(" NO NUMBER\n", "HELLO")
            #expect(try await desk.unclaimed().first?.reason == "2 jobs under way here are named HELLO")
        }
    }

    @Test func `a cut stream leaves nothing`() async throws {
        try await Desk.run { desk async throws in
            let id = try await desk.submit("HELLO")
            let stream = PushedStream(
                kind: .print, carriageControl: .asa, code: "ASCII", recordLength: 133, name: JobName("HELLO"))
            let sink = try await desk.taker.begin(stream)
            try await sink.append(Array(" HALF A LI".utf8))
            await sink.discard()
            #expect(try await desk.store.job(id)?.outputs == 0)
            #expect(try await desk.unclaimed().isEmpty)
        }
    }
}
