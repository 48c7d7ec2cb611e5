import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addEventRoutes(to router: inout Router) {
        router.route(.post, "/v1/tickets", "createTicket") { [self] request, _ in try createTicket(request) }
        router.route(.get, "/v1/events", "listEvents") { [self] request, _ in
            let identity = try identity(of: request)
            return try await events(request, identity, of: nil)
        }
        router.route(.get, "/v1/jobs/{id}/events", "listJobEvents") { [self] request, _ in
            let identity = try identity(of: request)
            let query = try eventQuery(request, ofJob: true)
            // The time for which events are waited for is also that for which the job is.
            let wish = try WaitWish(request, query, atMost: settings.longestWait)
            let isStream = try eventType(request) == MediaTypes.events
            let limit = isStream && wish.limit == nil ? settings.longestWait : wish.limit
            let job = try await job(request, identity.caller, comingWithin: limit)
            return try await events(request, identity, of: job)
        }
    }

    private func eventQuery(_ request: Request, ofJob: Bool) throws(Problem) -> QueryReader {
        let names: Set<String> = ["after", "wait", "limit", "ticket"]
        return try QueryReader(request, names: ofJob ? names.union(["records"]) : names)
    }

    private func eventType(_ request: Request) throws(Problem) -> String {
        try request.negotiate([MediaTypes.json, MediaTypes.lines, MediaTypes.events])
    }

    private func events(_ request: Request, _ identity: Identity, of job: Job?) async throws -> Response {
        let query = try eventQuery(request, ofJob: job != nil)
        let after = try query.sequence("after")
        let limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        let records = try query.name(
            "records", { RecordPlace(parameter: $0) }, "it stands alone, or is the OUTPUT:RECORD to go on after.")
        let type = try eventType(request)
        if type == MediaTypes.events {
            let stream = JobEventStream(
                gateway: self, identity: identity, job: job?.id, records: records,
                subscription: subscription(identity.caller, to: job?.id))
            return try await answer(stream, of: job, after: try lastEventID(request) ?? after)
        }
        if records != nil { throw QueryReader.fault("records", "they are told in an event stream.") }
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let page = try await page(after: after ?? 0, identity.caller, of: job?.id, limit: limit, wish)
        return page.answer(asLines: type == MediaTypes.lines, wish)
    }

    private func lastEventID(_ request: Request) throws(Problem) -> Int64? {
        guard let text = request["last-event-id"], !text.isEmpty else { return nil }
        guard let number = strictInt(text) else {
            throw Problem(.malformedRequest, "Last-Event-ID is the number of an event.")
        }
        return Int64(number)
    }

    /// Woken by what the caller may see.
    private func subscription(_ caller: Caller, to job: JobID?) -> JobWatch.Subscription {
        if let job { return desk.watch.subscribe(to: job) }
        return desk.watch.subscribe { change in
            change.event != nil && (change.job.map { caller.maySee($0) } ?? true)
        }
    }

    /// What follows a number, of what the caller may see. Not inlined: see `JobEventStream.run`.
    @inline(never)
    func readEvents(after: Int64, _ caller: Caller, of job: JobID?, limit: Int) async throws -> EventPage {
        let store = desk.store
        let found: [Event]
        if job == nil, !caller.seesAllOwners {
            found = try await store.events(after: after, of: caller.owner, limit: limit)
        } else {
            found = try await store.events(after: after, job: job, limit: limit)
        }
        return EventPage(found, of: job, for: caller, last: found.last?.sequence ?? after, limit: limit)
    }

    /// Events after a number; waits for the first one when there is none yet.
    private func page(
        after: Int64, _ caller: Caller, of job: JobID?, limit: Int, _ wish: WaitWish
    ) async throws -> EventPage {
        let end = ContinuousClock.now.advanced(by: wish.limit ?? .zero)
        let subscription = wish.limit == nil ? nil : self.subscription(caller, to: job)
        let place = wish.limit == nil ? nil : try permit(.waits, caller)
        defer { place?.end() }
        let gap = try await self.gap(after: after)
        var from = gap.map { $0 - 1 } ?? after
        while true {
            var page = try await readEvents(after: from, caller, of: job, limit: limit)
            page.oldest = gap
            from = page.last
            if page.isFull, page.events.isEmpty { continue }
            let left = ContinuousClock.now.duration(to: end)
            guard page.events.isEmpty, left > .zero, let subscription, !isDraining, !Task.isCancelled else {
                return page
            }
            await subscription.next(within: left)
        }
    }

    /// Where to go on when what follows a number is not to be had: retention has removed it, or it is of another store.
    /// - Returns: the number of the next event there is; nil: nothing is missing.
    func gap(after: Int64) async throws -> Int64? {
        let oldest = try await desk.store.firstSequence()
        let last = try await desk.store.lastSequence()
        if let oldest, after > 0, after < oldest - 1 { return oldest }
        return after > last ? last + 1 : nil
    }

    // MARK: server-sent events

    private func answer(_ stream: JobEventStream, of job: Job?, after: Int64?) async throws -> Response {
        if let after, let job, job.state.isFinal,
            try await desk.store.events(after: after, job: job.id, limit: 1).isEmpty
        {
            // Nothing will come any more: this tells an EventSource to stop.
            return .empty(204, fields: ["Cache-Control": "no-store"])
        }
        let place = try permit(.streams, stream.identity.caller)
        return .stream(contentType: EventStream.contentType, fields: EventStream.fields) { writer in
            defer { place.end() }
            try await Problem.translating { try await stream.run(after: after, to: writer) }
        }
    }

    /// The document that a stream begins with.
    func snapshot(_ caller: Caller, of id: JobID?) async throws -> (document: [UInt8], isFinal: Bool) {
        if let id, let known = knownSnapshot(of: id) { return known }
        return try await storedSnapshot(caller, of: id)
    }

    private func knownSnapshot(of id: JobID) -> (document: [UInt8], isFinal: Bool)? {
        guard let job = desk.store.cachedJob(id), job.outputs == 0 else { return nil }
        return (JobDocument.bytes(desk.shown(job), files: [], damage: damage(of: job, files: [])), job.state.isFinal)
    }

    /// Not inlined: see `JobEventStream.run`.
    @inline(never)
    private func storedSnapshot(
        _ caller: Caller, of id: JobID?
    ) async throws -> (document: [UInt8], isFinal: Bool) {
        if let id {
            guard let job = try await desk.store.job(id) else { throw Self.noSuchJob(id.description) }
            let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: id)
            let document = JobDocument.bytes(desk.shown(job), files: files, damage: damage(of: job, files: files))
            return (document, job.state.isFinal)
        }
        var query = caller.visible
        query.limit = settings.snapshotJobs
        var json = JSONWriter(capacity: settings.snapshotJobs * 800)
        json.beginObject()
        json.key("jobs")
        json.beginArray()
        for job in try await desk.store.page(query).jobs {
            JobDocument.write(desk.shown(job), files: nil, to: &json)
        }
        json.endArray()
        json.endObject()
        return (json.bytes, false)
    }
}

