import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Stations
import Stores
import Synchronization
import TestKit
import Testing
import Wire

/// A gateway on loopback with a real store in a fresh folder. Hosts are scripted: the test itself moves jobs on.
final class Rig: Sendable {
    let folder: String
    let store: SQLiteStore
    let desk: JobDesk
    let gateway: Gateway
    let router: Router
    let server: Server
    let address: SocketAddress

    var base: String { "http://\(address)" }

    init(
        hosts: [String] = ["demo"], limits: BacklogLimits = BacklogLimits(),
        ownerLimits: BacklogLimits = BacklogLimits(), requiresKey: Bool = false, decks: DeckCustoms = DeckCustoms(),
        keysAt clock: WallClock? = nil, deskAt deskClock: WallClock = .system,
        settings change: (inout GatewaySettings) -> Void = { _ in }
    ) throws {
        folder = NSTemporaryDirectory() + "port77-api-\(UUID().uuidString)"
        try Self.template.get().copy(to: folder)
        store = try SQLiteStore(folder: folder)
        let profiles = hosts.compactMap { HostID($0) }.map { Self.profile($0, limits, requiresKey, decks) }
        desk = JobDesk(
            store: store, hosts: profiles, watch: JobWatch(store: store, loops: TestLoops.group),
            ownerLimits: ownerLimits, clock: deskClock)
        var settings = GatewaySettings()
        settings.assets = Assets(folder: Self.root + "/public")
        settings.manual = ManualPages(folder: Self.root + "/docs")
        settings.openAPI = Array("{\"openapi\":\"3.1.0\"}".utf8)
        settings.version = "test"
        if let clock {
            let door = Door(store: store, pepper: KeyPepper(secret: [1, 2, 3]), clock: clock)
            settings.door = door
            settings.identify = { try door.caller(of: $0) }
        }
        change(&settings)
        gateway = Gateway(desk: desk, settings: settings)
        router = gateway.router
        var options = Server.Options()
        options.fields = Gateway.fields
        options.answered = gateway.answered
        // All tests of the process begin at once, each with a store to open: a request may come long after its connection.
        options.limits.headTime = .seconds(120)
        options.failed = { route, _, error in print("a handler failed: \(route ?? "-"): \(error)") }
        server = Server(router: router, loops: TestLoops.all, options: options)
        address = try server.listen(on: TestLoops.loopback)
    }

