import Dispatch
import Glibc
import Synchronization

/// Makes facts safe: what is appended while one `fdatasync` runs is written together by the next. Also the writer of the
/// ledger, whose lines follow the journal records they tell of.
final class Committer: Sendable {
    /// What cannot be undone any more: after a failed write nothing is accepted.
    struct Failure: Error, Equatable { let number: CInt }

    private struct State {
        var appended: UInt64 = 0
        var durable: UInt64 = 0
        var journal: [UInt8] = []
        /// The journal is to be written anew, from this.
        var replacement: [UInt8]?
        var ledger: [UInt8] = []
        var waiters: [(commit: UInt64, call: @Sendable (Bool) -> Void)] = []
        var isFlushing = false
        var failure: Failure?
        var journalOctets = 0
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "port77.refhost.commit")
    private let journal: JournalFile?
    private let ledger: LedgerFile?

    init(journal: JournalFile?, ledger: LedgerFile?) {
        self.journal = journal
        self.ledger = ledger
        state.withLock { $0.journalOctets = journal?.octets ?? 0 }
    }

    var hasJournal: Bool { journal != nil }
    var hasLedger: Bool { ledger != nil }
    var failure: Failure? { state.withLock { $0.failure } }
    var journalOctets: Int { state.withLock { $0.journalOctets } }

    /// - Returns: the commit to wait for.
    func append(_ record: JournalRecord? = nil, ledger line: [UInt8]? = nil) -> UInt64 {
        let framed = journal == nil ? nil : record.map { JournalFile.framed($0.octets) }
        let (commit, begins) = state.withLock { state in
            state.appended += 1
            if let framed {
                state.journal += framed
                state.journalOctets += framed.count
            }
            if let line, ledger != nil { state.ledger += line }
            defer { state.isFlushing = true }
            return (state.appended, !state.isFlushing)
        }
        if begins { queue.async { self.flush() } }
        return commit
    }

    /// Replaces the journal by `records`, which tell everything appended so far.
    func replace(by records: [JournalRecord]) {
        var octets: [UInt8] = []
        for record in records { octets += JournalFile.framed(record.octets) }
        let begins = state.withLock { state in
            state.appended += 1
            state.replacement = octets
            state.journal = []
            state.journalOctets = octets.count
            defer { state.isFlushing = true }
            return !state.isFlushing
        }
        if begins { queue.async { self.flush() } }
    }

    /// Calls when the commit is safe (true), or can never be (false). At once when it is known already.
    func whenSafe(_ commit: UInt64, _ call: @escaping @Sendable (Bool) -> Void) {
        let known: Bool? = state.withLock { state in
            if state.durable >= commit { return true }
            if state.failure != nil { return false }
            state.waiters.append((commit, call))
            return nil
        }
        if let known { call(known) }
    }

    /// The same, but never from within this call.
    func whenSafeLater(_ commit: UInt64, _ call: @escaping @Sendable (Bool) -> Void) {
        let known: Bool? = state.withLock { state in
            if state.durable >= commit { return true }
            if state.failure != nil { return false }
            state.waiters.append((commit, call))
            return nil
        }
        if let known { queue.async { call(known) } }
    }

    func wait(_ commit: UInt64) async throws(Failure) {
        let isSafe = await withCheckedContinuation { continuation in
            whenSafe(commit) { continuation.resume(returning: $0) }
        }
        if !isSafe { throw failure ?? Failure(number: EIO) }
    }

    func close() async {
        let last = state.withLock { $0.appended }
        try? await wait(last)
        await perform { self.journal?.close() }
    }

    /// Runs blocking work where the syncs run.
    func perform<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in queue.async { continuation.resume(returning: work()) } }
    }

    private func sync(journal syncsJournal: Bool, ledger syncsLedger: Bool) throws(Failure) {
        guard let journal, syncsJournal else {
            if syncsLedger { try ledger?.sync() }
            return
        }
        guard let ledger, syncsLedger else { return try journal.sync() }
        let isLedgerSafe = Atomic(false)
        let isJournalSafe = Atomic(false)
        DispatchQueue.concurrentPerform(iterations: 2) { which in
            if which == 0 {
                isJournalSafe.store((try? journal.sync()) != nil, ordering: .releasing)
            } else {
                isLedgerSafe.store((try? ledger.sync()) != nil, ordering: .releasing)
            }
        }
        guard isJournalSafe.load(ordering: .acquiring), isLedgerSafe.load(ordering: .acquiring) else {
            throw Failure(number: EIO)
        }
    }

    private func flush() {
        while true {
            struct Batch { let last: UInt64, journal: [UInt8], replacement: [UInt8]?, ledger: [UInt8] }
            let batch: Batch? = state.withLock { state in
                guard state.durable < state.appended, state.failure == nil else {
                    state.isFlushing = false
                    return nil
                }
                defer {
                    state.journal = []
                    state.replacement = nil
                    state.ledger = []
                }
                return Batch(
                    last: state.appended, journal: state.journal, replacement: state.replacement, ledger: state.ledger)
            }
            guard let batch else { return }
            var failure: Failure?
            do throws(Failure) {
                if let replacement = batch.replacement { try journal?.replace(by: replacement) }
                // written in this order, which is what a kill leaves; synced together, which costs one sync
                if !batch.journal.isEmpty { try journal?.append(batch.journal) }
                if !batch.ledger.isEmpty { try ledger?.append(batch.ledger) }
                try sync(journal: !batch.journal.isEmpty, ledger: !batch.ledger.isEmpty)
            } catch {
                failure = error
            }
            let result = failure
            let due = state.withLock { state in
                if let result {
                    state.failure = result
                    defer { state.waiters = [] }
                    return state.waiters
                }
                state.durable = batch.last
                let due = state.waiters.filter { $0.commit <= batch.last }
                state.waiters.removeAll { $0.commit <= batch.last }
                return due
            }
            for waiter in due { waiter.call(failure == nil) }
        }
    }
}
