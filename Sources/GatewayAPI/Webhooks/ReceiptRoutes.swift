import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addReceiptRoutes(to router: inout Router) {
        router.route(.get, "/v1/webhook-keys", "listWebhookKeys") { [self] request, _ in
            _ = try QueryReader(request)
            return listKeys(request)
        }
        router.route(.post, "/v1/webhook-keys/rotate", "rotateWebhookKey") { [self] request, _ in
            let caller = try caretaker(request)
            _ = try QueryReader(request)
            try await settings.webhooks.rotateKeys(audit(caller, "webhook-key.rotate", "webhook-keys"))
            return listKeys(request, freshness: "no-store")
        }
        router.route(.get, "/v1/jobs/{id}/receipt", "getReceipt") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsRead)
            _ = try QueryReader(request)
            return try await receipt(of: try await job(request, caller))
        }
    }

    /// Public, for everybody: a receipt is worth nothing to whom cannot check it.
    private func listKeys(_ request: Request, freshness: String = "max-age=300") -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        for key in settings.webhooks.publicKeys() {
            json.beginObject()
            json.key("id")
            json.string(key.id)
            json.key("key")
            json.string(key.text)
            json.key("algorithm")
            json.string("ed25519")
            json.key("created_at")
            json.string(key.createdAt.rfc3339)
            if let end = key.signsUntil {
                json.key("signs_until")
                json.string(end.rfc3339)
            }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": freshness])
    }

    /// The event of the job's end, to the octet as webhooks carry it, signed by the gateway's own key.
    func receipt(of job: Job) async throws -> Response {
        guard job.state.isFinal else {
            throw Problem(
                .stateConflict, "The job is \(job.state.rawValue); there is a receipt when it has ended.",
                retryAfter: desk.secondsToEnd(of: job))
        }
        let type = EventBody.type(entering: job.state)
        var after: Int64 = 0
        var end: Event?
        while end == nil {
            let events = try await desk.store.events(after: after, job: job.id, limit: settings.mostPageItems)
            guard let last = events.last else { break }
            end = events.last { $0.type == type }
            after = last.sequence
        }
        guard let end else { throw Problem(.purged, "The event of the job's end is not kept any more.") }
        let seconds = desk.clock.now().microseconds / 1_000_000
        guard let signature = settings.webhooks.sign(end.id, seconds, end.body) else {
            throw Problem(.notFound, "This gateway has no key to sign receipts with.")
        }
        return .json(
            end.body,
            fields: [
                "webhook-id": end.id, "webhook-timestamp": String(seconds), "webhook-signature": signature,
                "Cache-Control": "no-store",
            ])
    }
}
