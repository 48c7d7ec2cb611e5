package import Jobs
package import Stations
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
    /// A deck that the line's end cuts short becomes no job, by the protocol's note.
    package let dropsCutDecks: Bool
    package let pool: StationPool
    /// Hash of what the host is shown at log-on: a new one lifts a refusal.
    package let credential: ContentHash

    package init(
        id: HostID, protocolName: String, address: String, codePage: CodePage, longestCard: Int = 80,
        mostDeckOctets: Int = 16 * 1024 * 1024, uncertainPolicy: Job.UncertainPolicy = .hold,
        dropsCutDecks: Bool = true, pool: StationPool,
        credential: ContentHash
    ) {
        self.id = id
        self.protocolName = protocolName
        self.address = address
        self.codePage = codePage
        self.longestCard = longestCard
        self.mostDeckOctets = mostDeckOctets
        self.uncertainPolicy = uncertainPolicy
        self.dropsCutDecks = dropsCutDecks
        self.pool = pool
        self.credential = credential
    }

    package var deckRules: DeckCheck.Rules { DeckCheck.Rules(code: codePage, longestCard: longestCard) }
}
