package import Jobs
package import Stores
import Synchronization
import Wire

/// How a deck is to be taken in.
package struct DeckOptions: Equatable, Sendable {
    package var form = DeckForm.text
    /// Several jobs in one body, each beginning with its job card.
    package var splits = false
    /// Warnings are faults.
    package var isStrict = false
    /// Nothing is stored.
    package var isDryRun = false
    package var allowsControlCards = false
    package var expandsTabs = false
    package var wrapsCards = false
    package var symbols: [String: String] = [:]
    /// Whether `${NAME}` in the deck is a symbol; nil: when there are symbols, of the request or of the host.
    package var substitutes: Bool?
    /// nil: the host's own, for a deck without a job card; `none` is none.
    package var template: String?
    package var name: JobName?
    package var owner = Owner.local

    package init() {}

    /// Only text can be changed.
    package var changesText: Bool {
        expandsTabs || wrapsCards || !symbols.isEmpty || substitutes == true || template.map { $0 != "none" } == true
    }
}

extension JobDesk {
    /// Begins a submission: the deck is fed to what is returned, piece by piece, and checked while it is stored.
    package func intake(for host: HostProfile, options: DeckOptions = DeckOptions()) throws(DeskError) -> DeckIntake {
        DeckIntake(host: host, options: options, rewriting: try rewriting(for: host, options), store: store)
    }

    private func rewriting(for host: HostProfile, _ options: DeckOptions) throws(DeskError) -> DeckRewriter.Wishes {
        var wishes = DeckRewriter.Wishes()
        guard options.form == .text else { return wishes }
        wishes.expandsTabs = options.expandsTabs
        wishes.wrapsCards = options.wrapsCards
        var known = host.decks.symbols
        known["OWNER"] = options.owner.description
        if let name = options.name { known["JOBNAME"] = name.description }
        let symbols = DeckSymbols(given: options.symbols, usual: known)
        if options.substitutes ?? (!options.symbols.isEmpty || !host.decks.symbols.isEmpty) { wishes.symbols = symbols }
        wishes.templateSymbols = symbols
        switch options.template {
        case "none"?: break
        case let name?:
            guard let cards = host.decks.templates[name] else {
                throw .unknownTemplate(name, of: host.id, known: host.decks.templates.keys.sorted())
            }
            wishes.template = cards
            wishes.isTemplateDemanded = true
        case nil: if !options.splits { wishes.template = host.decks.templates[DeckCustoms.usualTemplate] }
        }
        return wishes
    }
}

