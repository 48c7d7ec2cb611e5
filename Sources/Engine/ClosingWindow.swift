import Jobs
import Stations
import Stores
import Synchronization

/// Commits the attempt of one submission as `closing` before the octet goes out from which on the host may have a job.
struct ClosingWindow: Sendable {
    /// What the station gets.
    let deck: PreparedDeck
    /// For `Station.submit`.
    let closing: (@Sendable () async throws -> Void)?
    /// The commit that opens the attempt says it: one commit for a deck that goes out in one piece.
    let isOpenFromTheStart: Bool
    private let gate: Gate?

    /// - Parameter isCheap: a job in the window is settled by its key, so that the window may be longer than need be.
    init(
        of job: JobID, _ deck: PreparedDeck, on cut: CutDeck, isCheap: Bool, in store: any JobStore, _ clock: WallClock
    ) {
        let commit: @Sendable () async throws -> Void = {
            _ = try await store.commit(JobChange(nil, of: job, at: clock.now(), attempt: .closing))
        }
        switch cut.fate {
        case .dropped:
            isOpenFromTheStart = isCheap && deck.octets <= DeckPreparation.pieceOctets
            closing = isOpenFromTheStart ? nil : commit
            self.deck = deck
            gate = nil
        case .run:
            // Whoever reads the first card is about to send it.
            let gate = Gate(commit)
            isOpenFromTheStart = false
            closing = nil
            self.deck = deck.reading(after: { try await gate.pass() })
            self.gate = gate
        }
    }

    /// On a host that runs cut decks nothing proves that it has none once the first card could go out.
    func judged(_ error: StationError) -> StationError {
        guard case .notSent(let words) = error, let gate, gate.isOpen else { return error }
        return .uncertain(evidence: "the host runs a deck that is cut short; \(words)")
    }

    private final class Gate: Sendable {
        private let state = Mutex(false)
        private let commit: @Sendable () async throws -> Void

        init(_ commit: @escaping @Sendable () async throws -> Void) { self.commit = commit }

        var isOpen: Bool { state.withLock { $0 } }

        func pass() async throws {
            if isOpen { return }
            try await commit()
            state.withLock { $0 = true }
        }
    }
}

extension PreparedDeck {
    /// The same deck, for which `condition` is awaited before each read.
    fileprivate func reading(after condition: @escaping @Sendable () async throws -> Void) -> PreparedDeck {
        PreparedDeck(job: job, key: key, octets: octets, code: code, form: form, held: held, priority: priority) {
            [read] offset, count in
            try await condition()
            return try await read(offset, count)
        }
    }
}
