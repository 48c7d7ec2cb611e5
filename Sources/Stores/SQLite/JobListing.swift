import Jobs

/// Turns a `JobQuery` into statements that each walk one index and stop at the limit.
///
/// What the index does not tell is asked of the rows one by one: of at most `query.mostVisited` for a page, so that a filter that
/// hardly any job passes costs a bounded time and goes on with the next page.
struct JobListing {
    struct Statement {
        /// The jobs.
        let page: String
        /// The last place that `page` looks at when it looks at as many as it may; nil: it looks at no job in vain.
        let end: String?
        /// Counts by host, owner, state and outcome; bound by the values without the limit.
        let tally: String
        /// Answers when there is more than `tally` counts.
        let tallyEnd: String
        /// Of the index walk, then of the rest.
        let walked: [SQLValue]
        let asked: [SQLValue]
    }

    /// What is found by a filter out of order is sorted when there is no more of it than this; else the walk in order meets it
    /// soon enough.
    static let mostSorted = 5000
    static let mostTallied = 100_000

    /// Each counts at most one more than `mostSorted`.
    static let countNames = """
        SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_by_name
        WHERE name IS NOT NULL AND name >= ? AND name < ? LIMIT \(mostSorted + 1))
        """
    static let countLabels = """
        SELECT count(*) FROM (SELECT 1 FROM labels WHERE key = ? AND value = ? LIMIT \(mostSorted + 1))
        """
    static let countCorrelators = """
        SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_by_correlator
        WHERE correlator IS NOT NULL AND correlator = ? LIMIT \(mostSorted + 1))
        """

    private let query: JobQuery
    /// Empty: any state.
    private let states: [JobState]
    /// No job can match.
    let isEmpty: Bool
    /// Visits of rows that match or not are not limited.
    private let isBounded: Bool

    /// - Parameter isBounded: whether a page may end before its limit because so many jobs were looked at.
    init(_ query: JobQuery, isBounded: Bool = true) {
        self.query = query
        self.isBounded = isBounded
        var states = query.states
        if let kind = query.outcome {
            // An outcome belongs to one state.
            let state = Outcome(kind: kind, text: "").state
            isEmpty = !states.isEmpty && !states.contains(state)
            states = [state]
        } else {
            isEmpty = false
        }
        self.states = JobState.allCases.filter { states.contains($0) }
    }

    /// The ends of the names meant: `PAY*` is from `PAY` to below `PAY` and DEL, which no name holds.
    var names: (from: String, below: String)? {
        guard let name = query.name, name != "*" else { return nil }
        let prefix = (name.hasSuffix("*") ? String(name.dropLast()) : name).uppercased()
        return (prefix, name.hasSuffix("*") ? prefix + "\u{7F}" : prefix + "\u{1}")
    }

    var firstLabel: Job.Label? { query.labels.first }
    var correlator: String? { query.correlator }
    var order: JobOrder { query.order }
    var isSortedByKey: Bool { order.key != .created }

    /// What is known of the sizes of sets before one of them is walked.
    struct Sizes {
        /// By the three counts; nil: not asked.
        var names: Int?
        var labels: Int?
        var correlators: Int?
        /// How many jobs there are on a host (nil: any) in states (empty: any).
        var jobs: (HostID?, [JobState]) -> Int
    }

    /// An index to walk.
    private struct Walk {
        var source: String
        /// What the walk itself answers.
        var conditions: [String]
        var values: [SQLValue] = []
        /// `l.id` where the index holds the ID of another table.
        var id = "j.id"
        /// nil: sorted out of the walk by the ID alone.
        var key: String?
        /// The walk comes out of order: it is short, and is sorted.
        var isSorted = false
        /// Filters that the walk answers.
        var answers: Set<Filter> = []
    }

    private enum Filter: Hashable { case correlator, label, name, states, host, owner }

    /// - Returns: statements whose results, merged in order, are the page.
    func statements(_ sizes: Sizes) -> [Statement] {
        isEmpty ? [] : walks(sizes).compactMap(statement)
    }

