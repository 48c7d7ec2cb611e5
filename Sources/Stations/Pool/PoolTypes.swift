/// A session of a host's pool, counted from 1 since the pool began.
package struct SessionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: Int
    package init(_ number: Int) { self.number = number }
    package var description: String { "session \(number)" }
    package static func < (left: SessionID, right: SessionID) -> Bool { left.number < right.number }
}

/// A lease, or the wish for one, counted from 1 since the pool began: in order of arrival.
package struct LeaseID: Hashable, Comparable, Sendable {
    package let number: Int
    package init(_ number: Int) { self.number = number }
    package static func < (left: LeaseID, right: LeaseID) -> Bool { left.number < right.number }
}

package enum LeasePurpose: String, CaseIterable, Sendable {
    /// To hand a deck in. Waits while the host is drained.
    case submission
    /// To take output.
    case fetch
    /// To ask, cancel, hold, release, purge.
    case control
}

package enum HostChange: Equatable, Sendable {
    case up
    /// No session is up any more; why, in words.
    case down(String)
    /// The host refused the credentials: no more tries until somebody acts. Kept over a restart by who hears it.
    case refused(String)
}

/// What `/v1/hosts/{id}` shows of a pool.
package struct PoolStatus: Equatable, Sendable {
    package enum Host: Equatable, Sendable {
        /// Nothing wanted, nothing tried.
        case idle
        case connecting
        case up
        /// nil: being tried at this moment, or when somebody needs it.
        case down(reason: String, nextTry: Duration?)
        /// Nothing is tried until somebody acts.
        case refused(reason: String)
        case stopped

        /// `up`, `connecting`, `down`, `refused`, `idle`, `stopped`.
        package var word: String {
            switch self {
            case .idle: "idle"
            case .connecting: "connecting"
            case .up: "up"
            case .down: "down"
            case .refused: "refused"
            case .stopped: "stopped"
            }
        }
    }

    package var host: Host
    /// How long ago the host went up or down.
    package var since: Duration
    package var isDraining: Bool
    package var signingOn: Int
    package var up: Int
    package var closing: Int
    /// The most sessions there may be now.
    package var limit: Int
    package var leases: Int
    /// Slots of all sessions that are up.
    package var slots: Int
    /// Leases asked for and not granted, those for a drained host included.
    package var waiting: Int
    package var lastError: StationError?
    package var lastErrorAgo: Duration?

    /// What a deck waits for, in words that stay the same as long as the cause does; nil: for nothing but its turn.
    package var waitingWords: String? {
        if isDraining { return "the host is drained: waits until it is resumed" }
        switch host {
        case .idle, .connecting: return "waits for a session with the host"
        case .up: return nil
        case .down(let reason, nextTry: _): return "the host is down: \(reason); it is tried again and again"
        case .refused(let reason): return "the host refused log-on: \(reason); not tried again until an operator acts"
        case .stopped: return "the gateway is stopping"
        }
    }
}

extension Pool {
    /// Whether the session is signed on and not about to be closed.
    package func isUp(_ id: SessionID) -> Bool { sessions[id]?.state == .up }

    package func status(at now: Duration) -> PoolStatus {
        let up = count(of: .up)
        let host: PoolStatus.Host =
            if life == .stopping || life == .ended {
                .stopped
            } else if let refusal {
                .refused(reason: refusal)
            } else if up > 0 {
                .up
            } else if let words = downWords {
                .down(reason: words, nextTry: pause.until.map { max(.zero, $0 - now) })
            } else if count(of: .signingOn) > 0 {
                .connecting
            } else {
                .idle
            }
        return PoolStatus(
            host: host, since: now - changedAt, isDraining: isDraining, signingOn: count(of: .signingOn), up: up,
            closing: count(of: .closing), limit: limit, leases: leases.count,
            slots: sessions.values.reduce(0) { $0 + ($1.state == .up ? $1.slots.count : 0) },
            waiting: waiting.count + waiting.parkedCount, lastError: lastError,
            lastErrorAgo: lastErrorAt.map { now - $0 })
    }
}

/// Sebastiano Vigna's SplitMix64: small, and the same everywhere, so that a seed repeats a run.
struct SplitMix: RandomNumberGenerator, Equatable, Sendable {
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
