/// One job as the store holds it: everything the API shows but its spool files.
package struct Job: Equatable, Sendable {
    package let id: JobID
    package let host: HostID
    package let owner: Owner
    package var name: JobName?
    package var state: JobState
    /// For people: what a queued job waits for, why a job was refused or is uncertain.
    package var reason: String?
    package var hostJob: JobNumber?
    package var outcome: Outcome?
    /// Counts the commits that changed this row, from 1; the ETag.
    package var version: Int
    /// 0 to 15, higher first.
    package var priority: Int
    package let createdAt: Timestamp
    package var changedAt: Timestamp
    /// When the host had it.
    package var submittedAt: Timestamp?
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?
    package var notBefore: Timestamp?
    package var notAfter: Timestamp?
    /// The client's own name for the job; unique only if the client makes it so.
    package var correlator: String?
    /// In order of their keys.
    package var labels: [Label]
    package var deck: DeckSummary
    /// How often a station began to hand the deck in.
    package var attempts: Int
    package var cancelRequestedAt: Timestamp?
    /// What the request to cancel did, as far as it is known.
    package var cancelEffect: CancelEffect?
    /// The longest it may run, by the host's word that it runs; then the host is asked to cancel it.
    package var timeout: Duration?
    package var uncertainPolicy: UncertainPolicy
    /// Spool files that are complete.
    package var outputs: Int
    /// Of jobs that came together.
    package let batch: BatchID?
    /// nil: not brought by a request, or stored before origins were kept.
    package var origin: Origin?

    package struct Label: Equatable, Sendable {
        package let key: String
        package let value: String
        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    /// What to do with a job that stays uncertain.
    package enum UncertainPolicy: String, CaseIterable, Sendable { case hold, resubmit, abandon }

    package init(
        id: JobID, host: HostID, owner: Owner, name: JobName?, held: Bool = false, priority: Int = 0,
        createdAt: Timestamp, notBefore: Timestamp? = nil, notAfter: Timestamp? = nil, correlator: String? = nil,
        labels: [Label] = [], deck: DeckSummary, uncertainPolicy: UncertainPolicy = .hold,
        timeout: Duration? = nil, batch: BatchID? = nil, origin: Origin? = nil
    ) {
        self.id = id
        self.host = host
        self.owner = owner
        self.name = name
        state = held ? .held : .queued
        reason = held ? "held on request" : nil
        version = 1
        self.priority = priority
        self.createdAt = createdAt
        changedAt = createdAt
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.correlator = correlator
        self.labels = labels
        self.deck = deck
        attempts = 0
        self.uncertainPolicy = uncertainPolicy
        self.timeout = timeout
        self.origin = origin
        outputs = 0
        self.batch = batch
    }

    /// When a running job has run for its `timeout`.
    package var timesOutAt: Timestamp? {
        guard let timeout, let startedAt else { return nil }
        return startedAt.advanced(by: timeout)
    }

    /// It was to be canceled because of its `timeout`.
    package var hasTimedOut: Bool {
        guard let end = timesOutAt, let cancelRequestedAt else { return false }
        return cancelRequestedAt >= end
    }

    /// The key under which the host knows this submission (PRIV-RJE's KEY): the same for every attempt.
    package var submissionKey: String { id.description }
}

/// What is known of a deck without reading it.
package struct DeckSummary: Equatable, Sendable {
    package var octets: Int
    package var cards: Int
    package var hash: ContentHash
    package var form: DeckForm

    package init(octets: Int, cards: Int, hash: ContentHash, form: DeckForm = .text) {
        self.octets = octets
        self.cards = cards
        self.hash = hash
        self.form = form
    }
}

/// How the deck's octets are to be read.
package enum DeckForm: String, Sendable {
    /// UTF-8 lines, each a card.
    case text
    /// Card images of 80 octets in the host's code, one after the other.
    case cardImages = "card-images"
}
