import Jobs
import Logging
import Stations
import Stores
import Synchronization

extension HostRunner {
    func settleUncertain(_ id: JobID) async {
        defer { letGo(id) }
        await settle(id)
    }

    /// Finds out with the host what became of a deck whose line was lost in the closing window; until it is known, or policy decides.
    func settle(_ id: JobID) async {
        while !Task.isCancelled {
            do {
                if try await FrameTape.$current.withValue(FrameTape(), operation: { try await trySettling(id) }) {
                    return
                }
            } catch let error as StationError where error == .closed {
                return
            } catch {
                log.notice("an uncertain job is not settled yet", metadata: ["job": "\(id)", "error": "\(error)"])
                await pause(settings.busyPause)
            }
        }
    }

    /// - Returns: whether there is nothing more to do.
    private func trySettling(_ id: JobID) async throws -> Bool {
        guard let job = try await uncertain(id) else { return true }
        let lease = try await host.pool.lease(
            owner: job.owner, priority: job.priority, submittedAt: job.createdAt, purpose: .control)
        defer { lease.release() }
        // While it waited for the lease an operator may have decided, or a print-out come.
        guard let job = try await uncertain(id) else { return true }
        let attempt = try await store.attempts(of: id).last
        let since = attempt?.openedAt ?? job.createdAt
        let remembers = lease.station.keyMemory.map { since.advanced(by: $0) > clock.now() } ?? false
        guard lease.station.abilities.contains(.submissionKey), remembers else {
            return try await settleByName(job, with: lease.station)
        }
        do throws(StationError) {
            return try await settleByKey(job, with: lease.station)
        } catch {
            guard error != .closed else { throw error }
            let seen = attempt?.evidence?.prefix(while: { $0 != "\n" }) ?? "the line was lost before the receipt"
            _ = try await commit(
                JobChange(
                    .wait(reason: "uncertain; \(error)"), of: id, at: clock.now(),
                    attempt: .note(evidence: "\(seen)\nasked again over \(lease.session): \(error)")))
            throw error
        }
    }

    private func uncertain(_ id: JobID) async throws(StoreError) -> Job? {
        guard let job = try await store.job(id) else { return nil }
        if job.state == .uncertain { return job }
        try await takeUp(id)
        return nil
    }

    /// The same deck again under the same key is the same job, so this makes no attempt of its own: the one that is being
    /// settled keeps what is seen. A canceled one is made void instead.
    private func settleByKey(_ job: Job, with station: any Station) async throws(StationError) -> Bool {
        do {
            if job.cancelRequestedAt != nil {
                if let receipt = try await station.void(key: job.submissionKey) {
                    try await accepted(job.id, receipt, adopted: "found at the host by its submission key")
                } else {
                    let reason = "the submission key is void at the host"
                    _ = try await commit(
                        JobChange(
                            .returned(reason: reason), of: job.id, at: clock.now(), attempt: .end(evidence: reason)))
                }
                return true
            }
            let deck = try await DeckPreparation.prepare(job, for: host, from: store)
            let receipt = try await station.submit(deck, closing: nil)
            try await accepted(
                job.id, receipt,
                adopted: receipt.duplicate
                    ? "found at the host by its submission key" : "sent again under the same submission key")
            return true
        } catch StationError.refusedDeck(let reason) {
            return try await refused(job, reason, by: station)
        } catch let error as StationError {
            throw error
        } catch {
            throw .local("\(error)")
        }
    }

    /// A host that refuses the deck may still have it: another one under its key is refused as well.
    private func refused(_ job: Job, _ reason: String, by station: any Station) async throws(StationError) -> Bool {
        do {
            if let receipt = try await station.find(key: job.submissionKey) {
                try await accepted(job.id, receipt, adopted: "found at the host by its submission key")
                return true
            }
            _ = try await commit(
                JobChange(
                    .refused(reason: "the host refused the deck: \(reason)"), of: job.id, at: clock.now(),
                    attempt: .end(evidence: reason)))
            return true
        } catch let error as StationError {
            throw error
        } catch {
            throw .local("\(error)")
        }
    }

