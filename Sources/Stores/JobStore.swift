package import Jobs

/// What every back end promises. One contract suite runs over all of them.
///
/// A call that writes returns after the commit is on stable storage; what it returns is what was committed. Every
/// change of a job's state is one commit of job row, event row and delivery rows. Observers are told after the commit.
package protocol JobStore: DeliveryStore, EndpointStore, AuditStore, UnclaimedStore, RetentionStore, BatchStore,
    KeyStore, ListStore
{
    /// Job, deck, first event, deliveries and idempotency key in one commit.
    ///
    /// An idempotency key that is already bound answers `.replayed` or `.keyReused` and writes nothing; two at the same
    /// moment are decided inside the commit. The staged deck belongs to the store afterwards, whatever the answer.
    func submit(_ submission: Submission) async throws(StoreError) -> SubmissionResult

    /// Applies one change in one commit.
    /// - Returns: the job as committed.
    /// - Throws: `.noSuchJob`; `.conflict` when the job's state does not allow the action (nothing is written then).
    func commit(_ change: JobChange) async throws(StoreError) -> Job

    func job(_ id: JobID) async throws(StoreError) -> Job?

    /// The job as last committed, if it lies in memory: for callers that may not suspend. nil says nothing about the job.
    nonisolated func cachedJob(_ id: JobID) -> Job?

    /// What is asked for, in its order, at most `query.limit`; looks at all there are, so only for queries that an index answers.
    func jobs(_ query: JobQuery) async throws(StoreError) -> [Job]

    /// How many jobs there are by host and state. Exact, from a count kept with the commits or an index.
    func jobCounts() async throws(StoreError) -> [JobCount]

    /// Queued jobs of a host whose `notBefore` has passed: at most `perOwner` of each owner, each owner's best first (priority, then
    /// age), so that one owner with 100,000 jobs hides nobody else's.
    func sendable(on host: HostID, perOwner: Int, at time: Timestamp) async throws(StoreError) -> [Job]

    /// How many sendable jobs of the same host go before this queued one, by priority and age over all owners; counted up to
    /// `mostCounted`.
    func jobsBefore(_ job: Job, mostCounted: Int) async throws(StoreError) -> Int

    /// Jobs in `sending`, `uncertain`, `submitted`, `running` or `printing` on a host, oldest first.
    func underWay(on host: HostID) async throws(StoreError) -> [Job]

    /// Jobs whose `notAfter` has passed while they were `held` or `queued`.
    func overdue(at time: Timestamp, limit: Int) async throws(StoreError) -> [JobID]

    /// Running jobs that have run for their `timeout` and are not to be canceled yet.
    func timedOut(at time: Timestamp, limit: Int) async throws(StoreError) -> [JobID]

    /// What waits for a host, and what waits of an owner: from counts kept with the commits.
    nonisolated func backlog(of host: HostID) -> Backlog
    nonisolated func backlog(of owner: Owner) -> Backlog

    /// All attempts of a job, oldest first.
    func attempts(of job: JobID) async throws(StoreError) -> [Attempt]

    /// What was kept of the job's sessions with its host, oldest first.
    func frames(of job: JobID) async throws(StoreError) -> [StoredFrames]

    // Bodies: decks and print-out.

    /// A place for a body of unknown length: in memory up to 64 KiB, in a file beyond. Nothing is visible until a commit names it.
    func stageBody() async throws(StoreError) -> any BodyWriter

    /// The deck as it was submitted, checked against its hash while it is read.
    func deck(of job: JobID) async throws(StoreError) -> any BodyReader

    /// The complete spool files of a job, in order.
    func spoolFiles(of job: JobID) async throws(StoreError) -> [SpoolFile]

    func spoolBody(of job: JobID, file number: Int) async throws(StoreError) -> any BodyReader

    /// Where taking a file goes on: a writer that holds what an earlier run made durable by `checkpoint()` for the same
    /// job and number (and was not committed), empty otherwise.
    func resumeSpoolFile(of job: JobID, file number: Int) async throws(StoreError) -> any BodyWriter

    // Events.

    /// Events after a sequence number, oldest first. `job`: of one job only.
    func events(after sequence: Int64, job: JobID?, limit: Int) async throws(StoreError) -> [Event]

    /// The same without waiting, from memory.
    /// - Returns: nil when what follows `sequence` is not all there.
    nonisolated func recentEvents(after sequence: Int64, job: JobID?, limit: Int) -> EventTail?

    /// The last committed sequence number, 0 when there is none.
    func lastSequence() async throws(StoreError) -> Int64

    /// Appends an event that belongs to no job (`host.up`, ...).
    /// - Parameter host: what it tells of, for endpoints that look at few hosts only.
    func append(type: String, host: HostID?, body: [UInt8], at time: Timestamp) async throws(StoreError) -> Event

    /// Called after each commit with what it changed, in the order of the commits, on the store's thread: must be quick.
    func observe(_ observer: @escaping @Sendable ([Committed]) -> Void)

    // Hosts.

    /// Why a host is refused, kept over restarts so that a bad password is not tried again by one.
    func refusal(of host: HostID) async throws(StoreError) -> HostRefusal?
    /// nil: no longer refused.
    func setRefusal(_ refusal: HostRefusal?, of host: HostID) async throws(StoreError)

    /// Whether writes are acknowledged at all; anyone may ask at any time.
    nonisolated var health: StoreHealth { get }
    nonisolated var figures: StoreFigures { get }

    /// Returns when the thread that writes has come round: for `/livez`, whatever the state of the disk.
    func ping() async

    /// When the job that has waited longest for its host came, by host; those whose time has not come do not count.
    func oldestQueued() async throws(StoreError) -> [HostID: Timestamp]
    /// Whether an operator has stopped sending to a host, kept over restarts.
    func isDraining(_ host: HostID) async throws(StoreError) -> Bool
    func setDraining(_ isDraining: Bool, of host: HostID, audit entry: AuditEntry) async throws(StoreError)

    /// Whether writes work, for `/readyz`: performs (or has lately performed) a durable write.
    func checkWritable() async throws(StoreError)

    /// Ends all work; later calls throw `.closed`.
    func close() async
}

