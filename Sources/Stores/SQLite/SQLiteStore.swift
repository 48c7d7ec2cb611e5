import Glibc
import GRDB
import GRDBSQLite
import Jobs
import Synchronization

/// The store in one SQLite file and a folder beside it. Every write goes through `GroupCommit`, every read through a
/// pool of readers, and the jobs used last lie in memory.
package final class SQLiteStore: JobStore {
    let pool: DatabasePool
    let memory = StoreMemory()
    let writer: GroupCommit
    let spool: SpoolFolder
    private let checkpointer: Checkpointer
    private let lock: FolderLock
    /// What was found out of place when the store was opened.
    package let openReport: OpenReport

    /// Opens the store in a folder, or makes a new one. Blocks: for the start of a program.
    ///
    /// - Throws: `StoreOpeningError`.
    package init(folder: String, calls: SystemCalls = SystemCalls()) throws(StoreOpeningError) {
        let began = ContinuousClock.now
        do {
            try SpoolFolder.makeFolder(folder)
            lock = try FolderLock(folder: folder)
            let path = folder + "/port77.db"
            spool = try SpoolFolder(path: folder + "/spool", memory: memory, calls: calls)
            let log = LogCheck(folder: folder, database: path)
            pool = try Self.openPool(path: path)
            try Self.migrate(pool)
            try SpoolFolder.syncFolder(folder)
            checkpointer = try Checkpointer(path: path)
            let checkpointer = checkpointer
            try pool.writeWithoutTransaction { database in
                // GRDB has set NORMAL when it turned WAL on, whatever the configuration asked for.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try checkpointer.install(on: database)
                try Self.require("synchronous", "2", on: database)
                try Self.require("journal_mode", "wal", on: database)
                try Self.require("foreign_keys", "1", on: database)
                #if SEEDED_BUG_1  // no fsync before the 201
                    try database.execute(sql: "PRAGMA synchronous = OFF")
                #endif
            }
            let spool = spool
            writer = GroupCommit(
                pool: pool, memory: memory, checkpointer: checkpointer,
                mark: CommitMark(folder: folder, log: path + "-wal"), onFinishedParts: { spool.remove($0) },
                onReleasedBodies: { spool.removeUnnamed($0, $1) })
            let commits = writer
            spool.onLetGo = { [weak commits] in commits?.letGo($0) }
            let memory = memory
            let report = try pool.read { database in
                let connection = SQLConnection(database: database)
                var contents = try StoreMemory.Contents(connection)
                let rolledBack = log.rolledBack(found: contents.lastSequence)
                // Followers have heard numbers up to there: none of them is given to another event.
                if let rolledBack { contents.lastSequence = rolledBack.acknowledged }
                memory.contents.withLock { $0 = contents }
                var report = try spool.inspect(connection)
                report.rolledBack = rolledBack
                return report
            }
            try pool.writeWithoutTransaction { database in
                try spool.noteMissing(report, SQLConnection(database: database))
            }
            openReport = report
            writer.figures.withLock { $0.openingTime = .now - began }
        } catch {
            throw StoreOpeningError(catching: error, folder: folder)
        }
    }

    private static func openPool(path: String) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "port77.store"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(10)
        configuration.maximumReaderCount = 4
        configuration.persistentReadOnlyConnections = true
        configuration.prepareDatabase { database in
            // Three decks of 2 KB lie in a page of 8 KiB, one in a page of 4: a third less disk for the same work.
            try database.execute(sql: "PRAGMA page_size = 8192; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY")
        }
        return try DatabasePool(path: path, configuration: configuration)
    }

    private static func migrate(_ pool: DatabasePool) throws {
        if try pool.read(Schema.migrator.hasBeenSuperseded) { throw StoreOpeningError.newerThanProgram }
        try Schema.migrator.migrate(pool)
    }

    private static func require(_ pragma: String, _ value: String, on database: Database) throws {
        let found = try String.fetchOne(database, sql: "PRAGMA \(pragma)") ?? "nothing"
        guard found == value else { throw StoreOpeningError.notDurable(pragma: pragma, value: found) }
    }

    // MARK: Running

    package var health: StoreHealth { memory.contents.withLock { $0.health } }

    package func observe(_ observer: @escaping @Sendable ([Committed]) -> Void) { writer.observe(observer) }

    package func checkWritable() async throws(StoreError) {
        if let refusal = memory.writeRefusal() { throw refusal }
        let last = memory.contents.withLock { $0.lastWrite }
        if let last, .now - last < .seconds(1) { return }
        _ = try await writer.write { try $0.run("UPDATE probe SET writes = writes + 1") }
    }

    package func close() async {
        let isFirst = memory.contents.withLock { contents in
            defer { contents.health = .closed }
            return contents.health != .closed
        }
        guard isFirst else { return }
        await withUnsafeContinuation { continuation in
            // After the last batch: what is waiting is answered with `.closed`.
            pool.asyncWriteWithoutTransaction { [checkpointer] database in
                checkpointer.uninstall(from: database)
                continuation.resume()
            }
        }
        await spool.run { [checkpointer, pool, lock] in
            checkpointer.close()
            try? pool.close()
            lock.release()
        }
    }

    /// Acknowledges no write any more, for a fault that trying again cannot heal.
    package func stop(because why: String) { memory.stop(why) }

    /// Reads, or sets and reads, a pragma of the writer's connection, for diagnosis.
    package func writerPragma(_ text: String) async throws(StoreError) -> String? {
        let result: Result<String?, StoreError> = await withUnsafeContinuation { continuation in
            pool.asyncWriteWithoutTransaction { database in
                do {
                    continuation.resume(returning: .success(try String.fetchOne(database, sql: "PRAGMA \(text)")))
                } catch {
                    continuation.resume(returning: .failure(StoreError(catching: error)))
                }
            }
        }
        return try result.get()
    }

    /// Runs `body` on a reader, in a snapshot of its own, off the caller's thread.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (SQLConnection) throws -> Value
    ) async throws(StoreError) -> Value {
        if memory.isClosed { throw .closed }
        let memory = memory
        let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
            pool.asyncRead { database in
                do {
                    let value = try body(SQLConnection(database: try database.get()))
                    continuation.resume(returning: .success(value))
                } catch {
                    continuation.resume(returning: .failure(memory.isClosed ? .closed : StoreError(catching: error)))
                }
            }
        }
        return try result.get()
    }
}

