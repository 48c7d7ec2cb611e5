package import Jobs

/// What the store has done since the start, for `/metrics`.
package struct StoreFigures: Equatable, Sendable {
    /// From the begin of a transaction to its being durable, the operations in it included.
    package var commits = Histogram.ofWrites
    /// Of that, what the COMMIT itself took: log written and synced.
    package var syncs = Histogram.ofWrites
    /// Operations that were committed, with others or alone.
    package var operations = 0
    /// Opening: migrations, counts, looking through the spool.
    package var openingTime = Duration.zero
    package init() {}
}
