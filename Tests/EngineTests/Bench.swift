import Engine
import Foundation
import Jobs
import Lines
import Logging
import Stations
import Stores
import Synchronization
import Wire

/// A store in a fresh folder, an engine, and a `FakeHost`.
final class Bench: Sendable {
    let host = FakeHost()
    let store: any JobStore
    let desk: JobDesk
    private let loops: EventLoopGroup
    private let hostID: HostID
    private let running = Mutex<(engine: JobEngine, task: Task<Void, Never>)?>(nil)

    static func run(_ body: (Bench) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-engine-\(UUID())").path()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try await Bench(folder: folder)
        try await bench.restart()
        do {
            try await body(bench)
        } catch {
            await bench.close()
            throw error
        }
        await bench.close()
    }

    private init(folder: String) async throws {
        store = try SQLiteStore(folder: folder)
        loops = try EventLoopGroup(count: 1)
        loops.start()
        guard let hostID = HostID("fake") else { throw StationError.closed }
        self.hostID = hostID
        let watch = JobWatch(store: store, loops: loops)
        desk = JobDesk(store: store, hosts: [Self.profile(hostID, host)], watch: watch)
    }

    private static func profile(_ id: HostID, _ host: FakeHost) -> HostProfile {
        var settings = Pool.Settings()
        settings.firstPause = .milliseconds(1)
        settings.longestPause = .milliseconds(20)
        let pool = StationPool(settings) { _ in host.makeStation() }
        return HostProfile(
            id: id, protocolName: "fake", address: "nowhere:77", codePage: .ascii, pool: pool,
            credential: ContentHash(of: []))
    }

    /// A new engine over the same store, as after a kill.
    func restart() async throws {
        await stop()
        var settings = HostRunner.Settings()
        settings.busyPause = .milliseconds(5)
        settings.pollPause = .milliseconds(50)
        settings.storePause = .milliseconds(50)
        var log = Logger(label: "test")
        log.logLevel = .critical
        let engine = JobEngine(store: store, hosts: [Self.profile(hostID, host)], settings: settings, log: log)
        let task = Task { await engine.run() }
        running.withLock { $0 = (engine, task) }
    }

    func stop() async {
        let before = running.withLock { running in
            defer { running = nil }
            return running
        }
        guard let before else { return }
        before.task.cancel()
        await before.engine.stop(grace: .zero)
        await before.task.value
    }

    private func close() async {
        await stop()
        await store.close()
        await loops.stopAndWait()
    }

    func submit(
        owner: Owner = .local, policy: Job.UncertainPolicy? = nil, notAfter: Timestamp? = nil
    ) async throws -> JobID {
        let profile = try desk.host(named: nil)
        let intake = try await desk.intake(for: profile)
        try await intake.append(Array("//HELLO JOB\n// EXEC PGM=IEFBR14\n".utf8))
        var options = SubmitOptions(owner: owner)
        options.uncertainPolicy = policy
        options.notAfter = notAfter
        let result = try await desk.submit(try await intake.finish(), to: profile, options: options) { _ in [] }
        guard case .created(let job) = result else { throw StationError.closed }
        return job.id
    }

    func finished(_ id: JobID) async throws -> Job {
        guard let job = try await desk.wait(for: id, within: .seconds(20)) else { throw StoreError.noSuchJob(id) }
        return job
    }

    func wait(_ id: JobID, until state: JobState) async throws -> Job {
        guard let job = try await desk.wait(for: id, until: state, within: .seconds(20)) else {
            throw StoreError.noSuchJob(id)
        }
        return job
    }
}
