package import Jobs
import Synchronization
import Wire

extension SQLiteStore {
    package func createEndpoint(
        _ endpoint: Endpoint, secret: String, audit: AuditEntry?
    ) async throws(StoreError) {
        try await writer.write { transaction in
            try transaction.run(
                "INSERT INTO endpoints (id, owner, url, events, state, created_at) VALUES (?, ?, '', '', 'pending', ?)",
                [endpoint.id.value, .text(endpoint.owner.description), .time(endpoint.createdAt)])
            try transaction.update(
                EndpointRow(row: transaction.lastRow, endpoint: endpoint, secrets: [EndpointSecret(secret)]))
            if let audit { try transaction.audit(audit) }
        }
    }

    package func endpoint(_ id: EndpointID, of owner: Owner?) async throws(StoreError) -> Endpoint? {
        try await read { try $0.endpoint(id, of: owner)?.endpoint }
    }

    package func endpoints(
        of owner: Owner?, before: EndpointID?, limit: Int
    ) async throws(StoreError) -> [Endpoint] {
        let before = before ?? EndpointID(bits: .max)
        return try await read { connection in
            let values = (owner.map { [.text($0.description)] } ?? []) + [before.value, .int(max(0, limit))]
            let sql = owner == nil ? Queries.endpoints : Queries.endpointsOfOwner
            return try connection.rows(sql, values) { try EndpointRow($0).endpoint }
        }
    }

