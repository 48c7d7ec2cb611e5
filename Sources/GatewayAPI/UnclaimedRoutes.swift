import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addUnclaimedRoutes(to router: inout Router) {
        router.route(.get, "/v1/unclaimed", "listUnclaimed") { [self] request, _ in try await listUnclaimed(request) }
        router.route(.get, "/v1/unclaimed/{number}", "getUnclaimed") { [self] request, _ in
            _ = try `operator`(request)
            _ = try QueryReader(request)
            var json = JSONWriter()
            Self.write(try await unclaimed(request), to: &json)
            return .json(json.bytes, fields: ["Cache-Control": "no-store"])
        }
        router.route(.get, "/v1/unclaimed/{number}/body", "getUnclaimedBody") { [self] request, _ in
            try await getUnclaimedBody(request)
        }
        router.route(.post, "/v1/unclaimed/{number}/claim", "claimUnclaimed") { [self] request, _ in
            try await claim(request)
        }
        router.route(.delete, "/v1/unclaimed/{number}", "removeUnclaimed") { [self] request, _ in
            let caller = try `operator`(request)
            _ = try QueryReader(request)
            let stream = try await unclaimed(request)
            let isRemoved = try await desk.store.removeUnclaimed(
                stream.number, audit: audit("unclaimed.remove", stream, caller, "\(stream.number)"))
            guard isRemoved else { throw noSuchOutput(request) }
            return .empty(204)
        }
    }

    /// Output of nobody may be anybody's: only who runs the gateway sees it.
    private func `operator`(_ request: Request) throws -> Caller {
        try caretaker(request)
    }

    private func noSuchOutput(_ request: Request) -> Problem {
        Problem(.notFound, "There is no unclaimed output \"\((request.parameter("number") ?? "").prefix(20))\".")
    }

    private func unclaimed(_ request: Request) async throws -> UnclaimedStream {
        guard let number = strictInt(request.parameter("number") ?? ""),
            let stream = try await desk.store.unclaimed(Int64(number))
        else { throw noSuchOutput(request) }
        return stream
    }

    private func audit(
        _ action: String, _ stream: UnclaimedStream, _ caller: Caller, _ subject: String
    ) -> AuditEntry {
        let name = stream.name?.description ?? "no name"
        return AuditEntry(
            at: desk.clock.now(), by: caller.principal, action: action, subject: subject,
            detail:
                "output \(stream.number) of \(name) from \(stream.host), \(stream.octets) octets, \(stream.hash.hex)")
    }

    private func listUnclaimed(_ request: Request) async throws -> Response {
        _ = try `operator`(request)
        let query = try QueryReader(request, names: ["host", "limit", "cursor"])
        let host = try query.name("host", { HostID($0) }, "it must be the ID of a host.")
        let limit = try query.int("limit", in: 1...settings.mostPageItems) ?? settings.usualPageItems
        let filters = "unclaimed\nhost=\(host?.description ?? "")"
        var before: Int64?
        if let text = query["cursor"] {
            let cursor = try Cursor(text, filters: filters, secret: settings.cursorSecret, now: desk.clock.now())
            before = Int64(truncatingIfNeeded: cursor.last.bits)
        }
        let found = try await desk.store.unclaimed(on: host, before: before, limit: limit + 1)
        var json = JSONWriter(capacity: 64 + found.count * 400)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for stream in found.prefix(limit) { Self.write(stream, to: &json) }
        json.endArray()
        if found.count > limit {
            let last = JobID(bits: UInt128(UInt64(bitPattern: found[limit - 1].number)))
            json.key("next_cursor")
            json.string(
                Cursor(last: last, expires: desk.clock.now().advanced(by: settings.cursorLife))
                    .text(filters: filters, secret: settings.cursorSecret))
        }
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }

    private func getUnclaimedBody(_ request: Request) async throws -> Response {
        _ = try `operator`(request)
        let query = try QueryReader(request, names: ["format"])
        let rendering = try Rendering(request, query, among: [.text, .raw])
        let stream = try await unclaimed(request)
        guard let body = try await desk.store.unclaimedBody(stream.number) else { throw noSuchOutput(request) }
        let page = desk.host(stream.host)?.codePage ?? .cp037
        let file = OutputFile(stream.file(1, of: JobID(bits: 0)), hostPage: page, body: body)
        let source = try await source([file], rendering)
        var fields = OutputFields.stored
        fields.add(OutputFields.sandbox)
        return try await source.answer(request, fields: fields, settings)
    }

    private func claim(_ request: Request) async throws -> Response {
        let caller = try `operator`(request)
        let query = try QueryReader(request, names: ["job"])
        let stream = try await unclaimed(request)
        guard let text = query["job"] else {
            throw QueryReader.fault("job", "name the job that the output belongs to.")
        }
        guard let id = JobID(text), let job = try await desk.store.job(id), caller.maySee(job) else {
            throw Self.noSuchJob(text)
        }
        guard job.host == stream.host else {
            throw Problem(
                .stateConflict, "The output came from the host \(stream.host), and the job is one of \(job.host).")
        }
        let claimed = try await desk.store.claim(
            stream.number, for: id, at: desk.clock.now(), audit: audit("unclaimed.claim", stream, caller, "\(id)"))
        guard let claimed else { throw noSuchOutput(request) }
        var json = JSONWriter()
        JobDocument.write(
            desk.shown(claimed), files: try await desk.store.spoolFiles(of: id), effect: "claimed", to: &json)
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }

    private static func write(_ stream: UnclaimedStream, to json: inout JSONWriter) {
        json.beginObject()
        json.key("number")
        json.int(Int(stream.number))
        json.key("host")
        json.string(stream.host.description)
        json.key("received_at")
        json.string(stream.at.rfc3339)
        for (key, value) in [
            ("name", stream.name?.description), ("host_job", stream.hostJob?.description), ("header", stream.header),
        ] {
            guard let value else { continue }
            json.key(key)
            json.string(value)
        }
        json.key("reason")
        json.string(stream.reason)
        json.key("kind")
        json.string(stream.kind.rawValue)
        json.key("records")
        json.int(stream.records)
        json.key("octets")
        json.int(stream.octets)
        if stream.textOctets >= 0 {
            json.key("text_octets")
            json.int(stream.textOctets)
        }
        json.key("sha256")
        json.string(stream.hash.hex)
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/unclaimed/\(stream.number)")
        json.key("body")
        json.string("/v1/unclaimed/\(stream.number)/body")
        json.key("claim")
        json.string("/v1/unclaimed/\(stream.number)/claim")
        json.endObject()
        json.endObject()
    }
}
