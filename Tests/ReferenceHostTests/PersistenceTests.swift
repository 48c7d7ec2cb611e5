import Foundation
import Jobs
import ReferenceHost
import Lines
import TestKit
import Testing

@Suite struct PersistenceTests {
    private func open(
        _ folder: TestFolder, time: HostTime = .fixed(), keep: Duration = .seconds(1000), ledger: String? = nil,
        initiators: Int = 4
    ) throws -> BatchSystem {
        var settings = BatchSettings()
        settings.keep = keep
        settings.initiators = Array(repeating: JobClass.all, count: initiators)
        return try BatchSystem(settings, time: time, directory: folder.path, ledger: ledger)
    }

    @Test func `jobs, keys, voids and print-out are there after a restart`() async throws {
        let folder = try TestFolder()
        var before: [Ran] = []
        var batch: BatchSystem? = try open(folder)
        try await withBatch(try #require(batch)) { batch in
            for deck in [
                hello, "//L JOB\n// EXEC PGM=LINES,PARM=4000\n", "//C JOB\n// EXEC PGM=CARDS,PARM=3\n",
                "//F JOB\n// EXEC PGM=ABEND,PARM=U7\n",
            ] {
                before.append(
                    try await batch.ended(batch.accept(deck, key: deck.utf8.count.description).number.description))
            }
            let gone = try await batch.accept(hello, key: "GONE").number.description
            _ = try await batch.ended(gone)
            try await batch.wait(for: batch.purge(gone, of: "RMT1"))
            let held = try await batch.accept(hello, key: "HELD") { $0.isHeld = true }.number.description
            #expect(held == "J00006")
            _ = try await batch.wait(for: batch.void(key: "VOID", of: "RMT1"))
        }
        await batch?.close()
        batch = nil
        let again = try open(folder)
        #expect(again.status(of: "RMT1").reports.map(\.number.value) == [6, 4, 3, 2, 1])
        for ran in before {
            let number = ran.report.number.description
            #expect(again.status(number, of: "RMT1") == ran.report)
            let files = try again.files(number, of: "RMT1")
            #expect(files.map(\.hash) == ran.files.map(\.hash))
            for file in files {
                #expect(ContentHash(of: try file.body.read(offset: 0, count: .max)) == file.hash)
            }
        }
        #expect(again.find(key: "GONE", of: "RMT1").answer?.isPurged == true)
        #expect(try await again.accept(hello, key: "GONE").isDuplicate)
        #expect(again.void(key: "VOID", of: "RMT1").answer == .voided)
        #expect(again.status("J00006", of: "RMT1")?.state == .held)
        try await withBatch(again) { again in
            _ = try again.release("J00006", of: "RMT1")
            #expect(try await again.ended("J00006").report.state == .done)
            #expect(try await again.accept(hello).number.description == "J00007")
        }
    }

    @Test func `a job that ran at the stop runs again, and the ledger says rerun`() async throws {
        let folder = try TestFolder()
        let ledger = folder.path + "/ledger"
        let clock = ManualClock()
        let deck = "//W JOB\n// EXEC PGM=WAIT,PARM=5\n"
        var batch: BatchSystem? = try open(folder, time: .fixed(clock), ledger: ledger)
        try await withBatch(try #require(batch)) { batch in
            let job = try await batch.accept(deck, key: "K").number.description
            _ = await batch.reached([.running], job)
            await clock.sleepersReach(1)
        }
        await batch?.close()
        batch = nil
        let next = ManualClock()
        try await withBatch(open(folder, time: .fixed(next), ledger: ledger)) { batch in
            await next.sleepersReach(1)
            next.advance(by: .seconds(5))
            let ran = try await batch.ended("J00001")
            #expect(ran.report.state == .done)
            #expect(ran.text("JESMSGLG")?.contains("$HASP493 W        JOB IS RESTARTED") == true)
            #expect(try await batch.accept(deck, key: "K").isDuplicate)
        }
        let lines = try Ledger(path: ledger).lines
        #expect(lines.map { $0["event"] as? String } == ["accepted", "run", "restored", "run", "ended"])
        #expect(lines.map { $0["rerun"] as? Bool ?? false } == [false, false, false, true, false])
        #expect(lines.allSatisfy { $0["key"] as? String == "K" && $0["job"] as? String == "J00001" })
        #expect(lines[0]["deck_sha256"] as? String == ContentHash(of: Array(deck.utf8)).hex)
        #expect((lines[4]["outputs"] as? [[String: Any]])?.count == 3)
    }

