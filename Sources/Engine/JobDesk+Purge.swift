package import Jobs
package import Stores

extension JobDesk {
    /// Removes an ended job for good; the audit log keeps who wanted it.
    package func purge(_ job: Job, by principal: Principal) async throws(StoreError) -> Job {
        let now = clock.now()
        let audit = AuditEntry(
            at: now, by: principal, owner: job.owner, action: "job.purge", subject: job.id.description,
            detail: [job.host.description, job.name?.description, job.state.rawValue].compactMap(\.self)
                .joined(separator: " "))
        return try await store.purge(job.id, reason: "on request", at: now, audit: audit)
    }
}
