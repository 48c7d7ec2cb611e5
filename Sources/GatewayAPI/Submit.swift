import Crypto
import Engine
import HTTPCore
import Jobs
import Stores

extension Gateway {
    static let submitParameters = SubmitFields.names.union(["until"]).union(NotifyFields.queryNames)

    /// - Parameter key: of the path of `PUT /v1/jobs/{key}`.
    func submit(_ request: Request, _ body: RequestBody, key pathKey: String?) async throws -> Response {
        let caller = try caller(of: request, for: .jobsSubmit)
        try admitSubmission(caller, request)
        let query = try QueryReader(
            request, names: Self.submitParameters, repeatable: ["notify"], labels: true, symbols: true)
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        // Before anything is stored: a job that was taken is never answered with 429.
        let place = try wish.limit == nil ? nil : permit(.waits, caller)
        defer { place?.end() }
        let key = try idempotencyKey(request, pathKey)
        var fields = SubmitFields()
        for item in query.parameters.items where item.name != "until" {
            fields.take(item.name, item.value, from: .query)
        }
        if let secret = request["notify-secret"] { fields.take(NotifyFields.secretName, secret, from: .header) }
        // What the query has wrong is told before the deck is read.
        var check = fields
        _ = try check.options(for: caller, settings)

        if key == nil { try checkRoom(for: caller, fields, body) }
        var reader = DeckBody(
            gateway: self, request: request, caller: caller, fields: fields, isStrict: request.preferences.isStrict)
        let taken = try await reader.take(body)
        var options = try reader.fields.options(for: caller, settings)
        options.origin = request.origin
        if key == nil, taken.host.requiresKey {
            throw Problem(
                .idempotencyKeyInvalid,
                "The host \(taken.host.id) takes jobs with a key only: send Idempotency-Key, or PUT /v1/jobs/{key}.")
        }
        if let key {
            options.idempotencyKey = .init(
                text: key, fingerprint: Self.fingerprint(taken, options: reader.fields.canonical))
        }
        let charge = try admit(taken.decks, caller, request)
        if taken.isBatch { return try await submit(taken, options, request, wish, type, charge) }
        let result = try await desk.submit(taken.decks[0].deck, to: taken.host, options: options) { job in
            JobDocument.bytes(job, files: [])
        }
        if case .created = result { charge?.keep() }
        return try await answer(result, request, wish, type, host: taken.host.id)
    }

    func answer(
        _ result: SubmissionResult, _ request: Request, _ wish: WaitWish, _ type: String, host: HostID
    ) async throws -> Response {
        switch result {
        case .created(let job):
            figures.submitted()
            return try await submitted(job, document: nil, request, wish, type)
        case .replayed(let id, let answer):
            guard let job = try await desk.store.job(id) else {
                throw Problem(.purged, "The key belongs to a job that is gone.")
            }
            if request["if-none-match"].map(QuotedList.trim) == "*" {
                throw Problem(
                    .preconditionFailed, "There is a job with this key already.", job: "/v1/jobs/\(job.id)")
            }
            var response = try await submitted(job, document: answer, request, wish, type)
            response.fields.add("Idempotency-Replayed", "true")
            return response
        case .overLimit(let hit):
            throw DeskError.full(hit, retryAfter: desk.retryAfter(hit, host))
        case .keyReused(let holder): throw Problem(reusedBy: holder)
        }
    }

    /// Refuses before the deck is read what is refused for certain: without a key, which may belong to a job that is there already.
    private func checkRoom(for caller: Caller, _ fields: SubmitFields, _ body: RequestBody) throws {
        guard fields.host != nil || hosts(for: caller).count == 1,
            let host = try? host(named: fields.host, for: caller)
        else { return }
        if host.requiresKey { return }
        try desk.checkRoom(for: caller.owner, on: host, octets: body.length ?? 0)
    }

