import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Stores
import Synchronization
import Testing
import Wire

/// A wall clock that the test moves.
private final class MovedClock: Sendable {
    private let moment = Mutex(Timestamp(microseconds: 1_800_000_000_000_000))
    var clock: WallClock { WallClock { self.moment.withLock { $0 } } }
    var now: Timestamp { moment.withLock { $0 } }
    func move(by duration: Duration) { moment.withLock { $0 = $0.advanced(by: duration) } }
}

private func owner(_ name: String) throws -> Owner { try #require(Owner(name)) }

@Suite struct RateBucketTests {
    private let clock = MovedClock()

    @Test func `a full bucket gives its quota and no more`() {
        var bucket = RateBucket(quota: 3, window: .seconds(60), at: clock.now)
        let taken = (0..<4).map { _ in bucket.take(at: clock.now) }
        #expect(taken == [true, true, true, false])
        #expect(bucket.remaining(at: clock.now) == 0)
        #expect(bucket.secondsToMore(at: clock.now) == 20)
    }

    @Test func `it fills evenly, and one more is there when it says so`() {
        var bucket = RateBucket(quota: 3, window: .seconds(60), at: clock.now)
        for _ in 0..<3 { _ = bucket.take(at: clock.now) }
        clock.move(by: .milliseconds(19_999))
        #expect(bucket.secondsToMore(at: clock.now) == 1)
        let early = bucket.take(at: clock.now)
        clock.move(by: .milliseconds(1))
        let inTime = bucket.take(at: clock.now)
        let oneMore = bucket.take(at: clock.now)
        #expect([early, inTime, oneMore] == [false, true, false])
    }

    @Test(arguments: [1, 7, 60, 600, 2000, 1_000_000_000])
    func `after the seconds it tells there is one more`(_ quota: Int) {
        var bucket = RateBucket(quota: quota, window: .seconds(60), at: clock.now)
        for _ in 0..<min(quota, 3000) { _ = bucket.take(at: clock.now) }
        clock.move(by: .milliseconds(137))
        let before = bucket.remaining(at: clock.now)
        clock.move(by: .seconds(bucket.secondsToMore(at: clock.now)))
        #expect(bucket.remaining(at: clock.now) > before || before == quota)
    }

    @Test func `it never holds more than its quota`() {
        let bucket = RateBucket(quota: 3, window: .seconds(60), at: clock.now)
        clock.move(by: .seconds(1_000_000))
        #expect(bucket.remaining(at: clock.now) == 3)
        #expect(bucket.isFull(at: clock.now))
        #expect(bucket.secondsToMore(at: clock.now) == 0)
    }

    @Test func `a clock that is set back neither fills nor empties it`() {
        var bucket = RateBucket(quota: 3, window: .seconds(60), at: clock.now)
        _ = bucket.take(at: clock.now)
        clock.move(by: .seconds(-3600))
        #expect(bucket.remaining(at: clock.now) == 2)
        _ = bucket.take(at: clock.now)
        #expect(bucket.remaining(at: clock.now) == 1)
        clock.move(by: .seconds(20))
        #expect(bucket.remaining(at: clock.now) == 2)
    }
}

@Suite struct OwnerLimiterTests {
    private let clock = MovedClock()

    @Test func `each owner has his own share, and who runs the gateway has his`() throws {
        let limiter = OwnerLimiter(OwnerRates(submitsPerMinute: 1), clock: clock.clock)
        let (one, two) = (try owner("one"), try owner("two"))
        #expect(limiter.take(.submits, of: one)?.isGranted == true)
        #expect(limiter.take(.submits, of: one)?.isGranted == false)
        #expect(limiter.take(.submits, of: two)?.isGranted == true)
        #expect(limiter.take(.submits, of: .local) == nil)
        #expect(limiter.take(.requests, of: one) == nil)
    }

    @Test func `as many at once as he may, and again when one has ended`() throws {
        let limiter = OwnerLimiter(OwnerRates(eventStreams: 2), clock: clock.clock)
        let one = try owner("one")
        let first = limiter.enter(.streams, of: one)
        var second = limiter.enter(.streams, of: one)
        #expect(first != nil && second != nil)
        #expect(limiter.enter(.streams, of: one) == nil)
        #expect(limiter.count(.streams, of: one) == 2)
        first?.end()
        first?.end()
        #expect(limiter.count(.streams, of: one) == 1)
        second = nil
        #expect(limiter.count(.streams, of: one) == 0)
        #expect(limiter.enter(.waits, of: one) != nil)
        _ = second
    }

    @Test func `several are had together or not at all, and what was not used is given back`() throws {
        let limiter = OwnerLimiter(OwnerRates(submitsPerMinute: 60), clock: clock.clock)
        let one = try owner("one")
        #expect(limiter.take(.submits, 50, of: one)?.remaining == 10)
        let refused = try #require(limiter.take(.submits, 15, of: one))
        #expect(!refused.isGranted && refused.remaining == 10 && refused.secondsToMore == 5)
        limiter.give(.submits, 20, of: one)
        #expect(limiter.take(.submits, 30, of: one)?.remaining == 0)
        limiter.give(.submits, 1000, of: one)
        #expect(limiter.take(.submits, 1, of: one)?.remaining == 59)
    }

    @Test func `of more than there ever is a full measure gives what it has`() throws {
        let limiter = OwnerLimiter(OwnerRates(deckOctetsPerDay: 86_400), clock: clock.clock)
        let one = try owner("one")
        #expect(limiter.take(.deckOctets, 1_000_000, of: one)?.isGranted == true)
        let refused = try #require(limiter.take(.deckOctets, 1_000_000, of: one))
        #expect(!refused.isGranted && refused.secondsToMore == 86_400)
        clock.move(by: .seconds(100))
        #expect(limiter.take(.deckOctets, 101, of: one)?.secondsToMore == 1)
        #expect(limiter.take(.deckOctets, 100, of: one)?.isGranted == true)
    }

    @Test func `limits change while streams run`() throws {
        let limiter = OwnerLimiter(OwnerRates(submitsPerMinute: 1, eventStreams: 1), clock: clock.clock)
        let one = try owner("one")
        let stream = limiter.enter(.streams, of: one)
        _ = limiter.take(.submits, of: one)
        limiter.change(to: OwnerRates(submitsPerMinute: 5, eventStreams: 2), ofLocal: .none)
        #expect(limiter.take(.submits, of: one)?.remaining == 4)
        #expect(limiter.count(.streams, of: one) == 1)
        #expect(limiter.enter(.streams, of: one) != nil)
        stream?.end()
    }

    @Test func `owners without end take no memory without end`() throws {
        let limiter = OwnerLimiter(OwnerRates(requestsPerSecond: 10), clock: clock.clock, mostOwners: 100)
        let held = limiter.enter(.streams, of: try owner("held"))
        for number in 0..<1000 { _ = limiter.take(.requests, of: try owner("o\(number)")) }
        #expect(limiter.owners <= 100)
        #expect(limiter.count(.streams, of: try owner("held")) == 1)
        clock.move(by: .seconds(2))
        _ = limiter.take(.requests, of: try owner("new"))
        #expect(limiter.owners == 2)
        held?.end()
    }
}

@Suite struct LimitTests {
    private func rig(_ rates: OwnerRates, limits: BacklogLimits = BacklogLimits()) throws -> Rig {
        try Rig(ownerLimits: limits, deskAt: MovedClock().clock) { settings in
            settings.ownerRates = rates
            settings.identify = { Caller(owner: $0["x-owner"].flatMap { Owner($0) } ?? .local, scopes: .all) }
        }
    }

    @Test func `every answer says what is left, and the one beyond it when to come again`() async throws {
        let rig = try rig(OwnerRates(submitsPerMinute: 2))
        let submit = { try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "one")) }
        let first = try await submit()
        #expect(first.status == 201)
        #expect(first["ratelimit-policy"] == "\"submits\";q=2;w=60")
        #expect(first["ratelimit"]?.hasPrefix("\"submits\";r=1;t=") == true)
        _ = try await submit()
        let third = try await submit()
        #expect(third.status == 429)
        #expect(third.problem == "rate-limited")
        #expect(third.json["violated-policies"]?.elements == [.string("submits")])
        #expect(third["ratelimit"]?.hasPrefix("\"submits\";r=0;t=") == true)
        let told = try #require(third["ratelimit"]?.split(separator: "t=").last.flatMap { Int($0) })
        let after = try #require(third["retry-after"].flatMap { Int($0) })
        #expect((told...told + 4).contains(after))
        #expect(try await rig.store.jobs(JobQuery.all).count == 2)
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "two")).status == 201)
        let local = try await rig.post("/v1/jobs", Decks.hello)
        #expect(local.status == 201)
        #expect(local["ratelimit"] == nil)
    }

    @Test func `a batch counts as its jobs`() async throws {
        let rig = try rig(OwnerRates(submitsPerMinute: 4))
        let decks = { String(repeating: Decks.hello, count: $0) }
        let split = "/v1/jobs?split=true"
        #expect(try await rig.post(split, decks(3), ("X-Owner", "one")).status == 201)
        let second = try await rig.post(split, decks(2), ("X-Owner", "one"))
        #expect(second.status == 429, "\(second.text)")
        #expect(second.json["violated-policies"]?.elements == [.string("submits")])
        #expect(second["ratelimit"]?.contains(",") == false)
        #expect(try await rig.store.jobs(JobQuery.all).count == 3)
        // More than there ever is room for is taken by an owner who has sent nothing for a minute.
        #expect(try await rig.post(split, decks(3), ("X-Owner", "two")).status == 201)
    }

    @Test func `the octets of decks are counted by the day, once for each job that was made`() async throws {
        let octets = Decks.hello.utf8.count
        let rig = try rig(OwnerRates(deckOctetsPerDay: octets * 2 + octets / 2))
        let submit = { (key: String) in
            try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "one"), ("Idempotency-Key", key))
        }
        let first = try await submit("a")
        #expect(first.status == 201)
        #expect(
            first["ratelimit-policy"]?.hasPrefix("\"deck-octets\";q=\(octets * 2 + octets / 2);w=86400;qu=") == true)
        for _ in 0..<5 { #expect(try await submit("a")["idempotency-replayed"] == "true") }
        #expect(try await submit("b").status == 201)
        let third = try await submit("c")
        #expect(third.status == 429)
        #expect(third.problem == "quota-exceeded")
        #expect(third.json["violated-policies"]?.elements == [.string("deck-octets")])
        #expect(try await rig.store.jobs(JobQuery.all).count == 2)
    }

    @Test func `jobs that have not ended are limited on each host`() async throws {
        let rig = try rig(.none, limits: BacklogLimits(active: 1))
        #expect(try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "one")).status == 201)
        let second = try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "one"))
        #expect(second.status == 429)
        #expect(second.problem == "quota-exceeded")
        #expect(second.json["violated-policies"]?.elements == [.string("active-jobs")])
        #expect(second["retry-after"] != nil)
    }

    @Test func `requests are counted on every route, refused ones as well`() async throws {
        let rig = try rig(OwnerRates(requestsPerSecond: 3))
        var statuses: [Int] = []
        for _ in 0..<8 {
            statuses.append(
                try await rig.call("GET", "/v1/jobs/01JDB000000000000000000000", [("X-Owner", "one")]).status)
        }
        #expect(statuses.prefix(3) == [404, 404, 404])
        #expect(statuses.contains(429))
    }

    @Test func `a job refused for want of room names the limit`() async throws {
        let rig = try rig(.none, limits: BacklogLimits(jobs: 1))
        _ = try await rig.post("/v1/jobs?hold=true", Decks.hello, ("X-Owner", "one"))
        let second = try await rig.post("/v1/jobs?hold=true", Decks.hello, ("X-Owner", "one"))
        #expect(second.status == 429)
        #expect(second.problem == "quota-exceeded")
        #expect(second.json["violated-policies"]?.elements == [.string("waiting-jobs")])
    }

    @Test func `nothing is stored of a submission that may not wait`() async throws {
        let rig = try rig(OwnerRates(waits: 1))
        let held = try await rig.post("/v1/jobs?hold=true", Decks.hello, ("X-Owner", "one"))
        let id = try #require(held.id)
        async let waiting = rig.call("GET", "/v1/jobs/\(id)", [("X-Owner", "one"), ("Prefer", "wait=60")])
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while rig.gateway.limiter.count(.waits, of: try owner("one")) == 0, .now < end { await Task.yield() }
        let refused = try await rig.post("/v1/jobs", Decks.hello, ("X-Owner", "one"), ("Prefer", "wait=60"))
        #expect(refused.status == 429)
        #expect(refused.json["violated-policies"]?.elements == [.string("waits")])
        #expect(try await rig.store.jobs(JobQuery.all).count == 1)
        try await rig.commit(.cancel, id)
        #expect(try await waiting.status == 200)
        #expect(rig.gateway.limiter.count(.waits, of: try owner("one")) == 0)
    }

    @Test func `an unfinished job is to be asked for again by what jobs have taken`() async throws {
        let rig = try rig(.none)
        let job = try await rig.submit()
        try await rig.send(job.id)
        let answer = try await rig.call("GET", "/v1/jobs/\(job.id)", [("Prefer", "wait=1")])
        let seconds = try #require(answer["retry-after"].flatMap { Int($0) })
        #expect((1...3).contains(seconds))
    }
}
