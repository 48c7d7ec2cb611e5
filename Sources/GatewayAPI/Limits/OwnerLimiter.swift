package import Jobs
import Synchronization

/// How often one owner may ask, and how much of him may be under way; nil: no limit.
package struct OwnerRates: Equatable, Sendable {
    package var submitsPerMinute: Int?
    package var requestsPerSecond: Int?
    package var eventStreams: Int?
    /// Requests that wait for a job or an event.
    package var waits: Int?
    /// Octets of decks handed in; counted in memory, so that a start of the gateway begins anew.
    package var deckOctetsPerDay: Int?

    package init(
        submitsPerMinute: Int? = nil, requestsPerSecond: Int? = nil, eventStreams: Int? = nil, waits: Int? = nil,
        deckOctetsPerDay: Int? = nil
    ) {
        self.submitsPerMinute = submitsPerMinute
        self.requestsPerSecond = requestsPerSecond
        self.eventStreams = eventStreams
        self.waits = waits
        self.deckOctetsPerDay = deckOctetsPerDay
    }

    package static let none = OwnerRates()
    /// So much that only what runs wild meets it.
    package static let usual = OwnerRates(
        submitsPerMinute: 30_000, requestsPerSecond: 2000, eventStreams: 1000, waits: 2000)

    func most(_ crowd: OwnerLimiter.Crowd) -> Int? { crowd == .streams ? eventStreams : waits }
}

