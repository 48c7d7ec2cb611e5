package import Jobs

/// Which jobs, in which order, from where on.
package struct JobQuery: Equatable, Sendable {
    /// The job that the page begins behind, in the order asked for: the key of the keyset.
    package var from: JobMark?
    package var order: JobOrder
    package var limit: Int
    package var states: Set<JobState>
    package var host: HostID?
    /// nil: any. Those a caller may see at all, beside the host he asks for.
    package var hosts: Set<HostID>?
    package var owner: Owner?
    /// `PAY*`: a trailing star matches any rest.
    package var name: String?
    package var correlator: String?
    /// By `createdAt`, both ends included. The time in a job's ID is taken to be within an hour of it.
    package var since: Timestamp?
    package var until: Timestamp?
    package var labels: [Job.Label]
    package var outcome: Outcome.Kind?
    /// Stands in name, host's number, correlator, reason, outcome or labels; ASCII letters of either case are the same.
    package var text: String?
    /// Jobs that a page looks at, at most, to find those that pass the filters which no index answers.
    package var mostVisited = 20_000

    package init(
        before: JobID? = nil, limit: Int = 50, states: Set<JobState> = [], host: HostID? = nil, owner: Owner? = nil,
        name: String? = nil, correlator: String? = nil, since: Timestamp? = nil, until: Timestamp? = nil,
        labels: [Job.Label] = [], outcome: Outcome.Kind? = nil, text: String? = nil, order: JobOrder = .newestFirst
    ) {
        from = before.map { JobMark(id: $0) }
        self.order = order
        self.limit = limit
        self.states = states
        self.host = host
        self.owner = owner
        self.name = name
        self.correlator = correlator
        self.since = since
        self.until = until
        self.labels = labels
        self.outcome = outcome
        self.text = text
    }

    /// For the order by time of submission: jobs with an ID below this one.
    package var before: JobID? {
        get { from?.id }
        set { from = newValue.map { JobMark(id: $0) } }
    }

    /// Whether a job is one of those asked for, wherever it stands in the order.
    package func matches(_ job: Job) -> Bool {
        (states.isEmpty || states.contains(job.state)) && (host == nil || host == job.host)
            && (hosts?.contains(job.host) ?? true) && (owner == nil || owner == job.owner)
            && matchesName(job.name) && (correlator == nil || correlator == job.correlator)
            && (since.map { job.createdAt >= $0 } ?? true) && (until.map { job.createdAt <= $0 } ?? true)
            && labels.allSatisfy { job.labels.contains($0) }
            && (outcome == nil || outcome == job.outcome?.kind) && matchesText(job)
            && (order.key != .ended || job.endedAt != nil) && (order.key != .name || job.name != nil)
    }

    private func matchesName(_ given: JobName?) -> Bool {
        guard let name else { return true }
        guard let given = given?.description else { return false }
        return name.hasSuffix("*")
            ? given.utf8.starts(with: name.dropLast().uppercased().utf8) : given == name.uppercased()
    }

    private func matchesText(_ job: Job) -> Bool {
        guard let text else { return true }
        let places =
            [
                job.name?.description, job.hostJob?.description, job.correlator, job.reason, job.outcome?.text,
            ].compactMap(\.self) + job.labels.flatMap { [$0.key, $0.value] }
        let wanted = Self.folded(text)
        return places.contains { Self.folded($0).firstRange(of: wanted) != nil }
    }

    static func folded(_ text: String) -> [UInt8] {
        text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }
}

extension [UInt8] {
    fileprivate func firstRange(of wanted: [UInt8]) -> Int? {
        guard let first = wanted.first else { return 0 }
        guard count >= wanted.count else { return nil }
        return (0...count - wanted.count).first { self[$0] == first && self[$0...].starts(with: wanted) }
    }
}

/// By what a list of jobs is sorted; jobs that are the same by it go by their IDs.
package struct JobOrder: Hashable, Sendable {
    package enum Key: String, CaseIterable, Sendable {
        case created
        /// Only jobs that have ended.
        case ended
        /// Only jobs that have a name.
        case name
        case priority
    }

    package var key: Key
    package var isDescending: Bool

    package init(_ key: Key, isDescending: Bool) {
        self.key = key
        self.isDescending = isDescending
    }

    package static let newestFirst = JobOrder(.created, isDescending: true)

    package var reversed: JobOrder { JobOrder(key, isDescending: !isDescending) }

    package func comesBefore(_ left: JobMark, _ right: JobMark) -> Bool {
        isDescending ? right < left : left < right
    }
}

/// A place in a sorted list: the job there, and what it is sorted by.
package struct JobMark: Hashable, Comparable, Sendable {
    package enum Value: Hashable, Sendable {
        case none
        case int(Int64)
        case text(String)
    }

    package let id: JobID
    /// `none` in the order of submission, which the ID tells.
    package let value: Value

    package init(id: JobID, value: Value = .none) {
        self.id = id
        self.value = value
    }

    package init(_ job: Job, in order: JobOrder) {
        id = job.id
        value =
            switch order.key {
            case .created: .none
            case .ended: .int(job.endedAt?.microseconds ?? 0)
            case .name: .text(job.name?.description ?? "")
            case .priority: .int(Int64(job.priority))
            }
    }

    package static func < (left: JobMark, right: JobMark) -> Bool {
        switch (left.value, right.value) {
        case (.int(let one), .int(let other)) where one != other: one < other
        case (.text(let one), .text(let other)) where one != other:
            one.utf8.lexicographicallyPrecedes(other.utf8)
        default: left.id < right.id
        }
    }
}

/// A page of a list.
package struct JobPage: Equatable, Sendable {
    package var jobs: [Job]
    /// Where the next page begins; nil: there is none. A page may be short, or empty, and still have one: then so many jobs were
    /// looked at that the rest is left to the next call.
    package var next: JobMark?

    package init(jobs: [Job], next: JobMark? = nil) {
        self.jobs = jobs
        self.next = next
    }
}

/// How many jobs are the same in all that jobs are counted by.
package struct JobTally: Hashable, Sendable {
    package let host: HostID
    package let owner: Owner
    package let state: JobState
    package let outcome: Outcome.Kind?
    package let count: Int

    package init(host: HostID, owner: Owner, state: JobState, outcome: Outcome.Kind?, count: Int) {
        self.host = host
        self.owner = owner
        self.state = state
        self.outcome = outcome
        self.count = count
    }
}
