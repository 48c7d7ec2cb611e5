package import Jobs
package import Stores

extension JobDesk {
    /// The deck of a job, to be handed in again as another job's.
    package func deckAgain(of job: Job) async throws(StoreError) -> DeckIntake.Taken {
        guard let name = job.name else { throw .corrupt(what: "the name of the job \(job.id)") }
        let deck = try await store.deck(of: job.id)
        let copy = try await store.stageBody()
        while true {
            let piece = try await deck.read(from: copy.octets, count: 128 * 1024)
            if piece.isEmpty { break }
            try await copy.append(piece)
        }
        return DeckIntake.Taken(
            body: try await copy.finish(), name: name, summary: job.deck, original: nil, hasTemplate: false,
            warnings: [],
            firstLine: 1)
    }

    /// Changes labels and priority.
    /// - Returns: nil when `change` wanted nothing, for the job as it is in the commit.
    package func amend(
        _ job: Job, by principal: Principal, _ words: String, _ change: @escaping @Sendable (Job) -> JobAmendment?
    ) async throws(StoreError) -> Job? {
        let now = clock.now()
        let audit = AuditEntry(
            at: now, by: principal, owner: job.owner, action: "job.amend", subject: job.id.description, detail: words)
        return try await store.amend(job.id, at: now, audit: audit, change)
    }
}
