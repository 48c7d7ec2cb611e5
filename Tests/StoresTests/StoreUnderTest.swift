import Jobs
import Stores
import TestKit
import Testing
import Wire

/// A back end that the contract suite runs over.
struct StoreUnderTest: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Opens the store that lives in a folder; the same folder again is the same store.
    let open: @Sendable (_ folder: String) async throws -> any JobStore

    static let available = [
        StoreUnderTest(testDescription: "SQLite") { try SQLiteStore(folder: $0) }
    ]

    /// A new store for one test.
    func run(_ body: (any JobStore) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        try await run(in: folder, body)
    }

    func run(in folder: TemporaryFolder, _ body: (any JobStore) async throws -> Void) async throws {
        let store = try await open(folder.path)
        do {
            try await body(store)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }
}

/// Jobs and what belongs to them, made so that a test tells only what matters to it.
enum Sample {
    static let epoch = Timestamp(microseconds: 1_763_870_400_000_000)

    static func time(_ seconds: Int) -> Timestamp { epoch.advanced(by: .seconds(seconds)) }

    /// `number` orders the jobs: job 2 was submitted a second after job 1.
    static func id(_ number: Int) -> JobID { JobID(time: time(number), random: UInt128(number)) }

    static func job(
        _ number: Int, host: String = "payroll", owner: String = "local", name: String? = nil, held: Bool = false,
        priority: Int = 0, notBefore: Timestamp? = nil, notAfter: Timestamp? = nil, correlator: String? = nil,
        labels: [Job.Label] = [], deck: StagedBody = deck
    ) throws -> Job {
        Job(
            id: id(number), host: try #require(HostID(host)), owner: try #require(Owner(owner)),
            name: name.flatMap { JobName($0) }, held: held, priority: priority, createdAt: time(number),
            notBefore: notBefore, notAfter: notAfter, correlator: correlator, labels: labels,
            deck: DeckSummary(octets: deck.octets, cards: 3, hash: deck.hash))
    }

    static let deck = StagedBody.inline(Array("//PAY JOB (1)\n//S1 EXEC PGM=IEFBR14\n//\n".utf8))

    static func octets(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8)) &+ seed }
    }

    static func file(
        _ job: JobID, _ number: Int, body: StagedBody, ddName: String = "SYSPRINT"
    ) -> FinishedSpoolFile {
        FinishedSpoolFile(
            file: SpoolFile(
                job: job, number: number, kind: .print, step: "S1", ddName: ddName, sysoutClass: "A", forms: "STD",
                carriageControl: .asa, code: "CP037", recordLength: 133, records: 7, octets: body.octets,
                textOctets: body.octets + 1, textHash: ddName == "SYSPRINT" ? ContentHash(of: [7]) : nil,
                hash: body.hash),
            body: body)
    }
}

extension JobStore {
    @discardableResult
    func submit(
        _ job: Job, deck: StagedBody = Sample.deck, notify: [Submission.NotifyRequest] = [],
        idempotency: Submission.Idempotency? = nil
    ) async throws(StoreError) -> SubmissionResult {
        try await submit(Submission(job: job, deck: deck, notify: notify, idempotency: idempotency))
    }

    @discardableResult
    func act(
        _ action: JobAction?, on job: JobID, at time: Timestamp = Sample.time(1000),
        attempt: JobChange.AttemptChange? = nil, files: [FinishedSpoolFile] = []
    ) async throws(StoreError) -> Job {
        try await commit(JobChange(action, of: job, at: time, attempt: attempt, files: files))
    }

    /// Takes a queued job to `printing`.
    func takeToPrinting(_ job: JobID) async throws {
        try await act(.beginSending, on: job, attempt: .open(session: "s1", closing: true))
        try await act(.accepted(JobNumber("J00001"), adopted: nil), on: job, attempt: .end(evidence: nil))
        try await act(.printing, on: job)
    }
}

extension BodyReader {
    func readAll(by piece: Int = 10_000) async throws(StoreError) -> [UInt8] {
        var octets: [UInt8] = []
        while true {
            let next = try await read(from: octets.count, count: piece)
            if next.isEmpty { return octets }
            octets += next
        }
    }
}
