import Jobs
import Stations
import Synchronization
import TestKit
import Testing

private let time = Timestamp(microseconds: 0)

/// What a pool made and said, in order, to be awaited.
private final class Witness: Sendable {
    let made = Mutex<[FakeStation]>([])
    let changes: AsyncStream<HostChange>
    let change: AsyncStream<HostChange>.Continuation

    init() { (changes, change) = AsyncStream.makeStream() }

    func nextChange() async -> HostChange? {
        var changes = changes.makeAsyncIterator()
        return await changes.next(isolation: #isolation)
    }

    var stations: [FakeStation] { made.withLock { $0 } }
}

private struct Load: Sendable {
    var now = 0
    var most = 0
}

/// Runs a pool for the time of `body`.
private func withPool(
    _ settings: Pool.Settings = .init(min: 1, max: 2), refused: String? = nil, clock: ManualClock = ManualClock(),
    queue: Int = 100, station: @escaping @Sendable (SessionID) -> FakeStation = { _ in FakeStation() },
    _ body: (StationPool, Witness) async throws -> Void
) async throws {
    let witness = Witness()
    let pool = StationPool(
        settings, refused: refused, seed: 1, clock: clock, longestReportQueue: queue,
        changed: { witness.change.yield($0) },
        makeStation: { id in
            let made = station(id)
            witness.made.withLock { $0.append(made) }
            return made
        })
    async let running: Void = pool.run()
    do { try await body(pool, witness) } catch {
        await pool.stop(grace: .zero)
        await running
        throw error
    }
    await pool.stop(grace: .zero)
    await running
}

@Suite(.timeLimit(.minutes(1))) struct StationPoolTests {
    @Test func `a lease carries a signed-on station and goes back`() async throws {
        try await withPool(.init(min: 1, max: 1)) { pool, witness in
            #expect(await witness.nextChange() == .up)
            let lease = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
            #expect(lease.station === witness.stations.first)
            #expect(pool.status.leases == 1)
            lease.release()
            lease.release()
            #expect(pool.status.leases == 0)
        }
    }

    @Test func `a lease that nobody holds goes back by itself`() async throws {
        try await withPool(.init(min: 1, max: 1)) { pool, _ in
            do { _ = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .fetch) }
            let again = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .fetch)
            #expect(pool.status.leases == 1)
            again.release()
        }
    }

    @Test func `withLease gives back when its body throws`() async throws {
        try await withPool(.init(min: 1, max: 1)) { pool, _ in
            await #expect(throws: CancellationError.self) {
                try await pool.withLease(owner: .local, priority: 0, submittedAt: time, purpose: .control) { _ in
                    throw CancellationError()
                }
            }
            #expect(pool.status.leases == 0)
        }
    }

    @Test func `who is cancelled while waiting waits no more`() async throws {
        try await withPool(.init(min: 1, max: 1)) { pool, _ in
            let first = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .fetch)
            let waiter = Task {
                try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .fetch)
            }
            while pool.status.waiting == 0 { await Task.yield() }
            waiter.cancel()
            await #expect(throws: StationError.closed) { try await waiter.value }
            #expect(pool.status.waiting == 0)
            first.release()
        }
    }

    @Test func `a host that is down keeps its waiters, says why, and serves them when it is well`() async throws {
        let clock = ManualClock()
        let tries = Box(0)
        try await withPool(
            .init(min: 1, max: 1), clock: clock,
            station: { _ in
                let number = tries.withLock { tries in
                    tries += 1
                    return tries
                }
                return FakeStation { number < 3 ? .noLine("connection refused") : nil }
            }
        ) { pool, witness in
            #expect(await witness.nextChange() == .down("no line to the host: connection refused"))
            async let lease = pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
            #expect(
                pool.status.waitingWords
                    == "the host is down: no line to the host: connection refused; it is tried again and again")
            await clock.sleepersReach(1)
            clock.advance(by: .seconds(1))
            while witness.stations.count < 2 { await Task.yield() }
            await clock.sleepersReach(1)
            clock.advance(by: .seconds(2))
            #expect(await witness.nextChange() == .up)
            try await lease.release()
            #expect(witness.stations.count == 3)
        }
    }

    @Test func `a refused log-on is told once and not tried again until somebody acts`() async throws {
        let clock = ManualClock()
        let isMended = Box(false)
        try await withPool(
            .init(min: 1, max: 1), clock: clock,
            station: { _ in FakeStation { isMended.withLock { $0 } ? nil : .logonRefused("431 password") } }
        ) { pool, witness in
            #expect(await witness.nextChange() == .refused("431 password"))
            #expect(await witness.nextChange() == .down("431 password"))
            clock.advance(by: .seconds(86_400))
            #expect(pool.status.host == .refused(reason: "431 password"))
            #expect(clock.sleepers == 0 && witness.stations.count == 1)
            isMended.withLock { $0 = true }
            pool.operatorActed()
            #expect(await witness.nextChange() == .up)
        }
    }

    @Test func `a refusal from before the start holds`() async throws {
        try await withPool(refused: "431 password") { pool, witness in
            #expect(pool.status.host == .refused(reason: "431 password"))
            #expect(witness.stations.isEmpty)
            pool.operatorActed()
            #expect(await witness.nextChange() == .up)
        }
    }

    @Test func `a lease on a lost line learns of it`() async throws {
        try await withPool(.init(min: 1, max: 1)) { pool, witness in
            #expect(await witness.nextChange() == .up)
            let lease = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
            #expect(lease.error == nil)
            witness.stations.first?.lose(.lineLost("cut"))
            #expect(await witness.nextChange() == .down("the line was lost: cut"))
            #expect(lease.error == .lineLost("cut"))
            #expect(pool.status.leases == 0)
            lease.release()
        }
    }

    @Test func `reports of all sessions come with the session they came from`() async throws {
        try await withPool(.init(min: 2, max: 2)) { pool, witness in
            while pool.status.up < 2 { await Task.yield() }
            var reports = pool.reports.makeAsyncIterator()
            witness.stations.last?.say(.message("mount tape"))
            #expect(await reports.next() == .report(.message("mount tape"), from: SessionID(2)))
            witness.stations.first?.say(.message("thanks"))
            #expect(await reports.next() == .report(.message("thanks"), from: SessionID(1)))
        }
    }

    @Test func `reports that nobody takes become one gap`() async throws {
        try await withPool(.init(min: 1, max: 1), queue: 10) { pool, witness in
            #expect(await witness.nextChange() == .up)
            for number in 0..<25 { witness.stations.first?.say(.message("\(number)")) }
            witness.stations.first?.lose(.lineLost("cut"))
            #expect(await witness.nextChange() == .down("the line was lost: cut"))
            var reports = pool.reports.makeAsyncIterator()
            #expect(await reports.next() == .gap)
            var last: PooledReport?
            repeat {
                last = await reports.next()
            } while last != .report(.lineDown(.lineLost("cut")), from: SessionID(1))
        }
    }

    @Test func `one session gives the notices, and another when it is lost`() async throws {
        try await withPool(.init(min: 2, max: 2), station: { _ in FakeStation(abilities: [.notices]) }) {
            pool, witness in
            while pool.status.up < 2 { await Task.yield() }
            var reports = pool.reports.makeAsyncIterator()
            #expect(await reports.next() == .gap)
            #expect(witness.stations.map(\.watches) == [1, 0])
            witness.stations.first?.lose(.lineLost("cut"))
            #expect(await reports.next() == .report(.lineDown(.lineLost("cut")), from: SessionID(1)))
            #expect(await reports.next() == .gap)
            #expect(witness.stations[1].watches == 1)
        }
    }

    @Test func `stop waits for leases, then closes the sessions`() async throws {
        let clock = ManualClock()
        let station = FakeStation()
        let pool = StationPool(.init(min: 1, max: 1), seed: 1, clock: clock) { _ in station }
        async let running: Void = pool.run()
        let lease = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
        async let stopping: Void = pool.stop(grace: .seconds(10))
        while pool.status.host != .stopped { await Task.yield() }
        #expect(station.signOffs == 0)
        lease.release()
        await stopping
        await running
        #expect(station.signOffs == 1)
        await #expect(throws: StationError.closed) {
            try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
        }
    }

    @Test func `a lease that stays out is cut off after the grace`() async throws {
        let clock = ManualClock()
        let station = FakeStation()
        let pool = StationPool(.init(min: 1, max: 1), seed: 1, clock: clock) { _ in station }
        async let running: Void = pool.run()
        let lease = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
        async let stopping: Void = pool.stop(grace: .seconds(10))
        await clock.sleepersReach(1)
        clock.advance(by: .seconds(10))
        await stopping
        await running
        #expect(lease.error == .closed)
    }

    @Test func `a cancelled run closes its sessions and turns waiters away`() async throws {
        let station = FakeStation(window: 1)
        let pool = StationPool(.init(min: 1, max: 1), seed: 1, clock: ManualClock()) { _ in station }
        let running = Task { await pool.run() }
        let lease = try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .submission)
        let waiter = Task { try await pool.lease(owner: .local, priority: 0, submittedAt: time, purpose: .fetch) }
        while pool.status.waiting == 0 { await Task.yield() }
        running.cancel()
        await running.value
        await #expect(throws: StationError.closed) { try await waiter.value }
        #expect(station.signOffs > 0 && lease.error == .closed)
    }

    @Test func `a thousand leases over four sessions of two slots, never more than eight at once`() async throws {
        let busy = Box(Load())
        try await withPool(.init(min: 1, max: 4), station: { _ in FakeStation(window: 2) }) { pool, witness in
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        try? await pool.withLease(
                            owner: Owner("owner\(number % 7)") ?? .local, priority: number % 3, submittedAt: time,
                            purpose: .submission
                        ) { _ in
                            busy.withLock { busy in
                                busy.now += 1
                                busy.most = max(busy.most, busy.now)
                            }
                            await Task.yield()
                            busy.withLock { $0.now -= 1 }
                        }
                    }
                }
            }
            #expect(busy.withLock { $0.most } <= 8)
            #expect(pool.status.leases == 0 && witness.stations.count <= 4)
        }
    }
}
