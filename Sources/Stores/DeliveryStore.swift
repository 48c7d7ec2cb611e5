package import Jobs

/// The part of the store that the webhook sender lives on.
package protocol DeliveryStore: AnyObject, Sendable {
    /// Undelivered deliveries whose time has come, oldest first, leaving out those whose ID is in `excluding` (under way in this
    /// process).
    func dueDeliveries(at time: Timestamp, limit: Int, excluding: Set<DeliveryID>) async throws(StoreError)
        -> [Delivery]

    /// The same without the deliveries of these endpoints, but for extra tries, which come first: their queues in memory are full, or their breaker is open. One dead
    /// endpoint with 100,000 due deliveries must not hide another's one.
    func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>, leavingOut endpoints: Set<Int64>
    ) async throws(StoreError) -> [Delivery]

    /// When the next pending delivery is due that is not due yet; nil when there is none.
    func nextDeliveryTime(after time: Timestamp) async throws(StoreError) -> Timestamp?

    /// Records attempts and what follows from each, in one commit for all.
    func record(_ results: [DeliveryResult]) async throws(StoreError)

    /// How many deliveries are in each state.
    func deliveryCounts() async throws(StoreError) -> [DeliveryState: Int]

    /// Deliveries of a job's events, oldest first, with their attempts.
    func deliveries(of job: JobID) async throws(StoreError) -> [DeliveryRecord]
}

extension DeliveryStore {
    package func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>, leavingOut endpoints: Set<Int64>
    ) async throws(StoreError) -> [Delivery] {
        try await dueDeliveries(at: time, limit: limit, excluding: excluding).filter {
            !endpoints.contains($0.endpoint)
        }
    }
}

package struct DeliveryID: Hashable, Comparable, Sendable {
    package let value: Int64
    package init(_ value: Int64) { self.value = value }
    package static func < (left: DeliveryID, right: DeliveryID) -> Bool { left.value < right.value }
}

package enum DeliveryState: String, CaseIterable, Sendable {
    /// `paused`: its endpoint is disabled; `canceled`: its endpoint is deleted, or was that of one job and has gone.
    case pending, delivered, dead, canceled, paused
}

/// One event on its way to one endpoint.
package struct Delivery: Equatable, Sendable {
    package let id: DeliveryID
    package let event: Event
    package let owner: Owner
    /// Deliveries of one endpoint share limits and breaker.
    package let endpoint: Int64
    package let url: String
    /// Tries recorded so far.
    package let attempts: Int
    package let target: DeliveryTarget
    /// Asked for by hand: one try that changes no count, whatever the breaker says.
    package let isExtra: Bool
    /// Of the job it tells of.
    package let trace: TraceContext?

    package init(
        id: DeliveryID, event: Event, owner: Owner, endpoint: Int64, url: String, attempts: Int,
        target: DeliveryTarget = DeliveryTarget(), isExtra: Bool = false, trace: TraceContext? = nil
    ) {
        self.trace = trace
        self.target = target
        self.isExtra = isExtra
        self.id = id
        self.event = event
        self.owner = owner
        self.endpoint = endpoint
        self.url = url
        self.attempts = attempts
    }
}

/// One HTTP exchange, as it is logged.
package struct DeliveryAttempt: Equatable, Sendable {
    package let at: Timestamp
    /// HTTP status; nil when there was no answer.
    package let status: Int?
    /// `delivered`, `status`, `redirect_refused`, `blocked_address`, `resolve_failed`, `connect_failed`, `tls_failed`, `timeout`, ...
    package let result: String
    /// For the endpoint's owner; does not tell whether an internal port was open.
    package let detail: String?
    /// From the beginning of the try to its end, the look-up of the name included.
    package let duration: Duration
    package let timings: Timings
    package let exchange: DeliveryExchange
    package let address: String?
    /// The first 4 KiB of the answer.
    package let answer: [UInt8]
    /// Asked for by hand.
    package let isExtra: Bool
    /// `webhook-id` of the call when it carried a batch.
    package let batch: String?

    /// From the start of the request; nil for what was not reached.
    package struct Timings: Equatable, Sendable {
        /// The look-up of the name, which comes before the others; nil when there was none.
        package var resolved: Duration?
        package var connected: Duration?
        package var secured: Duration?
        package var firstByte: Duration?
        package init(
            resolved: Duration? = nil, connected: Duration? = nil, secured: Duration? = nil, firstByte: Duration? = nil
        ) {
            self.resolved = resolved
            self.connected = connected
            self.secured = secured
            self.firstByte = firstByte
        }
    }

    package init(
        at: Timestamp, status: Int?, result: String, detail: String? = nil, duration: Duration,
        timings: Timings = Timings(), exchange: DeliveryExchange = DeliveryExchange(), address: String? = nil,
        answer: [UInt8] = [], isExtra: Bool = false, batch: String? = nil
    ) {
        self.timings = timings
        self.exchange = exchange
        self.isExtra = isExtra
        self.batch = batch
        self.at = at
        self.status = status
        self.result = result
        self.detail = detail
        self.duration = duration
        self.address = address
        self.answer = answer
    }
}

package struct DeliveryResult: Equatable, Sendable {
    package let delivery: DeliveryID
    package let attempt: DeliveryAttempt
    package let next: Next
    /// Set when its endpoint shall be disabled with it.
    package let disables: Endpoint.DisabledReason?

    package enum Next: Equatable, Sendable {
        case delivered
        case retry(at: Timestamp)
        case dead
    }

    package init(
        delivery: DeliveryID, attempt: DeliveryAttempt, next: Next, disables: Endpoint.DisabledReason? = nil
    ) {
        self.disables = disables
        self.delivery = delivery
        self.attempt = attempt
        self.next = next
    }
}

package struct DeliveryRecord: Equatable, Sendable {
    package let id: DeliveryID
    package let eventID: String
    package let eventType: String
    package let eventAt: Timestamp
    package let job: JobID?
    /// nil: made by `notify` of its job.
    package let endpoint: EndpointID?
    package let url: String
    package let state: DeliveryState
    package let nextAt: Timestamp?
    package let attempts: [DeliveryAttempt]

    package init(
        id: DeliveryID, eventID: String, eventType: String, eventAt: Timestamp, job: JobID?, endpoint: EndpointID?,
        url: String, state: DeliveryState, nextAt: Timestamp?, attempts: [DeliveryAttempt]
    ) {
        self.eventAt = eventAt
        self.job = job
        self.endpoint = endpoint
        self.id = id
        self.eventID = eventID
        self.eventType = eventType
        self.url = url
        self.state = state
        self.nextAt = nextAt
        self.attempts = attempts
    }
}
