import Jobs

/// The decks and outputs that were committed last, in two generations like the jobs: what goes to the host a moment after its
/// submission, and what a client reads who waited for its job, is not read back from the disk.
struct RecentBodies {
    /// Of one job: its deck until it has ended, its outputs after that. Bodies that lie in files are not here.
    struct Entry {
        var deck: Body?
        /// All outputs of the job, as `spoolFiles(of:)` lists them; nil: they are not known here.
        var files: [SpoolFile]?
        var contents: [Int: Body] = [:]

        var octets: Int { contents.values.reduce(deck?.octets.count ?? 0) { $0 + $1.octets.count } }
    }

    struct Body {
        let hash: ContentHash
        let octets: [UInt8]
    }

    /// Octets in one generation, with what it costs to keep an entry.
    private static let generation = 4 << 20
    private static let octetsOfEntry = 512
    /// A job of more is left to the disk: it would push out what many others have.
    private static let mostOctets = generation / 16

    private var young: [JobID: Entry] = [:]
    private var old: [JobID: Entry] = [:]
    private var youngOctets = 0

    subscript(id: JobID) -> Entry? { young[id] ?? old[id] }

    /// - Parameter entry: nil: the disk alone knows.
    mutating func put(_ entry: Entry?, as id: JobID) {
        old[id] = nil
        if let before = young.removeValue(forKey: id) { youngOctets -= before.octets + Self.octetsOfEntry }
        guard let entry else { return }
        let octets = entry.octets
        guard octets <= Self.mostOctets else { return }
        if youngOctets >= Self.generation {
            old = young
            young = [:]
            youngOctets = 0
        }
        young[id] = entry
        youngOctets += octets + Self.octetsOfEntry
    }
}

extension RecentBodies.Body {
    /// nil: the body lies in a file.
    init?(_ body: StagedBody) {
        guard case .inline(let octets) = body.content else { return nil }
        self.init(hash: body.hash, octets: octets)
    }
}
