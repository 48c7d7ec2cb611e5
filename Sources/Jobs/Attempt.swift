/// One try at handing a deck to its host. Committed before the first card goes out.
package struct Attempt: Equatable, Sendable {
    /// From 1 within its job.
    package let number: Int
    package let job: JobID
    package let host: HostID
    /// Which session of the pool carried it, for people.
    package let session: String
    package let openedAt: Timestamp
    package var phase: Phase
    /// What was seen on the wire, for people; bounded, never credentials.
    package var evidence: String?

    package enum Phase: String, Sendable {
        /// Cards may be under way, the octet that completes the deck is not.
        case open
        /// The deck may be complete at the host.
        case closing
        /// Settled: accepted, refused, or shown not to be there.
        case ended
    }

    package init(
        number: Int, job: JobID, host: HostID, session: String, openedAt: Timestamp, phase: Phase = .open,
        evidence: String? = nil
    ) {
        self.number = number
        self.job = job
        self.host = host
        self.session = session
        self.openedAt = openedAt
        self.phase = phase
        self.evidence = evidence
    }
}
