package import Jobs
import Stations
package import Stores

/// What a request to hold or release did.
package enum HoldEffect: String, Sendable {
    case held, released
    case heldAtHost = "held-at-host"
    case releasedAtHost = "released-at-host"
    case nothing
}

/// What clients and operators ask of a job.
extension JobDesk {
    /// Cancels a job where it is; the host is asked by the engine when it must be.
    /// - Throws: `DeskError.lacks` when the host has the job and cannot cancel, `StoreError`.
    package func cancel(_ id: JobID, by principal: Principal? = nil) async throws -> (job: Job, effect: CancelEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state.isFinal { return (before, Self.effect(ofCanceling: before)) }
        if before.state.isAtHost, before.cancelRequestedAt == nil { try need(.cancel, "cancel", before.host) }
        do throws(StoreError) {
            let job = try await commit(.cancel, before, by: principal, "job.cancel")
            return (job, job.cancelEffect ?? .requestedAtHost)
        } catch {
            // It ended between the look and the commit.
            guard case .conflict = error, let job = try await store.job(id), job.state.isFinal else { throw error }
            return (job, Self.effect(ofCanceling: job))
        }
    }

    /// Again, the same answer; a job that ended otherwise is canceled too late.
    private static func effect(ofCanceling job: Job) -> CancelEffect {
        job.state == .canceled ? job.cancelEffect ?? .tooLate : .tooLate
    }

    /// Keeps a job from being sent, or, when the host has it, from being run.
    /// - Throws: `DeskError`, `StoreError`.
    package func hold(_ id: JobID, by principal: Principal? = nil) async throws -> (job: Job, effect: HoldEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state == .held { return (before, .nothing) }
        if before.state == .submitted {
            try await ask(before) { (station, number) throws(StationError) in try await station.hold(number) }
            return (try await note(.heldAtHost, before, by: principal, "job.hold"), .heldAtHost)
        }
        return (try await commit(.hold, before, by: principal, "job.hold"), .held)
    }

    /// - Throws: `DeskError`, `StoreError`.
    package func release(_ id: JobID, by principal: Principal? = nil) async throws -> (job: Job, effect: HoldEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state == .queued { return (before, .nothing) }
        if before.state == .submitted {
            try await ask(before) { (station, number) throws(StationError) in try await station.release(number) }
            return (try await note(.releasedAtHost, before, by: principal, "job.release"), .releasedAtHost)
        }
        return (try await commit(.release, before, by: principal, "job.release"), .released)
    }

    /// - Parameters:
    ///   - principal: nil: nobody's doing, so that the audit log does not have it.
    ///   - deed: what the audit log calls it.
    private func commit(
        _ action: JobAction, _ job: Job, by principal: Principal?, _ deed: String
    ) async throws(StoreError) -> Job {
        let now = clock.now()
        let audit = principal.map {
            AuditEntry(at: now, by: $0, owner: job.owner, action: deed, subject: job.id.description)
        }
        return try await store.commit(JobChange(action, of: job.id, at: now, audit: audit))
    }

    /// The host did it; a job that has moved on meanwhile needs no note of it.
    private func note(
        _ action: JobAction, _ job: Job, by principal: Principal?, _ deed: String
    ) async throws(StoreError) -> Job {
        do {
            return try await commit(action, job, by: principal, deed)
        } catch {
            guard case .conflict = error, let job = try await store.job(job.id) else { throw error }
            return job
        }
    }

    /// Settles an uncertain job by the word of somebody who knows; the audit log has it in the same commit.
    package func resolve(
        _ id: JobID, _ decision: JobAction.Decision, by principal: Principal
    ) async throws(StoreError) -> Job {
        guard let job = try await store.job(id) else { throw .noSuchJob(id) }
        let now = clock.now()
        let words =
            switch decision {
            case .adopt(let number): "adopted as \(number)"
            case .resend: "sent again"
            case .abandon: "given up"
            }
        return try await store.commit(
            JobChange(
                .decided(decision, by: principal.owner.description), of: id, at: now,
                attempt: .end(evidence: nil),
                audit: AuditEntry(
                    at: now, by: principal, owner: job.owner, action: "job.resolve", subject: id.description,
                    detail: "\(words); before: \(job.reason ?? "no evidence")")))
    }

    /// Sends nothing more to a host, or again; kept over restarts.
    package func setDraining(
        _ isDraining: Bool, _ host: HostProfile, by principal: Principal
    ) async throws(StoreError) {
        try await store.setDraining(
            isDraining, of: host.id,
            audit: AuditEntry(
                at: clock.now(), by: principal, action: isDraining ? "host.drain" : "host.resume",
                subject: host.id.description))
        if isDraining { host.pool.drain() } else { host.pool.resume() }
    }

    /// Lets a host that refused be called again.
    package func retry(_ host: HostProfile, by principal: Principal) async throws(StoreError) {
        try await store.setRefusal(nil, of: host.id)
        try await store.record(
            AuditEntry(at: clock.now(), by: principal, action: "host.retry", subject: host.id.description))
        host.pool.operatorActed()
    }

    // MARK: asking the host

    private static let longestQuestion = Duration.seconds(10)

    func need(_ ability: Abilities, _ name: String, _ id: HostID) throws(DeskError) {
        guard let abilities = host(id)?.pool.abilities, !abilities.contains(ability) else { return }
        throw .lacks(host: id, ability: name)
    }

    /// Asks the host about a job it has, within a time that a client can wait for.
    private func ask(
        _ job: Job, _ question: @escaping @Sendable (any Station, JobNumber) async throws(StationError) -> Void
    ) async throws {
        guard let host = host(job.host), let number = job.hostJob else {
            throw DeskError.hostSilent(job.host, "it is not configured any more")
        }
        try need(.hold, "hold", host.id)
        try await ask(host, for: job.owner) { station throws(StationError) in try await question(station, number) }
    }

    /// Asks the host over a session of its pool, within a time that a client can wait for.
    func ask<Answer: Sendable>(
        _ host: HostProfile, for owner: Owner,
        _ question: @escaping @Sendable (any Station) async throws(StationError) -> Answer
    ) async throws -> Answer {
        let now = clock.now()
        do {
            return try await withThrowingTaskGroup(of: Answer?.self) { group in
                group.addTask {
                    let lease = try await host.pool.lease(
                        owner: owner, priority: 15, submittedAt: now, purpose: .control)
                    defer { lease.release() }
                    return try await question(lease.station)
                }
                group.addTask {
                    try await Task.sleep(for: Self.longestQuestion)
                    throw StationError.deadline("\(Self.longestQuestion.components.seconds) s passed")
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next() ?? nil else { throw StationError.closed }
                return answer
            }
        } catch let error as StationError {
            switch error {
            case .lacks(let ability): throw DeskError.lacks(host: host.id, ability: ability)
            case .refused(let words): throw DeskError.hostRefused(host.id, words)
            default: throw DeskError.hostSilent(host.id, error.description)
            }
        }
    }
}
