import Jobs
import Stores
import Testing
import Webhooks

private func at(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }

private func delivery(
    _ id: Int64, owner: String = "local", endpoint: Int64 = 1, host: String? = nil, octets: Int = 700,
    concurrency: Int? = nil, rate: Int? = nil, together: Int = 1
) -> QueuedDelivery {
    QueuedDelivery(
        id: DeliveryID(id), owner: Owner(owner) ?? .local, endpoint: endpoint, host: host ?? "host\(endpoint)",
        octets: octets, concurrency: concurrency, rate: rate, mostTogether: together)
}

/// The queue behind a reference, so that an expectation may change it.
private final class Queue {
    private var queue: DeliveryQueue
    init(limits: DeliveryQueue.Limits = .init()) { queue = DeliveryQueue(limits: limits) }
    var waitingCount: Int { queue.waitingCount }
    var inFlightCount: Int { queue.inFlightCount }
    var isHungry: Bool { queue.isHungry }
    var openBreakers: Int { queue.openBreakers }
    var nextTime: Timestamp? { queue.nextTime }
    func add(_ delivery: QueuedDelivery, at time: Timestamp) -> Bool { queue.add(delivery, at: time) }
    func next(at time: Timestamp) -> QueuedDelivery? { queue.next(at: time) }
    func takeMore(with delivery: QueuedDelivery) -> [Int64] { queue.takeMore(with: delivery).map(\.id.value) }
    func beginFetch() { queue.beginFetch() }
    func room(for endpoint: Int64) -> Int { queue.room(for: endpoint) }
    func ended(_ delivery: QueuedDelivery, succeeded: Bool?, at time: Timestamp) -> [DeliveryID] {
        queue.ended(delivery, succeeded: succeeded, at: time)
    }
    func evict(_ endpoint: Int64, at time: Timestamp) -> [DeliveryID] { queue.evict(endpoint, at: time) }
    func drain() -> [QueuedDelivery] {
        var taken: [QueuedDelivery] = []
        while let next = queue.next(at: at(0)) { taken.append(next) }
        return taken
    }
}

@Suite struct DeliveryQueueTests {

