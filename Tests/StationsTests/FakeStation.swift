import Jobs
import Stations
import Synchronization

/// A station whose host is a closure: sign-on waits until the test says how it goes.
final class FakeStation: Station {
    let abilities: Abilities
    let window: Int
    let sessionLimit: Int?
    let reports: AsyncStream<Report>
    private let tell: AsyncStream<Report>.Continuation
    private let signOnResult: @Sendable () async -> StationError?
    private let counts = Mutex((watches: 0, signOffs: 0))

    init(
        abilities: Abilities = [], window: Int = 1, sessionLimit: Int? = nil,
        signOn: @escaping @Sendable () async -> StationError? = { nil }
    ) {
        self.abilities = abilities
        self.window = window
        self.sessionLimit = sessionLimit
        signOnResult = signOn
        (reports, tell) = AsyncStream.makeStream()
    }

    var watches: Int { counts.withLock { $0.watches } }
    var signOffs: Int { counts.withLock { $0.signOffs } }

    func say(_ report: Report) { tell.yield(report) }

    func lose(_ error: StationError) {
        tell.yield(.lineDown(error))
        tell.finish()
    }

    func signOn() async throws(StationError) { if let error = await signOnResult() { throw error } }
    func watchAll() async throws(StationError) { counts.withLock { $0.watches += 1 } }
    func signOff() async {
        counts.withLock { $0.signOffs += 1 }
        tell.finish()
    }

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
