import Jobs
import Stores
import TestKit
import Testing

@Suite struct BodyContractTests {
    static let sizes = [0, 1, 2000, 65_535, 65_536, 65_537, 1 << 20, 5 << 20]

    @Test(arguments: StoreUnderTest.available)
    func `a deck comes back to the octet, whatever its size`(_ back: StoreUnderTest) async throws {
        let folder = try TemporaryFolder()
        try await back.run(in: folder) { store async throws in
            for (number, size) in Self.sizes.enumerated() {
                let octets = Sample.octets(size)
                let writer = try await store.stageBody()
                var rest = octets[...]
                while !rest.isEmpty {
                    try await writer.append(Array(rest.prefix(20_011)))
                    rest = rest.dropFirst(20_011)
                }
                #expect(writer.octets == size)
                #expect(try await writer.read(from: size / 2, count: 100) == Array(octets[(size / 2)...].prefix(100)))
                let body = try await writer.finish()
                #expect(body.octets == size && body.hash == ContentHash(of: octets))
                #expect((body.content == .file) == (size > StagedBody.mostInlineOctets))
                try await store.submit(try Sample.job(number, deck: body), deck: body)
            }
        }
        try await back.run(in: folder) { store async throws in
            for (number, size) in Self.sizes.enumerated() {
                let reader = try await store.deck(of: Sample.id(number))
                #expect(reader.octets == size)
                let octets = Sample.octets(size)
                #expect(reader.hash == ContentHash(of: octets))
                #expect(try await reader.readAll(by: 30_000) == octets)
                #expect(try await reader.read(from: size / 3, count: 7) == Array(octets[(size / 3)...].prefix(7)))
                #expect(try await reader.read(from: size, count: 1) == [])
                #expect(try await reader.read(from: size + 5, count: 1) == [])
            }
        }
    }

    /// Reading on is served from what was read ahead; each jump, other size or step back leaves that behind.
    @Test(arguments: StoreUnderTest.available)
    func `a reader that runs, jumps and goes back gets what stands there`(_ back: StoreUnderTest) async throws {
        let octets = Sample.octets(3 << 20)
        try await back.run { store async throws in
            let writer = try await store.stageBody()
            try await writer.append(octets)
            let body = try await writer.finish()
            try await store.submit(try Sample.job(1, deck: body), deck: body)
            var random = SplitMix(seed: 407)
            for _ in 1...10 {
                let reader = try await store.deck(of: Sample.id(1))
                var size = 50_000
                var offset = 0
                for _ in 1...60 {
                    switch random.next() % 8 {
                    case 0: offset = Int(random.next() % UInt64(octets.count))
                    case 1: size = 1 + Int(random.next() % 100_000)
                    case 2: offset = max(0, offset - size)
                    default: break
                    }
                    let piece = try await reader.read(from: offset, count: size)
                    #expect(piece == Array(octets[min(offset, octets.count)...].prefix(size)))
                    offset += piece.count
                }
            }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `two jobs with the same large deck both keep it`(_ back: StoreUnderTest) async throws {
        let octets = Sample.octets(200_000)
        try await back.run { store async throws in
            for number in 1...2 {
                let writer = try await store.stageBody()
                try await writer.append(octets)
                let body = try await writer.finish()
                try await store.submit(try Sample.job(number, deck: body), deck: body)
            }
            for number in 1...2 { #expect(try await store.deck(of: Sample.id(number)).readAll() == octets) }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `a discarded body leaves nothing to resume`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            try await store.submit(try Sample.job(1))
            let writer = try await store.resumeSpoolFile(of: Sample.id(1), file: 1)
            try await writer.append(Sample.octets(100_000))
            try await writer.checkpoint()
            await writer.discard()
            #expect(try await store.resumeSpoolFile(of: Sample.id(1), file: 1).octets == 0)
        }
    }

    @Test(arguments: StoreUnderTest.available, [3, 100_000])
    func `a spool file goes on behind its last checkpoint`(_ back: StoreUnderTest, size: Int) async throws {
        let folder = try TemporaryFolder()
        let octets = Sample.octets(size * 3)
        let id = Sample.id(1)
        try await back.run(in: folder) { store async throws in
            try await store.submit(try Sample.job(1))
            try await store.takeToPrinting(id)
            let writer = try await store.resumeSpoolFile(of: id, file: 1)
            #expect(writer.octets == 0)
            try await writer.append(Array(octets[..<size]))
            try await writer.checkpoint()
            // Not durable: the next run does not get it.
            try await writer.append(Array(octets[size..<size * 2]))
            _ = try await writer.read(from: 0, count: size * 2)
            #expect(try await store.resumeSpoolFile(of: id, file: 2).octets == 0)
        }
        try await back.run(in: folder) { store async throws in
            let writer = try await store.resumeSpoolFile(of: id, file: 1)
            #expect(writer.octets == size)
            #expect(try await writer.read(from: 0, count: size) == Array(octets[..<size]))
            try await writer.append(Array(octets[size...]))
            let body = try await writer.finish()
            #expect(body.hash == ContentHash(of: octets))
            // Complete but not committed: a crash here still resumes it.
            #expect(try await store.resumeSpoolFile(of: id, file: 1).octets == size)
        }
        try await back.run(in: folder) { store async throws in
            let writer = try await store.resumeSpoolFile(of: id, file: 1)
            #expect(writer.octets == size)
            try await writer.append(Array(octets[size...]))
            let body = try await writer.finish()
            try await store.act(.finished(.completed(0)), on: id, files: [Sample.file(id, 1, body: body)])
            #expect(try await store.spoolBody(of: id, file: 1).readAll() == octets)
            #expect(try await store.resumeSpoolFile(of: id, file: 1).octets == 0)
        }
    }
}
