package import Jobs
import Stations
package import Stores
import Synchronization

/// Where jobs are handed in and asked about: what the API calls, without a word of HTTP.
package final class JobDesk: Sendable {
    package let store: any JobStore
    package let watch: JobWatch
    package let clock: WallClock
    let drains: DrainWatch
    let stays: StayWatch
    private let settings: Mutex<Settings>

    private struct Settings {
        var hosts: [HostProfile]
        var ownerLimits: BacklogLimits
    }

    /// The hosts of this moment, by name.
    package var hosts: [HostProfile] { settings.withLock { $0.hosts } }
    /// What may wait of one owner.
    package var ownerLimits: BacklogLimits { settings.withLock { $0.ownerLimits } }

    package init(
        store: any JobStore, hosts: [HostProfile], watch: JobWatch, ownerLimits: BacklogLimits = BacklogLimits(),
        clock: WallClock = .system
    ) {
        settings = Mutex(Settings(hosts: hosts.sorted { $0.id < $1.id }, ownerLimits: ownerLimits))
        drains = DrainWatch(store: store, clock: clock)
        stays = StayWatch(store: store)
        self.store = store
        self.watch = watch
        self.clock = clock
        watchOutputs(of: hosts)
    }

    private func watchOutputs(of hosts: [HostProfile]) {
        for host in hosts { host.growing.observe { [weak watch] job in watch?.outputHasGrown(of: job) } }
    }

    /// Takes jobs for these hosts from now on, within these limits.
    package func serve(_ hosts: [HostProfile], ownerLimits: BacklogLimits) {
        let known = self.hosts
        watchOutputs(of: hosts.filter { host in !known.contains { $0.growing === host.growing } })
        settings.withLock { $0 = Settings(hosts: hosts.sorted { $0.id < $1.id }, ownerLimits: ownerLimits) }
    }

    package func host(_ id: HostID) -> HostProfile? { hosts.first { $0.id == id } }

    /// The host a request means: the named one, or the only one.
    package func host(named name: String?) throws(DeskError) -> HostProfile {
        try Self.host(named: name, of: hosts)
    }

    /// - Parameter hosts: those that the one who asks may know.
    package static func host(named name: String?, of hosts: [HostProfile]) throws(DeskError) -> HostProfile {
        guard let name else {
            guard hosts.count == 1, let only = hosts.first else {
                throw .hostMissing(known: hosts.map(\.id.description))
            }
            return only
        }
        guard let host = hosts.first(where: { $0.id.description == name }) else {
            throw .unknownHost(name, known: hosts.map(\.id.description))
        }
        return host
    }

    /// Stores a job whose deck was taken in. Returns after the commit.
    /// - Parameter answer: makes what an idempotent repeat will be answered; asked only when there is a key.
    package func submit(
        _ deck: DeckIntake.Taken, to host: HostProfile, options: SubmitOptions, answer: @Sendable (Job) -> [UInt8]
    ) async throws(StoreError) -> SubmissionResult {
        var submission = submission(of: deck, to: host, options: options, id: JobID(at: clock.now()))
        if let key = options.idempotencyKey {
            submission.idempotency = .init(key: key.text, fingerprint: key.fingerprint, answer: answer(submission.job))
        }
        return try await store.submit(submission)
    }

    func submission(
        of deck: DeckIntake.Taken, to host: HostProfile, options: SubmitOptions, id: JobID, batch: BatchID? = nil
    ) -> Submission {
        let job = Job(
            id: id, host: host.id, owner: options.owner, name: options.name ?? deck.name,
            held: options.hold, priority: options.priority, createdAt: clock.now(), notBefore: options.notBefore,
            notAfter: options.notAfter, correlator: options.correlator, labels: options.labels, deck: deck.summary,
            uncertainPolicy: options.uncertainPolicy ?? host.uncertainPolicy,
            timeout: options.timeout, batch: batch, origin: options.origin)
        var submission = Submission(job: job, deck: deck.body, notify: options.notify)
        submission.submittedDeck = deck.original
        submission.hostLimits = host.limits
        submission.ownerLimits = ownerLimits
        submission.audit = options.principal.map {
            AuditEntry(
                at: job.createdAt, by: $0, action: "job.submit", subject: job.id.description,
                detail: host.id.description)
        }
        return submission
    }

    /// Refuses early what the commit would refuse, so that nobody sends a deck in vain.
    /// - Parameter octets: of the deck, as far as it is known.
    package func checkRoom(for owner: Owner, on host: HostProfile, octets: Int) throws(DeskError) {
        let hit =
            LimitHit(.host, adding: octets, to: store.backlog(of: host.id), within: host.limits)
            ?? LimitHit(.owner, adding: octets, to: store.backlog(of: owner), within: ownerLimits)
        if let hit { throw .full(hit, retryAfter: retryAfter(hit, host.id)) }
    }

    /// Seconds until there is likely to be room again, by how fast the host has taken jobs lately.
    package func retryAfter(_ hit: LimitHit, _ host: HostID) -> Int { drains.retryAfter(hit, host) }

    /// The job with the reason of this moment: a queued one waits for its host, and the host's pool knows why.
    package func shown(_ job: Job) -> Job {
        guard job.state == .queued, let host = host(job.host) else { return job }
        var shown = job
        if let time = job.notBefore, time > clock.now() {
            shown.reason = "waits for its time, \(time.rfc3339)"
        } else {
            let status = host.pool.status
            shown.reason = [status.waitingWords, job.reason].compactMap(\.self).joined(separator: "; before that: ")
        }
        return shown
    }

    /// Which place in the line a queued job has, from 1; nil when it is not queued, or far behind.
    package func position(of job: Job) async throws(StoreError) -> Int? {
        guard job.state == .queued else { return nil }
        let before = try await store.jobsBefore(job, mostCounted: 10_000)
        return before < 10_000 ? before + 1 : nil
    }

    /// Waits until the job is final, or in `state` or beyond it, or time is up.
    package func wait(
        for id: JobID, until state: JobState? = nil, within limit: Duration
    ) async throws(StoreError) -> Job? {
        try await watch.job(id, in: store, within: limit) { job in
            guard let state else { return job.state.isFinal }
            return job.state == state
        }
    }
}

package enum DeskError: Error, Equatable {
    /// The host cannot do this; names the ability.
    case lacks(host: HostID, ability: String)
    /// The host was asked and refused, in its words.
    case hostRefused(HostID, String)
    /// The host could not be asked in time.
    case hostSilent(HostID, String)
    /// Too much waits already.
    case full(LimitHit, retryAfter: Int)
    case hostMissing(known: [String])
    case unknownHost(String, known: [String])
    case unknownTemplate(String, of: HostID, known: [String])
}

package struct SubmitOptions: Sendable {
    package struct Key: Sendable {
        package let text: String
        package let fingerprint: ContentHash
        package init(text: String, fingerprint: ContentHash) {
            self.text = text
            self.fingerprint = fingerprint
        }
    }

    package var owner: Owner
    package var name: JobName?
    package var hold = false
    package var priority = 0
    package var correlator: String?
    package var labels: [Job.Label] = []
    package var notBefore: Timestamp?
    package var notAfter: Timestamp?
    package var timeout: Duration?
    package var uncertainPolicy: Job.UncertainPolicy?
    package var notify: [Submission.NotifyRequest] = []
    package var idempotencyKey: Key?
    /// Whose submission the audit log has; nil where nobody is asked who he is.
    package var principal: Principal?
    package var origin: Origin?

    package init(owner: Owner) { self.owner = owner }
}
