import Jobs
import Stations
import Synchronization

/// Which jobs a host has of us, and what it last said of each. A value under a lock: reports come from many sessions.
struct Follower: Sendable {
    struct Tracked: Sendable {
        let job: JobID
        var isRunning = false
        /// Its end is known; its output is being taken or waits for that.
        var isEnding = false
        /// Ticks until the host is asked for it, and the pause after that: a notice may have been missed.
        var ticksLeft = 1
        var pause = 1
    }

    /// What a report asks for.
    enum Order: Equatable, Sendable {
        case running(JobID)
        case collect(JobID, JobNumber, Outcome)
    }

    /// Reports about numbers nobody has adopted yet: the notice can be faster than the commit of the receipt.
    static let mostEarlyReports = 8192

    private(set) var tracked: [JobNumber: Tracked] = [:]
    private var early: [JobNumber: HostJob.State] = [:]
    private var earlyOrder: [JobNumber] = []

    /// From now on reports about `number` are about `job`.
    /// - Returns: what to do at once because of an early report, and the job that had the number before, if any: the host gave
    ///   its number away, so that one is lost.
    mutating func adopt(_ number: JobNumber, as job: JobID, isRunning: Bool = false) -> (
        orders: [Order], ousted: JobID?
    ) {
        let before = tracked[number]
        if before?.job == job { return ([], nil) }
        tracked[number] = Tracked(job: job, isRunning: isRunning)
        let orders = early.removeValue(forKey: number).map { report(number, $0) } ?? []
        return (orders, before?.job)
    }

    mutating func report(_ number: JobNumber, _ state: HostJob.State) -> [Order] {
        guard var entry = tracked[number] else {
            remember(number, state)
            return []
        }
        switch state {
        case .held, .queued: return []
        case .running:
            guard !entry.isRunning, !entry.isEnding else { return [] }
            entry.isRunning = true
            tracked[number] = entry
            return [.running(entry.job)]
        case .ended(let outcome):
            guard !entry.isEnding else { return [] }
            entry.isEnding = true
            tracked[number] = entry
            return [.collect(entry.job, number, outcome)]
        }
    }

    /// The jobs whose end is not known, the oldest first: a process that is killed again and again must not leave some to chance.
    var followed: [(number: JobNumber, job: JobID)] {
        tracked.filter { !$0.value.isEnding }.map { (number: $0.key, job: $0.value.job) }.sorted { $0.job < $1.job }
    }

    /// One tick later: the jobs to ask for, the oldest first. The pause between two questions doubles up to `longestPause` ticks.
    mutating func tick(longestPause: Int) -> [(number: JobNumber, job: JobID)] {
        var due: [(number: JobNumber, job: JobID)] = []
        for (number, entry) in tracked where !entry.isEnding {
            if entry.ticksLeft > 1 {
                tracked[number]?.ticksLeft -= 1
                continue
            }
            due.append((number, entry.job))
            tracked[number]?.pause = min(entry.pause * 2, longestPause)
            tracked[number]?.ticksLeft = min(entry.pause * 2, longestPause)
        }
        return due.sorted { $0.job < $1.job }
    }

    /// The job is over for us; or its collection has to begin again with the next report.
    mutating func forget(_ number: JobNumber, of job: JobID) {
        if tracked[number]?.job == job { tracked[number] = nil }
    }

    mutating func collectAgain(_ number: JobNumber, of job: JobID) {
        if tracked[number]?.job == job { tracked[number]?.isEnding = false }
    }

    func isEnding(_ job: JobID, _ number: JobNumber) -> Bool {
        tracked[number].map { $0.job == job && $0.isEnding } ?? false
    }

    private mutating func remember(_ number: JobNumber, _ state: HostJob.State) {
        if early.updateValue(state, forKey: number) != nil { return }
        earlyOrder.append(number)
        if early.count > Self.mostEarlyReports || earlyOrder.count > 2 * Self.mostEarlyReports {
            let half = earlyOrder.prefix(earlyOrder.count / 2)
            for number in half { early[number] = nil }
            earlyOrder.removeFirst(half.count)
        }
    }
}
