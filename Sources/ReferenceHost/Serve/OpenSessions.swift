import Lines
import Synchronization

/// The open sessions of one server, the end of the last one, and how a server that stops ends them.
final class OpenSessions<Session: AnyObject & Sendable>: Sendable {
    private let most: Int
    private let state = Mutex(State())

    private struct State {
        var open: [UInt64: Session] = [:]
        var last: UInt64 = 0
        var isStopping = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// - Parameter most: sessions that are served at once.
    init(most: Int) { self.most = most }

    var count: Int { state.withLock { $0.open.count } }
    /// Asked by a session that is open itself.
    var takesSession: Bool { state.withLock { !$0.isStopping && $0.open.count <= most } }

    subscript(_ id: UInt64) -> Session? { state.withLock { $0.open[id] } }

    func opened(_ session: Session) -> UInt64 {
        state.withLock { state in
            state.last += 1
            state.open[state.last] = session
            return state.last
        }
    }

    func closed(_ id: UInt64) {
        let waiter = state.withLock { state in
            state.open[id] = nil
            defer { if state.open.isEmpty { state.waiter = nil } }
            return state.open.isEmpty ? state.waiter : nil
        }
        waiter?.resume()
    }

    /// From now on none is taken.
    /// - Returns: those that are open.
    func beginStop() -> [Session] {
        state.withLock { state in
            state.isStopping = true
            return Array(state.open.values)
        }
    }

    /// Returns when the last session has ended.
    func allClosed() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.open.isEmpty { state.waiter = continuation }
                return state.open.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }

    /// Asks every session to end, and after `limit` ends those that did not.
    func stop(
        within limit: Duration, asking: (Session) -> Void, ending: @escaping @Sendable (Session) -> Void
    ) async {
        for session in beginStop() { asking(session) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.allClosed() }
            group.addTask {
                if (try? await ContinuousClock().sleep(for: limit)) != nil {
                    for session in self.beginStop() { ending(session) }
                }
            }
            await group.next()
            group.cancelAll()
        }
    }
}

/// How many sessions each user has at a server.
final class SignedOn: Sendable {
    private let most: Int
    private let counts = Mutex<[String: Int]>([:])

    /// - Parameter most: sessions of one user.
    init(most: Int) { self.most = most }

    /// - Returns: false when the user has as many sessions as allowed.
    func signOn(_ user: String) -> Bool {
        counts.withLock { counts in
            guard counts[user, default: 0] < most else { return false }
            counts[user, default: 0] += 1
            return true
        }
    }

    func signedOff(_ user: String) {
        counts.withLock { counts in
            let left = counts[user, default: 1] - 1
            counts[user] = left > 0 ? left : nil
        }
    }
}

/// Lines as they come in on an address, for one server.
struct Arrivals: Sendable {
    let lines: AsyncStream<TCPLine>
    private let listener: LineListener
    private let arrival: AsyncStream<TCPLine>.Continuation

    /// - Parameter mostSessions: some connections beyond these are taken, to be told that there is no room.
    init(
        on address: SocketAddress, mostSessions: Int, tls: (certificate: String, key: String)?, loops: [EventLoop]
    ) throws(LineError) {
        // bounded by the listener's limit of connections
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        self.lines = lines
        self.arrival = arrival
        var listening = Listener.Settings()
        listening.mostConnections = mostSessions + 64
        if let tls { listening.tls = try TLSServerSettings(certificateFile: tls.certificate, keyFile: tls.key) }
        listener = try LineListener(on: address, loops: loops, settings: listening) { arrival.yield($0) }
    }

    var address: SocketAddress { listener.localAddress }

    func stopListening() async { await listener.stopListeningAndWait() }

    /// Ends `lines`.
    func finish() { arrival.finish() }
}
