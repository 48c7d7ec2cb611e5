package import Jobs
package import Stores

/// What the API asks of the webhook sender.
package struct WebhookServices: Sendable {
    /// Throws `EndpointRefused` when an endpoint may not be like this.
    package var check: @Sendable (Endpoint.Settings) throws -> Void = { _ in }
    /// Sends one signed `webhook.test` at once and returns what came of it; nothing is stored.
    package var test: @Sendable (Endpoint, DeliveryTarget) async throws -> DeliveryAttempt? = { _, _ in nil }
    /// Those that ever signed, newest first.
    package var publicKeys: @Sendable () -> [PublicKey] = { [] }
    /// `v1a,...` by the newest of the gateway's own keys; nil when there is none.
    package var sign: @Sendable (_ id: String, _ timestamp: Int64, _ body: [UInt8]) -> String? = { _, _, _ in nil }

    /// A new key of the gateway's own signs from now on; the audit entry goes into the same commit.
    package var rotateKeys: @Sendable (AuditEntry) async throws -> Void = { _ in }
    /// What a receiver says that came back to the URL of `WebHook-Request-Callback`.
    package var consent: @Sendable (_ token: String, _ allowedRate: String?) async throws -> Consent = { _, _ in
        .noSuchRequest
    }

    package enum Consent: Equatable, Sendable {
        case given
        case noSuchRequest
        case tooLate
        case badRate(String)
    }

    package struct PublicKey: Equatable, Sendable {
        package let id: String
        /// `whpk_` and base64.
        package let text: String
        package let createdAt: Timestamp
        /// nil: no end is set.
        package let signsUntil: Timestamp?
        package init(id: String, text: String, createdAt: Timestamp, signsUntil: Timestamp? = nil) {
            self.id = id
            self.text = text
            self.createdAt = createdAt
            self.signsUntil = signsUntil
        }
    }

    package init() {}
}

/// One member of an endpoint that is not taken, and why.
package struct EndpointRefused: Error, Equatable, Sendable {
    /// The JSON member.
    package let member: String
    /// For the client.
    package let words: String
    package init(member: String, words: String) {
        self.member = member
        self.words = words
    }
}
