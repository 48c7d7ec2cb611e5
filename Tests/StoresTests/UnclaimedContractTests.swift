import Jobs
import Stores
import TestKit
import Testing
import Wire

@Suite struct UnclaimedContractTests {
    private static func stream(_ number: Int, host: String = "payroll") throws -> UnclaimedStream {
        UnclaimedStream(
            host: try #require(HostID(host)), at: Sample.time(number), name: JobName("PAY\(number)"),
            hostJob: number.isMultiple(of: 2) ? JobNumber("J0000\(number)") : nil, header: "SMITH",
            reason: "no job is named PAY\(number)", kind: .print, carriageControl: .asa, code: "CP037",
            recordLength: 133, records: 7, octets: 0, textOctets: 5, textHash: number == 1 ? ContentHash(of: [7]) : nil,
            hash: ContentHash(of: []))
    }

    private static func keep(_ number: Int, _ octets: [UInt8], in store: any JobStore) async throws -> UnclaimedStream {
        let writer = try await store.stageBody()
        try await writer.append(octets)
        return try await store.keepUnclaimed(try stream(number), body: try await writer.finish())
    }

    @Test(arguments: StoreUnderTest.available)
    func `unclaimed output is listed newest first and outlives the process`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        let octets = [Sample.octets(100), Sample.octets(200_000), Sample.octets(3)]
        var kept: [UnclaimedStream] = []
        try await back.run(in: folder) { store async throws in
            for (at, body) in octets.enumerated() { kept.append(try await Self.keep(at + 1, body, in: store)) }
            let other = try Self.stream(9, host: "test")
            _ = try await store.keepUnclaimed(other, body: .inline([1]))
        }
        let payroll = try #require(HostID("payroll"))
        try await back.run(in: folder) { store async throws in
            let page = try await store.unclaimed(on: payroll, before: nil, limit: 2)
            #expect(page == [kept[2], kept[1]])
            #expect(try await store.unclaimed(on: payroll, before: page.last?.number, limit: 50) == [kept[0]])
            #expect(try await store.unclaimed(on: nil, before: nil, limit: 50).count == 4)
            #expect(try await store.unclaimedCounts()[payroll] == 3)
            for (stream, body) in zip(kept, octets) {
                #expect(stream.octets == body.count && stream.hash == ContentHash(of: body))
                #expect(try await store.unclaimed(stream.number) == stream)
                #expect(try await store.unclaimedBody(stream.number)?.readAll() == body)
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `claimed output is the job's next file and no longer on the list`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            let id = Sample.id(1)
            try await store.takeToPrinting(id)
            try await store.act(nil, on: id, files: [Sample.file(id, 1, body: .inline([1, 2, 3]))])
            let octets = Sample.octets(100_000)
            let kept = try await Self.keep(1, octets, in: store)
            let audit = AuditEntry(
                at: Sample.time(5), owner: .local, actor: "local", action: "unclaimed.claim", subject: "\(id)")
            let job = try await store.claim(kept.number, for: id, at: Sample.time(2000), audit: audit)
            #expect(job?.outputs == 2)
            #expect(try await store.spoolFiles(of: id).last == kept.file(2, of: id))
            #expect(try await store.spoolBody(of: id, file: 2).readAll() == octets)
            #expect(try await store.unclaimed(kept.number) == nil)
            #expect(try await store.unclaimedBody(kept.number) == nil)
            #expect(try await store.audit(AuditQuery(owner: .local)).map(\.entry) == [audit])
            #expect(try await store.claim(kept.number, for: id, at: Sample.time(2001), audit: nil) == nil)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a claim for a job that is not there leaves the output on the list`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let kept = try await Self.keep(1, [7], in: store)
            await #expect(throws: StoreError.noSuchJob(Sample.id(8))) {
                try await store.claim(kept.number, for: Sample.id(8), at: Sample.time(1), audit: nil)
            }
            #expect(try await store.unclaimed(kept.number) == kept)
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `removed output is gone and its number is not given again`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let first = try await Self.keep(1, [7], in: store)
            #expect(try await store.removeUnclaimed(first.number, audit: nil))
            #expect(try await store.removeUnclaimed(first.number, audit: nil) == false)
            #expect(try await Self.keep(2, [8], in: store).number > first.number)
        }
    }
}
