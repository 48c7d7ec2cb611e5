import Jobs
import Synchronization

/// The transaction that is open on the writer, with what it will change in memory once it is committed. Rolled back, it
/// is dropped and leaves nothing, no gap in the sequence either.
final class WriteTransaction {
    private let connection: SQLConnection
    let memory: StoreMemory

    /// Statements that changed something: an operation that fails before its first one has harmed nobody.
    private(set) var writes = 0
    private(set) var lastSequence: Int64
    /// nil: purged.
    private(set) var jobs: [JobID: StoredJob?] = [:]
    private(set) var storedOctets: [String: Int] = [:]
    private(set) var jobCounts: [StoreMemory.CountKey: Int] = [:]
    private(set) var tallies: [TallyKey: Int] = [:]
    /// Whether the deck of a job is damaged, where that has changed.
    private(set) var damagedDecks: [JobID: Bool] = [:]
    private(set) var backlogs: [BacklogKey: Backlog] = [:]
    private(set) var deliveryCounts: [DeliveryState: Int] = [:]
    private(set) var newEndpoints: [Int64: [StoredEndpoint]] = [:]
    /// Endpoints of jobs that take nothing any more, by job row.
    private(set) var goneEndpoints: [Int64: Set<Int64>] = [:]
    /// Endpoints of owners as this transaction leaves them; nil: they take nothing any more.
    private(set) var endpointChanges: [Int64: StoredEndpoint?] = [:]
    private(set) var endedJobs: [Int64] = []
    /// Endpoints whose deliveries are on their way to this state; nil: no more.
    var stopping: [Int64: DeliveryState?] = [:]
    private(set) var committed: [Committed] = []
    /// For the spool folder, when the commit is durable.
    private(set) var finishedParts: [SpoolPart] = []
    private(set) var releasedBodies: [ContentHash] = []
    /// Bodies to be kept in memory; nil: what is kept of the job is not true any more.
    var bodies: [JobID: RecentBodies.Entry?] = [:]

    #if SEEDED_BUG_2 || SEEDED_BUG_4 || SEEDED_BUG_5
        /// What these bugs put into a commit of its own.
        private(set) var laterWrites: [@Sendable (WriteTransaction) throws -> Void] = []
        func later(_ write: @escaping @Sendable (WriteTransaction) throws -> Void) { laterWrites.append(write) }
    #endif

    init(_ connection: SQLConnection, memory: StoreMemory) {
        self.connection = connection
        self.memory = memory
        lastSequence = memory.contents.withLock { $0.lastSequence }
    }

    var isOpen: Bool { connection.isInTransaction }
    func begin() throws { try connection.execute("BEGIN IMMEDIATE") }

    func commit() throws {
        for (key, change) in jobCounts where change != 0 {
            try run(Self.count, [.text("jobs"), .text(key.host), .text(key.state.rawValue), .int(change)])
        }
        for (key, change) in tallies where change != 0 {
            try run(Self.count, [.text(TallyKey.kind), .text(key.owner), .text(key.rest), .int(change)])
        }
        for (state, change) in deliveryCounts where change != 0 {
            try run(Self.count, [.text("deliveries"), .text(""), .text(state.rawValue), .int(change)])
        }
        for (owner, change) in storedOctets where change != 0 {
            try run(Self.count, [.text("octets"), .text(owner), .text(""), .int(change)])
        }
        try connection.execute("COMMIT")
    }

    /// After some faults SQLite has rolled back already.
    func rollBack() {
        if connection.isInTransaction { try? connection.execute("ROLLBACK") }
    }

    private static let count = """
        INSERT INTO counters (kind, host, state, count) VALUES (?, ?, ?, ?)
        ON CONFLICT (kind, host, state) DO UPDATE SET count = count + excluded.count
        """

    // MARK: Statements

    @discardableResult
    func run(_ sql: String, _ values: [SQLValue] = []) throws -> Int {
        let changes = try connection.run(sql, values)
        if changes > 0 { writes += 1 }
        return changes
    }

    /// A statement with RETURNING, of which `read` gets the rows.
    func runReturning<Element>(
        _ sql: String, _ values: [SQLValue], _ read: (SQLRow) throws -> Element?
    ) throws -> [Element] {
        let elements = try connection.rows(sql, values, read)
        if !elements.isEmpty { writes += 1 }
        return elements
    }

    func rows<Element>(_ sql: String, _ values: [SQLValue], _ read: (SQLRow) throws -> Element?) throws -> [Element] {
        try connection.rows(sql, values, read)
    }