    private func walks(_ sizes: Sizes) -> [Walk] {
        if let correlator = query.correlator, isShort(sizes.correlators) {
            return [filterWalk("jobs_by_correlator", "j.correlator = ?", .text(correlator), answers: .correlator)]
        }
        if let label = firstLabel, isShort(sizes.labels) {
            return [
                Walk(
                    source: "labels l CROSS JOIN jobs j ON j.row = l.job", conditions: ["l.key = ? AND l.value = ?"],
                    values: [.text(label.key), .text(label.value)], id: "l.id",
                    isSorted: query.order.key != .created, answers: [.label])
            ]
        }
        if let names {
            let isOne = query.name?.hasSuffix("*") == false
            if query.order.key == .name || isOne && query.order.key == .created
                || sizes.names ?? .max <= Self.mostSorted
            {
                var walk = filterWalk("jobs_by_name", "j.name IS NOT NULL", answers: .name)
                walk.conditions.append(isOne ? "j.name = ?" : "j.name >= ? AND j.name < ?")
                walk.values = isOne ? [.text(names.from)] : [.text(names.from), .text(names.below)]
                walk.isSorted = !isOne && query.order.key != .name || isOne && query.order.key != .created
                if query.order.key == .name {
                    walk.key = "j.name"
                    walk.isSorted = false
                    if let owner = query.owner {
                        walk.source = "jobs j INDEXED BY jobs_by_owner_name"
                        walk.conditions.insert("j.owner = ?", at: 0)
                        walk.values.insert(.text(owner.description), at: 0)
                        walk.answers.insert(.owner)
                    }
                }
                return [walk]
            }
        }
        return query.order.key == .created ? createdWalks(sizes) : sortedWalks(sizes)
    }

    /// A filter whose walk comes in order, or has so few jobs that they are sorted.
    private func isShort(_ count: Int?) -> Bool {
        query.order.key == .created || count ?? .max <= Self.mostSorted
    }

    private func filterWalk(_ index: String, _ condition: String, _ values: SQLValue..., answers: Filter) -> Walk {
        Walk(
            source: "jobs j INDEXED BY \(index)", conditions: [condition], values: values,
            isSorted: query.order.key != .created, answers: [answers])
    }

    private func createdWalks(_ sizes: Sizes) -> [Walk] {
        let all = sizes.jobs(nil, [])
        let ofHost = query.host.map { sizes.jobs($0, []) } ?? all
        let inStates = states.isEmpty ? all : sizes.jobs(nil, states)
        if !states.isEmpty, query.host == nil && query.owner == nil || inStates <= min(ofHost, all / 8) {
            return stateWalks
        }
        if let host = query.host, query.owner == nil || ofHost <= all / 8 { return [hostWalk(host)] }
        if let owner = query.owner {
            return [filterWalk("jobs_by_owner", "j.owner = ?", .text(owner.description), answers: .owner)]
        }
        return [Walk(source: "jobs j INDEXED BY sqlite_autoindex_jobs_1", conditions: [])]
    }

    private var stateWalks: [Walk] {
        states.map { filterWalk("jobs_by_state", "j.state = ?", .text($0.rawValue), answers: .states) }
    }

    private func hostWalk(_ host: HostID) -> Walk {
        filterWalk("jobs_by_host", "j.host = ?", .text(host.description), answers: .host)
    }

