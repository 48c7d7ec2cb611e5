package import Jobs
import Synchronization

extension Schema {
    /// Every order of a list has its index, by owner and for all; events know whose they are.
    static let lists = """
        CREATE INDEX jobs_by_owner_name ON jobs(owner, name, id) WHERE name IS NOT NULL;
        CREATE INDEX jobs_by_owner_ended ON jobs(owner, ended_at, id) WHERE ended_at IS NOT NULL;
        CREATE INDEX jobs_by_owner_priority ON jobs(owner, priority, id) WHERE priority > 0;
        CREATE INDEX jobs_by_priority ON jobs(priority, id) WHERE priority > 0;

        UPDATE events SET owner = CASE WHEN json_valid(CAST(body AS TEXT))
            THEN json_extract(CAST(body AS TEXT), '$.data.owner') END
        WHERE job IS NOT NULL AND owner IS NULL;
        CREATE INDEX events_by_owner ON events(owner, sequence);

        INSERT INTO counters (kind, host, state, count)
        SELECT 'tally', owner, host || ' ' || state || ' ' || coalesce(outcome_kind, ''), count(*) FROM jobs GROUP BY 2, 3;
        """
}

/// What jobs are counted by, kept with the commits.
struct TallyKey: Hashable {
    static let kind = "tally"

    let owner: String
    /// Host, state and outcome, a space between two; none of them has one.
    let rest: String

    init(owner: String, rest: String) {
        self.owner = owner
        self.rest = rest
    }

    init(_ job: Job) {
        self.init(owner: job.owner, host: job.host, state: job.state, outcome: job.outcome?.kind)
    }

    init(owner: Owner, host: HostID, state: JobState, outcome: Outcome.Kind? = nil) {
        self.owner = owner.description
        rest = "\(host) \(state.rawValue) \(outcome?.rawValue ?? "")"
    }

    func tally(_ count: Int) -> JobTally? {
        let parts = rest.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, let host = HostID(parts[0]), let owner = Owner(owner),
            let state = JobState(rawValue: String(parts[1]))
        else { return nil }
        return JobTally(
            host: host, owner: owner, state: state, outcome: Outcome.Kind(rawValue: String(parts[2])), count: count)
    }
}

extension SQLiteStore {
    package func page(_ query: JobQuery) async throws(StoreError) -> JobPage {
        let listing = JobListing(query)
        let counts = memory.contents.withLock { $0.jobCounts }
        return try await read { try listing.read(on: $0, counts: counts, limit: query.limit) }
    }

    package func tallies(_ query: JobQuery) async throws(StoreError) -> (tallies: [JobTally], isComplete: Bool) {
        if memory.isClosed { throw .closed }
        let query = query.counted
        var plain = query
        (plain.states, plain.host, plain.hosts, plain.owner, plain.outcome) = ([], nil, nil, nil, nil)
        if plain == JobQuery(limit: query.limit) {
            return (
                memory.contents.withLock { $0.tallies }.compactMap { $0.value == 0 ? nil : $0.key.tally($0.value) }
                    .filter { query.counts($0) }, true
            )
        }
        let listing = JobListing(query)
        let counts = memory.contents.withLock { $0.jobCounts }
        return try await read { connection in
            var tallies: [JobTally] = []
            var isComplete = true
            for statement in try listing.statements(on: connection, counts: counts) {
                let found = try connection.rows(statement.tally, statement.walked + statement.asked) { row in
                    JobTally(
                        host: try row.require(HostID(row.text(0)), "a host"),
                        owner: try row.require(Owner(row.text(1)), "an owner"),
                        state: try row.require(JobState(rawValue: row.text(2)), "a job state"),
                        outcome: row.optionalText(3).flatMap { Outcome.Kind(rawValue: $0) }, count: row.int(4))
                }
                tallies += found
                if try connection.first(statement.tallyEnd, statement.walked, { _ in true }) != nil {
                    isComplete = false
                }
            }
            return (tallies, isComplete)
        }
    }

    package func job(withKey key: String, of owner: Owner) async throws(StoreError) -> JobID? {
        try await read { connection in
            try connection.first(Queries.jobWithKey, [.text(owner.description), .text(key)]) { try $0.jobID(0) }
        }
    }

    package func events(after sequence: Int64, of owner: Owner, limit: Int) async throws(StoreError) -> [Event] {
        let limit = max(0, limit)
        return try await read { connection in
            let values: [SQLValue] = [.int(sequence), .int(limit)]
            let own = try connection.rows(Queries.eventsOfOwner, [.text(owner.description)] + values) {
                try Event($0, from: 0)
            }
            let common = try connection.rows(Queries.commonEvents, values) { try Event($0, from: 0) }
            if common.isEmpty { return own }
            return Array((own + common).sorted { $0.sequence < $1.sequence }.prefix(limit))
        }
    }

    package func firstSequence() async throws(StoreError) -> Int64? {
        try await read { try $0.first(Queries.firstEvent, []) { $0.int64(0) } }
    }

