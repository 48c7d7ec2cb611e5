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
        router.route(.patch, "/v1/jobs/{id}", "amendJob", body: Self.patchBody) { [self] in try await amendJob($0, $1) }
        router.route(.post, "/v1/jobs/{id}/resubmit", "resubmitJob") { [self] request, _ in try await resubmit(request)
        }
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
        let query = try QueryReader(request, names: ["until", "wait"])
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
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
            let job = desk.shown(try await job(request, caller, waiting: wish))
            let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
            let position = try await desk.position(of: job)
            let attempt = job.state == .uncertain ? try await desk.store.attempts(of: job.id).last : nil
            return show(job, files, position: position, attempt: attempt, to: request, as: type, wish)
        }
    }

    /// What of a job was found damaged.
    func damage(of job: Job, files: [SpoolFile]) -> [String] {
        (desk.store.hasDamagedDeck(job.id) ? ["deck"] : [])
            + files.filter { $0.condition == .corrupt }.map { "outputs/\($0.number)" }
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
        let document = JobDocument.bytes(
            job, files: files, position: position, attempt: attempt, damage: damage(of: job, files: files))
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

    /// Before a job is changed or removed for good.
    func demandMatch(_ request: Request, _ job: Job) throws(Problem) {
        guard !settings.requiresMatch || request["if-match"] != nil else {
            throw Problem(
                .preconditionRequired, "Read the job, and say with If-Match which version you saw.",
                fields: ["ETag": JobDocument.tag(job)])
        }
        try checkMatch(request, job)
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
            fields.add("Retry-After", "\(desk.secondsToEnd(of: job))")
        }
        let document = JobDocument.bytes(
            desk.shown(job), files: files, effect: effect, damage: damage(of: job, files: files))
        return .json(document, status: status, fields: fields)
    }
}
