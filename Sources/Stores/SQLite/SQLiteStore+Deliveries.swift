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
        let memory = memory
        let stopping = memory.contents.withLock { $0.stopping }
        // Left by a process that was killed; with a disk that is full they are passed over all the same.
        if !stopping.isEmpty { try? await finishStopping() }
        return try await read { connection in
            let extra = try connection.rows(Queries.extraDeliveries, [.time(time)], most: limit) { row in
                excluding.contains(DeliveryID(row.int64(0))) ? nil : row.int64(0)
            }
            let due = try connection.rows(Queries.dueDeliveries, [.time(time)], most: limit - extra.count) { row in
                let id = row.int64(0)
                let isSkipped =
                    excluding.contains(DeliveryID(id)) || endpoints.contains(row.int64(1)) || extra.contains(id)
                    || !stopping.isEmpty && stopping[row.int64(1)] != nil
                return isSkipped ? nil : id
            }
            return try (extra + due).compactMap { id in
                try connection.first(Queries.delivery, [.int(id)]) { row in
                    let endpoint = row.int64(2)
                    var target = DeliveryTarget()
                    if row.isNull(12) {
                        target.secrets = EndpointSecrets.decode(row.text(13))
                    } else if let known = memory.target(ofRow: endpoint) {
                        target = known
                    } else {
                        // Not enabled: an extra try, or one that was pending when it was disabled a moment ago.
                        let name = EndpointID(bits: try row.jobID(12).bits)
                        let found = try connection.endpoint(name, of: nil)
                        if let found { target = DeliveryTarget(found.endpoint, secrets: found.secrets) }
                    }
                    return Delivery(
                        id: DeliveryID(id), event: try Event(row, from: 5),
                        owner: try row.require(Owner(row.text(3)), "an owner"), endpoint: endpoint, url: row.text(4),
                        attempts: row.int(1), target: target, isExtra: !row.isNull(11),
                        trace: row.optionalText(14).flatMap { TraceContext(parent: $0, state: row.optionalText(15)) })
                }
            }
        }
    }

    package func nextDeliveryTime(after time: Timestamp) async throws(StoreError) -> Timestamp? {
        try await read { connection in try connection.first(Queries.nextDelivery, [.time(time)]) { $0.time(0) } }
    }

    package func deliveryCounts() async throws(StoreError) -> [DeliveryState: Int] {
        if memory.isClosed { throw .closed }
        return memory.contents.withLock { $0.deliveryCounts.filter { $0.value != 0 } }
    }

    package func deliveries(of job: JobID) async throws(StoreError) -> [DeliveryRecord] {
        try await read { connection in
            try connection.rows(Queries.deliveriesOfJob, [.id(job)]) { row in
                try DeliveryRecord(row, attempts: try connection.attempts(of: DeliveryID(row.int64(0))))
            }
        }
    }

    package func record(_ results: [DeliveryResult]) async throws(StoreError) {
        if results.isEmpty { return }
        try await writer.write { transaction in
            var health = EndpointHealths()
            for result in results { try transaction.record(result, &health) }
            try transaction.settle(health)
        }
        try await finishStopping()
    }
}

/// What the results of one commit say of each endpoint.
private struct EndpointHealths {
    struct Entry {
        var hasSucceeded = false
        /// Since the last success.
        var failures = 0
        var firstFailure: Timestamp?
        var lastTry = Timestamp(microseconds: 0)
        var disables: Endpoint.DisabledReason?
    }
    var entries: [Int64: Entry] = [:]

    mutating func note(_ result: DeliveryResult, of endpoint: Int64, isExtra: Bool) {
        var entry = entries[endpoint] ?? Entry()
        entry.lastTry = max(entry.lastTry, result.attempt.at)
        entry.disables = entry.disables ?? result.disables
        if isExtra {
            // Tells of the receiver, but changes no count.
        } else if result.next == .delivered {
            entry.hasSucceeded = true
            entry.failures = 0
            entry.firstFailure = nil
        } else {
            entry.failures += 1
            entry.firstFailure = entry.firstFailure ?? result.attempt.at
        }
        entries[endpoint] = entry
    }
}

