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
        private let sessionsPerUser: Int
        private let mostSessions: Int
        private let state = Mutex(State())

        private struct State {
            var signedOn: [String: Int] = [:]
            var sessions: [UInt64: RJESession] = [:]
            var lastSession: UInt64 = 0
            var isStopping = false
            var waiter: CheckedContinuation<Void, Never>?
        }

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
            sessionsPerUser = settings.sessionsPerUser
            mostSessions = settings.mostSessions
        }

        func authority(of user: String) -> BatchSystem.Authority {
            if operators.contains(user) { return .all }
            return operators.isEmpty ? .ownAndInitiators : .own
        }

        func takesSession() -> Bool {
            if faults.withLock({ $0.refusesSession() }) { return false }
            return state.withLock { !$0.isStopping && $0.sessions.count <= mostSessions }
        }

        /// - Returns: false when the user has as many sessions as allowed.
        func signOn(_ user: String) -> Bool {
            state.withLock { state in
                guard state.signedOn[user, default: 0] < sessionsPerUser else { return false }
                state.signedOn[user, default: 0] += 1
                return true
            }
        }

        func signedOff(_ user: String) {
            state.withLock { state in
                let left = state.signedOn[user, default: 1] - 1
                state.signedOn[user] = left > 0 ? left : nil
            }
        }

        func opened(_ session: RJESession) -> UInt64 {
            state.withLock { state in
                state.lastSession += 1
                state.sessions[state.lastSession] = session
                return state.lastSession
            }
        }

        func closed(_ id: UInt64) {
            let waiter = state.withLock { state in
                state.sessions[id] = nil
                defer { if state.sessions.isEmpty { state.waiter = nil } }
                return state.sessions.isEmpty ? state.waiter : nil
            }
            waiter?.resume()
        }

        func beginStop() -> [RJESession] {
            state.withLock { state in
                state.isStopping = true
                return Array(state.sessions.values)
            }
        }

        /// Returns when the last session has ended.
        func allClosed() async {
            await withCheckedContinuation { continuation in
                let isEmpty = state.withLock { state in
                    if !state.sessions.isEmpty { state.waiter = continuation }
                    return state.sessions.isEmpty
                }
                if isEmpty { continuation.resume() }
            }
        }

        var sessionCount: Int { state.withLock { $0.sessions.count } }
    }

    let shared: Shared
    private let listener: LineListener
    private let lines: AsyncStream<TCPLine>
    private let arrival: AsyncStream<TCPLine>.Continuation
    private let stopLimit: Duration

    init(_ settings: HostSettings, batch: BatchSystem, loops: [EventLoop]) throws(LineError) {
        let shared = Shared(settings, batch: batch)
        self.shared = shared
        stopLimit = settings.stopLimit
        // bounded by the listener's limit of connections
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        self.lines = lines
        self.arrival = arrival
        var listening = Listener.Settings()
        listening.mostConnections = settings.mostSessions + 64
        if let tls = settings.tls {
            listening.tls = try TLSServerSettings(certificateFile: tls.certificate, keyFile: tls.key)
        }
        listener = try LineListener(on: settings.listen, loops: loops, settings: listening) { arrival.yield($0) }
    }

    var address: SocketAddress { listener.localAddress }

    /// Serves until `stop`.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await line in lines {
                let session = RJESession(line, loop: line.loop, shared: shared)
                let shared = shared
                group.addTask(executorPreference: line.loop) {
                    let id = shared.opened(session)
                    await session.run()
                    shared.closed(id)
                }
            }
        }
    }

    /// Takes no more sessions, tells the others 436 SHUTDOWN, and gives them some time.
    func stop() async {
        await listener.stopListeningAndWait()
        for session in shared.beginStop() { session.shutDown() }
        let shared = shared
        let limit = stopLimit
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await shared.allClosed() }
            group.addTask {
                if (try? await ContinuousClock().sleep(for: limit)) != nil {
                    for session in shared.beginStop() { session.abandon() }
                }
            }
            await group.next()
            group.cancelAll()
            arrival.finish()
        }
    }
}
