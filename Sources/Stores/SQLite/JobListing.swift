import Jobs

/// Turns a `JobQuery` into statements that each walk one index downward by ID and stop at the limit.
struct JobListing {
    struct Statement {
        let sql: String
        let values: [SQLValue]
    }

    /// Names by a prefix come out of the name index unsorted: up to so many are sorted, with more the walk by ID meets
    /// them soon enough.
    static let mostSortedNames = 5000

    /// Counts the rows of a name prefix, at most one more than `mostSortedNames`.
    static let countNames = """
        SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_by_name
        WHERE name IS NOT NULL AND name >= ? AND name < ? LIMIT \(mostSortedNames + 1))
        """

    private let query: JobQuery
    /// Empty: any state.
    private let states: [JobState]
    /// No job can match.
    let isEmpty: Bool

    init(_ query: JobQuery) {
        self.query = query
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

    /// The ends of a name prefix: `PAY*` is from `PAY` to below `PAY` and DEL, which no name holds.
    var namePrefix: (from: String, below: String)? {
        guard let name = query.name, name.hasSuffix("*") else { return nil }
        let prefix = String(name.dropLast()).uppercased()
        return prefix.isEmpty ? nil : (prefix, prefix + "\u{7F}")
    }

    /// - Parameters:
    ///   - namesAreFew: by `countNames`.
    ///   - count: how many jobs there are on a host (nil: any) in states (empty: any).
    /// - Returns: statements whose results, merged by ID downward, are the page.
    func statements(namesAreFew: Bool, count: (HostID?, [JobState]) -> Int) -> [Statement] {
        if isEmpty { return [] }
        if query.correlator != nil { return [statement(index: "jobs_by_correlator")] }
        if !query.labels.isEmpty { return [statement(index: nil)] }
        if let name = query.name, !name.hasSuffix("*") || namesAreFew, name != "*" {
            return [statement(index: "jobs_by_name")]
        }
        let all = count(nil, [])
        let ofHost = query.host.map { count($0, []) } ?? all
        let inStates = states.isEmpty ? all : count(nil, states)
        if !states.isEmpty, query.host == nil && query.owner == nil || inStates <= min(ofHost, all / 8) {
            return states.map { statement(index: "jobs_by_state", only: $0) }
        }
        if query.host != nil, query.owner == nil || ofHost <= all / 8 { return [statement(index: "jobs_by_host")] }
        if query.owner != nil { return [statement(index: "jobs_by_owner")] }
        return [statement(index: "sqlite_autoindex_jobs_1")]
    }

    private func statement(index: String?, only: JobState? = nil) -> Statement {
        var conditions: [String] = []
        var values: [SQLValue] = []
        func add(_ condition: String, _ value: SQLValue...) {
            conditions.append(condition)
            values += value
        }
        var from = "jobs j"
        var id = "j.id"
        var labels = query.labels[...]
        if let index {
            from += " INDEXED BY \(index)"
        } else if let label = labels.popFirst() {
            from = "labels l CROSS JOIN jobs j ON j.row = l.job"
            id = "l.id"
            add("l.key = ? AND l.value = ?", .text(label.key), .text(label.value))
        }
        for label in labels {
            add(
                "EXISTS (SELECT 1 FROM labels o WHERE o.key = ? AND o.value = ? AND o.id = j.id)", .text(label.key),
                .text(label.value))
        }
        if let correlator = query.correlator { add("j.correlator = ?", .text(correlator)) }
        if let prefix = namePrefix {
            add("j.name IS NOT NULL AND j.name >= ? AND j.name < ?", .text(prefix.from), .text(prefix.below))
        } else if let name = query.name, name != "*" {
            add("j.name IS NOT NULL AND j.name = ?", .text(name.uppercased()))
        } else if query.name == "*" {
            add("j.name IS NOT NULL")
        }
        if let only {
            add("j.state = ?", .text(only.rawValue))
        } else if !states.isEmpty {
            add("j.state IN (\(states.map { "'\($0.rawValue)'" }.joined(separator: ",")))")
        }
        if let host = query.host { add("j.host = ?", .text(host.description)) }
        if let owner = query.owner { add("j.owner = ?", .text(owner.description)) }
        if let kind = query.outcome { add("j.outcome_kind = ?", .text(kind.rawValue)) }
        if let since = query.since {
            add("j.created_at >= ?", .time(since))
            add("\(id) >= ?", .id(JobID(time: since.advanced(by: .seconds(-3600)), random: 0)))
        }
        if let until = query.until { add("j.created_at <= ?", .time(until)) }
        add("\(id) < ?", .blob(upperBound))
        let sql = """
            SELECT \(StoredJob.qualifiedColumns) FROM \(from) WHERE \(conditions.joined(separator: " AND ")) \
            ORDER BY \(id) DESC LIMIT ?
            """
        return Statement(sql: sql, values: values + [.int(max(0, query.limit))])
    }

    /// The key of the keyset, or an ID from the time of `until` where that is lower; 17 octets when there is neither, as
    /// that is above every ID.
    private var upperBound: [UInt8] {
        let late = query.until.map { JobID(time: $0.advanced(by: .seconds(3600)), random: .max) }
        let bound = [query.before, late].compactMap { $0 }.min()
        return bound?.octets ?? [UInt8](repeating: 0xFF, count: 17)
    }
}
