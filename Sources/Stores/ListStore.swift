package import Jobs

/// What lists, counts and event streams read, and the two things of a job that can be changed at any time.
package protocol ListStore: AnyObject, Sendable {
    /// A page of a list, in its order. Looks at a bounded number of jobs, however rare those are that it is asked for.
    func page(_ query: JobQuery) async throws(StoreError) -> JobPage

    /// How many jobs match, by host, owner, state and outcome; order, place and limit of the query do not matter.
    /// - Returns: `isComplete` false: more would match than were looked at.
    func tallies(_ query: JobQuery) async throws(StoreError) -> (tallies: [JobTally], isComplete: Bool)

    /// The job that an owner's idempotency key is bound to.
    func job(withKey key: String, of owner: Owner) async throws(StoreError) -> JobID?

    /// Events after a sequence number that an owner may see, oldest first: those of his jobs, and those that belong to nobody.
    func events(after sequence: Int64, of owner: Owner, limit: Int) async throws(StoreError) -> [Event]

    /// The lowest sequence number that is still kept; nil: there is no event.
    func firstSequence() async throws(StoreError) -> Int64?

    /// Changes labels and priority in one commit; the state stays, so there is no event.
    /// - Parameter change: says what of the job, as it is in the commit, becomes another; nil: nothing is written.
    /// - Returns: the job as committed; nil when `change` wanted nothing.
    /// - Throws: `.noSuchJob`.
    func amend(
        _ job: JobID, at time: Timestamp, audit: AuditEntry?, _ change: @escaping @Sendable (Job) -> JobAmendment?
    ) async throws(StoreError) -> Job?

    /// Whether the deck was found damaged, and not sound again since.
    nonisolated func hasDamagedDeck(_ job: JobID) -> Bool
}

package struct JobAmendment: Equatable, Sendable {
    /// All labels, in order of their keys.
    package var labels: [Job.Label]
    package var priority: Int

    package init(labels: [Job.Label], priority: Int) {
        self.labels = labels
        self.priority = priority
    }
}
