import Engine
import HTTPCore
import Jobs
import Stores
import Webhooks
import Wire

extension Gateway {
    private static let jsonBody = BodyRule.upTo(64 * 1024, [MediaTypes.json, "application/merge-patch+json"])

    func addWebhookRoutes(to router: inout Router) {
        router.route(.post, "/v1/webhooks", "createWebhook", body: Self.jsonBody) { [self] in
            try await createEndpoint($0, $1)
        }
        router.route(.get, "/v1/webhooks", "listWebhooks") { [self] request, _ in try await listEndpoints(request) }
        router.route(.get, "/v1/webhooks/{id}", "getWebhook") { [self] request, _ in
            let caller = try caller(of: request, for: .webhooksAdmin)
            _ = try QueryReader(request)
            return show(try await endpoint(request, caller), to: request)
        }
        router.route(.patch, "/v1/webhooks/{id}", "changeWebhook", body: Self.jsonBody) { [self] in
            try await changeEndpoint($0, $1)
        }
        router.route(.delete, "/v1/webhooks/{id}", "deleteWebhook") { [self] request, _ in
            try await deleteEndpoint(request)
        }
        router.route(.post, "/v1/webhooks/{id}/rotate", "rotateWebhookSecret", body: Self.jsonBody) { [self] in
            try await rotateSecret($0, $1)
        }
        router.route(.post, "/v1/webhooks/{id}/test", "testWebhook") { [self] request, _ in
            try await testEndpoint(request)
        }
        addDeliveryRoutes(to: &router)
        addReceiptRoutes(to: &router)
        addConsentRoutes(to: &router)
    }

    // MARK: finding

    func endpointID(_ request: Request) throws(Problem) -> EndpointID {
        let text = request.parameter("id") ?? ""
        guard let id = EndpointID(text) else { throw Self.noSuchEndpoint(text) }
        return id
    }

    /// Another owner's endpoint is not there, and neither is one that hears of more than the caller may see.
    func endpoint(_ request: Request, _ caller: Caller) async throws -> Endpoint {
        let id = try endpointID(request)
        guard let endpoint = try await desk.store.endpoint(id, of: caller.owner), caller.maySee(endpoint) else {
            throw Self.noSuchEndpoint(id.description)
        }
        return endpoint
    }

    static func noSuchEndpoint(_ text: String) -> Problem {
        Problem(.notFound, "There is no webhook \"\(text.prefix(64))\".")
    }

    /// Who has not agreed hears nothing but the question, at its pace.
    static let notAgreed = Problem(
        .stateConflict,
        "The receiver has not agreed yet. It is asked once a minute at first; verification_note tells what it said.")

