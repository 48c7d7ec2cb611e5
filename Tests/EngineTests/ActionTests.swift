import Engine
import Jobs
import Stations
import Stores
import Synchronization
import Testing

/// What clients and operators ask of jobs that move.
@Suite struct ActionTests {
    @Test func `a cancel that the host could not do any more says so, in the job and in its event`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock {
                $0.holdsBack = true
                $0.cancelsTooLate = true
            }
            let id = try await bench.submit()
            _ = try await bench.wait(id, until: .submitted)
            #expect(try await bench.desk.cancel(id).effect == .requestedAtHost)
            let job = try await bench.finished(id)
            #expect(job.state == .completed)
            #expect(job.cancelEffect == .tooLate)
            let last = try #require(try await bench.store.events(after: 0, job: id, limit: 100).last)
            #expect(String(decoding: last.body, as: UTF8.self).contains(#""cancel_effect":"too-late""#))
            #expect(try await bench.desk.cancel(id).effect == .tooLate)
        }
    }

    @Test func `a host that cannot cancel is not asked to`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock {
                $0.holdsBack = true
                $0.abilities.remove(.cancel)
            }
            let id = try await bench.submit()
            let job = try await bench.wait(id, until: .submitted)
            await #expect(throws: DeskError.lacks(host: job.host, ability: "cancel")) {
                _ = try await bench.desk.cancel(id)
            }
            #expect(try await bench.store.job(id)?.cancelRequestedAt == nil)
        }
    }

    @Test func `hold and release reach a job at its host`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock {
                $0.holdsBack = true
                $0.abilities.insert(.hold)
            }
            let id = try await bench.submit()
            let number = try #require(try await bench.wait(id, until: .submitted).hostJob)
            let held = try await bench.desk.hold(id)
            #expect(held.effect == .heldAtHost)
            #expect(held.job.reason == "held at the host on request")
            #expect(bench.host.state.withLock { $0.held } == [number])
            let released = try await bench.desk.release(id)
            #expect(released.effect == .releasedAtHost)
            #expect(released.job.reason == nil)
            #expect(bench.host.state.withLock { $0.held.isEmpty })
        }
    }

    @Test func `a host without hold, and one that refuses it, are told apart`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            let id = try await bench.submit()
            let job = try await bench.wait(id, until: .submitted)
            await #expect(throws: DeskError.lacks(host: job.host, ability: "hold")) {
                _ = try await bench.desk.hold(id)
            }
            bench.host.state.withLock { state in
                state.abilities.insert(.hold)
                for at in state.jobs.indices { state.jobs[at].state = .running }
            }
            await #expect(throws: DeskError.hostRefused(job.host, "465 it runs")) { _ = try await bench.desk.hold(id) }
        }
    }

    @Test func `a job that runs longer than its timeout is canceled at the host`() async throws {
        try await Bench.run { bench in
            bench.host.state.withLock { $0.holdsBack = true }
            let id = try await bench.submit(timeout: .seconds(600))
            let number = try #require(try await bench.wait(id, until: .submitted).hostJob)
            bench.host.begin(number)
            _ = try await bench.wait(id, until: .running)
            #expect(bench.host.state.withLock { $0.canceled.isEmpty })
            bench.ahead.withLock { $0 = .seconds(601) }
            let job = try await bench.finished(id)
            #expect(job.state == .canceled)
            #expect(job.reason == "ran longer than its timeout of 600 s")
            #expect(bench.host.state.withLock { $0.canceled } == [number])
            let last = try #require(try await bench.store.events(after: 0, job: id, limit: 100).last)
            #expect(String(decoding: last.body, as: UTF8.self).contains("ran longer than its timeout of 600 s"))
        }
    }

    @Test func `a drained host gets nothing more until it is resumed`() async throws {
        try await Bench.run { bench in
            let host = try bench.desk.host(named: nil)
            try await bench.desk.setDraining(true, host, by: .local)
            let id = try await bench.submit()
            #expect(
                try await bench.eventually { bench in
                    guard let job = try await bench.store.job(id) else { return false }
                    return bench.desk.shown(job).reason == "the host is drained: waits until it is resumed"
                })
            #expect(try await bench.store.isDraining(host.id))
            #expect(bench.host.state.withLock { $0.jobs.isEmpty })
            try await bench.desk.setDraining(false, host, by: .local)
            #expect(try await bench.finished(id).state == .completed)
            #expect(try await !bench.store.isDraining(host.id))
            let audit = try await bench.store.audit(AuditQuery(owner: .local, subject: host.id.description))
            #expect(audit.map(\.entry.action) == ["host.resume", "host.drain"])
        }
    }

    @Test func `the marker card goes out behind the job card`() async throws {
        try await Bench.run(Bench.Rules(hasMarkerCard: true)) { bench in
            let long = "//LONG JOB (1),\n//  CLASS=A\n" + String(repeating: "// EXEC PGM=IEFBR14\n", count: 5000)
            for deck in ["//SHORT JOB\n// EXEC PGM=IEFBR14\n", long] {
                let job = try await bench.finished(try await bench.submit(deck: deck))
                #expect(job.state == .completed)
                let sent = try #require(bench.host.state.withLock { $0.jobs.last?.deck })
                let lines = String(decoding: sent, as: UTF8.self).split(separator: "\n").map(String.init)
                let place = deck == long ? 2 : 1
                #expect(lines[place] == MarkerCard.text(for: job.id))
                #expect(lines.count == deck.split(separator: "\n").count + 1)
            }
        }
    }

    @Test func `what may wait for a host or of an owner is bounded, and there is room again when it has gone`()
        async throws
    {
        let rules = Bench.Rules(limits: BacklogLimits(jobs: 3), ownerLimits: BacklogLimits(octets: 100))
        try await Bench.run(rules) { bench in
            let host = try bench.desk.host(named: nil)
            try await bench.desk.setDraining(true, host, by: .local)
            let other = try #require(Owner("other"))
            func hit(_ owner: Owner, _ deck: String = "//A JOB\n") async throws -> LimitHit? {
                let intake = try bench.desk.intake(for: host)
                try await intake.append(Array(deck.utf8))
                let result = try await bench.desk.submit(
                    try await intake.finish(), to: host, options: SubmitOptions(owner: owner)
                ) { _ in [] }
                guard case .overLimit(let hit) = result else { return nil }
                return hit
            }
            let large = "//A JOB\n" + String(repeating: "//* 0123456789\n", count: 10)
            // The first of an owner is taken whatever it weighs.
            #expect(try await hit(.local, large) == nil)
            #expect(try await hit(.local) == LimitHit(.owner, .octets, limit: 100))
            #expect(try await hit(other) == nil)
            #expect(try await hit(other) == nil)
            #expect(try await hit(other) == LimitHit(.host, .jobs, limit: 3))
            #expect(bench.store.backlog(of: host.id).jobs == 3)
            #expect(throws: DeskError.self) { try bench.desk.checkRoom(for: other, on: host, octets: 0) }
            try await bench.desk.setDraining(false, host, by: .local)
            #expect(try await bench.eventually { $0.store.backlog(of: host.id) == Backlog() })
            #expect(try await hit(other) == nil)
        }
    }
}
