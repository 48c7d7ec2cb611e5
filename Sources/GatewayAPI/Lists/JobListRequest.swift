import HTTPCore
import Jobs
import Stores

/// What a client asks of the list of jobs.
struct JobListRequest {
    /// Filters and order; place and limit are the page's.
    var query = JobQuery()
    /// nil: the client does not say.
    let limit: Int?
    let cursor: Cursor?
    /// What a cursor is bound to.
    let filters: String
    /// The parameters again, for links.
    let kept: [String]
    let form: ListForm
    let view: JobView
    /// nil: all that the form and the view have.
    let fields: [String]?
    /// By what jobs are counted instead of listed.
    let groups: [JobGroup]
    let isCounted: Bool
    let wish: WaitWish

    static let filterNames: Set<String> = [
        "state", "host", "owner", "name", "correlator", "since", "until", "outcome", "text",
    ]
    private static let names = filterNames.union([
        "limit", "cursor", "sort", "view", "fields", "group_by", "count", "wait", "reached", "format",
    ])
    /// What says how a page is shown, not what is on it.
    private static let presentation: Set<String> = [
        "cursor", "limit", "view", "fields", "count", "wait", "reached", "format",
    ]

    /// - Parameter caller: what of all jobs the caller may see, for the cursor.
    init(_ request: Request, caller: String, now: Timestamp, _ settings: GatewaySettings) throws(Problem) {
        let reader = try QueryReader(
            request, names: Self.names, repeatable: ["state"], labels: true)
        query = try JobQuery(filters: reader)
        query.order =
            try reader.name(
                "sort", { JobOrder(parameter: $0) }, "it must be one of \(JobOrder.parameters.joined(separator: ", "))."
            ) ?? .newestFirst
        limit = try reader.int("limit", in: 1...settings.mostPageItems)
        view = try reader.choice("view") ?? .basic
        groups = try reader.names("group_by") { JobGroup(rawValue: $0) }
        guard Set(groups).count == groups.count else { throw QueryReader.fault("group_by", "it names one twice.") }
        isCounted = try reader.choice("count", CountWish.self) != nil
        let form = try reader.choice("format", ListForm.self)
        if groups.isEmpty {
            let type = try request.negotiate(ListForm.types)
            self.form = form ?? ListForm.allCases.first { $0.type == type } ?? .json
        } else {
            _ = try request.negotiate([MediaTypes.json])
            self.form = .json
        }
        let isTable = self.form == .csv || self.form == .text
        let known = isTable ? Set(JobColumn.all.map(\.name)) : JobDocument.fields
        let chosen = try reader.names("fields") { known.contains($0) ? $0 : nil }
        fields = chosen.isEmpty ? view.fields : chosen
        wish = try WaitWish(request, reader, atMost: settings.longestWait, until: "reached")
        kept = reader.parameters.items.filter { !["cursor", "wait", "reached"].contains($0.name) }.map(Self.encoded)
        filters =
            reader.parameters.items.filter { !Self.presentation.contains($0.name) }.map(Self.encoded).sorted()
            .joined(separator: "&") + "\n" + caller
        if let text = reader["cursor"] {
            cursor = try Cursor(text, filters: filters, secret: settings.cursorSecret, now: now)
        } else {
            cursor = nil
        }
        if cursor?.isBackward == true, self.form == .lines || self.form == .csv {
            throw Problem(.invalidCursor, "A stream goes forward; this cursor leads back.")
        }
    }

    private static func encoded(_ item: Parameters.Item) -> String {
        PercentCoding.encode(item.name) + "=" + PercentCoding.encode(item.value)
    }
}

/// How a list is written.
enum ListForm: String, CaseIterable {
    case json
    case lines = "ndjson"
    case csv
    case text

    /// In order of preference.
    static let types = [MediaTypes.json, MediaTypes.lines, MediaTypes.csv, MediaTypes.text]
    var type: String { Self.types[Self.allCases.firstIndex(of: self) ?? 0] }
}

private enum CountWish: String, CaseIterable { case estimate }

/// How much of each job is told.
enum JobView: String, CaseIterable {
    case minimal, basic, full

    var fields: [String]? {
        self == .minimal ? ["id", "name", "host", "state", "outcome", "created_at", "ended_at", "version"] : nil
    }
}

/// What jobs are counted by.
enum JobGroup: String, CaseIterable {
    case state, host, owner, outcome

    func value(_ tally: JobTally) -> String? {
        switch self {
        case .state: tally.state.rawValue
        case .host: tally.host.description
        case .owner: tally.owner.description
        case .outcome: tally.outcome?.rawValue
        }
    }
}

extension JobOrder {
    static let parameters = Key.allCases.flatMap { [$0.rawValue, "-" + $0.rawValue] }

    init?(parameter: String) {
        let isDescending = parameter.hasPrefix("-")
        guard let key = Key(rawValue: String(isDescending ? parameter.dropFirst() : parameter[...])) else { return nil }
        self.init(key, isDescending: isDescending)
    }
}

extension JobQuery {
    /// The filters of a list of jobs.
    init(filters query: QueryReader) throws(Problem) {
        self.init()
        for text in query.parameters.values("state").flatMap({ $0.split(separator: ",") }) {
            guard let state = JobState(rawValue: String(text)) else {
                let known = JobState.allCases.map(\.rawValue).joined(separator: ", ")
                throw QueryReader.fault("state", "it must be some of \(known).")
            }
            states.insert(state)
        }
        if query.parameters.has("state"), states.isEmpty { throw QueryReader.fault("state", "it names no state.") }
        host = try query.name("host", { HostID($0) }, "it must be the ID of a host.")
        owner = try query.name("owner", { Owner($0) }, "it must be the name of an owner.")
        name = try query.name(
            "name", Self.namePattern, "it must be a job name of at most 8 characters, perhaps with a * at its end.")
        correlator = query["correlator"]
        since = try query.time("since")
        until = try query.time("until")
        outcome = try query.choice("outcome")
        text = try query.name(
            "text", { (1...128).contains($0.utf8.count) ? $0 : nil }, "it must be 1 to 128 octets.")
        labels = query.parameters.items.filter { $0.name.hasPrefix("label.") }.map {
            Job.Label(key: String($0.name.dropFirst("label.".count)), value: $0.value)
        }
    }

    private static func namePattern(_ text: String) -> String? {
        if text == "*" { return text }
        return JobName(text.hasSuffix("*") ? text.dropLast() : text[...]) == nil ? nil : text
    }
}
