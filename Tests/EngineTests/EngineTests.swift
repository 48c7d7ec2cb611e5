import Engine
import Foundation
import Jobs
import Lines
import Logging
import Stations
import Stores
import Synchronization
import Testing
import Wire

/// The engine over a real store and a host in memory that fails as it is told.
@Suite struct EngineTests {
    @Test func `a job goes the whole way and its output is kept to the octet`() async throws {
        try await Bench.run { bench in
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(job.outcome?.text == "CC 0000")
            let files = try await bench.store.spoolFiles(of: job.id)
            #expect(files.map(\.octets) == [21])
            #expect(files.map(\.records) == [1])
            let body = try await bench.store.spoolBody(of: job.id, file: 1)
            #expect(try await body.read(from: 0, count: 100) == Array(" HELLO FROM THE HOST\n".utf8))
            #expect(bench.host.copies(of: job.submissionKey) == 1)
        }
    }

    @Test func `a host that has changed is taken up again, and its jobs go on`() async throws {
        try await Bench.run { bench in
            #expect(try await bench.finished(try await bench.submit()).state == .completed)
            for _ in 0..<3 {
                let before = try await bench.submit()
                bench.takeUpAgain()
                for id in [before, try await bench.submit()] {
                    let job = try await bench.finished(id)
                    #expect(job.state == .completed)
                    #expect(bench.host.copies(of: job.submissionKey) == 1)
                }
            }
        }
    }

