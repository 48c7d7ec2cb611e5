/// Jobs that wait: held or queued.
package struct Backlog: Equatable, Sendable {
    package var jobs: Int
    /// Of their decks.
    package var octets: Int

    package init(jobs: Int = 0, octets: Int = 0) {
        self.jobs = jobs
        self.octets = octets
    }

    package static func + (left: Backlog, right: Backlog) -> Backlog {
        Backlog(jobs: left.jobs + right.jobs, octets: left.octets + right.octets)
    }
}

/// How much may wait; nil: as much as there is disk.
package struct BacklogLimits: Equatable, Sendable {
    package var jobs: Int?
    package var octets: Int?
    /// Of an owner: decks and print-out of all jobs, the ended ones included.
    package var stored: Int?
    /// Of an owner: jobs on one host that have not ended.
    package var active: Int?

    package init(jobs: Int? = nil, octets: Int? = nil, stored: Int? = nil, active: Int? = nil) {
        self.jobs = jobs
        self.octets = octets
        self.stored = stored
        self.active = active
    }
}

/// Whose limit a submission would exceed.
package struct LimitHit: Equatable, Sendable {
    package enum Subject: Equatable, Sendable { case host, owner }
    package enum Measure: Equatable, Sendable { case jobs, octets, stored, active }

    package let subject: Subject
    package let measure: Measure
    package let limit: Int

    package init(_ subject: Subject, _ measure: Measure, limit: Int) {
        self.subject = subject
        self.measure = measure
        self.limit = limit
    }

    /// The first limit that one more job of `octets` exceeds. An empty line takes any deck: otherwise a deck above the limit could
    /// never be sent.
    package init?(_ subject: Subject, adding octets: Int, to backlog: Backlog, within limits: BacklogLimits) {
        if let most = limits.jobs, backlog.jobs >= most {
            self.init(subject, .jobs, limit: most)
        } else if let most = limits.octets, backlog.jobs > 0, backlog.octets + octets > most {
            self.init(subject, .octets, limit: most)
        } else {
            return nil
        }
    }
}
