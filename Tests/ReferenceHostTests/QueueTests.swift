import Jobs
import ReferenceHost
import TestKit
import Testing

@Suite struct QueueTests {
    /// One initiator, kept busy until the clock moves.
    private func oneInitiator(_ classes: String = "AB") -> BatchSettings {
        var settings = BatchSettings()
        settings.initiators = [classes.compactMap { JobClass(String($0)) }]
        return settings
    }

    private let wait = "//WAITER JOB\n// EXEC PGM=WAIT,PARM=1\n"

    @Test func `jobs run by the initiator's classes, then by priority, then by age`() async throws {
        let clock = ManualClock()
        let settings = oneInitiator("BA")
        try await withBatch(BatchSystem(settings, time: .fixed(clock))) { batch in
            let first = try await batch.accept(wait).number.description
            _ = await batch.reached([.running], first)
            await clock.sleepersReach(1)
            var last = ""
            for (name, card) in [
                ("A1", "CLASS=A,PRTY=3"), ("A2", "CLASS=A,PRTY=9"), ("A3", "CLASS=A,PRTY=9"), ("B1", "CLASS=B,PRTY=0"),
                ("C1", "CLASS=C"),
            ] {
                last = try await batch.accept("//\(name) JOB (1),X,\(card)\n// EXEC PGM=IEFBR14\n").number.description
            }
            let (stream, continuation) = AsyncStream.makeStream(of: JobReport.self)
            let watch = batch.watch("RMT1") { continuation.yield($0) }
            clock.advance(by: .seconds(1))
            var order: [String] = []
            for await report in stream where report.state == .running {
                order.append(report.name)
                if order.count == 4 { break }
            }
            batch.unwatch(watch)
            #expect(order == ["B1", "A2", "A3", "A1"])
            #expect(batch.status(last, of: "RMT1")?.state == .queued)
        }
    }

    @Test func `INPUT's class and priority stand over the job card's`() async throws {
        let batch = try BatchSystem(BatchSettings(), time: .fixed())
        let job = try await batch.accept("//A JOB (1),X,CLASS=B,PRTY=2\n// EXEC PGM=IEFBR14\n") {
            $0.jobClass = JobClass("C")
            $0.priority = 9
        }
        let report = try #require(batch.status(job.number.description, of: "RMT1"))
        #expect(report.jobClass == JobClass("C") && report.priority == 9)
    }

    @Test(arguments: [true, false])
    func `a held job waits for its release`(_ onJobCard: Bool) async throws {
        try await withBatch(BatchSystem(BatchSettings(), time: .fixed())) { batch in
            let deck = onJobCard ? "//A JOB (1),X,TYPRUN=HOLD\n// EXEC PGM=IEFBR14\n" : hello
            let job = try await batch.accept(deck) { $0.isHeld = !onJobCard }.number.description
            let other = try await batch.accept(hello).number.description
            _ = try await batch.ended(other)
            #expect(batch.status(job, of: "RMT1")?.state == .held)
            #expect(try batch.hold(job, of: "RMT1").answer == .held)
            #expect(try batch.release(job, of: "RMT1").answer == .queued)
            #expect(try await batch.ended(job).report.end?.outcome == .done(0))
        }
    }

    @Test func `what the state forbids is forbidden`() async throws {
        let clock = ManualClock()
        try await withBatch(BatchSystem(oneInitiator(), time: .fixed(clock))) { batch in
            let running = try await batch.accept(wait).number.description
            _ = await batch.reached([.running], running)
            await clock.sleepersReach(1)
            #expect(throws: JobFault.stateForbids) { try batch.hold(running, of: "RMT1") }
            #expect(try batch.release(running, of: "RMT1").answer == .running)
            #expect(throws: JobFault.notFinished) { try batch.purge(running, of: "RMT1") }
            #expect(throws: JobFault.notFinished) { try batch.files(running, of: "RMT1") }
            let queued = try await batch.accept(hello).number.description
            #expect(try batch.release(queued, of: "RMT1").answer == .queued)
            #expect(try batch.hold(queued, of: "RMT1").answer == .held)
            #expect(throws: JobFault.noSuchJob) { try batch.cancel(queued, of: "RMT2") }
            #expect(try batch.cancel(queued, of: "RMT1").answer == .failed)
            let cancelled = try await batch.ended(queued)
            #expect(cancelled.report.end?.outcome == .cancelled)
            #expect(cancelled.files.map(\.ddName) == ["JESMSGLG", "JESJCL"])
            #expect(throws: JobFault.finished) { try batch.cancel(queued, of: "RMT1") }
            #expect(throws: JobFault.stateForbids) { try batch.hold(queued, of: "RMT1") }
            #expect(throws: JobFault.stateForbids) { try batch.release(queued, of: "RMT1") }
            clock.advance(by: .seconds(1))
            _ = try await batch.ended(running)
        }
    }

