package import Jobs

/// At most so many deliveries in any minute, evenly spread but for a small burst (the generic cell rate algorithm: one moment is
/// all there is to keep).
package struct TokenBucket: Equatable, Sendable {
    /// A minute.
    package let rate: Int
    private let interval: Int64
    private let tolerance: Int64
    /// When the next one would be due if all came evenly.
    private var due = Timestamp(microseconds: .min / 2)

    package init(rate: Int) {
        self.rate = max(1, rate)
        // A tenth of a second's worth may go at once; the rest of the minute's share is spread so that no minute has more.
        let burst = max(1, self.rate / 600)
        let spread = Int64(self.rate - burst + 1)
        interval = (60_000_000 + spread - 1) / spread
        tolerance = interval * Int64(burst - 1)
    }

    /// nil: now.
    package func wait(at now: Timestamp) -> Timestamp? {
        let earliest = due.microseconds - tolerance
        return earliest > now.microseconds ? Timestamp(microseconds: earliest) : nil
    }

    package mutating func take(at now: Timestamp) {
        due = Timestamp(microseconds: max(due.microseconds, now.microseconds) + interval)
    }
}