    @Test func `a line lost before the deck is complete sends it again`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.faults = [.cutEarly, .cutEarly] }
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(job.attempts == 3)
            #expect(bench.host.copies(of: job.submissionKey) == 1)
        }
    }

    @Test(arguments: [true, false])
    func `a line lost in the closing window is settled by the submission key`(_ isTaken: Bool) async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.faults = [.cutInClosing(taken: isTaken)] }
            let id = try await bench.submit()
            let job = try await bench.finished(id)
            #expect(job.state == .completed)
            #expect(bench.host.copies(of: job.submissionKey) == 1)
            let states = try await bench.store.events(after: 0, job: id, limit: 100).map(\.type)
            #expect(states.starts(with: ["job.queued", "job.sending", "job.uncertain", "job.submitted"]))
            #expect(try await bench.store.attempts(of: id).last?.phase == .ended)
        }
    }

    @Test(arguments: [
        (Job.UncertainPolicy.hold, JobState.uncertain), (.abandon, .failed), (.resubmit, .completed),
    ])
    func `without keys the policy decides`(_ policy: Job.UncertainPolicy, _ state: JobState) async throws {
        try await Bench.run { bench in
            bench.host.state.withLock {
                $0.abilities.remove(.submissionKey)
                $0.faults = [.cutInClosing(taken: false)]
            }
            let id = try await bench.submit(policy: policy)
            let job = try await bench.wait(id, until: state)
            #expect(job.state == state)
        }
    }

    @Test func `a refused deck is rejected with the host's words`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.faults = [.refuse("NOTALLOWED class Z")] }
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .rejected)
            #expect(job.reason?.contains("NOTALLOWED class Z") == true)
        }
    }

    @Test func `a busy host gets the deck later`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.faults = [.busy, .busy] }
            let job = try await bench.finished(try await bench.submit())
            #expect(job.state == .completed)
            #expect(job.attempts == 3)
        }
    }

    @Test func `a job at the host is canceled there`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .submitted)
            #expect(try await bench.desk.cancel(id).effect == .requestedAtHost)
            #expect(try await bench.finished(id).state == .canceled)
            #expect(bench.host.state.withLock { $0.canceled.count } == 1)
        }
    }

    @Test func `an uncertain job that is canceled is made void at the host`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.refusesLogon = true }
            let id = try await bench.submit()
            // As an earlier run left it: the line was cut in the closing window, and somebody canceled since.
            let now = WallClock.system.now()
            _ = try await bench.store.commit(
                JobChange(.beginSending, of: id, at: now, attempt: .open(session: "old", closing: true)))
            _ = try await bench.store.commit(JobChange(.lostInClosing(evidence: "cut"), of: id, at: now))
            _ = try await bench.desk.cancel(id)
            bench.host.state.withLock { $0.refusesLogon = false }
            try await bench.restart()
            let job = try await bench.finished(id)
            #expect(job.state == .canceled)
            #expect(bench.host.state.withLock { $0.voided } == [job.submissionKey])
            #expect(bench.host.copies(of: job.submissionKey) == 0)
        }
    }

    @Test func `a cut inside a long file goes on at the last octet`() async throws {
        try await Bench.run { bench in
            let line = Array(" A LINE OF PRINT-OUT THAT IS REPEATED UNTIL THE FILE IS LONG\n".utf8)
            let long = Array(repeatElement(line, count: 20_000).joined())
            bench.host.state.withLock {
                $0.outputs = [long]
                $0.fetchFaults = 3
            }
            let job = try await bench.finished(try await bench.submit())
            let file = try #require(try await bench.store.spoolFiles(of: job.id).first)
            #expect(file.hash == ContentHash(of: long))
            #expect(file.records == 20_000)
            #expect(file.textOctets == long.count - 20_000)
            let text = repeatElement(line.dropFirst(), count: 20_000).joined()
            #expect(file.textHash == ContentHash(of: Array(text)))
            let types = try await bench.store.events(after: 0, job: job.id, limit: 100).map(\.type)
            #expect(types.contains("job.printing"))
        }
    }

    @Test func `a host that forgot a job loses it in words`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .submitted)
            bench.host.forgetEverything()
            bench.host.cutLines()
            let job = try await bench.finished(id)
            #expect(job.state == .failed)
            #expect(job.outcome?.kind == .lost)
        }
    }

    @Test(arguments: [true, false])
    func `a restart judges the attempt that was open`(_ isClosing: Bool) async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.refusesLogon = true }
            let id = try await bench.submit()
            let now = WallClock.system.now()
            _ = try await bench.store.commit(
                JobChange(.beginSending, of: id, at: now, attempt: .open(session: "old", closing: isClosing)))
            bench.host.state.withLock { $0.refusesLogon = false }
            try await bench.restart()
            let job = try await bench.finished(id)
            #expect(job.state == .completed)
            #expect(bench.host.copies(of: job.submissionKey) == 1)
            let types = try await bench.store.events(after: 0, job: id, limit: 100).map(\.type)
            #expect(types.contains("job.uncertain") == isClosing)
        }
    }

    @Test func `a restart takes up jobs that the host finished meanwhile`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            var ids: [JobID] = []
            for _ in 0..<20 { ids.append(try await bench.submit()) }
            for id in ids { _ = try await bench.wait(id, until: .submitted) }
            await bench.stop()
            for job in bench.host.state.withLock({ $0.jobs }) { bench.host.run(job.number) }
            try await bench.restart()
            for id in ids { #expect(try await bench.finished(id).state == .completed) }
        }
    }

    @Test func `after a restart the host is asked for its oldest job first`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            var ids: [JobID] = []
            for _ in 0..<20 { ids.append(try await bench.submit()) }
            for id in ids { _ = try await bench.wait(id, until: .submitted) }
            await bench.stop()
            var numbers: [JobNumber] = []
            for id in ids { numbers.append(try #require(try await bench.store.job(id)?.hostJob)) }
            bench.host.state.withLock { $0.asked = [] }
            for job in bench.host.state.withLock({ $0.jobs }) { bench.host.run(job.number) }
            try await bench.restart()
            for id in ids { #expect(try await bench.finished(id).state == .completed) }
            #expect(Array(bench.host.state.withLock { $0.asked }.prefix(20)) == numbers)
        }
    }

    @Test func `a hundred jobs of two owners all end, each handed in once`() async throws {
        try await Bench.run { bench in
            let other = try #require(Owner("other"))
            var ids: [JobID] = []
            for at in 0..<100 { ids.append(try await bench.submit(owner: at % 2 == 0 ? .local : other)) }
            for id in ids {
                let job = try await bench.finished(id)
                #expect(job.state == .completed)
                #expect(bench.host.copies(of: job.submissionKey) == 1)
            }
        }
    }

    @Test func `an overdue job expires`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.refusesLogon = true }
            try await bench.restart()
            let id = try await bench.submit(notAfter: WallClock.system.now())
            #expect(try await bench.finished(id).state == .expired)
        }
    }
}
