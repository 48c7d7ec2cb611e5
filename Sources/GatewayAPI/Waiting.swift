import Engine
import HTTPCore
import Jobs
import Stores

/// What a client asks to wait for: `Prefer: wait=N` or `?wait=N`, `?until=STATE`.
struct WaitWish {
    /// nil: answer at once.
    let limit: Duration?
    let until: JobState?
    /// For `Preference-Applied`.
    let applied: String?

    /// - Parameters:
    ///   - mostTime: what is granted at most.
    ///   - name: the parameter that names the state.
    init(
        _ request: Request, _ query: QueryReader, atMost mostTime: Duration, until name: String = "until"
    ) throws(Problem) {
        until = try query.choice(name)
        let longest = Int(mostTime.components.seconds)
        let asked = try query.int("wait", in: 0...86_400)
        let preferred = request.preferences.wait
        guard let seconds = preferred.map({ Int($0) }) ?? asked, seconds > 0 else {
            (limit, applied) = (nil, nil)
            return
        }
        let granted = min(seconds, longest)
        limit = .seconds(granted)
        applied = preferred == nil ? nil : "wait=\(granted)"
    }

    private init(limit: Duration?, until: JobState?, applied: String?) {
        self.limit = limit
        self.until = until
        self.applied = applied
    }

    /// With what is left of the time.
    func within(_ left: Duration) -> WaitWish {
        WaitWish(limit: limit == nil ? nil : left, until: until, applied: applied)
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

    /// The job a path means, if the caller may see it.
    func job(_ request: Request, _ caller: Caller) async throws -> Job {
        let text = request.parameter("id") ?? ""
        guard let reference = JobReference(text, isReading: request.isReading) else { throw Self.noSuchJob(text) }
        if let job = try await look(up: reference, for: caller) {
            try caller.checkMayChange(job)
            return job
        }
        if case .id(let id) = reference, try await desk.store.job(id) == nil { throw try await absence(of: id, caller) }
        throw Self.noSuchJob(text)
    }

    /// The job a path means when the wish is fulfilled or time is up. One that is known by a name of the client's need not exist
    /// yet: until it does, its coming is waited for.
    func job(_ request: Request, _ caller: Caller, waiting wish: WaitWish) async throws -> Job {
        let end = ContinuousClock.now.advanced(by: wish.limit ?? .zero)
        let found = try await job(request, caller, comingWithin: wish.limit)
        return try await wait(
            for: found, wish.within(max(.zero, ContinuousClock.now.duration(to: end))), as: caller)
    }

    /// The same without waiting for its end.
    func job(_ request: Request, _ caller: Caller, comingWithin limit: Duration?) async throws -> Job {
        let text = request.parameter("id") ?? ""
        guard let limit, let reference = JobReference(text, isReading: request.isReading), reference.mayComeLater else {
            return try await job(request, caller)
        }
        if let job = try await look(up: reference, for: caller) { return job }
        let place = try permit(.waits, caller)
        defer { place.end() }
        let found = try await first(
            before: .now.advanced(by: limit),
            { change in change.job.map { caller.maySee($0) && reference.mayMean($0) } ?? false }
        ) { try await look(up: reference, for: caller) }
        guard let found else { throw Self.noSuchJob(text) }
        return found
    }

    private func look(up reference: JobReference, for caller: Caller) async throws -> Job? {
        let id: JobID?
        switch reference {
        case .id(let given): id = given
        case .key(let key): id = try await desk.store.job(withKey: key, of: caller.owner)
        case .correlator, .name:
            var query = caller.visible
            query.limit = 1
            if case .correlator(let correlator) = reference { query.correlator = correlator }
            if case .name(let name) = reference { query.name = name.description }
            // The index of correlators and that of names begin with the newest.
            return try await desk.store.jobs(query).first
        }
        guard let id, let job = try await desk.store.job(id), caller.maySee(job) else { return nil }
        return job
    }

    /// Looks, and again after each commit that may have changed what is seen, until there is something or time is up.
    func first<Found>(
        before end: ContinuousClock.Instant, _ wants: @escaping @Sendable (Committed) -> Bool,
        _ look: () async throws -> Found?
    ) async throws -> Found? {
        let subscription = desk.watch.subscribe(where: wants)
        while true {
            if let found = try await look() { return found }
            let left = ContinuousClock.now.duration(to: end)
            guard left > .zero, !isDraining, !Task.isCancelled else { return nil }
            await subscription.next(within: left)
        }
    }

    static func noSuchJob(_ text: String) -> Problem {
        Problem(.notFound, "There is no job \"\(text.prefix(160))\".")
    }
}

/// What a path can call a job: its ID; `correlator:` and `name:`, which mean the newest; `key:`, an idempotency key.
enum JobReference: Equatable {
    case id(JobID)
    case correlator(String)
    case key(String)
    case name(JobName)

    /// - Parameter isReading: a name is often given again, so nothing is done to a job that is called by it.
    init?(_ text: String, isReading: Bool) {
        func rest(_ word: String) -> String? { text.hasPrefix(word) ? String(text.dropFirst(word.count)) : nil }
        if let id = JobID(text) {
            self = .id(id)
        } else if let correlator = rest("correlator:") {
            self = .correlator(correlator)
        } else if let key = rest("key:") {
            self = .key(key)
        } else if isReading, let name = rest("name:").flatMap({ JobName($0) }) {
            self = .name(name)
        } else {
            return nil
        }
    }

    var mayComeLater: Bool {
        if case .id = self { false } else { true }
    }

    /// False only for a job that it certainly does not mean.
    func mayMean(_ job: Job) -> Bool {
        switch self {
        case .id(let id): job.id == id
        case .correlator(let correlator): job.correlator == correlator
        case .name(let name): job.name == name
        case .key: true
        }
    }
}

extension Request {
    var isReading: Bool { method == .get || method == .head }

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
    static let csv = "text/csv"
    static let utf8CSV = "text/csv; charset=utf-8; header=present"
    static let records = "application/vnd.rje.records+json"
    static let pdf = "application/pdf"
    static let zip = "application/zip"
    static let mixed = "multipart/mixed"
    static let html = "text/html"
    static let utf8HTML = "text/html; charset=utf-8"
    static let markdown = "text/markdown"
    static let utf8Markdown = "text/markdown; charset=utf-8"
}
