import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addStorageRoutes(to router: inout Router) {
        router.route(.delete, "/v1/jobs/{id}", "purgeJob") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsCancel)
            _ = try QueryReader(request)
            let job = try await job(request, caller)
            try demandMatch(request, job)
            _ = try await desk.purge(job, by: caller.principal)
            return .empty(204, fields: ["Cache-Control": "no-store"])
        }
        router.route(.get, "/v1/storage", "getStorage") { [self] request, _ in try await storage(request) }
    }

    /// Why a job cannot be found: it was purged, or it never was, or it is another owner's.
    func absence(of id: JobID, _ caller: Caller) async throws -> Problem {
        guard let event = try await desk.store.lastEvent(of: id), event.type == EventBody.type(entering: .purged),
            let data = try? JSONValue(parsing: event.body)["data"],
            data["owner"]?.string == caller.owner.description || caller.seesAllOwners
        else { return Self.noSuchJob(id.description) }
        return Problem(.purged, "The job \(id) was purged at \(event.at.rfc3339).")
    }

    // MARK: the store

    /// Items of one list; there may be more.
    private static let mostListed = 100

    /// How the store is, and what of it does not fit together.
    private func storage(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        _ = try QueryReader(request)
        let store = desk.store
        var json = JSONWriter()
        json.beginObject()
        json.key("state")
        switch store.health {
        case .open: json.string("open")
        case .stopped(let why):
            json.string("stopped")
            json.key("detail")
            json.string(why)
        case .closed: json.string("closed")
        }
        json.key("octets")
        json.int(try await store.storedOctets()[caller.owner] ?? 0)
        json.key("last_event")
        json.int(try await store.lastSequence())
        json.key("damaged")
        json.beginArray()
        for body in try await store.damagedBodies(limit: Self.mostListed) {
            guard let job = try await store.job(body.job), caller.maySee(job) else { continue }
            json.beginObject()
            json.key("job")
            json.string(body.job.description)
            json.key("what")
            json.string(body.file == nil ? "deck" : "output")
            if let file = body.file {
                json.key("number")
                json.int(file)
            }
            json.endObject()
        }
        json.endArray()
        // Files that no row names cannot be laid to anybody: how many, and their names for who runs the gateway.
        let report = store.openReport
        json.key("at_start")
        json.beginObject()
        json.key("missing_bodies")
        json.int(report.missingBodies.count)
        json.key("removed_temporaries")
        json.int(report.removedTemporaries.count)
        if let lost = report.rolledBack {
            json.key("rolled_back")
            json.beginObject()
            json.key("acknowledged_event")
            json.int(lost.acknowledged)
            json.key("last_event")
            json.int(lost.found)
            if caller.owner == .local, let log = lost.keptLog {
                json.key("kept_log")
                json.string(log)
            }
            json.endObject()
        }
        json.key("stray_files")
        json.int(report.unclaimedFiles.count)
        json.key("strays")
        json.beginArray()
        if caller.may(.admin) {
            for hash in report.unclaimedFiles.prefix(Self.mostListed) { json.string(hash.hex) }
        }
        json.endArray()
        json.endObject()
        json.endObject()
        return .json(json.bytes, fields: ["Cache-Control": "no-store"])
    }

    func writeStorage(to text: inout MetricsWriter) async throws {
        text.single(
            "rje_storage_writable", .gauge, "1 while writes are acknowledged, 0 after a fault that needs a restart.",
            desk.store.health == .open ? 1 : 0)
        text.single(
            "rje_stored_bytes", .gauge, "Decks and print-out stored.",
            try await desk.store.storedOctets().values.reduce(0, +))
    }
}
