import Engine
import HTTPCore
import Jobs
import Stores

/// What a client asks to wait for: `Prefer: wait=N`, `?until=STATE`.
struct WaitWish {
    /// nil: answer at once.
    let limit: Duration?
    let until: JobState?
    /// For `Preference-Applied`.
    let applied: String?

    init(_ request: Request, _ query: QueryReader, _ settings: GatewaySettings) throws(Problem) {
        until = try query.choice("until")
        guard let seconds = request.preferences.wait, seconds > 0 else {
            (limit, applied) = (nil, nil)
            return
        }
        let granted = min(Int64(seconds), settings.longestWait.components.seconds)
        limit = .seconds(granted)
        applied = "wait=\(granted)"
    }

    func isSatisfied(by job: Job) -> Bool {
        guard let until else { return job.state.isFinal }
        return job.state == until || job.state.isFinal || job.state.progress > until.progress
    }
}

extension JobState {
    /// How far along the way of a job; `until` is also satisfied by what lies beyond it.
    fileprivate var progress: Int {
        switch self {
        case .held, .queued: 0
        case .sending, .uncertain: 1
        case .submitted: 2
        case .running: 3
        case .printing: 4
        case .completed, .failed, .rejected, .canceled, .expired, .purged: 5
        }
    }
}

extension Gateway {
    /// The job when the wish is fulfilled or time is up; at once without a wish, or when the gateway stops.
    func wait(for job: Job, _ wish: WaitWish) async throws -> Job {
        guard let limit = wish.limit, !wish.isSatisfied(by: job), !isDraining else { return job }
        let later = try await desk.watch.job(job.id, in: desk.store, within: limit) { [self] job in
            wish.isSatisfied(by: job) || isDraining
        }
        return later ?? job
    }

    /// The job a path means, if the caller may see it: an ID, or `correlator:` and the client's own name for it, which is
    /// its newest.
    func job(_ request: Request, _ caller: Caller) async throws -> Job {
        let text = request.parameter("id") ?? ""
        if text.hasPrefix("correlator:") {
            let correlator = String(text.dropFirst("correlator:".count))
            let query = JobQuery(limit: 1, owner: caller.owner, correlator: correlator)
            if let job = try await desk.store.jobs(query).first, caller.maySee(job) { return job }
        } else if let id = JobID(text) {
            guard let job = try await desk.store.job(id) else { throw try await absence(of: id, caller) }
            if caller.maySee(job) {
                try caller.checkMayChange(job)
                return job
            }
        }
        throw Self.noSuchJob(text)
    }

    static func noSuchJob(_ text: String) -> Problem {
        Problem(.notFound, "There is no job \"\(text.prefix(160))\".")
    }
}

extension Request {
    /// `If-None-Match`, by weak comparison.
    func alreadyHas(_ tag: String) -> Bool {
        guard let field = self["if-none-match"] else { return false }
        return QuotedList.split(field, at: ",").contains { item in
            let item = QuotedList.trim(item)
            return item == "*" || (item.hasPrefix("W/") ? String(item.dropFirst(2)) : item) == tag
        }
    }

    /// `If-Match`, by strong comparison; true without the field.
    func stillMatches(_ tag: String) -> Bool {
        guard let field = self["if-match"] else { return true }
        return QuotedList.split(field, at: ",").contains { item in
            let item = QuotedList.trim(item)
            return item == "*" || JobDocument.version(inTag: item) == tag
        }
    }

    /// The offered type the client likes best.
    /// - Throws: 406 when it takes none of them.
    func negotiate(_ types: [String]) throws(Problem) -> String {
        guard let type = accept.preferred(types) else {
            throw Problem(.notAcceptable, "This is served as \(types.joined(separator: ", ")).")
        }
        return type
    }
}

enum MediaTypes {
    static let json = "application/json"
    static let text = "text/plain"
    static let utf8Text = "text/plain; charset=utf-8"
    static let openMetrics = "application/openmetrics-text"
    static let octets = "application/octet-stream"
    static let lines = "application/x-ndjson"
    static let events = "text/event-stream"
    static let html = "text/html"
    static let utf8HTML = "text/html; charset=utf-8"
}
