import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addEventRoutes(to router: inout Router) {
        router.route(.get, "/v1/events", "listEvents") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsRead)
            return try await events(request, caller, of: nil)
        }
        router.route(.get, "/v1/jobs/{id}/events", "listJobEvents") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsRead)
            return try await events(request, caller, of: try await job(request, caller))
        }
    }

    private func events(_ request: Request, _ caller: Caller, of job: Job?) async throws -> Response {
        let query = try QueryReader(request, names: ["after", "wait", "limit"])
        let after = try query.sequence("after")
        let longest = Int(settings.longestWait.components.seconds)
        let wait = min(try query.int("wait", in: 0...86_400) ?? 0, longest)
        let limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        switch try request.negotiate([MediaTypes.json, MediaTypes.lines, MediaTypes.events]) {
        case MediaTypes.events:
            return try await stream(request, caller, of: job, after: try lastEventID(request) ?? after)
        case let type:
            let events = try await page(after: after ?? 0, of: job?.id, limit: limit, wait: .seconds(wait))
            return pageAnswer(events, after: after ?? 0, asLines: type == MediaTypes.lines)
        }
    }

    private func lastEventID(_ request: Request) throws(Problem) -> Int64? {
        guard let text = request["last-event-id"], !text.isEmpty else { return nil }
        guard let number = strictInt(text) else {
            throw Problem(.malformedRequest, "Last-Event-ID is the number of an event.")
        }
        return Int64(number)
    }

    /// Events after a number; waits for the first one when there is none yet.
    private func page(after: Int64, of job: JobID?, limit: Int, wait: Duration) async throws -> [Event] {
        let end = ContinuousClock.now.advanced(by: wait)
        let subscription = wait > .zero ? desk.watch.subscribe(to: job) : nil
        while true {
            let events = try await desk.store.events(after: after, job: job, limit: limit)
            let left = ContinuousClock.now.duration(to: end)
            guard events.isEmpty, left > .zero, let subscription, !isDraining, !Task.isCancelled else { return events }
            await subscription.next(within: left)
        }
    }

    private func pageAnswer(_ events: [Event], after: Int64, asLines: Bool) -> Response {
        let fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept"]
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
        json.int(events.last?.sequence ?? after)
        json.endObject()
        return .json(json.bytes, fields: fields)
    }

    // MARK: server-sent events

    private func stream(_ request: Request, _ caller: Caller, of job: Job?, after: Int64?) async throws -> Response {
        // Registered before the store is read: what is committed from here on wakes the stream.
        let subscription = desk.watch.subscribe(to: job?.id)
        let stream = JobEventStream(gateway: self, caller: caller, job: job?.id, subscription: subscription)
        if let after, let job, job.state.isFinal,
            try await desk.store.events(after: after, job: job.id, limit: 1).isEmpty
        {
            // Nothing will come any more: this tells an EventSource to stop.
            return .empty(204, fields: ["Cache-Control": "no-store"])
        }
        return .stream(contentType: EventStream.contentType, fields: EventStream.fields) { writer in
            try await Problem.translating { try await stream.run(after: after, to: writer) }
        }
    }

    /// The document that a stream begins with.
    func snapshot(_ caller: Caller, of id: JobID?) async throws -> (document: [UInt8], isFinal: Bool) {
        if let id {
            guard let job = try await desk.store.job(id) else { throw Self.noSuchJob(id.description) }
            let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: id)
            return (JobDocument.bytes(desk.shown(job), files: files), job.state.isFinal)
        }
        var json = JSONWriter(capacity: settings.snapshotJobs * 800)
        json.beginObject()
        json.key("jobs")
        json.beginArray()
        for job in try await desk.store.jobs(JobQuery(limit: settings.snapshotJobs, owner: caller.owner)) {
            JobDocument.write(desk.shown(job), files: nil, to: &json)
        }
        json.endArray()
        json.endObject()
        return (json.bytes, false)
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

/// One client's event stream. It holds no events: it reads them from the store when there is news, as fast as the client
/// takes them.
private struct JobEventStream: Sendable {
    let gateway: Gateway
    let caller: Caller
    let job: JobID?
    let subscription: JobWatch.Subscription

    private static let eventsAtOnce = 100

    func run(after: Int64?, to writer: HTTPCore.BodyWriter) async throws {
        gateway.figures.streamBegan()
        defer { gateway.figures.streamEnded() }
        let life = gateway.settings.longestStream * Double.random(in: 0.9...1.1)
        let end = ContinuousClock.now.advanced(by: life)
        let store = gateway.desk.store
        let out = EventStream(writer)
        try await out.retry(after: 1000)
        var sequence: Int64
        if let after {
            sequence = try await begin(after, out)
        } else {
            sequence = try await store.lastSequence()
            let (document, isFinal) = try await gateway.snapshot(caller, of: job)
            try await out.send(event: "snapshot", id: "\(sequence)", data: String(decoding: document, as: UTF8.self))
            if isFinal { return try await out.send(event: "end", data: "{}") }
        }
        while !gateway.isDraining, ContinuousClock.now < end {
            let events = try await store.events(after: sequence, job: job, limit: Self.eventsAtOnce)
            var frames: [UInt8] = []
            var hasEnded = false
            for event in events {
                let data = String(decoding: EventDocument.bytes(event), as: UTF8.self)
                frames += EventStream.frame(event: event.type, id: "\(event.sequence)", data: data)
                sequence = event.sequence
                hasEnded = hasEnded || job != nil && EventDocument.state(event)?.isFinal == true
            }
            if !frames.isEmpty { try await writer.write(frames) }
            if hasEnded { return try await out.send(event: "end", data: "{}") }
            if events.count == Self.eventsAtOnce { continue }
            if events.isEmpty { try Task.checkCancellation() }
            let before = ContinuousClock.now
            await subscription.next(within: gateway.settings.keepAlive)
            if ContinuousClock.now - before >= gateway.settings.keepAlive { try await out.comment("keep-alive") }
        }
    }

    /// Goes on where a client stopped.
    ///
    /// - Returns: the number to go on after: what the client knows, unless the store does not have what follows it.
    private func begin(_ after: Int64, _ out: EventStream) async throws -> Int64 {
        let store = gateway.desk.store
        let oldest = try await store.events(after: 0, job: nil, limit: 1).first?.sequence
        let last = try await store.lastSequence()
        let isLost = oldest.map { after > 0 && after < $0 - 1 } ?? false
        guard isLost || after > last else { return after }
        let next = isLost ? (oldest ?? 1) - 1 : last
        try await out.send(event: "gap", id: "\(next)", data: "{\"oldest\":\(next + 1)}")
        return next
    }
}
