import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// What of a job is to be another, as a JSON merge patch: `{"labels":{"env":"prod","old":null},"priority":7}`.
struct JobPatch: Sendable {
    /// nil: goes.
    private var labels: [(key: String, value: String?)] = []
    private var goesWithoutLabels = false
    private var priority: Int?
    private let mostLabels: Int
    /// Labels that the caller's key binds his jobs to.
    private let keptLabels: [Job.Label]

    init(_ members: [JSONValue.Member], _ caller: Caller, mostLabels: Int) throws(Problem) {
        self.mostLabels = mostLabels
        keptLabels = caller.labels
        // Faults are gathered as those of a submission are.
        var fields = SubmitFields()
        for member in members {
            switch (member.name, member.value) {
            case ("labels", .null): goesWithoutLabels = true
            case ("labels", .object(let entries)):
                for entry in entries {
                    switch entry.value {
                    case .null: labels.append((entry.name, nil))
                    case .string(let text):
                        fields.takeLabel(entry.name, text, from: .json)
                        labels.append((entry.name, text))
                    default: fields.fault("labels.\(entry.name.prefix(64))", "it must be a string, or null.", .json)
                    }
                }
            case ("labels", _): fields.fault("labels", "it must be an object of strings.", .json)
            case ("priority", .int(let value)) where (0...15).contains(value): priority = Int(value)
            case ("priority", .null): priority = 0
            case ("priority", _): fields.fault("priority", "it must be a whole number from 0 to 15.", .json)
            default:
                fields.fault(
                    String(member.name.prefix(64)), "only labels and priority of a job can be changed.", .json)
            }
        }
        var settings = GatewaySettings()
        settings.mostLabels = mostLabels
        _ = try fields.options(for: caller, settings)
    }

    /// For the audit log.
    var words: String {
        let changes = labels.map { "\($0.key)=\($0.value ?? "")" } + (priority.map { ["priority=\($0)"] } ?? [])
        return String((goesWithoutLabels ? ["no labels"] : changes).joined(separator: " ").prefix(512))
    }

    private func merged(with job: Job) -> [Job.Label] {
        if goesWithoutLabels { return [] }
        var kept = job.labels.filter { label in !labels.contains { $0.key == label.key } }
        for (key, value) in labels { if let value { kept.append(Job.Label(key: key, value: value)) } }
        return kept.sorted { $0.key < $1.key }
    }

    /// - Returns: nil when the job cannot become that.
    func amendment(of job: Job) -> JobAmendment? {
        obstacle(for: job) == nil ? JobAmendment(labels: merged(with: job), priority: priority ?? job.priority) : nil
    }

    func obstacle(for job: Job) -> Problem? {
        if let priority, priority != job.priority, job.state != .queued, job.state != .held {
            var problem = Problem(
                .stateConflict, "The job is \(job.state.rawValue); a priority counts only before it is sent.")
            problem.members["state"] = job.state.rawValue
            problem.retryable = false
            return problem
        }
        let merged = merged(with: job)
        if merged.count > mostLabels { return fault("labels: at most \(mostLabels).") }
        if let kept = keptLabels.first(where: { !merged.contains($0) }) {
            return fault("labels: your key is for jobs with \(kept.key)=\(kept.value).")
        }
        return nil
    }

    private func fault(_ words: String) -> Problem {
        Problem(
            .invalidField, words, errors: [.init(pointer: "/labels", code: "invalid-labels", detail: words)])
    }
}

extension Gateway {
    static let patchBody = BodyRule.upTo(64 * 1024, [MediaTypes.json, "application/merge-patch+json"])

    func amendJob(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .jobsCancel)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        let patch = try JobPatch(try await jsonMembers(request, body), caller, mostLabels: settings.mostLabels)
        try demandMatch(request, job)
        // With If-Match the job must still be the one that was looked at when the change is committed.
        let version = request["if-match"] == nil ? nil : job.version
        let amended = try await desk.amend(job, by: caller.principal, patch.words) { job in
            version == nil || version == job.version ? patch.amendment(of: job) : nil
        }
        guard let amended else {
            guard let now = try await desk.store.job(job.id) else { throw Self.noSuchJob(job.id.description) }
            if version == nil || version == now.version, let obstacle = patch.obstacle(for: now) { throw obstacle }
            throw Problem(
                .preconditionFailed, "The job has changed since: its tag is \(JobDocument.tag(now)) now.",
                fields: ["ETag": JobDocument.tag(now)])
        }
        if request.preferences.returnsMinimal {
            return .empty(
                204,
                fields: [
                    "Cache-Control": "no-store", "ETag": JobDocument.tag(amended),
                    "Preference-Applied": "return=minimal",
                ])
        }
        let files = amended.outputs == 0 ? [] : try await desk.store.spoolFiles(of: amended.id)
        let document = JobDocument.bytes(desk.shown(amended), files: files, damage: damage(of: amended, files: files))
        return .json(document, fields: ["Cache-Control": "no-store", "ETag": JobDocument.tag(amended)])
    }
}
