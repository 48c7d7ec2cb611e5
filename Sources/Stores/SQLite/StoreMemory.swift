import Jobs
import Synchronization

/// An endpoint as the writer needs it to see which events go there.
struct StoredEndpoint {
    let row: Int64
    let owner: String
    /// Exact types or trailing wildcards.
    let events: [String]
    var hosts: [HostID] = []
    var labels: [Job.Label] = []
    var target = DeliveryTarget()

    func takes(type: String) -> Bool { events.contains { matches($0, type) } }

    /// Events of no host pass a filter by host only when there is none; labels are asked of jobs alone.
    func takes(host: HostID?, labels: [Job.Label]) -> Bool {
        (hosts.isEmpty || host.map { hosts.contains($0) } ?? false) && self.labels.allSatisfy { labels.contains($0) }
    }
}

/// Whether a type of event is meant by a pattern: itself, or with a trailing wildcard.
func matches(_ pattern: String, _ type: String) -> Bool {
    pattern.hasSuffix("*") ? type.utf8.starts(with: pattern.utf8.dropLast()) : pattern == type
}

/// What the store keeps in memory of what it has committed. Written by the writer's thread after each commit, read by
/// anyone. Coherent because this process is the only one that writes.
final class StoreMemory: Sendable {
    struct CountKey: Hashable {
        let host: String
        let state: JobState
    }

    struct Contents {
        var health = StoreHealth.open
        var jobs = RecentJobs()
        var events = RecentEvents()
        var jobCounts: [CountKey: Int] = [:]
        var tallies: [TallyKey: Int] = [:]
        /// Jobs whose deck was found damaged.
        var damagedDecks: Set<JobID> = []
        var deliveryCounts: [DeliveryState: Int] = [:]
        var backlogs: [BacklogKey: Backlog] = [:]
        var lastSequence: Int64 = 0
        /// Decks and print-out, by owner.
        var storedOctets: [String: Int] = [:]
        /// Of jobs that have not ended, by job row.
        var jobEndpoints: [Int64: [StoredEndpoint]] = [:]
        /// Enabled endpoints of no single job, by owner.
        var ownedEndpoints: [String: [StoredEndpoint]] = [:]
        /// Of the same ones, by row.
        var targets: [Int64: DeliveryTarget] = [:]
        /// Endpoints whose pending deliveries are not all stopped yet.
        var stopping: [Int64: DeliveryState] = [:]
        var lastWrite: ContinuousClock.Instant?
    }

    let contents = Mutex(Contents())
    let bodies = Mutex(RecentBodies())

    /// What is sent to an enabled endpoint of an owner; nil for any other.
    func target(ofRow row: Int64) -> DeliveryTarget? { contents.withLock { $0.targets[row] } }

    /// What a write or read gets instead of an answer.
    func writeRefusal() -> StoreError? {
        contents.withLock {
            switch $0.health {
            case .open: nil
            case .stopped(let why): .unavailable(why)
            case .closed: .closed
            }
        }
    }

    var isClosed: Bool { contents.withLock { $0.health == .closed } }

    func stop(_ why: String) {
        contents.withLock { if $0.health == .open { $0.health = .stopped(why) } }
    }

    /// Puts a committed transaction before readers.
    func publish(_ transaction: WriteTransaction) {
        // Before the jobs: whoever sees a job purged finds no body of it.
        if !transaction.bodies.isEmpty {
            bodies.withLock { bodies in for (id, entry) in transaction.bodies { bodies.put(entry, as: id) } }
        }
        contents.withLock { contents in
            for (id, stored) in transaction.jobs { contents.jobs.put(stored, as: id) }
            for (owner, change) in transaction.storedOctets { contents.storedOctets[owner, default: 0] += change }
            for (key, change) in transaction.jobCounts { contents.jobCounts[key, default: 0] += change }
            for (key, change) in transaction.tallies { contents.tallies[key, default: 0] += change }
            for (job, isDamaged) in transaction.damagedDecks {
                if isDamaged { contents.damagedDecks.insert(job) } else { contents.damagedDecks.remove(job) }
            }
            for (key, change) in transaction.backlogs { contents.backlogs.add(change, to: key) }
            for (state, change) in transaction.deliveryCounts { contents.deliveryCounts[state, default: 0] += change }
            contents.lastSequence = transaction.lastSequence
            for case let event? in transaction.committed.lazy.map(\.event) { contents.events.append(event) }
            for (row, endpoints) in transaction.newEndpoints { contents.jobEndpoints[row, default: []] += endpoints }
            for row in transaction.endedJobs { contents.jobEndpoints[row] = nil }
            for (job, gone) in transaction.goneEndpoints {
                contents.jobEndpoints[job]?.removeAll { gone.contains($0.row) }
            }
            for (row, change) in transaction.endpointChanges { contents.replace(row, by: change) }
            for (row, state) in transaction.stopping { contents.stopping[row] = state }
            contents.lastWrite = .now
        }
    }
}

extension StoreMemory.Contents {
    mutating func replace(_ row: Int64, by endpoint: StoredEndpoint?) {
        targets[row] = endpoint?.target
        guard let endpoint else {
            // Its owner is not known here: an endpoint that goes is rare.
            for (owner, endpoints) in ownedEndpoints where endpoints.contains(where: { $0.row == row }) {
                ownedEndpoints[owner] = endpoints.filter { $0.row != row }
            }
            return
        }
        let others = (ownedEndpoints[endpoint.owner] ?? []).filter { $0.row != row }
        ownedEndpoints[endpoint.owner] = others + [endpoint]
    }
}

/// The jobs used last, in two generations: when the young one is full it becomes the old one.
struct RecentJobs {
    /// nil: purged lately, so that a read from before it does not bring the job back.
    private var young: [JobID: StoredJob?] = [:]
    private var old: [JobID: StoredJob?] = [:]
    /// Jobs ever put. A read that began at `puts` n may fill in what it found while fewer than `generation` more were put:
    /// what a commit put in the meantime is then still here and is not overwritten.
    private(set) var puts = 0

    /// Jobs in one generation; about 1 KiB each.
    static let generation = 8192

    subscript(id: JobID) -> StoredJob? { (young[id] ?? old[id]) ?? nil }

    mutating func put(_ stored: StoredJob?, as id: JobID) {
        puts += 1
        if young.count >= Self.generation, young[id] == nil {
            old = young
            young = [:]
        }
        young.updateValue(stored, forKey: id)
    }

    mutating func fill(_ stored: StoredJob, readAt start: Int) {
        let id = stored.job.id
        guard puts - start < Self.generation, young[id] == nil, old[id] == nil else { return }
        put(stored, as: id)
    }
}
