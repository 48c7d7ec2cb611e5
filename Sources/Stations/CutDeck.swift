/// What a host makes of a deck whose line ends before the deck does. It decides where the closing window of an attempt begins, and
/// what a loss before it means (design, section 4).
package struct CutDeck: Equatable, Sendable {
    package enum Fate: String, Sendable {
        /// It becomes no job: the window begins before the octet that makes the deck complete, and a line lost before that
        /// sends the deck again.
        case dropped
        /// The host runs what it has, as a shorter job, or nobody can say: the window begins before the first card.
        case run
    }

    package let fate: Fate
    /// What makes a deck complete, in words.
    package let completedBy: String
    /// Where this is written.
    package let source: String

    package init(_ fate: Fate, completedBy: String, source: String) {
        self.fate = fate
        self.completedBy = completedBy
        self.source = source
    }

    /// - Parameters:
    ///   - protocolName: as configured.
    ///   - variant: where a protocol has several ways to carry a deck: `block` (records with an end-of-file mark), `stream` or `ftp` for
    ///     `rfc407`, `jes2`, `rscs` or `rbf` for `hasp`.
    /// - Returns: for what is not in the table the worse of the two.
    package static func of(_ protocolName: String, variant: String? = nil) -> CutDeck {
        let rows = table.filter { $0.protocolName == protocolName }
        let row = rows.first { $0.variant == variant } ?? (variant == nil ? rows.first : nil)
        return row?.cut ?? CutDeck(.run, completedBy: "unknown", source: "nothing is known of this protocol")
    }

    package struct Row: Sendable {
        package let protocolName: String
        package let variant: String?
        package let cut: CutDeck
    }

    /// The first row of a protocol is the one without a variant: the worse one where they differ.
    package static let table: [Row] = [
        Row(
            protocolName: "priv-rje", variant: nil,
            cut: CutDeck(
                .dropped, completedBy: "the last octet of INPUT's block",
                source: "priv-rje.md 4: a block that the connection's end cuts short is dropped whole")),
        // A process that is killed sends FIN, and FIN is end of file: the host cannot tell a cut deck from a whole one.
        Row(
            protocolName: "rfc407", variant: "stream",
            cut: CutDeck(
                .run, completedBy: "FIN on the data connection",
                source: "rje-rfc407.md 5.4: in T and fixed dialects FIN is end of file")),
        Row(
            protocolName: "rfc407", variant: "block",
            cut: CutDeck(
                .dropped, completedBy: "the block with the end-of-file bit",
                source: "rje-rfc407.md 5.4: a close without an end-of-file block is a failed transfer; 9.2: 460")),
        Row(
            protocolName: "rfc407", variant: "ftp",
            cut: CutDeck(
                .dropped, completedBy: "the INPUT command, which names a file that lies whole on the FTP server",
                source: "rje-rfc407.md 5.2: the host retrieves the file after INPUT")),
        Row(
            protocolName: "netrjs", variant: nil,
            cut: CutDeck(
                .dropped, completedBy: "END-OF-DATA, the octet FE",
                source: "netrjs-rfc740.md 13.4: FIN or RST before FE drops the unfinished job")),
        // Its own words for RBF and RSCS are marked as uncertain: taken for the worse.
        Row(
            protocolName: "hasp", variant: "rscs",
            cut: CutDeck(
                .run, completedBy: "the EOF block", source: "hasp-bsc.md 8.5: possibly submitted for RBF and RSCS")),
        Row(
            protocolName: "hasp", variant: "rbf",
            cut: CutDeck(
                .run, completedBy: "the EOF block", source: "hasp-bsc.md 8.5: possibly submitted for RBF and RSCS")),
        Row(
            protocolName: "hasp", variant: "jes2",
            cut: CutDeck(
                .dropped, completedBy: "the EOF block", source: "hasp-bsc.md 8.5: JES2 drops the incomplete job")),
        Row(
            protocolName: "hercules", variant: nil,
            cut: CutDeck(
                .run, completedBy: "the end of the connection",
                source: "hercules-devices.md 2 (eof): when the client closes, JES2 ends the deck with the cards it has")
        ),
        Row(
            protocolName: "nje", variant: nil,
            cut: CutDeck(
                .dropped, completedBy: "the EOF record of the stream",
                source:
                    "nje-tcp.md 6: the receiver owns the job when it sends C0; before that the whole stream is sent again"
            )),
        Row(
            protocolName: "jes-ftp", variant: nil,
            cut: CutDeck(
                .run, completedBy: "the close of the data connection",
                source:
                    "jes-ftp.md 3: a stream transfer ends by its close; after the data and before 250 nothing is known")
        ),
    ]
}
