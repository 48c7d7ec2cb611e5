import Glibc
import Jobs
import Lines
import Logging
import Stores
import Synchronization
import Testing
import Webhooks

/// Pending deliveries of few endpoints in memory, quick where most of them must wait.
private final class Backlog: DeliveryStore {
    struct Row {
        let id: DeliveryID
        var nextAt: Timestamp
        var attempts = 0
    }

    struct State {
        /// By endpoint, in the order of `nextAt`.
        var pending: [Int64: [Row]] = [:]
        var delivered = 0
        var dead = 0
        var reads = 0
    }

    let state: Mutex<State>
    private let perEndpoint: Int64

    init(endpoints: Int64, each: Int64, at time: Timestamp) {
        perEndpoint = each
        var pending: [Int64: [Row]] = [:]
        for endpoint in 0..<endpoints {
            pending[endpoint] = (0..<each).map { Row(id: DeliveryID(endpoint * each + $0), nextAt: time) }
        }
        state = Mutex(State(pending: pending))
    }

    func dueDeliveries(at time: Timestamp, limit: Int, excluding: Set<DeliveryID>) async throws(StoreError)
        -> [Delivery]
    {
        try await dueDeliveries(at: time, limit: limit, excluding: excluding, leavingOut: [])
    }

    func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>, leavingOut endpoints: Set<Int64>
    ) async throws(StoreError) -> [Delivery] {
        state.withLock { state in
            state.reads += 1
            var found: [Delivery] = []
            for (endpoint, rows) in state.pending where !endpoints.contains(endpoint) {
                for row in rows {
                    if row.nextAt > time || found.count >= limit { break }
                    if !excluding.contains(row.id) { found.append(delivery(row, endpoint)) }
                }
            }
            return found
        }
    }

    private func delivery(_ row: Row, _ endpoint: Int64) -> Delivery {
        let event = Event(
            sequence: row.id.value, id: "evt_\(row.id.value)", type: "job.completed", job: nil,
            at: Timestamp(microseconds: 0), body: [0x7B, 0x7D])
        var target = DeliveryTarget()
        target.endpoint = EndpointID(bits: UInt128(endpoint))
        target.rate = OutageTests.rate
        return Delivery(
            id: row.id, event: event, owner: .local, endpoint: endpoint, url: "https://e\(endpoint).example/",
            attempts: row.attempts, target: target)
    }

    func nextDeliveryTime(after time: Timestamp) async throws(StoreError) -> Timestamp? { nil }

    func record(_ results: [DeliveryResult]) async throws(StoreError) {
        state.withLock { state in
            for result in results {
                let endpoint = result.delivery.value / perEndpoint
                var rows = state.pending[endpoint, default: []]
                guard let index = rows.firstIndex(where: { $0.id == result.delivery }) else { continue }
                state.pending[endpoint] = nil
                var row = rows.remove(at: index)
                switch result.next {
                case .delivered: state.delivered += 1
                case .dead: state.dead += 1
                case .retry(let time):
                    row.nextAt = time
                    row.attempts += 1
                    rows.insert(row, at: rows.firstIndex { $0.nextAt > time } ?? rows.count)
                }
                state.pending[endpoint] = rows
            }
        }
    }

    func deliveryCounts() async throws(StoreError) -> [DeliveryState: Int] { [:] }
    func deliveries(of job: JobID) async throws(StoreError) -> [DeliveryRecord] { [] }
}

@Suite struct OutageTests {
    /// Deliveries a minute of each endpoint.
    static let rate = 60_000

    /// 100,000 on request (OUTAGE_DELIVERIES); fewer in a debug build's daily run.
    static let deliveries = getenv("OUTAGE_DELIVERIES").flatMap { Int64(String(cString: $0)) } ?? 20_000

    /// Of this process. Other tests run in it as well: only a run of this one alone tells.
    private static var residentOctets: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }

    @Test func `what is pending outlives three days without a receiver, and arrives within each endpoint's rate`()
        async throws
    {
        let endpoints: Int64 = 20
        let each = Self.deliveries / endpoints
        let start = Timestamp(microseconds: 1_767_323_045_000_000)
        let outage: Duration = .seconds(3 * 86_400)
        let up = start.advanced(by: outage)
        let now = Mutex(start)
        let tries = Mutex(0)
        /// When each endpoint got its deliveries, after the outage.
        let arrivals = Mutex<[String: [Timestamp]]>([:])
        let store = Backlog(endpoints: endpoints, each: each, at: start)
        var settings = try DeliveryRunner.Settings(secret: testSecret)
        settings.resolver = NameResolver { _ in .success([.v4(0x5DB8_D822)]) }
        settings.seed = 7
        settings.limits.waitingPerEndpoint = 128
        settings.exchange = { request in
            let time = now.withLock { $0 }
            tries.withLock { $0 += 1 }
            if time < up { return SendResult(failure: .connectFailed) }
            arrivals.withLock { $0[request.url.host, default: []].append(time) }
            return SendResult(status: 204)
        }
        let log = Logger(label: "webhooks") { _ in SwiftLogNoOpLogHandler() }
        let runner = try DeliveryRunner(
            store: store, settings: settings, clock: WallClock { now.withLock { $0 } }, logger: log)
        let memoryBefore = Self.residentOctets
        var mostMemory = memoryBefore
        let task = Task { await runner.run() }
        var mostWaiting = 0
        /// Returns when nothing more can happen at this moment.
        func settle() async {
            var quiet = 0
            var seen = -1
            while quiet < 2 {
                let reads = store.state.withLock { $0.reads }
                runner.wake()
                while store.state.withLock({ $0.reads }) == reads { await Task.yield() }
                var metrics = runner.metrics
                while metrics.inFlight > 0 || metrics.unrecorded > 0 {
                    await Task.yield()
                    metrics = runner.metrics
                }
                mostWaiting = max(mostWaiting, metrics.waiting)
                mostMemory = max(mostMemory, Self.residentOctets)
                let count = tries.withLock { $0 }
                quiet = count == seen ? quiet + 1 : 0
                seen = count
            }
        }
        while now.withLock({ $0 }) < up {
            await settle()
            now.withLock { $0 = $0.advanced(by: .seconds(3600)) }
        }
        let triesBefore = tries.withLock { $0 }
        let memoryAtEnd = Self.residentOctets
        #expect(store.state.withLock { $0.delivered + $0.dead } == 0)
        #expect(triesBefore < 20 * 100, "the breaker asks now and then; the others wait at no cost")
        var steps = 0
        while store.state.withLock({ $0.delivered }) < Int(endpoints * each), steps < 5000 {
            await settle()
            steps += 1
            now.withLock { $0 = $0.advanced(by: .milliseconds(100)) }
        }
        runner.stop()
        await task.value
        #expect(store.state.withLock { $0.delivered } == Int(endpoints * each))
        #expect(store.state.withLock { $0.dead } == 0)
        #expect(mostWaiting <= settings.limits.waiting)
        let mebi = 1 << 20
        print(
            "outage: \(Self.deliveries) pending, resident before \(memoryBefore / mebi) MiB, after three days",
            "\(memoryAtEnd / mebi) MiB, at most \(mostMemory / mebi) MiB, after delivery \(Self.residentOctets / mebi) MiB"
        )
        for (host, times) in arrivals.withLock({ $0 }) {
            #expect(times.count == Int(each), "\(host)")
            for (index, time) in times.enumerated() where index + Self.rate / 60 < times.count {
                // A second's share and the burst, whatever second one looks at.
                #expect(times[index + Self.rate / 60].microseconds - time.microseconds >= 900_000)
            }
        }
    }
}
