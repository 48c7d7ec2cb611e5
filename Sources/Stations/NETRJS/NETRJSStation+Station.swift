package import Jobs
import Lines
import Protocols
import Wire

extension NETRJSStation: Station {
    /// Jobs have names only; STATUS is text for people and is read where its form is known.
    package nonisolated var abilities: Abilities {
        var abilities: Abilities = [
            .status, .notices, .cancel, .operatorCommands, .pushedOutput, .dropsCutDecks,
        ]
        if settings.punches { abilities.insert(.punch) }
        return abilities
    }

    /// Decks wait for the reader in their order.
    package nonisolated var window: Int { 16 }
    package nonisolated var sessionLimit: Int? { 1 }

    // MARK: decks

    package nonisolated func submit(
        _ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        guard deck.code.uppercased() == settings.codePage.name else {
            throw .refusedDeck(reason: "the terminal reads \(settings.codePage.name), not \(deck.code)")
        }
        if deck.held { throw .refusedDeck(reason: "NETRJS cannot hold a job; TYPRUN=HOLD on its job card may") }
        let name = try await jobName(of: deck)
        try await reserve(name)
        do throws(StationError) {
            let receipt = try await read(deck, named: name, closing: closing)
            memory.accepted(name)
            return receipt
        } catch {
            // the host may have an uncertain one: its name is free when a listing says so
            if case .uncertain = error { memory.accepted(name) } else { memory.release(name) }
            throw error
        }
    }

    private nonisolated func splitter(for deck: PreparedDeck) -> RecordSplitter {
        switch deck.form {
        case .variable: RecordSplitter(.text(settings.codePage))
        case .fixed(let length): RecordSplitter(.fixed(length))
        }
    }

    private nonisolated func piece(of deck: PreparedDeck, from offset: Int) async throws(StationError) -> [UInt8] {
        do {
            let piece = try await deck.read(offset, min(64 * 1024, deck.octets - offset))
            guard !piece.isEmpty else { throw StationError.local("the deck ends after \(offset) octets") }
            return piece
        } catch let error as StationError {
            throw error
        } catch {
            throw .local("the deck cannot be read: \(error)")
        }
    }

    /// The name on the first card: all by which the host will know the job.
    private nonisolated func jobName(of deck: PreparedDeck) async throws(StationError) -> String {
        guard deck.octets > 0 else { throw .refusedDeck(reason: "it is empty") }
        var splitter = splitter(for: deck)
        splitter.append(try await piece(of: deck, from: 0))
        let first = (try? splitter.next()) ?? (try? splitter.finish())
        var reader = JobCardReader()
        guard let first, case .job(let name) = reader.read(Array(settings.codePage.decode(first).utf8)),
            NETRJS.isName(name)
        else { throw .refusedDeck(reason: "its first card is no job card with a name") }
        return name
    }

    /// A terminal's jobs need names of their own: the host throws away the second of a name.
    private nonisolated func reserve(_ name: String) async throws(StationError) {
        guard let live = memory.reserve(name) else { return }
        if live.isAccepted, let listing = await list(), listing.isComplete, listing.asked > live.since,
            !listing.jobs.contains(where: { $0.name == name }), await !isComing(name)
        {
            memory.release(name)
            if memory.reserve(name) == nil { return }
        }
        throw .busy("a job named \(name) is at the host already, and jobs of one terminal are known by their names")
    }

    private func isComing(_ name: String) -> Bool {
        announced[name] != nil || incoming.values.contains(name)
    }

    /// One opening of the reader.
    private nonisolated func read(
        _ deck: PreparedDeck, named name: String, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        let first = try await piece(of: deck, from: 0)
        try await takeReader(name)
        let line: TCPLine
        do throws(LineError) {
            line = try await open(.reader)
        } catch {
            await passReader()
            if await isOpen { throw .busy("the reader is refused: \(error)") }
            throw .notSent("\(await self.error)")
        }
        do throws(StationError) {
            let receipt = try await carry(deck, first, named: name, over: line, closing: closing)
            await acknowledge(line)
            await passReader()
            return receipt
        } catch {
            line.abort()
            await passReader()
            throw error
        }
    }

    private func takeReader(_ name: String) async throws(StationError) {
        await readerTurn.take()
        guard goesOn else {
            readerTurn.pass()
            throw .notSent("\(error)")
        }
        let tape = FrameTape.current
        tape?.join(head)
        reading = Reading(name: name, tape: tape)
    }

    private func passReader() {
        reading = nil
        readerTurn.pass()
    }

