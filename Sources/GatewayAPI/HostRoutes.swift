import Engine
import HTTPCore
import Jobs
import Stations
import Stores
import Wire

extension Gateway {
    func addHostRoutes(to router: inout Router) {
        router.route(.get, "/v1/hosts", "listHosts") { [self] request, _ in
            let caller = try caller(of: request, for: .hostsRead)
            _ = try QueryReader(request)
            let counts = try await desk.store.jobCounts()
            var json = JSONWriter(capacity: 64 + desk.hosts.count * 1024)
            json.beginObject()
            json.key("items")
            json.beginArray()
            for host in desk.hosts where caller.maySee(host.id) { write(host, counts, to: &json) }
            json.endArray()
            json.endObject()
            return .json(json.bytes, fields: ["Cache-Control": "no-store"])
        }
        router.route(.get, "/v1/hosts/{id}", "getHost") { [self] request, _ in
            let caller = try caller(of: request, for: .hostsRead)
            _ = try QueryReader(request)
            return try await show(try host(request, caller), status: 200)
        }
        router.route(.post, "/v1/hosts/{id}/retry", "retryHost") { [self] request, _ in
            let caller = try caller(of: request, for: .hostsCommand)
            _ = try QueryReader(request)
            let host = try host(request, caller)
            try await desk.retry(host, by: caller.principal)
            return try await show(host, status: 202)
        }
        router.route(.post, "/v1/hosts/{id}/drain", "drainHost") { [self] request, _ in
            try await setDraining(true, request)
        }
        router.route(.post, "/v1/hosts/{id}/resume", "resumeHost") { [self] request, _ in
            try await setDraining(false, request)
        }
    }

    private func setDraining(_ isDraining: Bool, _ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .hostsCommand)
        _ = try QueryReader(request)
        let host = try host(request, caller)
        try await desk.setDraining(isDraining, host, by: caller.principal)
        return try await show(host, status: 200)
    }

    func host(_ request: Request, _ caller: Caller) throws(Problem) -> HostProfile {
        let text = request.parameter("id") ?? ""
        guard let host = HostID(text).flatMap({ desk.host($0) }), caller.maySee(host.id) else {
            throw Problem(.notFound, "There is no host \"\(text.prefix(64))\".")
        }
        return host
    }

    private func show(_ host: HostProfile, status: Int) async throws -> Response {
        var json = JSONWriter(capacity: 1024)
        write(host, try await desk.store.jobCounts(), to: &json)
        return .json(json.bytes, status: status, fields: ["Cache-Control": "no-store"])
    }

    private func write(_ host: HostProfile, _ counts: [JobCount], to json: inout JSONWriter) {
        let status = host.pool.status
        let now = desk.clock.now()
        json.beginObject()
        json.key("id")
        json.string(host.id.description)
        json.key("protocol")
        json.string(host.protocolName)
        json.key("address")
        json.string(host.address)
        json.key("code_page")
        json.string(host.codePage.configurationName)
        json.key("longest_card")
        json.int(host.longestCard)
        json.key("largest_deck_octets")
        json.int(host.mostDeckOctets)
        json.key("on_uncertain")
        json.string(host.uncertainPolicy.rawValue)
        json.key("on_cut_deck")
        json.beginObject()
        json.key("host")
        json.string(host.cutDeck.fate == .dropped ? "drops-it" : "runs-it")
        json.key("complete_with")
        json.string(host.cutDeck.completedBy)
        json.key("source")
        json.string(host.cutDeck.source)
        json.endObject()
        json.key("marker_card")
        json.bool(host.hasMarkerCard)
        json.key("key_required")
        json.bool(host.requiresKey)
        if let most = host.limits.jobs {
            json.key("most_waiting_jobs")
            json.int(most)
        }
        if let most = host.limits.octets {
            json.key("most_waiting_octets")
            json.int(most)
        }
        json.key("state")
        json.string(status.host.word)
        switch status.host {
        case .down(let reason, let nextTry):
            json.key("reason")
            json.string(reason)
            if let nextTry {
                json.key("next_try_at")
                json.string(now.advanced(by: nextTry).rfc3339)
            }
        case .refused(let reason):
            json.key("reason")
            json.string(reason)
        case .idle, .connecting, .up, .stopped: break
        }
        json.key("since")
        json.string(now.advanced(by: .zero - status.since).rfc3339)
        json.key("draining")
        json.bool(status.isDraining)
        if let abilities = host.pool.abilities {
            json.key("abilities")
            json.beginArray()
            for ability in abilities.spelled { json.string(ability) }
            json.endArray()
        }
        writePool(status, now, to: &json)
        json.key("jobs")
        json.beginObject()
        for count in counts.filter({ $0.host == host.id && $0.count > 0 }).sorted(by: {
            $0.state.rawValue < $1.state.rawValue
        }) {
            json.key(count.state.rawValue)
            json.int(count.count)
        }
        json.endObject()
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/hosts/\(host.id)")
        json.key("jobs")
        json.string("/v1/jobs?host=\(host.id)")
        json.key("retry")
        json.string("/v1/hosts/\(host.id)/retry")
        json.key("console")
        json.string("/v1/hosts/\(host.id)/console")
        json.key(status.isDraining ? "resume" : "drain")
        json.string("/v1/hosts/\(host.id)/\(status.isDraining ? "resume" : "drain")")
        json.endObject()
        json.endObject()
    }

    private func writePool(_ status: PoolStatus, _ now: Timestamp, to json: inout JSONWriter) {
        json.key("pool")
        json.beginObject()
        json.key("sessions_up")
        json.int(status.up)
        json.key("sessions_signing_on")
        json.int(status.signingOn)
        json.key("sessions_closing")
        json.int(status.closing)
        json.key("sessions_limit")
        json.int(status.limit)
        json.key("slots")
        json.int(status.slots)
        json.key("leases")
        json.int(status.leases)
        json.key("waiting")
        json.int(status.waiting)
        if let error = status.lastError {
            json.key("last_error")
            json.string("\(error)")
        }
        if let ago = status.lastErrorAgo {
            json.key("last_error_at")
            json.string(now.advanced(by: .zero - ago).rfc3339)
        }
        json.endObject()
    }
}