    /// A JSON object; an absent body is an empty one where `isOptional`.
    func jsonMembers(
        _ request: Request, _ body: RequestBody, isOptional: Bool = false
    ) async throws -> [JSONValue.Member] {
        let octets = try await body.collect(upTo: Self.jsonBody.limit ?? 0)
        if octets.isEmpty, isOptional { return [] }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: octets)
        } catch {
            throw Problem(
                .malformedRequest, "The body is no JSON: \(error.reason) (line \(error.line), column \(error.column)).",
                errors: [.init(line: error.line, column: error.column, code: "invalid-json", detail: error.reason)])
        }
        guard let members = document.members else { throw Problem(.invalidField, "The body must be a JSON object.") }
        return members
    }

    func audit(_ caller: Caller, _ action: String, _ subject: String, _ detail: String? = nil) -> AuditEntry {
        AuditEntry(
            at: desk.clock.now(), by: caller.principal, action: action, subject: subject, detail: detail)
    }

    // MARK: one endpoint

    private func createEndpoint(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        var fields = EndpointFields()
        try fields.take(
            try await jsonMembers(request, body), of: caller, settings.webhooks.check)
        let most = settings.mostEndpoints
        guard try await desk.store.endpoints(of: caller.owner, before: nil, limit: most).count < most else {
            var problem = Problem(.quotaExceeded, "There are \(most) webhooks already; remove one first.")
            problem.retryable = false
            throw problem
        }
        let now = desk.clock.now()
        let secret = fields.secret ?? SigningKey.newSecret()
        let endpoint = Endpoint(
            id: EndpointID(at: now), owner: caller.owner, createdAt: now, settings: fields.settings)
        try await desk.store.createEndpoint(
            endpoint, secret: secret,
            audit: audit(caller, "webhook.create", endpoint.id.description, endpoint.settings.url))
        return .json(
            EndpointDocument.bytes(endpoint, secret: secret), status: 201,
            fields: [
                "Location": "/v1/webhooks/\(endpoint.id)", "Cache-Control": "no-store",
                "ETag": EndpointDocument.tag(endpoint),
            ])
    }

    private func show(_ endpoint: Endpoint, to request: Request) -> Response {
        let tag = EndpointDocument.tag(endpoint)
        let fields: Fields = ["ETag": tag, "Cache-Control": "no-cache"]
        if request.alreadyHas(tag) { return .empty(304, fields: fields) }
        return .json(EndpointDocument.bytes(endpoint), fields: fields)
    }

    private func changed(_ endpoint: Endpoint) -> Response {
        .json(
            EndpointDocument.bytes(endpoint),
            fields: ["ETag": EndpointDocument.tag(endpoint), "Cache-Control": "no-store"])
    }

    private func changeEndpoint(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        let members = try await jsonMembers(request, body)
        var endpoint = try await endpoint(request, caller)
        // Another change may come between reading and writing: what the client asked for is then merged with it.
        for _ in 0..<Self.mostMerges {
            try checkMatch(request, endpoint)
            var fields = EndpointFields(changing: endpoint.settings)
            try fields.take(members, of: caller, settings.webhooks.check)
            let wish: StateWish? = fields.isEnabled.map { $0 ? .enabled : .disabled }
            if fields.settings == endpoint.settings, wish == nil { return changed(endpoint) }
            let names = members.map(\.name).joined(separator: " ")
            let answer = try await desk.store.changeEndpoint(
                endpoint.id, of: caller.owner, ifVersion: endpoint.version, settings: fields.settings, state: wish,
                at: desk.clock.now(), audit: audit(caller, "webhook.change", endpoint.id.description, names))
            switch answer {
            case .done(let endpoint): return changed(endpoint)
            case .noSuchEndpoint: throw Self.noSuchEndpoint(endpoint.id.description)
            case .versionDiffers(let newer): endpoint = newer
            }
        }
        throw Problem(.stateConflict, "The webhook is being changed by others all the time; try again.", retryAfter: 1)
    }

    private static let mostMerges = 5

    private func checkMatch(_ request: Request, _ endpoint: Endpoint) throws(Problem) {
        let tag = EndpointDocument.tag(endpoint)
        guard request.stillMatches(tag) else {
            throw Problem(
                .preconditionFailed, "The webhook has changed since: its tag is \(tag) now.", fields: ["ETag": tag])
        }
    }

    private func deleteEndpoint(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        let endpoint = try await endpoint(request, caller)
        try checkMatch(request, endpoint)
        let answer = try await desk.store.deleteEndpoint(
            endpoint.id, of: caller.owner, ifVersion: request["if-match"] == nil ? nil : endpoint.version,
            at: desk.clock.now(),
            audit: audit(caller, "webhook.delete", endpoint.id.description, endpoint.settings.url))
        _ = try done(answer, request, endpoint.id)
        return .empty(204)
    }

    private func done(_ answer: EndpointChanged, _ request: Request, _ id: EndpointID) throws(Problem) -> Endpoint {
        switch answer {
        case .done(let endpoint): return endpoint
        case .noSuchEndpoint: throw Self.noSuchEndpoint(id.description)
        case .versionDiffers(let newer):
            try checkMatch(request, newer)
            throw Problem(.stateConflict, "The webhook was changed at the same moment; try again.", retryAfter: 1)
        }
    }

    // MARK: rotate, test

    private static let overlaps: ClosedRange<Int64> = 0...604_800
    private static let usualOverlap: Int64 = 86_400

    private func rotateSecret(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        var overlap = Self.usualOverlap
        var secret = SigningKey.newSecret()
        for member in try await jsonMembers(request, body, isOptional: true) {
            switch (member.name, member.value) {
            case ("overlap", .int(let seconds)) where Self.overlaps.contains(seconds): overlap = seconds
            case ("overlap", _):
                throw Self.fault("overlap", "it must be 0 to \(Self.overlaps.upperBound) whole seconds.")
            case ("secret", let value):
                guard let text = value.string else { throw Self.fault("secret", "it must be a string.") }
                if let words = EndpointFields.fault(ofSecret: text) { throw Self.fault("secret", words) }
                secret = text
            case (let name, _): throw Self.fault(name, "there is no such member.")
            }
        }
        let endpoint = try await endpoint(request, caller)
        try checkMatch(request, endpoint)
        let now = desk.clock.now()
        let end = now.advanced(by: .seconds(overlap))
        let answer = try await desk.store.rotateSecret(
            of: endpoint.id, owner: caller.owner, ifVersion: request["if-match"] == nil ? nil : endpoint.version,
            to: secret, overlapEnd: end, at: now,
            audit: audit(caller, "webhook.rotate", endpoint.id.description, "overlap \(overlap) s"))
        let rotated = try done(answer, request, endpoint.id)
        return .json(
            EndpointDocument.bytes(rotated, secret: secret, oldSecretUntil: end),
            fields: ["ETag": EndpointDocument.tag(rotated), "Cache-Control": "no-store"])
    }

    static func fault(_ name: String, _ detail: String) -> Problem {
        let name = String(name.prefix(64))
        return Problem(
            .invalidField, "\(name): \(detail)",
            errors: [.init(pointer: "/\(name)", code: "invalid-\(name.prefix(32))", detail: "\(name): \(detail)")])
    }

    /// Answers 200 whatever the receiver said: the request to try was fulfilled.
    private func testEndpoint(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        _ = try QueryReader(request)
        let endpoint = try await endpoint(request, caller)
        guard endpoint.hasAgreed else { throw Self.notAgreed }
        guard let target = try await desk.store.target(of: endpoint.id, owner: caller.owner) else {
            throw Self.noSuchEndpoint(endpoint.id.description)
        }
        guard let attempt = try await settings.webhooks.test(endpoint, target) else {
            throw Problem(.draining, "The gateway is stopping.", retryAfter: 5)
        }
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        json.key("delivered")
        json.bool(attempt.result == "delivered")
        json.key("attempt")
        DeliveryDocument.write(attempt, to: &json)
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }

    // MARK: lists

    private func listEndpoints(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .webhooksAdmin)
        let query = try QueryReader(request, names: ["limit", "cursor"])
        let page = try Page(self, request, query, list: "webhooks", caller)
        let found = try await desk.store.endpoints(
            of: caller.owner, before: page.before.map { EndpointID(bits: $0) }, limit: page.limit + 1)
        return page.answer(found, key: \.id.bits, where: { caller.maySee($0) }) { EndpointDocument.write($0, to: &$1) }
    }
}

