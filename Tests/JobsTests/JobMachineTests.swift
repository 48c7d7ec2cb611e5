import Jobs
import Testing

/// Every action in every state: what is not in `allowed` must be refused and leave the job untouched.
@Suite struct JobMachineTests {
    static let actions: [JobAction] = [
        .hold, .release, .wait(reason: "line down"), .beginSending, .accepted(JobNumber("J1"), adopted: nil),
        .returned(reason: "line lost"), .lostInClosing(evidence: "cut"), .refused(reason: "NOTALLOWED"), .running,
        .printing, .finished(.completed(4)), .cancel, .expire, .abandon(reason: "given up"),
        .purge(reason: nil),
        .cancelAnswered(.tooLate), .timeOut, .heldAtHost, .releasedAtHost, .decided(.abandon, by: "me"),
    ]

    struct Key: Hashable {
        let action: String
        let state: JobState
        init(_ action: JobAction, _ state: JobState) {
            self.action = String("\(action)".prefix { $0 != "(" })
            self.state = state
        }
    }

    static let entered: [Key: JobState] = {
        var table: [Key: JobState] = [:]
        func row(_ action: JobAction, _ states: [JobState], _ next: JobState) {
            for state in states { table[Key(action, state)] = next }
        }
        row(.hold, [.queued], .held)
        row(.release, [.held], .queued)
        row(.beginSending, [.queued], .sending)
        row(.accepted(nil, adopted: nil), [.sending, .uncertain], .submitted)
        row(.returned(reason: ""), [.sending, .uncertain], .queued)
        row(.lostInClosing(evidence: ""), [.sending], .uncertain)
        row(.refused(reason: ""), [.sending, .uncertain], .rejected)
        row(.running, [.submitted], .running)
        row(.printing, [.submitted, .running], .printing)
        row(.finished(.completed(0)), [.submitted, .running, .printing], .completed)
        row(.cancel, [.held, .queued], .canceled)
        row(.expire, [.held, .queued], .expired)
        row(.abandon(reason: ""), [.uncertain], .failed)
        row(.purge(reason: ""), [.completed, .failed, .rejected, .canceled, .expired], .purged)
        row(.decided(.abandon, by: ""), [.uncertain], .failed)
        return table
    }()
    static let noted: Set<Key> = [
        Key(.wait(reason: nil), .queued), Key(.wait(reason: nil), .uncertain), Key(.cancel, .sending),
        Key(.cancel, .uncertain), Key(.cancel, .submitted), Key(.cancel, .running), Key(.cancel, .printing),
        Key(.cancelAnswered(.tooLate), .submitted), Key(.cancelAnswered(.tooLate), .running),
        Key(.cancelAnswered(.tooLate), .printing), Key(.timeOut, .running), Key(.heldAtHost, .submitted),
    ]
    static let nothing: Set<Key> = [
        Key(.hold, .held), Key(.release, .queued), Key(.running, .running), Key(.printing, .printing),
        Key(.cancel, .canceled), Key(.releasedAtHost, .submitted), Key(.releasedAtHost, .running),
    ]

    @Test(arguments: actions, JobState.allCases)
    func `every action in every state`(_ action: JobAction, _ state: JobState) throws {
        var job = sample(state)
        let before = job
        let key = Key(action, state)
        if let next = Self.entered[key] {
            #expect(try job.apply(action, at: later) == .entered(next))
            #expect(job.state == next)
            #expect(job.version == before.version + 1)
            #expect(job.changedAt == later)
            #expect((job.endedAt != nil) == next.isFinal)
            #expect((job.outcome != nil) == (next.isFinal && next != .expired && next != .purged))
        } else if Self.noted.contains(key) {
            #expect(try job.apply(action, at: later) == .noted)
            #expect(job.state == state)
            #expect(job.version == before.version + 1)
        } else if Self.nothing.contains(key) {
            #expect(try job.apply(action, at: later) == .nothing)
            #expect(job == before)
        } else {
            #expect(throws: JobConflict(state: state, action: action)) { _ = try job.apply(action, at: later) }
            #expect(job == before)
        }
    }

