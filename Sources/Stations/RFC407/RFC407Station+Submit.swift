import Jobs
import Lines
import Protocols
import Synchronization
import Wire

extension RFC407Station {
    /// How much of a deck the host may have.
    private final class Sent: Sendable {
        enum Phase: Comparable { case nothing, partly, complete }
        private let state = Mutex(
            (phase: Phase.nothing, isStopped: false, line: TCPLine?.none, error: StationError?.none))

        var phase: Phase { state.withLock { $0.phase } }
        var error: StationError? { state.withLock { $0.error } }

        /// - Returns: false when the deck was stopped before that.
        func enter(_ phase: Phase) -> Bool {
            state.withLock { state in
                if state.isStopped { return false }
                state.phase = max(state.phase, phase)
                return true
            }
        }

        func carry(over line: TCPLine) {
            let isStopped = state.withLock { state in
                state.line = line
                return state.isStopped
            }
            if isStopped { line.abort() }
        }

        /// Nothing more goes out. What is not complete by now never will be.
        func stop(_ error: StationError? = nil) {
            let line = state.withLock { state in
                state.isStopped = true
                state.error = state.error ?? error
                return state.phase == .complete ? nil : state.line
            }
            line?.abort()
        }
    }

    package nonisolated func submit(
        _ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        if deck.octets < 1 { throw .refusedDeck(reason: "it is empty") }
        let code = deck.code.uppercased()
        guard let page = CodePage(named: code), page == .ascii || page == settings.codePage else {
            throw .refusedDeck(reason: "the host takes no decks in \(deck.code)")
        }
        try await takeInputTurn()
        do throws(StationError) {
            let receipt = try await hand(deck, page, closing)
            await giveInputTurn()
            return deck.held ? try await held(receipt) : receipt
        } catch {
            await giveInputTurn()
            throw error
        }
    }

    /// RFC 407 has no word for a deck that is handed in held.
    private nonisolated func held(_ receipt: Receipt) async throws(StationError) -> Receipt {
        if let job = receipt.job { try? await hold(job) }
        return receipt
    }

    private nonisolated func hand(
        _ deck: PreparedDeck, _ page: CodePage, _ closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        let attributes = RFC407.Attributes(settings.deckMode, isEBCDIC: page != .ascii)
        if let files = settings.files { return try await hand(deck, over: files, attributes, closing) }
        let door = try openDoor()
        defer { door.shut() }
        let sent = Sent()
        let place = RFC407.FileID.socket(announced, port: door.port, attributes)
        return try await input(place, sent, carry: { await self.carry(deck, page, attributes, door, sent, closing) })
    }

    /// The deck lies at the FTP server before the host hears of it.
    private nonisolated func hand(
        _ deck: PreparedDeck, over files: any RFC407FileExchange, _ attributes: RFC407.Attributes,
        _ closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        let place: RFC407.FileID
        do throws(StationError) { place = try await files.offer(deck, attributes) } catch {
            if case .refusedDeck = error { throw error }
            throw .busy("the deck could not be laid down: \(error)")
        }
        do { try await closing?() } catch {
            await files.remove(place)
            throw .notSent("the attempt could not be stored as closing: \(error)")
        }
        let sent = Sent()
        _ = sent.enter(.complete)
        do throws(StationError) {
            let receipt = try await input(place, sent, carry: {})
            await files.remove(place)
            return receipt
        } catch {
            if case .uncertain = error {} else { await files.remove(place) }
            throw error
        }
    }

    /// Says INPUT, and waits for what becomes of it while `carry` brings the deck.
    private nonisolated func input(
        _ place: RFC407.FileID, _ sent: Sent, carry: @escaping @Sendable () async -> Void
    ) async throws(StationError) -> Receipt {
        let id = await begin(.input(place))
        let result = await withTaskGroup(of: Result<Receipt, StationError>?.self) { group in
            group.addTask {
                await carry()
                return nil
            }
            group.addTask {
                do throws(StationError) { return .success(try await self.outcome(of: id, sent)) } catch {
                    return .failure(error)
                }
            }
            var result: Result<Receipt, StationError>?
            for await next in group {
                guard let next else { continue }
                result = next
                if case .failure = next { sent.stop() }
                group.cancelAll()
            }
            return result
        }
        await forget(id)
        return try (result ?? .failure(.closed)).get()
    }