    func first<Element>(_ sql: String, _ values: [SQLValue], _ read: (SQLRow) throws -> Element?) throws -> Element? {
        try connection.first(sql, values, read)
    }

    // MARK: Jobs

    /// The job as this transaction sees it.
    func job(_ id: JobID) throws -> StoredJob? {
        if let stored = jobs[id] { return stored }
        if let stored = memory.contents.withLock({ $0.jobs[id] }) { return stored }
        return try connection.first(Queries.job, [.id(id)]) { try StoredJob($0) }
    }

    /// Takes a job out, as the last thing that is done to it.
    func remove(_ stored: StoredJob, was previous: Job) throws {
        try run("DELETE FROM jobs WHERE row = ?", [.int(stored.row)])
        jobs.updateValue(nil, forKey: stored.job.id)
        damagedDecks[stored.job.id] = false
        count(previous, by: -1)
    }

    func countOctets(_ change: Int, of owner: Owner) { storedOctets[owner.description, default: 0] += change }

    /// The file of a body may be removed after the commit, when nothing else names it.
    func release(_ body: ContentHash) { releasedBodies.append(body) }

    func insert(_ job: Job) throws -> StoredJob {
        try run(StoredJob.insert, StoredJob.insertValues(job))
        let stored = StoredJob(row: connection.lastRow, job: job)
        jobs[job.id] = stored
        count(job, by: 1)
        return stored
    }

    func update(_ stored: StoredJob, from previous: Job) throws {
        try run(StoredJob.update, stored.updateValues)
        jobs[stored.job.id] = stored
        guard previous.state != stored.job.state || previous.outcome?.kind != stored.job.outcome?.kind else { return }
        count(previous, by: -1)
        count(stored.job, by: 1)
    }

    private func count(_ job: Job, by change: Int) {
        jobCounts[.init(host: job.host.description, state: job.state), default: 0] += change
        tallies[TallyKey(job), default: 0] += change
        guard job.state == .held || job.state == .queued else { return }
        for key in BacklogKey.keys(of: job) {
            backlogs.add(Backlog(jobs: change, octets: change * job.deck.octets), to: key)
        }
    }

    /// Labels and priority, which no action changes; `update` leaves them as they are.
    func amend(_ stored: StoredJob) throws {
        let job = stored.job
        try run(
            "UPDATE jobs SET labels = ?, priority = ?, version = ?, changed_at = ? WHERE row = ?",
            [
                .text(Labels.encode(job.labels)), .int(job.priority), .int(job.version), .time(job.changedAt),
                .int(stored.row),
            ])
        jobs[job.id] = stored
        try run("DELETE FROM labels WHERE job = ?", [.int(stored.row)])
        try insertLabels(of: stored)
        note(job)
    }

    func insertLabels(of stored: StoredJob) throws {
        for label in stored.job.labels {
            // A key that stands twice with the same value is one label to a filter.
            try run(
                "INSERT OR IGNORE INTO labels (key, value, id, job) VALUES (?, ?, ?, ?)",
                [.text(label.key), .text(label.value), .id(stored.job.id), .int(stored.row)])
        }
    }

    func noteDeck(of job: JobID, isDamaged: Bool) { damagedDecks[job] = isDamaged }

    /// As this transaction sees it.
    func backlog(_ key: BacklogKey) -> Backlog {
        let kept = memory.contents.withLock { $0.backlogs[key] ?? Backlog() }
        return backlogs[key].map { kept + $0 } ?? kept
    }

    func countDelivery(_ state: DeliveryState, by change: Int = 1) { deliveryCounts[state, default: 0] += change }

    // MARK: Endpoints and events

    func insertEndpoint(_ request: Submission.NotifyRequest, of stored: StoredJob) throws {
        let owner = stored.job.owner.description
        try run(
            "INSERT INTO endpoints (owner, url, events, job, state, created_at, secrets) VALUES (?, ?, ?, ?, 'active', ?, ?)",
            [
                .text(owner), .text(request.url), .text(request.events.joined(separator: " ")), .int(stored.row),
                .time(stored.job.createdAt), .text(request.secret ?? ""),
            ])
        newEndpoints[stored.row, default: []].append(
            StoredEndpoint(row: connection.lastRow, owner: owner, events: request.events))
    }

    /// What commits from now on see.
    func publish(_ endpoint: StoredEndpoint?, row: Int64) { endpointChanges[row] = .some(endpoint) }

    func forget(endpoint: Int64, ofJob job: Int64) { goneEndpoints[job, default: []].insert(endpoint) }

