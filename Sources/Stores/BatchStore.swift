package import Jobs

/// Jobs that were handed in together: stored in one commit, followed and ended one by one.
package protocol BatchStore: Sendable {
    /// All jobs with their events, and the key if there is one, in one commit, or nothing.
    func submit(_ submission: BatchSubmission) async throws(StoreError) -> BatchResult

    /// nil: there never was one, or all its jobs are purged.
    func batch(_ id: BatchID) async throws(StoreError) -> Batch?

    /// What is left of its jobs, in the order in which they were handed in.
    func jobs(of batch: BatchID) async throws(StoreError) -> [Job]

    /// The deck as it was submitted; nil when it is the one that is sent.
    func submittedDeck(of job: JobID) async throws(StoreError) -> SubmittedDeck?
}

package struct Batch: Equatable, Sendable {
    package let id: BatchID
    package let owner: Owner
    package let host: HostID
    package let createdAt: Timestamp
    /// Jobs it was made with.
    package let size: Int

    package init(id: BatchID, owner: Owner, host: HostID, createdAt: Timestamp, size: Int) {
        self.id = id
        self.owner = owner
        self.host = host
        self.createdAt = createdAt
        self.size = size
    }
}

package struct BatchSubmission: Sendable {
    package var batch: Batch
    /// Of one host and one owner; their own keys count for nothing.
    package var jobs: [Submission]
    package var idempotency: Submission.Idempotency?

    package init(batch: Batch, jobs: [Submission], idempotency: Submission.Idempotency? = nil) {
        self.batch = batch
        self.jobs = jobs
        self.idempotency = idempotency
    }
}

package enum BatchResult: Equatable, Sendable {
    case created([Job])
    /// The same request came before: its batch and the answer given then.
    case replayed(BatchID, answer: [UInt8])
    /// The key is bound to another request.
    case keyReused(SubmissionResult.KeyHolder)
    /// Too much waits already; nothing was written.
    case overLimit(LimitHit)
}

/// What a client sent, where symbols, a template or the like made something else of it.
package struct SubmittedDeck: Equatable, Sendable {
    package let hash: ContentHash
    package let octets: Int
    /// nil: too long to be kept beside what is sent.
    package let content: [UInt8]?

    package init(hash: ContentHash, octets: Int, content: [UInt8]?) {
        self.hash = hash
        self.octets = octets
        self.content = content
    }
}
