import Jobs
import Stations
import Testing

/// Keeps its own books of a pool's host, from the events and actions alone, and holds the pool's rules against them.
private struct Books {
    let settings: Pool.Settings
    var signingOn: Set<SessionID> = []
    var up: [SessionID: Int] = [:]
    var closing: Set<SessionID> = []
    var slots: [SessionID: [Int: LeaseID]] = [:]
    var waiting: [LeaseID: Want] = [:]
    var isDraining = false
    var isRefused = false
    var stated: Int?
    var isStopped = false
    var faults: [String] = []
    var grants = 0
    /// Grants to another owner while this one waited, within a priority.
    var overtaken: [Turn: [Owner: Int]] = [:]

    struct Turn: Hashable {
        let owner: Owner
        let priority: Int
    }

    var eligible: [Want] { waiting.values.filter { !isDraining || $0.purpose != .submission } }
    var held: [LeaseID] { slots.values.flatMap(\.values).sorted() }
    var all: Int { signingOn.count + up.count + closing.count }

    mutating func before(_ event: Pool.Event) {
        switch event {
        case .wanted(let want): if !isStopped { waiting[want.lease] = want }
        case .withdrawn(let lease):
            if waiting.removeValue(forKey: lease) == nil { giveBack(lease) }
        case .released(let lease): giveBack(lease)
        case .signedOn(let id, let window, let most):
            guard signingOn.remove(id) != nil else { break }
            up[id] = window
            slots[id] = [:]
            if let most { stated = most }
        case .signOnFailed(let id, let error):
            if signingOn.remove(id) == nil {
                closing.remove(id)
            } else {
                if case .logonRefused = error { isRefused = true }
                if case .tooManySessions(let most?) = error { stated = most }
            }
        case .sessionEnded(let id, let error):
            let isAsked = closing.remove(id) != nil
            let wasNew = signingOn.remove(id) != nil
            let wasUp = up.removeValue(forKey: id) != nil
            if !isAsked, wasNew || wasUp, case .logonRefused = error { isRefused = true }
        case .operatorActed: isRefused = false
        case .drained: isDraining = true
        case .resumed: isDraining = false
        case .stopped: isStopped = true
        case .opened, .timePassed, .graceEnded: break
        }
        forgetTurns()
    }

    mutating func giveBack(_ lease: LeaseID) {
        for (id, places) in slots { for (slot, other) in places where other == lease { slots[id]?[slot] = nil } }
    }

    /// An owner with nothing left to wait for begins anew.
    mutating func forgetTurns() {
        let turns = Set(eligible.map { Turn(owner: $0.owner, priority: $0.priority) })
        overtaken = overtaken.filter { turns.contains($0.key) }
        for turn in turns where overtaken[turn] == nil { overtaken[turn] = [:] }
    }

    mutating func after(_ actions: [Pool.Action], _ event: Pool.Event) {
        for action in actions {
            switch action {
            case .connect(let id):
                if isRefused { faults.append("connects a refused host") }
                if isStopped { faults.append("connects after the stop") }
                if !signingOn.isEmpty { faults.append("two sign-ons at once") }
                if all >= limit { faults.append("opens a session over the limit of \(limit)") }
                signingOn.insert(id)
            case .signOff(let id):
                if signingOn.remove(id) == nil, up.removeValue(forKey: id) == nil {
                    faults.append("signs off \(id) twice")
                }
                closing.insert(id)
            case .grant(let lease, let id, let slot): grant(lease, id, slot)
            case .deny(let lease, _):
                if !isStopped { faults.append("turns somebody away") }
                waiting[lease] = nil
            case .end(let lease, _):
                if up[endedSession(event)] != nil { faults.append("ends a lease of a living session") }
                giveBack(lease)
            case .announce, .finish: break
            }
        }
        if case .sessionEnded(let id, _) = event {
            if slots[id]?.isEmpty == false { faults.append("a lease outlives its session") }
            slots[id] = nil
        }
    }

    func endedSession(_ event: Pool.Event) -> SessionID {
        if case .sessionEnded(let id, _) = event { id } else { SessionID(0) }
    }

    var limit: Int { max(1, min(settings.max, stated ?? .max)) }

    mutating func grant(_ lease: LeaseID, _ id: SessionID, _ slot: Int) {
        grants += 1
        guard let want = waiting.removeValue(forKey: lease) else {
            faults.append("grants what nobody wants")
            return
        }
        guard let window = up[id] else {
            faults.append("a lease on a dead session")
            return
        }
        if slot < 0 || slot >= window { faults.append("a slot outside the window") }
        if slots[id]?.updateValue(lease, forKey: slot) != nil { faults.append("a slot leased twice") }
        if isDraining, want.purpose == .submission { faults.append("a submission to a drained host") }
        for other in eligible {
            if other.priority > want.priority { faults.append("a lower priority goes first") }
            let older = (other.submittedAt, other.lease) < (want.submittedAt, want.lease)
            if older, other.owner == want.owner, other.priority == want.priority {
                faults.append("a younger one first")
            }
        }
        overtaken[Turn(owner: want.owner, priority: want.priority)] = nil
        for turn in overtaken.keys where turn.priority == want.priority {
            overtaken[turn]?[want.owner, default: 0] += 1
            if overtaken[turn]?[want.owner] ?? 0 > 1 { faults.append("an owner overtaken twice by another") }
        }
        forgetTurns()
    }

