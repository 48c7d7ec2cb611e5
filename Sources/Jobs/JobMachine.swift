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
    /// The host was asked to cancel, and this is what came of it.
    case cancelAnswered(CancelEffect)
    /// It ran longer than its `timeout`: the host is to be asked to cancel it.
    case timeOut
    case expire
    /// The host did what `hold` or `release` asks of it; the job stays where it is.
    case heldAtHost
    case releasedAtHost
    /// An uncertain job is given up by policy.
    case abandon(reason: String)
    /// An ended job is removed, with everything but its events.
    case purge(reason: String?)
    /// Somebody who knows more than we do settles an uncertain job.
    case decided(Decision, by: String)

    package enum Decision: Equatable, Sendable {
        /// The host has it, under this number.
        case adopt(JobNumber)
        /// The host does not have it: send it again.
        case resend
        /// Whether the host has it or not, nobody waits for it any more.
        case abandon
    }
}

/// What a request to cancel did.
package enum CancelEffect: String, CaseIterable, Sendable {
    /// The host never had the job.
    case removedBeforeSend = "removed-before-send"
    /// The host is asked; what it did shows in the job's end.
    case requestedAtHost = "requested-at-host"
    /// The job had ended, or ended by itself before the host could do it.
    case tooLate = "too-late"
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
        let before = state
        func require(_ states: JobState...) throws(JobConflict) {
            if !states.contains(before) { throw JobConflict(state: before, action: action) }
        }
        switch action {
        case .hold:
            if state == .held { return .nothing }
            try require(.queued)
            enter(.held, reason: "held on request", at: time)
        case .release:
            if state == .queued { return .nothing }
            try require(.held)
            enter(.queued, reason: nil, at: time)
        case .wait(let words):
            try require(.queued, .uncertain)
            return set(reason: words, at: time)
        case .expire:
            try require(.held, .queued)
            enter(.expired, reason: "not sent before not_after", at: time)

        case .beginSending:
            try require(.queued)
            attempts += 1
            enter(.sending, reason: nil, at: time)
        case .accepted(let number, let adopted):
            try require(.sending, .uncertain)
            hostJob = number
            submittedAt = time
            enter(.submitted, reason: adopted, at: time)
        case .returned(let words):
            try require(.sending, .uncertain)
            if cancelRequestedAt != nil {
                cancelBeforeSending(at: time)
            } else {
                enter(.queued, reason: words, at: time)
            }
        case .lostInClosing(let evidence):
            try require(.sending)
            enter(.uncertain, reason: evidence, at: time)
        case .refused(let words):
            try require(.sending, .uncertain)
            outcome = .rejected(words)
            enter(.rejected, reason: words, at: time)

        case .heldAtHost:
            try require(.submitted)
            return set(reason: Self.heldAtHostWords, at: time)
        case .releasedAtHost:
            try require(.submitted, .running)
            return reason == Self.heldAtHostWords ? set(reason: nil, at: time) : .nothing
        case .running:
            if state == .running { return .nothing }
            try require(.submitted)
            startedAt = time
            enter(.running, reason: nil, at: time)
        case .printing:
            if state == .printing { return .nothing }
            try require(.submitted, .running)
            if startedAt == nil { startedAt = time }
            enter(.printing, reason: nil, at: time)
        case .finished(let result):
            try require(.submitted, .running, .printing)
            outcome = result
            if cancelRequestedAt != nil { cancelEffect = result.kind == .canceled ? .requestedAtHost : .tooLate }
            enter(result.state, reason: reason(ofEnding: result), at: time)

        case .cancel:
            if state == .canceled { return .nothing }
            try require(.held, .queued, .sending, .uncertain, .submitted, .running, .printing)
            return requestCancel(at: time)
        case .cancelAnswered(let effect):
            try require(.submitted, .running, .printing)
            if cancelEffect == effect { return .nothing }
            cancelEffect = effect
            return note(at: time)
        case .timeOut:
            try require(.running)
            if cancelRequestedAt != nil { return .nothing }
            reason = "\(timeoutWords); the host is asked to cancel it"
            return requestCancel(at: time)

        case .abandon(let words):
            try require(.uncertain)
            giveUp(words, at: time)
        case .decided(let decision, let who):
            try require(.uncertain)
            settle(decision, by: who, at: time)
        case .purge(let words):
            guard state.isFinal, state != .purged else { throw JobConflict(state: state, action: action) }
            enter(.purged, reason: words, at: time)
        }
        return .entered(state)
    }

    private mutating func requestCancel(at time: Timestamp) -> JobEffect {
        if cancelRequestedAt != nil { return .nothing }
        cancelRequestedAt = time
        if state == .held || state == .queued {
            cancelBeforeSending(at: time)
            return .entered(state)
        }
        cancelEffect = .requestedAtHost
        return note(at: time)
    }

    private mutating func settle(_ decision: JobAction.Decision, by who: String, at time: Timestamp) {
        switch decision {
        case .adopt(let number):
            hostJob = number
            submittedAt = time
            enter(.submitted, reason: "adopted as \(number) by decision of \(who)", at: time)
        case .resend where cancelRequestedAt != nil: cancelBeforeSending(at: time)
        case .resend: enter(.queued, reason: "to be sent again by decision of \(who)", at: time)
        case .abandon: giveUp("given up by decision of \(who): the host may have it", at: time)
        }
    }

    private mutating func set(reason words: String?, at time: Timestamp) -> JobEffect {
        if reason == words { return .nothing }
        reason = words
        return note(at: time)
    }

    private static let heldAtHostWords = "held at the host on request"

    private var timeoutWords: String { "ran longer than its timeout of \(timeout?.components.seconds ?? 0) s" }

    private func reason(ofEnding result: Outcome) -> String? {
        switch result.kind {
        case .lost: result.text
        case .canceled where hasTimedOut: timeoutWords
        case .ok, .abend, .jclError, .canceled, .rejected: nil
        }
    }

    private mutating func cancelBeforeSending(at time: Timestamp) {
        outcome = .canceled
        cancelEffect = .removedBeforeSend
        enter(.canceled, reason: "canceled before the host had it", at: time)
    }

    private mutating func giveUp(_ words: String, at time: Timestamp) {
        outcome = cancelRequestedAt == nil ? .lost(words) : .canceled
        enter(cancelRequestedAt == nil ? .failed : .canceled, reason: words, at: time)
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