    /// Without keys the host's list of jobs can show that it has the job, never that it has not: a deck may lie in its buffers,
    /// or have run and gone.
    private func settleByName(_ job: Job, with station: any Station) async throws -> Bool {
        var seen = "the host cannot be asked for it"
        if station.abilities.contains(.status), let name = job.name {
            do {
                // What the host lists are other people's jobs as well: none of it is this job's trace.
                let (jobs, isComplete) = try await FrameTape.$current.withValue(nil) { try await station.statusOfAll() }
                let found = try await unclaimed(
                    jobs.filter { $0.name == name.description }, as: job,
                    areNumbered: station.abilities.contains(.jobNumbers))
                if let only = found?.first, found?.count == 1 {
                    try await accepted(job.id, Receipt(job: only.number), adopted: "found at the host by its job name")
                    return true
                }
                seen =
                    switch (found?.count, isComplete) {
                    case (nil, _):
                        "another job \(name) is in the same case, and the host's list does not tell them apart"
                    case (0, true): "the host lists no job \(name) that could be it"
                    case (0, false): "the host lists no job \(name) that could be it, and not all it has"
                    case (let count?, _): "the host lists \(count) jobs \(name) that could be it"
                    }
            } catch StationError.lacks {
                seen = "the host does not list its jobs"
            } catch StationError.refused(let words) {
                seen = "the host does not list its jobs: \(words)"
            }
        }
        return try await applyPolicy(job, seen: seen)
    }

    /// Those of the host's jobs that are no other job's of ours; nil when several of ours wait for the same name.
    private func unclaimed(
        _ jobs: [HostJob], as job: Job, areNumbered: Bool
    ) async throws(StoreError) -> [HostJob]? {
        guard !jobs.isEmpty else { return [] }
        let rivals = try await store.underWay(on: host.id).filter { $0.id != job.id && $0.name == job.name }
        if rivals.contains(where: { $0.state == .sending || $0.state == .uncertain }) { return nil }
        // A number that an earlier job of this name had is taken to be still that job's.
        let query = JobQuery(limit: Self.mostEarlierJobs, host: host.id, name: job.name?.description)
        // On a host without numbers the name stands for one, and an ended job of the name has left the host's list.
        let earlier = areNumbered ? try await store.jobs(query).filter { $0.id != job.id } : []
        let taken = Set((rivals + earlier).compactMap(\.hostJob))
        let tracked = state.withLock { Set($0.follower.tracked.keys) }
        return jobs.filter { !taken.contains($0.number) && !tracked.contains($0.number) }
    }

    private static let mostEarlierJobs = 1000

    private func applyPolicy(_ job: Job, seen: String) async throws(StoreError) -> Bool {
        switch job.uncertainPolicy {
        case .hold:
            // Asked again now and then, and when the host says something about a job of this name.
            state.withLock { $0.unsettled[job.id] = job.name }
            let wish = job.cancelRequestedAt == nil ? "" : "to be canceled, but "
            let words = "\(wish)whether the host has it is not known: \(seen); to be resolved by an operator"
            guard job.reason != words else { return true }
            log.warning("an uncertain job waits for an operator", metadata: ["job": "\(job.id)", "seen": "\(seen)"])
            _ = try await commit(JobChange(.wait(reason: words), of: job.id, at: clock.now()))
        case .resubmit where job.cancelRequestedAt == nil:
            let again = try await commit(
                JobChange(
                    .returned(reason: "sent again by the job's policy; \(seen)"), of: job.id, at: clock.now(),
                    attempt: .end(evidence: nil)))
            if again?.state == .queued { state.withLock { $0.hasBacklog = true } }
        case .resubmit, .abandon:
            _ = try await commit(
                JobChange(
                    .abandon(reason: "given up by the job's policy: the host may have it; \(seen)"), of: job.id,
                    at: clock.now(), attempt: .end(evidence: nil)))
        }
        return true
    }

    /// The host said something about a job of a name that an uncertain job has.
    func settleAgain(named name: String?) {
        let due = state.withLock { state in
            let due = state.unsettled.filter { name == nil || $0.value?.description == name }.map(\.key)
            for id in due { state.unsettled[id] = nil }
            return due
        }
        for id in due { takeForSettling(id) }
    }
}