    /// By another key than time: few jobs are sorted, of many the index of the key is walked.
    private func sortedWalks(_ sizes: Sizes) -> [Walk] {
        if !states.isEmpty, sizes.jobs(nil, states) <= Self.mostSorted { return stateWalks }
        if let host = query.host, sizes.jobs(host, []) <= Self.mostSorted { return [hostWalk(host)] }
        let isOwned = query.owner != nil
        func walk(_ index: String, _ ownedIndex: String, _ key: String, _ condition: String) -> Walk {
            Walk(
                source: "jobs j INDEXED BY \(isOwned ? ownedIndex : index)",
                conditions: isOwned ? ["j.owner = ?", condition] : [condition],
                values: query.owner.map { [.text($0.description)] } ?? [], key: key, answers: isOwned ? [.owner] : [])
        }
        switch query.order.key {
        case .created: return []
        case .ended:
            let hasEnded = "j.ended_at IS NOT NULL AND j.ended_at >= 0"
            return [walk("jobs_ended", "jobs_by_owner_ended", "j.ended_at", hasEnded)]
        case .name:
            return [walk("jobs_by_name", "jobs_by_owner_name", "j.name", "j.name IS NOT NULL AND j.name >= ''")]
        case .priority:
            // Nearly all have none: they stand in no index of priorities, and go by their IDs.
            var none = walk("sqlite_autoindex_jobs_1", "jobs_by_owner", "j.priority", "j.id >= x''")
            none.key = nil
            return [walk("jobs_by_priority", "jobs_by_owner_priority", "j.priority", "j.priority > 0"), none]
        }
    }

    private func statement(_ walk: Walk) -> Statement? {
        var walk = walk
        var others: [String] = []
        var otherValues: [SQLValue] = []
        func ask(_ condition: String, _ values: SQLValue...) {
            others.append(condition)
            otherValues += values
        }
        let isZero = query.order.key == .priority && walk.key == nil && !walk.isSorted
        guard limit(&walk, isZero: isZero) else { return nil }
        for label in query.labels.dropFirst(walk.answers.contains(.label) ? 1 : 0) {
            ask(
                "EXISTS (SELECT 1 FROM labels o WHERE o.key = ? AND o.value = ? AND o.id = j.id)", .text(label.key),
                .text(label.value))
        }
        if isZero { ask("j.priority = 0") }
        if !walk.answers.contains(.name) {
            if let names {
                ask("j.name >= ? AND j.name < ?", .text(names.from), .text(names.below))
            } else if query.name == "*" {
                ask("j.name IS NOT NULL")
            }
        }
        if !states.isEmpty, !walk.answers.contains(.states) {
            ask("j.state IN (\(states.map { "'\($0.rawValue)'" }.joined(separator: ",")))")
        }
        if let host = query.host, !walk.answers.contains(.host) { ask("j.host = ?", .text(host.description)) }
        if let hosts = query.hosts {
            others.append("j.host IN (\(hosts.map { _ in "?" }.joined(separator: ",")))")
            otherValues += hosts.sorted().map { .text($0.description) }
        }
        if let correlator = query.correlator, !walk.answers.contains(.correlator) {
            ask("j.correlator = ?", .text(correlator))
        }
        if let owner = query.owner, !walk.answers.contains(.owner) { ask("j.owner = ?", .text(owner.description)) }
        if let kind = query.outcome { ask("j.outcome_kind = ?", .text(kind.rawValue)) }
        if query.order.key == .ended, walk.key == nil { ask("j.ended_at IS NOT NULL") }
        if query.order.key == .name, walk.key == nil { ask("j.name IS NOT NULL") }
        if let since = query.since { ask("j.created_at >= ?", .time(since)) }
        if let until = query.until { ask("j.created_at <= ?", .time(until)) }
        if let text = query.text {
            ask(
                """
                instr(lower(coalesce(j.name,'')||char(10)||coalesce(j.host_job,'')||char(10)||coalesce(j.correlator,'')
                ||char(10)||coalesce(j.reason,'')||char(10)||coalesce(j.outcome_text,'')||char(10)||j.labels), ?) > 0
                """, .text(String(decoding: JobQuery.folded(text), as: UTF8.self)))
        }
        return statement(walk, others, otherValues)
    }

