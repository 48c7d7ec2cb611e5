import Jobs
import Lines
import Protocols

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
        let sessions: OpenSessions<RFC407Session>
        let users: SignedOn

        init(_ host: HostSettings, _ settings: RFC407HostSettings, batch: BatchSystem, loops: [EventLoop]) {
            self.settings = settings
            self.batch = batch
            desk = RFC407Desk(settings, batch: batch, loops: loops, stallLimit: host.stallLimit)
            passwords = Dictionary(host.users.map { ($0.name, $0.password) }, uniquingKeysWith: { $1 })
            stallLimit = host.stallLimit
            sessions = OpenSessions(most: settings.mostSessions)
            users = SignedOn(most: settings.mostSessionsPerUser)
            configuration = .init(
                greeting: "\(host.batch.name) RJE server ready", logOnLimit: settings.logOnLimit, idle: settings.idle,
                hidesPasswords: settings.hidesPasswords, endsAtLineFeed: settings.endsAtLineFeed,
                hostNumbers: Set(settings.hostNumbers.keys.map { UInt32($0) }), hasFTP: settings.ftp != nil)
        }

        func cuts(_ place: RFC407CutPlace) -> Bool { settings.cuts?(place) ?? false }
    }

    let shared: Shared
    private let arrivals: Arrivals
    private let stopLimit: Duration

    init(
        _ host: HostSettings, _ settings: RFC407HostSettings, batch: BatchSystem, loops: [EventLoop]
    ) throws(LineError) {
        let shared = Shared(host, settings, batch: batch, loops: loops)
        self.shared = shared
        stopLimit = host.stopLimit
        arrivals = try Arrivals(
            on: settings.listen, mostSessions: settings.mostSessions, tls: host.tls, loops: loops)
    }

    var address: SocketAddress { arrivals.address }

    /// Serves, and delivers output, until `stop`.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.shared.desk.run() }
            group.addTask {
                await withDiscardingTaskGroup { sessions in
                    for await line in self.arrivals.lines {
                        let session = RFC407Session(line, shared: self.shared)
                        let shared = self.shared
                        sessions.addTask(executorPreference: line.loop) {
                            let id = shared.sessions.opened(session)
                            await session.run()
                            shared.sessions.closed(id)
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
        await arrivals.stopListening()
        await shared.sessions.stop(within: stopLimit, asking: { $0.shutDown() }, ending: { $0.abandon() })
        arrivals.finish()
    }
}
