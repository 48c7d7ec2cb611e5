import Jobs
import Lines
import Protocols
import Stations
import TestKit
import Testing

/// The same over loopback: real sockets, real time.
@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    private func listen(_ system: FakeSystem) throws -> LineListener {
        try LineListener(on: TestLoops.loopback, loops: TestLoops.all) { line in Task { await serve(line, system) } }
    }

    private func settings(port: Int) -> PrivRJESettings {
        PrivRJESettings(host: "127.0.0.1", port: port, user: "RMT7", password: { "secret" })
    }

    @Test func `a whole job over a socket`() async throws {
        let system = FakeSystem(output: [(0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }])
        let listener = try listen(system)
        let station = PrivRJEStationFactory(settings(port: listener.port), loops: TestLoops.group).makeStation()
        let block = Array("//BIG JOB\n".utf8) + Array(repeating: 0x2A, count: 1_000_000)
        let story = await tell(station, block)
        #expect(story.error == nil && story.isPurged && story.output == system.output[0])
        await listener.stopListeningAndWait()
    }

    @Test func `a whole job over TLS, and no job to a host of unknown authority`() async throws {
        let certificates = try TestCertificates.shared.get()
        let system = FakeSystem()
        var listening = Listener.Settings()
        listening.tls = try TLSServerSettings(
            certificateFile: certificates.certificate, keyFile: certificates.key)
        let listener = try LineListener(on: TestLoops.loopback, loops: TestLoops.all, settings: listening) { line in
            Task { await serve(line, system) }
        }
        var trusting = settings(port: listener.port)
        trusting.tls = try TLSClientSettings(authorityFile: certificates.authority, expectedName: "localhost")
        let story = await tell(
            PrivRJEStationFactory(trusting, loops: TestLoops.group).makeStation(),
            Array("//BIG JOB\n".utf8) + Array(repeating: 0x2A, count: 300_000))
        #expect(story.error == nil && story.isPurged && story.output == system.output[0])
        var doubting = trusting
        doubting.tls = try TLSClientSettings(authorityFile: certificates.strangeAuthority, expectedName: "localhost")
        let station = PrivRJEStationFactory(doubting, loops: TestLoops.group).makeStation()
        do {
            try await station.signOn()
            Issue.record("signed on to a stranger")
        } catch {
            guard case .noLine(let words) = error, words.contains("TLS") else {
                Issue.record("\(error)")
                return
            }
        }
        await listener.stopListeningAndWait()
    }

    @Test func `nobody listens`() async throws {
        let listener = try listen(FakeSystem())
        let port = listener.port
        await listener.stopListeningAndWait()
        let station = PrivRJEStationFactory(settings(port: port), loops: TestLoops.group).makeStation()
        await #expect(
            throws: StationError.noLine("127.0.0.1:\(port): connection refused: nothing listens on that port")
        ) { try await station.signOn() }
    }

    @Test func `jobs over a pool of sockets, each once`() async throws {
        let system = FakeSystem()
        let listener = try listen(system)
        let factory = PrivRJEStationFactory(settings(port: listener.port), loops: TestLoops.group)
        let pool = StationPool(.init(min: 1, max: 3)) { _ in factory.makeStation() }
        async let running: Void = pool.run()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                group.addTask {
                    try await pool.withLease(
                        owner: .local, priority: 0, submittedAt: Timestamp(microseconds: Int64(number)),
                        purpose: .submission
                    ) { lease in
                        _ = try await lease.station.submit(deck(key: "K\(number)"), closing: nil)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(system.jobs.count == 300 && Set(system.jobs.map(\.line.job)).count == 300)
        #expect(pool.status.up <= 3)
        await pool.stop()
        await running
        await listener.stopListeningAndWait()
    }

    @Test func `a pool goes on when lines break again and again`() async throws {
        let system = FakeSystem()
        let listener = try listen(system)
        let proxy = try FaultProxy(to: listener.localAddress) { number in
            [.init(number.isMultiple(of: 2) ? .toHost : .toClient, after: 150 + number * 40, .reset)]
        }
        let factory = PrivRJEStationFactory(settings(port: proxy.port), loops: TestLoops.group)
        let pool = StationPool(
            .init(min: 1, max: 2, firstPause: .milliseconds(1), longestPause: .milliseconds(5))
        ) { _ in factory.makeStation() }
        async let running: Void = pool.run()
        for number in 0..<40 {
            var isDone = false
            while !isDone {
                try await pool.withLease(
                    owner: .local, priority: 0, submittedAt: Timestamp(microseconds: 0), purpose: .submission
                ) { lease in
                    do throws(StationError) {
                        _ = try await lease.station.submit(deck(key: "K\(number)"), closing: nil)
                        isDone = true
                    } catch {
                        switch error {
                        case .notSent, .uncertain: break  // the same INPUT again, by its key
                        default: throw error
                        }
                    }
                }
            }
        }
        #expect(system.jobs.count == 40)
        await pool.stop()
        await running
        await listener.stopListeningAndWait()
    }
}