/// A deck on its way in: stored and checked in one pass, in flat memory. One user at a time.
package final class DeckIntake {
    package struct Taken: Sendable {
        package let body: StagedBody
        package let name: JobName
        package let summary: DeckSummary
        /// The deck as it was submitted, when something else is sent.
        package let original: SubmittedDeck?
        package let hasTemplate: Bool
        package let warnings: [DeckFault]
        /// Where its job begins in what was submitted, from 1.
        package let firstLine: Int
    }

    package enum Failure: Error, Equatable {
        case tooLarge(limit: Int)
        /// At least one. Warnings among them make no fault of their own, unless strictness was asked for.
        case faults([DeckFault], warnings: [DeckFault] = [])
        case store(StoreError)
    }

    /// Jobs in one body.
    package static let mostJobs = 500
    /// What was submitted is kept beside what is sent up to this length.
    package static let mostOriginalOctets = 1024 * 1024
    private static let pieceOctets = 32 * 1024

    /// One job of the body.
    private struct Part {
        let body: any BodyWriter
        var check: DeckCheck
        var rewriter: DeckRewriter?
        var original: Original?
        let firstLine: Int
        var pending: [UInt8] = []
    }

    /// What was submitted, while something else may be made of it.
    private struct Original {
        var kept: [UInt8]? = []
        var octets = 0
        var hash = ContentHasher()

        mutating func append(_ piece: [UInt8]) {
            octets += piece.count
            hash.update(piece)
            if octets <= DeckIntake.mostOriginalOctets { kept? += piece } else { kept = nil }
        }

        /// nil: it is what is sent.
        func deck(unless sent: ContentHash) -> SubmittedDeck? {
            let hash = hash.finish()
            return hash == sent ? nil : SubmittedDeck(hash: hash, octets: octets, content: kept)
        }
    }

    private let host: HostProfile
    private let options: DeckOptions
    private let rewriting: DeckRewriter.Wishes
    private let store: any JobStore
    private let rules: DeckCheck.Rules
    private let limit: Int
    /// nil: octets go in as they come.
    private var lines: RecordSplitter?
    private var line = 0
    private var isLost = false
    private var reader = JobCardReader()
    private var part: Part?
    private var taken: [Taken] = []
    private var faults: [DeckFault] = []
    private var warnings: [DeckFault] = []
    private var unused: Set<String>?
    private var octets = 0

    init(host: HostProfile, options: DeckOptions, rewriting: DeckRewriter.Wishes, store: any JobStore) {
        self.host = host
        self.options = options
        self.rewriting = rewriting
        self.store = store
        var rules = host.deckRules
        if options.allowsControlCards { rules.controlCards = .allowed }
        self.rules = rules
        limit = host.mostDeckOctets
        guard options.splits || !rewriting.changesNothing else { return }
        let longest = max(DeckRewriter.longestLine, rules.longestCard * 4 + 1)
        lines = RecordSplitter(
            options.form == .text ? .ended(by: 0x0A, dropsCarriageReturn: false) : .fixed(80), longestRecord: longest)
    }

    package func append(_ piece: [UInt8]) async throws(Failure) {
        guard lines == nil else { return try await appendLines(piece) }
        if part == nil { part = try await begin() }
        try await count(piece.count)
        part?.check.append(piece)
        do {
            try await part?.body.append(piece)
        } catch {
            throw .store(error)
        }
    }

    /// The stored deck, or all its faults; a refused deck leaves nothing behind.
    package func finish() async throws(Failure) -> Taken {
        let decks = try await finishAll()
        guard let deck = decks.first else { throw .faults([Self.empty]) }
        return deck
    }

    /// The jobs of the body, at least one.
    package func finishAll() async throws(Failure) -> [Taken] {
        if lines != nil, !isLost {
            if let last = nextLine(isLast: true) { try await take(last, isEnded: false) }
        }
        if part == nil, taken.isEmpty, faults.isEmpty {
            if options.splits { throw .faults([Self.empty]) }
            part = try await begin()
        }
        try await close()
        for name in (unused ?? []).sorted() {
            warnings.append(
                DeckFault(
                    .unusedSymbol, line: 1, column: 1,
                    detail: "The symbol \(name) was given and stands nowhere as ${\(name)}."))
        }
        if options.isStrict, !warnings.isEmpty { throw .faults(faults + warnings) }
        guard faults.isEmpty else { throw .faults(faults, warnings: warnings) }
        if let last = taken.last, !(unused ?? []).isEmpty {
            taken[taken.count - 1] = Taken(
                body: last.body, name: last.name, summary: last.summary, original: last.original,
                hasTemplate: last.hasTemplate, warnings: last.warnings + warnings.suffix(unused?.count ?? 0),
                firstLine: last.firstLine)
        }
        return taken
    }

    package func discard() async {
        await part?.body.discard()
        part = nil
        taken = []
    }

    private static let empty = DeckFault(
        .empty, line: 1, column: 1, detail: "The deck has no card that is not blank.")

    // MARK: parts

    private func begin() async throws(Failure) -> Part {
        do {
            return Part(
                body: options.isDryRun ? CountedBody() : try await store.stageBody(),
                check: DeckCheck(rules, form: options.form),
                rewriter: rewriting.changesNothing ? nil : DeckRewriter(rewriting, longestCard: rules.longestCard),
                original: rewriting.changesNothing ? nil : Original(), firstLine: max(1, line))
        } catch {
            throw .store(error)
        }
    }

    /// The part ends: it is durable now, or nothing is left of it.
    private func close() async throws(Failure) {
        guard var part else { return }
        self.part = nil
        try await flush(&part)
        if let rewriter = part.rewriter {
            unused = (unused ?? Set(rewriter.unusedSymbols)).intersection(rewriter.unusedSymbols)
        }
        var found = part.rewriter?.faults ?? []
        var result: DeckCheck.Result?
        do {
            result = try part.check.finish()
        } catch {
            let tooLong = Set(found.filter { $0.code == .symbolTooLong }.map(\.line))
            let more = part.check.faults.isEmpty ? [error] : part.check.faults
            found += more.filter { $0.code != .cardTooLong || !tooLong.contains($0.line) }
        }
        warnings = Array((warnings + part.check.warnings).prefix(DeckCheck.mostFaults))
        guard let result, found.isEmpty else {
            faults = Array((faults + found.sorted { $0.line < $1.line }).prefix(DeckCheck.mostFaults))
            return await part.body.discard()
        }
        // Nothing of a body with a fault will be used.
        guard faults.isEmpty else { return await part.body.discard() }
        do {
            let staged = try await part.body.finish()
            taken.append(
                Taken(
                    body: staged, name: result.name,
                    summary: DeckSummary(
                        octets: staged.octets, cards: result.cards, hash: staged.hash, form: options.form),
                    original: part.original?.deck(unless: staged.hash),
                    hasTemplate: part.rewriter?.hasTemplate ?? false, warnings: part.check.warnings,
                    firstLine: part.firstLine))
        } catch {
            throw .store(error)
        }
    }

    private func count(_ more: Int) async throws(Failure) {
        octets += more
        guard octets <= limit else {
            await discard()
            throw .tooLarge(limit: limit)
        }
    }

    private func flush(_ part: inout Part) async throws(Failure) {
        guard !part.pending.isEmpty else { return }
        do {
            try await part.body.append(part.pending)
        } catch {
            await part.body.discard()
            throw .store(error)
        }
        part.pending.removeAll(keepingCapacity: true)
    }

    // MARK: lines

    private func appendLines(_ piece: [UInt8]) async throws(Failure) {
        guard !isLost else { return }
        lines?.append(piece)
        while !isLost, let next = nextLine(isLast: false) { try await take(next, isEnded: true) }
    }

    /// nil: more is needed, or a line was too long to go on.
    private func nextLine(isLast: Bool) -> [UInt8]? {
        do {
            return try isLast ? lines?.finish() : lines?.next()
        } catch {
            isLost = true
            if part != nil {
                part?.check.lose(line: error.record)
            } else {
                outside(error.record)
            }
            return nil
        }
    }

    private func outside(_ line: Int) {
        guard faults.isEmpty else { return }
        faults.append(
            DeckFault(
                .outsideJob, line: line, column: 1,
                detail: "With split=true each job begins with its job card, //NAME JOB; this stands before the first."))
    }

    private func take(_ raw: [UInt8], isEnded: Bool) async throws(Failure) {
        line += 1
        let isText = options.form == .text
        let text = isText && raw.last == 0x0D && isEnded ? Array(raw.dropLast()) : raw
        if options.splits {
            if reader.read(isText ? text : Array(rules.code.decode(raw).utf8)).isJob {
                try await close()
                guard taken.count < Self.mostJobs else {
                    faults.append(
                        DeckFault(
                            .tooManyJobs, line: line, column: 1, detail: "One request is at most \(Self.mostJobs) jobs."
                        ))
                    isLost = true
                    return
                }
            } else if part == nil {
                if text.contains(where: { $0 != 0x20 }) { outside(line) }
                return
            }
        }
        if part == nil { part = try await begin() }
        guard var part else { return }
        self.part = nil
        let end: [UInt8] = isText ? [0x0A] : []
        let before = part.pending.count
        if part.rewriter != nil {
            for (card, origin) in part.rewriter?.take(text, number: line) ?? [] {
                part.check.take(card, from: origin)
                part.pending += card + end
            }
            part.original?.append(raw + (isEnded ? end : []))
        } else {
            part.check.take(text, from: .line(line))
            part.pending += raw + (isEnded ? end : [])
        }
        let added = part.pending.count - before
        if part.pending.count >= Self.pieceOctets { try await flush(&part) }
        self.part = part
        try await count(added)
    }
}

/// Takes a deck nobody will store.
private final class CountedBody: BodyWriter {
    private let state = Mutex((octets: 0, hash: ContentHasher()))

    var octets: Int { state.withLock { $0.octets } }

    func append(_ piece: [UInt8]) async throws(StoreError) {
        state.withLock {
            $0.octets += piece.count
            $0.hash.update(piece)
        }
    }

    func checkpoint() async throws(StoreError) {}
    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] { [] }
    func finish() async throws(StoreError) -> StagedBody {
        state.withLock { StagedBody(hash: $0.hash.finish(), octets: $0.octets, content: .inline([])) }
    }
    func discard() async {}
}