    mutating func check(_ pool: Pool, at now: Duration) {
        let status = pool.status(at: now)
        let free = up.filter { (slots[$0.key]?.count ?? 0) < $0.value }
        let live = up.count + signingOn.count
        if !eligible.isEmpty, !isStopped, !free.isEmpty, live <= status.limit {
            faults.append("\(eligible.count) wait though a slot is free")
        }
        if status.up != up.count || status.signingOn != signingOn.count || status.closing != closing.count {
            faults.append("the status counts other sessions")
        }
        if status.leases != held.count || status.waiting != waiting.count {
            faults.append("the status counts other leases")
        }
        // Up and nothing in the way: the sessions to be kept are there or being opened.
        if !isStopped, !isRefused, !up.isEmpty, signingOn.isEmpty, live < min(settings.min, status.limit),
            all < status.limit,
            pool.wakeAt == nil
        {
            faults.append("fewer sessions than are to be kept")
        }
        if let wakeAt = pool.wakeAt, wakeAt <= now { faults.append("wants to be woken in the past") }
        if isRefused, !isStopped, status.host.word != "refused" { faults.append("refused and \(status.host.word)") }
    }
}

@Suite struct PoolRandomTests {
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `what must hold after any event holds`(seed: UInt64) {
        var random = SystemOfChance(seed: seed)
        let most = Int.random(in: 1...5, using: &random)
        let settings = Pool.Settings(
            min: Int.random(in: 0...most, using: &random), max: most, idleTime: .seconds(5), limitMemory: .seconds(20))
        var pool = Pool(settings, seed: seed)
        var books = Books(settings: settings)
        var now = Duration.zero
        var lastLease = 0
        let owners = ["anna", "bert", "cleo", "dora", "emil"].compactMap { Owner($0) }
        for step in 0..<12_500 {
            now += .milliseconds(Int.random(in: 0...400, using: &random))
            let event: Pool.Event
            let anySession = (Array(books.up.keys) + Array(books.signingOn) + Array(books.closing)).sorted()
            switch Int.random(in: 0..<100, using: &random) {
            case _ where step == 0: event = .opened
            case _ where step == 12_000: event = .stopped
            case 0..<30:
                lastLease += 1
                event = .wanted(
                    Want(
                        lease: LeaseID(lastLease), owner: owners.randomElement(using: &random) ?? .local,
                        priority: [0, 0, 0, 3, 15].randomElement(using: &random) ?? 0,
                        submittedAt: Timestamp(microseconds: .random(in: 0...1000, using: &random)),
                        purpose: LeasePurpose.allCases.randomElement(using: &random) ?? .fetch))
            case 30..<57:
                guard let lease = books.held.randomElement(using: &random) else { continue }
                event = .released(lease)
            case 57..<60:
                guard let lease = books.waiting.keys.sorted().randomElement(using: &random) else { continue }
                event = .withdrawn(lease)
            case 60..<75:
                guard let id = books.signingOn.first else { continue }
                event = .signedOn(
                    id, window: .random(in: 1...4, using: &random),
                    mostSessions: [nil, nil, nil, 1, 2, 3, 8].randomElement(using: &random) ?? nil)
            case 75..<79:
                guard let id = books.signingOn.first else { continue }
                let errors: [StationError] = [
                    .noLine("refused"), .hostUnwilling("401"), .garbage("?"), .tooManySessions(most: nil),
                    .tooManySessions(most: 2), .logonRefused("bad password"),
                ]
                event = .signOnFailed(id, errors.randomElement(using: &random) ?? .closed)
            case 79..<82:
                guard let id = books.up.keys.sorted().randomElement(using: &random) else { continue }
                event = .sessionEnded(id, .lineLost("cut"))
            case 82..<88:
                guard let id = books.closing.sorted().randomElement(using: &random) else { continue }
                event = .sessionEnded(id, .closed)
            case 88..<94:
                if let due = pool.wakeAt, Bool.random(using: &random) { now = max(now, due) }
                event = .timePassed
            case 94: event = .drained
            case 95: event = .resumed
            case 96: event = .operatorActed
            case 97:  // what no longer means anything
                event =
                    [
                        .sessionEnded(SessionID(100_000), .closed), .released(LeaseID(1_000_000)),
                        .withdrawn(LeaseID(1_000_000)), .opened, .signOnFailed(SessionID(100_000), .closed),
                        .signedOn(
                            anySession.first(where: { !books.signingOn.contains($0) }) ?? SessionID(0), window: 9,
                            mostSessions: 9),
                    ].randomElement(using: &random) ?? .opened
            default: event = .timePassed
            }
            books.before(event)
            books.after(pool.handle(event, at: now), event)
            books.check(pool, at: now)
            guard books.faults.isEmpty else {
                Issue.record("seed \(seed), step \(step), \(event): \(books.faults.joined(separator: "; "))")
                return
            }
        }
        #expect(books.grants > 500)
        for id in (Array(books.up.keys) + Array(books.signingOn) + Array(books.closing)).sorted() {
            _ = pool.handle(.sessionEnded(id, .closed), at: now)
        }
        #expect(pool.status(at: now).up == 0 && pool.status(at: now).leases == 0)
    }
}

/// SplitMix64, so that a seed repeats a run.
struct SystemOfChance: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
