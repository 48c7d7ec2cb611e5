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

    /// - Parameter count: what is taken together; of more than it ever holds a full one gives all it has, or it could never be had.
    /// - Returns: false when there is not so much, and then nothing is taken.
    package mutating func take(_ count: Int = 1, at now: Timestamp) -> Bool {
        level = level(at: now)
        last = now
        guard level + Self.grain >= Double(min(count, quota)) else { return false }
        level = max(0, level - Double(count))
        return true
    }

    /// What was taken was not used.
    package mutating func give(_ count: Int, at now: Timestamp) {
        level = min(Double(quota), level(at: now) + Double(count))
        last = max(now, last)
    }

    package func remaining(at now: Timestamp) -> Int { Int(level(at: now) + Self.grain) }

    /// Whole seconds, rounded up, until there is one more than now; 0 when it is full.
    package func secondsToMore(at now: Timestamp) -> Int { seconds(to: remaining(at: now) + 1, at: now) }

    /// Whole seconds, rounded up and at least 1, until so much can be taken; 0 when it is full.
    package func seconds(to count: Int, at now: Timestamp) -> Int {
        guard remaining(at: now) < quota else { return 0 }
        let missing = Double(min(count, quota)) - level(at: now)
        return max(1, Int((missing / perSecond - Self.grain).rounded(.up)))
    }

    package func isFull(at now: Timestamp) -> Bool { remaining(at: now) == quota }
}