extension JobStore {
    package nonisolated func cachedJob(_ id: JobID) -> Job? { nil }
    package nonisolated func recentEvents(after sequence: Int64, job: JobID?, limit: Int) -> EventTail? { nil }
    package func append(type: String, body: [UInt8], at time: Timestamp) async throws(StoreError) -> Event {
        try await append(type: type, host: nil, body: body, at: time)
    }
}

package enum StoreHealth: Equatable, Sendable {
    case open
    /// No write is acknowledged any more until the program is started again; reads go on.
    case stopped(String)
    case closed
}

package enum StoreError: Error, Equatable {
    case noSuchJob(JobID)
    case conflict(JobConflict)
    /// Another job of ours is the one that the host knows under this number.
    case hostJobTaken(JobNumber, by: JobID)
    case noSuchFile(JobID, Int)
    /// A stored body does not match its hash or its length.
    case corrupt(what: String)
    /// A stored body was removed by age.
    case purged(what: String)
    /// The job cannot be purged yet: so many webhooks still have to tell of it.
    case undelivered(JobID, Int)
    /// Disk full, I/O error, ... in the words of the system. Nothing was committed.
    case unavailable(String)
    case closed
}

/// What one commit does to one job.
package struct JobChange: Sendable {
    package var job: JobID
    /// nil: only the attempt or the files change (an attempt that enters its closing window).
    package var action: JobAction?
    package var at: Timestamp
    package var attempt: AttemptChange?
    /// Complete spool files to be recorded with this commit; numbers that are already recorded are replaced.
    package var files: [FinishedSpoolFile]
    /// Who wanted the change, when it was somebody: written with it.
    package var audit: AuditEntry?
    /// What went over the lines on behalf of the last attempt since the last such commit.
    package var frames: FrameLog?

    package enum AttemptChange: Sendable {
        /// A new row; its number is the job's attempt count after `beginSending`. `closing`: the deck goes out in one piece
        /// right after this commit.
        case open(session: String, closing: Bool)
        /// The last attempt is now closing.
        case closing
        /// The last attempt is settled.
        case end(evidence: String?)
        /// The last attempt stays open, with what was seen.
        case note(evidence: String)
    }

    package init(
        _ action: JobAction?, of job: JobID, at: Timestamp, attempt: AttemptChange? = nil,
        files: [FinishedSpoolFile] = [], audit: AuditEntry? = nil
    ) {
        self.job = job
        self.action = action
        self.at = at
        self.attempt = attempt
        self.files = files
        self.audit = audit
    }
}

