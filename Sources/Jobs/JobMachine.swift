/// What happened to a job, or what somebody asks of it.
package enum JobAction: Equatable, Sendable {
    case hold
    case release
    /// What a queued job waits for, in words; nil clears it.
    case wait(reason: String?)
    case beginSending
    /// The host gave a receipt, or was found to have the job (`adopted` says how).
    case accepted(JobNumber?, adopted: String?)
    /// Proof that the host does not have the job.
    case returned(reason: String)
    /// The line was lost where both worlds are possible.
    case lostInClosing(evidence: String)
    /// The host refused the deck.
    case refused(reason: String)
    case running
    case printing
    case finished(Outcome)
    case cancel
    case expire
    /// An uncertain job is given up by policy or operator.
    case abandon(reason: String)
    /// An ended job is removed, with everything but its events.
    case purge(reason: String?)
}

/// What an action did.
package enum JobEffect: Equatable, Sendable {
    /// A new state: this makes an event.
    case entered(JobState)
    /// The row changed, the state did not.
    case noted
    case nothing
}

/// The action does not fit the state.
package struct JobConflict: Error, Equatable {
    package let state: JobState
    package let action: JobAction

    package init(state: JobState, action: JobAction) {
        self.state = state
        self.action = action
    }
}

extension Job {
    /// Applies one action; the only place where a job's state changes.
    ///
    ///     held ◀──▶ queued ──▶ sending ──▶ submitted ──▶ running ──▶ printing ──▶ completed | failed | canceled
    ///                 ▲ ◀────────┤  └──▶ uncertain ──▶ submitted (adopted) | queued (disproved) | canceled | failed
    ///                 └──────────┴──────────┘
    ///
    /// - Throws: `JobConflict`, with the job unchanged.
    package mutating func apply(_ action: JobAction, at time: Timestamp) throws(JobConflict) -> JobEffect {
        switch (action, state) {
        case (.hold, .queued): enter(.held, reason: "held on request", at: time)
        case (.release, .held): enter(.queued, reason: nil, at: time)
        case (.hold, .held), (.release, .queued): return .nothing

        case (.wait(let words), .queued), (.wait(let words), .uncertain):
            if reason == words { return .nothing }
            reason = words
            return note(at: time)

        case (.beginSending, .queued):
            attempts += 1
            enter(.sending, reason: nil, at: time)

        case (.accepted(let number, let adopted), .sending), (.accepted(let number, let adopted), .uncertain):
            hostJob = number
            submittedAt = time
            enter(.submitted, reason: adopted, at: time)

        case (.returned(let words), .sending), (.returned(let words), .uncertain):
            if cancelRequestedAt != nil {
                outcome = .canceled
                enter(.canceled, reason: "canceled before the host had it", at: time)
            } else {
                enter(.queued, reason: words, at: time)
            }

        case (.lostInClosing(let evidence), .sending): enter(.uncertain, reason: evidence, at: time)

        case (.refused(let words), .sending), (.refused(let words), .uncertain):
            outcome = .rejected(words)
            enter(.rejected, reason: words, at: time)

        case (.running, .submitted):
            startedAt = time
            enter(.running, reason: nil, at: time)
        case (.running, .running): return .nothing

        case (.printing, .submitted), (.printing, .running):
            if startedAt == nil { startedAt = time }
            enter(.printing, reason: nil, at: time)
        case (.printing, .printing): return .nothing

        case (.finished(let result), .submitted), (.finished(let result), .running),
            (.finished(let result), .printing):
            outcome = result
            enter(result.state, reason: result.kind == .lost ? result.text : nil, at: time)

        case (.cancel, .held), (.cancel, .queued):
            outcome = .canceled
            cancelRequestedAt = time
            enter(.canceled, reason: "canceled before the host had it", at: time)
        case (.cancel, .sending), (.cancel, .uncertain), (.cancel, .submitted), (.cancel, .running),
            (.cancel, .printing):
            if cancelRequestedAt != nil { return .nothing }
            cancelRequestedAt = time
            return note(at: time)
        case (.cancel, .canceled): return .nothing

        case (.expire, .held), (.expire, .queued): enter(.expired, reason: "not sent before not_after", at: time)

        case (.abandon(let words), .uncertain):
            outcome = .lost(words)
            enter(.failed, reason: words, at: time)

        case (.purge(let words), _) where state.isFinal && state != .purged:
            enter(.purged, reason: words, at: time)

        case (.hold, _), (.release, _), (.wait, _), (.beginSending, _), (.accepted, _), (.returned, _),
            (.lostInClosing, _), (.refused, _), (.running, _), (.printing, _), (.finished, _), (.cancel, _),
            (.expire, _), (.abandon, _), (.purge, _):
            throw JobConflict(state: state, action: action)
        }
        return .entered(state)
    }

    private mutating func enter(_ next: JobState, reason words: String?, at time: Timestamp) {
        state = next
        reason = words
        if next.isFinal, endedAt == nil { endedAt = time }
        _ = note(at: time)
    }

    private mutating func note(at time: Timestamp) -> JobEffect {
        version += 1
        changedAt = max(changedAt, time)
        return .noted
    }
}
