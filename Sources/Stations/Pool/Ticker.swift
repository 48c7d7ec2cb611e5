/// A clock as stations and pools use it: time since they began, and sleep.
package struct Ticker: Sendable {
    /// Never runs backwards.
    package let elapsed: @Sendable () -> Duration
    package let sleep: @Sendable (Duration) async throws -> Void

    package init(_ clock: any Clock<Duration>) { self = Ticker.start(clock) }

    private init(
        elapsed: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.elapsed = elapsed
        self.sleep = sleep
    }

    private static func start<Source: Clock<Duration>>(_ clock: Source) -> Ticker {
        let begin = clock.now
        return Ticker(
            elapsed: { begin.duration(to: clock.now) },
            sleep: { try await clock.sleep(until: clock.now.advanced(by: $0), tolerance: nil) })
    }
}
