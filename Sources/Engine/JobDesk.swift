package import Jobs
import Stations
package import Stores

/// Where jobs are handed in and asked about: what the API calls, without a word of HTTP.
package final class JobDesk: Sendable {
    package let store: any JobStore
    package let watch: JobWatch
    package let hosts: [HostProfile]
    package let clock: WallClock

    package init(store: any JobStore, hosts: [HostProfile], watch: JobWatch, clock: WallClock = .system) {
        self.store = store
        self.hosts = hosts.sorted { $0.id < $1.id }
        self.watch = watch
        self.clock = clock
    }

    package func host(_ id: HostID) -> HostProfile? { hosts.first { $0.id == id } }

    /// The host a request means: the named one, or the only one.
    package func host(named name: String?) throws(DeskError) -> HostProfile {
        guard let name else {
            guard hosts.count == 1, let only = hosts.first else {
                throw .hostMissing(known: hosts.map(\.id.description))
            }
            return only
        }
        guard let id = HostID(name), let host = host(id) else {
            throw .unknownHost(name, known: hosts.map(\.id.description))
        }
        return host
    }

    /// Begins a submission: the deck is fed to what is returned, piece by piece, and checked while it is stored.
    package func intake(for host: HostProfile, form: DeckForm = .text) async throws(StoreError) -> DeckIntake {
        DeckIntake(
            body: try await store.stageBody(), check: DeckCheck(host.deckRules, form: form), form: form,
            limit: host.mostDeckOctets)
    }

    /// Stores a job whose deck was taken in. Returns after the commit.
    /// - Parameter answer: makes what an idempotent repeat will be answered; asked only when there is a key.
    package func submit(
        _ deck: DeckIntake.Taken, to host: HostProfile, options: SubmitOptions, answer: @Sendable (Job) -> [UInt8]
    ) async throws(StoreError) -> SubmissionResult {
        let now = clock.now()
        let job = Job(
            id: JobID(at: now), host: host.id, owner: options.owner, name: options.name ?? deck.name,
            held: options.hold, priority: options.priority, createdAt: now, notBefore: options.notBefore,
            notAfter: options.notAfter, correlator: options.correlator, labels: options.labels, deck: deck.summary,
            uncertainPolicy: options.uncertainPolicy ?? host.uncertainPolicy)
        var submission = Submission(job: job, deck: deck.body, notify: options.notify)
        if let key = options.idempotencyKey {
            submission.idempotency = .init(key: key.text, fingerprint: key.fingerprint, answer: answer(job))
        }
        return try await store.submit(submission)
    }

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

    /// What a cancel did; the host is asked by the engine when it must be.
    package func cancel(_ id: JobID) async throws(StoreError) -> (job: Job, effect: CancelEffect) {
        let before = try await store.job(id)
        let job = try await store.commit(JobChange(.cancel, of: id, at: clock.now()))
        let effect: CancelEffect =
            switch job.state {
            case .canceled: before?.state.isFinal == true ? .alreadyEnded : .removedBeforeSend
            default: .requestedAtHost
            }
        return (job, effect)
    }

    package func hold(_ id: JobID) async throws(StoreError) -> Job {
        try await store.commit(JobChange(.hold, of: id, at: clock.now()))
    }

    package func release(_ id: JobID) async throws(StoreError) -> Job {
        try await store.commit(JobChange(.release, of: id, at: clock.now()))
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

package enum CancelEffect: String, Sendable {
    case removedBeforeSend = "removed-before-send"
    case requestedAtHost = "requested-at-host"
    case alreadyEnded = "already-ended"
}

package enum DeskError: Error, Equatable {
    case hostMissing(known: [String])
    case unknownHost(String, known: [String])
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
    package var uncertainPolicy: Job.UncertainPolicy?
    package var notify: [Submission.NotifyRequest] = []
    package var idempotencyKey: Key?

    package init(owner: Owner) { self.owner = owner }
}

/// A deck on its way in: stored and checked in one pass, in flat memory. One user at a time.
package final class DeckIntake {
    package struct Taken: Sendable {
        package let body: StagedBody
        package let name: JobName
        package let summary: DeckSummary
    }

    package enum Failure: Error, Equatable {
        case tooLarge(limit: Int)
        /// At least one.
        case faults([DeckFault])
        case store(StoreError)
    }

    private let body: any BodyWriter
    private var check: DeckCheck
    private let form: DeckForm
    private let limit: Int

    init(body: any BodyWriter, check: DeckCheck, form: DeckForm, limit: Int) {
        self.body = body
        self.check = check
        self.form = form
        self.limit = limit
    }

    package func append(_ piece: [UInt8]) async throws(Failure) {
        guard body.octets + piece.count <= limit else {
            await body.discard()
            throw .tooLarge(limit: limit)
        }
        check.append(piece)
        do {
            try await body.append(piece)
        } catch {
            throw .store(error)
        }
    }

    /// The stored deck, or all its faults; a refused deck leaves nothing behind.
    package func finish() async throws(Failure) -> Taken {
        let result: DeckCheck.Result
        do {
            result = try check.finish()
        } catch {
            await body.discard()
            throw .faults(check.faults.isEmpty ? [error] : check.faults)
        }
        do {
            let staged = try await body.finish()
            return Taken(
                body: staged, name: result.name,
                summary: DeckSummary(octets: staged.octets, cards: result.cards, hash: staged.hash, form: form))
        } catch {
            throw .store(error)
        }
    }

    package func discard() async { await body.discard() }
}