    deinit {
        // Nobody waits for the end of what a test leaves behind.
        Task { [server, store, folder] in
            await server.stop(grace: .zero)
            await store.close()
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    /// A store after its migrations, which take longer than most tests do.
    private struct Template: Sendable {
        let folder = NSTemporaryDirectory() + "port77-api-template-\(UUID().uuidString)"
        /// Stays open: its log is copied with it, and nothing writes to it.
        let store: SQLiteStore

        init() throws { store = try SQLiteStore(folder: folder) }

        func copy(to other: String) throws {
            try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
            for name in try FileManager.default.contentsOfDirectory(atPath: folder)
            where name.hasPrefix("port77.db") && !name.hasSuffix("-shm") || name == "commit-mark" {
                try FileManager.default.copyItem(atPath: "\(folder)/\(name)", toPath: "\(other)/\(name)")
            }
        }
    }

    private static let template = Result { try Template() }

    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    private static func profile(
        _ id: HostID, _ limits: BacklogLimits, _ requiresKey: Bool, _ decks: DeckCustoms
    ) -> HostProfile {
        let pool = StationPool(Pool.Settings(min: 1, max: 2)) { _ in FakeStation() }
        return HostProfile(
            id: id, protocolName: "priv-rje", address: "rje.example:77", codePage: .cp037,
            mostDeckOctets: 1024 * 1024, requiresKey: requiresKey, limits: limits, decks: decks, pool: pool,
            credential: ContentHash(of: []))
    }

    // MARK: what a host would do

    /// Hands a deck in without HTTP.
    func submit(
        _ deck: String = Decks.hello, host: String = "demo", owner: Owner = .local,
        _ change: (inout SubmitOptions) -> Void = { _ in }
    ) async throws -> Job {
        let host = try desk.host(named: host)
        let intake = try desk.intake(for: host)
        try await intake.append(Array(deck.utf8))
        var options = SubmitOptions(owner: owner)
        change(&options)
        let taken = try await intake.finish()
        guard case .created(let job) = try await desk.submit(taken, to: host, options: options, answer: { _ in [] })
        else { throw RigError.notCreated }
        return job
    }

    enum RigError: Error { case notCreated }

    @discardableResult
    func commit(
        _ action: JobAction, _ id: JobID, attempt: JobChange.AttemptChange? = nil, files: [FinishedSpoolFile] = []
    ) async throws -> Job {
        try await store.commit(JobChange(action, of: id, at: desk.clock.now(), attempt: attempt, files: files))
    }

    func send(_ id: JobID) async throws {
        try await commit(.beginSending, id, attempt: .open(session: "test", closing: true))
        try await commit(.accepted(JobNumber("J00042"), adopted: nil), id, attempt: .end(evidence: nil))
    }

    func finish(_ id: JobID, _ outcome: Outcome = .completed(4), files: [PrintFile] = [.hello]) async throws {
        var finished: [FinishedSpoolFile] = []
        for (index, file) in files.enumerated() {
            finished.append(try await file.stage(in: store, job: id, number: index + 1))
        }
        try await commit(.finished(outcome), id, files: finished)
    }

    /// From queued to the end.
    func run(_ id: JobID, _ outcome: Outcome = .completed(4), files: [PrintFile] = [.hello]) async throws {
        try await send(id)
        try await commit(.running, id)
        try await finish(id, outcome, files: files)
    }
}

/// A file that a host printed.
struct PrintFile: Sendable {
    var octets: [UInt8]
    var kind = SpoolFile.Kind.print
    var carriageControl = CarriageControl.asa
    var code = "ASCII"
    var ddName: String? = "SYSPRINT"

    static let hello = PrintFile(octets: Array("1PAGE ONE\n HELLO\n0WORLD\n1PAGE TWO\n".utf8))
    static let log = PrintFile(octets: Array("1JOB LOG\n IEF403I STARTED\n".utf8), ddName: "JESMSGLG")

    var text: [UInt8] { printed.text }

    private var printed: (text: [UInt8], records: Int) {
        let page = CodePage(named: code) ?? .cp037
        var renderer = TextRenderer(carriageControl, records: .text(page), code: page)
        var text: [UInt8] = []
        renderer.append(octets.span, to: &text)
        renderer.finish(to: &text)
        return (text, renderer.records)
    }

    func stage(in store: any JobStore, job: JobID, number: Int) async throws -> FinishedSpoolFile {
        let writer = try await store.stageBody()
        try await writer.append(octets)
        let body = try await writer.finish()
        return FinishedSpoolFile(
            file: SpoolFile(
                job: job, number: number, kind: kind, step: "STEP1", ddName: ddName, sysoutClass: "A",
                carriageControl: carriageControl, code: code, recordLength: 133,
                records: printed.records, octets: octets.count, textOctets: text.count,
                textHash: text.count > StagedBody.mostInlineOctets ? ContentHash(of: text) : nil, hash: body.hash),
            body: body)
    }
}

enum Decks {
    static let hello = """
        //HELLO    JOB (1),'TEST',CLASS=A
        //STEP1    EXEC PGM=IEBGENER
        //SYSUT1   DD *
        HELLO WORLD
        /*

        """
    /// No job card, a tab and a card that is too long.
    static let broken = "//STEP1 EXEC PGM=X\n//A\tDD *\n" + String(repeating: "X", count: 90) + "\n"
}

/// A station that signs on and can do nothing else.
final class FakeStation: Station {
    let abilities: Abilities = [.submissionKey, .status, .cancel]
    let window = 4
    let reports: AsyncStream<Report>
    private let tell: AsyncStream<Report>.Continuation

    init() { (reports, tell) = AsyncStream.makeStream() }

    func signOn() async throws(StationError) {}
    func watchAll() async throws(StationError) {}
    func signOff() async { tell.finish() }
    func submit(
        _ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt { throw .lacks("submit") }
    func find(key: String) async throws(StationError) -> Receipt? { throw .lacks("find") }
    func void(key: String) async throws(StationError) -> Receipt? { throw .lacks("void") }
    func status(of job: JobNumber) async throws(StationError) -> HostJob? { throw .lacks("status") }
    func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool) { throw .lacks("status") }
    func files(of job: JobNumber) async throws(StationError) -> [HostFile] { throw .lacks("files") }
    func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int { throw .lacks("fetch") }
    func purge(_ job: JobNumber) async throws(StationError) { throw .lacks("purge") }
    func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer { throw .lacks("cancel") }
    func hold(_ job: JobNumber) async throws(StationError) { throw .lacks("hold") }
    func release(_ job: JobNumber) async throws(StationError) { throw .lacks("hold") }
    func operate(_ command: String) async throws(StationError) -> [String] { throw .lacks("operatorCommands") }
    func ping() async throws(StationError) {}
}
