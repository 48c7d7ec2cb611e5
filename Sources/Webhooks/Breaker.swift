package import Jobs

/// Holds deliveries back from an endpoint that fails. Waiting consumes no tries.
///
///     closed ──10 of the last 20 failed, none succeeded for 60 s──▶ open ──its time──▶ probing ──success──▶ closed
///                                                                    ▲                   └──failure──┐
///                                                                    └──────── twice as long ────────┘
package struct Breaker: Equatable, Sendable {
    package enum Standing: Equatable, Sendable {
        case closed
        case open(until: Timestamp)
        /// One try is under way; its end decides.
        case probing
    }

    package enum Admission: Equatable, Sendable {
        case yes
        case notBefore(Timestamp)
        /// Until the probe has ended.
        case wait
    }

    package static let window = 20
    package static let mostFailures = 10
    package static let grace: Duration = .seconds(60)
    /// Open for this long at first; each failed probe doubles it.
    package static let firstPause: Duration = .seconds(30)
    package static let longestPause: Duration = .seconds(600)

    package private(set) var standing = Standing.closed
    /// The latest try in bit 0; 1 is a failure.
    private var failures: UInt32 = 0
    private var lastSuccess: Timestamp?
    private var pause = Breaker.firstPause

    package init() {}

    /// Nothing worth remembering.
    package var isFresh: Bool { standing == .closed && failures == 0 }

    package func admission(at now: Timestamp) -> Admission {
        switch standing {
        case .closed: .yes
        case .open(let until): now < until ? .notBefore(until) : .yes
        case .probing: .wait
        }
    }

    /// The next try has begun. Call it only when `admission` said yes.
    package mutating func tryBegan() {
        if case .open = standing { standing = .probing }
    }

    /// - Parameter succeeded: nil when the try tells nothing of the receiver.
    package mutating func tryEnded(succeeded: Bool?, at now: Timestamp) {
        guard let succeeded else {
            // A probe without a result: the next delivery is the probe.
            if standing == .probing { standing = .open(until: now) }
            return
        }
        failures = (failures << 1 | (succeeded ? 0 : 1)) & (1 << UInt32(Self.window) - 1)
        if succeeded {
            lastSuccess = now
            if standing == .probing { failures = 0 }
            standing = .closed
            pause = Self.firstPause
            return
        }
        switch standing {
        case .probing:
            pause = min(pause * 2, Self.longestPause)
            standing = .open(until: now.advanced(by: pause))
        case .closed:
            // An endpoint that has never answered since the start gets no grace.
            let isFailing = lastSuccess.map { $0.duration(to: now) >= Self.grace } ?? true
            if failures.nonzeroBitCount >= Self.mostFailures, isFailing {
                standing = .open(until: now.advanced(by: pause))
            }
        case .open: break  // began before it opened
        }
    }
}
