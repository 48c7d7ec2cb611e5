import Jobs
import Stores
import TestKit
import Testing

/// What is kept of a job's sessions and of where it came from.
@Suite struct TraceContractTests {
    private static func log(_ words: String) -> FrameLog {
        var log = FrameLog()
        log.first = [Frame(at: Sample.epoch, .out, octets: 9, words.utf8)]
        return log
    }

    private static func end(_ job: JobID, _ action: JobAction, _ words: String) -> JobChange {
        var change = JobChange(action, of: job, at: Sample.time(10), attempt: .end(evidence: nil))
        change.frames = log(words)
        return change
    }

    @Test(arguments: StoreUnderTest.available)
    func `frames are kept by attempt, over a restart, and go with the job's bodies`(_ back: StoreUnderTest) async throws
    {
        let folder = try TemporaryFolder()
        let id = Sample.id(1)
        try await back.run(in: folder) { store async throws in
            try await store.submit(try Sample.job(1))
            #expect(try await store.frames(of: id).isEmpty)
            try await store.act(.beginSending, on: id, attempt: .open(session: "s", closing: false))
            _ = try await store.commit(Self.end(id, .returned(reason: "cut"), "first"))
            try await store.act(.beginSending, on: id, attempt: .open(session: "s", closing: false))
            _ = try await store.commit(Self.end(id, .accepted(JobNumber("J00001"), adopted: nil), "second"))
            var finished = JobChange(.finished(.completed(0)), of: id, at: Sample.time(20))
            finished.frames = Self.log("output")
            _ = try await store.commit(finished)
        }
        try await back.run(in: folder) { store async throws in
            let kept = try await store.frames(of: id)
            #expect(kept.map(\.attempt) == [1, 2, 2])
            #expect(kept.map(\.part) == [1, 1, 2])
            #expect(kept.map(\.log) == ["first", "second", "output"].map(Self.log))
            #expect(try await store.frames(of: Sample.id(2)).isEmpty)
            _ = try await store.purge(id, reason: nil, at: Sample.time(30), audit: nil)
            #expect(try await store.frames(of: id).isEmpty)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `of many attempts the first and the last fifteen keep their frames`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let id = Sample.id(1)
            try await store.submit(try Sample.job(1))
            for number in 1...20 {
                try await store.act(.beginSending, on: id, attempt: .open(session: "s", closing: false))
                _ = try await store.commit(Self.end(id, .returned(reason: "cut"), "\(number)"))
            }
            #expect(try await store.frames(of: id).map(\.attempt) == [1] + Array(6...20))
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a job's trace goes out with its deliveries, over a restart too`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let trace = try #require(
            TraceContext(parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state: "a=1"))
        let hook = Submission.NotifyRequest(url: "https://ci.example/hook", events: ["job.*"])
        try await back.run(in: folder) { store async throws in
            var job = try Sample.job(1)
            job.origin = Origin(requestID: "build-77", trace: trace)
            try await store.submit(job, notify: [hook])
            try await store.submit(try Sample.job(2), notify: [hook])
        }
        try await back.run(in: folder) { store async throws in
            #expect(try await store.job(Sample.id(1))?.origin == Origin(requestID: "build-77", trace: trace))
            #expect(try await store.job(Sample.id(2))?.origin == nil)
            let due = try await store.dueDeliveries(at: Sample.time(100), limit: 10, excluding: [])
            #expect(due.map(\.trace) == [trace, nil])
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `the oldest queued job of each host is known, and commits are timed`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let host = try #require(HostID("payroll"))
            #expect(try await store.oldestQueued().isEmpty)
            for number in [3, 1, 2] { try await store.submit(try Sample.job(number)) }
            try await store.submit(try Sample.job(4, host: "other"))
            #expect(try await store.oldestQueued()[host] == Sample.time(1))
            try await store.act(.hold, on: Sample.id(1))
            #expect(try await store.oldestQueued()[host] == Sample.time(2))
            let figures = store.figures
            #expect(figures.operations >= 5 && figures.commits.count >= 1)
            #expect(figures.commits.count == figures.syncs.count && figures.commits.sum >= figures.syncs.sum)
            await store.ping()
        }
    }

}
