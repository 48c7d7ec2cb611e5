import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func listJobs(_ request: Request) async throws -> Response {
        let caller = try caller(of: request, for: .jobsRead)
        var list = try JobListRequest(request, caller: caller.view, now: desk.clock.now(), settings)
        guard let query = caller.narrowed(list.query) else { return list.answer(JobListPage(), self) }
        list.query = query
        try await awaitMatch(of: query, list.wish, caller)
        if !list.groups.isEmpty { return try await groups(list) }
        switch list.form {
        case .json, .text: return list.answer(try await page(of: list), self)
        case .lines, .csv: return stream(list)
        }
    }

    /// Until a job is on the list, or until the newest one there has got so far.
    private func awaitMatch(of query: JobQuery, _ wish: WaitWish, _ caller: Caller) async throws {
        guard let limit = wish.limit else { return }
        let place = try permit(.waits, caller)
        defer { place.end() }
        var newest = query
        newest.order = .newestFirst
        newest.limit = 1
        let wanted = newest
        // Whether it still is in a state that was asked for does not matter to the one that is waited for.
        var coming = newest
        if wish.until != nil { coming.states = [] }
        let sought = coming
        _ = try await first(before: .now.advanced(by: limit), { $0.job.map { sought.matches($0) } ?? false }) {
            try await desk.store.page(wanted).jobs.first.flatMap { job in
                wish.until == nil || wish.isSatisfied(by: job) ? job : nil
            }
        }
    }

    private func page(of list: JobListRequest) async throws -> JobListPage {
        var query = list.query
        query.limit = list.limit ?? settings.usualPageItems
        query.from = list.cursor?.mark
        let isBackward = list.cursor?.isBackward == true
        if isBackward { query.order = query.order.reversed }
        let found = try await desk.store.page(query)
        var page = JobListPage()
        func mark(_ job: Job?) -> JobMark? { job.map { JobMark($0, in: list.query.order) } }
        if isBackward {
            page.jobs = found.jobs.reversed()
            page.previous = found.next
            page.next = mark(page.jobs.last)
        } else {
            page.jobs = found.jobs
            page.previous = list.cursor.flatMap { mark(page.jobs.first) ?? $0.mark }
            page.next = found.next
        }
        if list.view == .full {
            for job in page.jobs where job.outputs > 0 {
                page.files[job.id] = try await desk.store.spoolFiles(of: job.id)
            }
        }
        if list.isCounted {
            let (tallies, isComplete) = try await desk.store.tallies(list.query)
            page.count = (tallies.reduce(0) { $0 + $1.count }, isComplete)
        }
        return page
    }

    private func groups(_ list: JobListRequest) async throws -> Response {
        let (tallies, isComplete) = try await desk.store.tallies(list.query)
        var counts: [[String?]: Int] = [:]
        for tally in tallies { counts[list.groups.map { $0.value(tally) }, default: 0] += tally.count }
        var json = JSONWriter()
        json.beginObject()
        json.key("group_by")
        json.beginArray()
        for group in list.groups { json.string(group.rawValue) }
        json.endArray()
        json.key("groups")
        json.beginArray()
        let sorted = counts.sorted { left, right in
            left.key.map { $0 ?? "" }.lexicographicallyPrecedes(right.key.map { $0 ?? "" })
        }
        for (values, count) in sorted {
            json.beginObject()
            for (group, value) in zip(list.groups, values) {
                guard let value else { continue }
                json.key(group.rawValue)
                json.string(value)
            }
            json.key("count")
            json.int(count)
            json.endObject()
        }
        json.endArray()
        json.key("complete")
        json.bool(isComplete)
        json.endObject()
        return .json(json.bytes, fields: list.answerFields)
    }

    /// All of a list, page by page: nothing of it but one page lies in memory.
    private func stream(_ list: JobListRequest) -> Response {
        let rows = JobRows(list, self)
        return .stream(contentType: rows.contentType, fields: list.answerFields) { [self] writer in
            try await Problem.translating {
                if let head = rows.head { try await writer.write(head) }
                var query = list.query
                query.from = list.cursor?.mark
                var left = list.limit ?? .max
                while left > 0 {
                    query.limit = min(left, settings.mostPageItems)
                    let page = try await desk.store.page(query)
                    var piece: [UInt8] = []
                    for job in page.jobs {
                        let files =
                            list.view == .full && job.outputs > 0 ? try await desk.store.spoolFiles(of: job.id) : nil
                        rows.append(job, files: files, to: &piece)
                    }
                    if !piece.isEmpty { try await writer.write(piece) }
                    left -= page.jobs.count
                    guard let next = page.next else { return }
                    query.from = next
                    try Task.checkCancellation()
                }
            }
        }
    }
}

