package import Jobs
import Protocols
import Synchronization
import Wire

extension PrivRJEStation: Station {
    package nonisolated var abilities: Abilities { facts.withLock { $0.abilities } }
    package nonisolated var limits: HostLimits? { facts.withLock { $0.limits } }
    package nonisolated var window: Int { limits?.window ?? 1 }
    package nonisolated var sessionLimit: Int? { limits?.sessions }
    package nonisolated var keyMemory: Duration? { abilities.contains(.submissionKey) ? limits?.keepsKeys : nil }

    /// Said of a line that is no command, which ours are.
    private static let couldNotRead = 500...503

    private nonisolated func need(_ ability: Abilities, _ name: String) throws(StationError) {
        if !abilities.contains(ability) { throw .lacks(name) }
    }

    // MARK: decks

    package nonisolated func submit(
        _ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        let input = try input(for: deck)
        let first = try await piece(of: deck, from: 0)
        var isCommitted = closing == nil
        if let closing, first.count == deck.octets {
            // A deck of one piece leaves with its command in one write, so the commit comes before both.
            do { try await closing() } catch { throw .notSent("the attempt could not be stored as closing: \(error)") }
            isCommitted = true
        }
        let id = await begin(.input(input), firstPiece: first, isCommitted: isCommitted)
        do throws(StationError) {
            let receipt = try await carry(deck, id, from: first.count, closing: closing)
            await forget(id)
            return receipt
        } catch {
            await forget(id)
            throw error
        }
    }

    private nonisolated func input(for deck: PreparedDeck) throws(StationError) -> PrivRJE.Input {
        guard let limits else { throw .notSent("the session is not signed on") }
        if deck.held { try need(.hold, "hold") }
        if deck.octets < 1 { throw .refusedDeck(reason: "it is empty") }
        if deck.octets > limits.longestDeck {
            throw .refusedDeck(reason: "it has \(deck.octets) octets; the host takes \(limits.longestDeck)")
        }
        guard limits.codes.contains(deck.code.uppercased()) else {
            throw .refusedDeck(
                reason: "the host takes no decks in \(deck.code), only in \(limits.codes.joined(separator: ", "))")
        }
        var input = PrivRJE.Input(octets: deck.octets, code: deck.code.uppercased(), holds: deck.held)
        switch deck.form {
        case .variable: input.lrecl = limits.longestCard
        case .fixed(let length):
            input.form = .fixed
            input.lrecl = length
        }
        if abilities.contains(.submissionKey) { input.key = deck.key }
        #if SEEDED_BUG_12  // each try has a submission key of its own
            if let key = input.key { input.key = "\(key).\(UInt16.random(in: .min ... .max))" }
        #endif
        input.priority = deck.priority.map { String($0) }
        return input
    }

    /// Reads the next octets of a deck; never none.
    private nonisolated func piece(of deck: PreparedDeck, from offset: Int) async throws(StationError) -> [UInt8] {
        let wanted = min(Self.longestPiece, deck.octets - offset)
        do {
            let piece = try await deck.read(offset, wanted)
            guard !piece.isEmpty else { throw StationError.local("the deck ends after \(offset) octets") }
            return piece.count > wanted ? Array(piece.prefix(wanted)) : piece
        } catch let error as StationError {
            throw error
        } catch {
            throw .local("the deck cannot be read: \(error)")
        }
    }

    private nonisolated func carry(
        _ deck: PreparedDeck, _ id: PrivRJE.RequestID, from start: Int, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        while true {
            switch await next(id) {
            case .deckWanted:
                var offset = start
                while offset < deck.octets, await hasRoom() {
                    let piece: [UInt8]
                    do throws(StationError) {
                        piece = try await self.piece(of: deck, from: offset)
                    } catch {
                        await cut(.lineLost("cut by us: \(error)"))
                        throw error
                    }
                    offset += piece.count
                    if await !provide(piece, for: id) { break }
                }
            case .commitWanted:
                do {
                    #if !SEEDED_BUG_8  // closing is not committed
                        try await closing?()
                    #endif
                } catch {
                    await cut(.lineLost("cut by us: the attempt could not be stored as closing"))
                    throw .notSent("the attempt could not be stored as closing: \(error)")
                }
                await deckCommitted(id)
            case .answer(.failed(let code, let text)) where Self.couldNotRead.contains(code):
                // Perhaps of octets that were not ours; then the answer to INPUT is still to come, and may be taken for this one's.
                if abilities.contains(.submissionKey), let receipt = try await find(key: deck.key) {
                    return receipt
                }
                throw .refusedDeck(reason: "\(code) \(text)")
            case .answer(let outcome): return try receipt(outcome)
            case .over(let error): throw error
            case .block: continue
            }
        }
    }

    private nonisolated func receipt(_ outcome: PrivRJE.Outcome) throws(StationError) -> Receipt {
        switch outcome {
        case .accepted(let receipt): return Receipt(receipt)
        case .refused(let refusal): throw .refusedDeck(reason: refusal.sentence)
        case .notTakingJobs(let words): throw .busy(words.isEmpty ? "462" : words)
        case .failed(let code, let text):
            if code == 506 { throw .lacks("INPUT as sent: \(code) \(text)") }
            throw .refusedDeck(reason: "\(code) \(text)")
        case .notSent(let fault): throw .refusedDeck(reason: fault.sentence)
        case .notFound(let text): throw .refusedDeck(reason: "464 \(text)")
        case .voided, .jobs, .files, .block, .changed, .operatorAnswer, .done: throw .garbage("no answer to INPUT")
        }
    }

