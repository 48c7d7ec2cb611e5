package import Jobs

/// How a job ended, and when.
package struct JobEnd: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The highest return code of its steps.
        case done(Int)
        case jclError
        case abend(Abend)
        case cancelled
        /// The host has the job no more; only after damage to its spool.
        case lost
    }

    package let outcome: Outcome
    package let at: Timestamp

    package init(outcome: Outcome, at: Timestamp) {
        self.outcome = outcome
        self.at = at
    }
}