    @Test func `four at a time for an endpoint, in the order they came`() {
        let queue = Queue()
        for id in 1...6 as ClosedRange<Int64> { #expect(queue.add(delivery(id), at: at(0))) }
        let first = queue.drain()
        #expect(first.map(\.id.value) == [1, 2, 3, 4])
        #expect(queue.ended(first[1], succeeded: true, at: at(1)).isEmpty)
        #expect(queue.drain().map(\.id.value) == [5])
    }

    @Test func `sixteen at a time for a host, whatever the endpoint, and each of them gets its turn`() {
        let queue = Queue()
        for id in 0..<60 as Range<Int64> { #expect(queue.add(delivery(id, endpoint: id % 6, host: "one"), at: at(0))) }
        var flying = queue.drain()
        #expect(flying.count == 16)
        var served = flying
        while !flying.isEmpty {
            _ = queue.ended(flying.removeFirst(), succeeded: true, at: at(1))
            let more = queue.drain()
            served += more
            flying += more
        }
        #expect(Set(served.map(\.id.value)) == Set(0..<60))
        #expect(Set(served.prefix(30).map(\.endpoint)) == Set(0..<6))
    }

    @Test func `the whole process has its limit`() {
        var limits = DeliveryQueue.Limits()
        limits.inFlight = 10
        let queue = Queue(limits: limits)
        for id in 0..<40 as Range<Int64> { #expect(queue.add(delivery(id, endpoint: id), at: at(0))) }
        let first = queue.drain()
        #expect(first.count == 10)
        _ = queue.ended(first[0], succeeded: true, at: at(0))
        #expect(queue.drain().count == 1)
    }

    @Test func `an owner with many endpoints takes no more turns than one with a single one`() {
        let queue = Queue()
        for id in 0..<600 as Range<Int64> {
            #expect(queue.add(delivery(id, owner: "big", endpoint: id % 20, octets: 7680), at: at(0)))
        }
        for id in 1000..<1010 as Range<Int64> {
            #expect(queue.add(delivery(id, owner: "small", endpoint: 99, octets: 7680), at: at(0)))
        }
        var order: [QueuedDelivery] = []
        while let next = queue.next(at: at(0)) {
            order.append(next)
            _ = queue.ended(next, succeeded: true, at: at(0))
        }
        #expect(order.count == 610)
        let ofSmall = order.prefix(21).filter { $0.owner.description == "small" }
        #expect(ofSmall.count == 10)
    }

    @Test func `small bodies go more often than large ones`() {
        let queue = Queue()
        for id in 0..<60 as Range<Int64> { #expect(queue.add(delivery(id, endpoint: 1, octets: 512), at: at(0))) }
        for id in 100..<160 as Range<Int64> { #expect(queue.add(delivery(id, endpoint: 2, octets: 20_000), at: at(0))) }
        var order: [Int64] = []
        for _ in 0..<45 {
            guard let next = queue.next(at: at(0)) else { break }
            order.append(next.endpoint)
            _ = queue.ended(next, succeeded: true, at: at(0))
        }
        #expect(order.filter { $0 == 1 }.count == 40)
    }

    @Test func `an open breaker keeps one delivery as its probe and gives the others back`() {
        var limits = DeliveryQueue.Limits()
        limits.waitingPerEndpoint = 64
        let queue = Queue(limits: limits)
        for id in 0..<64 as Range<Int64> { #expect(queue.add(delivery(id), at: at(0))) }
        #expect(!queue.add(delivery(64), at: at(0)), "no more than 64 wait in memory for one endpoint")
        var given: [DeliveryID] = []
        var tries = 0
        while let next = queue.next(at: at(1)) {
            tries += 1
            given += queue.ended(next, succeeded: false, at: at(1))
        }
        #expect(tries == 10)
        #expect(given.count == 53)
        #expect(queue.waitingCount == 1)
        #expect(queue.openBreakers == 1)
        #expect(queue.room(for: 1) == 0, "while it is open, nothing more is read for it")
        #expect(queue.nextTime == at(31))
        #expect(queue.next(at: at(30)) == nil)
        guard let probe = queue.next(at: at(31)) else {
            Issue.record("no probe")
            return
        }
        #expect(queue.add(delivery(100), at: at(31)))
        #expect(queue.next(at: at(31)) == nil, "one probe at a time")
        #expect(queue.ended(probe, succeeded: true, at: at(32)).isEmpty)
        #expect(queue.isHungry, "the others can be read again")
        queue.beginFetch()
        #expect(queue.room(for: 1) == 63)
        #expect(queue.next(at: at(32))?.id == DeliveryID(100))
    }

    @Test func `a full window asks for more when half of it has gone`() {
        var limits = DeliveryQueue.Limits()
        limits.waiting = 8
        let queue = Queue(limits: limits)
        for id in 0..<8 as Range<Int64> { #expect(queue.add(delivery(id, endpoint: id), at: at(0))) }
        #expect(!queue.add(delivery(9, endpoint: 9), at: at(0)))
        for _ in 0..<3 { _ = queue.next(at: at(0)) }
        #expect(!queue.isHungry)
        _ = queue.next(at: at(0))
        #expect(queue.isHungry)
    }

    @Test func `when half the window is taken, nobody gets a long line any more`() {
        var limits = DeliveryQueue.Limits()
        limits.waiting = 100
        limits.waitingPerEndpoint = 60
        limits.waitingPerEndpointWhenTight = 3
        let queue = Queue(limits: limits)
        func fill(_ endpoint: Int64) -> Int {
            (0..<80 as Range<Int64>).filter { queue.add(delivery(endpoint * 100 + $0, endpoint: endpoint), at: at(0)) }
                .count
        }
        #expect(fill(1) == 51)
        #expect(fill(2) == 3)
        #expect(fill(3) == 3)
        #expect(queue.room(for: 4) == 3)
    }

    @Test func `idle endpoints are forgotten, open breakers are not at first`() {
        var limits = DeliveryQueue.Limits()
        limits.idleEndpoints = 4
        let queue = Queue(limits: limits)
        for round in 0..<10 as Range<Int64> {
            _ = queue.add(delivery(round, endpoint: 77), at: at(0))
            if let next = queue.next(at: at(0)) { _ = queue.ended(next, succeeded: false, at: at(0)) }
        }
        #expect(queue.openBreakers == 1)
        for id in 100..<110 as Range<Int64> {
            _ = queue.add(delivery(id, endpoint: id), at: at(0))
            if let next = queue.next(at: at(0)) { _ = queue.ended(next, succeeded: true, at: at(0)) }
        }
        #expect(queue.openBreakers == 1)
    }

    @Test func `an endpoint has its own concurrency and rate, which it may change`() {
        let queue = Queue()
        for id in 1...6 as ClosedRange<Int64> { #expect(queue.add(delivery(id, concurrency: 2), at: at(0))) }
        #expect(queue.drain().count == 2)
        #expect(queue.add(delivery(7, concurrency: 5), at: at(0)))
        let flying = queue.drain()
        #expect(flying.count <= 3)
        let slow = Queue()
        for id in 1...3 as ClosedRange<Int64> { #expect(slow.add(delivery(id, rate: 60), at: at(0))) }
        #expect(slow.next(at: at(0))?.id.value == 1)
        #expect(slow.next(at: at(0)) == nil)
        #expect(slow.nextTime == at(1))
        #expect(slow.next(at: at(1))?.id.value == 2)
        #expect(slow.next(at: at(1)) == nil)
    }

    @Test func `a call takes as many of the line as each of them allows, and they count as one`() throws {
        let queue = Queue()
        for id in 1...4 as ClosedRange<Int64> { #expect(queue.add(delivery(id, together: 100), at: at(0))) }
        for id in 5...8 as ClosedRange<Int64> { #expect(queue.add(delivery(id, together: 6), at: at(0))) }
        #expect(queue.add(delivery(9), at: at(0)))
        #expect(queue.add(delivery(10, together: 100), at: at(0)))
        let first = try #require(queue.next(at: at(0)))
        #expect(queue.takeMore(with: first) == [2, 3, 4, 5, 6])
        #expect(queue.inFlightCount == 1 && queue.waitingCount == 4)
        let second = try #require(queue.next(at: at(0)))
        #expect(queue.takeMore(with: second) == [8], "9 goes alone")
        let third = try #require(queue.next(at: at(0)))
        #expect(third.id.value == 9 && queue.takeMore(with: third).isEmpty)
        #expect(queue.next(at: at(0))?.id.value == 10)
        for one in [first, second, third] { #expect(queue.ended(one, succeeded: true, at: at(1)).isEmpty) }
        #expect(queue.inFlightCount == 1 && queue.waitingCount == 0)
    }

    @Test func `a call takes no more octets than it may, and pays for them in later turns`() throws {
        let queue = Queue()
        for id in 1...40 as ClosedRange<Int64> {
            #expect(queue.add(delivery(id, octets: 8192, concurrency: 1, together: 100), at: at(0)))
        }
        for id in 101...150 as ClosedRange<Int64> {
            #expect(queue.add(delivery(id, endpoint: 2, octets: 7680, concurrency: 32), at: at(0)))
        }
        let first = try #require(queue.next(at: at(0)))
        #expect(queue.takeMore(with: first).count == BatchRule.mostOctets / 8192 - 1)
        _ = queue.ended(first, succeeded: true, at: at(0))
        // The other endpoint goes 31 times before this one has its next turn.
        var others = 0
        while let next = queue.next(at: at(0)), next.endpoint == 2 {
            others += 1
            _ = queue.ended(next, succeeded: true, at: at(0))
        }
        #expect((31...33).contains(others), "\(others)")
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `in a random run nothing is lost, doubled, starved or beyond its limit`(_ seed: UInt64) {
        var random = SplitMix(seed: seed)
        var limits = DeliveryQueue.Limits()
        limits.inFlight = 40
        limits.inFlightPerHost = 6
        limits.waitingPerEndpoint = 12
        limits.waiting = 100
        limits.idleEndpoints = 10
        let queue = Queue(limits: limits)
        var now: Int64 = 0
        var nextID: Int64 = 0
        var waiting: Set<DeliveryID> = []
        var flying: [QueuedDelivery] = []
        var ended = 0
        var sent: [Int64: [Int64]] = [:]
        func check() {
            #expect(queue.waitingCount == waiting.count)
            #expect(queue.inFlightCount == flying.count)
        }
        func take() {
            guard let next = queue.next(at: at(now)) else { return }
            #expect(waiting.remove(next.id) != nil)
            flying.append(next)
            #expect(flying.count <= 40)
            #expect(flying.filter { $0.endpoint == next.endpoint }.count <= (next.concurrency ?? 4))
            if next.rate != nil { sent[next.endpoint, default: []].append(now) }
            #expect(flying.filter { $0.host == next.host }.count <= 6)
        }
        func end(_ index: Int) {
            let done = flying.remove(at: index)
            // Endpoints 0-4 always fail, 5-9 fail at times.
            let succeeded: Bool? =
                switch done.endpoint {
                case 0..<5: false
                case 5..<10: [true, false, nil][Int.random(in: 0..<3, using: &random)]
                default: true
                }
            for id in queue.ended(done, succeeded: succeeded, at: at(now)) {
                #expect(waiting.remove(id) != nil)
            }
            ended += 1
        }
        for _ in 0..<5000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let endpoint = Int64.random(in: 0..<30, using: &random)
                nextID += 1
                let new = delivery(
                    nextID, owner: "owner\(endpoint % 4)", endpoint: endpoint, host: "host\(endpoint % 7)",
                    octets: Int.random(in: 0..<30_000, using: &random), concurrency: endpoint >= 26 ? 1 : nil,
                    rate: (20..<23).contains(endpoint) ? 12 : nil)
                if queue.add(new, at: at(now)) { waiting.insert(new.id) }
            case 4..<7: take()
            case 7..<9:
                if !flying.isEmpty { end(Int.random(in: 0..<flying.count, using: &random)) }
            default:
                now += Int64.random(in: 0..<20, using: &random)
                if Int.random(in: 0..<8, using: &random) == 0 {
                    for id in queue.evict(Int64.random(in: 0..<30, using: &random), at: at(now)) {
                        #expect(waiting.remove(id) != nil)
                    }
                }
            }
            check()
        }
        // Whatever waits is served once its breaker lets it.
        var rounds = 0
        while !waiting.isEmpty || !flying.isEmpty, rounds < 10_000 {
            rounds += 1
            take()
            if !flying.isEmpty { end(0) } else { now += 100 }
            check()
        }
        #expect(waiting.isEmpty && flying.isEmpty)
        #expect(ended > 500)
        for times in sent.values {
            for (index, time) in times.enumerated() where index + 12 < times.count {
                #expect(times[index + 12] - time >= 60, "twelve a minute")
            }
        }
    }
}
