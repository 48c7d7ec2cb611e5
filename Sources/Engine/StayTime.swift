package import Jobs
import Stores
import Synchronization

/// How long jobs stay at their host: an average that follows the last ones.
package struct StayTime: Equatable, Sendable {
    /// What the newest job counts, against all before it.
    private static let share = 0.2

    private var seconds: Double?

    package init() {}

    package mutating func ended(after stay: Duration) {
        let stay = max(0, stay / .seconds(1))
        seconds = seconds.map { $0 + (stay - $0) * Self.share } ?? stay
    }

    /// Seconds until a job is likely to have ended; nil when nothing was measured.
    ///
    /// - Parameters:
    ///   - ahead: jobs that leave the line before it; nil when the host has it.
    ///   - perSecond: jobs that leave the line; nil when that was not measured.
    ///   - elapsed: since the host has it.
    package func left(ahead: Int?, perSecond: Double?, elapsed: Duration) -> Double? {
        guard let seconds else { return nil }
        if let ahead {
            guard ahead > 0 else { return seconds }
            return perSecond.map { Double(ahead) / $0 + seconds }
        }
        let elapsed = max(0, elapsed / .seconds(1))
        // Of one that takes longer than the others nobody knows more than how long it has taken.
        return elapsed < seconds ? seconds - elapsed : elapsed / 2
    }

    /// Whole seconds for `Retry-After`: 1 to 3600.
    ///
    /// - Parameter spread: -1 to 1, where in the tenth to either side this answer lies.
    package static func whole(_ seconds: Double, spread: Double) -> Int {
        Int(min(3600, max(1, (seconds * (1 + min(1, max(-1, spread)) / 10)).rounded(.up))))
    }
}

/// Measures every host's from the commits.
final class StayWatch: Sendable {
    private let stays = Mutex<[HostID: StayTime]>([:])

    init(store: any JobStore) {
        store.observe { [weak self] changes in self?.committed(changes) }
    }

    func stay(at host: HostID) -> StayTime { stays.withLock { $0[host] ?? StayTime() } }

    /// On the store's thread: quick.
    private func committed(_ changes: [Committed]) {
        for change in changes {
            guard change.event != nil, let job = change.job, job.state == .completed || job.state == .failed,
                let begin = job.submittedAt, let end = job.endedAt
            else { continue }
            stays.withLock { $0[job.host, default: StayTime()].ended(after: begin.duration(to: end)) }
        }
    }
}

extension JobDesk {
    /// Seconds after which it is worth asking for the job again, for `Retry-After`: by how fast its host takes and ends jobs.
    package func secondsToEnd(of job: Job) -> Int {
        let stay = stays.stay(at: job.host)
        let now = clock.now()
        let left: Double?
        switch job.state {
        case .queued:
            let ahead = max(0, store.backlog(of: job.host).jobs - 1)
            left = stay.left(ahead: ahead, perSecond: drains.perSecond(job.host), elapsed: .zero)
        case .sending: left = stay.left(ahead: 0, perSecond: nil, elapsed: .zero)
        case .submitted, .running, .printing:
            left = stay.left(ahead: nil, perSecond: nil, elapsed: (job.submittedAt ?? now).duration(to: now))
        // These wait for a person, or for the host to be asked.
        case .held, .uncertain: left = 60
        case .completed, .failed, .rejected, .canceled, .expired, .purged: left = 1
        }
        return StayTime.whole(left ?? Self.secondsUnmeasured, spread: .random(in: -1...1))
    }

    /// As of one, for the last of several; what is final already is not waited for.
    package func secondsToEnd(of jobs: [Job]) -> Int {
        jobs.lazy.filter { !$0.state.isFinal }.map { self.secondsToEnd(of: $0) }.max() ?? 1
    }

    /// Where no job has ended yet.
    private static let secondsUnmeasured = 2.0
}
