import Foundation
import GRDB
import Jobs
import Stores
import Synchronization
import TestKit
import Testing

/// Crashes, flipped bits and lost files.
@Suite struct SQLiteDamageTests {
    @Test func `a copy taken while writes run is a consistent prefix`() async throws {
        let (source, target) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: source.path)
        let large = Sample.octets(70_000)
        var acknowledged = 0
        for round in 0..<8 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        let writer = try await store.stageBody()
                        try await writer.append(number.isMultiple(of: 4) ? large : [1, 2, 3])
                        let body = try await writer.finish()
                        let job = try Sample.job(round * 16 + number, deck: body)
                        try await store.submit(job, deck: body, notify: [DeliveryContractTests.hook])
                        try await store.act(.beginSending, on: job.id, attempt: .open(session: "s", closing: false))
                    }
                }
                if round == 4 { try Self.copy(source.path, to: target.path) }
                try await group.waitForAll()
            }
            if round < 4 { acknowledged += 16 }
        }
        await store.close()

        let copy = try SQLiteStore(folder: target.path)
        #expect(copy.openReport.missingBodies.isEmpty)
        let jobs = try await copy.jobs(JobQuery(limit: 1000))
        #expect(jobs.count >= acknowledged && jobs.count <= acknowledged + 16)
        let events = try await copy.events(after: 0, job: nil, limit: 1000)
        #expect(events.map(\.sequence) == Array(1...Int64(events.count)))
        #expect(events.count == jobs.reduce(0) { $0 + ($1.state == .sending ? 2 : 1) })
        #expect(try await copy.deliveryCounts() == [.pending: events.count])
        for job in jobs {
            #expect(try await copy.deck(of: job.id).readAll().count == job.deck.octets)
            #expect(try await copy.attempts(of: job.id).count == job.attempts)
        }
        try await copy.submit(try Sample.job(500))
        await copy.close()
    }

    /// As a crash leaves it: the log before the database it would be moved into, no checkpoint in between.
    private static func copy(_ source: String, to target: String) throws {
        let files = FileManager.default
        for name in ["port77.db-wal", "port77.db"] {
            try files.copyItem(atPath: "\(source)/\(name)", toPath: "\(target)/\(name)")
        }
        for folder in try files.contentsOfDirectory(atPath: source + "/spool") {
            try files.createDirectory(atPath: "\(target)/spool/\(folder)", withIntermediateDirectories: true)
            for name in try files.contentsOfDirectory(atPath: "\(source)/spool/\(folder)") {
                do {
                    try files.copyItem(
                        atPath: "\(source)/spool/\(folder)/\(name)", toPath: "\(target)/spool/\(folder)/\(name)")
                } catch  where folder == "tmp" {
                    // A temporary file that was renamed or removed since it was listed: no commit names it there.
                }
            }
        }
    }

    enum Place: String, CaseIterable { case row, file }

    @Test(arguments: Place.allCases, [true, false])
    func `a flipped bit is told of the body that has it, and of no other`(place: Place, isDeck: Bool) async throws {
        let folder = try TemporaryFolder()
        let size = place == .row ? 5000 : 100_000
        let store = try SQLiteStore(folder: folder.path)
        for number in 1...2 {
            let octets = Sample.octets(size, seed: UInt8(number))
            let writer = try await store.stageBody()
            try await writer.append(octets)
            let body = try await writer.finish()
            try await store.submit(try Sample.job(number, deck: body), deck: body)
            try await store.takeToPrinting(Sample.id(number))
            let print = try await store.stageBody()
            try await print.append(octets + [9])
            let file = Sample.file(Sample.id(number), 1, body: try await print.finish())
            try await store.act(.printing, on: Sample.id(number), files: [file])
        }
        await store.close()
        let damaged = Sample.octets(size, seed: 1) + (isDeck ? [] : [9])
        try await Self.flipBit(of: damaged, at: 3000, place: place, isDeck: isDeck, in: folder.path)

        let again = try SQLiteStore(folder: folder.path)
        func read(_ number: Int, deck: Bool) async throws -> Int {
            let id = Sample.id(number)
            let reader = deck ? try await again.deck(of: id) : try await again.spoolBody(of: id, file: 1)
            return try await reader.readAll().count
        }
        let what = isDeck ? "the deck of job \(Sample.id(1))" : "spool file 1 of job \(Sample.id(1))"
        await #expect(throws: StoreError.corrupt(what: what)) { try await read(1, deck: isDeck) }
        #expect(try await read(1, deck: !isDeck) == (isDeck ? size + 1 : size))
        #expect(try await read(2, deck: true) == size)
        #expect(try await read(2, deck: false) == size + 1)
        #expect(try await again.job(Sample.id(1))?.state == .printing)
        await again.close()
    }

    private static func flipBit(
        of body: [UInt8], at offset: Int, place: Place, isDeck: Bool, in folder: String
    ) async throws {
        var changed = body
        changed[offset] ^= 0x10
        let hash = ContentHash(of: body)
        switch place {
        case .file:
            let path = "\(folder)/spool/\(hash.hex.prefix(2))/\(hash.hex)"
            #expect(FileManager.default.contents(atPath: path) == Data(body))
            try Data(changed).write(to: URL(fileURLWithPath: path))
        case .row:
            let queue = try DatabaseQueue(path: folder + "/port77.db")
            let values: StatementArguments = [Data(changed), Data(hash.octets)]
            try await queue.write { database in
                try database.execute(
                    sql: "UPDATE \(isDeck ? "decks" : "spool_files") SET body = ? WHERE hash = ?", arguments: values)
                #expect(database.changesCount == 1)
            }
            try queue.close()
        }
    }

    @Test func `what does not fit together is reported when the store is opened`() async throws {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        let store = try SQLiteStore(folder: folder.path)
        #expect(store.openReport.isClean)
        var bodies: [StagedBody] = []
        for seed in UInt8(1)...3 {
            let writer = try await store.stageBody()
            try await writer.append(Sample.octets(70_000, seed: seed))
            let body = try await writer.finish()
            bodies.append(body)
            // The third is never named by a commit, and held until the store is closed: as a crash leaves it.
            if seed < 3 { try await store.submit(try Sample.job(Int(seed), deck: body), deck: body) }
        }
        let part = try await store.resumeSpoolFile(of: Sample.id(1), file: 4)
        try await part.append([1, 2, 3])
        try await part.checkpoint()
        await store.close()
        let hashes = bodies.map(\.hash)
        let lost = "\(folder.path)/spool/\(hashes[1].hex.prefix(2))/\(hashes[1].hex)"
        try files.removeItem(atPath: lost)
        #expect(files.createFile(atPath: folder.path + "/spool/tmp/body-x.tmp", contents: Data([1])))

        let again = try SQLiteStore(folder: folder.path)
        #expect(
            again.openReport
                == OpenReport(
                    removedTemporaries: ["body-x.tmp"], unclaimedFiles: [hashes[2]],
                    missingBodies: [.deck(Sample.id(2))]))
        #expect(!files.fileExists(atPath: folder.path + "/spool/tmp/body-x.tmp"))
        #expect(try await again.resumeSpoolFile(of: Sample.id(1), file: 4).octets == 3)
        await #expect(throws: StoreError.corrupt(what: "the deck of job \(Sample.id(2)): its file is missing")) {
            try await again.deck(of: Sample.id(2))
        }
        #expect(try await again.deck(of: Sample.id(1)).readAll().count == 70_000)
        await again.close()
    }

    @Test func `damage found is listed with the job until the file reads sound again`() async throws {
        let folder = try TemporaryFolder()
        let octets = Sample.octets(500_000)
        let store = try SQLiteStore(folder: folder.path)
        let id = Sample.id(1)
        try await store.submit(try Sample.job(1))
        try await store.takeToPrinting(id)
        let writer = try await store.stageBody()
        try await writer.append(octets)
        let body = try await writer.finish()
        let small = Sample.file(id, 2, body: .inline([1, 2, 3]))
        let job = try await store.act(
            .finished(.completed(0)), on: id, files: [Sample.file(id, 1, body: body), small])
        let path = "\(folder.path)/spool/\(body.hash.hex.prefix(2))/\(body.hash.hex)"
        var flipped = octets
        flipped[499_000] ^= 1
        try Data(flipped).write(to: URL(fileURLWithPath: path))

        // The last piece, with the damage in it or behind it, is never handed out.
        let reader = try await store.spoolBody(of: id, file: 1)
        #expect(try await reader.read(from: 0, count: 400_000) == Array(octets[..<400_000]))
        await #expect(throws: StoreError.corrupt(what: "spool file 1 of job \(id)")) {
            try await reader.read(from: 400_000, count: 100_000)
        }
        // A jump into the middle is checked first.
        let other = try await store.spoolBody(of: id, file: 1)
        await #expect(throws: StoreError.corrupt(what: "spool file 1 of job \(id)")) {
            try await other.read(from: 5000, count: 10)
        }
        #expect(try await store.spoolFiles(of: id).map(\.condition) == [.corrupt, .sound])
        #expect(try await store.damagedBodies(limit: 10) == [DamagedBody(job: id, file: 1)])
        #expect(try await store.job(id)?.version == job.version + 1)

        try Data(octets).write(to: URL(fileURLWithPath: path))
        let healed = try await store.spoolBody(of: id, file: 1)
        #expect(try await healed.read(from: 499_990, count: 100) == Array(octets[499_990...]))
        #expect(try await store.spoolFiles(of: id).map(\.condition) == [.sound, .sound])
        #expect(try await store.damagedBodies(limit: 10).isEmpty)
        try FileManager.default.removeItem(atPath: path)
        await store.close()
        let again = try SQLiteStore(folder: folder.path)
        #expect(again.openReport.missingBodies == [.spoolFile(id, 1)])
        #expect(try await again.spoolFiles(of: id).map(\.condition) == [.corrupt, .sound])
        #expect(try await again.job(id)?.version == job.version + 3)
        await again.close()
    }

    @Test func `a staged body that no job came to name leaves no file`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let octets = Sample.octets(90_000)
        func stage() async throws -> StagedBody {
            let writer = try await store.stageBody()
            try await writer.append(octets)
            return try await writer.finish()
        }
        let key = Submission.Idempotency(key: "k", fingerprint: ContentHash(of: [1]), answer: [])
        var hash: ContentHash
        do {
            let body = try await stage()
            hash = body.hash
            try await store.submit(try Sample.job(1), idempotency: key)
            // A repeat, whose deck is not needed.
            #expect(
                try await store.submit(try Sample.job(2, deck: body), deck: body, idempotency: key)
                    == .replayed(Sample.id(1), answer: []))
        }
        let path = "\(folder.path)/spool/\(hash.hex.prefix(2))/\(hash.hex)"
        try await Self.waitUntil { !FileManager.default.fileExists(atPath: path) }

        // Two of the same octets, one given up while the other waits for its commit.
        let kept = try await stage()
        do { _ = try await stage() }
        try await store.submit(try Sample.job(3, deck: kept), deck: kept)
        #expect(try await store.deck(of: Sample.id(3)).readAll() == octets)
        await store.close()
    }

    static func waitUntil(_ isSo: () async throws -> Bool) async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(30))
        while try await !isSo() {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func `a folder that cannot be opened to make it durable stops nothing, and the next body tries again`()
        async throws
    {
        let folder = try TemporaryFolder()
        let fails = Atomic(true)
        let synced = Atomic(0)
        var calls = SystemCalls()
        calls.openFolder = { path in
            if fails.load(ordering: .relaxed), path.hasSuffix("/spool") {
                errno = EMFILE
                return -1
            }
            if path.hasSuffix("/spool") { synced.add(1, ordering: .relaxed) }
            return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        let store = try SQLiteStore(folder: folder.path, calls: calls)
        func stage() async throws -> StagedBody {
            let writer = try await store.stageBody()
            try await writer.append(Sample.octets(70_000))
            return try await writer.finish()
        }
        await #expect {
            _ = try await stage()
        } throws: {
            if case StoreError.unavailable(let words) = $0 { words.contains("Too many open files") } else { false }
        }
        #expect(store.health == .open)
        fails.store(false, ordering: .relaxed)
        _ = try await stage()
        // The folder was there already; its name was not durable.
        #expect(synced.load(ordering: .relaxed) == 1)
        try await store.submit(try Sample.job(1))
        await store.close()
    }

    @Test func `after a failed fsync of a body nothing is acknowledged until the store is opened again`() async throws {
        let folder = try TemporaryFolder()
        let fails = Atomic(false)
        let calls = SystemCalls { descriptor in
            if fails.load(ordering: .relaxed) {
                errno = EIO
                return -1
            }
            return fsync(descriptor)
        }
        let store = try SQLiteStore(folder: folder.path, calls: calls)
        try await store.submit(try Sample.job(1))
        fails.store(true, ordering: .relaxed)
        let writer = try await store.stageBody()
        try await writer.append(Sample.octets(70_000))
        await #expect {
            try await writer.finish()
        } throws: {
            if case StoreError.unavailable(let words) = $0 { words.contains("Input/output error") } else { false }
        }
        fails.store(false, ordering: .relaxed)
        guard case .stopped(let why) = store.health else {
            Issue.record("the store goes on")
            return
        }
        await #expect(throws: StoreError.unavailable(why)) { try await store.submit(try Sample.job(2)) }
        await #expect(throws: StoreError.unavailable(why)) { try await store.checkWritable() }
        #expect(try await store.jobs(JobQuery()).count == 1)
        await store.close()
        let again = try SQLiteStore(folder: folder.path)
        try await again.submit(try Sample.job(2))
        await again.close()
    }

    @Test func `a file that was cut short is corrupt`() async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        let writer = try await store.stageBody()
        try await writer.append(Sample.octets(70_000))
        let body = try await writer.finish()
        try await store.submit(try Sample.job(1, deck: body), deck: body)
        let path = "\(folder.path)/spool/\(body.hash.hex.prefix(2))/\(body.hash.hex)"
        try Data(Sample.octets(69_999)).write(to: URL(fileURLWithPath: path))
        await #expect(throws: StoreError.corrupt(what: "the deck of job \(Sample.id(1)): its file has another length"))
        {
            try await store.deck(of: Sample.id(1))
        }
        // The same deck handed in again is the file as it should be.
        let again = try await store.stageBody()
        try await again.append(Sample.octets(70_000))
        let healed = try await again.finish()
        #expect(healed == body)
        #expect(try await store.deck(of: Sample.id(1)).readAll() == Sample.octets(70_000))
        await store.close()
    }
}