    package func amend(
        _ job: JobID, at time: Timestamp, audit: AuditEntry?, _ change: @escaping @Sendable (Job) -> JobAmendment?
    ) async throws(StoreError) -> Job? {
        try await writer.write { transaction in
            guard var stored = try transaction.job(job) else { throw StoreError.noSuchJob(job) }
            guard let amendment = change(stored.job) else { return nil }
            if amendment == JobAmendment(labels: stored.job.labels, priority: stored.job.priority) { return stored.job }
            stored.job.labels = amendment.labels
            stored.job.priority = amendment.priority
            stored.job.version += 1
            stored.job.changedAt = max(stored.job.changedAt, time)
            try transaction.amend(stored)
            if let audit { try transaction.audit(audit) }
            return stored.job
        }
    }

    package nonisolated func hasDamagedDeck(_ job: JobID) -> Bool {
        memory.contents.withLock { $0.damagedDecks.contains(job) }
    }
}

extension WriteTransaction {
    /// Jobs of an owner on a host that have not ended, as this transaction sees them.
    func activeJobs(of owner: Owner, on host: HostID) -> Int {
        let keys = JobState.allCases.filter { !$0.isFinal }.map { TallyKey(owner: owner, host: host, state: $0) }
        let kept = memory.contents.withLock { contents in keys.reduce(0) { $0 + (contents.tallies[$1] ?? 0) } }
        return keys.reduce(kept) { $0 + (tallies[$1] ?? 0) }
    }
}

extension JobQuery {
    /// The same jobs, wherever they stand in the order.
    var counted: JobQuery {
        var counted = self
        counted.from = nil
        counted.order = .newestFirst
        return counted
    }

    /// Of filters by what is counted only.
    fileprivate func counts(_ tally: JobTally) -> Bool {
        (states.isEmpty || states.contains(tally.state)) && (host == nil || host == tally.host)
            && (hosts?.contains(tally.host) ?? true) && (owner == nil || owner == tally.owner)
            && (outcome == nil || outcome == tally.outcome)
    }
}

extension JobListing {
    func statements(on connection: SQLConnection, counts: [StoreMemory.CountKey: Int]) throws -> [Statement] {
        var sizes = Sizes { host, states in
            counts.reduce(0) { sum, entry in
                let matches =
                    (host.map { $0.description == entry.key.host } ?? true)
                    && (states.isEmpty || states.contains(entry.key.state))
                return matches ? sum + entry.value : sum
            }
        }
        func size(_ query: String, _ values: SQLValue...) throws -> Int? {
            try connection.first(query, values) { $0.int(0) }
        }
        if let names { sizes.names = try size(Self.countNames, .text(names.from), .text(names.below)) }
        if isSortedByKey {
            if let label = firstLabel {
                sizes.labels = try size(Self.countLabels, .text(label.key), .text(label.value))
            }
            if let correlator { sizes.correlators = try size(Self.countCorrelators, .text(correlator)) }
        }
        return statements(sizes)
    }

    func read(on connection: SQLConnection, counts: [StoreMemory.CountKey: Int], limit: Int) throws -> JobPage {
        let limit = max(0, limit)
        var pages: [[Job]] = []
        var end: JobMark?
        for statement in try statements(on: connection, counts: counts) {
            let values = statement.walked + statement.asked + [.int(limit + 1)]
            let found = try connection.rows(statement.page, values) { try StoredJob($0).job }
            pages.append(found)
            guard found.count <= limit, let query = statement.end,
                let mark = try connection.first(
                    query, statement.walked, { JobMark(id: try $0.jobID(0), value: value($0, 1)) })
            else { continue }
            // Of what the other walks have, nothing from beyond this place may be told yet.
            if end.map({ order.comesBefore(mark, $0) }) ?? true { end = mark }
        }
        var jobs = pages.count == 1 ? pages[0] : pages.joined().sorted { order.comesBefore(mark($0), mark($1)) }
        if let end { jobs = jobs.filter { !order.comesBefore(end, mark($0)) } }
        if jobs.count > limit {
            jobs = Array(jobs.prefix(limit))
            return JobPage(jobs: jobs, next: jobs.last.map(mark))
        }
        return JobPage(jobs: jobs, next: end)
    }

    private func mark(_ job: Job) -> JobMark { JobMark(job, in: order) }

    private func value(_ row: SQLRow, _ column: CInt) -> JobMark.Value {
        switch order.key {
        case .created: .none
        case .ended, .priority: .int(row.int64(column))
        case .name: .text(row.text(column))
        }
    }
}

extension Queries {
    static let jobWithKey = "SELECT id FROM idempotency WHERE owner = ? AND key = ?"
    static let eventsOfOwner = """
        SELECT sequence, id, type, job, at, body FROM events INDEXED BY events_by_owner
        WHERE owner = ? AND sequence > ? ORDER BY sequence LIMIT ?
        """
    static let commonEvents = """
        SELECT sequence, id, type, job, at, body FROM events INDEXED BY events_by_owner
        WHERE owner IS NULL AND sequence > ? ORDER BY sequence LIMIT ?
        """
    static let firstEvent = "SELECT sequence FROM events WHERE sequence > 0 ORDER BY sequence LIMIT 1"

    static let lists: [String: String] = [
        "jobWithKey": jobWithKey, "eventsOfOwner": eventsOfOwner, "commonEvents": commonEvents,
        "firstEvent": firstEvent,
    ]
}