    struct Deck: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let block: [UInt8]
        let refusal: DeckRefusal.Reason
        var card: Int?

        init(_ description: String, _ text: String, _ refusal: DeckRefusal.Reason, card: Int? = nil) {
            self.init(description, Array(text.utf8), refusal, card: card)
        }
        init(_ description: String, _ block: [UInt8], _ refusal: DeckRefusal.Reason, card: Int? = nil) {
            testDescription = description
            self.block = block
            self.refusal = refusal
            self.card = card
        }
    }

    @Test(arguments: [
        Deck("no card", "", .empty), Deck("only blank cards", "  \n\n \n", .empty),
        Deck("a comment first", "//* HI\n\(hello)", .noJobCard, card: 1),
        Deck("lower case", "//a job\n", .noJobCard, card: 1),
        Deck("a name too long", "//ABCDEFGHI JOB\n// EXEC PGM=RC\n", .noJobCard, card: 1),
        Deck("two jobs", hello + hello, .badCard, card: 3),
        Deck("a card of 81", hello + "//" + String(repeating: "X", count: 79) + "\n", .badCard, card: 3),
        Deck("an octet of 0x80", Array(hello.utf8) + [0x80, 0x0A], .badCard, card: 3),
    ])
    func `a deck that is refused, and binds no key`(_ row: Deck) async throws {
        let batch = try BatchSystem(BatchSettings(), time: .fixed())
        guard case .refused(let refusal) = batch.submit(Submission(user: "RMT1", key: "K", block: row.block)).answer
        else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.reason == row.refusal && refusal.card == row.card)
        #expect(batch.find(key: "K", of: "RMT1").answer == nil)
        #expect(try await batch.accept(hello, key: "K").isDuplicate == false)
    }

    @Test func `a card of 80 and a job card inside data are taken`() async throws {
        let batch = try BatchSystem(BatchSettings(), time: .fixed())
        _ = try await batch.accept(
            hello + "//* " + String(repeating: "X", count: 76) + "\r\n//SYSIN DD DATA\n//INNER JOB\n/*\n")
    }

    @Test func `decks beyond the spool's limit are put off, and room comes back`() async throws {
        var settings = oneInitiator()
        settings.mostWaitingOctets = hello.utf8.count * 2
        let batch = try BatchSystem(settings, time: .fixed())
        let jobs = [try await batch.accept(hello), try await batch.accept(hello)]
        #expect(batch.submit(Submission(user: "RMT1", block: Array(hello.utf8))).answer == .notTakingJobs("spool full"))
        _ = try batch.cancel(jobs[0].number.description, of: "RMT1")
        _ = try await batch.accept(hello)
    }

    // MARK: keys

    @Test func `one key is one job, whoever comes first`() async throws {
        let batch = try BatchSystem(BatchSettings(), time: .fixed())
        let numbers = await withTaskGroup(of: JobReceipt?.self) { group in
            for _ in 0..<50 { group.addTask { try? await batch.accept(hello, key: "SAME") } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(numbers.compactMap { $0 }.count == 50)
        #expect(Set(numbers.compactMap { $0?.number }).count == 1)
        #expect(numbers.filter { $0?.isDuplicate == false }.count == 1)
        #expect(batch.status(of: "RMT1").reports.count == 1)
        #expect(try await batch.accept(hello, user: "RMT2", key: "SAME").isDuplicate == false)
    }

    @Test func `a key outlives PURGE until KEEP after the end, and names its number as long`() async throws {
        let clock = ManualClock()
        var settings = BatchSettings()
        settings.keep = .seconds(100)
        try await withBatch(BatchSystem(settings, time: .fixed(clock))) { batch in
            let job = try await batch.accept(hello, key: "K").number.description
            _ = try await batch.ended(job)
            _ = try batch.purge(job, of: "RMT1")
            #expect(batch.status(job, of: "RMT1") == nil)
            clock.advance(by: .seconds(99))
            #expect(batch.find(key: "K", of: "RMT1").answer?.isPurged == true)
            #expect(try await batch.accept(hello, key: "K").isDuplicate)
            #expect(
                batch.submit(Submission(user: "RMT1", key: "K", block: Array("//X JOB\n".utf8))).answer
                    == .refused(DeckRefusal(.keyClash, "this key belongs to J00001, which is another deck")))
            clock.advance(by: .seconds(1))
            #expect(batch.find(key: "K", of: "RMT1").answer == nil)
            let again = try await batch.accept(hello, key: "K")
            #expect(!again.isDuplicate && again.number.description == "J00002")
        }
    }

    @Test func `VOID gives a key up for KEEP, unless a job has it`() async throws {
        let clock = ManualClock()
        var settings = BatchSettings()
        settings.keep = .seconds(100)
        let batch = try BatchSystem(settings, time: .fixed(clock))
        #expect(batch.void(key: "K", of: "RMT1").answer == .voided)
        #expect(batch.void(key: "K", of: "RMT1").answer == .voided)
        guard
            case .refused(let refusal) = batch.submit(Submission(user: "RMT1", key: "K", block: Array(hello.utf8)))
                .answer
        else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.reason == .keyVoid)
        clock.advance(by: .seconds(100))
        let job = try await batch.accept(hello, key: "K")
        #expect(batch.void(key: "K", of: "RMT1").answer == .bound(job))
    }

    @Test func `numbers begin again and pass over those that are named`() async throws {
        var settings = BatchSettings()
        settings.lastShortNumber = 20
        try await withBatch(BatchSystem(settings, time: .fixed())) { batch in
            func runAndPurge(key: String? = nil) async throws -> String {
                let job = try await batch.accept(hello, key: key).number.description
                _ = await batch.reached([.done], job)
                _ = try batch.purge(job, of: "RMT1")
                return job
            }
            #expect(try await batch.accept(hello).number.description == "J00001")
            #expect(try await runAndPurge(key: "K") == "J00002")
            for number in 3...20 { #expect(try await runAndPurge() == "J000\(number < 10 ? "0" : "")\(number)") }
            #expect(try await runAndPurge() == "J00003")
            for number in 4...20 { _ = try await runAndPurge(key: "K\(number)") }
            _ = try await runAndPurge(key: "K3")
            // every short number is named now
            #expect(try await runAndPurge() == "J00021")
        }
    }

    @Test(arguments: [("J00042", 42), ("J99999", 99_999), ("J0100000", 100_000), ("J9999999", 9_999_999)])
    func `job numbers have one spelling`(_ text: String, _ value: Int) {
        #expect(HostJobNumber(text)?.value == value)
        #expect(HostJobNumber(value: value)?.description == text)
    }

    @Test(arguments: ["J42", "J00000", "J0000042", "j00042", "JOB00042", "J+0042", "J-0001", "", "J"])
    func `nothing else is a job number`(_ text: String) { #expect(HostJobNumber(text) == nil) }

    // MARK: operator

    @Test func `the operator displays, drains, starts and cancels`() async throws {
        try await withBatch(BatchSystem(oneInitiator("AB"), time: .fixed())) { batch in
            #expect(batch.operate("$P", by: "RMT1", authority: .own) == nil)
            #expect(batch.operate("$P I1", by: "RMT1", authority: .ownAndInitiators) == ["INIT 1   DRAINED C=AB"])
            let job = try await batch.accept(hello).number.description
            _ = try await batch.accept(hello, user: "RMT2")
            #expect(
                batch.operate("$D", by: "RMT1", authority: .own)
                    == ["J00001 HELLO    AWAITING EXECUTION A PRIO 7", "$HASP890 1 JOBS NOT ENDED, 1 OTHERS"])
            #expect(batch.operate("$D", by: "RMT1", authority: .all)?.count == 3)
            #expect(batch.operate("$C J00002", by: "RMT1", authority: .own)?.first?.hasPrefix("$HASP003") == true)
            #expect(batch.operate("$CJ00002", by: "RMT1", authority: .all) == ["J00002 CANCELLED"])
            #expect(batch.operate("$S", by: "RMT1", authority: .ownAndInitiators)?.count == 1)
            #expect(try await batch.ended(job).report.end?.outcome == .done(0))
            #expect(batch.operate("$DI", by: "RMT1", authority: .own)?.first?.hasPrefix("INIT 1 ") == true)
            #expect(batch.operate("$P I9", by: "RMT1", authority: .all)?.first?.hasPrefix("$HASP650") == true)
            #expect(batch.operate("IPL", by: "RMT1", authority: .all)?.first?.hasPrefix("$HASP649") == true)
        }
    }
}
