package import Jobs

/// What goes, and when: the store takes things out in small commits, so that no writer waits long for one. When to call
/// is the engine's.
package protocol RetentionStore: AnyObject, Sendable {
    /// Removes an ended job with deck, print-out, attempts, webhook log and idempotency key, in one commit with the event
    /// `job.purged`. Its events stay until their own age.
    /// - Returns: the job, as `purged`.
    /// - Throws: `.noSuchJob`; `.conflict` when it has not ended; `.undelivered` while webhooks still have to tell of it.
    func purge(_ job: JobID, reason: String?, at time: Timestamp, audit: AuditEntry?) async throws(StoreError) -> Job

    /// Takes one batch of what is older than a time, the oldest first, in one commit.
    /// - Parameter mark: where the batch before it ended; of one kind, for one pass.
    func sweep(
        _ kind: RetentionKind, olderThan age: Timestamp, from mark: RetentionMark?, limit: Int, at time: Timestamp
    ) async throws(StoreError) -> SweepStep

    /// What decks and print-out take, by owner; counted for each job, also where two share a file.
    func storedOctets() async throws(StoreError) -> [Owner: Int]

    /// The last event of a job, also when the job was purged.
    func lastEvent(of job: JobID) async throws(StoreError) -> Event?

    /// What did not fit together when the store was opened.
    nonisolated var openReport: OpenReport { get }

    /// Bodies found damaged or missing that have not been found sound since, the oldest jobs first, at most `limit`.
    func damagedBodies(limit: Int) async throws(StoreError) -> [DamagedBody]
}

package enum RetentionKind: String, CaseIterable, Sendable {
    /// Ended jobs, whole; age counts from their end. Those with webhooks still to be told are left.
    case jobs
    /// Decks of ended jobs.
    case decks
    /// Print-out and punch of ended jobs; left while webhooks still have to tell of it.
    case outputs
    /// Webhooks that were delivered or given up, with their attempts.
    case deliveries
    /// What receivers answered to webhooks; the tries stay in the log with status and times.
    case answers
    /// Events, always from the beginning of the sequence, up to the first whose webhooks are not done. The last one stays.
    case events
    case audit
    /// Deck and output of ended jobs together; left while webhooks still have to tell of the job.
    case bodies

    /// Those that have an age.
    package static let aged: [RetentionKind] = [.jobs, .decks, .outputs, .deliveries, .answers, .events, .audit]
}

/// The last job that a batch looked at.
package struct RetentionMark: Equatable, Sendable {
    package let endedAt: Timestamp
    package let job: JobID
    package init(endedAt: Timestamp, job: JobID) {
        self.endedAt = endedAt
        self.job = job
    }
}

package struct SweepStep: Equatable, Sendable {
    package var removed: Int
    /// Old enough, but webhooks still have to tell of it.
    package var kept: Int
    /// nil: there is nothing more that is old enough.
    package var next: Next?

    package enum Next: Equatable, Sendable {
        case after(RetentionMark)
        case again
    }

    package init(removed: Int = 0, kept: Int = 0, next: Next? = nil) {
        self.removed = removed
        self.kept = kept
        self.next = next
    }
}

package struct DamagedBody: Equatable, Sendable {
    package let job: JobID
    /// nil: the deck.
    package let file: Int?
    package init(job: JobID, file: Int?) {
        self.job = job
        self.file = file
    }
}
