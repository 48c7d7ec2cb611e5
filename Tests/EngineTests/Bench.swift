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
    /// Time can be moved on.
    let ahead = Mutex(Duration.zero)
    private let loops: EventLoopGroup
    private let watch: JobWatch
    private let rules: Rules
    private let hostID: HostID
    private let current: Mutex<JobDesk>
    private let running = Mutex<(engine: JobEngine, task: Task<Void, Never>)?>(nil)

    /// What is configured of the host.
    struct Rules: Sendable {
        var cutDeck = CutDeck(.dropped, completedBy: "the last octet", source: "the test")
        var hasMarkerCard = false
        var limits = BacklogLimits()
        var ownerLimits = BacklogLimits()
    }

    /// The desk of the engine that runs.
    var desk: JobDesk { current.withLock { $0 } }

    static func run(_ rules: Rules = Rules(), _ body: (Bench) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "port77-engine-\(UUID())").path()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try await Bench(folder: folder, rules)
        try await bench.restart()
        do {
            try await body(bench)
        } catch {
            await bench.close()
            throw error
        }
        await bench.close()
    }

    private init(folder: String, _ rules: Rules) async throws {
        self.rules = rules
        store = try SQLiteStore(folder: folder)
        loops = try EventLoopGroup(count: 1)
        loops.start()
        guard let hostID = HostID("fake") else { throw StationError.closed }
        self.hostID = hostID
        watch = JobWatch(store: store, loops: loops)
        current = Mutex(JobDesk(store: store, hosts: [Self.profile(hostID, host, rules)], watch: watch))
    }

    private static func profile(_ id: HostID, _ host: FakeHost, _ rules: Rules) -> HostProfile {
        var settings = Pool.Settings()
        settings.firstPause = .milliseconds(1)
        settings.longestPause = .milliseconds(20)
        let pool = StationPool(settings) { _ in host.makeStation() }
        return HostProfile(
            id: id, protocolName: "fake", address: "nowhere:77", codePage: .ascii, cutDeck: rules.cutDeck,
            hasMarkerCard: rules.hasMarkerCard, limits: rules.limits, pool: pool,
            credential: ContentHash(of: []))
    }

    /// A new engine over the same store, as after a kill.
    func restart() async throws {
        await stop()
        var settings = HostRunner.Settings()
        settings.busyPause = .milliseconds(5)
        settings.pollPause = .milliseconds(50)
        settings.storePause = .milliseconds(50)
        settings.settlePause = .milliseconds(50)
        settings.expiryPause = .milliseconds(20)
        var log = Logger(label: "test")
        log.logLevel = .critical
        let profile = Self.profile(hostID, host, rules)
        let clock = WallClock { [weak self] in
            WallClock.system.now().advanced(by: self?.ahead.withLock { $0 } ?? .zero)
        }
        let desk = JobDesk(
            store: store, hosts: [profile], watch: watch, ownerLimits: rules.ownerLimits, clock: clock)
        current.withLock { $0 = desk }
        let engine = JobEngine(
            store: store, hosts: [profile], clock: clock, settings: settings, loops: loops, log: log)
        let task = Task { await engine.run() }
        running.withLock { $0 = (engine, task) }
    }

    /// As when the host has changed in the configuration.
    func takeUpAgain() {
        guard let engine = running.withLock({ $0?.engine }) else { return }
        let profile = Self.profile(hostID, host, rules)
        desk.serve([profile], ownerLimits: rules.ownerLimits)
        engine.change(leaving: [hostID], arriving: [profile])
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
        owner: Owner = .local, policy: Job.UncertainPolicy? = nil, notAfter: Timestamp? = nil,
        timeout: Duration? = nil, deck: String = "//HELLO JOB\n// EXEC PGM=IEFBR14\n"
    ) async throws -> JobID {
        let profile = try desk.host(named: nil)
        let intake = try desk.intake(for: profile)
        try await intake.append(Array(deck.utf8))
        var options = SubmitOptions(owner: owner)
        options.uncertainPolicy = policy
        options.notAfter = notAfter
        options.timeout = timeout
        let result = try await desk.submit(try await intake.finish(), to: profile, options: options) { _ in [] }
        guard case .created(let job) = result else { throw StationError.closed }
        return job.id
    }

    /// Looks again and again until `condition` holds.
    func eventually(_ condition: (Bench) async throws -> Bool) async throws -> Bool {
        let end = ContinuousClock.now.advanced(by: .seconds(20))
        while ContinuousClock.now < end {
            if try await condition(self) { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
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
