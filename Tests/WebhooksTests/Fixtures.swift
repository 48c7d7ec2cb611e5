import Jobs
import Lines
import Stores
import Testing
import Webhooks

/// The publicly known example secret.
let testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

let loopbackNetwork = Network("127.0.0.0/8")

func loopbackGuard() -> AddressGuard {
    var settings = AddressGuard.Settings()
    settings.allowNetworks = [loopbackNetwork].compactMap { $0 }
    return AddressGuard(settings: settings)
}

/// Short, so that the tests are.
func quickSender() -> SenderSettings {
    var settings = SenderSettings()
    settings.timeout = .milliseconds(800)
    settings.connectTimeout = .milliseconds(300)
    settings.stallTimeout = .seconds(1)
    settings.version = "1.2.3"
    return settings
}

/// A request to a loopback URL, pinned to where the URL points.
func request(
    _ url: String, pinnedTo address: IPAddress = .loopback, body: String = #"{"type":"webhook.test"}"#,
    tls: EndpointTLS = EndpointTLS()
) throws -> SendRequest {
    SendRequest(
        url: try WebhookURL(url), address: address,
        headers: [SendHeader("content-type", "application/json")].compactMap { $0 },
        body: Array(body.utf8), tls: tls)
}

/// Deliveries in memory, with the promises of the store.
final class MemoryDeliveries: DeliveryStore {
    struct Row: Sendable {
        var delivery: Delivery
        var state = DeliveryState.pending
        var nextAt: Timestamp
        var attempts: [DeliveryAttempt] = []
    }

    struct State: Sendable {
        var rows: [DeliveryID: Row] = [:]
        /// As added, which the tests do in the order of time.
        var order: [DeliveryID] = []
        var commits = 0
        var failure: StoreError?
        var largestBatch = 0
        var readers: [CheckedContinuation<Void, Never>] = []
        var waiters: [(isMet: @Sendable ([DeliveryID: Row]) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
            []
    }

    let state = Locked(State())

    func add(_ ids: ClosedRange<Int64>, url: String, endpoint: Int64 = 1, owner: Owner = .local, at time: Timestamp) {
        state.withLock { state in
            for id in ids {
                let body = #"{"type":"job.completed","timestamp":"\#(time.rfc3339)","data":{"id":"\#(id)"}}"#
                let event = Event(
                    sequence: id, id: "evt_\(id)", type: "job.completed", job: nil, at: time, body: Array(body.utf8))
                state.order.append(DeliveryID(id))
                state.rows[DeliveryID(id)] = Row(
                    delivery: Delivery(
                        id: DeliveryID(id), event: event, owner: owner, endpoint: endpoint, url: url, attempts: 0),
                    nextAt: time)
            }
        }
    }

    var rows: [DeliveryID: Row] { state.withLock { $0.rows } }
    func row(_ id: Int64) -> Row? { state.withLock { $0.rows[DeliveryID(id)] } }
    func fail(with error: StoreError?) { state.withLock { $0.failure = error } }

    /// Returns when the committed rows are so.
    func wait(until isMet: @escaping @Sendable ([DeliveryID: Row]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isMetNow = state.withLock { state in
                if isMet(state.rows) { return true }
                state.waiters.append((isMet, continuation))
                return false
            }
            if isMetNow { continuation.resume() }
        }
    }

    /// Returns when a read that began after this call has its answer.
    func nextRead(_ then: () -> Void) async {
        await withCheckedContinuation { continuation in
            state.withLock { $0.readers.append(continuation) }
            then()
        }
    }

    func wait(for state: DeliveryState) async { await wait { $0.values.allSatisfy { $0.state == state } } }

    func dueDeliveries(at time: Timestamp, limit: Int, excluding: Set<DeliveryID>) async throws(StoreError)
        -> [Delivery]
    {
        try await dueDeliveries(at: time, limit: limit, excluding: excluding, leavingOut: [])
    }

    func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>, leavingOut endpoints: Set<Int64>
    ) async throws(StoreError) -> [Delivery] {
        let readers = state.withLock { state in
            defer { state.readers = [] }
            return state.readers
        }
        defer { for reader in readers { reader.resume() } }
        let (due, failure) = state.withLock { state in
            var due: [Row] = []
            for id in state.order where due.count < limit && !excluding.contains(id) {
                guard let row = state.rows[id], row.state == .pending, row.nextAt <= time,
                    !endpoints.contains(row.delivery.endpoint)
                else { continue }
                due.append(row)
            }
            return (due, state.failure)
        }
        if let failure { throw failure }
        return due.map {
            let delivery = $0.delivery
            return Delivery(
                id: delivery.id, event: delivery.event, owner: delivery.owner, endpoint: delivery.endpoint,
                url: delivery.url,
                attempts: $0.attempts.count)
        }
    }

    func nextDeliveryTime(after time: Timestamp) async throws(StoreError) -> Timestamp? {
        state.withLock { $0.rows.values.filter { $0.state == .pending && $0.nextAt > time }.map(\.nextAt).min() }
    }

    func record(_ results: [DeliveryResult]) async throws(StoreError) {
        let (failure, met) = state.withLock { state -> (StoreError?, [CheckedContinuation<Void, Never>]) in
            if let failure = state.failure { return (failure, []) }
            state.commits += 1
            state.largestBatch = max(state.largestBatch, results.count)
            for result in results {
                state.rows[result.delivery]?.attempts.append(result.attempt)
                switch result.next {
                case .delivered: state.rows[result.delivery]?.state = .delivered
                case .dead: state.rows[result.delivery]?.state = .dead
                case .retry(let time): state.rows[result.delivery]?.nextAt = time
                }
            }
            let rows = state.rows
            let met = state.waiters.filter { $0.isMet(rows) }.map(\.continuation)
            state.waiters.removeAll { $0.isMet(rows) }
            return (nil, met)
        }
        if let failure { throw failure }
        for continuation in met { continuation.resume() }
    }

    func deliveryCounts() async throws(StoreError) -> [DeliveryState: Int] {
        state.withLock { state in Dictionary(grouping: state.rows.values, by: \.state).mapValues(\.count) }
    }

    func deliveries(of job: JobID) async throws(StoreError) -> [DeliveryRecord] { [] }
}
