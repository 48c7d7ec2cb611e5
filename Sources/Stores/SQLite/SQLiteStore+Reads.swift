package import Jobs
import Synchronization

extension SQLiteStore {
    package nonisolated func cachedJob(_ id: JobID) -> Job? { memory.contents.withLock { $0.jobs[id]?.job } }

    package nonisolated func recentEvents(after sequence: Int64, job: JobID?, limit: Int) -> EventTail? {
        memory.contents.withLock { $0.events.after(sequence, job: job, limit: limit) }
    }

    package func job(_ id: JobID) async throws(StoreError) -> Job? {
        let (cached, start) = memory.contents.withLock { ($0.jobs[id]?.job, $0.jobs.puts) }
        if let cached, !memory.isClosed { return cached }
        let memory = memory
        return try await read { connection in
            guard let stored = try connection.first(Queries.job, [.id(id)], { try StoredJob($0) }) else { return nil }
            memory.contents.withLock { $0.jobs.fill(stored, readAt: start) }
            return stored.job
        }
    }

    package func jobs(_ query: JobQuery) async throws(StoreError) -> [Job] {
        let listing = JobListing(query, isBounded: false)
        let counts = memory.contents.withLock { $0.jobCounts }
        return try await read { connection in
            try listing.read(on: connection, counts: counts, limit: query.limit).jobs
        }
    }

    package func jobCounts() async throws(StoreError) -> [JobCount] {
        if memory.isClosed { throw .closed }
        return memory.contents.withLock { contents in
            contents.jobCounts.compactMap { key, count in
                guard count != 0, let host = HostID(key.host) else { return nil }
                return JobCount(host: host, state: key.state, count: count)
            }
        }.sorted { ($0.host, $0.state.rawValue) < ($1.host, $1.state.rawValue) }
    }

    package func sendable(on host: HostID, perOwner: Int, at time: Timestamp) async throws(StoreError) -> [Job] {
        while true {
            let jobs: [Job]? = try await read { connection in
                if try connection.first(Queries.hasRipe, [.time(time)], { _ in true }) != nil { return nil }
                var jobs: [Job] = []
                var owner = ""
                while let next = try connection.first(
                    Queries.ownersWithSendable, [.text(host.description), .text(owner)], { $0.text(0) })
                {
                    owner = next
                    jobs += try connection.rows(
                        Queries.sendable,
                        [.text(host.description), .text(owner), .time(time), .int(max(0, perOwner))]
                    ) { try StoredJob($0).job }
                }
                return jobs
            }
            if let jobs { return jobs }
            // Jobs whose time has come enter the index of what can be sent; no job row changes by it.
            _ = try await writer.write { try $0.run(Queries.ripen, [.time(time)]) }
        }
    }

    package func jobsBefore(_ job: Job, mostCounted: Int) async throws(StoreError) -> Int {
        try await read { connection in
            try connection.first(
                Queries.jobsBefore,
                [
                    .text(job.host.description), .int(job.priority), .time(job.createdAt), .id(job.id),
                    .int(max(0, mostCounted)),
                ]
            ) { $0.int(0) } ?? 0
        }
    }

    package func underWay(on host: HostID) async throws(StoreError) -> [Job] {
        try await read { connection in
            try connection.rows(Queries.underWay, [.text(host.description)]) { try StoredJob($0).job }
        }
    }

    package func overdue(at time: Timestamp, limit: Int) async throws(StoreError) -> [JobID] {
        try await read { connection in
            try connection.rows(Queries.overdue, [.time(time), .int(max(0, limit))]) { try $0.jobID(0) }
        }
    }

    package func attempts(of job: JobID) async throws(StoreError) -> [Attempt] {
        try await read { connection in
            try connection.rows(Queries.attempts, [.id(job)]) { row in
                Attempt(
                    number: row.int(0), job: job, host: try row.require(HostID(row.text(1)), "a host"),
                    session: row.text(2), openedAt: row.time(3),
                    phase: try row.require(Attempt.Phase(rawValue: row.text(4)), "a phase"),
                    evidence: row.optionalText(5))
            }
        }
    }

    package func events(after sequence: Int64, job: JobID?, limit: Int) async throws(StoreError) -> [Event] {
        try await read { connection in
            let limit = SQLValue.int(max(0, limit))
            guard let job else {
                return try connection.rows(Queries.events, [.int(sequence), limit]) { try Event($0, from: 0) }
            }
            return try connection.rows(Queries.eventsOfJob, [.id(job), .int(sequence), limit]) {
                try Event($0, from: 0)
            }
        }
    }

    package func lastSequence() async throws(StoreError) -> Int64 {
        if memory.isClosed { throw .closed }
        return memory.contents.withLock { $0.lastSequence }
    }

    package func refusal(of host: HostID) async throws(StoreError) -> HostRefusal? {
        try await read { connection in
            try connection.first(
                "SELECT refused_reason, refused_credential, refused_at FROM hosts WHERE id = ?",
                [.text(host.description)]
            ) { row in
                guard let reason = row.optionalText(0) else { return nil }
                return HostRefusal(reason: reason, credential: try row.hash(1), at: row.time(2))
            }
        }
    }

    /// The plan of every query of the contract, as SQLite explains it, by the query's name.
    package func queryPlans(listing queries: [String: JobQuery]) async throws(StoreError) -> [String: [String]] {
        let counts = memory.contents.withLock { $0.jobCounts }
        return try await read { connection in
            var texts = Queries.all.mapValues { [$0] }
            texts.merge(Queries.retention.mapValues { [$0] }) { first, _ in first }
            texts.merge(Queries.batches.mapValues { [$0] }) { first, _ in first }
            texts["countNames"] = [JobListing.countNames]
            texts["countLabels"] = [JobListing.countLabels]
            texts["countCorrelators"] = [JobListing.countCorrelators]
            texts.merge(Queries.lists.mapValues { [$0] }) { first, _ in first }
            for (name, query) in queries {
                let statements = try JobListing(query).statements(on: connection, counts: counts)
                texts[name] = statements.map(\.page)
                texts[name + ", its end"] = statements.compactMap(\.end)
                let counted = try JobListing(query.counted).statements(on: connection, counts: counts)
                texts["tally of " + name] = counted.flatMap { [$0.tally, $0.tallyEnd] }
            }
            return try texts.mapValues { texts in
                try texts.flatMap { text in
                    try connection.rows("EXPLAIN QUERY PLAN \(text)") { $0.text(3) }
                }
            }
        }
    }
}

extension Event {
    /// Reads sequence, id, type, job, at and body.
    init(_ row: SQLRow, from column: CInt) throws {
        self.init(
            sequence: row.int64(column), id: row.text(column + 1), type: row.text(column + 2),
            job: row.isNull(column + 3) ? nil : try row.jobID(column + 3), at: row.time(column + 4),
            body: row.blob(column + 5))
    }
}
