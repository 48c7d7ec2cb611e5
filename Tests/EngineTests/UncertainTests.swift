import Engine
import Jobs
import Logging
import Stations
import Stores
import Synchronization
import Testing
import Wire

/// What becomes of a job of which nobody can tell whether its host has it.
@Suite struct UncertainTests {
    /// A host whose protocol knows no submission keys.
    private func keyless(_ bench: Bench, _ faults: [FakeHost.Fault]) {
        bench.host.state.withLock {
            $0.abilities.remove(.submissionKey)
            $0.faults = faults
        }
    }

    @Test func `a job that the host lists under its name alone is adopted`() async throws {
        try await Bench.run { bench in
            keyless(bench, [.cutInClosing(taken: true)])
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(job.attempts == 1)
            #expect(bench.host.state.withLock { $0.jobs.count } == 1)
            let states = try await bench.store.events(after: 0, job: job.id, limit: 100)
            #expect(
                states.contains {
                    $0.type == "job.submitted" && words($0).contains("found at the host by its job name")
                })
            #expect(try await bench.store.attempts(of: job.id).map(\.phase) == [.ended])
        }
    }

    @Test func `an earlier job of the same name is not taken for it`() async throws {
        try await Bench.run { bench in
            keyless(bench, [])
            bench.host.state.withLock { _ = $0.abilities.remove(.pulledOutput) }
            let first = try await bench.finished(try await bench.submit())
            #expect(first.state == .completed)
            bench.host.state.withLock { $0.faults = [.cutInClosing(taken: false)] }
            let second = try await bench.wait(try await bench.submit(), until: .uncertain)
            #expect(
                try await bench.eventually {
                    try await $0.store.job(second.id)?.reason?.contains("lists no job HELLO") == true
                })
            #expect(try await bench.store.job(second.id)?.state == .uncertain)
        }
    }

    @Test func `two of one name are not told apart by a list`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            keyless(bench, [.cutInClosing(taken: true), .cutInClosing(taken: true)])
            let one = try await bench.submit()
            let two = try await bench.submit()
            for id in [one, two] { _ = try await bench.wait(id, until: .uncertain) }
            #expect(
                try await bench.eventually {
                    let jobs = [try await $0.store.job(one), try await $0.store.job(two)]
                    return jobs.allSatisfy { $0?.reason?.contains("does not tell them apart") == true }
                })
        }
    }

    @Test func `a deck that lay in the host's buffers is adopted when the host speaks of it`() async throws {
        try await Bench.run { bench in
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit()
            #expect(
                try await bench.eventually {
                    try await $0.store.job(id)?.reason?.contains("resolved by an operator") == true
                })
            let number = bench.host.add("//HELLO JOB\n")
            #expect(try await bench.wait(id, until: .submitted).hostJob == number)
            bench.host.run(number)
            #expect(try await bench.finished(id).state == .completed)
        }
    }

    @Test func `a print-out with the marker card adopts its job, and the job ends with it`() async throws {
        try await Bench.run(Bench.Rules(hasMarkerCard: true)) { bench in
            keyless(bench, [.cutInClosing(taken: false)])
            bench.host.state.withLock { _ = $0.abilities.remove(.status) }
            let id = try await bench.submit()
            #expect(
                try await bench.eventually {
                    try await $0.store.job(id)?.reason?.contains("the host cannot be asked for it") == true
                })
            let job = try #require(try await bench.store.job(id))
            let outputs = PushedOutputs(
                host: job.host, codePage: .ascii, store: bench.store, log: Logger(label: "test"))
            let sink = try await outputs.begin(
                PushedStream(kind: .print, carriageControl: .asa, code: "ASCII", recordLength: 133))
            try await sink.append(Array(" J E S 2  J O B  L O G\n         2 \(MarkerCard.text(for: id))\n".utf8))
            try await sink.finish(isLast: true)
            let ended = try await bench.finished(id)
            #expect(ended.state == .completed)
            #expect(ended.outputs == 1)
            let events = try await bench.store.events(after: 0, job: id, limit: 100)
            #expect(events.contains { $0.type == "job.submitted" && words($0).contains("its output came") })
        }
    }

    @Test func `an operator's adoption is followed to its end and audited`() async throws {
        try await Bench.run { bench in
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .uncertain)
            let number = bench.host.add("//OTHER JOB\n")
            let job = try await bench.desk.resolve(id, .adopt(number), by: .local)
            #expect(job.state == .submitted)
            #expect(job.hostJob == number)
            bench.host.run(number)
            #expect(try await bench.finished(id).state == .completed)
            let audit = try await bench.store.audit(AuditQuery(owner: .local, subject: id.description))
            #expect(audit.map(\.entry.action) == ["job.resolve"])
            #expect(audit.first?.entry.detail?.hasPrefix("adopted as \(number)") == true)
        }
    }

    @Test func `an operator's word that the host has nothing sends the job again`() async throws {
        try await Bench.run { bench in
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .uncertain)
            _ = try await bench.desk.resolve(id, .resend, by: .local)
            let job = try await bench.finished(id)
            #expect(job.state == .completed)
            #expect(job.attempts == 2)
            #expect(try await bench.store.attempts(of: id).map(\.phase) == [.ended, .ended])
        }
    }

    @Test func `a job that is given up is lost in words`() async throws {
        try await Bench.run { bench in
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .uncertain)
            let job = try await bench.desk.resolve(id, .abandon, by: .local)
            #expect(job.state == .failed)
            #expect(job.outcome?.kind == .lost)
        }
    }

    @Test func `a decision about a job that is not uncertain changes nothing and is not audited`() async throws {
        try await Bench.run { bench in
            let job = try await bench.finished(try await bench.submit())
            await #expect(throws: StoreError.self) { try await bench.desk.resolve(job.id, .resend, by: .local) }
            #expect(try await bench.store.audit(AuditQuery(owner: .local, subject: job.id.description)).isEmpty)
        }
    }

    @Test func `a number that another job has is not given to two`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            let first = try await bench.wait(try await bench.submit(), until: .submitted)
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit(deck: "//SECOND JOB\n")
            _ = try await bench.wait(id, until: .uncertain)
            let number = try #require(first.hostJob)
            await #expect(throws: StoreError.hostJobTaken(number, by: first.id)) {
                try await bench.desk.resolve(id, .adopt(number), by: .local)
            }
            #expect(try await bench.store.job(id)?.state == .uncertain)
        }
    }

    @Test(arguments: [(Job.UncertainPolicy.hold, JobState.uncertain), (.abandon, .canceled), (.resubmit, .canceled)])
    func `a canceled job of which nobody knows is not sent again`(
        _ policy: Job.UncertainPolicy, _ state: JobState
    ) async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.refusesLogon = true }
            keyless(bench, [])
            let id = try await bench.submit(policy: policy)
            let now = WallClock.system.now()
            _ = try await bench.store.commit(
                JobChange(.beginSending, of: id, at: now, attempt: .open(session: "old", closing: true)))
            _ = try await bench.store.commit(JobChange(.lostInClosing(evidence: "cut"), of: id, at: now))
            #expect(try await bench.desk.cancel(id).effect == .requestedAtHost)
            bench.host.state.withLock { $0.refusesLogon = false }
            try await bench.restart()
            #expect(
                try await bench.eventually {
                    let job = try await $0.store.job(id)
                    return job?.state == state
                        && (state != .uncertain || job?.reason?.hasPrefix("to be canceled") == true)
                })
            #expect(bench.host.state.withLock { $0.jobs.isEmpty })
        }
    }

    @Test func `a cancel after the question was given up is judged without a restart`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            keyless(bench, [.cutInClosing(taken: false)])
            let id = try await bench.submit()
            #expect(
                try await bench.eventually {
                    try await $0.store.job(id)?.reason?.contains("resolved by an operator") == true
                })
            _ = try await bench.desk.cancel(id)
            #expect(
                try await bench.eventually { try await $0.store.job(id)?.reason?.hasPrefix("to be canceled") == true })
            // It turns up after all: it is adopted, and canceled there.
            let number = bench.host.add("//HELLO JOB\n")
            #expect(try await bench.finished(id).state == .canceled)
            #expect(bench.host.state.withLock { $0.canceled } == [number])
        }
    }

    @Test func `a deck that is refused because its key is bound is found by the key`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock {
                $0.faults = [.cutInClosing(taken: true)]
                $0.keyClashes = true
            }
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(bench.host.copies(of: job.submissionKey) == 1)
        }
    }

    // MARK: where the closing window begins

    private static let runs = Bench.Rules(cutDeck: CutDeck(.run, completedBy: "FIN", source: "the test"))

    @Test func `a host that runs cut decks may have one as soon as the first card could go out`() async throws {
        try await Bench.run(Self.runs) { bench in
            bench.host.state.withLock {
                $0.abilities.remove(.submissionKey)
                $0.faults = [.cutEarly]
            }
            let id = try await bench.submit()
            let job = try await bench.wait(id, until: .uncertain)
            #expect(job.attempts == 1)
            let attempt = try #require(try await bench.store.attempts(of: id).last)
            #expect(attempt.phase == .closing)
            #expect(attempt.evidence?.contains("runs a deck that is cut short") == true)
        }
    }

    @Test func `before the first card even such a host has nothing`() async throws {
        try await Bench.run(Self.runs) { bench in
            bench.host.state.withLock {
                $0.abilities.remove(.submissionKey)
                $0.faults = [.cutBeforeReading, .cutBeforeReading]
            }
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(job.attempts == 3)
        }
    }

    @Test(arguments: [(false, JobState.completed), (true, .uncertain)])
    func `a restart judges an attempt of such a host by its phase`(_ isClosing: Bool, _ state: JobState) async throws {
        try await Bench.run(Self.runs) { bench in
            bench.host.state.withLock {
                $0.abilities.remove(.submissionKey)
                $0.refusesLogon = true
            }
            let id = try await bench.submit()
            _ = try await bench.store.commit(
                JobChange(
                    .beginSending, of: id, at: WallClock.system.now(),
                    attempt: .open(session: "old", closing: isClosing)))
            bench.host.state.withLock { $0.refusesLogon = false }
            try await bench.restart()
            #expect(try await bench.wait(id, until: state).state == state)
        }
    }

    private func words(_ event: Event) -> String { String(decoding: event.body, as: UTF8.self) }
}
