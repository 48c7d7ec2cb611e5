import Jobs
import Lines
import Protocols
import Stations
import Synchronization
import TestKit
import Testing

private struct Full: Error {}

@Suite(.timeLimit(.minutes(1))) struct FetchTests {
    static let print = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private func signedOn(
        _ system: FakeSystem, part: Int = 1 << 20
    ) async throws -> (PrivRJEStation, JobNumber) {
        let station = station(settings { $0.longestPart = part }) { await serve($0, system) }
        try await station.signOn()
        let receipt = try await station.submit(deck(), closing: nil)
        return (station, try #require(receipt.job))
    }

    @Test(arguments: [true, false], [0, 1, 500, 999, 1000])
    func `a file is taken from any offset, with or without RANGE`(hasRange: Bool, offset: Int) async throws {
        let system = FakeSystem(features: hasRange ? [.range] : [], output: [Self.print])
        let (station, job) = try await signedOn(system, part: 64)
        let basket = Basket()
        let total = try await station.fetch(hostFile(), of: job, from: offset, limit: nil) { basket.put($0) }
        #expect(total == 1000 && basket.contents == Array(Self.print[offset...]))
        await station.signOff()
    }

    @Test(arguments: [true, false], [1, 64, 65, 400, 5000])
    func `a part is taken, with or without RANGE`(hasRange: Bool, limit: Int) async throws {
        let system = FakeSystem(features: hasRange ? [.range] : [], output: [Self.print])
        let (station, job) = try await signedOn(system, part: 64)
        let basket = Basket()
        let total = try await station.fetch(hostFile(), of: job, from: 300, limit: limit) { basket.put($0) }
        #expect(total == 1000 && basket.contents == Array(Self.print[300...].prefix(limit)))
        await station.signOff()
    }

    @Test func `an empty file is a file`() async throws {
        let (station, job) = try await signedOn(FakeSystem(output: [[]]))
        let total = try await station.fetch(hostFile(), of: job, from: 0, limit: nil) { _ in
            Issue.record("a piece of nothing")
        }
        #expect(total == 0)
        await station.signOff()
    }

    @Test func `parts let other commands in between`() async throws {
        let system = FakeSystem(output: [Self.print])
        let (station, job) = try await signedOn(system, part: 100)
        let started = Gate()
        let asked = Gate()
        async let fetched = station.fetch(hostFile(), of: job, from: 0, limit: nil) { _ in
            started.open()
            await asked.wait()
        }
        await started.wait()
        #expect(try await station.status(of: job) != nil)
        asked.open()
        #expect(try await fetched == 1000)
        let order = system.state.withLock { $0.requests.suffix(11) }
        #expect(order.contains(.status(.job(job.description))) && order.last != .status(.job(job.description)))
        await station.signOff()
    }

    @Test func `output that cannot be stored ends the fetch, not the session`() async throws {
        let (station, job) = try await signedOn(FakeSystem(features: [], output: [Self.print]))
        await #expect(throws: StationError.local("the output could not be stored: Full()")) {
            try await station.fetch(hostFile(), of: job, from: 0, limit: nil) { _ in throw Full() }
        }
        try await station.ping()
        await station.signOff()
    }

    @Test func `a file that is not there, or not yet`() async throws {
        let (station, job) = try await signedOn(FakeSystem(output: [Self.print]))
        await #expect(throws: StationError.refused("464 no such job")) {
            try await station.fetch(hostFile(9), of: job, from: 0, limit: nil) { _ in }
        }
        await #expect(throws: StationError.refused("501 OFFSET")) {
            try await station.fetch(hostFile(), of: job, from: 1001, limit: nil) { _ in }
        }
        await station.signOff()
    }

    @Test func `a line lost inside a file leaves what came, and the rest is taken from there`() async throws {
        let system = FakeSystem(output: [Self.print])
        let (first, job) = try await signedOn(system)
        await first.signOff()
        let basket = Basket()
        for cut in [300, 700, 1100, 1500, 100_000] where basket.contents.count < 1000 {
            let station = PrivRJEStation(settings(), on: TestLoops.one, clock: ManualClock()) {
                () async throws(LineError) -> any Line in
                let pair = LinePair()
                Task { await serve(pair.far, system) }
                return HarmedLine(pair.near, .toStation, after: cut, .cut)
            }
            do {
                try await station.signOn()
                let offset = basket.contents.count
                let total = try await station.fetch(hostFile(), of: job, from: offset, limit: nil) { basket.put($0) }
                #expect(total == 1000)
            } catch {
                guard case .lineLost = error else {
                    Issue.record("\(error)")
                    return
                }
            }
            await station.signOff()
        }
        #expect(basket.contents == Self.print)
    }

    @Test func `a taker that does not take holds the host up, and memory stays flat`() async throws {
        let size = 8 << 20
        let system = FakeSystem(features: [], output: [Array(repeating: 0x41, count: size)])
        let box = Box<HarmedLine?>(nil)
        let station = PrivRJEStation(settings(), on: TestLoops.one, clock: ManualClock()) {
            () async throws(LineError) -> any Line in
            let pair = LinePair()
            Task { await serveInPieces(pair.far, system) }
            let line = HarmedLine(pair.near, .toStation, after: .max, .cut)
            box.withLock { $0 = line }
            return line
        }
        try await station.signOn()
        let job = try #require(try await station.submit(deck(), closing: nil).job)
        let started = Gate()
        let goOn = Gate()
        let taken = Box(0)
        async let total = station.fetch(hostFile(), of: job, from: 0, limit: nil) { piece in
            started.open()
            await goOn.wait()
            taken.withLock { $0 += piece.count }
        }
        await started.wait()
        var before = -1
        while let now = box.withLock({ $0?.carried.received }), now != before {
            before = now
            for _ in 0..<1000 { await Task.yield() }
        }
        #expect(before < 2 << 20)
        goOn.open()
        #expect(try await total == size)
        #expect(taken.withLock { $0 } == size)
        await station.signOff()
    }
}

/// As `serve`, writing no more than 64 KiB at once, as a host does that reads its spool.
func serveInPieces(_ line: any Line, _ system: FakeSystem) async {
    struct Slow: Line {
        let inner: any Line
        var peer: SocketAddress? { nil }
        func read(within limit: Duration?) async throws(LineError) -> [UInt8]? { try await inner.read(within: limit) }
        func write(_ octets: [UInt8], within limit: Duration?) async throws(LineError) {
            var at = 0
            while at < octets.count {
                let end = min(at + 65_536, octets.count)
                try await inner.write(Array(octets[at..<end]), within: limit)
                at = end
            }
        }
        func finishSending() async { await inner.finishSending() }
        func close() { inner.close() }
    }
    await serve(Slow(inner: line), system)
}