    @Test(arguments: [JobState.sending, .uncertain])
    func `a deck that came back goes no further when its job was canceled`(_ state: JobState) throws {
        var job = sample(state)
        #expect(try job.apply(.cancel, at: later) == .noted)
        #expect(try job.apply(.returned(reason: "line lost"), at: later) == .entered(.canceled))
        #expect(job.outcome == .canceled)
    }

    @Test(arguments: [
        (Outcome.completed(12), JobState.completed), (.abended("S0C7"), .failed), (.jclError, .failed),
        (.canceled, .canceled), (.lost("purged there"), .failed),
    ])
    func `the outcome decides the final state`(_ outcome: Outcome, _ state: JobState) throws {
        var job = sample(.printing)
        #expect(try job.apply(.finished(outcome), at: later) == .entered(state))
        #expect(job.outcome == outcome)
    }

    @Test(arguments: [
        (JobAction.Decision.adopt(JobNumber("J7")!), JobState.submitted), (.resend, .queued), (.abandon, .failed),
    ])
    func `a decision settles an uncertain job`(_ decision: JobAction.Decision, _ state: JobState) throws {
        var job = sample(.uncertain)
        #expect(try job.apply(.decided(decision, by: "operator"), at: later) == .entered(state))
        #expect(job.hostJob == (state == .submitted ? JobNumber("J7") : nil))
        #expect(job.reason?.contains("operator") == true)
    }

    @Test(arguments: [
        (JobAction.decided(.resend, by: "me"), CancelEffect.removedBeforeSend),
        (.decided(.abandon, by: "me"), .requestedAtHost), (.abandon(reason: "policy"), .requestedAtHost),
        (.returned(reason: "not there"), .removedBeforeSend),
    ])
    func `an uncertain job that was canceled ends canceled`(_ action: JobAction, _ effect: CancelEffect) throws {
        var job = sample(.uncertain)
        #expect(try job.apply(.cancel, at: later) == .noted)
        #expect(job.cancelEffect == .requestedAtHost)
        #expect(try job.apply(action, at: later) == .entered(.canceled))
        #expect(job.outcome == .canceled)
        #expect(job.cancelEffect == effect)
    }

    @Test(arguments: [
        (Outcome.canceled, CancelEffect.requestedAtHost), (.completed(0), .tooLate), (.jclError, .tooLate),
    ])
    func `the end says whether a cancel came in time`(_ outcome: Outcome, _ effect: CancelEffect) throws {
        var job = sample(.running)
        _ = try job.apply(.cancel, at: later)
        _ = try job.apply(.finished(outcome), at: later)
        #expect(job.cancelEffect == effect)
    }

    @Test func `a job that ran too long says so in its end, a canceled one does not`() throws {
        var job = sample(.submitted)
        job.timeout = .seconds(30)
        _ = try job.apply(.running, at: later)
        #expect(job.timesOutAt == later.advanced(by: .seconds(30)))
        var byHand = job
        _ = try job.apply(.timeOut, at: later.advanced(by: .seconds(31)))
        #expect(job.reason == "ran longer than its timeout of 30 s; the host is asked to cancel it")
        _ = try job.apply(.printing, at: later.advanced(by: .seconds(32)))
        _ = try job.apply(.finished(.canceled), at: later.advanced(by: .seconds(33)))
        #expect(job.reason == "ran longer than its timeout of 30 s")
        _ = try byHand.apply(.cancel, at: later.advanced(by: .seconds(3)))
        _ = try byHand.apply(.finished(.canceled), at: later.advanced(by: .seconds(33)))
        #expect(byHand.reason == nil)
    }

    @Test func `return codes are spelled as z/OSMF spells them`() {
        #expect(Outcome.completed(0).text == "CC 0000")
        #expect(Outcome.completed(4).text == "CC 0004")
        #expect(Outcome.completed(12345).text == "CC 12345")
        #expect(Outcome.abended("U0016").text == "ABEND U0016")
    }

    private let later = Timestamp(microseconds: 2_000_000)

    private func sample(_ state: JobState) -> Job {
        var job = Job(
            id: JobID(bits: 1), host: HostID("demo")!, owner: .local, name: JobName("A"),
            createdAt: Timestamp(microseconds: 1_000_000),
            deck: DeckSummary(octets: 1, cards: 1, hash: ContentHash(of: [1])))
        job.state = state
        return job
    }
}
