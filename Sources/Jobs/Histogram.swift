/// Durations counted by upper bounds, as `/metrics` shows them.
package struct Histogram: Equatable, Sendable {
    /// Upper bounds of the buckets, in seconds, rising; what is longer counts in `count` alone.
    package let bounds: [Double]
    /// By bucket, not cumulated.
    package private(set) var buckets: [UInt64]
    package private(set) var count: UInt64 = 0
    /// Seconds of all together.
    package private(set) var sum = 0.0

    package init(_ bounds: [Double]) {
        self.bounds = bounds
        buckets = [UInt64](repeating: 0, count: bounds.count)
    }

    package mutating func add(_ time: Duration) { add(time.inSeconds) }

    package mutating func add(_ seconds: Double) {
        if let bucket = bounds.firstIndex(where: { seconds <= $0 }) { buckets[bucket] += 1 }
        count += 1
        sum += seconds
    }

    /// For what a client waits for: 1 ms to a minute.
    package static let ofRequests = Histogram([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60])
    /// For the disk: 0.1 ms to 5 s.
    package static let ofWrites = Histogram([0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5])
    /// For the way of a job: 10 ms to a day.
    package static let ofStages = Histogram([0.01, 0.1, 0.5, 1, 5, 30, 120, 600, 3600, 21_600, 86_400])
}

extension Duration {
    package var inSeconds: Double {
        let (whole, fraction) = components
        return Double(whole) + Double(fraction) * 1e-18
    }
}
