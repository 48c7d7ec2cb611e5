import Jobs
import Stores
import TestKit
import Testing

/// Bodies that were committed lately are read from memory: whoever asks must not be able to tell.
@Suite struct RecentBodiesTests {
    private struct Seen: Equatable {
        let deck: [UInt8]?
        let files: [SpoolFile]
        let outputs: [Int: [UInt8]]
    }

    private static let id = Sample.id(1)

    private static func look(_ store: any JobStore) async throws -> Seen {
        let files = try await store.spoolFiles(of: id)
        var outputs: [Int: [UInt8]] = [:]
        for file in files where file.condition != .purged {
            outputs[file.number] = try await store.spoolBody(of: id, file: file.number).readAll()
        }
        return Seen(deck: try? await store.deck(of: id).readAll(), files: files, outputs: outputs)
    }

    private static func file(_ number: Int, _ octets: Int, in store: any JobStore) async throws -> FinishedSpoolFile {
        let writer = try await store.stageBody()
        try await writer.append(Sample.octets(octets, seed: UInt8(number)))
        return Sample.file(id, number, body: try await writer.finish())
    }

    private typealias Step = (words: String, act: @Sendable (any JobStore) async throws -> Void)

    private static let steps: [Step] = [
        ("submitted", { try await $0.submit(try Sample.job(1)) }),
        ("taken by the host", { try await $0.takeToPrinting(id) }),
        (
            "ended",
            { store in
                let files = [
                    try await file(2, 300, in: store), try await file(1, 200_000, in: store),
                    try await file(3, 0, in: store),
                ]
                _ = try await store.commit(
                    JobChange(.finished(.completed(0)), of: id, at: Sample.time(2000), files: files))
            }
        ),
        (
            "printed once more",
            { store in
                let files = [try await file(4, 400, in: store)]
                _ = try await store.commit(JobChange(nil, of: id, at: Sample.time(2001), files: files))
            }
        ),
        (
            "printed again in the place of another",
            { store in
                let files = [try await file(2, 310, in: store)]
                _ = try await store.commit(JobChange(nil, of: id, at: Sample.time(2002), files: files))
            }
        ),
        (
            "its outputs removed",
            { store in
                _ = try await store.sweep(
                    .outputs, olderThan: Sample.time(9000), from: nil, limit: 9, at: Sample.time(9001))
            }
        ),
        (
            "its deck removed",
            { store in
                _ = try await store.sweep(
                    .decks, olderThan: Sample.time(9000), from: nil, limit: 9, at: Sample.time(9002))
            }
        ),
    ]

    @Test(arguments: StoreUnderTest.available)
    func `what lies in memory is what the disk holds, after each step of a job`(_ back: StoreUnderTest) async throws {
        for last in Self.steps.indices {
            let folder = try TemporaryFolder()
            let words = Comment(rawValue: Self.steps[last].words)
            nonisolated(unsafe) var warm: Seen?
            try await back.run(in: folder) { store async throws in
                for step in Self.steps[...last] { try await step.act(store) }
                warm = try await Self.look(store)
            }
            try await back.run(in: folder) { store async throws in #expect(try await Self.look(store) == warm, words) }
        }
    }

    @Test(arguments: StoreUnderTest.available)
    func `many jobs push out what memory holds of the first`(_ back: StoreUnderTest) async throws {
        try await back.run { store async throws in
            let deck = StagedBody.inline(Sample.octets(60_000))
            for number in 1...300 { try await store.submit(try Sample.job(number, deck: deck), deck: deck) }
            for number in [1, 150, 300] {
                #expect(try await store.deck(of: Sample.id(number)).readAll() == Sample.octets(60_000))
            }
        }
    }
}
