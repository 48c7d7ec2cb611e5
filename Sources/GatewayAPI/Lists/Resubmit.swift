import Crypto
import Engine
import HTTPCore
import Jobs
import Stores

extension Gateway {
    private static let resubmitParameters: Set<String> = [
        "priority", "hold", "correlator", "not_before", "not_after", "timeout", "on_uncertain",
    ]

    /// The deck of an ended job as a new job on the same host; what the query does not say is as it was.
    func resubmit(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsSubmit)
        try admitSubmission(caller, request)
        let query = try QueryReader(
            request, names: Self.resubmitParameters.union(NotifyFields.queryNames).union(["until", "wait"]),
            repeatable: ["notify"], labels: true)
        let wish = try WaitWish(request, query, atMost: settings.longestWait)
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text])
        let old = try await job(request, caller)
        guard old.state.isFinal else {
            var problem = Problem(
                .stateConflict, "The job is \(old.state.rawValue); it can be submitted again when it has ended.",
                job: "/v1/jobs/\(old.id)")
            problem.members["state"] = old.state.rawValue
            throw problem
        }
        let host = try host(named: old.host.description, for: caller)
        var fields = SubmitFields()
        for item in query.parameters.items where item.name != "until" && item.name != "wait" {
            fields.take(item.name, item.value, from: .query)
        }
        if let secret = request["notify-secret"] { fields.take(NotifyFields.secretName, secret, from: .header) }
        var options = try fields.options(for: caller, settings)
        let given = Set(query.parameters.items.map(\.name))
        options.name = old.name
        options.origin = request.origin
        if !given.contains("priority") { options.priority = old.priority }
        if !given.contains("correlator") { options.correlator = old.correlator }
        if !given.contains("timeout") { options.timeout = old.timeout }
        if !given.contains("on_uncertain") { options.uncertainPolicy = old.uncertainPolicy }
        let labels = options.labels
        options.labels = (labels + old.labels.filter { label in !labels.contains { $0.key == label.key } })
            .sorted { $0.key < $1.key }
        if let key = try idempotencyKey(request, nil) {
            var hash = SHA256()
            for part in ["resubmit", old.id.description, fields.canonical] {
                hash.update(data: Array("\(part.utf8.count):\(part)\n".utf8))
            }
            options.idempotencyKey = .init(text: key, fingerprint: ContentHash(hash.finalize()))
        }
        let deck = try await desk.deckAgain(of: old)
        let charge = try admit([BatchPart(deck: deck)], caller, request)
        let result = try await desk.submit(deck, to: host, options: options) { JobDocument.bytes($0, files: []) }
        if case .created(let job) = result {
            charge?.keep()
            try await desk.store.record(
                AuditEntry(
                    at: desk.clock.now(), by: caller.principal, owner: old.owner, action: "job.resubmit",
                    subject: old.id.description, detail: "as \(job.id)"))
        }
        var response = try await answer(result, request, wish, type, host: host.id)
        response.fields.add("Link", "</v1/jobs/\(old.id)>; rel=\"related\"")
        return response
    }
}
