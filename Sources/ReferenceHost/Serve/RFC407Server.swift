import Jobs
import Lines
import Protocols
import Synchronization

/// Serves RFC 407 on an address, on the queue and spool of the batch system.
final class RFC407Server: Sendable {
    /// What the sessions of one server have in common.
    final class Shared: Sendable {
        let settings: RFC407HostSettings
        let batch: BatchSystem
        let desk: RFC407Desk
        let configuration: RFC407.HostMachine.Configuration
        let passwords: [String: String]
        let stallLimit: Duration
        private let sessions = Mutex(Sessions())

        private struct Sessions {
            var open: [UInt64: RFC407Session] = [:]
            var last: UInt64 = 0
            var isStopping = false
            var waiter: CheckedContinuation<Void, Never>?
        }

        init(_ host: HostSettings, _ settings: RFC407HostSettings, batch: BatchSystem, loops: [EventLoop]) {
            self.settings = settings
            self.batch = batch
            desk = RFC407Desk(settings, batch: batch, loops: loops, stallLimit: host.stallLimit)
            passwords = Dictionary(host.users.map { ($0.name, $0.password) }, uniquingKeysWith: { $1 })
            stallLimit = host.stallLimit
            configuration = .init(
                greeting: "\(host.batch.name) RJE server ready", logOnLimit: settings.logOnLimit, idle: settings.idle,
                hidesPasswords: settings.hidesPasswords, endsAtLineFeed: settings.endsAtLineFeed,
                hostNumbers: Set(settings.hostNumbers.keys.map { UInt32($0) }), hasFTP: settings.ftp != nil)
        }

        func cuts(_ place: RFC407CutPlace) -> Bool { settings.cuts?(place) ?? false }

        var takesSession: Bool { sessions.withLock { !$0.isStopping && $0.open.count <= settings.mostSessions } }
        var sessionCount: Int { sessions.withLock { $0.open.count } }

        func opened(_ session: RFC407Session) -> UInt64 {
            sessions.withLock { sessions in
                sessions.last += 1
                sessions.open[sessions.last] = session
                return sessions.last
            }
        }

        func closed(_ id: UInt64) {
            let waiter = sessions.withLock { sessions in
                sessions.open[id] = nil
                defer { if sessions.open.isEmpty { sessions.waiter = nil } }
                return sessions.open.isEmpty ? sessions.waiter : nil
            }
            waiter?.resume()
        }

        func beginStop() -> [RFC407Session] {
            sessions.withLock { sessions in
                sessions.isStopping = true
                return Array(sessions.open.values)
            }
        }

        func allClosed() async {
            await withCheckedContinuation { continuation in
                let isEmpty = sessions.withLock { sessions in
                    if !sessions.open.isEmpty { sessions.waiter = continuation }
                    return sessions.open.isEmpty
                }
                if isEmpty { continuation.resume() }
            }
        }
    }

    let shared: Shared
    private let listener: LineListener
    private let lines: AsyncStream<TCPLine>
    private let arrival: AsyncStream<TCPLine>.Continuation
    private let stopLimit: Duration

    init(
        _ host: HostSettings, _ settings: RFC407HostSettings, batch: BatchSystem, loops: [EventLoop]
    ) throws(LineError) {
        let shared = Shared(host, settings, batch: batch, loops: loops)
        self.shared = shared
        stopLimit = host.stopLimit
        // bounded by the listener's limit of connections
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        self.lines = lines
        self.arrival = arrival
        var listening = Listener.Settings()
        listening.mostConnections = settings.mostSessions + 64
        if let tls = host.tls {
            listening.tls = try TLSServerSettings(certificateFile: tls.certificate, keyFile: tls.key)
        }
        listener = try LineListener(on: settings.listen, loops: loops, settings: listening) { arrival.yield($0) }
    }

    var address: SocketAddress { listener.localAddress }

    /// Serves, and delivers output, until `stop`.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.shared.desk.run() }
            group.addTask {
                await withDiscardingTaskGroup { sessions in
                    for await line in self.lines {
                        let session = RFC407Session(line, shared: self.shared)
                        let shared = self.shared
                        sessions.addTask(executorPreference: line.loop) {
                            let id = shared.opened(session)
                            await session.run()
                            shared.closed(id)
                        }
                    }
                }
                self.shared.desk.stop()
            }
        }
    }

    /// Takes no more sessions, tells the others 436, and gives them some time. Deliveries under way are cut: they are
    /// held, or made again, after the next start.
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
