import Jobs

extension Schema {
    /// The states of `endpoints`: active (`enabled`), pending, disabled, deleted; and of one job only: active, closed, done,
    /// disabled. `once`: the state that a delivery comes back to when an extra try fails, `once_at` its time then.
    static let endpoints = """
        ALTER TABLE endpoints ADD COLUMN id BLOB;           -- NULL: made by notify of a job
        ALTER TABLE endpoints ADD COLUMN secrets TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN hosts TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN labels TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN mode TEXT NOT NULL DEFAULT 'standard';
        ALTER TABLE endpoints ADD COLUMN headers TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN signatures TEXT NOT NULL DEFAULT 'v1';
        ALTER TABLE endpoints ADD COLUMN verification TEXT NOT NULL DEFAULT 'none';
        ALTER TABLE endpoints ADD COLUMN delays TEXT;
        ALTER TABLE endpoints ADD COLUMN rate INTEGER;
        ALTER TABLE endpoints ADD COLUMN concurrency INTEGER;
        ALTER TABLE endpoints ADD COLUMN description TEXT;
        ALTER TABLE endpoints ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE endpoints ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN disabled_reason TEXT;
        ALTER TABLE endpoints ADD COLUMN disabled_at INTEGER;
        ALTER TABLE endpoints ADD COLUMN pending_since INTEGER;
        ALTER TABLE endpoints ADD COLUMN verified_url TEXT;
        ALTER TABLE endpoints ADD COLUMN verification_note TEXT;
        ALTER TABLE endpoints ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN failing_since INTEGER;
        CREATE UNIQUE INDEX endpoints_by_id ON endpoints(id) WHERE id IS NOT NULL;
        CREATE INDEX endpoints_by_owner ON endpoints(owner, id) WHERE id IS NOT NULL AND state != 'deleted';
        CREATE INDEX endpoints_stopped ON endpoints(row) WHERE state IN ('disabled', 'deleted');
        CREATE INDEX endpoints_unverified ON endpoints(id) WHERE state = 'pending';

        ALTER TABLE events ADD COLUMN owner TEXT;           -- of an event of no job that is for one owner only
        ALTER TABLE events ADD COLUMN host TEXT;            -- of an event of no job that tells of a host
        CREATE INDEX events_by_time ON events(at);

        ALTER TABLE deliveries ADD COLUMN extra INTEGER NOT NULL DEFAULT 0;     -- tries that do not count
        ALTER TABLE deliveries ADD COLUMN once TEXT;
        ALTER TABLE deliveries ADD COLUMN once_at INTEGER;
        CREATE INDEX deliveries_by_endpoint ON deliveries(endpoint, id);
        CREATE INDEX deliveries_extra ON deliveries(next_at) WHERE state = 'pending' AND once IS NOT NULL;
        CREATE INDEX deliveries_stuck ON deliveries(endpoint, state, id) WHERE state IN ('dead', 'paused', 'canceled');

        ALTER TABLE delivery_attempts ADD COLUMN connected INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN secured INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN first_byte INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN extra INTEGER NOT NULL DEFAULT 0;

        CREATE TABLE signing_keys (
            id TEXT PRIMARY KEY NOT NULL,
            secret TEXT NOT NULL,
            created_at INTEGER NOT NULL
        );
        """

    static let endpointTLS = """
        ALTER TABLE endpoints ADD COLUMN pins TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN client_certificate TEXT;
        ALTER TABLE endpoints ADD COLUMN client_key TEXT;
        """
}

extension EndpointID {
    var value: SQLValue { .id(JobID(bits: bits)) }
}

/// An endpoint of an owner with what only the store knows of it.
struct EndpointRow {
    let row: Int64
    var endpoint: Endpoint
    var secrets: [EndpointSecret]
    var pendingSince: Timestamp?
    /// The URL that agreed.
    var verifiedURL: String?
    var isDeleted = false

    static let columns = """
        row, id, owner, url, events, state, created_at, secrets, hosts, labels, mode, headers, signatures, verification, \
        delays, rate, concurrency, description, version, changed_at, disabled_reason, disabled_at, pending_since, \
        verified_url, verification_note, failures, failing_since, pins, client_certificate, client_key
        """

    init(row: Int64, endpoint: Endpoint, secrets: [EndpointSecret]) {
        self.row = row
        self.endpoint = endpoint
        self.secrets = secrets
        if endpoint.state == .pending { pendingSince = endpoint.createdAt }
    }

