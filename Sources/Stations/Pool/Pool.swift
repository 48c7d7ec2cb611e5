/// Which sessions a host gets, and whom each slot of them serves. One for each host; a value without clock or socket.
///
/// A session goes
///
///     signingOn ──signedOn──▶ up ──idle above min, over the limit, stop──▶ closing ──sessionEnded──▶ gone
///         └──signOnFailed──▶ gone  └──sessionEnded──▶ gone, its leases end with the error
///
/// and what to open, grant and close is decided anew after every event, in `settle`, from what is there: so the rules
/// hold whatever came before. One sign-on is under way at a time: a wrong password is tried once, not once a session.
/// Keeping a session alive is the driver's part, which knows the host's idle time; a failure comes back as `sessionEnded`.
///
/// A host's refusal of the credentials opens the breaker: nothing connects until `operatorActed`. Any other failure is
/// tried again after a pause, 1 s doubling to 60 s, half of it random.
package struct Pool: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        /// The runner is ready: the sessions to be kept may be opened.
        case opened
        case wanted(Want)
        /// Whoever waited for the lease does not any more.
        case withdrawn(LeaseID)
        case released(LeaseID)
        /// - Parameters:
        ///   - window: leases that this session can carry at once.
        ///   - mostSessions: how many sessions the host allows this user; nil when it did not say.
        case signedOn(SessionID, window: Int, mostSessions: Int?)
        case signOnFailed(SessionID, StationError)
        /// Its line is gone: lost, or closed as we wished.
        case sessionEnded(SessionID, StationError)
        /// It is `wakeAt` or later.
        case timePassed
        /// Somebody mended what the host refused, or wants it tried now.
        case operatorActed
        /// No submissions any more; what the host has is still followed and fetched.
        case drained
        case resumed
        /// No leases any more; sessions close when their last lease ends.
        case stopped
        /// Leases had their time after `stopped`.
        case graceEnded
    }

    package enum Action: Equatable, Sendable {
        case connect(SessionID)
        case signOff(SessionID)
        case grant(LeaseID, SessionID, slot: Int)
        /// A waiting one will not get its lease.
        case deny(LeaseID, StationError)
        /// The session under a lease is gone.
        case end(LeaseID, StationError)
        case announce(HostChange)
        /// Stopped, and the last session is gone.
        case finish
    }

    package struct Settings: Equatable, Sendable {
        /// Sessions kept signed on; at most `max`.
        package var min: Int
        package var max: Int
        /// A session above `min` without a lease for this long is closed.
        package var idleTime: Duration
        /// The pause after the first failure; each further one doubles it.
        package var firstPause: Duration
        package var longestPause: Duration
        /// A session that lived this long shows that the host is well: pauses start again with the first.
        package var steadyTime: Duration
        /// How long a limit is believed that was learned from a refusal: stale sessions of ours may have filled it.
        package var limitMemory: Duration

        package init(
            min: Int = 1, max: Int = 4, idleTime: Duration = .seconds(60), firstPause: Duration = .seconds(1),
            longestPause: Duration = .seconds(60), steadyTime: Duration = .seconds(2),
            limitMemory: Duration = .seconds(300)
        ) {
            self.max = Swift.max(1, max)
            self.min = Swift.max(0, Swift.min(min, self.max))
            self.idleTime = idleTime
            self.firstPause = firstPause
            self.longestPause = longestPause
            self.steadyTime = steadyTime
            self.limitMemory = limitMemory
        }
    }

    struct Session: Equatable, Sendable {
        enum State: Equatable, Sendable { case signingOn, up, closing }
        var state = State.signingOn
        /// Since when it is in this state.
        var since: Duration
        /// One place for each lease it can carry.
        var slots: [LeaseID?] = []
        var used = 0
        /// Since when it has no lease; meaningful while `used` is 0.
        var idleSince: Duration = .zero
        /// More sessions than the host allows: gets no further leases, and closes with its last.
        var isSurplus = false
    }

    struct Place: Equatable, Sendable {
        let session: SessionID
        let slot: Int
    }

    struct Pause: Equatable, Sendable {
        /// Failures in a row.
        var failures = 0
        var until: Duration?
    }

    struct LearnedLimit: Equatable, Sendable {
        let most: Int
        let until: Duration
    }

    enum Life: Equatable, Sendable { case new, open, stopping, ended }

    package let settings: Settings
    var life = Life.new
    var sessions: [SessionID: Session] = [:]
    var leases: [LeaseID: Place] = [:]
    var waiting = WaitingRoom()
    var isDraining = false
    var refusal: String?
    var pause = Pause()
    /// What the host said at its last sign-on.
    var statedLimit: Int?
    /// What a refusal of one more session showed.
    var refusedLimit: LearnedLimit?
    var lastError: StationError?
    var lastErrorAt: Duration?
    var announced: Announced
    var changedAt: Duration = .zero
    private var lastSession = 0
    private var random: SplitMix

    enum Announced: Equatable, Sendable { case nothing, up, down }

    /// - Parameters:
    ///   - refused: a refusal of the credentials, known from before: nothing connects until `operatorActed`.
    ///   - seed: of the random half of the pauses.
    package init(_ settings: Settings, refused: String? = nil, seed: UInt64) {
        self.settings = settings
        refusal = refused
        announced = refused == nil ? .nothing : .down
        random = SplitMix(seed: seed)
    }

    /// Sessions that may exist now, by configuration and by what the host said.
    package var limit: Int {
        var most = settings.max
        if let statedLimit { most = Swift.min(most, statedLimit) }
        if let refusedLimit { most = Swift.min(most, refusedLimit.most) }
        return Swift.max(1, most)
    }

    /// Sessions kept when nobody wants one.
    var floor: Int { Swift.min(settings.min, limit) }

    /// - Parameter now: time since the pool began, never less than before.
    package mutating func handle(_ event: Event, at now: Duration) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .opened:
            if life == .new { life = .open }
        case .wanted(let want):
            if life == .new || life == .open {
                waiting.add(want)
            } else {
                actions.append(.deny(want.lease, .closed))
            }
        case .withdrawn(let lease):
            // The grant may have won the race: then it is a lease given back.
            if waiting.remove(lease) == nil { release(lease, at: now) }
        case .released(let lease): release(lease, at: now)
        case .signedOn(let id, let window, let mostSessions):
            signedOn(id, window: window, mostSessions: mostSessions, at: now)
        case .signOnFailed(let id, let error): signOnFailed(id, error, at: now, &actions)
        case .sessionEnded(let id, let error): sessionEnded(id, error, at: now, &actions)
        case .timePassed: break
        case .operatorActed:
            refusal = nil
            refusedLimit = nil
            pause = Pause()
        case .drained:
            isDraining = true
            waiting.parkSubmissions()
        case .resumed:
            isDraining = false
            waiting.unparkSubmissions()
        case .stopped:
            if life == .new || life == .open { life = .stopping }
            for lease in waiting.removeAll() { actions.append(.deny(lease, .closed)) }
        case .graceEnded:
            for id in sessions.keys.sorted() where life == .stopping { signOff(id, at: now, &actions) }
        }
        settle(at: now, &actions)
        return actions
    }

    /// When `timePassed` is due; nil when nothing waits for a time.
    package var wakeAt: Duration? {
        guard life == .open else { return nil }
        var due: Duration?
        func sooner(_ time: Duration) { due = due.map { Swift.min($0, time) } ?? time }
        if refusal == nil, let until = pause.until, wantsSession { sooner(until) }
        if let refusedLimit, !waiting.isEmpty { sooner(refusedLimit.until) }
        if count(of: .up) > floor {
            for session in sessions.values where session.state == .up && session.used == 0 {
                sooner(session.idleSince + settings.idleTime)
            }
        }
        return due
    }

    // MARK: what happened

    private mutating func release(_ lease: LeaseID, at now: Duration) {
        guard let place = leases.removeValue(forKey: lease), var session = sessions.removeValue(forKey: place.session)
        else { return }  // its session died first
        session.slots[place.slot] = nil
        session.used -= 1
        session.idleSince = now
        sessions[place.session] = session
    }

    private mutating func signedOn(_ id: SessionID, window: Int, mostSessions: Int?, at now: Duration) {
        guard var session = sessions[id], session.state == .signingOn else { return }  // stop was quicker
        session.state = .up
        session.since = now
        session.idleSince = now
        session.slots = Array(repeating: nil, count: Swift.min(Swift.max(1, window), Self.widestWindow))
        sessions[id] = session
        pause.until = nil
        if let mostSessions { statedLimit = Swift.max(1, mostSessions) }
    }

    private mutating func signOnFailed(
        _ id: SessionID, _ error: StationError, at now: Duration, _ actions: inout [Action]
    ) {
        guard let session = sessions.removeValue(forKey: id), session.state == .signingOn else { return }
        fail(with: error, at: now, &actions)
    }

    private mutating func sessionEnded(
        _ id: SessionID, _ error: StationError, at now: Duration, _ actions: inout [Action]
    ) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        for case .some(let lease) in session.slots where leases.removeValue(forKey: lease) != nil {
            actions.append(.end(lease, error))
        }
        switch session.state {
        case .closing: pause.failures = 0  // it was up until we had no use for it
        case .signingOn: fail(with: error, at: now, &actions)
        case .up:
            if now - session.since >= settings.steadyTime { pause.failures = 0 }
            fail(with: error, at: now, &actions)
        }
    }

    private mutating func fail(with error: StationError, at now: Duration, _ actions: inout [Action]) {
        guard life == .open || life == .new else { return }
        if sessions.values.contains(where: { $0.state == .up && now - $0.since >= settings.steadyTime }) {
            pause.failures = 0
        }
        lastError = error
        lastErrorAt = now
        switch error {
        case .logonRefused(let words):
            refusal = words
            actions.append(.announce(.refused(words)))
            return
        case .tooManySessions(let most):
            if let most { statedLimit = Swift.max(1, most) }
            let up = count(of: .up)
            if up > 0 {
                refusedLimit = LearnedLimit(most: up, until: now + settings.limitMemory)
                return
            }
        case .noLine, .hostUnwilling, .lineLost, .deadline, .garbage, .refusedDeck, .busy, .notSent, .uncertain, .lacks,
            .refused, .local, .closed:
            break
        }
        pause.failures += 1
        pause.until = now + nextPause()
    }

    /// Half certain, half random: hosts that came back are not met by all their stations at once.
    private mutating func nextPause() -> Duration {
        var whole = settings.firstPause
        var doublings = pause.failures - 1
        while doublings > 0, whole < settings.longestPause {
            whole = whole * 2
            doublings -= 1
        }
        whole = Swift.min(whole, settings.longestPause)
        let permille = Int.random(in: 0...1000, using: &random)
        return whole / 2 + whole * permille / 2000
    }

    // MARK: what follows

    private mutating func settle(at now: Duration, _ actions: inout [Action]) {
        if let learned = refusedLimit, learned.until <= now { refusedLimit = nil }
        if let until = pause.until, until <= now { pause.until = nil }
        markSurplus()
        grantSlots(&actions)
        closeUnneeded(at: now, &actions)
        if mayConnect, wantsSession {
            lastSession += 1
            let id = SessionID(lastSession)
            sessions[id] = Session(since: now)
            actions.append(.connect(id))
        }
        announceChange(at: now, &actions)
        if life == .stopping, sessions.isEmpty {
            life = .ended
            actions.append(.finish)
        }
    }

    /// The host came to allow fewer sessions than there are: the least used go, the youngest first.
    private mutating func markSurplus() {
        let live = sessions.filter { $0.value.state != .closing }
        let surplus = live.count - limit
        guard surplus > 0 || live.contains(where: \.value.isSurplus) else { return }
        let order = live.sorted { ($0.value.used, $1.key) < ($1.value.used, $0.key) }
        for (index, entry) in order.enumerated() { sessions[entry.key]?.isSurplus = index < surplus }
    }

    private mutating func grantSlots(_ actions: inout [Action]) {
        while !waiting.isEmpty {
            var best: (id: SessionID, used: Int)?
            for (id, session) in sessions
            where session.state == .up && !session.isSurplus && session.used < session.slots.count {
                if let best, (best.used, best.id) < (session.used, id) { continue }
                best = (id, session.used)
            }
            guard let id = best?.id, let slot = sessions[id]?.slots.firstIndex(of: nil), let want = waiting.takeNext()
            else { return }
            sessions[id]?.slots[slot] = want.lease
            sessions[id]?.used += 1
            leases[want.lease] = Place(session: id, slot: slot)
            actions.append(.grant(want.lease, id, slot: slot))
        }
    }

    private mutating func closeUnneeded(at now: Duration, _ actions: inout [Action]) {
        if life == .stopping {
            for id in sessions.keys.sorted() where sessions[id]?.used == 0 { signOff(id, at: now, &actions) }
            return
        }
        for (id, session) in sessions.sorted(by: { $0.key < $1.key }) where session.isSurplus && session.used == 0 {
            signOff(id, at: now, &actions)
        }
        var surplus = count(of: .up) - floor
        guard surplus > 0 else { return }
        let idle = sessions.filter {
            $0.value.state == .up && $0.value.used == 0 && $0.value.idleSince + settings.idleTime <= now
        }
        for entry in idle.sorted(by: { ($0.value.idleSince, $1.key) < ($1.value.idleSince, $0.key) }) where surplus > 0
        {
            signOff(entry.key, at: now, &actions)
            surplus -= 1
        }
    }

    private mutating func signOff(_ id: SessionID, at now: Duration, _ actions: inout [Action]) {
        guard let session = sessions[id], session.state != .closing else { return }
        sessions[id]?.state = .closing
        sessions[id]?.since = now
        actions.append(.signOff(id))
    }

    private var mayConnect: Bool {
        // A session that closes is still one to the host.
        life == .open && refusal == nil && pause.until == nil && count(of: .signingOn) == 0 && sessions.count < limit
    }

    private var wantsSession: Bool { !waiting.isEmpty || count(of: .up) + count(of: .signingOn) < floor }

    func count(of state: Session.State) -> Int {
        sessions.values.reduce(0) { $0 + ($1.state == state ? 1 : 0) }
    }

    private mutating func announceChange(at now: Duration, _ actions: inout [Action]) {
        guard life == .open else { return }
        if count(of: .up) > 0 {
            if announced != .up {
                announced = .up
                changedAt = now
                actions.append(.announce(.up))
            }
        } else if announced != .down, let words = refusal ?? downWords {
            announced = .down
            changedAt = now
            actions.append(.announce(.down(words)))
        }
    }

    /// Why no session is up; nil when none was tried in vain since the last one was closed by us.
    var downWords: String? { pause.failures > 0 ? lastError?.description ?? "no line" : nil }

    /// More than this is never granted on one session, whatever the host offers.
    package static let widestWindow = 256
}
