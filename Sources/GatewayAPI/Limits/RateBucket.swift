package import Jobs

/// So many in a window, and never more at once: a bucket of tokens that fills evenly. A full one is as good as none.
package struct RateBucket: Equatable, Sendable {
    package let quota: Int
    package let window: Duration
    private var level: Double
    private var last: Timestamp

    /// Fractions of a token that are arithmetic, not tokens.
    private static let grain = 1e-6

    package init(quota: Int, window: Duration, at now: Timestamp) {
        self.quota = max(1, quota)
        self.window = window
        level = Double(self.quota)
        last = now
    }

    private var perSecond: Double { Double(quota) / (window / .seconds(1)) }

    /// What is in it; a clock that is set back neither fills nor empties it.
    private func level(at now: Timestamp) -> Double {
        guard now > last else { return level }
        return min(Double(quota), level + last.duration(to: now) / .seconds(1) * perSecond)
    }

    /// - Returns: false when there is none.
    package mutating func take(at now: Timestamp) -> Bool {
        level = level(at: now)
        last = now
        guard level + Self.grain >= 1 else { return false }
        level = max(0, level - 1)
        return true
    }

    package func remaining(at now: Timestamp) -> Int { Int(level(at: now) + Self.grain) }

    /// Whole seconds, rounded up, until there is one more than now; 0 when it is full.
    package func secondsToMore(at now: Timestamp) -> Int {
        let whole = remaining(at: now)
        guard whole < quota else { return 0 }
        return max(1, Int(((Double(whole + 1) - level(at: now)) / perSecond - Self.grain).rounded(.up)))
    }

    package func isFull(at now: Timestamp) -> Bool { remaining(at: now) == quota }
}