/// One page, read from the store.
struct JobListPage {
    var jobs: [Job] = []
    var files: [JobID: [SpoolFile]] = [:]
    /// What the page before ends in front of, and what the next begins behind; nil: there is none.
    var previous: JobMark?
    var next: JobMark?
    var count: (value: Int, isExact: Bool)?
}

extension JobListRequest {
    var answerFields: Fields {
        var fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept, Prefer"]
        if let applied = wish.applied { fields.add("Preference-Applied", applied) }
        return fields
    }

    func answer(_ page: JobListPage, _ gateway: Gateway) -> Response {
        let settings = gateway.settings
        let expires = gateway.desk.clock.now().advanced(by: settings.cursorLife)
        func cursor(_ mark: JobMark?, isBackward: Bool) -> String? {
            mark.map {
                Cursor($0, isBackward: isBackward, expires: expires)
                    .text(filters: filters, secret: settings.cursorSecret)
            }
        }
        let next = cursor(page.next, isBackward: false)
        let previous = cursor(page.previous, isBackward: true)
        func link(_ cursor: String?, _ relation: String) -> String {
            let query = (kept + (cursor.map { ["cursor=\($0)"] } ?? [])).joined(separator: "&")
            return "</v1/jobs\(query.isEmpty ? "" : "?")\(query)>; rel=\"\(relation)\""
        }
        var fields = answerFields
        fields.add(
            "Link",
            ([link(nil, "first")]
                + [previous.map { link($0, "prev") }, next.map { link($0, "next") }].compactMap(\.self))
                .joined(separator: ", "))
        if form == .text {
            let table = JobTable(page.jobs.map { gateway.desk.shown($0) }, columns: self.columns(JobColumn.usual))
            return Response(contentType: MediaTypes.utf8Text, fields: fields, body: .bytes(table.bytes))
        }
        var json = JSONWriter(capacity: 64 + page.jobs.count * 800)
        json.beginObject()
        json.key("items")
        json.beginArray()
        for job in page.jobs { json.rawJSON(document(job, files: page.files[job.id], gateway)) }
        json.endArray()
        if let next {
            json.key("next_cursor")
            json.string(next)
        }
        if let previous {
            json.key("prev_cursor")
            json.string(previous)
        }
        if let count = page.count {
            json.key("count")
            json.int(count.value)
            json.key("count_is")
            json.string(count.isExact ? "exact" : "at_least")
        }
        json.endObject()
        return .json(json.bytes, fields: fields)
    }

    func document(_ job: Job, files: [SpoolFile]?, _ gateway: Gateway) -> [UInt8] {
        let files = view == .full ? files ?? [] : nil
        let document = JobDocument.bytes(
            gateway.desk.shown(job), files: files, damage: gateway.damage(of: job, files: files ?? []))
        return fields.map { JSONMembers.selecting($0, from: document) } ?? document
    }

    /// The columns that the client names, or the usual ones.
    func columns(_ usual: [JobColumn]) -> [JobColumn] {
        guard let fields else { return usual }
        return fields.compactMap { name in JobColumn.all.first { $0.name == name } }
    }
}
