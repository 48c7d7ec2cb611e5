import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addMeRoutes(to router: inout Router) {
        router.route(.get, "/v1/me", "getMe") { [self] request, _ in
            let caller = try caller(of: request, for: nil)
            _ = try QueryReader(request)
            var json = JSONWriter(capacity: 512)
            json.beginObject()
            json.caller(caller)
            json.key("limits")
            writeLimits(of: caller.owner, to: &json)
            json.key("idempotency_keys")
            json.beginObject()
            // With the job, so that a key can never be used a second time while its job is there.
            json.key("kept")
            json.string("as long as the job")
            if let life = settings.jobLife {
                json.key("seconds")
                json.int(life.components.seconds)
            }
            json.endObject()
            json.endObject()
            return .json(json.bytes, fields: ["Cache-Control": "no-store"])
        }
        router.route(.get, "/v1/usage", "getUsage") { [self] request, _ in
            let caller = try caller(of: request, for: nil)
            _ = try QueryReader(request)
            let backlog = desk.store.backlog(of: caller.owner)
            var json = JSONWriter(capacity: 256)
            json.beginObject()
            json.key("owner")
            json.string(caller.owner.description)
            json.key("waiting_jobs")
            json.int(backlog.jobs)
            json.key("waiting_octets")
            json.int(backlog.octets)
            json.key("stored_octets")
            json.int(try await desk.store.storedOctets()[caller.owner] ?? 0)
            json.key("event_streams")
            json.int(limiter.count(.streams, of: caller.owner))
            json.key("waits")
            json.int(limiter.count(.waits, of: caller.owner))
            json.key("limits")
            writeLimits(of: caller.owner, to: &json)
            json.endObject()
            return .json(json.bytes, fields: ["Cache-Control": "no-store"])
        }
    }

    /// Those of an owner; what is not there is not limited.
    private func writeLimits(of owner: Owner, to json: inout JSONWriter) {
        let rates = limiter.rates(of: owner)
        json.beginObject()
        for (name, limit) in [
            ("waiting_jobs", desk.ownerLimits.jobs), ("waiting_octets", desk.ownerLimits.octets),
            ("stored_octets", desk.ownerLimits.stored), ("webhooks", settings.mostEndpoints),
            ("requests_per_second", rates.requestsPerSecond), ("submits_per_minute", rates.submitsPerMinute),
            ("event_streams", rates.eventStreams), ("waits", rates.waits),
            ("active_jobs_per_host", desk.ownerLimits.active), ("deck_octets_per_day", rates.deckOctetsPerDay),
        ] {
            guard let limit else { continue }
            json.key(name)
            json.int(limit)
        }
        json.endObject()
    }
}
