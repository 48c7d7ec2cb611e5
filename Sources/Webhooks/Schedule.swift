import CCurl
package import Jobs

/// When a delivery is tried again.
package struct Schedule: Equatable, Sendable {
    /// `delays[n]`: how long to wait before try n + 1. 1-20 entries, each at most seven days.
    package let delays: [Duration]

    /// Longest wait that a receiver may ask for.
    package static let longestRetryAfter: Duration = .seconds(86_400)
    package static let longestDelay: Duration = .seconds(7 * 86_400)
    package static let jitter = 0.8...1.2

    /// Ten tries over 75 h 35 min 5 s, the example of Standard Webhooks.
    package static let standard = Schedule(
        unchecked: [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].map { .seconds($0) })

    private init(unchecked delays: [Duration]) { self.delays = delays }

    package init?(_ delays: [Duration]) {
        guard (1...20).contains(delays.count), delays.allSatisfy({ $0 >= .zero && $0 <= Self.longestDelay }) else {
            return nil
        }
        self.delays = delays
    }

    /// - Parameters:
    ///   - attempts: tries made so far, at least 1.
    ///   - retryAfter: what the receiver asked for. It lengthens the wait, never shortens it.
    /// - Returns: nil when there are no more tries.
    package func delay(
        afterAttempts attempts: Int, retryAfter: Duration? = nil, using generator: inout some RandomNumberGenerator
    ) -> Duration? {
        guard attempts >= 0, attempts < delays.count else { return nil }
        let own = delays[attempts] * Double.random(in: Self.jitter, using: &generator)
        return max(own, min(retryAfter ?? .zero, Self.longestRetryAfter))
    }
}

/// `Retry-After`: seconds, or one of the three date forms of HTTP.
package enum RetryAfter {
    /// - Returns: nil for a date that has passed and for anything that is neither seconds nor a date.
    package static func parse(_ text: String, now: Timestamp) -> Duration? {
        let octets = text.utf8
        guard let first = octets.first, octets.count <= 64, !octets.contains(0) else { return nil }
        if (0x30...0x39).contains(first) {
            guard octets.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            // More digits than fit are a long time as well.
            let seconds = octets.count > 9 ? 999_999_999 : Int64(text) ?? 0
            return seconds > 0 ? .seconds(seconds) : nil
        }
        let date = curl_getdate(text, nil)
        guard date > 0 else { return nil }
        let wait = Duration.seconds(Int64(date)) - .microseconds(now.microseconds)
        return wait > .zero ? wait : nil
    }
}