    private nonisolated func carry(
        _ deck: PreparedDeck, _ first: [UInt8], named name: String, over line: TCPLine,
        closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        var splitter = splitter(for: deck)
        var encoder = NETRJS.StreamEncoder(.reader, form: settings.form, blank: settings.characterSet.blank)
        var output: [UInt8] = []
        var offset = 0
        var piece = first
        while offset < deck.octets {
            offset += piece.count
            splitter.append(piece)
            try encode(&splitter, &encoder, &output, isLast: offset >= deck.octets)
            try await send(&output, over: line)
            if offset < deck.octets { piece = try await self.piece(of: deck, from: offset) }
        }
        encoder.flush(to: &output)
        try await send(&output, over: line)
        do throws(LineError) {
            try await line.flush(within: settings.answerTime)
        } catch {
            throw try await refusal(line)
        }
        if await reading?.verdict != nil { throw try await refusal(line) }
        if let closing {
            do { try await closing() } catch {
                throw .notSent("the attempt could not be stored as closing: \(error)")
            }
        }
        encoder.finish(to: &output)
        FrameTape.current?.add(data: output, .out, on: .reader)
        do throws(LineError) {
            try await line.write(output, within: settings.answerTime)
        } catch {
            // Nothing waited before it, so it was refused and not queued.
            throw try await refusal(line)
        }
        await line.finishSending()
        return try await receipt(for: name)
    }

    private nonisolated func encode(
        _ splitter: inout RecordSplitter, _ encoder: inout NETRJS.StreamEncoder, _ output: inout [UInt8], isLast: Bool
    ) throws(StationError) {
        while true {
            var card = (try? splitter.next()) ?? nil
            if card == nil, isLast { card = (try? splitter.finish()) ?? nil }
            guard var card else { return }
            let number = encoder.records + 1
            guard card.count <= NETRJS.longestCard else {
                throw .refusedDeck(reason: "card \(number) has \(card.count) columns; NETRJS carries 80")
            }
            if settings.characterSet == .ascii63 { card = card.map { NETRJS.betweenASCIIs[Int($0)] } }
            if (try? encoder.append(card, to: &output)) == nil {
                throw .refusedDeck(reason: "card \(number) is too long")
            }
        }
    }

    private nonisolated func send(_ output: inout [UInt8], over line: TCPLine) async throws(StationError) {
        guard !output.isEmpty else { return }
        let octets = output
        FrameTape.current?.add(data: octets, .out, on: .reader)
        output.removeAll(keepingCapacity: true)
        do throws(LineError) {
            try await line.write(octets, within: settings.answerTime)
        } catch {
            throw try await refusal(line)
        }
    }

    /// Why the host closed the reader before END-OF-DATA went out: it drops a deck without one, so the host has nothing.
    private nonisolated func refusal(_ line: TCPLine) async throws(StationError) -> StationError {
        line.abort()
        let verdict: Verdict?
        if let known = await reading?.verdict {
            verdict = known
        } else {
            _ = await sync()
            verdict = await reading?.verdict
        }
        guard await isOpen else { return .notSent("\(await error)") }
        switch verdict {
        case .rejected(let words): return Self.rejected(words)
        case .trouble(let words): return Self.troubled(words)
        case .dropped(let words): return .busy(words)
        case .accepted, nil: return .busy("the host closed the reader before the end of the deck")
        }
    }

    private static func rejected(_ words: String) -> StationError {
        words.uppercased().contains("DUPLICATE") ? .busy(words) : .refusedDeck(reason: words)
    }

    /// A reader that timed out, was aborted or has no memory may take the deck later; one that cannot read it will not.
    private static func troubled(_ words: String) -> StationError {
        switch words.prefix(6) {
        case "NRJ505", "NRJ506", "NRJ507", "NRJ511", "NRJ602": .refusedDeck(reason: words)
        default: .busy(words)
        }
    }

    /// The console says what became of the deck.
    private func receipt(for name: String) async throws(StationError) -> Receipt {
        let verdict = await verdict(within: settings.receiptTime)
        let job = JobNumber(name)
        switch verdict {
        case .accepted(let cards): return Receipt(job: job, name: name, cards: cards)
        case .rejected(let words): throw Self.rejected(words)
        case .trouble(let words): throw Self.troubled(words)
        case .dropped(let words): throw .busy(words)
        case nil: break
        }
        let sent = "END-OF-DATA was sent, no RJS534 was heard"
        guard isOpen else { throw .uncertain(evidence: "\(sent); then \(error)") }
        if let listing = await list(), listing.jobs.contains(where: { $0.name == name }) {
            return Receipt(job: job, name: name)
        }
        throw .uncertain(evidence: "\(sent) in \(settings.receiptTime.words), and STATUS does not list the job")
    }