    init(_ row: SQLRow) throws {
        self.row = row.int64(0)
        var settings = Endpoint.Settings(
            url: row.text(3), events: words(row.text(4)),
            hosts: try words(row.text(8)).map { try row.require(HostID($0), "a host") },
            labels: try row.require(Labels.decode(row.text(9)), "labels"),
            mode: try row.require(Endpoint.Mode(rawValue: row.text(10)), "a mode of an endpoint"),
            headers: try row.require(Labels.decode(row.text(11)), "headers").map {
                .init(name: $0.key, value: $0.value)
            },
            verification: try row.require(Endpoint.Verification(rawValue: row.text(13)), "a verification"))
        settings.signatures = Set(words(row.text(12)).compactMap { Endpoint.SignatureKind(rawValue: $0) })
        settings.delays = row.optionalText(14).map { words($0).compactMap { Int64($0) }.map { .microseconds($0) } }
        settings.rate = row.optionalInt(15)
        settings.concurrency = row.optionalInt(16)
        settings.description = row.optionalText(17)
        settings.tls.pins = words(row.text(27))
        if let certificate = row.optionalText(28), let key = row.optionalText(29) {
            settings.tls.identity = ClientIdentity(certificate: certificate, key: key)
        }
        endpoint = Endpoint(
            id: EndpointID(bits: try row.jobID(1).bits), owner: try row.require(Owner(row.text(2)), "an owner"),
            createdAt: row.time(6), settings: settings)
        endpoint.version = row.int(18)
        endpoint.changedAt = row.time(19)
        switch row.text(5) {
        case "active": endpoint.state = .enabled
        case "pending": endpoint.state = .pending
        default:
            endpoint.state = .disabled(
                Endpoint.DisabledReason(rawValue: row.text(20)) ?? .requested, at: row.optionalTime(21) ?? row.time(19))
        }
        endpoint.health = EndpointHealth(failures: row.int(25), failingSince: row.optionalTime(26))
        endpoint.verificationNote = row.optionalText(24)
        secrets = EndpointSecrets.decode(row.text(7))
        pendingSince = row.optionalTime(22)
        verifiedURL = row.optionalText(23)
        endpoint.hasAgreed = settings.verification == .none || verifiedURL == settings.url
        isDeleted = row.text(5) == "deleted"
    }

    static let update = """
        UPDATE endpoints SET url = ?, events = ?, state = ?, secrets = ?, hosts = ?, labels = ?, mode = ?, headers = ?,
            signatures = ?, verification = ?, delays = ?, rate = ?, concurrency = ?, description = ?, version = ?,
            changed_at = ?, disabled_reason = ?, disabled_at = ?, pending_since = ?, verified_url = ?,
            verification_note = ?, failures = ?, failing_since = ?, pins = ?, client_certificate = ?, client_key = ?
        WHERE row = ?
        """

    var values: [SQLValue] {
        let settings = endpoint.settings
        let (reason, disabledAt): (Endpoint.DisabledReason?, Timestamp?) =
            if case .disabled(let reason, let time) = endpoint.state { (reason, time) } else { (nil, nil) }
        return [
            .text(settings.url), .text(settings.events.joined(separator: " ")), .text(stateWord),
            .text(EndpointSecrets.encode(secrets)),
            .text(settings.hosts.map(\.description).joined(separator: " ")), .text(Labels.encode(settings.labels)),
            .text(settings.mode.rawValue),
            .text(Labels.encode(settings.headers.map { Job.Label(key: $0.name, value: $0.value) })),
            .text(settings.signatures.map(\.rawValue).sorted().joined(separator: " ")),
            .text(settings.verification.rawValue),
            .optional(settings.delays?.map { "\($0.microseconds)" }.joined(separator: " ")),
            .optional(settings.rate), .optional(settings.concurrency), .optional(settings.description),
            .int(endpoint.version), .time(endpoint.changedAt), .optional(reason?.rawValue), .time(disabledAt),
            .time(pendingSince), .optional(verifiedURL), .optional(endpoint.verificationNote),
            .int(endpoint.health.failures), .time(endpoint.health.failingSince),
            .text(settings.tls.pins.joined(separator: " ")), .optional(settings.tls.identity?.certificate),
            .optional(settings.tls.identity?.key), .int(row),
        ]
    }

    private var stateWord: String {
        if isDeleted { return "deleted" }
        return switch endpoint.state {
        case .enabled: "active"
        case .pending: "pending"
        case .disabled: "disabled"
        }
    }

    /// What the writer keeps of it in memory; nil when it takes no events.
    var stored: StoredEndpoint? {
        guard !isDeleted, endpoint.state == .enabled else { return nil }
        return StoredEndpoint(self)
    }
}

extension StoredEndpoint {
    init(_ row: EndpointRow) {
        self.init(
            row: row.row, owner: row.endpoint.owner.description, events: row.endpoint.settings.events,
            hosts: row.endpoint.settings.hosts, labels: row.endpoint.settings.labels,
            target: DeliveryTarget(row.endpoint, secrets: row.secrets))
    }

    init(_ row: SQLRow) throws { self.init(try EndpointRow(row)) }
}

/// Secrets in one column: a line each, newest first, with the microsecond of its end if it has one.
enum EndpointSecrets {
    static func encode(_ secrets: [EndpointSecret]) -> String {
        secrets.map { secret in secret.expiresAt.map { "\(secret.text) \($0.microseconds)" } ?? secret.text }
            .joined(separator: "\n")
    }

    static func decode(_ text: String) -> [EndpointSecret] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            guard let secret = parts.first else { return nil }
            return EndpointSecret(
                String(secret), expiresAt: parts.count > 1 ? Int64(parts[1]).map { Timestamp(microseconds: $0) } : nil)
        }
    }
}

extension Duration {
    var microseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000
    }
}

private func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
