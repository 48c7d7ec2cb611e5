import Crypto
import Engine
import HTTPCore
import Jobs
import Stores
import Wire

enum OutputFields {
    /// What a job printed is the work of strangers: nothing in it may run.
    static let sandbox: Fields = [
        "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
    ]

    /// With answers that depend on `Accept` and may be kept only while they are asked about.
    static let stored: Fields = ["Cache-Control": "no-cache", "Vary": "Accept, Prefer"]
}

extension Gateway {
    func addOutputRoutes(to router: inout Router) {
        router.route(.get, "/v1/jobs/{id}/outputs", "listOutputs") { [self] request, _ in
            try await listOutputs(request)
        }
        router.route(.get, "/v1/jobs/{id}/outputs/{number}", "getOutput") { [self] request, _ in
            try await getOutput(request)
        }
        router.route(.get, "/v1/jobs/{id}/output", "getPrintOut") { [self] request, _ in
            try await getPrintOut(request)
        }
    }

    private func listOutputs(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        let query = try QueryReader(request, names: ["until"])
        let wish = try WaitWish(request, query, settings)
        let job = try await wait(for: try await job(request, caller), wish)
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for file in try await desk.store.spoolFiles(of: job.id) { JobDocument.write(file, to: &json) }
        json.endArray()
        json.key("state")
        json.string(job.state.rawValue)
        json.key("complete")
        json.bool(job.state.isFinal)
        json.endObject()
        var fields: Fields = ["Cache-Control": "no-cache"]
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return .json(json.bytes, fields: fields)
    }

    private func rendering(_ request: Request, _ query: QueryReader) throws(Problem) -> Rendering {
        if let chosen: Rendering = try query.choice("format") { return chosen }
        return try request.negotiate([MediaTypes.text, MediaTypes.octets]) == MediaTypes.text ? .text : .raw
    }

    private func fields(_ wish: WaitWish) -> Fields {
        var fields = OutputFields.stored
        fields.add(OutputFields.sandbox)
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return fields
    }

    private func notYet(_ job: Job) -> Problem {
        var problem = Problem(
            .stateConflict,
            "The job is \(job.state.rawValue); its output comes when it has ended. Prefer: wait=60 waits.",
            retryAfter: settings.retryAfterSeconds, job: "/v1/jobs/\(job.id)")
        problem.members["state"] = job.state.rawValue
        problem.retryable = true
        return problem
    }

    private func getOutput(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(request, names: ["format", "until"])
        let wish = try WaitWish(request, query, settings)
        let rendering = try rendering(request, query)
        let job = try await wait(for: try await job(request, caller), wish)
        let files = try await desk.store.spoolFiles(of: job.id)
        let number = strictInt(request.parameter("number") ?? "")
        guard let file = files.first(where: { $0.number == number }) else {
            guard number == nil || job.state.isFinal else { throw notYet(job) }
            throw Problem(
                .notFound, "The job \(job.id) has no output \"\((request.parameter("number") ?? "").prefix(20))\".")
        }
        let source = try await source([file], of: job, rendering)
        return try source.answer(request, fields: fields(wish), settings)
    }

    private func getPrintOut(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .outputsRead)
        let query = try QueryReader(request, names: ["format", "until"])
        let wish = try WaitWish(request, query, settings)
        let rendering = try rendering(request, query)
        let job = try await wait(for: try await job(request, caller), wish)
        guard job.state.isFinal else { throw notYet(job) }
        return try await printOut(of: job, rendering).answer(request, fields: fields(wish), settings)
    }

    /// All print files in order. As text a page break stands between two of them, as the printer would begin a page.
    func printOut(of job: Job, _ rendering: Rendering) async throws -> OutputSource {
        let files = job.outputs == 0 ? [] : try await desk.store.spoolFiles(of: job.id)
        return try await source(files.filter { $0.kind == .print }, of: job, rendering)
    }

    private func source(_ files: [SpoolFile], of job: Job, _ rendering: Rendering) async throws -> OutputSource {
        let page = desk.host(job.host)?.codePage ?? .cp037
        var parts: [OutputSource.Part] = []
        var hasText = false
        for file in files {
            let length = rendering == .text ? file.textOctets : file.octets
            parts.append(
                .init(
                    prefix: rendering == .text && hasText && length > 0 ? [0x0C] : [], length: length,
                    body: try await desk.store.spoolBody(of: job.id, file: file.number),
                    renderer: rendering == .text ? file.renderer(hostPage: page) : nil))
            hasText = hasText || length > 0
        }
        let hash: ContentHash
        if files.count == 1, let only = files.first {
            hash = only.hash
        } else {
            hash = ContentHash(of: files.flatMap(\.hash.octets))
        }
        return OutputSource(
            parts: parts, tag: "\"\(hash.hex)-\(rendering.rawValue)\"",
            contentType: rendering == .text ? MediaTypes.utf8Text : MediaTypes.octets,
            digest: rendering == .raw && files.count == 1 ? hash : nil)
    }
}
