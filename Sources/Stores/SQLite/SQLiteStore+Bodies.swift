package import Jobs
import Synchronization

extension SQLiteStore {
    package func stageBody() async throws(StoreError) -> any BodyWriter {
        if let refusal = memory.writeRefusal() { throw refusal }
        return SpoolWriter(spool: spool)
    }

    package func deck(of job: JobID) async throws(StoreError) -> any BodyReader {
        guard let reader = try await findReader(.deck(job)) else { throw .noSuchJob(job) }
        return reader
    }

    package func spoolFiles(of job: JobID) async throws(StoreError) -> [SpoolFile] {
        if !memory.isClosed, let files = memory.bodies.withLock({ $0[job]?.files }) { return files }
        return try await read { connection in
            try connection.rows(Queries.spoolFiles, [.id(job)]) { try SpoolFile(listed: $0, of: job) }
        }
    }

    package func spoolBody(of job: JobID, file number: Int) async throws(StoreError) -> any BodyReader {
        if let reader = try await findReader(.file(job, number)) { return reader }
        throw try await self.job(job) == nil ? .noSuchJob(job) : .noSuchFile(job, number)
    }

    package func resumeSpoolFile(of job: JobID, file number: Int) async throws(StoreError) -> any BodyWriter {
        if let refusal = memory.writeRefusal() { throw refusal }
        let part = SpoolPart(job: job, number: number)
        let durable = try await read { connection in
            try connection.first(Queries.spoolPart, [.id(job), .int(number)]) { $0.int(0) }
        }
        return try await spool.resume(part, durable: durable ?? 0, writer: writer)
    }

    /// - Returns: nil when no row has it.
    func findReader(_ place: BodyPlace) async throws(StoreError) -> (any BodyReader)? {
        if let body = recent(place) { return InlineReader(hash: body.hash, content: body.octets) }
        guard let body = try await stored(place) else { return nil }
        do {
            return try await open(body)
        } catch {
            guard case .corrupt = error else { throw error }
            // Between the row and its file a purge, or a new file of the same number, may have come.
            guard let again = try await stored(place) else { return nil }
            if again.condition == .purged || again.hash != body.hash { return try await open(again) }
            await note(.corrupt, of: body)
            throw error
        }
    }

    private func recent(_ place: BodyPlace) -> RecentBodies.Body? {
        if memory.isClosed { return nil }
        return memory.bodies.withLock { bodies in
            switch place {
            case .deck(let job): bodies[job]?.deck
            case .file(let job, let number): bodies[job]?.contents[number]
            case .unclaimed: nil
            }
        }
    }

    private func stored(_ place: BodyPlace) async throws(StoreError) -> StoredBody? {
        let (query, values): (String, [SQLValue]) =
            switch place {
            case .deck(let job): (Queries.deck, [.id(job)])
            case .file(let job, let number): (Queries.spoolBody, [.id(job), .int(number)])
            case .unclaimed(let number): (Queries.unclaimedBody, [.int(number)])
            }
        return try await read { connection in
            try connection.first(query, values) { row in
                guard !place.isOfJob || row.int(4) == 1 else {
                    throw StoreError.corrupt(what: "the index that leads to \(place.words)")
                }
                return try StoredBody(row, place: place)
            }
        }
    }

    private func open(_ body: StoredBody) async throws(StoreError) -> any BodyReader {
        if body.condition == .purged { throw .purged(what: body.place.words) }
        switch body.content {
        case .inline(let octets):
            guard body.isSound else { throw .corrupt(what: body.place.words) }
            await note(.sound, of: body)
            return InlineReader(hash: body.hash, content: octets)
        case .file:
            return try await spool.reader(of: body) { [weak self] in await self?.note($0, of: body) }
        }
    }
}

/// A body as its row describes it.
struct StoredBody: Sendable {
    enum Content: Sendable {
        case inline([UInt8])
        case file
    }

    let place: BodyPlace
    let hash: ContentHash
    let octets: Int
    let content: Content
    /// As it was found last.
    let condition: SpoolFile.Condition
    /// Whether an inline body is what its hash says; of a file it is not known yet.
    let isSound: Bool

    /// Reads hash, octets, body and condition; an inline body is checked here, on the reader's thread.
    init(_ row: SQLRow, place: BodyPlace) throws {
        self.place = place
        hash = try row.require(ContentHash(octets: row.blob(0)), "the hash of \(place.words)")
        octets = row.int(1)
        condition = try row.require(.init(rawValue: row.text(3)), "a condition")
        if let stored = row.optionalBlob(2) {
            content = .inline(stored)
            isSound = stored.count == octets && ContentHash(of: stored) == hash
        } else {
            content = .file
            isSound = true
        }
    }
}

extension BodyPlace {
    var isOfJob: Bool {
        if case .unclaimed = self { false } else { true }
    }

    /// For the words of an error.
    var words: String {
        switch self {
        case .deck(let job): "the deck of job \(job)"
        case .file(let job, let number): "spool file \(number) of job \(job)"
        case .unclaimed(let number): "the unclaimed output \(number)"
        }
    }
}

extension WriteTransaction {
    /// `octets` nil: there is nothing to resume any more.
    func recordPart(_ part: SpoolPart, octets: Int?) throws {
        guard let stored = try job(part.job) else { throw StoreError.noSuchJob(part.job) }
        let key = [SQLValue.int(stored.row), .int(part.number)]
        guard let octets else {
            try run("DELETE FROM spool_parts WHERE job = ? AND number = ?", key)
            return
        }
        try run(
            """
            INSERT INTO spool_parts (job, number, octets) VALUES (?, ?, ?)
            ON CONFLICT (job, number) DO UPDATE SET octets = excluded.octets
            """, key + [.int(octets)])
    }
}
