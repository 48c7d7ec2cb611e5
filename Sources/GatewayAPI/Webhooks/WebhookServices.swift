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

    package struct PublicKey: Equatable, Sendable {
        package let id: String
        /// `whpk_` and base64.
        package let text: String
        package let createdAt: Timestamp
        package init(id: String, text: String, createdAt: Timestamp) {
            self.id = id
            self.text = text
            self.createdAt = createdAt
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