    package func find(key: String) async throws(StationError) -> Receipt? { throw .lacks("submissionKey") }
    package func void(key: String) async throws(StationError) -> Receipt? { throw .lacks("submissionKey") }

    // MARK: following

    /// A job that is listed nowhere in two listings, and whose output is not on its way, is gone.
    package func status(of job: JobNumber) async throws(StationError) -> HostJob? {
        let name = job.description
        var listing = lastListing
        if listing.map({ $0.asked + .seconds(1) < .now }) ?? true { listing = await list() }
        for _ in 0..<2 {
            guard let known = listing else { throw error }
            if let found = known.jobs.first(where: { $0.name == name }) { return Self.job(found, job) }
            if isComing(name) { return HostJob(number: job, name: name, state: .running) }
            if !known.isComplete || memory.live(name).map({ $0.since >= known.asked }) ?? false {
                return HostJob(number: job, name: name, state: .queued)
            }
            listing = await list()
        }
        memory.release(name)
        return nil
    }

    /// XEQ is "executing or waiting to": only what has output is known to have run.
    private static func job(_ status: NETRJS.ConsoleMessage.JobStatus, _ number: JobNumber) -> HostJob {
        HostJob(number: number, name: status.name, state: status.state == .printing ? .running : .queued)
    }

    package func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool) {
        guard let listing = await list() else { throw error }
        let jobs = listing.jobs.compactMap { status in JobNumber(status.name).map { Self.job(status, $0) } }
        return (jobs, listing.isComplete)
    }

    /// The console tells unasked.
    package func watchAll() async throws(StationError) {}

    package func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer {
        let (messages, _) = await ask("ABORT \(job)")
        guard isOpen else { throw error }
        for message in messages {
            switch message.id {
            case "RJS536": return .canceled
            case "RJS537": return .unknownJob
            case "RJS538": return .tooLate
            default: continue
            }
        }
        // a host whose words are not known: what the job is afterwards says whether it obeyed
        guard let listing = await list() else { throw error }
        if listing.isComplete, !listing.jobs.contains(where: { $0.name == job.description }) { return .unknownJob }
        return .canceled
    }

    package func operate(_ command: String) async throws(StationError) -> [String] {
        guard command.utf8.count <= NETRJS.longestConsoleLine, command.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else { throw .refused("a console line has at most 133 characters of ASCII") }
        let verb = command.drop { $0 == " " }.prefix { $0 != " " }.uppercased()
        // the session is the pool's
        if verb == "SIGNON" || verb == "SIGNOFF" { throw .refused("\(verb) is the gateway's own") }
        let (messages, _) = await ask(command)
        guard isOpen else { throw error }
        return messages.map(\.text)
    }

    package func ping() async throws(StationError) {
        guard await sync() || syncFailures > 0 && isOpen else { throw error }
    }

    package func hold(_ job: JobNumber) async throws(StationError) { throw .lacks("hold") }
    package func release(_ job: JobNumber) async throws(StationError) { throw .lacks("hold") }

    // MARK: output is pushed

    package func files(of job: JobNumber) async throws(StationError) -> [HostFile] { throw .lacks("pulledOutput") }

    package nonisolated func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int { throw .lacks("pulledOutput") }

    /// The host drops a job with its last output.
    package func purge(_ job: JobNumber) async throws(StationError) {}
}

extension StationError {
    init(_ end: NETRJS.StationMachine.SessionEnd, line: String?, keeping secret: String?) {
        func clean(_ text: String) -> String {
            guard let secret, !secret.isEmpty else { return text }
            return text.replacing(secret, with: "…")
        }
        switch end {
        case .signedOff: self = .closed
        case .gaveUp: self = line.map { .deadline($0) } ?? .closed
        case .lineClosed: self = .lineLost(line ?? "closed")
        case .notReady: self = .deadline("no READY on the console")
        case .noAnswerToSignOn: self = .deadline("no answer to SIGNON")
        case .unwilling(let words): self = .hostUnwilling(clean(words))
        case .refused(let words): self = .logonRefused(clean(words))
        case .taken(let words): self = .hostUnwilling(clean(words))
        case .endedByHost(let words): self = .lineLost("the host ended the session: \(clean(words))")
        case .noPorts: self = .garbage("READY came without NRJ000I SOCKET BASE; configure the data ports")
        case .garbage: self = .garbage("the console is no NETRJS console")
        }
    }
}
