import Dispatch
import GRDB
import GRDBSQLite
import Jobs
import Synchronization

/// The one writer. Operations that arrive while a commit is under way wait together and are committed together, with
/// one fsync for all of them; an operation that comes to an idle writer waits for nobody.
///
/// All of it runs on the serial queue of GRDB's writer connection, so what happens after a commit (memory, observers,
/// answers) happens in the order of the commits.
final class GroupCommit: Sendable {
    private struct Waiting {
        var writes: [any PendingWrite] = []
        var isDraining = false
    }

    /// Operations in one transaction: bounds how long the first of them waits for the last.
    private static let mostInBatch = 128

    private let pool: DatabasePool
    private let memory: StoreMemory
    private let checkpointer: Checkpointer
    private let mark: CommitMark
    private let waiting = Mutex(Waiting())
    let figures = Mutex(StoreFigures())
    private let observers = Mutex<[@Sendable ([Committed]) -> Void]>([])
    /// Told of parts of spool files that a commit made superfluous.
    private let onFinishedParts: @Sendable ([SpoolPart]) -> Void
    /// Told of bodies that a commit may have let go, on the writer's queue.
    private let onReleasedBodies: @Sendable ([ContentHash], SQLConnection) -> Void

    init(
        pool: DatabasePool, memory: StoreMemory, checkpointer: Checkpointer, mark: CommitMark,
        onFinishedParts: @escaping @Sendable ([SpoolPart]) -> Void,
        onReleasedBodies: @escaping @Sendable ([ContentHash], SQLConnection) -> Void
    ) {
        self.pool = pool
        self.memory = memory
        self.checkpointer = checkpointer
        self.mark = mark
        self.onFinishedParts = onFinishedParts
        self.onReleasedBodies = onReleasedBodies
    }

    func observe(_ observer: @escaping @Sendable ([Committed]) -> Void) { observers.withLock { $0.append(observer) } }

    /// Performs `body` inside a transaction, perhaps with others, and returns after the commit is durable. `body` checks
    /// before it writes; it may be called twice, when the first transaction was rolled back for somebody else's fault.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (WriteTransaction) throws -> Value
    ) async throws(StoreError) -> Value {
        if let refusal = memory.writeRefusal() { throw refusal }
        let result = await withUnsafeContinuation { continuation in
            enqueue(Write(body: body, continuation: continuation))
        }
        return try result.get()
    }

    private func enqueue(_ write: any PendingWrite) {
        let mustStart = waiting.withLock { waiting in
            waiting.writes.append(write)
            defer { waiting.isDraining = true }
            return !waiting.isDraining
        }
        if mustStart { pool.asyncWriteWithoutTransaction { self.drain($0) } }
    }

    private func drain(_ database: Database) {
        while let batch = nextBatch() {
            perform(batch, on: SQLConnection(database: database))
            if let error = checkpointer.afterCommit(on: database), error.isLasting { stop(error) }
        }
    }

    private func nextBatch() -> [any PendingWrite]? {
        waiting.withLock { waiting in
            guard !waiting.writes.isEmpty else {
                waiting.isDraining = false
                return nil
            }
            let batch = Array(waiting.writes.prefix(Self.mostInBatch))
            waiting.writes.removeFirst(batch.count)
            return batch
        }
    }

    private func perform(_ batch: [any PendingWrite], on connection: SQLConnection) {
        if let refusal = memory.writeRefusal() {
            for write in batch { write.resolve(failure: refusal) }
            return
        }
        let transaction = WriteTransaction(connection, memory: memory)
        let began = ContinuousClock.now
        do {
            try transaction.begin()
            for write in batch {
                let writesBefore = transaction.writes
                let error = write.perform(in: transaction)
                // It left half of its work, or took the transaction with it.
                if let error, transaction.writes != writesBefore || !transaction.isOpen { throw error }
            }
            let syncing = ContinuousClock.now
            try transaction.commit()
            let ended = ContinuousClock.now
            figures.withLock {
                $0.commits.add(ended - began)
                $0.syncs.add(ended - syncing)
                $0.operations += batch.count
            }
        } catch {
            transaction.rollBack()
            if let error = error as? SQLError, error.isLasting { stop(error) }
            guard batch.count > 1 else {
                for write in batch { write.resolve(failure: StoreError(catching: error)) }
                return
            }
            // Nothing is committed: each on its own, so that only the one at fault fails.
            for write in batch { perform([write], on: connection) }
            return
        }
        mark.committed(frames: checkpointer.frames, sequence: transaction.lastSequence)
        memory.publish(transaction)
        if !transaction.committed.isEmpty {
            for observer in observers.withLock({ $0 }) { observer(transaction.committed) }
        }
        if !transaction.finishedParts.isEmpty { onFinishedParts(transaction.finishedParts) }
        for write in batch { write.resolve(failure: nil) }
        #if SEEDED_BUG_2 || SEEDED_BUG_4 || SEEDED_BUG_5
            for write in transaction.laterWrites { Task { try await self.write(write) } }
        #endif
        if !transaction.releasedBodies.isEmpty { onReleasedBodies(transaction.releasedBodies, connection) }
    }

    /// A staged body was let go: looks whether a row names it. Between two commits, so that none can come to name it meanwhile.
    func letGo(_ body: ContentHash) {
        guard !memory.isClosed else { return }
        pool.asyncWriteWithoutTransaction { [self] database in
            // What a failed commit has left in the log may name it after a restart.
            guard memory.writeRefusal() == nil else { return }
            onReleasedBodies([body], SQLConnection(database: database))
        }
    }

    private func stop(_ error: SQLError) {
        guard case .unavailable(let words) = error.storeError else { return }
        memory.stop(words)
    }
}

private protocol PendingWrite: AnyObject, Sendable {
    /// - Returns: why it did not do its work; a failure of its own is also kept as its answer.
    func perform(in transaction: WriteTransaction) -> (any Error)?
    /// Answers the caller, after the commit (nil) or instead of one.
    func resolve(failure: StoreError?)
}

// @unchecked: made by the caller, then touched by the writer's queue alone.
private final class Write<Value: Sendable>: PendingWrite, @unchecked Sendable {
    private let body: @Sendable (WriteTransaction) throws -> Value
    private let continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
    private var answer: Result<Value, StoreError>?

    init(
        body: @escaping @Sendable (WriteTransaction) throws -> Value,
        continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
    ) {
        self.body = body
        self.continuation = continuation
    }

    func perform(in transaction: WriteTransaction) -> (any Error)? {
        do {
            answer = .success(try body(transaction))
            return nil
        } catch {
            answer = .failure(StoreError(catching: error))
            return error
        }
    }

    func resolve(failure: StoreError?) {
        continuation.resume(returning: failure.map { .failure($0) } ?? answer ?? .failure(.closed))
    }
}