package struct FinishedSpoolFile: Sendable {
    package let file: SpoolFile
    package let body: StagedBody
    package init(file: SpoolFile, body: StagedBody) {
        self.file = file
        self.body = body
    }
}

package struct Submission: Sendable {
    package var job: Job
    /// What is sent.
    package var deck: StagedBody
    /// What was submitted, if that is something else.
    package var submittedDeck: SubmittedDeck?
    package var notify: [NotifyRequest]
    package var idempotency: Idempotency?
    /// Written when the job is made, not for a repeat.
    package var audit: AuditEntry?
    /// What may wait for its host, and what may wait of its owner.
    package var hostLimits = BacklogLimits()
    package var ownerLimits = BacklogLimits()

    package struct NotifyRequest: Equatable, Sendable {
        package var url: String
        /// Exact types or trailing wildcards (`job.*`).
        package var events: [String]
        /// `whsec_`; nil: the gateway's.
        package var secret: String?
        package init(url: String, events: [String], secret: String? = nil) {
            self.url = url
            self.events = events
            self.secret = secret
        }
    }

    package struct Idempotency: Equatable, Sendable {
        package var key: String
        /// SHA-256 over what makes two requests the same.
        package var fingerprint: ContentHash
        /// What was answered, to be replayed to the byte.
        package var answer: [UInt8]
        package init(key: String, fingerprint: ContentHash, answer: [UInt8]) {
            self.key = key
            self.fingerprint = fingerprint
            self.answer = answer
        }
    }

    package init(job: Job, deck: StagedBody, notify: [NotifyRequest] = [], idempotency: Idempotency? = nil) {
        self.job = job
        self.deck = deck
        self.notify = notify
        self.idempotency = idempotency
    }
}

package enum SubmissionResult: Equatable, Sendable {
    /// What a key has made.
    package enum KeyHolder: Equatable, Sendable {
        case job(JobID)
        case batch(BatchID)
    }

    case created(Job)
    /// The same request came before: its job and the answer given then.
    case replayed(JobID, answer: [UInt8])
    /// The key is bound to another request.
    case keyReused(KeyHolder)
    /// Too much waits already; nothing was written.
    case overLimit(LimitHit)
}

package struct JobCount: Equatable, Sendable {
    package let host: HostID
    package let state: JobState
    package let count: Int
    package init(host: HostID, state: JobState, count: Int) {
        self.host = host
        self.state = state
        self.count = count
    }
}

/// One job as a commit left it, with the event if the commit made one.
package struct Committed: Sendable {
    package let job: Job?
    package let event: Event?
    /// Deliveries were written with it: the webhook sender has work.
    package let hasDeliveries: Bool
    /// An endpoint was made, changed or deleted.
    package let endpoint: EndpointID?
    package init(job: Job?, event: Event?, hasDeliveries: Bool, endpoint: EndpointID? = nil) {
        self.endpoint = endpoint
        self.job = job
        self.event = event
        self.hasDeliveries = hasDeliveries
    }
}

package struct HostRefusal: Equatable, Sendable {
    package let reason: String
    /// Hash of the credential that was refused: another one may be tried.
    package let credential: ContentHash
    package let at: Timestamp
    package init(reason: String, credential: ContentHash, at: Timestamp) {
        self.reason = reason
        self.credential = credential
        self.at = at
    }
}