/// Why a store cannot be opened, in words for the operator.
package enum StoreOpeningError: Error, Equatable, CustomStringConvertible {
    case usedByAnother(folder: String, process: String)
    case newerThanProgram
    /// SQLite did not accept what the promises rest on.
    case notDurable(pragma: String, value: String)
    case failed(folder: String, String)

    init(catching error: any Error, folder: String) {
        switch error {
        case let error as StoreOpeningError: self = error
        case StoreError.unavailable(let words): self = .failed(folder: folder, words)
        default: self = .failed(folder: folder, "\(error)")
        }
    }

    package var description: String {
        switch self {
        case .usedByAnother(let folder, let process):
            "The data folder \(folder) is in use by another gateway (process \(process)): two would send jobs twice."
        case .newerThanProgram:
            "The database was written by a newer version of port77; this one would misread it. Install that version, or restore a backup."
        case .notDurable(let pragma, let value):
            "SQLite answers \(value) for \(pragma): an acknowledged job could be lost at a power failure."
        case .failed(let folder, let words): "The data folder \(folder) cannot be used: \(words)"
        }
    }
}

/// Keeps a second gateway out of the folder, until the process ends however it ends.
final class FolderLock: Sendable {
    private let descriptor: Mutex<CInt>

    init(folder: String) throws(StoreOpeningError) {
        let path = folder + "/lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .failed(folder: folder, "\(path): \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var text = [UInt8](repeating: 0, count: 16)
            let count = max(0, pread(descriptor, &text, text.count, 0))
            _ = Glibc.close(descriptor)
            throw .usedByAnother(folder: folder, process: String(decoding: text[..<count], as: UTF8.self))
        }
        let text = Array("\(getpid())".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    func release() {
        descriptor.withLock {
            if $0 >= 0 { _ = Glibc.close($0) }
            $0 = -1
        }
    }
}

extension StoreMemory.Contents {
    /// What a store that was just opened holds.
    init(_ connection: SQLConnection) throws {
        lastSequence = try connection.first("SELECT max(sequence) FROM events") { $0.int64(0) } ?? 0
        _ = try connection.rows("SELECT kind, host, state, count FROM counters") { row in
            switch row.text(0) {
            case "octets": storedOctets[row.text(1)] = row.int(3)
            case TallyKey.kind: tallies[TallyKey(owner: row.text(1), rest: row.text(2))] = row.int(3)
            case "jobs":
                let state = try row.require(JobState(rawValue: row.text(2)), "a job state")
                jobCounts[.init(host: row.text(1), state: state)] = row.int(3)
            default: deliveryCounts[try row.require(DeliveryState(rawValue: row.text(2)), "a state")] = row.int(3)
            }
            return Never?.none
        }
        backlogs = try .counted(on: connection)
        damagedDecks = Set(try connection.rows(Queries.damagedDecks, [.int(-1)]) { try $0.jobID(0) })
        _ = try connection.rows(Queries.activeJobEndpoints, []) { row in
            jobEndpoints[row.int64(3), default: []].append(
                StoredEndpoint(
                    row: row.int64(0), owner: row.text(1), events: row.text(2).split(separator: " ").map(String.init)))
            return Never?.none
        }
        _ = try connection.rows(Queries.halfStopped, []) { row in
            stopping[row.int64(0)] = row.text(1) == "deleted" ? .canceled : .paused
            return Never?.none
        }
        for stored in try connection.rows(Queries.activeEndpoints, [], { try StoredEndpoint($0) }) {
            replace(stored.row, by: stored)
        }
    }
}