    @Test func `a cancel that was promised holds after a restart`() async throws {
        let folder = try TestFolder()
        let clock = ManualClock()
        var copy: TestFolder?
        try await withBatch(open(folder, time: .fixed(clock))) { batch in
            let job = try await batch.accept("//W JOB\n// EXEC PGM=WAIT,PARM=5\n").number.description
            _ = await batch.reached([.running], job)
            let pending = try batch.cancel(job, of: "RMT1")
            _ = try await batch.wait(for: pending)
            copy = try folder.copy()
        }
        try await withBatch(open(try #require(copy))) { batch in
            let ended = try await batch.ended("J00001")
            #expect(ended.report.end?.outcome == .cancelled)
        }
    }

    @Test func `keys run out after a restart as before`() async throws {
        let folder = try TestFolder()
        let clock = ManualClock()
        var batch: BatchSystem? = try open(folder, time: .fixed(clock), keep: .seconds(100))
        try await withBatch(try #require(batch)) { batch in
            _ = try await batch.ended(batch.accept(hello, key: "K").number.description)
            try await batch.wait(for: batch.purge("J00001", of: "RMT1"))
        }
        await batch?.close()
        batch = nil
        clock.advance(by: .seconds(99))
        batch = try open(folder, time: .fixed(clock), keep: .seconds(100))
        #expect(batch?.find(key: "K", of: "RMT1").answer?.number.value == 1)
        await batch?.close()
        batch = nil
        clock.advance(by: .seconds(1))
        let last = try open(folder, time: .fixed(clock), keep: .seconds(100))
        #expect(last.find(key: "K", of: "RMT1").answer == nil)
    }

    /// The folder is copied while jobs come and go: what a kill -9 leaves. Everything acknowledged before the copy must
    /// be in it, whole, and nothing may have run twice without the ledger saying so.
    @Test func `a copy taken at any moment holds what was acknowledged`() async throws {
        let folder = try TestFolder()
        let acknowledged = Locked<[String: String]>([:])
        let ended = Locked<[String: [ContentHash]]>([:])
        let batch = try open(folder, ledger: folder.path + "/ledger")
        try await withBatch(batch) { batch in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for number in 0..<60 {
                            let key = "W\(worker).\(number)"
                            let deck = "//J\(worker) JOB\n// EXEC PGM=LINES,PARM=\(number % 7 == 0 ? 1200 : 3)\n"
                            let job = try await batch.accept(deck, key: key).number.description
                            acknowledged.withLock { $0[key] = job }
                            let ran = try await batch.ended(job)
                            ended.withLock { $0[job] = ran.files.map(\.hash) }
                        }
                    }
                }
                for moment in 1...12 {
                    while acknowledged.withLock({ $0.count }) < moment * 16 { await Task.yield() }
                    let (known, over) = (acknowledged.withLock { $0 }, ended.withLock { $0 })
                    let copy = try folder.copy()
                    let restored = try open(copy, ledger: copy.path + "/ledger")
                    for (key, job) in known {
                        #expect(restored.find(key: key, of: "RMT1").answer?.number.description == job)
                    }
                    for (job, hashes) in over {
                        let files = try restored.files(job, of: "RMT1")
                        #expect(files.map(\.hash) == hashes)
                        for file in files {
                            #expect(ContentHash(of: try file.body.read(offset: 0, count: .max)) == file.hash)
                        }
                    }
                    try await withBatch(restored) { restored in
                        for job in known.values {
                            let ran = try await restored.ended(job)
                            #expect(ran.report.state == .done)
                        }
                    }
                    let ledger = try Ledger(path: copy.path + "/ledger")
                    for (key, runs) in ledger.firstRuns { #expect(runs == 1, "\(key) was run \(runs) times") }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `a journal torn at any octet opens with what stood whole before`() async throws {
        let folder = try TestFolder()
        var batch: BatchSystem? = try open(folder, initiators: 0)
        for number in 0..<3 { _ = try await batch?.accept(hello, key: "K\(number)") }
        await batch?.close()
        batch = nil
        let journal = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/journal"))
        var seen: Set<Int> = []
        for length in Array(stride(from: 0, to: journal.count, by: 11)) + [journal.count] {
            let torn = try TestFolder()
            try journal.prefix(length).write(to: URL(fileURLWithPath: torn.path + "/journal"))
            let again = try open(torn, initiators: 0)
            let jobs = again.status(of: "RMT1").reports.count
            seen.insert(jobs)
            for number in 0..<jobs { #expect(again.find(key: "K\(number)", of: "RMT1").answer != nil) }
            _ = try await again.accept(hello, key: "NEW")
        }
        #expect(seen == [0, 1, 2, 3])
        var spoiled = journal
        spoiled[journal.count - 5] ^= 1
        let folder2 = try TestFolder()
        try spoiled.write(to: URL(fileURLWithPath: folder2.path + "/journal"))
        #expect(try open(folder2, initiators: 0).status(of: "RMT1").reports.count == 2)
        #expect(FileManager.default.fileExists(atPath: folder2.path + "/journal.cut"))
    }

    @Test func `a folder in use, or with another's journal, is not touched`() async throws {
        let folder = try TestFolder()
        let batch = try open(folder)
        #expect(throws: HostFault.inUse(folder.path)) { try open(folder) }
        _ = try await batch.accept(hello)
        let other = try TestFolder()
        try Data("something else entirely".utf8).write(to: URL(fileURLWithPath: other.path + "/journal"))
        #expect(throws: HostFault.noJournal(other.path + "/journal")) { try open(other) }
    }

    @Test func `print-out files go with their job, and stray ones at the start`() async throws {
        let folder = try TestFolder()
        let spool = folder.path + "/spool"
        var batch: BatchSystem? = try open(folder)
        try await withBatch(try #require(batch)) { batch in
            let job = try await batch.accept("//L JOB\n// EXEC PGM=LINES,PARM=4000\n").number.description
            _ = try await batch.ended(job)
            #expect(try FileManager.default.contentsOfDirectory(atPath: spool).count == 1)
            try await batch.wait(for: batch.purge(job, of: "RMT1"))
            // the file goes where the syncs run, behind the purge: one more commit is behind that
            _ = try await batch.accept(hello)
            #expect(try FileManager.default.contentsOfDirectory(atPath: spool) == [])
        }
        await batch?.close()
        batch = nil
        try Data("x".utf8).write(to: URL(fileURLWithPath: spool + "/J00099.99.1"))
        batch = try open(folder)
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool) == [])
    }
}

/// The ledger, read back.
struct Ledger {
    let lines: [[String: Any]]

    init(path: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        // a copy may end inside a line
        lines = text.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    /// Runs that are no reruns, by key.
    var firstRuns: [String: Int] {
        var runs: [String: Int] = [:]
        for line in lines where line["event"] as? String == "run" && line["rerun"] as? Bool != true {
            if let key = line["key"] as? String { runs[key, default: 0] += 1 }
        }
        return runs
    }
}
