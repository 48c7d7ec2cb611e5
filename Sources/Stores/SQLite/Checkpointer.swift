import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Moves the write-ahead log into the database without stalling commits.
///
/// A passive checkpoint on a connection of its own copies the bulk while the writer goes on. It can never catch up with
/// a busy writer, and a log that is not copied whole cannot start again from its beginning; so afterwards the writer
/// copies the short rest itself, between two commits, and the next commit begins the log anew.
final class Checkpointer: Sendable {
    /// Pages of 8 KiB in the log before it is copied: 16 MiB.
    private static let longestLogPages = 2048

    private struct State {
        var isCopying = false
        /// The bulk is copied, the writer may copy the rest.
        var restIsWaiting = false
        var nextAt = longestLogPages
        var failure: SQLError?
    }

    private let queue = DispatchQueue(label: "port77.store.checkpoint", qos: .utility)
    private let database: DatabaseQueue
    private let state = Mutex(State())
    private let logPages = LogPages()

    init(path: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.label = "port77.checkpoint"
        database = try DatabaseQueue(path: path, configuration: configuration)
        try database.inDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0") }
    }

    /// Takes over from SQLite's automatic checkpoint, which would run inside a commit.
    func install(on writer: Database) throws {
        try writer.execute(sql: "PRAGMA wal_autocheckpoint = 0")
        let pages = Unmanaged.passUnretained(logPages).toOpaque()
        sqlite3_wal_hook(
            writer.sqliteConnection,
            { context, _, _, count in
                guard let context else { return SQLITE_OK }
                Unmanaged<LogPages>.fromOpaque(context).takeUnretainedValue().count.store(
                    Int(count), ordering: .relaxed)
                return SQLITE_OK
            }, pages)
    }

    /// In the log, after the writer's last commit.
    var frames: Int { logPages.count.load(ordering: .relaxed) }

    func uninstall(from writer: Database) { sqlite3_wal_hook(writer.sqliteConnection, nil, nil) }

    /// Called on the writer's queue between two commits.
    /// - Returns: what a checkpoint failed with.
    func afterCommit(on writer: Database) -> SQLError? {
        let pages = logPages.count.load(ordering: .relaxed)
        let next = state.withLock { state in
            if let failure = state.failure {
                state.failure = nil
                return Next.report(failure)
            }
            if state.restIsWaiting {
                state.restIsWaiting = false
                state.nextAt = pages + Self.longestLogPages
                return .copyRest
            }
            if pages < Self.longestLogPages { state.nextAt = Self.longestLogPages }
            guard pages >= state.nextAt, !state.isCopying else { return .nothing }
            state.isCopying = true
            return .copyBulk
        }
        switch next {
        case .nothing: return nil
        case .report(let failure): return failure
        case .copyRest: return copy(on: writer)
        case .copyBulk:
            queue.async { [self] in
                let failure = database.inDatabase { copy(on: $0) }
                state.withLock {
                    $0.isCopying = false
                    $0.restIsWaiting = true
                    $0.failure = failure
                }
            }
            return nil
        }
    }

    func close() {
        queue.sync { try? database.close() }
    }

    private enum Next {
        case nothing, copyBulk, copyRest
        case report(SQLError)
    }

    /// Passive: waits for nobody, and copies what no reader still needs.
    private func copy(on database: Database) -> SQLError? {
        let connection = database.sqliteConnection
        let code = sqlite3_wal_checkpoint_v2(connection, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        return code == SQLITE_OK || code & 0xFF == SQLITE_BUSY ? nil : SQLError(connection)
    }
}

private final class LogPages: Sendable {
    let count = Atomic(0)
}
