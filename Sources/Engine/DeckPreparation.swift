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
        let code = host.codePage.name
        let form: PreparedDeck.Form = job.deck.form == .cardImages ? .fixed(80) : .variable
        let priority = job.priority == 0 ? nil : job.priority
        if job.deck.form == .cardImages, !host.hasMarkerCard {
            return PreparedDeck(
                job: job.id, key: job.submissionKey, octets: body.octets, code: code, form: form, priority: priority
            ) { offset, count in try await body.read(from: offset, count: count) }
        }
        let pipe = try DeckPipe(job, for: host)
        if body.octets <= StagedBody.mostInlineOctets {
            let block = try pipe.whole(try await body.read(from: 0, count: body.octets))
            return PreparedDeck(
                job: job.id, key: job.submissionKey, octets: block.count, code: code, form: form, priority: priority
            ) { offset, count in
                let start = min(max(0, offset), block.count)
                return Array(block[start..<min(block.count, start + count)])
            }
        }
        var counting = pipe
        var length = 0
        var coded: [UInt8] = []
        var offset = 0
        while offset < body.octets {
            let piece = try await body.read(from: offset, count: pieceOctets)
            offset += piece.count
            coded.removeAll(keepingCapacity: true)
            try counting.append(piece, to: &coded)
            length += coded.count
        }
        coded.removeAll(keepingCapacity: true)
        try counting.finish(to: &coded)
        length += coded.count
        let stream = CodedDeck(body: body, pipe: pipe)
        return PreparedDeck(
            job: job.id, key: job.submissionKey, octets: length, code: code, form: form, priority: priority
        ) { offset, count in try await stream.read(from: offset, count: count) }
    }

    static let pieceOctets = 64 * 1024
}

/// What a deck goes through on its way to the wire: the marker card, if the host gets one, and the host's code.
private struct DeckPipe: Sendable {
    private var inserter: CardInserter?
    /// Card images are in the host's code already.
    private var encoder: CardEncoder?
    private var marked: [UInt8] = []

    init(_ job: Job, for host: HostProfile) throws {
        if host.hasMarkerCard {
            inserter = try CardInserter(MarkerCard.text(for: job.id), form: job.deck.form, code: host.codePage)
        }
        if job.deck.form == .text { encoder = CardEncoder(code: host.codePage, longestCard: host.longestCard) }
    }

    mutating func append(_ piece: [UInt8], to output: inout [UInt8]) throws {
        guard inserter != nil else { return try encode(piece, to: &output) }
        marked.removeAll(keepingCapacity: true)
        inserter?.append(piece, to: &marked)
        try encode(marked, to: &output)
    }

    mutating func finish(to output: inout [UInt8]) throws {
        marked.removeAll(keepingCapacity: true)
        inserter?.finish(to: &marked)
        try encode(marked, to: &output)
        try encoder?.finish(to: &output)
    }

    func whole(_ deck: [UInt8]) throws -> [UInt8] {
        var pipe = self
        var block: [UInt8] = []
        block.reserveCapacity(deck.count + 128)
        try pipe.append(deck, to: &block)
        try pipe.finish(to: &block)
        return block
    }

    private mutating func encode(_ piece: [UInt8], to output: inout [UInt8]) throws {
        if encoder == nil {
            output += piece
        } else {
            try encoder?.append(piece, to: &output)
        }
    }
}

/// A large deck coded while it is read, in flat memory. Reading goes forward; a step back begins anew.
private actor CodedDeck {
    private let body: any BodyReader
    private let unread: DeckPipe
    private var pipe: DeckPipe
    private var taken = 0
    /// Coded octets from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0

    init(body: any BodyReader, pipe: DeckPipe) {
        self.body = body
        unread = pipe
        self.pipe = pipe
    }

    func read(from offset: Int, count: Int) async throws -> [UInt8] {
        if offset < start {
            pipe = unread
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
                try pipe.finish(to: &buffer)
                taken += 1
            } else {
                let piece = try await body.read(from: taken, count: DeckPreparation.pieceOctets)
                taken += piece.count
                try pipe.append(piece, to: &buffer)
            }
        }
        let from = min(offset - start, buffer.count)
        return Array(buffer[from..<min(buffer.count, from + count)])
    }
}
