import Engine
import HTTPCore
import Jobs
import Stores
import Webhooks
import Wire

extension Gateway {
    private static let jsonBody = BodyRule.upTo(16 * 1024, [MediaTypes.json])

    func addDeliveryRoutes(to router: inout Router) {
        router.route(.get, "/v1/webhooks/{id}/deliveries", "listWebhookDeliveries") { [self] request, _ in
            try await listEndpointDeliveries(request)
        }
        router.route(.post, "/v1/webhooks/{id}/recover", "recoverWebhook", body: Self.jsonBody) { [self] in
            try await recover($0, $1)
        }
        router.route(.get, "/v1/jobs/{id}/deliveries", "listDeliveries") { [self] request, _ in
            try await listJobDeliveries(request)
        }
        router.route(.get, "/v1/deliveries/{id}", "getDelivery") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsRead)
            _ = try QueryReader(request)
            return try await show(try deliveryID(request), to: caller, status: 200)
        }
        router.route(.post, "/v1/deliveries/{id}/redeliver", "redeliver") { [self] request, _ in
            let caller = try caller(of: request, for: .webhooksAdmin)
            _ = try QueryReader(request)
            return try await redeliver(try deliveryID(request), caller)
        }
    }

    private func deliveryID(_ request: Request) throws(Problem) -> DeliveryID {
        let text = request.parameter("id") ?? ""
        guard let number = strictInt(text) else { throw Self.noSuchDelivery(text) }
        return DeliveryID(Int64(number))
    }

    private static func noSuchDelivery(_ text: String) -> Problem {
        Problem(.notFound, "There is no delivery \"\(text.prefix(64))\".")
    }

    private func redeliver(_ id: DeliveryID, _ caller: Caller) async throws -> Response {
        if caller.isRestricted { _ = try await delivery(id, of: caller) }
        let answer = try await desk.store.redeliver(
            id, of: caller.owner, at: desk.clock.now(), audit: audit(caller, "delivery.redeliver", "\(id.value)"))
        switch answer {
        case .underWay: return try await show(id, to: caller, status: 202)
        case .noSuchDelivery: throw Self.noSuchDelivery("\(id.value)")
        case .notAgreed: throw Self.notAgreed
        }
    }

    private func delivery(_ id: DeliveryID, of caller: Caller) async throws -> DeliveryRecord {
        guard let delivery = try await desk.store.delivery(id, of: caller.owner),
            try await !visible([delivery], to: caller).isEmpty
        else { throw Self.noSuchDelivery("\(id.value)") }
        return delivery
    }

    private func show(_ id: DeliveryID, to caller: Caller, status: Int) async throws -> Response {
        let delivery = try await delivery(id, of: caller)
        var fields: Fields = ["Cache-Control": "no-store"]
        if status == 202 { fields.add("Location", "/v1/deliveries/\(id.value)") }
        return .json(DeliveryDocument.bytes(delivery), status: status, fields: fields)
    }

    private func listJobDeliveries(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        _ = try QueryReader(request)
        let job = try await job(request, caller)
        var json = JSONWriter()
        json.beginObject()
        json.key("items")
        json.beginArray()
        let deliveries = try await visible(try await desk.store.deliveries(of: job.id), to: caller)
        for delivery in deliveries { DeliveryDocument.write(delivery, to: &json) }
        json.endArray()
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }

    private func listEndpointDeliveries(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        let query = try QueryReader(
            request, names: ["state", "type", "since", "until", "limit", "cursor"], repeatable: ["state"])
        let id = try endpointID(request)
        if caller.isRestricted { _ = try await endpoint(request, caller) }
        let page = try Page(self, request, query, list: "deliveries \(id)", caller)
        var wanted = DeliveryQuery(endpoint: id, owner: caller.owner, limit: page.limit + 1)
        for text in query.parameters.values("state").flatMap({ $0.split(separator: ",") }) {
            guard let state = DeliveryState(rawValue: String(text)) else {
                let known = DeliveryState.allCases.map(\.rawValue).joined(separator: ", ")
                throw QueryReader.fault("state", "it must be some of \(known).")
            }
            wanted.states.insert(state)
        }
        if query.parameters.has("state"), wanted.states.isEmpty {
            throw QueryReader.fault("state", "it names no state.")
        }
        wanted.type = try query.name(
            "type", { EndpointRules.isPattern($0) ? $0 : nil }, "it must be a type of event, as job.completed or job.*")
        wanted.since = try query.time("since")
        wanted.until = try query.time("until")
        wanted.before = page.before.flatMap { Int64(exactly: $0) }.map { DeliveryID($0) }
        guard let found = try await desk.store.deliveries(wanted) else {
            throw Self.noSuchEndpoint(id.description)
        }
        let shown = Set(try await visible(found, to: caller).map(\.id))
        return page.answer(
            found, key: { UInt128(UInt64(max(0, $0.id.value))) }, where: { shown.contains($0.id) },
            write: { DeliveryDocument.write($0, to: &$1) })
    }

    // MARK: recover

    private func recover(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        let id = try endpointID(request)
        if caller.isRestricted { _ = try await endpoint(request, caller) }
        let now = desk.clock.now()
        var since: Timestamp?
        var until = now
        var states: Set<DeliveryState> = [.dead, .paused]
        for member in try await jsonMembers(request, body) {
            switch member.name {
            case "since", "until":
                guard let time = member.value.string.flatMap({ Timestamp(rfc3339: $0) }) else {
                    throw Self.fault(member.name, "it must be a time as 2026-01-31T12:00:00Z.")
                }
                if member.name == "since" { since = time } else { until = time }
            case "states":
                let given = member.value.elements?.map { $0.string.flatMap { Self.recoverable[$0] } } ?? []
                guard !given.isEmpty, !given.contains(nil) else {
                    throw Self.fault("states", "it must be a list of \(Self.recoverable.keys.sorted()).")
                }
                states = Set(given.compactMap(\.self))
            default: throw Self.fault(member.name, "there is no such member.")
            }
        }
        guard let since else { throw Self.fault("since", "the member is missing.") }
        guard since <= until else { throw Self.fault("until", "it must not be earlier than since.") }
        let answer = try await desk.store.recover(
            id, of: caller.owner, range: RecoveryRange(since: since, until: until, states: states), at: now,
            audit: audit(caller, "webhook.recover", id.description, "\(since.rfc3339) to \(until.rfc3339)"))
        switch answer {
        case .noSuchEndpoint: throw Self.noSuchEndpoint(id.description)
        case .notEnabled:
            throw Problem(
                .stateConflict, "The webhook is not enabled: enable it first, then recover what it missed.")
        case .count(let count):
            var json = JSONWriter()
            json.beginObject()
            json.key("count")
            json.int(count)
            json.endObject()
            return .json(json.bytes, fields: ["Cache-Control": "no-store"])
        }
    }

    /// What is pending is on its way already.
    private static let recoverable: [String: DeliveryState] = [
        "dead": .dead, "paused": .paused, "canceled": .canceled, "delivered": .delivered,
    ]
}
