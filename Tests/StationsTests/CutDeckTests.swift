import Stations
import Testing

/// The table of what a cut deck does; the sources are the protocol notes.
@Suite struct CutDeckTests {
    @Test(arguments: [
        ("priv-rje", nil, CutDeck.Fate.dropped), ("netrjs", nil, .dropped), ("nje", nil, .dropped),
        ("rfc407", "block", .dropped), ("rfc407", "ftp", .dropped), ("hasp", "jes2", .dropped),
        ("rfc407", "stream", .run), ("hasp", "rscs", .run), ("hasp", "rbf", .run), ("hercules", nil, .run),
        ("jes-ftp", nil, .run),
        // A variant that is not told, and a protocol that is not known, are taken for the worse.
        ("rfc407", nil, .run), ("hasp", nil, .run), ("rfc407", "other", .run), ("smoke-signals", nil, .run),
    ])
    func `what a host makes of a cut deck`(_ name: String, _ variant: String?, _ fate: CutDeck.Fate) {
        #expect(CutDeck.of(name, variant: variant).fate == fate)
    }

    @Test func `every row says what completes a deck and where that is written`() {
        for row in CutDeck.table {
            #expect(!row.cut.completedBy.isEmpty)
            #expect(row.cut.source.contains(".md"), "\(row.protocolName)")
        }
    }
}
