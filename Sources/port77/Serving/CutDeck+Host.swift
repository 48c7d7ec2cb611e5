import Protocols
import Stations

extension Configuration.Host {
    /// What the host makes of a deck that the line's end cuts short, by how decks travel to it.
    var cutDeck: CutDeck {
        guard case .rfc407(let rfc407) = speaks else { return .of(speaks.name.rawValue) }
        if rfc407.ftp != nil { return .of("rfc407", variant: "ftp") }
        let isStream = rfc407.deckMode == .text || rfc407.dialect == .fixed
        return .of("rfc407", variant: isStream ? "stream" : "block")
    }
}
