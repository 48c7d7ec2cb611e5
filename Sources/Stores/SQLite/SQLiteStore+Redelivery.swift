package import Jobs

extension SQLiteStore {
    package func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [DeliveryRecord]? {
        try await read { connection in
            guard let row = try connection.endpoint(query.endpoint, of: query.owner) else { return nil }
            let state = query.states.count == 1 ? query.states.first : nil
            return try connection.rows(
                Queries.deliveryPage(state: state), [.int(row.row), .int(query.before?.value ?? .max)],
                most: max(0, query.limit)
            ) { row in
                let at = row.time(3)
                guard query.type.map({ matches($0, row.text(2)) }) ?? true, query.since.map({ $0 <= at }) ?? true,
                    query.until.map({ at <= $0 }) ?? true
                else { return nil }
                let record = try DeliveryRecord(row, attempts: [])
                guard query.states.isEmpty || query.states.contains(record.state) else { return nil }
                return record.with(try connection.attempts(of: record.id))
            }
        }
    }

    package func delivery(_ id: DeliveryID, of owner: Owner?) async throws(StoreError) -> DeliveryRecord? {
        try await read { connection in
            try connection.first(Queries.deliveryRecord, [.int(id.value)]) { row in
                guard owner == nil || row.text(9) == owner?.description else { return nil }
                return try DeliveryRecord(row, attempts: try connection.attempts(of: id))
            }
        }
    }

