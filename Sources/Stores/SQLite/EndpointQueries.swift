extension Queries {
    /// Both read all there are, once, at the start.
    static let activeJobEndpoints = """
        SELECT row, owner, events, job FROM endpoints INDEXED BY endpoints_active
        WHERE state = 'active' AND job IS NOT NULL
        """
    static let activeEndpoints = """
        SELECT \(EndpointRow.columns) FROM endpoints INDEXED BY endpoints_active
        WHERE state = 'active' AND id IS NOT NULL
        """
    static let endpoint = "SELECT \(EndpointRow.columns) FROM endpoints INDEXED BY endpoints_by_id WHERE id = ?"
    static let endpoints = """
        SELECT \(EndpointRow.columns) FROM endpoints INDEXED BY endpoints_by_id
        WHERE id IS NOT NULL AND id < ? AND state != 'deleted' ORDER BY id DESC LIMIT ?
        """
    static let endpointsOfOwner = """
        SELECT \(EndpointRow.columns) FROM endpoints INDEXED BY endpoints_by_owner
        WHERE owner = ? AND id IS NOT NULL AND id < ? AND state != 'deleted' ORDER BY id DESC LIMIT ?
        """
    static let unverifiedEndpoints = """
        SELECT \(EndpointRow.columns) FROM endpoints INDEXED BY endpoints_unverified
        WHERE state = 'pending' AND id > x'' ORDER BY id LIMIT ?
        """
    static let endpointHealth = "SELECT id, failures, job FROM endpoints WHERE row = ?"
    /// Extra tries wait for nobody: not for room in a line, not for a breaker.
    static let extraDeliveries = """
        SELECT id FROM deliveries INDEXED BY deliveries_extra
        WHERE state = 'pending' AND once IS NOT NULL AND next_at <= ? ORDER BY next_at
        """
    static let stopDeliveries = """
        UPDATE deliveries SET state = ?1, next_at = NULL, once = NULL, once_at = NULL WHERE id IN
            (SELECT id FROM deliveries INDEXED BY deliveries_pending WHERE endpoint = ?2 AND state = 'pending' LIMIT ?3)
        """
    static let cancelPaused = """
        UPDATE deliveries SET state = 'canceled' WHERE id IN
            (SELECT id FROM deliveries INDEXED BY deliveries_stuck
            WHERE endpoint = ?1 AND state = 'paused' AND \(isStuck) LIMIT ?2)
        """
    /// Endpoints that were stopped by a process that did not come to its end.
    static let halfStopped = """
        SELECT row, state FROM endpoints INDEXED BY endpoints_stopped WHERE state IN ('disabled', 'deleted')
        AND EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_pending
            WHERE d.endpoint = endpoints.row AND d.state = 'pending' AND d.once IS NULL)
        """
    /// SQLite does not conclude the condition of the index from one state.
    private static let isStuck = "state IN ('dead', 'paused', 'canceled')"

    private static let recordColumns = "d.id, e.id, e.type, e.at, e.job, p.id, p.url, d.state, d.next_at"
    static let deliveriesOfJob = """
        SELECT \(recordColumns)
        FROM events e INDEXED BY events_by_job CROSS JOIN deliveries d ON d.event = e.sequence
        CROSS JOIN endpoints p ON p.row = d.endpoint
        WHERE e.job = ? ORDER BY e.sequence, d.id
        """
    static let deliveryRecord = """
        SELECT \(recordColumns), p.owner FROM deliveries d CROSS JOIN events e ON e.sequence = d.event
        CROSS JOIN endpoints p ON p.row = d.endpoint WHERE d.id = ?
        """
    /// By state where the state is rare; `deliveries_by_endpoint` for all others.
    static func deliveryPage(state: DeliveryState?) -> String {
        let index =
            switch state {
            case .pending: "deliveries_pending"
            case .dead, .paused, .canceled: "deliveries_stuck"
            case .delivered, nil: "deliveries_by_endpoint"
            }
        let stuck = index == "deliveries_stuck" ? "AND d.\(isStuck)" : ""
        let narrowed = state.map { "AND d.state = '\($0.rawValue)' \(stuck)" } ?? ""
        return """
            SELECT \(recordColumns) FROM deliveries d INDEXED BY \(index) CROSS JOIN events e ON e.sequence = d.event
            CROSS JOIN endpoints p ON p.row = d.endpoint
            WHERE d.endpoint = ? \(narrowed) AND d.id < ? ORDER BY d.id DESC
            """
    }

    static let redeliver = """
        UPDATE deliveries SET once = coalesce(once, state), once_at = CASE WHEN once IS NULL THEN next_at ELSE once_at END,
            state = 'pending', next_at = ?2
        WHERE id = ?1 RETURNING once
        """
    static let deliveryOwner = """
        SELECT d.state, p.owner, p.id FROM deliveries d CROSS JOIN endpoints p ON p.row = d.endpoint
        WHERE d.id = ? AND p.state != 'deleted'
        """
    /// A range of what stands still, lowest first.
    static func stuckDeliveries(state: DeliveryState) -> String {
        let index = state == .delivered ? "deliveries_by_endpoint" : "deliveries_stuck"
        let stuck = state == .delivered ? "" : "AND d.\(isStuck)"
        return """
            SELECT d.id, e.at FROM deliveries d INDEXED BY \(index) CROSS JOIN events e ON e.sequence = d.event
            WHERE d.endpoint = ? AND d.state = '\(state.rawValue)' \(stuck) AND d.id > ? ORDER BY d.id LIMIT ?
            """
    }
    static let requeue = """
        UPDATE deliveries SET state = 'pending', next_at = ?2, extra = extra + attempts, attempts = 0
        WHERE id = ?1 AND state != 'pending'
        """
    /// Events of a range of time that an owner may see and that were never on their way to an endpoint.
    static let missedEvents = """
        SELECT e.sequence, e.at, e.type, e.host, j.host, j.labels
        FROM events e INDEXED BY events_by_time LEFT JOIN jobs j ON j.id = e.job
        WHERE e.at >= ?1 AND (e.at, e.sequence) > (?1, ?2) AND e.at <= ?3
        AND CASE WHEN e.job IS NULL THEN e.owner IS NULL OR e.owner = ?4 ELSE j.owner = ?4 END
        AND NOT EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_by_event
            WHERE d.event = e.sequence AND d.endpoint = ?5)
        ORDER BY e.at, e.sequence LIMIT ?6
        """

    static let ofEndpoints: [String: String] = [
        "endpoint": endpoint,
        "endpoints": endpoints, "endpointsOfOwner": endpointsOfOwner, "unverifiedEndpoints": unverifiedEndpoints,
        "stopDeliveries": stopDeliveries, "cancelPaused": cancelPaused, "deliveriesOfJob": deliveriesOfJob,
        "deliveryRecord": deliveryRecord, "deliveryPage": deliveryPage(state: nil),
        "deliveryPagePending": deliveryPage(state: .pending), "deliveryPageDead": deliveryPage(state: .dead),
        "redeliver": redeliver, "deliveryOwner": deliveryOwner, "stuckDeliveries": stuckDeliveries(state: .dead),
        "requeue": requeue, "missedEvents": missedEvents, "endpointHealth": endpointHealth,
        "extraDeliveries": extraDeliveries,
    ]
}
