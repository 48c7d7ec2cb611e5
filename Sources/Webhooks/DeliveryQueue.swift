package import Jobs
package import Stores

/// A delivery as the queue knows it.
package struct QueuedDelivery: Equatable, Sendable {
    package let id: DeliveryID
    package let owner: Owner
    /// What shares limits and breaker.
    package let endpoint: Int64
    /// Of the URL; several endpoints may share it.
    package let host: String
    package let octets: Int
    /// Of its endpoint, instead of those of the queue.
    package let concurrency: Int?
    /// Calls a minute.
    package let rate: Int?
    /// How many, itself included, one call may carry with it (`BatchRule`).
    package let mostTogether: Int

    package init(
        id: DeliveryID, owner: Owner, endpoint: Int64, host: String, octets: Int, concurrency: Int? = nil,
        rate: Int? = nil, mostTogether: Int = 1
    ) {
        self.mostTogether = mostTogether
        self.concurrency = concurrency
        self.rate = rate
        self.id = id
        self.owner = owner
        self.endpoint = endpoint
        self.host = host
        self.octets = octets
    }
}

/// Which delivery goes out next: deficit round robin over owners, and over the endpoints of each, so that one endpoint
/// (dead, slow, or with 100,000 deliveries due) delays no other. Holds the window in memory; the rest stays in the store.
package struct DeliveryQueue: Sendable {
    package struct Limits: Equatable, Sendable {
        package var inFlightPerEndpoint = 4
        package var inFlightPerHost = 16
        package var inFlight = 512
        /// Deliveries waiting in memory.
        package var waitingPerEndpoint = 512
        package var waiting = 16_384
        /// For an endpoint while more than half of `waiting` is taken: slow endpoints must not fill the window.
        package var waitingPerEndpointWhenTight = 16
        /// Endpoints remembered while nothing waits for them.
        package var idleEndpoints = 4096

        package init() {}
    }

    /// Octets an owner or endpoint may send in its turn. A delivery costs its body and 512 for the rest, at most a quantum.
    package static let quantum = 8192

    private enum Standing { case idle, ready, busy, waitingForHost, waitingForTime }

    private struct Endpoint {
        let owner: Owner
        var waiting = Fifo<QueuedDelivery>()
        var inFlight = 0
        var breaker = Breaker()
        var concurrency: Int
        var bucket: TokenBucket?
        var standing = Standing.idle
        var deficit = 0
        var hasTurn = false
        /// The store may hold due deliveries of it that are not here.
        var hasMore = false

        func admission(at now: Timestamp) -> Breaker.Admission {
            let admission = breaker.admission(at: now)
            guard admission == .yes, let bucket, let time = bucket.wait(at: now) else { return admission }
            return .notBefore(time)
        }
    }

    private struct Lane {
        var endpoints = Fifo<Int64>()
        var deficit = 0
        var hasTurn = false
    }

    private struct Host {
        var inFlight = 0
        var waiting = Fifo<Int64>()
    }

    package var limits: Limits
    package private(set) var waitingCount = 0
    package private(set) var inFlightCount = 0
    /// A fetch from the store may find something that there was no room for before.
    package private(set) var isHungry = false
    private var hasMore = false
    private var endpoints: [Int64: Endpoint] = [:]
    private var lanes: [Owner: Lane] = [:]
    private var turns = Fifo<Owner>()
    private var hosts: [String: Host] = [:]
    /// When a breaker or a rate lets the next one of an endpoint go.
    private var times: [Int64: Timestamp] = [:]
    /// The earliest of `times`.
    package private(set) var nextTime: Timestamp?

    package init(limits: Limits = Limits()) { self.limits = limits }

    package var openBreakers: Int { endpoints.values.count { $0.breaker.standing != .closed } }

    /// - Returns: false when there is no room: the delivery stays in the store for a later fetch.
    package mutating func add(_ delivery: QueuedDelivery, at now: Timestamp) -> Bool {
        guard waitingCount < limits.waiting else {
            hasMore = true
            return false
        }
        if endpoints[delivery.endpoint] == nil { forgetIdleEndpoints() }
        var endpoint = endpoints[delivery.endpoint] ?? Endpoint(owner: delivery.owner, concurrency: 1)
        // Its owner may have changed them meanwhile.
        endpoint.concurrency = delivery.concurrency ?? limits.inFlightPerEndpoint
        if endpoint.bucket?.rate != delivery.rate { endpoint.bucket = delivery.rate.map { TokenBucket(rate: $0) } }
        let fits = endpoint.waiting.count < capacity(of: endpoint)
        if fits {
            endpoint.waiting.append(delivery)
            waitingCount += 1
        } else {
            endpoint.hasMore = true
        }
        endpoints[delivery.endpoint] = endpoint
        if fits, endpoint.standing == .idle { settle(delivery.endpoint, at: now) }
        return fits
    }

    /// Takes the next delivery that may go out now; it counts as in flight until `ended`.
    package mutating func next(at now: Timestamp) -> QueuedDelivery? {
        releaseInTime(at: now)
        guard inFlightCount < limits.inFlight else { return nil }
        while let owner = turns.first {
            guard var lane = lanes[owner], let id = lane.endpoints.first else {
                lanes[owner] = nil
                _ = turns.popFirst()
                continue
            }
            guard var endpoint = endpoints[id], let delivery = endpoint.waiting.first,
                endpoint.inFlight < endpoint.concurrency, endpoint.admission(at: now) == .yes,
                hosts[delivery.host]?.inFlight ?? 0 < limits.inFlightPerHost
            else {
                // No longer ready: its host's last slot went to another, or its breaker opened.
                _ = lane.endpoints.popFirst()
                lanes[owner] = lane
                endpoints[id]?.hasTurn = false
                settle(id, at: now)
                // If it was called from its host's queue and cannot use the slot, the next one there can.
                if let host = endpoints[id]?.waiting.first?.host { wakeWaiter(ofHost: host, at: now) }
                continue
            }
            if !lane.hasTurn {
                lane.hasTurn = true
                lane.deficit += Self.quantum
            }
            if !endpoint.hasTurn {
                endpoint.hasTurn = true
                endpoint.deficit += Self.quantum
            }
            let cost = min(512 + delivery.octets, Self.quantum)
            if endpoint.deficit < cost {
                endpoint.hasTurn = false
                endpoints[id] = endpoint
                lane.endpoints.rotate()
                lanes[owner] = lane
                continue
            }
            if lane.deficit < cost {
                lane.hasTurn = false
                lanes[owner] = lane
                turns.rotate()
                continue
            }
            lane.deficit -= cost
            endpoint.deficit -= cost
            _ = endpoint.waiting.popFirst()
            endpoint.inFlight += 1
            endpoint.breaker.tryBegan()
            endpoint.bucket?.take(at: now)
            waitingCount -= 1
            inFlightCount += 1
            hosts[delivery.host, default: Host()].inFlight += 1
            noticeHunger(&endpoint)
            let staysReady = standing(of: endpoint, at: now) == .ready
            if !staysReady {
                _ = lane.endpoints.popFirst()
                endpoint.hasTurn = false
            }
            endpoints[id] = endpoint
            lanes[owner] = lane
            if !staysReady { settle(id, at: now) }
            return delivery
        }
        return nil
    }

    /// Takes more of the same line into the call that `delivery` has begun, as many as each of them allows. They end with it.
    package mutating func takeMore(with delivery: QueuedDelivery) -> [QueuedDelivery] {
        guard delivery.mostTogether > 1, var endpoint = endpoints[delivery.endpoint],
            endpoint.breaker.standing == .closed
        else { return [] }
        var taken: [QueuedDelivery] = []
        var most = delivery.mostTogether
        var octets = delivery.octets
        while let next = endpoint.waiting.first {
            most = min(most, next.mostTogether)
            octets += next.octets
            guard taken.count + 2 <= most, octets <= BatchRule.mostOctets else { break }
            _ = endpoint.waiting.popFirst()
            taken.append(next)
            // Paid back in later turns.
            let cost = min(512 + next.octets, Self.quantum)
            endpoint.deficit -= cost
            lanes[endpoint.owner]?.deficit -= cost
        }
        waitingCount -= taken.count
        noticeHunger(&endpoint)
        endpoints[delivery.endpoint] = endpoint
        return taken
    }

    /// - Parameter succeeded: nil when the try tells nothing of the receiver.
    /// - Returns: deliveries that leave the window because the breaker opened; they stay due in the store.
    package mutating func ended(_ delivery: QueuedDelivery, succeeded: Bool?, at now: Timestamp) -> [DeliveryID] {
        inFlightCount -= 1
        releaseHost(delivery.host, at: now)
        guard var endpoint = endpoints[delivery.endpoint] else { return [] }
        endpoint.inFlight -= 1
        endpoint.breaker.tryEnded(succeeded: succeeded, at: now)
        let evicted = endpoint.breaker.standing == .closed ? [] : endpoint.waiting.truncate(to: 1)
        if !evicted.isEmpty { endpoint.hasMore = true }
        waitingCount -= evicted.count
        noticeHunger(&endpoint)
        endpoints[delivery.endpoint] = endpoint
        // A ready one stays where it is in its ring; `next` looks at it again.
        if endpoint.standing == .busy || endpoint.standing == .idle || endpoint.standing == .waitingForTime {
            settle(delivery.endpoint, at: now)
        }
        return evicted.map(\.id)
    }

    /// Lets all that waits for an endpoint go: it has changed, or takes nothing any more.
    package mutating func evict(_ id: Int64, at now: Timestamp) -> [DeliveryID] {
        let first = endpoints[id]?.waiting.first
        guard let first, let evicted = endpoints[id]?.waiting.truncate(to: 0) else { return [] }
        waitingCount -= evicted.count
        isHungry = true
        // In a ring it is looked at again, and passed over; the slot it would have got is another's.
        switch endpoints[id]?.standing {
        case .waitingForTime: settle(id, at: now)
        case .ready: wakeWaiter(ofHost: first.host, at: now)
        case .idle, .busy, .waitingForHost, nil: break
        }
        return evicted.map(\.id)
    }

    /// A fetch begins now.
    package mutating func beginFetch() {
        isHungry = false
        hasMore = false
    }

    /// How many more deliveries of an endpoint can wait here.
    package func room(for id: Int64) -> Int {
        guard let endpoint = endpoints[id] else { return ordinaryCapacity }
        return max(0, capacity(of: endpoint) - endpoint.waiting.count)
    }

    /// The store holds more for this endpoint: the queue becomes hungry when its line here is short.
    package mutating func noteMore(for id: Int64) { endpoints[id]?.hasMore = true }

    /// Nothing of it waits here and nothing is under way.
    package func isQuiet(_ id: Int64) -> Bool {
        guard let endpoint = endpoints[id] else { return true }
        return endpoint.waiting.isEmpty && endpoint.inFlight == 0
    }

    /// The fetch returned as many as it was allowed to.
    package mutating func fetchWasCut() { if waitingCount < limits.waiting { isHungry = true } else { hasMore = true } }

    /// One delivery waits as the probe of an endpoint whose breaker is not closed.
    private func capacity(of endpoint: Endpoint) -> Int {
        endpoint.breaker.standing == .closed ? ordinaryCapacity : 1
    }

    private var ordinaryCapacity: Int {
        waitingCount <= limits.waiting / 2
            ? limits.waitingPerEndpoint : min(limits.waitingPerEndpointWhenTight, limits.waitingPerEndpoint)
    }

    private mutating func noticeHunger(_ endpoint: inout Endpoint) {
        if endpoint.hasMore, endpoint.waiting.count <= capacity(of: endpoint) / 2 {
            endpoint.hasMore = false
            isHungry = true
        }
        if hasMore, waitingCount <= limits.waiting / 2 {
            hasMore = false
            isHungry = true
        }
    }

    private func standing(of endpoint: Endpoint, at now: Timestamp) -> Standing {
        guard let first = endpoint.waiting.first else { return .idle }
        guard endpoint.inFlight < endpoint.concurrency else { return .busy }
        switch endpoint.admission(at: now) {
        case .yes: break
        case .wait: return .busy
        case .notBefore: return .waitingForTime
        }
        return hosts[first.host]?.inFlight ?? 0 < limits.inFlightPerHost ? .ready : .waitingForHost
    }

    /// Puts an endpoint that is in no ring where it belongs now.
    private mutating func settle(_ id: Int64, at now: Timestamp) {
        guard var endpoint = endpoints[id] else { return }
        times[id] = nil
        endpoint.standing = standing(of: endpoint, at: now)
        if endpoint.standing == .idle { endpoint.deficit = 0 }
        endpoints[id] = endpoint
        switch endpoint.standing {
        case .idle, .busy: break
        case .ready:
            if lanes[endpoint.owner] == nil {
                lanes[endpoint.owner] = Lane()
                turns.append(endpoint.owner)
            }
            lanes[endpoint.owner]?.endpoints.append(id)
        case .waitingForHost:
            if let host = endpoint.waiting.first?.host { hosts[host, default: Host()].waiting.append(id) }
        case .waitingForTime:
            guard case .notBefore(let time) = endpoint.admission(at: now) else { return }
            times[id] = time
            nextTime = min(nextTime ?? time, time)
        }
    }

    private mutating func releaseInTime(at now: Timestamp) {
        guard let due = nextTime, due <= now else { return }
        for (id, time) in times where time <= now {
            times[id] = nil
            settle(id, at: now)
        }
        nextTime = times.values.min()
    }

    private mutating func releaseHost(_ name: String, at now: Timestamp) {
        hosts[name]?.inFlight -= 1
        wakeWaiter(ofHost: name, at: now)
    }

    /// Lets endpoints go that wait for a slot of this host, until one of them can use it.
    private mutating func wakeWaiter(ofHost name: String, at now: Timestamp) {
        while let host = hosts[name], host.inFlight < limits.inFlightPerHost,
            let waiter = hosts[name]?.waiting.popFirst()
        {
            settle(waiter, at: now)
            if endpoints[waiter]?.standing == .ready { return }
        }
        if let host = hosts[name], host.inFlight == 0, host.waiting.isEmpty { hosts[name] = nil }
    }

    private mutating func forgetIdleEndpoints() {
        guard endpoints.count >= limits.idleEndpoints else { return }
        let isIdle: (Endpoint) -> Bool = { $0.waiting.isEmpty && $0.inFlight == 0 }
        endpoints = endpoints.filter { !isIdle($0.value) || !$0.value.breaker.isFresh || $0.value.bucket != nil }
        guard endpoints.count >= limits.idleEndpoints else { return }
        endpoints = endpoints.filter { !isIdle($0.value) }
    }
}