    private func statement(_ walk: Walk, _ others: [String], _ otherValues: [SQLValue]) -> Statement {
        let direction = query.order.isDescending ? "DESC" : "ASC"
        let sorting =
            (walk.isSorted && query.order.key != .created ? column : walk.key).map { "\($0) \(direction), " } ?? ""
        let order = "ORDER BY \(sorting)\(walk.id) \(direction)"
        func clause(_ conditions: [String]) -> String {
            conditions.isEmpty ? "" : "WHERE \(conditions.joined(separator: " AND "))"
        }
        let counted = "j.host, j.owner, j.state, j.outcome_kind, count(*)"
        let isVisiting = isBounded && !others.isEmpty && !walk.isSorted
        // A subquery with a limit is walked as it stands, and what is joined to it comes in its order.
        func visited(_ most: Int) -> String {
            let place = walk.id == "l.id" ? "l.job" : "j.row"
            let source = walk.id == "l.id" ? "labels l" : walk.source
            return """
                (SELECT \(place) AS place FROM \(source) \(clause(walk.conditions)) \(order) LIMIT \(most)) visited \
                CROSS JOIN jobs j ON j.row = visited.place
                """
        }
        let tally = """
            SELECT \(counted) FROM \(visited(Self.mostTallied)) \(clause(others)) GROUP BY 1, 2, 3, 4
            """
        func end(_ most: Int) -> String {
            """
            SELECT \(walk.id), \(walk.key ?? "NULL") FROM \(walk.id == "l.id" ? "labels l" : walk.source) \
            \(clause(walk.conditions)) \(order) LIMIT 1 OFFSET \(most - 1)
            """
        }
        let page =
            isVisiting
            ? "SELECT \(StoredJob.qualifiedColumns) FROM \(visited(query.mostVisited)) \(clause(others)) LIMIT ?"
            : "SELECT \(StoredJob.qualifiedColumns) FROM \(walk.source) \(clause(walk.conditions + others)) \(order) LIMIT ?"
        return Statement(
            page: page, end: isVisiting ? end(query.mostVisited) : nil, tally: tally,
            tallyEnd: end(Self.mostTallied + 1), walked: walk.values, asked: otherValues)
    }

    private var column: String? {
        switch query.order.key {
        case .created: nil
        case .ended: "j.ended_at"
        case .name: "j.name"
        case .priority: "j.priority"
        }
    }

    /// Where the walk begins and ends.
    /// - Returns: false when nothing of it lies behind the place that the page begins behind.
    private func limit(_ walk: inout Walk, isZero: Bool) -> Bool {
        let isBelow = query.order.isDescending
        if query.order.key == .created {
            let early = query.since.map { JobID(time: $0.advanced(by: .seconds(-3600)), random: 0) }
            let late = query.until.map { JobID(time: $0.advanced(by: .seconds(3600)), random: .max) }
            let below = [isBelow ? query.from?.id : nil, late].compactMap { $0 }.min()
            let above = isBelow ? nil : query.from?.id
            // 17 octets are above every ID, none are below.
            walk.conditions.append("\(walk.id) < ?")
            walk.values.append(.blob(below?.octets ?? [UInt8](repeating: 0xFF, count: 17)))
            if let early, above.map({ $0 < early }) ?? true {
                walk.conditions.append("\(walk.id) >= ?")
                walk.values.append(.id(early))
            } else if let above {
                walk.conditions.append("\(walk.id) > ?")
                walk.values.append(.id(above))
            }
            return true
        }
        guard let from = query.from else { return true }
        if isZero {
            let isHere = from.value == .int(0)
            if !isHere { return isBelow }
            walk.conditions.append("\(walk.id) \(isBelow ? "<" : ">") ?")
            walk.values.append(.id(from.id))
            return true
        }
        guard let column = walk.key ?? column else { return true }
        let value: SQLValue =
            switch from.value {
            case .none: .null
            case .int(let value): .int(value)
            case .text(let value): .text(value)
            }
        walk.conditions.append("(\(column), \(walk.id)) \(isBelow ? "<" : ">") (?, ?)")
        walk.values += [value, .id(from.id)]
        return true
    }
}