    func idempotencyKey(_ request: Request, _ pathKey: String?) throws(Problem) -> String? {
        var keys: [String] = []
        if let field = request["idempotency-key"] { keys.append(QuotedList.unquoted(QuotedList.trim(field))) }
        if let pathKey { keys.append(pathKey) }
        for key in keys {
            guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ isTokenOctet($0) || $0 == 0x3A }) else {
                throw Problem(.idempotencyKeyInvalid, "A key is 1 to 255 of A-Z a-z 0-9 . _ : -")
            }
        }
        if keys.count == 2, keys[0] != keys[1] {
            throw Problem(.idempotencyKeyInvalid, "The path and the field Idempotency-Key name different keys.")
        }
        return keys.first
    }

    /// The same for the same deck and options, in whatever order and by whichever method they come; the parts of a form are not hashed
    /// as octets, because each try of a client has another boundary.
    private static func fingerprint(_ taken: DeckBody.Taken, options: String) -> ContentHash {
        var hash = SHA256()
        for part in ["submit", taken.host.id.description, taken.mediaType, options] {
            hash.update(data: Array("\(part.utf8.count):\(part)\n".utf8))
        }
        for part in taken.decks { hash.update(data: (part.deck.original?.hash ?? part.deck.body.hash).octets) }
        return ContentHash(hash.finalize())
    }

    /// - Parameter document: what was answered when the job was made, for a repeat.
    private func submitted(
        _ made: Job, document: [UInt8]?, _ request: Request, _ wish: WaitWish, _ type: String
    ) async throws -> Response {
        let job = try await wait(for: made, wish)
        var fields: Fields = [
            "Location": "/v1/jobs/\(job.id)", "Cache-Control": "no-store", "Vary": "Accept, Prefer",
        ]
        let preferences = request.preferences
        var applied: [String] = []
        if let wait = wish.applied { applied.append(wait) }
        if preferences.isStrict { applied.append("handling=strict") }
        if wish.limit != nil, !wish.isSatisfied(by: job) { fields.add("Retry-After", "\(desk.secondsToEnd(of: job))") }
        if type == MediaTypes.text {
            if !applied.isEmpty { fields.add("Preference-Applied", applied.joined(separator: ", ")) }
            return try await submittedText(job, fields, wish)
        }
        let isMinimal = preferences.returnsMinimal
        if isMinimal { applied.append("return=minimal") }
        if !applied.isEmpty { fields.add("Preference-Applied", applied.joined(separator: ", ")) }
        if isMinimal { return Response(status: 201, fields: fields) }
        if let document, wish.limit == nil {
            return .json(document, status: 201, fields: fields)
        }
        fields.add("ETag", JobDocument.tag(job))
        let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
        return .json(JobDocument.bytes(job, files: files), status: 201, fields: fields)
    }

    /// For a client that takes text: the print-out if the job has ended and has one, else one line about the job.
    private func submittedText(_ job: Job, _ fields: Fields, _ wish: WaitWish) async throws -> Response {
        var fields = fields
        fields.add("Job-Id", job.id.description)
        fields.add("Job-State", job.state.rawValue)
        if let outcome = job.outcome { fields.add("Job-Outcome", JobDocument.outcomeField(outcome)) }
        let source = wish.limit != nil && job.state.isFinal ? try await printOut(of: job, .text) : nil
        guard let source, let length = source.length, length > 0 else {
            return Response(
                status: 201, contentType: MediaTypes.utf8Text, fields: fields,
                body: .bytes(Array(JobDocument.line(job).utf8)))
        }
        fields.add(OutputFields.sandbox)
        return source.response(status: 201, range: 0..<length, fields: fields, settings)
    }
}

extension Problem {
    init(reusedBy holder: SubmissionResult.KeyHolder) {
        let (what, link) =
            switch holder {
            case .job(let id): ("job \(id)", "/v1/jobs/\(id)")
            case .batch(let id): ("batch \(id)", "/v1/batches/\(id)")
            }
        self.init(
            .idempotencyKeyReused,
            "The key was used for another request, which became the \(what). Use a new key for a new job.", job: link)
    }
}
