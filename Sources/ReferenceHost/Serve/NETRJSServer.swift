import Lines
import Protocols
import Synchronization
import Wire

/// Serves NETRJS on its contact ports. The batch system behind it may be shared with other servers.
final class NETRJSServer: Sendable {
    /// What the sessions of one server have in common.
    final class Shared: Sendable {
        let settings: NETRJSHostSettings
        let batch: BatchSystem
        let outputs: NETRJSOutputs
        let terminals: [String: NETRJSHostSettings.Terminal]
        let sessions: OpenSessions<NETRJSSession>
        /// By client address, where the data ports are fixed.
        private let byClient = Mutex<[IPAddress: UInt64]>([:])

        init(_ settings: NETRJSHostSettings, users: [HostSettings.User], batch: BatchSystem) {
            self.settings = settings
            self.batch = batch
            outputs = NETRJSOutputs(batch)
            sessions = OpenSessions(most: settings.mostSessions)
            terminals = Dictionary(
                settings.terminals(orUsers: users).map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        }

        /// On fixed ports a client address is one session's.
        func claim(_ client: IPAddress?, for id: UInt64) -> Bool {
            guard case .fixed = settings.dataPorts, let client else { return true }
            return byClient.withLock { byClient in
                guard byClient[client] == nil || byClient[client] == id else { return false }
                byClient[client] = id
                return true
            }
        }

        /// The session's last word is said: another may have its terminal and its address.
        func release(_ id: UInt64) {
            byClient.withLock { byClient in
                for (client, session) in byClient where session == id { byClient[client] = nil }
            }
        }

        func session(of client: IPAddress?) -> NETRJSSession? {
            guard let client, let id = byClient.withLock({ $0[client] }) else { return nil }
            return sessions[id]
        }
    }

    private struct Arrival: Sendable {
        let line: TCPLine
        let characterSet: NETRJS.CharacterSet
    }

    let shared: Shared
    private let contacts: [LineListener]
    private let fixedPorts: [LineListener]
    private let arrivals: AsyncStream<Arrival>
    private let arrival: AsyncStream<Arrival>.Continuation
    private let reports: AsyncStream<JobReport>
    private let report: AsyncStream<JobReport>.Continuation
    private let watches: [UInt64]

    init(
        _ settings: NETRJSHostSettings, users: [HostSettings.User], batch: BatchSystem, loops: [EventLoop]
    ) throws(LineError) {
        let shared = Shared(settings, users: users, batch: batch)
        self.shared = shared
        // bounded by the listener's limit of connections
        let (arrivals, arrival) = AsyncStream.makeStream(of: Arrival.self)
        self.arrivals = arrivals
        self.arrival = arrival
        var listening = Listener.Settings()
        listening.mostConnections = settings.mostSessions + 64
        var contacts: [LineListener] = []
        for contact in settings.contacts {
            let set = contact.characterSet
            contacts.append(
                try LineListener(on: contact.address, loops: loops, settings: listening) {
                    arrival.yield(Arrival(line: $0, characterSet: set))
                })
        }
        self.contacts = contacts
        var fixed: [LineListener] = []
        if case .fixed(let reader, let printer, let punch) = settings.dataPorts {
            for (device, port) in [(NETRJS.Device.reader, reader), (.printer, printer), (.punch, punch)] {
                let address = SocketAddress(settings.listen.ip, port: UInt16(clamping: port))
                fixed.append(
                    try LineListener(on: address, loops: loops) { line in
                        guard let session = shared.session(of: line.peer?.ip.client) else { return line.abort() }
                        session.opened(device, line)
                    })
            }
        }
        fixedPorts = fixed
        // bounded by the jobs there are
        let (reports, report) = AsyncStream.makeStream(of: JobReport.self)
        self.reports = reports
        self.report = report
        watches = shared.terminals.keys.map { terminal in
            let watch = batch.watch(terminal) { report.yield($0) }
            for known in batch.status(of: terminal, most: .max).reports.reversed() { report.yield(known) }
            return watch
        }
    }

    var address: SocketAddress {
        contacts.first?.localAddress ?? shared.settings.listen
    }

    var addresses: [SocketAddress] { contacts.map(\.localAddress) }
    /// Fixed ones: reader, printer, punch.
    var dataAddresses: [SocketAddress] { fixedPorts.map(\.localAddress) }

    /// Serves until `stop`.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { for await report in self.reports { self.shared.outputs.reported(report) } }
            for await arrival in arrivals {
                let line = arrival.line
                let session = NETRJSSession(line, set: arrival.characterSet, loop: line.loop, shared: shared)
                let shared = shared
                group.addTask(executorPreference: line.loop) {
                    let id = shared.sessions.opened(session)
                    await session.run(id)
                    shared.sessions.closed(id)
                }
            }
            report.finish()
        }
    }

    /// Takes no more sessions, ends the others as an operator does.
    func stop() async {
        for watch in watches { shared.batch.unwatch(watch) }
        for listener in contacts + fixedPorts { await listener.stopListeningAndWait() }
        for session in shared.sessions.beginStop() { session.kill() }
        await shared.sessions.allClosed()
        arrival.finish()
        report.finish()
    }
}
