import Glibc
package import Jobs
import Stores
import Synchronization

/// How fast jobs leave a line: an average that forgets, so that `Retry-After` follows a host that has become slow or fast.
///
/// Source: http-conventions.md, section 7: from the measured drain rate, give or take a tenth, 1 to 3600 s.
package struct DrainRate: Equatable, Sendable {
    /// Half of what was measured this long ago has been forgotten.
    package static let halfLife = 30.0

    /// Jobs counted, the older the less.
    private var weight = 0.0
    /// Seconds they were counted over, forgotten at the same pace.
    private var span = 0.0
    private var last: Timestamp?

    package init() {}

    package mutating func left(_ jobs: Int, at time: Timestamp) {
        age(to: time)
        weight += Double(jobs)
    }

    /// Jobs a second; nil when nothing was measured, or nothing has left for so long that the measure says nothing.
    package func perSecond(at time: Timestamp) -> Double? {
        var aged = self
        aged.age(to: time)
        guard aged.weight > 0.01 else { return nil }
        return aged.weight / max(1, aged.span)
    }

    /// - Parameters:
    ///   - jobs: that have to leave before there is room, at least 1.
    ///   - spread: -1 to 1, where in the tenth to either side this answer lies, so that not all clients come at once.
    package func retryAfter(jobs: Int, at time: Timestamp, spread: Double) -> Int {
        guard let rate = perSecond(at: time) else { return 60 }
        let seconds = Double(max(1, jobs)) / rate * (1 + min(1, max(-1, spread)) / 10)
        return Int(min(3600, max(1, seconds.rounded(.up))))
    }

    private mutating func age(to time: Timestamp) {
        defer { last = max(time, last ?? time) }
        guard let last, time > last else { return }
        let seconds = Double(time.microseconds - last.microseconds) / 1e6
        let kept = Glibc.exp2(-seconds / Self.halfLife)
        weight *= kept
        span = (span + seconds) * kept
    }
}

/// Measures the rate of every host from the commits.
final class DrainWatch: Sendable {
    private let rates = Mutex<[HostID: DrainRate]>([:])
    private let clock: WallClock

    init(store: any JobStore, clock: WallClock) {
        self.clock = clock
        store.observe { [weak self] changes in self?.committed(changes) }
    }

    func retryAfter(_ hit: LimitHit, _ host: HostID) -> Int {
        let rate = rates.withLock { $0[host] ?? DrainRate() }
        // Retention makes room, in its own time.
        if hit.measure == .stored { return 3600 }
        // Of octets nobody knows how many jobs they are: a tenth of the line is a fair wait.
        let jobs = hit.measure == .octets ? 10 : max(1, hit.limit / 10)
        return rate.retryAfter(jobs: jobs, at: clock.now(), spread: .random(in: -1...1))
    }

    func perSecond(_ host: HostID) -> Double? {
        let now = clock.now()
        return rates.withLock { $0[host] }?.perSecond(at: now)
    }

    /// On the store's thread: quick.
    private func committed(_ changes: [Committed]) {
        var left: [HostID: Int] = [:]
        for change in changes {
            guard change.event != nil, let job = change.job else { continue }
            switch job.state {
            case .sending, .canceled, .expired: left[job.host, default: 0] += 1
            default: break
            }
        }
        guard !left.isEmpty else { return }
        let now = clock.now()
        rates.withLock { rates in
            for (host, jobs) in left { rates[host, default: DrainRate()].left(jobs, at: now) }
        }
    }
}