    /// Endpoints that take events of an owner; of all owners for nil.
    private func ownedEndpoints(_ owner: String?) -> [StoredEndpoint] {
        let kept = memory.contents.withLock { contents in
            owner.map { contents.ownedEndpoints[$0] ?? [] } ?? contents.ownedEndpoints.values.flatMap { $0 }
        }
        if endpointChanges.isEmpty { return kept }
        let changed = endpointChanges.values.compactMap { $0 }.filter { owner == nil || $0.owner == owner }
        return kept.filter { endpointChanges[$0.row] == nil } + changed
    }

    /// The event of a job that entered its state, with a delivery for each endpoint that wants it.
    func appendEvent(of stored: StoredJob, previous: JobState?, files: [SpoolFile]) throws {
        let job = stored.job
        let ofJob =
            memory.contents.withLock { $0.jobEndpoints[stored.row] ?? [] } + (newEndpoints[stored.row] ?? [])
        let gone = goneEndpoints[stored.row] ?? []
        let (event, hasDeliveries) = try appendEvent(
            type: EventBody.type(entering: job.state), job: job.id, owner: job.owner, host: nil, at: job.changedAt,
            body: EventBody.job(job, previous: previous, files: files),
            endpoints: ofJob.filter { !gone.contains($0.row) }
                + ownedEndpoints(job.owner.description).filter { $0.takes(host: job.host, labels: job.labels) })
        if job.state.isFinal, !ofJob.isEmpty {
            try run(
                "UPDATE endpoints SET state = CASE WHEN EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_pending "
                    + "WHERE endpoint = endpoints.row AND state = 'pending') THEN 'closed' ELSE 'done' END "
                    + "WHERE job = ? AND state = 'active'", [.int(stored.row)])
            endedJobs.append(stored.row)
        }
        committed.append(Committed(job: job, event: event, hasDeliveries: hasDeliveries))
    }

    /// An event of no job goes to every owner's endpoints that want its type, or to those of one owner.
    /// - Parameter host: what it tells of, for endpoints that look at few hosts only.
    @discardableResult
    func appendEvent(
        type: String, owner: Owner? = nil, host: HostID? = nil, at time: Timestamp, body: [UInt8]
    ) throws -> Event {
        let (event, hasDeliveries) = try appendEvent(
            type: type, job: nil, owner: owner, host: host, at: time, body: body,
            endpoints: ownedEndpoints(owner?.description).filter { $0.takes(host: host, labels: []) })
        committed.append(Committed(job: nil, event: event, hasDeliveries: hasDeliveries))
        return event
    }

    /// An endpoint was made, changed or deleted.
    func note(_ endpoint: EndpointID) {
        committed.append(Committed(job: nil, event: nil, hasDeliveries: false, endpoint: endpoint))
    }

    /// Deliveries became due without an event.
    func noteDeliveries() { committed.append(Committed(job: nil, event: nil, hasDeliveries: true)) }

    var lastRow: Int64 { connection.lastRow }

    /// A change of a row without an event.
    func note(_ job: Job) { committed.append(Committed(job: job, event: nil, hasDeliveries: false)) }

    func finish(_ part: SpoolPart) { finishedParts.append(part) }

    private func appendEvent(
        type: String, job: JobID?, owner: Owner?, host: HostID?, at time: Timestamp, body: [UInt8],
        endpoints: [StoredEndpoint]
    ) throws -> (Event, hasDeliveries: Bool) {
        let event = Event(
            sequence: lastSequence + 1, id: "evt_\(JobID(at: time))", type: type, job: job, at: time, body: body)
        try run(
            "INSERT INTO events (sequence, id, type, job, owner, host, at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .int(event.sequence), .text(event.id), .text(type), job.map { .id($0) } ?? .null,
                .optional(owner?.description), .optional(host?.description), .time(time), .blob(body),
            ])
        lastSequence = event.sequence
        var hasDeliveries = false
        for endpoint in endpoints where endpoint.takes(type: type) {
            #if SEEDED_BUG_5  // the delivery is stored in a second commit
                later {
                    try $0.addDelivery(of: event, to: endpoint)
                    $0.noteDeliveries()
                }
            #else
                try addDelivery(of: event, to: endpoint)
                hasDeliveries = true
            #endif
        }
        return (event, hasDeliveries)
    }

    private func addDelivery(of event: Event, to endpoint: StoredEndpoint) throws {
        try run(
            "INSERT INTO deliveries (event, endpoint, state, next_at, attempts) VALUES (?, ?, 'pending', ?, 0)",
            [.int(event.sequence), .int(endpoint.row), .time(event.at)])
        countDelivery(.pending)
    }
}
