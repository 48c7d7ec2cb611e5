package import Jobs
import Synchronization

extension SQLiteStore {
    package func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>
    ) async throws(StoreError) -> [Delivery] {
        try await dueDeliveries(at: time, limit: limit, excluding: excluding, leavingOut: [])
    }

    package func dueDeliveries(
        at time: Timestamp, limit: Int, excluding: Set<DeliveryID>, leavingOut endpoints: Set<Int64>
    ) async throws(StoreError) -> [Delivery] {
        try await read { connection in
            let due = try connection.rows(Queries.dueDeliveries, [.time(time)], most: limit) { row in
                excluding.contains(DeliveryID(row.int64(0))) || endpoints.contains(row.int64(1)) ? nil : row.int64(0)
            }
            return try due.compactMap { id in
                try connection.first(Queries.delivery, [.int(id)]) { row in
                    Delivery(
                        id: DeliveryID(id), event: try Event(row, from: 5),
                        owner: try row.require(Owner(row.text(3)), "an owner"), endpoint: row.int64(2),
                        url: row.text(4), attempts: row.int(1))
                }
            }
        }
    }

    package func nextDeliveryTime(after time: Timestamp) async throws(StoreError) -> Timestamp? {
        try await read { connection in try connection.first(Queries.nextDelivery, [.time(time)]) { $0.time(0) } }
    }

    package func record(_ results: [DeliveryResult]) async throws(StoreError) {
        if results.isEmpty { return }
        try await writer.write { transaction in
            for result in results { try transaction.record(result) }
        }
    }

    package func deliveryCounts() async throws(StoreError) -> [DeliveryState: Int] {
        if memory.isClosed { throw .closed }
        return memory.contents.withLock { $0.deliveryCounts.filter { $0.value != 0 } }
    }

    package func deliveries(of job: JobID) async throws(StoreError) -> [DeliveryRecord] {
        try await read { connection in
            try connection.rows(Queries.deliveriesOfJob, [.id(job)]) { row in
                let id = row.int64(0)
                let attempts = try connection.rows(Queries.deliveryAttempts, [.int(id)]) { row in
                    DeliveryAttempt(
                        at: row.time(0), status: row.optionalInt(1), result: row.text(2), detail: row.optionalText(3),
                        duration: .microseconds(row.int64(4)), address: row.optionalText(5), answer: row.blob(6))
                }
                return DeliveryRecord(
                    id: DeliveryID(id), eventID: row.text(1), eventType: row.text(2), url: row.text(3),
                    state: try row.require(DeliveryState(rawValue: row.text(4)), "a state of a delivery"),
                    nextAt: row.optionalTime(5), attempts: attempts)
            }
        }
    }
}

extension WriteTransaction {
    /// A result for a delivery that is no longer pending (canceled meanwhile, or reported twice) changes nothing.
    fileprivate func record(_ result: DeliveryResult) throws {
        let (state, nextAt): (DeliveryState, Timestamp?) =
            switch result.next {
            case .delivered: (.delivered, nil)
            case .retry(let at): (.pending, at)
            case .dead: (.dead, nil)
            }
        let found = try runReturning(
            Queries.recordDelivery, [.text(state.rawValue), .time(nextAt), .int(result.delivery.value)]
        ) { (number: $0.int(0), endpoint: $0.int64(1)) }
        guard let (number, endpoint) = found.first else { return }
        let attempt = result.attempt
        let (seconds, attoseconds) = attempt.duration.components
        try run(
            """
            INSERT INTO delivery_attempts (delivery, number, at, status, result, detail, duration, address, answer)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .int(result.delivery.value), .int(number), .time(attempt.at), .optional(attempt.status),
                .text(attempt.result), .optional(attempt.detail),
                .int(seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000), .optional(attempt.address),
                .blob(Array(attempt.answer.prefix(4096))),
            ])
        guard state != .pending else { return }
        countDelivery(.pending, by: -1)
        countDelivery(state)
        // The endpoint of one job is done when the job has ended and nothing is on its way there.
        try run(
            """
            UPDATE endpoints SET state = 'done' WHERE row = ? AND state = 'closed' AND NOT EXISTS
                (SELECT 1 FROM deliveries INDEXED BY deliveries_pending WHERE endpoint = ? AND state = 'pending')
            """, [.int(endpoint), .int(endpoint)])
    }
}
