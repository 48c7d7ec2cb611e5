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
    package func cancel(_ id: JobID) async throws -> (job: Job, effect: CancelEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state.isFinal { return (before, Self.effect(ofCanceling: before)) }
        if before.state.isAtHost, before.cancelRequestedAt == nil { try need(.cancel, "cancel", before.host) }
        do throws(StoreError) {
            let job = try await store.commit(JobChange(.cancel, of: id, at: clock.now()))
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
    package func hold(_ id: JobID) async throws -> (job: Job, effect: HoldEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state == .held { return (before, .nothing) }
        if before.state == .submitted {
            try await ask(before) { (station, number) throws(StationError) in try await station.hold(number) }
            return (try await note(.heldAtHost, id), .heldAtHost)
        }
        return (try await store.commit(JobChange(.hold, of: id, at: clock.now())), .held)
    }

    /// - Throws: `DeskError`, `StoreError`.
    package func release(_ id: JobID) async throws -> (job: Job, effect: HoldEffect) {
        guard let before = try await store.job(id) else { throw StoreError.noSuchJob(id) }
        if before.state == .queued { return (before, .nothing) }
        if before.state == .submitted {
            try await ask(before) { (station, number) throws(StationError) in try await station.release(number) }
            return (try await note(.releasedAtHost, id), .releasedAtHost)
        }
        return (try await store.commit(JobChange(.release, of: id, at: clock.now())), .released)
    }

    /// The host did it; a job that has moved on meanwhile needs no note of it.
    private func note(_ action: JobAction, _ id: JobID) async throws(StoreError) -> Job {
        do {
            return try await store.commit(JobChange(action, of: id, at: clock.now()))
        } catch {
            guard case .conflict = error, let job = try await store.job(id) else { throw error }
            return job
        }
    }

    /// Settles an uncertain job by the word of somebody who knows; the audit log has it in the same commit.
    package func resolve(_ id: JobID, _ decision: JobAction.Decision, by actor: Owner) async throws(StoreError) -> Job {
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
                .decided(decision, by: actor.description), of: id, at: now,
                attempt: .end(evidence: nil),
                audit: AuditEntry(
                    at: now, owner: job.owner, actor: actor.description, action: "job.resolve",
                    subject: id.description, detail: "\(words); before: \(job.reason ?? "no evidence")")))
    }

    /// Sends nothing more to a host, or again; kept over restarts.
    package func setDraining(_ isDraining: Bool, _ host: HostProfile, by actor: Owner) async throws(StoreError) {
        try await store.setDraining(
            isDraining, of: host.id,
            audit: AuditEntry(
                at: clock.now(), owner: actor, actor: actor.description,
                action: isDraining ? "host.drain" : "host.resume", subject: host.id.description))
        if isDraining { host.pool.drain() } else { host.pool.resume() }
    }

    // MARK: asking the host

    private static let longestQuestion = Duration.seconds(10)

    private func need(_ ability: Abilities, _ name: String, _ id: HostID) throws(DeskError) {
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
        let now = clock.now()
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let lease = try await host.pool.lease(
                        owner: job.owner, priority: 15, submittedAt: now, purpose: .control)
                    defer { lease.release() }
                    try await question(lease.station, number)
                }
                group.addTask {
                    try await Task.sleep(for: Self.longestQuestion)
                    throw StationError.deadline("\(Self.longestQuestion.components.seconds) s passed")
                }
                defer { group.cancelAll() }
                try await group.next()
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
