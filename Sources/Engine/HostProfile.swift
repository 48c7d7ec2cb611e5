package import Jobs
package import Stations
package import Stores
package import Wire

/// A configured host as the engine needs it: how to check and code decks for it, and how to reach it.
package struct HostProfile: Sendable {
    package let id: HostID
    /// As configured: `priv-rje`.
    package let protocolName: String
    /// `host:port`, for people.
    package let address: String
    package let codePage: CodePage
    package let longestCard: Int
    package let mostDeckOctets: Int
    package let uncertainPolicy: Job.UncertainPolicy
    /// Where the closing window of an attempt begins.
    package let cutDeck: CutDeck
    /// Every deck gets a comment card with the job's ID, which is found again in the print-out.
    package let hasMarkerCard: Bool
    /// A submission needs an idempotency key.
    package let requiresKey: Bool
    /// What may wait for this host.
    package let limits: BacklogLimits
    /// What is put into decks, and what decks may hold.
    package let decks: DeckCustoms
    package let pool: StationPool
    /// Hash of what the host is shown at log-on: a new one lifts a refusal.
    package let credential: ContentHash
    /// What is being taken from it.
    package let growing: GrowingOutputs
    /// What was said at its operator's console.
    package let console: HostConsole

    /// - Parameter before: the same host under other rules, whose sessions and runner go on.
    package init(
        id: HostID, protocolName: String, address: String, codePage: CodePage, longestCard: Int = 80,
        mostDeckOctets: Int = 16 * 1024 * 1024, uncertainPolicy: Job.UncertainPolicy = .hold,
        cutDeck: CutDeck? = nil, hasMarkerCard: Bool = false, requiresKey: Bool = false,
        limits: BacklogLimits = BacklogLimits(), decks: DeckCustoms = DeckCustoms(),
        pool: StationPool, growing: GrowingOutputs? = nil, credential: ContentHash, before: HostProfile? = nil
    ) {
        self.id = id
        self.protocolName = protocolName
        self.address = address
        self.codePage = codePage
        self.longestCard = longestCard
        self.mostDeckOctets = mostDeckOctets
        self.uncertainPolicy = uncertainPolicy
        self.cutDeck = cutDeck ?? .of(protocolName)
        self.hasMarkerCard = hasMarkerCard
        self.requiresKey = requiresKey
        self.limits = limits
        self.decks = decks
        self.pool = pool
        self.credential = credential
        self.growing = growing ?? before?.growing ?? GrowingOutputs()
        console = before?.console ?? HostConsole()
    }

    package var deckRules: DeckCheck.Rules {
        DeckCheck.Rules(code: codePage, longestCard: longestCard, controlCards: decks.controlCards)
    }
}

/// A host's own ways with decks.
package struct DeckCustoms: Equatable, Sendable {
    package var controlCards: ControlCards
    /// Cards by name; that of `usualTemplate` goes before decks without a job card.
    package var templates: [String: [String]]
    /// Values of symbols that a request does not give.
    package var symbols: [String: String]

    package static let usualTemplate = "default"

    package init(
        controlCards: ControlCards = .usual, templates: [String: [String]] = [:], symbols: [String: String] = [:]
    ) {
        self.controlCards = controlCards
        self.templates = templates
        self.symbols = symbols
    }
}
