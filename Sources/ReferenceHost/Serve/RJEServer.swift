import Lines
import Protocols
import Synchronization
import Wire

/// Serves PRIV-RJE on an address. The batch system behind it may be shared with other servers.
final class RJEServer: Sendable {
    /// What the sessions of one server have in common.
    final class Shared: Sendable {
        let batch: BatchSystem
        let configuration: PrivRJE.HostMachine.Configuration
        let passwords: [String: String]
        let faults: Mutex<FaultState>
        let delay: Duration?
        let slow: Int?
        let stallLimit: Duration
        private let operators: Set<String>
        let sessions: OpenSessions<RJESession>
        let users: SignedOn

        init(_ settings: HostSettings, batch: BatchSystem) {
            self.batch = batch
            var abilities = PrivRJE.Abilities()
            abilities.maxDeck = settings.batch.mostDeckOctets
            abilities.lrecl = settings.batch.longestCard
            abilities.codes = CodePage.allCases.map(\.name)
            abilities.window = settings.window
            abilities.sessions = settings.sessionsPerUser
            abilities.keep = settings.batch.keep
            abilities.idle = settings.idle
            abilities.features = Set(
                PrivRJE.Feature.allCases.filter { !settings.withoutFeatures.contains($0.rawValue) })
            configuration = .init(name: settings.batch.name, abilities: abilities, logOnLimit: settings.logOnLimit)
            passwords = Dictionary(settings.users.map { ($0.name, $0.password) }, uniquingKeysWith: { $1 })
            faults = Mutex(FaultState(settings.faults))
            delay = settings.faults.delay
            slow = settings.faults.slow
            stallLimit = settings.stallLimit
            operators = settings.operators
            users = SignedOn(most: settings.sessionsPerUser)
            sessions = OpenSessions(most: settings.mostSessions)
        }

        func authority(of user: String) -> BatchSystem.Authority {
            if operators.contains(user) { return .all }
            return operators.isEmpty ? .ownAndInitiators : .own
        }

        func takesSession() -> Bool {
            if faults.withLock({ $0.refusesSession() }) { return false }
            return sessions.takesSession
        }
    }

    let shared: Shared
    private let arrivals: Arrivals
    private let stopLimit: Duration

    init(_ settings: HostSettings, batch: BatchSystem, loops: [EventLoop]) throws(LineError) {
        let shared = Shared(settings, batch: batch)
        self.shared = shared
        stopLimit = settings.stopLimit
        arrivals = try Arrivals(
            on: settings.listen, mostSessions: settings.mostSessions, tls: settings.tls, loops: loops)
    }

    var address: SocketAddress { arrivals.address }

    /// Serves until `stop`.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await line in arrivals.lines {
                let session = RJESession(line, loop: line.loop, shared: shared)
                let shared = shared
                group.addTask(executorPreference: line.loop) {
                    let id = shared.sessions.opened(session)
                    await session.run()
                    shared.sessions.closed(id)
                }
            }
        }
    }

    /// Takes no more sessions, tells the others 436 SHUTDOWN, and gives them some time.
    func stop() async {
        await arrivals.stopListening()
        await shared.sessions.stop(within: stopLimit, asking: { $0.shutDown() }, ending: { $0.abandon() })
        arrivals.finish()
    }
}
