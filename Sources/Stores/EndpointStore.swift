package import Jobs

/// Endpoints, what goes there, and the keys that sign it.
///
/// `owner` narrows a call to what this owner has: what is another's is not there. nil stands for the gateway itself. An audit
/// entry is written in the commit of the change it tells of, and not at all when there is none.
package protocol EndpointStore: AnyObject, Sendable {
    /// From the commit on, events make deliveries to it (when it is enabled).
    func createEndpoint(_ endpoint: Endpoint, secret: String, audit: AuditEntry?) async throws(StoreError)

    func endpoint(_ id: EndpointID, of owner: Owner?) async throws(StoreError) -> Endpoint?

    /// Newest first, below `before`.
    func endpoints(of owner: Owner?, before: EndpointID?, limit: Int) async throws(StoreError) -> [Endpoint]

    /// Changes settings, or state, or both, in one commit.
    ///
    /// A new URL of an endpoint that must agree makes it pending again. Disabling pauses what is on its way there, and enabling
    /// leaves it paused for `recover`.
    /// - Parameter version: refused unless the endpoint still has it; nil asks for none.
    func changeEndpoint(
        _ id: EndpointID, of owner: Owner?, ifVersion version: Int?, settings: Endpoint.Settings?, state: StateWish?,
        at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged

    /// Cancels what is on its way there. Its deliveries can no longer be listed.
    func deleteEndpoint(
        _ id: EndpointID, of owner: Owner?, ifVersion version: Int?, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged

    /// A new secret, first in the list; the ones before it sign until `overlapEnd` at most.
    /// - Parameter version: refused unless the endpoint still has it; nil asks for none.
    func rotateSecret(
        of id: EndpointID, owner: Owner?, ifVersion version: Int?, to secret: String, overlapEnd: Timestamp,
        at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> EndpointChanged

    /// All that sign at this time, newest first; nil when there is no such endpoint.
    func secrets(of id: EndpointID, owner: Owner?, at time: Timestamp) async throws(StoreError) -> [EndpointSecret]?

    /// What a sender needs to call it now; nil when there is no such endpoint.
    func target(of id: EndpointID, owner: Owner?) async throws(StoreError) -> DeliveryTarget?

    // What goes there.

    /// A page, newest first; nil when there is no such endpoint. Answers of receivers only with `withAttempts`.
    func deliveries(_ query: DeliveryQuery) async throws(StoreError) -> [DeliveryRecord]?

    /// With its attempts. Also one that `notify` made.
    func delivery(_ id: DeliveryID, of owner: Owner?) async throws(StoreError) -> DeliveryRecord?

    /// One more try as soon as can be, also to a disabled endpoint. It changes no count: when it fails, the delivery is as it was.
    func redeliver(_ id: DeliveryID, of owner: Owner?, at time: Timestamp, audit: AuditEntry?)
        async throws(StoreError) -> Redelivered

    /// Puts deliveries of events of a time range on their way again, with a new schedule, and makes those that the endpoint
    /// missed while it was not enabled.
    func recover(
        _ id: EndpointID, of owner: Owner?, range: RecoveryRange, at time: Timestamp, audit: AuditEntry?
    ) async throws(StoreError) -> Recovered

    // Agreement of the receiver.

    /// Endpoints in `pending`, oldest first.
    func unverifiedEndpoints(limit: Int) async throws(StoreError) -> [Endpoint]

    /// What a try to verify it brought. `.agreed` enables it, with the events since its creation (or since it became pending);
    /// `.refused` disables it. Nothing happens when it is no longer pending.
    /// - Parameters:
    ///   - url: what was asked: another one may stand there by now.
    ///   - rate: what the receiver allows a minute, if it said so; the endpoint's own rate is not raised by it.
    func recordVerification(
        _ id: EndpointID, url: String, _ outcome: VerificationOutcome, rate: Int?, note: String, at time: Timestamp
    ) async throws(StoreError)

    // The gateway's own keys (`v1a`).

    /// Newest first; all that ever signed.
    func signingKeys() async throws(StoreError) -> [StoredSigningKey]
    func addSigningKey(_ key: StoredSigningKey, audit: AuditEntry?) async throws(StoreError)
}

package enum StateWish: Equatable, Sendable { case enabled, disabled }

package enum EndpointChanged: Equatable, Sendable {
    case done(Endpoint)
    case noSuchEndpoint
    /// As it is now.
    case versionDiffers(Endpoint)
}

package struct DeliveryQuery: Equatable, Sendable {
    package var endpoint: EndpointID
    package var owner: Owner?
    package var states: Set<DeliveryState>
    /// Exact, or with a trailing wildcard.
    package var type: String?
    /// By the event's time, both ends included.
    package var since: Timestamp?
    package var until: Timestamp?
    /// Below this one: the key of the keyset.
    package var before: DeliveryID?
    package var limit: Int

    package init(
        endpoint: EndpointID, owner: Owner? = nil, states: Set<DeliveryState> = [], type: String? = nil,
        since: Timestamp? = nil, until: Timestamp? = nil, before: DeliveryID? = nil, limit: Int = 50
    ) {
        self.endpoint = endpoint
        self.owner = owner
        self.states = states
        self.type = type
        self.since = since
        self.until = until
        self.before = before
        self.limit = limit
    }
}

package enum Redelivered: Equatable, Sendable {
    case underWay
    case noSuchDelivery
    /// The URL of its endpoint must agree first.
    case notAgreed
}

package struct RecoveryRange: Equatable, Sendable {
    /// By the event's time, both ends included.
    package var since: Timestamp
    package var until: Timestamp
    /// Which deliveries that exist are taken up again: `dead` and `paused` unless told otherwise; `pending` is never touched.
    package var states: Set<DeliveryState>
    package init(since: Timestamp, until: Timestamp, states: Set<DeliveryState> = [.dead, .paused]) {
        self.since = since
        self.until = until
        self.states = states
    }
}

package enum Recovered: Equatable, Sendable {
    case count(Int)
    case noSuchEndpoint
    /// It must be enabled first.
    case notEnabled
}

package enum VerificationOutcome: Equatable, Sendable { case agreed, notYet, refused }

package struct StoredSigningKey: Equatable, Sendable {
    package let id: String
    /// `whsk_` and base64. Never logged.
    package let secret: String
    package let createdAt: Timestamp
    package init(id: String, secret: String, createdAt: Timestamp) {
        self.id = id
        self.secret = secret
        self.createdAt = createdAt
    }
}
