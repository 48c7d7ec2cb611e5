import Engine
import HTTPCore
package import Jobs
import Lines
package import Stores
import Wire

extension Gateway {
    private static let keyBody = BodyRule.upTo(16 * 1024, [MediaTypes.json])

    func addKeyRoutes(to router: inout Router) {
        router.route(.post, "/v1/keys", "createKey", body: Self.keyBody) { [self] in try await createKey($0, $1) }
        router.route(.get, "/v1/keys", "listKeys") { [self] request, _ in
            _ = try caretaker(request)
            _ = try QueryReader(request)
            return .json(
                KeyDocument.bytes(try await keyOffice().keys(), at: desk.clock.now()),
                fields: ["Cache-Control": "no-store"])
        }
        router.route(.get, "/v1/keys/{id}", "getKey") { [self] request, _ in
            _ = try caretaker(request)
            _ = try QueryReader(request)
            return .json(
                KeyDocument.bytes(try await key(request), at: desk.clock.now()), fields: ["Cache-Control": "no-store"])
        }
        router.route(.delete, "/v1/keys/{id}", "revokeKey") { [self] request, _ in
            let caller = try caretaker(request)
            _ = try QueryReader(request)
            // Revoked before is revoked as well.
            _ = try await keyOffice().revoke(try await key(request), by: caller.principal)
            try await settings.door?.refresh()
            return .empty(204, fields: ["Cache-Control": "no-store"])
        }
        router.route(.post, "/v1/keys/{id}/rotate", "rotateKey", body: Self.keyBody) { [self] in
            try await rotateKey($0, $1)
        }
    }

    private func keyOffice() throws(Problem) -> KeyOffice {
        guard let door = settings.door else { throw Problem(.notFound, "This gateway was started without keys.") }
        return door.office
    }

    private func key(_ request: Request) async throws -> StoredKey {
        let id = request.parameter("id") ?? ""
        guard let key = try await keyOffice().key(id) else {
            throw Problem(.notFound, "There is no key \"\(id.prefix(64))\".")
        }
        return key
    }

    private func createKey(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caretaker(request)
        _ = try QueryReader(request)
        let office = try keyOffice()
        var wish = KeyWish()
        let now = office.now
        for member in try await jsonMembers(request, body) {
            if member.name == "allow_control_cards" {
                guard let isAllowed = member.value.bool else {
                    throw Self.fault(member.name, "it must be true or false.")
                }
                wish.allowsControlCards = isAllowed
                continue
            }
            guard let words = Self.words(member) else { throw Self.fault(member.name, "it has another type.") }
            if let fault = wish.take(member.name, words, now: now) { throw Self.fault(member.name, fault) }
        }
        if let (name, words) = wish.missing { throw Self.fault(name, words) }
        guard let made = try await office.create(wish, by: caller.principal) else {
            throw Self.fault("environment", "it must be 1 to 12 of a-z 0-9.")
        }
        return try await show(made)
    }

    /// A text, a list of texts, or labels as an object.
    private static func words(_ member: JSONValue.Member) -> [String]? {
        switch member.name {
        case "scopes", "hosts", "networks":
            guard let elements = member.value.elements else { return nil }
            let texts = elements.compactMap(\.string)
            return texts.count == elements.count ? texts : nil
        case "labels":
            guard let members = member.value.members else { return nil }
            let texts = members.compactMap { member in member.value.string.map { "\(member.name)=\($0)" } }
            return texts.count == members.count ? texts : nil
        default: return member.value.string.map { [$0] }
        }
    }

    private func rotateKey(_ request: Request, _ body: RequestBody) async throws -> Response {
        let caller = try caretaker(request)
        _ = try QueryReader(request)
        var overlap = KeyOffice.usualOverlap
        for member in try await jsonMembers(request, body, isOptional: true) {
            guard member.name == "overlap" else { throw Self.fault(member.name, "there is no such member.") }
            guard let seconds = member.value.int, (0...Int64(KeyOffice.longestOverlapSeconds)).contains(seconds) else {
                throw Self.fault("overlap", "it must be 0 to \(KeyOffice.longestOverlapSeconds) whole seconds.")
            }
            overlap = .seconds(seconds)
        }
        let old = try await key(request)
        guard let made = try await keyOffice().rotate(old, overlap: overlap, by: caller.principal) else {
            var problem = Problem(.stateConflict, "The key is revoked or expired: make a new one.")
            problem.retryable = false
            throw problem
        }
        return try await show(made)
    }

    private func show(_ made: KeyOffice.Made) async throws -> Response {
        try await settings.door?.refresh()
        return .json(
            KeyDocument.bytes(made.key, secret: made.text, at: desk.clock.now()), status: 201,
            fields: ["Location": "/v1/keys/\(made.key.id)", "Cache-Control": "no-store"])
    }
}

/// A key as its administrator reads it.
package enum KeyDocument {
    package static func bytes(_ key: StoredKey, secret: String? = nil, at now: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 512)
        write(key, secret: secret, at: now, to: &json)
        return json.bytes
    }

    package static func bytes(_ keys: [StoredKey], at now: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 64 + keys.count * 512)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for key in keys { write(key, at: now, to: &json) }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    private static func state(of key: StoredKey, at now: Timestamp) -> String {
        key.revokedAt != nil ? "revoked" : key.isGood(at: now) ? "active" : "expired"
    }

    static func write(_ key: StoredKey, secret: String? = nil, at now: Timestamp, to json: inout JSONWriter) {
        json.beginObject()
        json.key("id")
        json.string(key.id)
        if let secret {
            json.key("key")
            json.string(secret)
        }
        json.key("name")
        json.string(key.name)
        json.key("state")
        json.string(state(of: key, at: now))
        json.key("owner")
        json.string(key.owner.description)
        json.strings("scopes", key.scopes.words)
        if let hosts = key.hosts { json.strings("hosts", hosts.sorted().map(\.description)) }
        json.labels(key.labels)
        if !key.networks.isEmpty { json.strings("networks", key.networks) }
        json.key("allow_control_cards")
        json.bool(key.allowsControlCards)
        for (name, time) in [
            ("created_at", key.createdAt), ("expires_at", key.expiresAt), ("revoked_at", key.revokedAt),
            ("last_used_at", key.lastUsedAt),
        ] {
            guard let time else { continue }
            json.key(name)
            json.string(time.rfc3339)
        }
        if let replaces = key.replaces {
            json.key("replaces")
            json.string(replaces)
        }
        json.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func strings(_ name: String, _ values: [String]) {
        key(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    fileprivate mutating func labels(_ labels: [Job.Label]) {
        guard !labels.isEmpty else { return }
        key("labels")
        beginObject()
        for label in labels {
            key(label.key)
            string(label.value)
        }
        endObject()
    }

    /// Who the caller is and what he may do.
    mutating func caller(_ caller: Caller) {
        key("owner")
        string(caller.owner.description)
        key("actor")
        string(caller.actor)
        strings("scopes", Scope.allCases.filter { caller.may($0) }.map(\.rawValue))
        if let hosts = caller.hosts { strings("hosts", hosts.sorted().map(\.description)) }
        labels(caller.labels)
        key("allow_control_cards")
        bool(caller.allowsControlCards)
        if let address = caller.peer?.ip {
            key("address")
            string(address.description)
        }
    }
}