/// One page of a list that is ordered by a number of at most 128 bits, newest first.
struct Page {
    let limit: Int
    /// Below this one.
    let before: UInt128?
    private let gateway: Gateway
    private let path: String
    private let filters: String
    private let kept: [String]

    /// - Parameter list: keeps cursors of one list out of another.
    init(
        _ gateway: Gateway, _ request: Request, _ query: QueryReader, list: String, _ caller: Caller
    ) throws(Problem) {
        self.gateway = gateway
        path = request.path
        let settings = gateway.settings
        limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        let encoded = { (names: Set<String>) in
            query.parameters.items.filter { !names.contains($0.name) }.map {
                PercentCoding.encode($0.name) + "=" + PercentCoding.encode($0.value)
            }
        }
        kept = encoded(["cursor"])
        filters =
            ([list, "owner=\(caller.owner)"] + encoded(["cursor", "limit"]).sorted()).joined(separator: "\n")
        guard let text = query["cursor"] else {
            before = nil
            return
        }
        let now = gateway.desk.clock.now()
        before = try Cursor(text, filters: filters, secret: settings.cursorSecret, now: now).last.bits
    }

    /// - Parameters:
    ///   - items: one more than the limit when there is another page.
    ///   - isShown: what is not makes the page shorter.
    func answer<Item>(
        _ items: [Item], key: (Item) -> UInt128, where isShown: (Item) -> Bool = { _ in true },
        write: (Item, inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter(capacity: 64 + items.count * 800)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for item in items.prefix(limit) where isShown(item) { write(item, &json) }
        json.endArray()
        var links = [link(kept, "first")]
        if items.count > limit {
            let expires = gateway.desk.clock.now().advanced(by: gateway.settings.cursorLife)
            let cursor = Cursor(last: JobID(bits: key(items[limit - 1])), expires: expires)
                .text(filters: filters, secret: gateway.settings.cursorSecret)
            json.key("next_cursor")
            json.string(cursor)
            links.append(link(kept + ["cursor=\(cursor)"], "next"))
        }
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store", "Link": links.joined(separator: ", ")])
    }

    private func link(_ parameters: [String], _ relation: String) -> String {
        "<\(path)\(parameters.isEmpty ? "" : "?")\(parameters.joined(separator: "&"))>; rel=\"\(relation)\""
    }
}
