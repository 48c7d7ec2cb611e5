package import Jobs

/// An endpoint's name outside: `wh_` and 26 characters of Crockford base 32, in the order of creation.
package struct EndpointID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let bits: UInt128

    package init(bits: UInt128) { self.bits = bits }
    /// A fresh one.
    package init(at time: Timestamp) { bits = JobID(at: time).bits }

    package init?(_ text: some StringProtocol) {
        guard text.hasPrefix("wh_"), let id = JobID(text.dropFirst(3)) else { return nil }
        bits = id.bits
    }

    package var description: String { "wh_\(JobID(bits: bits))" }

    package static func < (left: EndpointID, right: EndpointID) -> Bool { left.bits < right.bits }
}

/// A receiver that an owner registered. What `notify` of a single job makes is an endpoint of the store as well, but has no ID
/// and is not listed.
package struct Endpoint: Equatable, Sendable {
    package let id: EndpointID
    package let owner: Owner
    package let createdAt: Timestamp
    package var changedAt: Timestamp
    /// From 1; each change by the API and each change of `state` counts it up: the ETag.
    package var version = 1
    package var settings: Settings
    package var state: State
    /// Kept while nothing succeeds.
    package var health = EndpointHealth()
    /// Whether it may be called: its present URL has agreed, or need not.
    package var hasAgreed: Bool
    /// What the last try to verify it brought, in words; nil before the first.
    package var verificationNote: String?

    package enum State: Equatable, Sendable {
        /// Has not agreed yet (`verification`); events are not sent, and are caught up with once it has.
        case pending
        case enabled
        case disabled(DisabledReason, at: Timestamp)
    }

    package enum DisabledReason: String, CaseIterable, Sendable {
        /// The receiver answered 410.
        case gone
        /// Days without a success (`EndpointHealth`).
        case failing
        /// It never agreed.
        case unverified
        /// Somebody said so.
        case requested
    }

    package enum Mode: String, CaseIterable, Sendable {
        case standard
        case cloudEventsBinary = "cloudevents-binary"
        case cloudEventsStructured = "cloudevents-structured"
        /// Several in one call.
        case cloudEventsBatch = "cloudevents-batch"
    }

    package enum Verification: String, CaseIterable, Sendable { case none, handshake, challenge }
    /// `v1` is always there.
    package enum SignatureKind: String, CaseIterable, Sendable { case v1, v1a }

    package struct Header: Equatable, Sendable {
        package let name: String
        package let value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What its owner may change. Checked before it comes here (`EndpointRules` of the room `Webhooks`).
    package struct Settings: Equatable, Sendable {
        package var url: String
        /// Exact types or trailing wildcards (`job.*`).
        package var events: [String]
        /// Only events of jobs on these hosts, and of these hosts; empty: all.
        package var hosts: [HostID]
        /// Only events of jobs that carry all of these; empty: all.
        package var labels: [Job.Label]
        package var mode: Mode
        /// Sent with each delivery. No line ends in them.
        package var headers: [Header]
        package var signatures: Set<SignatureKind>
        package var verification: Verification
        /// Instead of the gateway's schedule.
        package var delays: [Duration]?
        /// Deliveries a minute at most.
        package var rate: Int?
        /// Deliveries at a time, 1-32.
        package var concurrency: Int?
        package var description: String?
        package var tls: EndpointTLS

        package init(
            url: String, events: [String], hosts: [HostID] = [], labels: [Job.Label] = [], mode: Mode = .standard,
            headers: [Header] = [], signatures: Set<SignatureKind> = [.v1], verification: Verification = .none,
            delays: [Duration]? = nil, rate: Int? = nil, concurrency: Int? = nil, description: String? = nil,
            tls: EndpointTLS = EndpointTLS()
        ) {
            self.url = url
            self.events = events
            self.hosts = hosts
            self.labels = labels
            self.mode = mode
            self.headers = headers
            self.signatures = signatures
            self.verification = verification
            self.delays = delays
            self.rate = rate
            self.concurrency = concurrency
            self.description = description
            self.tls = tls
        }
    }

    package init(id: EndpointID, owner: Owner, createdAt: Timestamp, settings: Settings) {
        self.id = id
        self.owner = owner
        self.createdAt = createdAt
        changedAt = createdAt
        self.settings = settings
        hasAgreed = settings.verification == .none
        state = hasAgreed ? .enabled : .pending
    }
}

/// A key that signs until `expiresAt`: the old one of a rotation has an end, the newest one has none.
package struct EndpointSecret: Equatable, Sendable {
    /// `whsec_` and base64. Never logged.
    package let text: String
    package let expiresAt: Timestamp?
    package init(_ text: String, expiresAt: Timestamp? = nil) {
        self.text = text
        self.expiresAt = expiresAt
    }
}

/// How long an endpoint has failed. A success makes it new.
package struct EndpointHealth: Equatable, Sendable {
    package var failures = 0
    package var failingSince: Timestamp?

    /// Both must have passed before an endpoint is disabled.
    package static let longestFailing: Duration = .seconds(5 * 86_400)
    package static let fewestFailures = 20

    package init(failures: Int = 0, failingSince: Timestamp? = nil) {
        self.failures = failures
        self.failingSince = failingSince
    }

    package mutating func failed(at time: Timestamp) {
        failures += 1
        failingSince = failingSince ?? time
    }

    package func isBeyondHope(at time: Timestamp) -> Bool {
        guard failures >= Self.fewestFailures, let failingSince else { return false }
        return failingSince.duration(to: time) >= Self.longestFailing
    }
}

/// What the sender must know of an endpoint, with each delivery.
package struct DeliveryTarget: Equatable, Sendable {
    /// nil: made by `notify` of one job.
    package var endpoint: EndpointID?
    package var version = 0
    package var mode = Endpoint.Mode.standard
    package var headers: [Endpoint.Header] = []
    package var signatures: Set<Endpoint.SignatureKind> = [.v1]
    package var verification = Endpoint.Verification.none
    /// Newest first. None: the gateway's own secret.
    package var secrets: [EndpointSecret] = []
    package var delays: [Duration]?
    package var rate: Int?
    package var concurrency: Int?
    package var tls = EndpointTLS()

    package init() {}

    package init(_ endpoint: Endpoint, secrets: [EndpointSecret]) {
        self.endpoint = endpoint.id
        version = endpoint.version
        mode = endpoint.settings.mode
        headers = endpoint.settings.headers
        signatures = endpoint.settings.signatures
        verification = endpoint.settings.verification
        self.secrets = secrets
        delays = endpoint.settings.delays
        rate = endpoint.settings.rate
        concurrency = endpoint.settings.concurrency
        tls = endpoint.settings.tls
    }
}
