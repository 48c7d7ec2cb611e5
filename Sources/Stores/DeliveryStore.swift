package import Jobs

/// The part of the store that the webhook sender lives on.
package protocol DeliveryStore: AnyObject, Sendable {
    /// Undelivered deliveries whose time has come, oldest first, leaving out those whose ID is in `excluding` (under way in this
    /// process).
    func dueDeliveries(at time: Timestamp, limit: Int, excluding: Set<DeliveryID>) async throws(StoreError)
        -> [Delivery]

    /// The same without the deliveries of these endpoints: their queues in memory are full, or their breaker is open. One dead
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
    case pending, delivered, dead, canceled
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

    package init(id: DeliveryID, event: Event, owner: Owner, endpoint: Int64, url: String, attempts: Int) {
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
    package let duration: Duration
    package let address: String?
    /// The first 4 KiB of the answer.
    package let answer: [UInt8]

    package init(
        at: Timestamp, status: Int?, result: String, detail: String? = nil, duration: Duration, address: String? = nil,
        answer: [UInt8] = []
    ) {
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

    package enum Next: Equatable, Sendable {
        case delivered
        case retry(at: Timestamp)
        case dead
    }

    package init(delivery: DeliveryID, attempt: DeliveryAttempt, next: Next) {
        self.delivery = delivery
        self.attempt = attempt
        self.next = next
    }
}

package struct DeliveryRecord: Equatable, Sendable {
    package let id: DeliveryID
    package let eventID: String
    package let eventType: String
    package let url: String
    package let state: DeliveryState
    package let nextAt: Timestamp?
    package let attempts: [DeliveryAttempt]

    package init(
        id: DeliveryID, eventID: String, eventType: String, url: String, state: DeliveryState, nextAt: Timestamp?,
        attempts: [DeliveryAttempt]
    ) {
        self.id = id
        self.eventID = eventID
        self.eventType = eventType
        self.url = url
        self.state = state
        self.nextAt = nextAt
        self.attempts = attempts
    }
}