    private nonisolated func outcome(
        of id: RFC407.StationMachine.RequestID, _ sent: Sent
    ) async throws(StationError) -> Receipt {
        var receipt: Receipt?
        // R1 says 260 behind the deck, UCSB before it: done is what has both.
        while true {
            switch await next(id) {
            case .began: continue
            case .accepted(let job, let reply):
                guard let job, let number = JobNumber(job) else {
                    throw .uncertain(evidence: "the host accepted the job without a job-id: 260 \(reply.wholeText)")
                }
                receipt = Receipt(job: number)
            case .inputDone:
                guard let receipt else { continue }
                return receipt
            case .failed(let reply): throw refusal(reply, receipt, sent)
            case .over(let error, let wasSent):
                sent.stop()
                if let local = sent.error { throw local }
                if let receipt { return receipt }
                guard wasSent, sent.phase == .complete else { throw .notSent("\(error)") }
                throw .uncertain(evidence: "the whole deck was sent, no 260 was read; then \(error)")
            case .answer: continue
            }
        }
    }

    private nonisolated func refusal(_ reply: RFC407.Reply, _ receipt: Receipt?, _ sent: Sent) -> StationError {
        if let local = sent.error { return local }
        let words = "\(reply.code) \(reply.wholeText)"
        switch reply.code {
        case 461, 500...503, 505, 506: return .refusedDeck(reason: words)
        // 360, 44x, 460, 504: the host has nothing of it, and may take it another time
        default: return .busy(words)
        }
    }

    /// Brings the deck over the door. What goes wrong is in `sent`; the host then says 460, or we hang up.
    private nonisolated func carry(
        _ deck: PreparedDeck, _ page: CodePage, _ attributes: RFC407.Attributes, _ door: RFC407Door, _ sent: Sent,
        _ closing: (@Sendable () async throws -> Void)?
    ) async {
        let line: TCPLine
        do { line = try await door.accept(within: settings.dataTime, on: loop) } catch {
            if error == .deadline { await cut(.deadline("the host did not connect to port \(door.port) for the deck")) }
            return
        }
        sent.carry(over: line)
        do {
            try await write(deck, page, attributes, over: line, sent, closing)
        } catch let error as StationError {
            sent.stop(error)
            line.abort()
            // A host that does not notice the reset would wait for ever.
            await cut(error)
        } catch {
            sent.stop()
            line.abort()
        }
    }

    private nonisolated func write(
        _ deck: PreparedDeck, _ page: CodePage, _ attributes: RFC407.Attributes, over line: TCPLine, _ sent: Sent,
        _ closing: (@Sendable () async throws -> Void)?
    ) async throws {
        let format = RFC407.StreamFormat(attributes, .input, dialect: settings.dialect)
        var writer = RFC407.StreamWriter(format)
        var records: RecordSplitter
        switch deck.form {
        case .variable: records = RecordSplitter(.text(page))
        case .fixed(let length): records = RecordSplitter(.fixed(length))
        }
        var offset = 0
        var output: [UInt8] = []
        var isClosing = closing == nil
        func close() async throws {
            guard !isClosing, let closing else { return }
            do { try await closing() } catch {
                throw StationError.notSent("the attempt could not be stored as closing: \(error)")
            }
            isClosing = true
        }
        // Where the connection's end is the file's, a deck cut by our own death runs: closing begins with the first card.
        if !format.hasEnd { try await close() }
        func flush(_ phase: Sent.Phase) async throws {
            guard sent.enter(phase) else { throw LineError.closed }
            FrameTape.current?.add(data: output, .out, on: .reader)
            try await line.write(output, within: settings.answerTime)
            output = []
        }
        while offset < deck.octets {
            let piece: [UInt8]
            do { piece = try await deck.read(offset, min(64 * 1024, deck.octets - offset)) } catch {
                throw StationError.notSent("the deck cannot be read: \(error)")
            }
            guard !piece.isEmpty else { throw StationError.notSent("the deck ends after \(offset) octets") }
            offset += piece.count
            records.append(piece)
            while let record = try records.next() { try writer.append(trimmed(record, page, deck.form), to: &output) }
            if output.count >= 64 * 1024 { try await flush(format.hasEnd ? .partly : .complete) }
        }
        if let record = try records.finish() { try writer.append(trimmed(record, page, deck.form), to: &output) }
        writer.finish(to: &output)
        try await close()
        try await flush(.complete)
        // The host ends its side when it has read all; only then may ours go.
        await line.finishSending()
        while try await line.read(within: settings.answerTime) != nil {}
        line.close()
    }

    /// Blanks at the end of a card image need not travel.
    private nonisolated func trimmed(_ record: [UInt8], _ page: CodePage, _ form: PreparedDeck.Form) -> [UInt8] {
        guard case .fixed = form, settings.dialect != .fixed, let last = record.lastIndex(where: { $0 != page.blank })
        else { return record }
        return Array(record[...last])
    }
}
