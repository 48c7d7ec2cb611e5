package import Engine
package import HTTPCore
package import Webhooks

/// Every limit and choice of the API in one place.
package struct GatewaySettings: Sendable {
    /// The longest `Prefer: wait` and `?wait=` that is honoured.
    package var longestWait = Duration.seconds(120)
    /// Items of one page, and what a client gets that does not say.
    package var mostPageItems = 500
    package var usualPageItems = 50
    /// How long a cursor can be used.
    package var cursorLife = Duration.seconds(24 * 3600)
    /// Signs cursors; those of another secret are refused.
    package var cursorSecret: [UInt8] = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
    /// A JSON submission is held in memory; larger decks come as the body itself.
    package var mostJSONOctets = 4 * 1024 * 1024
    /// What of a form's deck is held when it comes before the host.
    package var mostHeldDeckOctets = 1024 * 1024
    /// Octets read, rendered and written in one step of an output: a client that does not read has some such pieces waiting.
    package var outputPieceOctets = 64 * 1024
    /// A followed output that does not grow is let go after this; the client comes back with `from`.
    package var followIdle = Duration.seconds(600)
    /// Bounds of one search: octets that are read, and jobs that are looked at.
    package var mostSearchedOctets = 256 * 1024 * 1024
    package var mostSearchedJobs = 10_000
    /// How often each owner may ask, and who runs the gateway.
    package var ownerRates = OwnerRates.none
    package var localRates = OwnerRates.none
    /// A job is changed and removed only under `If-Match`.
    package var requiresMatch = false
    package var mostLabels = 32
    package var mostNotifyURLs = 5
    /// Webhooks of one owner: each is looked at in every commit of his.
    package var mostEndpoints = 1000

    /// Between comments on an event stream nobody has events for.
    package var keepAlive = Duration.seconds(15)
    /// An event stream is ended after this, give or take a tenth; the client comes back by itself.
    package var longestStream = Duration.seconds(3600)
    /// How long a ticket for one stream can be used.
    package var ticketLife = Duration.seconds(30)
    /// Jobs in the first event of the stream of all events.
    package var snapshotJobs = 50

    /// Says whose request it is; throws a `Problem` to refuse it.
    package var identify: @Sendable (Request) throws -> Caller = { _ in .local }
    /// Where keys are made and revoked; nil: there are none.
    package var door: Door?
    /// How long an ended job is kept, and its idempotency key with it; nil: until it is purged.
    package var jobLife: Duration?
    /// Throws when a webhook may not go to this URL; what it throws is told to the client.
    package var checkNotify: @Sendable (String) throws -> Void = { _ in }
    /// What is asked of the webhook sender.
    package var webhooks = WebhookServices()
    /// What the webhook sender has done, for `/metrics`.
    package var deliveryMetrics: @Sendable () -> DeliveryMetrics = { DeliveryMetrics() }
    /// How far the engine is with what an earlier run left.
    package var recovery: @Sendable () -> RecoveryStatus = { RecoveryStatus() }
    /// What is healthy answers in this time.
    package var healthLimit = Duration.seconds(5)

    /// The description served at `/openapi.json`.
    package var openAPI: [UInt8] = []
    /// The web page.
    package var assets = Assets()
    /// The pages below `/docs/`.
    package var manual = ManualPages()
    /// For `rje_build_info`.
    package var version = "dev"

    package init() {}
}

/// What a caller reads when a URL for webhooks is refused.
package struct NotifyRefused: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
