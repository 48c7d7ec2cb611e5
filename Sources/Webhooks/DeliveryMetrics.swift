/// What the sender has done since the start, for `/metrics`.
package struct DeliveryMetrics: Equatable, Sendable {
    /// By result: `delivered`, `status`, `timeout`, ...
    package var attempts: [String: Int] = [:]
    /// Deliveries that got their last try.
    package var dead = 0
    /// Under way now.
    package var inFlight = 0
    /// Due, in memory, waiting for their turn. What is due later lies in the store (`deliveryCounts`).
    package var waiting = 0
    /// Tried, and the result not yet committed.
    package var unrecorded = 0
    /// Endpoints whose breaker is not closed.
    package var openBreakers = 0

    package init() {}
}