extension WriteTransaction {
    /// A result for a delivery that is no longer pending (canceled meanwhile, or reported twice) changes nothing.
    fileprivate func record(_ result: DeliveryResult, _ health: inout EndpointHealths) throws {
        let (state, nextAt): (DeliveryState, Timestamp?) =
            switch result.next {
            case .delivered: (.delivered, nil)
            case .retry(let at): (.pending, at)
            case .dead: (.dead, nil)
            }
        let id = SQLValue.int(result.delivery.value)
        guard
            let before = try first(
                Queries.deliveryState, [id],
                { row in (state: DeliveryState(rawValue: row.text(0)), once: row.optionalText(1)) }),
            let stateBefore = before.state
        else { return }
        let isExtra = result.attempt.isExtra && before.once != nil
        let found = try runReturning(
            isExtra ? Queries.recordExtra : Queries.recordDelivery,
            isExtra ? [.text(state.rawValue), id] : [.text(state.rawValue), .time(nextAt), id]
        ) { (number: $0.int(0), endpoint: $0.int64(1), state: $0.text(2)) }
        guard let (number, endpoint, word) = found.first, let after = DeliveryState(rawValue: word) else { return }
        try insert(result.attempt, of: id, number: number)
        health.note(result, of: endpoint, isExtra: isExtra)
        guard after != stateBefore else { return }
        countDelivery(stateBefore, by: -1)
        countDelivery(after)
        if after == .pending || after == .paused { return }
        // The endpoint of one job is done when the job has ended and nothing is on its way there.
        try run(
            """
            UPDATE endpoints SET state = 'done' WHERE row = ? AND state = 'closed' AND NOT EXISTS
                (SELECT 1 FROM deliveries INDEXED BY deliveries_pending WHERE endpoint = ? AND state = 'pending')
            """, [.int(endpoint), .int(endpoint)])
    }

    private func insert(_ attempt: DeliveryAttempt, of delivery: SQLValue, number: Int) throws {
        func value(_ duration: Duration?) -> SQLValue { duration.map { .int($0.microseconds) } ?? .null }
        try run(
            """
            INSERT INTO delivery_attempts (delivery, number, at, status, result, detail, duration, address, answer,
                connected, secured, first_byte, extra, resolved, sent_octets, received_octets, http_version, tls_version,
                verify_result, batch)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                delivery, .int(number), .time(attempt.at), .optional(attempt.status), .text(attempt.result),
                .optional(attempt.detail), .int(attempt.duration.microseconds), .optional(attempt.address),
                .blob(Array(attempt.answer.prefix(4096))), value(attempt.timings.connected),
                value(attempt.timings.secured), value(attempt.timings.firstByte), .int(attempt.isExtra ? 1 : 0),
                value(attempt.timings.resolved), .optional(attempt.exchange.sentOctets),
                .optional(attempt.exchange.receivedOctets), .optional(attempt.exchange.httpVersion),
                .optional(attempt.exchange.tlsVersion), .optional(attempt.exchange.verifyResult),
                .optional(attempt.batch),
            ])
    }

    fileprivate func settle(_ health: EndpointHealths) throws {
        for (endpoint, entry) in health.entries {
            let found = try first(Queries.endpointHealth, [.int(endpoint)]) { row in
                (
                    id: row.isNull(0) ? nil : EndpointID(bits: try row.jobID(0).bits), failures: row.int(1),
                    job: row.optionalInt(2)
                )
            }
            guard let found else { continue }
            guard let id = found.id else {
                if entry.disables != nil { try endJobEndpoint(endpoint, ofJob: found.job) }
                continue
            }
            // The usual case: it works, and has worked before.
            if entry.disables == nil, entry.failures == 0, found.failures == 0 { continue }
            guard var row = try self.endpoint(id, of: nil) else { continue }
            if entry.hasSucceeded { row.endpoint.health = EndpointHealth() }
            for _ in 0..<entry.failures {
                row.endpoint.health.failed(at: entry.firstFailure ?? entry.lastTry)
            }
            let isEnabled = row.endpoint.state == .enabled
            let version = row.endpoint.version
            if isEnabled, let reason = entry.disables {
                try disable(&row, reason, at: entry.lastTry)
                row.endpoint.version += 1
            } else if isEnabled, row.endpoint.health.isBeyondHope(at: entry.lastTry) {
                try disable(&row, .failing, at: entry.lastTry)
                row.endpoint.version += 1
            }
            try update(row, isTold: row.endpoint.version != version)
        }
    }

    /// The receiver that one job named has gone: nothing more is sent there.
    private func endJobEndpoint(_ endpoint: Int64, ofJob job: Int?) throws {
        try run("UPDATE endpoints SET state = 'disabled' WHERE row = ? AND state != 'deleted'", [.int(endpoint)])
        try stopDeliveries(of: endpoint, as: .canceled)
        if let job { forget(endpoint: endpoint, ofJob: Int64(job)) }
    }
}
