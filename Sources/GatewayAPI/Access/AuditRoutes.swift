import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addAuditRoutes(to router: inout Router) {
        router.route(.get, "/v1/audit", "listAudit") { [self] request, _ in try await listAudit(request) }
    }

    /// Who did what by hand, newest first.
    private func listAudit(_ request: Request) async throws -> Response {
        let caller = try caretaker(request)
        let query = try QueryReader(
            request, names: ["subject", "actor", "owner", "action", "since", "until", "limit", "cursor"])
        let page = try Page(self, request, query, list: "audit", caller)
        var wanted = AuditQuery(limit: page.limit + 1, subject: query["subject"])
        wanted.before = page.before.flatMap { Int64(exactly: $0) }
        wanted.actor = query["actor"]
        wanted.action = query["action"]
        wanted.owner = try query.name("owner", { Owner($0) }, "it must be the name of an owner.")
        wanted.since = try query.time("since")
        wanted.until = try query.time("until")
        let found = try await desk.store.audit(wanted)
        return page.answer(found, key: { UInt128(UInt64(max(0, $0.number))) }) { Self.write($0, to: &$1) }
    }

    private static func write(_ record: AuditRecord, to json: inout JSONWriter) {
        let entry = record.entry
        json.beginObject()
        json.member("number", record.number)
        json.member("at", entry.at.rfc3339)
        json.member("actor", entry.actor)
        json.member("actor_owner", entry.actorOwner?.description)
        json.member("address", entry.address)
        json.member("action", entry.action)
        json.member("subject", entry.subject)
        json.member("owner", entry.owner.description)
        json.member("detail", entry.detail)
        json.endObject()
    }
}