    package func redeliver(
        _ id: DeliveryID, of owner: Owner?, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> Redelivered {
        try await writer.write { transaction in
            let found = try transaction.first(Queries.deliveryOwner, [.int(id.value)]) { row in
                (
                    state: DeliveryState(rawValue: row.text(0)), owner: row.text(1),
                    endpoint: row.isNull(2) ? nil : EndpointID(bits: try row.jobID(2).bits)
                )
            }
            guard let found, let state = found.state, owner == nil || found.owner == owner?.description else {
                return .noSuchDelivery
            }
            if let name = found.endpoint, let row = try transaction.endpoint(name, of: nil), !row.endpoint.hasAgreed {
                return .notAgreed
            }
            _ = try transaction.runReturning(Queries.redeliver, [.int(id.value), .time(time)]) { $0.optionalText(0) }
            if state != .pending {
                transaction.countDelivery(state, by: -1)
                transaction.countDelivery(.pending)
            }
            if let audit { try transaction.audit(audit) }
            transaction.noteDeliveries()
            return .underWay
        }
    }

    package func recover(
        _ id: EndpointID, of owner: Owner?, range: RecoveryRange, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> Recovered {
        enum Step: Sendable {
            case stuck(DeliveryState, after: Int64, Int)
            case missed(at: Timestamp, sequence: Int64, Int)
            case end(Recovered)
        }
        var states = range.states.subtracting([.pending]).sorted { $0.rawValue < $1.rawValue }
        var total = 0
        var cursor: (at: Timestamp, sequence: Int64) = (range.since, 0)
        var after: Int64 = 0
        // What it will do is written with its first step.
        var audit = audit
        while true {
            let (state, from, position, entry) = (states.first, after, cursor, audit)
            audit = nil
            let step = try await writer.write { transaction -> Step in
                guard let row = try transaction.endpoint(id, of: owner) else { return .end(.noSuchEndpoint) }
                guard row.endpoint.state == .enabled else { return .end(.notEnabled) }
                if let entry { try transaction.audit(entry) }
                if let state {
                    let (last, count) = try transaction.requeue(row.row, state, range, after: from, at: time)
                    return .stuck(state, after: last, count)
                }
                let (last, count) = try transaction.makeMissed(row, range, after: position, at: time)
                return .missed(at: last.at, sequence: last.sequence, count)
            }
            switch step {
            case .stuck(_, let last, let count):
                total += count
                after = last
                if last == .max {
                    states.removeFirst()
                    after = 0
                }
            case .missed(let at, let sequence, let count):
                total += count
                if sequence == .max { return .count(total) }
                cursor = (at, sequence)
            case .end(let recovered): return recovered
            }
        }
    }
}

extension WriteTransaction {
    /// Rows that one commit takes up again: other writers wait no longer for it.
    private static var mostInStep: Int { 2000 }

    /// - Returns: the last delivery looked at, `.max` when there are no more, and how many were taken up.
    fileprivate func requeue(
        _ endpoint: Int64, _ state: DeliveryState, _ range: RecoveryRange, after: Int64, at time: Timestamp
    ) throws -> (Int64, Int) {
        let found = try rows(
            Queries.stuckDeliveries(state: state), [.int(endpoint), .int(after), .int(Self.mostInStep)]
        ) { (id: $0.int64(0), at: $0.time(1)) }
        var count = 0
        for row in found where row.at >= range.since && row.at <= range.until {
            count += try run(Queries.requeue, [.int(row.id), .time(time)])
        }
        countDelivery(state, by: -count)
        countDelivery(.pending, by: count)
        if count > 0 { noteDeliveries() }
        return (found.count < Self.mostInStep ? .max : found.last?.id ?? .max, count)
    }

    fileprivate func makeMissed(
        _ row: EndpointRow, _ range: RecoveryRange, after cursor: (at: Timestamp, sequence: Int64), at time: Timestamp
    ) throws -> (last: (at: Timestamp, sequence: Int64), count: Int) {
        struct Missed {
            let sequence: Int64
            let at: Timestamp
            let isWanted: Bool
        }
        guard let endpoint = row.stored else { return ((cursor.at, .max), 0) }
        let found = try rows(
            Queries.missedEvents,
            [
                .time(cursor.at), .int(cursor.sequence), .time(range.until), .text(endpoint.owner), .int(row.row),
                .int(Self.mostInStep),
            ]
        ) { row in
            let host = (row.optionalText(4) ?? row.optionalText(3)).flatMap { HostID($0) }
            let labels = Labels.decode(row.optionalText(5) ?? "") ?? []
            return Missed(
                sequence: row.int64(0), at: row.time(1),
                isWanted: endpoint.takes(type: row.text(2)) && endpoint.takes(host: host, labels: labels))
        }
        var count = 0
        for event in found where event.isWanted {
            try run(
                "INSERT INTO deliveries (event, endpoint, state, next_at, attempts) VALUES (?, ?, 'pending', ?, 0)",
                [.int(event.sequence), .int(row.row), .time(time)])
            count += 1
        }
        countDelivery(.pending, by: count)
        if count > 0 { noteDeliveries() }
        guard let last = found.last, found.count == Self.mostInStep else { return ((cursor.at, .max), count) }
        return ((last.at, last.sequence), count)
    }
}

extension DeliveryRecord {
    /// Reads the columns of `Queries.deliveriesOfJob`.
    init(_ row: SQLRow, attempts: [DeliveryAttempt]) throws {
        self.init(
            id: DeliveryID(row.int64(0)), eventID: row.text(1), eventType: row.text(2), eventAt: row.time(3),
            job: row.isNull(4) ? nil : try row.jobID(4),
            endpoint: row.isNull(5) ? nil : EndpointID(bits: try row.jobID(5).bits), url: row.text(6),
            state: try row.require(DeliveryState(rawValue: row.text(7)), "a state of a delivery"),
            nextAt: row.optionalTime(8), attempts: attempts)
    }

    fileprivate func with(_ attempts: [DeliveryAttempt]) -> DeliveryRecord {
        DeliveryRecord(
            id: id, eventID: eventID, eventType: eventType, eventAt: eventAt, job: job, endpoint: endpoint, url: url,
            state: state, nextAt: nextAt, attempts: attempts)
    }
}

extension SQLConnection {
    func attempts(of delivery: DeliveryID) throws -> [DeliveryAttempt] {
        try rows(Queries.deliveryAttempts, [.int(delivery.value)]) { row in
            func duration(_ column: CInt) -> Duration? {
                row.isNull(column) ? nil : .microseconds(row.int64(column))
            }
            return DeliveryAttempt(
                at: row.time(0), status: row.optionalInt(1), result: row.text(2), detail: row.optionalText(3),
                duration: .microseconds(row.int64(4)),
                timings: .init(
                    resolved: duration(11), connected: duration(7), secured: duration(8), firstByte: duration(9)),
                exchange: DeliveryExchange(
                    sentOctets: row.optionalInt(12), receivedOctets: row.optionalInt(13),
                    httpVersion: row.optionalInt(14), tlsVersion: row.optionalInt(15),
                    verifyResult: row.optionalInt(16)),
                address: row.optionalText(5), answer: row.blob(6), isExtra: row.int(10) != 0,
                batch: row.optionalText(17))
        }
    }
}