    package func changeEndpoint(
        _ id: EndpointID, of owner: Owner?, ifVersion version: Int?, settings: Endpoint.Settings?, state: StateWish?,
        at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged {
        let changed = try await writer.write { transaction in
            try transaction.change(id, of: owner, ifVersion: version, at: time, audit: audit) { row in
                if let settings { row.endpoint.settings = settings }
                row.apply(state, at: time)
            }
        }
        try await finishStopping()
        return changed
    }

    package func deleteEndpoint(
        _ id: EndpointID, of owner: Owner?, ifVersion version: Int?, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged {
        let changed = try await writer.write { transaction in
            try transaction.change(id, of: owner, ifVersion: version, at: time, audit: audit) { row in
                row.isDeleted = true
                row.secrets = []
                row.endpoint.settings.tls.identity = nil
            }
        }
        try await finishStopping()
        return changed
    }

    package func rotateSecret(
        of id: EndpointID, owner: Owner?, ifVersion version: Int?, to secret: String, overlapEnd: Timestamp,
        at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged {
        try await writer.write { transaction in
            try transaction.change(id, of: owner, ifVersion: version, at: time, audit: audit) { row in
                let old = row.secrets.map { secret in
                    EndpointSecret(secret.text, expiresAt: min(secret.expiresAt ?? overlapEnd, overlapEnd))
                }
                // Four signatures in one header at most, whoever rotates every minute.
                row.secrets = [EndpointSecret(secret)] + old.filter { $0.signs(at: time) }.prefix(3)
            }
        }
    }

    package func secrets(
        of id: EndpointID, owner: Owner?, at time: Timestamp
    ) async throws(StoreError) -> [EndpointSecret]? {
        try await read { try $0.endpoint(id, of: owner)?.secrets.filter { $0.signs(at: time) } }
    }

    package func target(of id: EndpointID, owner: Owner?) async throws(StoreError) -> DeliveryTarget? {
        try await read { connection in
            try connection.endpoint(id, of: owner).map { DeliveryTarget($0.endpoint, secrets: $0.secrets) }
        }
    }

    package func unverifiedEndpoints(limit: Int) async throws(StoreError) -> [Endpoint] {
        try await read { connection in
            try connection.rows(Queries.unverifiedEndpoints, [.int(max(0, limit))]) { try EndpointRow($0).endpoint }
        }
    }

    package func recordVerification(
        _ id: EndpointID, url: String, _ outcome: VerificationOutcome, rate: Int?, note: String, at time: Timestamp
    ) async throws(StoreError) {
        let since = try await writer.write { transaction -> Timestamp? in
            guard var row = try transaction.endpoint(id, of: nil), row.endpoint.state == .pending,
                row.endpoint.settings.url == url
            else { return nil }
            let since = row.pendingSince ?? row.endpoint.createdAt
            row.endpoint.verificationNote = note
            switch outcome {
            case .notYet: break
            case .agreed:
                row.verifiedURL = row.endpoint.settings.url
                row.pendingSince = nil
                row.endpoint.state = .enabled
                row.endpoint.hasAgreed = true
                if let rate { row.endpoint.settings.rate = min(row.endpoint.settings.rate ?? rate, rate) }
            case .refused: try transaction.disable(&row, .unverified, at: time)
            }
            if outcome != .notYet {
                row.endpoint.version += 1
                row.endpoint.changedAt = time
            }
            try transaction.update(row, isTold: outcome != .notYet)
            return outcome == .agreed ? since : nil
        }
        guard let since else { return }
        _ = try await recover(id, of: nil, range: RecoveryRange(since: since, until: time), at: time, audit: nil)
    }

    package func signingKeys() async throws(StoreError) -> [StoredSigningKey] {
        try await read { connection in
            try connection.rows("SELECT id, secret, created_at FROM signing_keys ORDER BY created_at DESC, id DESC") {
                StoredSigningKey(id: $0.text(0), secret: $0.text(1), createdAt: $0.time(2))
            }
        }
    }

    package func addSigningKey(_ key: StoredSigningKey, audit: AuditEntry?) async throws(StoreError) {
        _ = try await writer.write { transaction in
            try transaction.run(
                "INSERT INTO signing_keys (id, secret, created_at) VALUES (?, ?, ?)",
                [.text(key.id), .text(key.secret), .time(key.createdAt)])
            if let audit { try transaction.audit(audit) }
        }
    }
}

extension EndpointSecret {
    package func signs(at time: Timestamp) -> Bool { expiresAt.map { time < $0 } ?? true }
}

extension EndpointRow {
    /// Disabling is done by the transaction, which has more to do then.
    fileprivate mutating func apply(_ wish: StateWish?, at time: Timestamp) {
        let mustAgree = endpoint.settings.verification != .none && verifiedURL != endpoint.settings.url
        endpoint.hasAgreed = !mustAgree
        switch (endpoint.state, wish) {
        case (.disabled, .enabled):
            endpoint.state = mustAgree ? .pending : .enabled
            endpoint.health = EndpointHealth()
        case (.enabled, nil), (.enabled, .enabled): endpoint.state = mustAgree ? .pending : .enabled
        case (.pending, nil), (.pending, .enabled): endpoint.state = mustAgree ? .pending : .enabled
        case (.enabled, .disabled), (.pending, .disabled): endpoint.state = .disabled(.requested, at: time)
        case (.disabled, nil), (.disabled, .disabled): break
        }
        if endpoint.state == .pending {
            pendingSince = pendingSince ?? time
        } else {
            pendingSince = nil
        }
    }
}

extension SQLConnection {
    /// What was deleted is not there.
    func endpoint(_ id: EndpointID, of owner: Owner?) throws -> EndpointRow? {
        let found = try first(Queries.endpoint, [id.value]) { try EndpointRow($0) }
        guard let found, !found.isDeleted, owner == nil || found.endpoint.owner == owner else { return nil }
        return found
    }
}

extension WriteTransaction {
    func endpoint(_ id: EndpointID, of owner: Owner?) throws -> EndpointRow? {
        let found = try first(Queries.endpoint, [id.value]) { try EndpointRow($0) }
        guard let found, !found.isDeleted, owner == nil || found.endpoint.owner == owner else { return nil }
        return found
    }

    /// - Parameter isTold: whether observers hear of it.
    func update(_ row: EndpointRow, isTold: Bool = true) throws {
        try run(EndpointRow.update, row.values)
        publish(row.stored, row: row.row)
        if row.stored != nil { stopping[row.row] = .some(nil) }
        if isTold { note(row.endpoint.id) }
    }

    fileprivate func change(
        _ id: EndpointID, of owner: Owner?, ifVersion version: Int?, at time: Timestamp, audit: AuditEntry?,
        _ body: (inout EndpointRow) -> Void
    ) throws -> EndpointChanged {
        guard var row = try endpoint(id, of: owner) else { return .noSuchEndpoint }
        if let version, version != row.endpoint.version { return .versionDiffers(row.endpoint) }
        let before = row
        body(&row)
        row.endpoint.version += 1
        row.endpoint.changedAt = max(row.endpoint.changedAt, time)
        if row.isDeleted {
            try stopDeliveries(of: row.row, as: .canceled)
        } else if before.endpoint.state == .enabled, row.endpoint.state != .enabled {
            try stopDeliveries(of: row.row, as: .paused)
        }
        try update(row)
        if let audit { try self.audit(audit) }
        return .done(row.endpoint)
    }

    /// Pauses what is on its way and tells the owner's other endpoints. The caller updates the row.
    func disable(_ row: inout EndpointRow, _ reason: Endpoint.DisabledReason, at time: Timestamp) throws {
        row.endpoint.state = .disabled(reason, at: time)
        row.pendingSince = nil
        publish(nil, row: row.row)
        try stopDeliveries(of: row.row, as: .paused)
        try appendEvent(
            type: "webhook.disabled", owner: row.endpoint.owner, at: time,
            body: EventBody.disabled(row.endpoint, reason: reason, at: time))
    }

    /// All that is pending gets this state: some of it now, the rest in the commits that `finishStopping` makes, so that 100,000
    /// do not hold other writers up. What is under way is judged when its result comes.
    func stopDeliveries(of endpoint: Int64, as state: DeliveryState) throws {
        stopping[endpoint] = try stopSome(of: endpoint, as: state) ? .some(state) : .some(nil)
    }

    /// - Returns: whether there may be more.
    func stopSome(of endpoint: Int64, as state: DeliveryState) throws -> Bool {
        let most = 2000
        let count = try run(Queries.stopDeliveries, [.text(state.rawValue), .int(endpoint), .int(most)])
        countDelivery(.pending, by: -count)
        countDelivery(state, by: count)
        if count == most { return true }
        guard state == .canceled else { return false }
        let paused = try run(Queries.cancelPaused, [.int(endpoint), .int(most)])
        countDelivery(.paused, by: -paused)
        countDelivery(.canceled, by: paused)
        return paused == most
    }
}

extension SQLiteStore {
    /// Goes on with what `stopDeliveries` left, also of an earlier process. An endpoint that was enabled meanwhile is left alone.
    func finishStopping() async throws(StoreError) {
        while let (endpoint, state) = memory.contents.withLock({ $0.stopping.first }) {
            let memory = memory
            _ = try await writer.write { transaction in
                guard memory.contents.withLock({ $0.stopping[endpoint] }) == state else { return }
                try transaction.stopDeliveries(of: endpoint, as: state)
            }
        }
    }
}

extension EventBody {
    /// `webhook.disabled`.
    static func disabled(_ endpoint: Endpoint, reason: Endpoint.DisabledReason, at time: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.beginObject()
        json.key("type")
        json.string("webhook.disabled")
        json.key("timestamp")
        json.string(time.rfc3339)
        json.key("data")
        json.beginObject()
        json.key("id")
        json.string(endpoint.id.description)
        json.key("owner")
        json.string(endpoint.owner.description)
        json.key("url")
        json.string(endpoint.settings.url)
        json.key("reason")
        json.string(reason.rawValue)
        if let since = endpoint.health.failingSince {
            json.key("failing_since")
            json.string(since.rfc3339)
        }
        json.key("links")
        json.beginObject()
        json.key("webhook")
        json.string("/v1/webhooks/\(endpoint.id)")
        json.endObject()
        json.endObject()
        json.endObject()
        return json.bytes
    }
}
