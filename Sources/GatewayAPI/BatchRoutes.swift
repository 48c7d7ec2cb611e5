import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addBatchRoutes(to router: inout Router) {
        router.route(.post, "/v1/jobs:validate", "validateDeck", body: .upTo(mostBodyOctets)) { [self] in
            try await validate($0, $1)
        }
        router.route(.get, "/v1/jobs/{id}/deck", "getDeck") { [self] request, _ in try await getDeck(request) }
        router.route(.get, "/v1/batches/{id}", "getBatch") { [self] request, _ in try await getBatch(request) }
    }

    private func getBatch(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        let query = try QueryReader(request)
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        let text = request.parameter("id") ?? ""
        guard let id = BatchID(text), let batch = try await desk.store.batch(id), caller.maySee(batch) else {
            throw Problem(.notFound, "There is no batch \"\(text.prefix(160))\".")
        }
        if !caller.labels.isEmpty, !(try await desk.store.jobs(of: id)).allSatisfy(caller.maySee) {
            throw Problem(.notFound, "There is no batch \"\(text.prefix(160))\".")
        }
        return try await answer(batch, status: 200, [:], request, wish, type)
    }

    func submit(
        _ taken: DeckBody.Taken, _ options: SubmitOptions, _ request: Request, _ wish: WaitWish, _ type: String,
        _ charge: LimitPermit?
    ) async throws -> Response {
        let result = try await desk.submit(taken.decks, to: taken.host, options: options) { batch, jobs in
            BatchDocument(batch, jobs).json
        }
        switch result {
        case .created(let jobs):
            charge?.keep()
            for _ in jobs { figures.submitted() }
            guard let id = jobs.first?.batch, let batch = try await desk.store.batch(id) else {
                throw Problem(.internalError, "The batch was stored and is not found.")
            }
            return try await answer(batch, status: 201, [:], request, wish, type, made: jobs)
        case .replayed(let id, let document):
            guard let batch = try await desk.store.batch(id) else {
                throw Problem(.purged, "The key belongs to a batch that is gone.")
            }
            if request["if-none-match"].map(QuotedList.trim) == "*" {
                throw Problem(
                    .preconditionFailed, "There is a batch with this key already.", job: "/v1/batches/\(id)")
            }
            return try await answer(
                batch, status: 201, ["Idempotency-Replayed": "true"], request, wish, type, document: document)
        case .keyReused(let holder): throw Problem(reusedBy: holder)
        case .overLimit(let hit): throw DeskError.full(hit, retryAfter: desk.retryAfter(hit, taken.host.id))
        }
    }

    /// - Parameters:
    ///   - document: what was answered when the batch was made, for a repeat.
    ///   - made: its jobs as they were stored just now.
    private func answer(
        _ batch: Batch, status: Int, _ more: Fields, _ request: Request, _ wish: WaitWish, _ type: String,
        document: [UInt8]? = nil, made: [Job]? = nil
    ) async throws -> Response {
        if let limit = wish.limit, !isDraining {
            try await desk.wait(for: batch, within: limit) { [self] in isDraining }
        }
        let jobs: [Job]
        if let made, wish.limit == nil {
            jobs = made
        } else {
            jobs = try await desk.store.jobs(of: batch.id).map { desk.shown($0) }
        }
        var fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept, Prefer"]
        if status == 201 { fields.add("Location", "/v1/batches/\(batch.id)") }
        fields.add(more)
        let isMinimal = status == 201 && request.preferences.returnsMinimal && type == MediaTypes.json
        var applied: [String] = []
        if let wait = wish.applied { applied.append(wait) }
        if status == 201, request.preferences.isStrict { applied.append("handling=strict") }
        if isMinimal { applied.append("return=minimal") }
        if !applied.isEmpty { fields.add("Preference-Applied", applied.joined(separator: ", ")) }
        let shown = BatchDocument(batch, jobs)
        if wish.limit != nil, !shown.isComplete { fields.add("Retry-After", "\(desk.secondsToEnd(of: jobs))") }
        if type == MediaTypes.text {
            return Response(
                status: status, contentType: MediaTypes.utf8Text, fields: fields, body: .bytes(Array(shown.text.utf8)))
        }
        if isMinimal { return Response(status: status, fields: fields) }
        if let document, wish.limit == nil { return .json(document, status: status, fields: fields) }
        return .json(shown.json, status: status, fields: fields)
    }
}

extension Caller {
    /// Another owner's batch does not exist for this caller.
    func maySee(_ batch: Batch) -> Bool { (batch.owner == owner || seesAllOwners) && maySee(batch.host) }
}

/// A batch as the API shows it.
private struct BatchDocument {
    let batch: Batch
    /// What is left of it.
    let jobs: [Job]

    init(_ batch: Batch, _ jobs: [Job]) {
        self.batch = batch
        self.jobs = jobs
    }

    var isComplete: Bool { jobs.allSatisfy(\.state.isFinal) }

    private var states: [(state: JobState, count: Int)] {
        JobState.allCases.compactMap { state in
            let count = state == .purged ? batch.size - jobs.count : jobs.count { $0.state == state }
            return count > 0 ? (state, count) : nil
        }
    }

    var json: [UInt8] {
        var json = JSONWriter(capacity: 512 + jobs.count * 900)
        json.beginObject()
        json.key("id")
        json.string(batch.id.description)
        json.key("host")
        json.string(batch.host.description)
        json.key("owner")
        json.string(batch.owner.description)
        json.key("created_at")
        json.string(batch.createdAt.rfc3339)
        json.key("size")
        json.int(batch.size)
        json.key("complete")
        json.bool(isComplete)
        json.key("states")
        json.beginObject()
        for (state, count) in states {
            json.key(state.rawValue)
            json.int(count)
        }
        json.endObject()
        json.key("jobs")
        json.beginArray()
        for job in jobs { JobDocument.write(job, files: nil, to: &json) }
        json.endArray()
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/batches/\(batch.id)")
        json.endObject()
        json.endObject()
        return json.bytes
    }

    /// The batch in one line, and each job in one.
    var text: String {
        let counts = states.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
        return "\(batch.id) \(counts)\n" + jobs.map { JobDocument.line($0) }.joined()
    }
}
