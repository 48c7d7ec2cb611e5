import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addJobRoutes(to router: inout Router) {
        let deck = BodyRule.upTo(mostBodyOctets)
        router.route(.post, "/v1/jobs", "submitJob", body: deck) { [self] in try await submit($0, $1, key: nil) }
        router.route(.put, "/v1/jobs", "submitJobByPut", body: deck) { [self] in try await submit($0, $1, key: nil) }
        router.route(.put, "/v1/jobs/{id}", "submitJobWithKey", body: deck) { [self] in
            try await submit($0, $1, key: $0.parameter("id"))
        }
        router.route(.get, "/v1/jobs", "listJobs") { [self] request, _ in try await listJobs(request) }
        router.add(.get, "/v1/jobs/{id}", name: "getJob", .deciding { [self] in try getJob($0) })
        router.route(.post, "/v1/jobs/{id}/cancel", "cancelJob") { [self] request, _ in try await cancel(request) }
        router.route(.post, "/v1/jobs/{id}/hold", "holdJob") { [self] request, _ in
            try await change(request) { try await desk.hold($0.id, by: $1) }
        }
        router.route(.post, "/v1/jobs/{id}/release", "releaseJob") { [self] request, _ in
            try await change(request) { try await desk.release($0.id, by: $1) }
        }
    }

    /// The largest deck of any host, in the JSON or form around it.
    var mostBodyOctets: Int {
        max(settings.mostJSONOctets, (desk.hosts.map(\.mostDeckOctets).max() ?? 0) + 64 * 1024)
    }

    // MARK: one job

    /// Answers without a task what lies in memory and does not wait.
    private func getJob(_ request: Request) throws -> Answer {
        let caller = try caller(of: request, for: .jobsRead)
        let query = try QueryReader(request, names: ["until"])
        let wish = try WaitWish(request, query, settings)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        if wish.limit == nil, let id = request.parameter("id").flatMap({ JobID($0) }),
            let job = desk.store.cachedJob(id)
        {
            guard caller.maySee(job) else { throw Self.noSuchJob(id.description) }
            if job.state == .queued || job.state == .uncertain {
                return .task { [self] _ in try await find(request, caller, wish, as: type) }
            }
            if type == MediaTypes.text || request.alreadyHas(JobDocument.tag(job)) {
                return .immediate(show(job, [], to: request, as: type, wish))
            }
            if let document = documents.document(of: job) {
                return .immediate(jobAnswer(job, document, JobDocument.tag(job), wish))
            }
            if job.outputs == 0 { return .immediate(show(job, [], to: request, as: type, wish)) }
        }
        return .task { [self] _ in try await find(request, caller, wish, as: type) }
    }

    private func find(
        _ request: Request, _ caller: Caller, _ wish: WaitWish, as type: String
    ) async throws -> Response {
        try await Problem.translating {
            let job = desk.shown(try await wait(for: try await job(request, caller), wish, as: caller))
            let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
            let position = try await desk.position(of: job)
            let attempt = job.state == .uncertain ? try await desk.store.attempts(of: job.id).last : nil
            return show(job, files, position: position, attempt: attempt, to: request, as: type, wish)
        }
    }

    private func show(
        _ job: Job, _ files: [SpoolFile], position: Int? = nil, attempt: Attempt? = nil, to request: Request,
        as type: String, _ wish: WaitWish
    ) -> Response {
        if type == MediaTypes.text {
            return Response(
                contentType: MediaTypes.utf8Text, fields: jobFields(wish),
                body: .bytes(Array(JobDocument.line(job).utf8)))
        }
        let tag = JobDocument.tag(job, position: position)
        if request.alreadyHas(tag) {
            var fields = jobFields(wish)
            fields.add("ETag", tag)
            return .empty(304, fields: fields)
        }
        let document = JobDocument.bytes(job, files: files, position: position, attempt: attempt)
        documents.keep(document, of: job)
        return jobAnswer(job, document, tag, wish)
    }

    private func jobAnswer(_ job: Job, _ document: [UInt8], _ tag: String, _ wish: WaitWish) -> Response {
        var fields = jobFields(wish)
        fields.add("ETag", tag)
        if wish.applied != nil, !wish.isSatisfied(by: job) {
            fields.add("Retry-After", "\(desk.secondsToEnd(of: job))")
        }
        return .json(document, fields: fields)
    }

    private func jobFields(_ wish: WaitWish) -> Fields {
        var fields: Fields = ["Cache-Control": "no-cache", "Vary": "Accept, Prefer"]
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return fields
    }

    // MARK: actions

    private func cancel(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsCancel)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        try checkMatch(request, job)
        let (after, effect) = try await desk.cancel(job.id, by: caller.principal)
        let isUnderWay = effect == .requestedAtHost && !after.state.isFinal
        return try await actionAnswer(after, effect.rawValue, status: isUnderWay ? 202 : 200)
    }

    private func change(
        _ request: Request, _ act: (Job, Principal) async throws -> (job: Job, effect: HoldEffect)
    ) async throws -> Response {
        let caller = try caller(of: request, for: .jobsCancel)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        try checkMatch(request, job)
        let (after, effect) = try await act(job, caller.principal)
        return try await actionAnswer(after, effect.rawValue, status: 200)
    }

    func checkMatch(_ request: Request, _ job: Job) throws(Problem) {
        guard request.stillMatches(JobDocument.tag(job)) else {
            throw Problem(
                .preconditionFailed, "The job has changed since: its tag is \(JobDocument.tag(job)) now.",
                fields: ["ETag": JobDocument.tag(job)])
        }
    }

    func actionAnswer(_ job: Job, _ effect: String, status: Int) async throws -> Response {
        let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
        var fields: Fields = ["Cache-Control": "no-store", "ETag": JobDocument.tag(job)]
        if status == 202 {
            fields.add("Location", "/v1/jobs/\(job.id)")
            fields.add("Retry-After", "\(LimitFields.later(settings.retryAfterSeconds))")
        }
        return .json(JobDocument.bytes(desk.shown(job), files: files, effect: effect), status: status, fields: fields)
    }

    // MARK: lists

    private static let filters: Set<String> = [
        "state", "host", "owner", "name", "correlator", "since", "until", "outcome",
    ]

    private func listJobs(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        let query = try QueryReader(
            request, names: Self.filters.union(["limit", "cursor"]), repeatable: ["state"], labels: true)
        var wanted = try jobQuery(query)
        if let owner = wanted.owner, owner != caller.owner { return list([], next: nil, query, filters: "") }
        wanted.owner = caller.owner
        let limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        wanted.limit = limit + 1
        let filters = canonicalFilters(query) + "\nowner=" + caller.owner.description
        if let text = query["cursor"] {
            let now = desk.clock.now()
            wanted.before = try Cursor(text, filters: filters, secret: settings.cursorSecret, now: now).last
        }
        let jobs = try await desk.store.jobs(wanted)
        let next = jobs.count > limit ? jobs[limit - 1].id : nil
        return list(Array(jobs.prefix(limit)), next: next, query, filters: filters)
    }

    private func jobQuery(_ query: QueryReader) throws(Problem) -> JobQuery {
        var wanted = JobQuery()
        for text in query.parameters.values("state").flatMap({ $0.split(separator: ",") }) {
            guard let state = JobState(rawValue: String(text)) else {
                let known = JobState.allCases.map(\.rawValue).joined(separator: ", ")
                throw QueryReader.fault("state", "it must be some of \(known).")
            }
            wanted.states.insert(state)
        }
        if query.parameters.has("state"), wanted.states.isEmpty {
            throw QueryReader.fault("state", "it names no state.")
        }
        wanted.host = try query.name("host", { HostID($0) }, "it must be the ID of a host.")
        wanted.owner = try query.name("owner", { Owner($0) }, "it must be the name of an owner.")
        wanted.name = try query.name(
            "name", Self.namePattern,
            "it must be a job name of at most 8 characters, perhaps with a * at its end.")
        wanted.correlator = query["correlator"]
        wanted.since = try query.time("since")
        wanted.until = try query.time("until")
        wanted.outcome = try query.choice("outcome")
        wanted.labels = query.parameters.items.filter { $0.name.hasPrefix("label.") }.map {
            Job.Label(key: String($0.name.dropFirst("label.".count)), value: $0.value)
        }
        return wanted
    }

    private static func namePattern(_ text: String) -> String? {
        if text == "*" { return text }
        return JobName(text.hasSuffix("*") ? text.dropLast() : text[...]) == nil ? nil : text
    }

    /// What a cursor is bound to.
    private func canonicalFilters(_ query: QueryReader) -> String {
        query.parameters.items.filter { $0.name != "cursor" && $0.name != "limit" }
            .map { PercentCoding.encode($0.name) + "=" + PercentCoding.encode($0.value) }.sorted()
            .joined(separator: "&")
    }

    private func list(_ jobs: [Job], next: JobID?, _ query: QueryReader, filters: String) -> Response {
        var json = JSONWriter(capacity: 64 + jobs.count * 800)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for job in jobs { JobDocument.write(desk.shown(job), files: nil, to: &json) }
        json.endArray()
        let kept = query.parameters.items.filter { $0.name != "cursor" }
            .map { PercentCoding.encode($0.name) + "=" + PercentCoding.encode($0.value) }
        func link(_ parameters: [String], _ relation: String) -> String {
            let query = parameters.joined(separator: "&")
            return "</v1/jobs\(query.isEmpty ? "" : "?")\(query)>; rel=\"\(relation)\""
        }
        var links = [link(kept, "first")]
        if let next {
            let expires = desk.clock.now().advanced(by: settings.cursorLife)
            let cursor = Cursor(last: next, expires: expires).text(filters: filters, secret: settings.cursorSecret)
            json.key("next_cursor")
            json.string(cursor)
            links.append(link(kept + ["cursor=\(cursor)"], "next"))
        }
        json.endObject()
        return .json(
            json.bytes, fields: ["Cache-Control": "no-store", "Link": links.joined(separator: ", "), "Vary": "Accept"])
    }
}
