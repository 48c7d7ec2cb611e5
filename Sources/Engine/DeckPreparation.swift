import Jobs
import Stations
import Stores
import Synchronization
import Wire

/// Turns a stored deck into the block that goes to the host.
enum DeckPreparation {
    /// - Throws: `StoreError` when the deck cannot be read, `CardFault` when it cannot be coded (it was checked at submission,
    ///   so only a changed configuration does that).
    static func prepare(_ job: Job, for host: HostProfile, from store: any JobStore) async throws -> PreparedDeck {
        let body = try await store.deck(of: job.id)
        let priority = job.priority == 0 ? nil : job.priority
        switch job.deck.form {
        case .cardImages:
            return PreparedDeck(
                job: job.id, key: job.submissionKey, octets: body.octets, code: host.codePage.name, form: .fixed(80),
                priority: priority
            ) { offset, count in try await body.read(from: offset, count: count) }
        case .text where body.octets <= StagedBody.mostInlineOctets:
            let deck = try await body.read(from: 0, count: body.octets)
            let block = try CardEncoder.block(of: deck, code: host.codePage, longestCard: host.longestCard).block
            return PreparedDeck(
                job: job.id, key: job.submissionKey, octets: block.count, code: host.codePage.name, form: .variable,
                priority: priority
            ) { offset, count in
                let start = min(max(0, offset), block.count)
                return Array(block[start..<min(block.count, start + count)])
            }
        case .text:
            var length = 0
            var encoder = CardEncoder(code: host.codePage, longestCard: host.longestCard)
            var coded: [UInt8] = []
            var offset = 0
            while offset < body.octets {
                let piece = try await body.read(from: offset, count: pieceOctets)
                offset += piece.count
                coded.removeAll(keepingCapacity: true)
                try encoder.append(piece, to: &coded)
                length += coded.count
            }
            coded.removeAll(keepingCapacity: true)
            try encoder.finish(to: &coded)
            length += coded.count
            let stream = CodedDeck(body: body, code: host.codePage, longestCard: host.longestCard)
            return PreparedDeck(
                job: job.id, key: job.submissionKey, octets: length, code: host.codePage.name, form: .variable,
                priority: priority
            ) { offset, count in try await stream.read(from: offset, count: count) }
        }
    }

    static let pieceOctets = 64 * 1024
}

/// A large deck coded while it is read, in flat memory. Reading goes forward; a step back begins anew.
private actor CodedDeck {
    private let body: any BodyReader
    private let code: CodePage
    private let longestCard: Int
    private var encoder: CardEncoder
    private var taken = 0
    /// Coded octets from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0

    init(body: any BodyReader, code: CodePage, longestCard: Int) {
        self.body = body
        self.code = code
        self.longestCard = longestCard
        encoder = CardEncoder(code: code, longestCard: longestCard)
    }

    func read(from offset: Int, count: Int) async throws -> [UInt8] {
        if offset < start {
            encoder = CardEncoder(code: code, longestCard: longestCard)
            taken = 0
            buffer = []
            start = 0
        }
        while start + buffer.count < offset + count, taken <= body.octets {
            let passed = min(offset - start, buffer.count)
            if passed > 0 {
                buffer.removeFirst(passed)
                start += passed
            }
            if taken == body.octets {
                try encoder.finish(to: &buffer)
                taken += 1
            } else {
                let piece = try await body.read(from: taken, count: DeckPreparation.pieceOctets)
                taken += piece.count
                try encoder.append(piece, to: &buffer)
            }
        }
        let from = min(offset - start, buffer.count)
        return Array(buffer[from..<min(buffer.count, from + count)])
    }
}