/// Events after a number.
struct EventPage {
    let events: [Event]
    /// The number that the next page follows.
    let last: Int64
    /// There may be more.
    let isFull: Bool
    /// What lies between the number asked for and this one is gone.
    var oldest: Int64?

    init(_ found: [Event], of job: JobID?, for caller: Caller, last: Int64, limit: Int) {
        self.last = last
        isFull = found.count == limit
        // Who may see a job may see all its events, those from before its labels changed as well.
        events = job == nil && caller.isRestricted ? found.filter { caller.maySee($0) } : found
    }

    func answer(asLines: Bool, _ wish: WaitWish) -> Response {
        var fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept, Prefer"]
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        if asLines {
            var lines: [UInt8] = []
            for event in events {
                lines += EventDocument.bytes(event)
                lines.append(0x0A)
            }
            return Response(contentType: MediaTypes.lines, fields: fields, body: .bytes(lines))
        }
        var json = JSONWriter(capacity: 64 + events.count * 800)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for event in events { json.rawJSON(EventDocument.bytes(event)) }
        json.endArray()
        json.key("next_after")
        json.int(last)
        if let oldest {
            json.key("gap")
            json.beginObject()
            json.key("oldest")
            json.int(oldest)
            json.endObject()
        }
        json.endObject()
        return .json(json.bytes, fields: fields)
    }
}

/// Events as clients read them: the body that webhooks carry, with the number and the ID of the event in front.
enum EventDocument {
    static func bytes(_ event: Event) -> [UInt8] {
        var json = JSONWriter(capacity: event.body.count + 96)
        json.beginObject()
        json.key("sequence")
        json.int(event.sequence)
        json.key("id")
        json.string(event.id)
        guard event.body.count > 2, event.body.first == UInt8(ascii: "{") else {
            json.key("type")
            json.string(event.type)
            json.endObject()
            return json.bytes
        }
        return json.bytes + [UInt8(ascii: ",")] + event.body.dropFirst()
    }

    /// The state that a job entered by this event.
    static func state(_ event: Event) -> JobState? {
        event.type.hasPrefix("job.") ? JobState(rawValue: String(event.type.dropFirst(4))) : nil
    }
}
