import Foundation
import Jobs
import Stores
import TestKit
import Testing

@Suite struct BackupTests {
    @Test func `a backup under load is a prefix of the events in which every job is whole`() async throws {
        let (data, place) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: data.path)
        let copies = (1...3).map { "\(place.path)/copy-\($0)" }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<6 {
                group.addTask {
                    for round in 0..<25 {
                        let number = 1 + lane * 100 + round
                        let size = number.isMultiple(of: 3) ? 70_000 + lane : 500
                        let writer = try await store.stageBody()
                        try await writer.append(Sample.octets(size, seed: UInt8(round)))
                        let body = try await writer.finish()
                        try await store.submit(
                            try Sample.job(number, deck: body), deck: body, notify: [DeliveryContractTests.hook])
                        try await store.takeToPrinting(Sample.id(number))
                        try await store.act(
                            .finished(.completed(0)), on: Sample.id(number),
                            files: [Sample.file(Sample.id(number), 1, body: body)])
                        let due = try await store.deliveries(of: Sample.id(number)).filter { $0.state == .pending }
                        try await store.record(
                            due.map {
                                DeliveryResult(
                                    delivery: $0.id, attempt: DeliveryContractTests.attempt(10), next: .delivered)
                            })
                        if round.isMultiple(of: 2) {
                            _ = try await store.purge(Sample.id(number), reason: nil, at: Sample.time(5), audit: nil)
                        }
                    }
                }
            }
            group.addTask {
                for copy in copies { _ = try Backup.make(of: data.path, into: copy, at: Sample.time(1)) }
            }
            try await group.waitForAll()
        }
        let all = try await store.events(after: 0, job: nil, limit: 10_000)
        await store.close()
        for copy in copies {
            let (manifest, faults) = try Backup.verify(copy)
            #expect(faults.isEmpty)
            let restored = try SQLiteStore(folder: copy)
            #expect(restored.openReport.isClean)
            let events = try await restored.events(after: 0, job: nil, limit: 10_000)
            #expect(events == Array(all.prefix(events.count)))
            #expect(Int64(events.count) == manifest.lastEvent)
            let jobs = try await restored.jobs(JobQuery(limit: 10_000))
            #expect(jobs.count == manifest.jobs)
            // Of every job its last event tells the state it is in, and those that were purged are gone.
            var states: [JobID: String] = [:]
            for event in events { if let job = event.job { states[job] = event.type } }
            let left = states.filter { $0.value != "job.purged" }
            #expect(Set(jobs.map(\.id)) == Set(left.keys))
            for job in jobs {
                #expect(left[job.id] == "job.\(job.state.rawValue)")
                #expect(try await restored.deck(of: job.id).readAll().count == job.deck.octets)
                for file in try await restored.spoolFiles(of: job.id) {
                    #expect(try await restored.spoolBody(of: job.id, file: file.number).readAll().count == file.octets)
                }
            }
            try await restored.submit(try Sample.job(9000))
            await restored.close()
        }
    }

    @Test func `a part of a spool file goes with a backup and is resumed from it`() async throws {
        let (data, place) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: data.path)
        let octets = Sample.octets(150_000)
        try await store.submit(try Sample.job(1))
        try await store.takeToPrinting(Sample.id(1))
        let writer = try await store.resumeSpoolFile(of: Sample.id(1), file: 1)
        try await writer.append(Array(octets[..<100_000]))
        try await writer.checkpoint()
        try await writer.append(Array(octets[100_000...]))
        let copy = place.path + "/copy"
        _ = try Backup.make(of: data.path, into: copy, at: Sample.time(1))
        await store.close()
        #expect(try Backup.verify(copy).faults.isEmpty)
        let restored = try SQLiteStore(folder: copy)
        let resumed = try await restored.resumeSpoolFile(of: Sample.id(1), file: 1)
        #expect(resumed.octets == 100_000)
        #expect(try await resumed.read(from: 0, count: 100_000) == Array(octets[..<100_000]))
        await restored.close()
    }

    enum Damage: String, CaseIterable { case flippedBody, cutBody, missingBody, flippedDatabase, noManifest }

    @Test(arguments: Damage.allCases)
    func `a damaged backup is told from a good one`(_ damage: Damage) async throws {
        let (data, place) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: data.path)
        let octets = Sample.octets(100_000)
        let writer = try await store.stageBody()
        try await writer.append(octets)
        let body = try await writer.finish()
        try await store.submit(try Sample.job(1, deck: body), deck: body)
        let copy = place.path + "/copy"
        _ = try Backup.make(of: data.path, into: copy, at: Sample.time(1))
        #expect(throws: BackupError.self) { try Backup.make(of: data.path, into: copy, at: Sample.time(1)) }
        await store.close()
        #expect(try Backup.verify(copy).faults.isEmpty)

        func flip(_ path: String, at offset: Int) throws {
            let file = URL(fileURLWithPath: path)
            var content = try Data(contentsOf: file)
            content[offset] ^= 4
            try content.write(to: file)
        }
        let file = "\(copy)/spool/\(body.hash.hex.prefix(2))/\(body.hash.hex)"
        switch damage {
        case .flippedBody: try flip(file, at: 5000)
        case .cutBody: try Data(octets.dropLast()).write(to: URL(fileURLWithPath: file))
        case .missingBody: try FileManager.default.removeItem(atPath: file)
        case .flippedDatabase: try flip(copy + "/port77.db", at: 9000)
        case .noManifest:
            try FileManager.default.removeItem(atPath: copy + "/manifest.json")
            #expect(throws: BackupError.self) { try Backup.verify(copy) }
            return
        }
        let faults = try Backup.verify(copy).faults
        #expect(faults.count == 1)
        #expect(faults.first?.hasPrefix(damage == .flippedDatabase ? "port77.db" : "spool/") == true)
    }

    @Test func `a body that the store has lost is named, and the rest is copied`() async throws {
        let (data, place) = (try TemporaryFolder(), try TemporaryFolder())
        let store = try SQLiteStore(folder: data.path)
        var bodies: [StagedBody] = []
        for number in 1...2 {
            let writer = try await store.stageBody()
            try await writer.append(Sample.octets(80_000, seed: UInt8(number)))
            let body = try await writer.finish()
            try await store.submit(try Sample.job(number, deck: body), deck: body)
            bodies.append(body)
        }
        let lost = bodies[0].hash
        try FileManager.default.removeItem(atPath: "\(data.path)/spool/\(lost.hex.prefix(2))/\(lost.hex)")
        let copy = place.path + "/copy"
        #expect(try Backup.make(of: data.path, into: copy, at: Sample.time(1)).lacking == [lost])
        await store.close()
        #expect(try Backup.verify(copy).faults.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["copy"])
    }
}