    package func find(key: String) async throws(StationError) -> Receipt? {
        try need(.submissionKey, "submissionKey")
        return switch try await ask(.find(key: key)) {
        case .accepted(let receipt): Receipt(receipt)
        case .notFound: nil
        case let other: throw StationError(other)
        }
    }

    package func void(key: String) async throws(StationError) -> Receipt? {
        try need(.submissionKey, "submissionKey")
        return switch try await ask(.void(key: key)) {
        case .accepted(let receipt): Receipt(receipt)
        case .voided: nil
        case let other: throw StationError(other)
        }
    }

    // MARK: following

    package func status(of job: JobNumber) async throws(StationError) -> HostJob? {
        switch try await ask(.status(.job(job.description))) {
        case .jobs(let jobs, hasMore: _): return jobs.first.flatMap { HostJob($0) }
        case .notFound: return nil
        case let other: throw StationError(other)
        }
    }

    package func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool) {
        switch try await ask(.status(.all)) {
        case .jobs(let jobs, let hasMore): return (jobs.compactMap { HostJob($0) }, !hasMore)
        case .notFound: return ([], true)
        case let other: throw StationError(other)
        }
    }

    package func watchAll() async throws(StationError) {
        if !abilities.contains(.notices) { return }
        try done(await ask(.watch(.all)))
    }

    package func purge(_ job: JobNumber) async throws(StationError) {
        let outcome = try await ask(.purge(job: job.description))
        if case .notFound = outcome { return }  // gone already
        try done(outcome)
    }

    package func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer {
        switch try await ask(.cancel(job: job.description)) {
        case .changed: return .canceled
        case .notFound: return .unknownJob
        case .failed(code: 504, text: _): return .tooLate
        case let other: throw StationError(other)
        }
    }

    package func hold(_ job: JobNumber) async throws(StationError) {
        try need(.hold, "hold")
        try done(await ask(.hold(job: job.description)))
    }

    package func release(_ job: JobNumber) async throws(StationError) {
        try need(.hold, "hold")
        try done(await ask(.release(job: job.description)))
    }

    package func operate(_ command: String) async throws(StationError) -> [String] {
        try need(.operatorCommands, "operatorCommands")
        switch try await ask(.operatorCommand(command)) {
        case .operatorAnswer(let lines): return lines
        case let other: throw StationError(other)
        }
    }

    package func ping() async throws(StationError) { try done(await ask(.ping)) }

    private func done(_ outcome: PrivRJE.Outcome) throws(StationError) {
        switch outcome {
        case .done, .changed: return
        case let other: throw StationError(other)
        }
    }

    // MARK: output

    package func files(of job: JobNumber) async throws(StationError) -> [HostFile] {
        switch try await ask(.files(job: job.description)) {
        case .files(let files): return files.map { HostFile($0) }
        case .failed(let code, let text) where Self.couldNotRead.contains(code):
            throw .garbage("it could not read FILES: \(code) \(text)")
        case let other: throw StationError(other)
        }
    }

    package nonisolated func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int {
        let hasRange = abilities.contains(.rangedFetch)
        let reach = offset.addingReportingOverflow(max(0, limit ?? .max))
        let end = reach.overflow ? .max : reach.partialValue
        var at = hasRange ? offset : 0
        var total: Int?
        repeat {
            let count = hasRange ? min(settings.longestPart, max(1, end - at)) : nil
            let header = try await part(
                PrivRJE.Fetch(job: job.description, file: file.number, offset: at, count: count), from: offset, to: end,
                piece: piece)
            if let total, total != header.total {
                throw .garbage("file \(file.number) of \(job) had \(total) octets, and now \(header.total)")
            }
            total = header.total
            at += header.octets
        } while at < min(total ?? 0, end)
        return total ?? 0
    }

    /// One FETCH. Of its block the octets from `start` to `end`, counted in the file, are handed on.
    private nonisolated func part(
        _ fetch: PrivRJE.Fetch, from start: Int, to end: Int, piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> PrivRJE.BlockHeader {
        let id = await begin(.fetch(fetch))
        var header: PrivRJE.BlockHeader?
        var at = fetch.offset
        var failure: StationError?
        while true {
            switch await next(id) {
            case .answer(.block(let announced)):
                header = announced
                if announced.octets > 0 { continue }
            case .answer(let outcome): failure = StationError(outcome)
            case .over(let error): failure = error
            case .block(let octets, let remaining):
                let wanted = octets[min(max(0, start - at), octets.count)..<max(0, min(octets.count, end - at))]
                at += octets.count
                if failure == nil, !wanted.isEmpty {
                    do { try await piece(wanted.count == octets.count ? octets : Array(wanted)) } catch {
                        failure = .local("the output could not be stored: \(error)")
                    }
                }
                // The rest of the block cannot be called off: a short one is read and dropped, a long one costs the session.
                if remaining > 0 {
                    if failure != nil || at >= end, remaining > settings.longestPart {
                        await cut(.lineLost("cut by us: the rest of a long file is not wanted"))
                    } else {
                        continue
                    }
                }
            case .deckWanted, .commitWanted: continue
            }
            await forget(id)
            if let failure { throw failure }
            guard let header else { throw .garbage("a block that nothing announced") }
            return header
        }
    }
}
