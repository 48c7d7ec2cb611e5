import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addResolveRoutes(to router: inout Router) {
        router.route(.post, "/v1/jobs/{id}/resolve", "resolveJob", body: .upTo(Self.longestDecision)) {
            [self] in try await resolve($0, $1)
        }
        router.route(.get, "/v1/jobs/{id}/attempts", "listAttempts") { [self] request, _ in
            try await listAttempts(request)
        }
    }

    private static let longestDecision = 4096

    /// An operator's word on a job of which nobody can tell whether the host has it.
    private func resolve(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .jobsCancel)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        let decision = try Self.decision(try await body.collect(upTo: Self.longestDecision), request.contentType)
        try checkMatch(request, job)
        guard job.state == .uncertain else {
            var problem = Problem(
                .stateConflict,
                "The job is \(job.state.rawValue); only an uncertain job is resolved, since of any other it is known whether the host has it.",
                job: "/v1/jobs/\(job.id)")
            problem.members["state"] = job.state.rawValue
            problem.retryable = false
            throw problem
        }
        let after = try await desk.resolve(job.id, decision, by: caller.principal)
        return try await actionAnswer(after, decision.effect, status: 200)
    }

    private static func decision(_ octets: [UInt8], _ type: String?) throws(Problem) -> JobAction.Decision {
        let example = "{\"action\":\"adopt\",\"host_job\":\"J00042\"}"
        guard type == nil || type == MediaTypes.json else {
            throw Problem(.unsupportedMediaType, "A decision is JSON, as \(example).")
        }
        guard let value = try? JSONValue(parsing: octets), let members = value.members else {
            throw Problem(.malformedRequest, "The body is no JSON object, as \(example).")
        }
        func fault(_ name: String, _ code: String, _ detail: String) -> Problem {
            Problem(.invalidField, detail, errors: [.init(pointer: "/\(name)", code: code, detail: detail)])
        }
        for member in members where member.name != "action" && member.name != "host_job" {
            throw fault(
                String(member.name.prefix(64)), "unknown-member", "There is no member \"\(member.name.prefix(64))\".")
        }
        guard members.count == Set(members.map(\.name)).count else {
            throw Problem(.malformedRequest, "A member stands twice.")
        }
        let number = value["host_job"]
        switch value["action"]?.string {
        case "adopt":
            guard let text = number?.string, let number = JobNumber(text) else {
                throw fault(
                    "host_job", "invalid-host_job",
                    "host_job: to adopt, the number by which the host knows the job is needed: 1 to 64 printable characters without a space."
                )
            }
            return .adopt(number)
        case "resend" where number == nil: return .resend
        case "abandon" where number == nil: return .abandon
        case "resend", "abandon":
            throw fault("host_job", "invalid-host_job", "host_job: only adopt takes one.")
        default: throw fault("action", "invalid-action", "action: it must be adopt, resend or abandon.")
        }
    }

    private func listAttempts(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for attempt in try await desk.store.attempts(of: job.id) { JobDocument.write(attempt, to: &json) }
        json.endArray()
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }
}

extension JobAction.Decision {
    /// What the answer says was done.
    fileprivate var effect: String {
        switch self {
        case .adopt: "adopted"
        case .resend: "queued-again"
        case .abandon: "abandoned"
        }
    }
}

extension JobDocument {
    static func write(_ attempt: Attempt, to json: inout JSONWriter) {
        json.beginObject()
        json.key("number")
        json.int(attempt.number)
        json.key("session")
        json.string(attempt.session)
        json.key("opened_at")
        json.string(attempt.openedAt.rfc3339)
        json.key("phase")
        json.string(attempt.phase.rawValue)
        if let evidence = attempt.evidence {
            json.key("evidence")
            json.string(evidence)
        }
        json.endObject()
    }
}