/// Counts what owners do against their limits.
package final class OwnerLimiter: Sendable {
    /// What is counted over time.
    package enum Pace: String, Sendable {
        case requests, submits
        case deckOctets = "deck-octets"

        fileprivate var account: WritableKeyPath<Account, RateBucket?> {
            switch self {
            case .requests: \.requests
            case .submits: \.submits
            case .deckOctets: \.deckOctets
            }
        }

        fileprivate func limit(_ rates: OwnerRates) -> (quota: Int, window: Duration)? {
            switch self {
            case .requests: rates.requestsPerSecond.map { ($0, .seconds(1)) }
            case .submits: rates.submitsPerMinute.map { ($0, .seconds(60)) }
            case .deckOctets: rates.deckOctetsPerDay.map { ($0, .seconds(86_400)) }
            }
        }
    }
    /// What is counted while it lasts.
    package enum Crowd: String, Sendable { case streams, waits }

    /// What is left of a pace.
    package struct Standing: Equatable, Sendable {
        package let pace: Pace
        package let isGranted: Bool
        package let quota: Int
        package let remaining: Int
        /// Until there is one more, or as much as was refused; 0 when nothing is used.
        package let secondsToMore: Int
    }

    fileprivate struct Account {
        var requests: RateBucket?
        var submits: RateBucket?
        var deckOctets: RateBucket?
        var streams = 0
        var waits = 0

        func isIdle(at now: Timestamp) -> Bool {
            streams == 0 && waits == 0
                && [requests, submits, deckOctets].allSatisfy { $0?.isFull(at: now) ?? true }
        }
    }

    private struct State {
        var accounts: [Owner: Account] = [:]
        var sweptAt = Timestamp(microseconds: .min)
        var usual: OwnerRates
        var ofLocal: OwnerRates
    }

    private let clock: WallClock
    private let mostOwners: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - usual: of each owner.
    ///   - ofLocal: of who runs the gateway.
    ///   - mostOwners: kept in memory. Tokens can name owners without end.
    package init(
        _ usual: OwnerRates, ofLocal: OwnerRates = .none, clock: WallClock = .system, mostOwners: Int = 10_000
    ) {
        state = Mutex(State(usual: usual, ofLocal: ofLocal))
        self.clock = clock
        self.mostOwners = max(1, mostOwners)
    }

    package func rates(of owner: Owner) -> OwnerRates {
        state.withLock { owner == .local ? $0.ofLocal : $0.usual }
    }

    /// Other limits from now on. What was counted over time begins anew; what is under way stays counted.
    package func change(to usual: OwnerRates, ofLocal: OwnerRates) {
        state.withLock { state in
            guard state.usual != usual || state.ofLocal != ofLocal else { return }
            (state.usual, state.ofLocal) = (usual, ofLocal)
            for owner in state.accounts.keys {
                state.accounts[owner]?.requests = nil
                state.accounts[owner]?.submits = nil
                state.accounts[owner]?.deckOctets = nil
            }
        }
    }

    /// Owners in memory.
    package var owners: Int { state.withLock { $0.accounts.count } }

    /// - Parameter count: what is asked for together: all of it or nothing.
    /// - Returns: nil where there is no limit.
    package func take(_ pace: Pace, _ count: Int = 1, of owner: Owner) -> Standing? {
        guard let limit = pace.limit(rates(of: owner)) else { return nil }
        let now = clock.now()
        return state.withLock { state in
            makeRoom(for: owner, in: &state, at: now)
            var account = state.accounts[owner] ?? Account()
            var bucket =
                account[keyPath: pace.account] ?? RateBucket(quota: limit.quota, window: limit.window, at: now)
            let isGranted = bucket.take(count, at: now)
            let standing = Standing(
                pace: pace, isGranted: isGranted, quota: bucket.quota, remaining: bucket.remaining(at: now),
                secondsToMore: isGranted ? bucket.secondsToMore(at: now) : bucket.seconds(to: count, at: now))
            account[keyPath: pace.account] = bucket
            state.accounts[owner] = account
            return standing
        }
    }

    /// What was taken was not used after all.
    package func give(_ pace: Pace, _ count: Int, of owner: Owner) {
        let now = clock.now()
        state.withLock { $0.accounts[owner]?[keyPath: pace.account]?.give(count, at: now) }
    }

    /// - Returns: nil when the owner has as many as he may.
    package func enter(_ crowd: Crowd, of owner: Owner) -> LimitPermit? {
        let most = rates(of: owner).most(crowd)
        let now = clock.now()
        let isIn = state.withLock { state in
            makeRoom(for: owner, in: &state, at: now)
            let path: WritableKeyPath<Account, Int> = crowd == .streams ? \.streams : \.waits
            let count = state.accounts[owner]?[keyPath: path] ?? 0
            if let most, count >= most { return false }
            state.accounts[owner, default: Account()][keyPath: path] = count + 1
            return true
        }
        return isIn ? LimitPermit { [self] in leave(crowd, of: owner) } : nil
    }

    private func leave(_ crowd: Crowd, of owner: Owner) {
        let path: WritableKeyPath<Account, Int> = crowd == .streams ? \.streams : \.waits
        state.withLock { $0.accounts[owner]?[keyPath: path] -= 1 }
    }

    /// How many the owner has under way.
    package func count(_ crowd: Crowd, of owner: Owner) -> Int {
        state.withLock { state in
            state.accounts[owner].map { crowd == .streams ? $0.streams : $0.waits } ?? 0
        }
    }

    /// Accounts that say nothing go first; when all say something, one that is not counted with.
    private func makeRoom(for owner: Owner, in state: inout State, at now: Timestamp) {
        guard state.accounts.count >= mostOwners, state.accounts[owner] == nil else { return }
        if now < state.sweptAt || state.sweptAt.advanced(by: .seconds(1)) <= now {
            state.sweptAt = now
            for (other, account) in state.accounts {
                if account.isIdle(at: now) { state.accounts[other] = nil }
            }
        }
        guard state.accounts.count >= mostOwners else { return }
        let victim = state.accounts.first { $0.value.streams == 0 && $0.value.waits == 0 }
        if let victim { state.accounts[victim.key] = nil }
    }
}

/// A place among what is under way, or something taken for good once it is kept; given back by `end`, or when nobody holds it any more.
package final class LimitPermit: Sendable {
    private let give: @Sendable () -> Void
    private let hasEnded = Atomic(false)

    init(_ give: @escaping @Sendable () -> Void) { self.give = give }
    deinit { end() }

    /// It is not given back any more.
    package func keep() { hasEnded.store(true, ordering: .releasing) }

    package func end() {
        if !hasEnded.exchange(true, ordering: .acquiringAndReleasing) { give() }
    }
}
