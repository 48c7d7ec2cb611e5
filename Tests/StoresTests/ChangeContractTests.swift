import Jobs
import Stores
import Synchronization
import TestKit
import Testing

@Suite struct ChangeContractTests {
    @Test(arguments: StoreUnderTest.available)
    func `a change returns what is stored, and one event tells it`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            try await store.submit(try Sample.job(1))
            try await store.takeToPrinting(Sample.id(1))
            let done = try await store.act(.finished(.completed(4)), on: Sample.id(1), at: Sample.time(2000))
            #expect(done.state == .completed)
            #expect(done.outcome?.text == "CC 0004")
            #expect(done.hostJob == JobNumber("J00001"))
            #expect(done.version == 5)
            #expect(try await store.job(Sample.id(1)) == done)
            let events = try await store.events(after: 0, job: Sample.id(1), limit: 10)
            #expect(
                events.map(\.type) == ["job.queued", "job.sending", "job.submitted", "job.printing", "job.completed"])
            #expect(events.last?.at == Sample.time(2000))
            #expect(events.last?.body == EventBody.job(done, previous: .printing, files: []))
        }
        try await back.run(in: folder) { store async throws in
            let job = try #require(try await store.job(Sample.id(1)))
            #expect(job.state == .completed && job.endedAt == Sample.time(2000) && job.attempts == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an action that the state forbids writes nothing`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            await #expect(throws: StoreError.conflict(JobConflict(state: .queued, action: .running))) {
                try await store.act(
                    .running, on: Sample.id(1), attempt: .open(session: "x", closing: false),
                    files: [Sample.file(Sample.id(1), 1, body: .inline([1]))])
            }
            #expect(try await store.job(Sample.id(1)) == (try Sample.job(1)))
            #expect(try await store.attempts(of: Sample.id(1)).isEmpty)
            #expect(try await store.spoolFiles(of: Sample.id(1)).isEmpty)
            #expect(try await store.lastSequence() == 1)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a change of the row alone makes no event, and no change makes nothing`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let seen = Mutex<[Int]>([])
            store.observe { all in seen.withLock { $0 += all.map { $0.event == nil ? 0 : 1 } } }
            try await store.submit(try Sample.job(1))
            let waiting = try await store.act(.wait(reason: "no station free"), on: Sample.id(1))
            #expect(waiting.version == 2 && waiting.reason == "no station free")
            let same = try await store.act(.wait(reason: "no station free"), on: Sample.id(1))
            #expect(same == waiting)
            #expect(try await store.lastSequence() == 1)
            #expect(seen.withLock { $0 } == [1, 0])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `attempts open, close and end`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = Sample.id(1)
            try await store.submit(try Sample.job(1))
            try await store.act(.beginSending, on: id, attempt: .open(session: "s1", closing: false))
            #expect(try await store.attempts(of: id).map(\.phase) == [.open])
            try await store.act(nil, on: id, attempt: .closing)
            #expect(try await store.attempts(of: id).map(\.phase) == [.closing])
            try await store.act(nil, on: id, attempt: .note(evidence: "line lost"))
            #expect(try await store.attempts(of: id).map(\.phase) == [.closing])
            #expect(try await store.lastSequence() == 2)
            try await store.act(.returned(reason: "void"), on: id, attempt: .end(evidence: nil))
            try await store.act(
                .beginSending, on: id, at: Sample.time(1001), attempt: .open(session: "s2", closing: true))
            try await store.act(nil, on: id, attempt: .end(evidence: "receipt"))
            let attempts = try await store.attempts(of: id)
            #expect(attempts.map(\.number) == [1, 2])
            #expect(attempts.map(\.phase) == [.ended, .ended])
            #expect(attempts.map(\.evidence) == ["line lost", "receipt"])
            #expect(attempts.map(\.session) == ["s1", "s2"])
            #expect(attempts.map(\.openedAt) == [Sample.time(1000), Sample.time(1001)])
            #expect(attempts.map(\.host) == [HostID("payroll"), HostID("payroll")])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `spool files come with the commit, count and can be replaced`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = Sample.id(1)
            try await store.submit(try Sample.job(1))
            try await store.takeToPrinting(id)
            let first = Sample.file(id, 1, body: .inline([1, 2, 3]), ddName: "JESMSGLG")
            let second = Sample.file(id, 2, body: .inline([]))
            let before = try #require(try await store.job(id))
            let after = try await store.act(.printing, on: id, files: [first])
            #expect(after.outputs == 1 && after.version == before.version + 1)
            let ended = try await store.act(.finished(.completed(0)), on: id, files: [second])
            #expect(ended.outputs == 2)
            #expect(try await store.spoolFiles(of: id) == [first.file, second.file])
            let event = try #require(try await store.events(after: 4, job: id, limit: 1).first)
            #expect(event.body == EventBody.job(ended, previous: .printing, files: [first.file, second.file]))
            #expect(try await store.spoolBody(of: id, file: 1).readAll() == [1, 2, 3])
            #expect(try await store.spoolBody(of: id, file: 2).readAll() == [])
            await #expect(throws: StoreError.noSuchFile(id, 3)) { try await store.spoolBody(of: id, file: 3) }

            let better = Sample.file(id, 1, body: .inline([4]))
            #expect(try await store.act(nil, on: id, files: [better]).outputs == 2)
            #expect(try await store.spoolFiles(of: id) == [better.file, second.file])
            #expect(try await store.spoolBody(of: id, file: 1).readAll() == [4])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the sequence has no gap under sixty-four writers, and observers see it in order`(
        _ back: StoreUnderTest
    ) async throws {
        try await back.run { store async throws in
            let seen = Mutex<[Int64]>([])
            store.observe { all in seen.withLock { $0 += all.compactMap { $0.event?.sequence } } }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<64 {
                    group.addTask {
                        for number in 1...5 {
                            let job = try Sample.job(writer * 10 + number)
                            try await store.submit(job)
                            try await store.act(.beginSending, on: job.id, attempt: .open(session: "s", closing: true))
                            // A conflict in everybody's batches.
                            await #expect(throws: StoreError.conflict(JobConflict(state: .sending, action: .release))) {
                                try await store.act(.release, on: job.id)
                            }
                            try await store.act(.accepted(nil, adopted: nil), on: job.id, attempt: .end(evidence: nil))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let expected = Array(Int64(1)...960)
            #expect(try await store.events(after: 0, job: nil, limit: 2000).map(\.sequence) == expected)
            #expect(seen.withLock { $0 } == expected)
            #expect(try await store.lastSequence() == 960)
            #expect(try await store.underWay(on: try #require(HostID("payroll"))).count == 320)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a change is seen by the observer before its author, and by readers`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let seen = Mutex<[JobState]>([])
            store.observe { all in
                for committed in all {
                    guard let job = committed.job else { continue }
                    // What the observer is told is already what readers get.
                    if let cached = store.cachedJob(job.id) { #expect(cached.version >= job.version) }
                    seen.withLock { $0.append(job.state) }
                }
            }
            try await store.submit(try Sample.job(1))
            #expect(seen.withLock { $0 } == [.queued])
            try await store.act(.hold, on: Sample.id(1))
            #expect(seen.withLock { $0 } == [.queued, .held])
            #expect(try await store.jobs(JobQuery()).map(\.state) == [.held])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `an event of no job takes its place in the sequence`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let seen = Mutex<[Event]>([])
            store.observe { all in seen.withLock { $0 += all.compactMap(\.event) } }
            try await store.submit(try Sample.job(1))
            let event = try await store.append(type: "host.up", body: [0x7B, 0x7D], at: Sample.time(5))
            #expect(event.sequence == 2 && event.job == nil && event.body == [0x7B, 0x7D])
            #expect(try await store.events(after: 1, job: nil, limit: 5) == [event])
            #expect(try await store.events(after: 0, job: Sample.id(1), limit: 5).map(\.sequence) == [1])
            #expect(seen.withLock { $0.last } == event)
        }
    }
}
