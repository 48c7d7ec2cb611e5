import GRDB
import Glibc
package import Jobs

/// The keys of a data folder, beside the gateway that may be running on it.
///
/// SQLite lets a second process write between two commits of the gateway. Nothing but keys and the audit log is written here:
/// of these the gateway keeps nothing in memory that it would not look up again (`keysVersion`).
package final class KeyFile: KeyStore {
    private let queue: DatabaseQueue
    /// For a transaction's sake; it stays empty.
    private let memory = StoreMemory()

    /// Makes the store when there is none yet. Blocks: for the start of a program.
    ///
    /// - Throws: `StoreOpeningError`.
    package init(folder: String) async throws(StoreOpeningError) {
        do {
            let path = folder + "/port77.db"
            if try !Self.isReady(path) {
                // Made, or brought to this version, as the gateway itself would; refused while an older one runs.
                let store = try SQLiteStore(folder: folder)
                await store.close()
            }
            queue = try Self.open(path)
        } catch {
            throw StoreOpeningError(catching: error, folder: folder)
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "port77.keys"
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { database in
            // Copying the log is the gateway's work.
            try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func isReady(_ path: String) throws -> Bool {
        guard access(path, F_OK) == 0 else { return false }
        let queue = try open(path)
        defer { try? queue.close() }
        return try queue.read { database in
            if try Schema.migrator.hasBeenSuperseded(database) { throw StoreOpeningError.newerThanProgram }
            return try Schema.migrator.hasCompletedMigrations(database)
        }
    }

    /// Whether a data folder has keys, good ones or not; makes nothing.
    package static func hasKeys(folder: String) -> Bool {
        let path = folder + "/port77.db"
        guard (try? isReady(path)) == true, let queue = try? open(path) else { return false }
        defer { try? queue.close() }
        return (try? queue.read { try !SQLConnection(database: $0).keys().isEmpty }) ?? false
    }

    package func close() { try? queue.close() }

    private func read<Value>(_ body: (SQLConnection) throws -> Value) throws(StoreError) -> Value {
        do {
            return try queue.read { try body(SQLConnection(database: $0)) }
        } catch {
            throw StoreError(catching: error)
        }
    }

    private func write<Value>(_ body: (WriteTransaction) throws -> Value) throws(StoreError) -> Value {
        do {
            return try queue.writeWithoutTransaction { database in
                let transaction = WriteTransaction(SQLConnection(database: database), memory: memory)
                try transaction.begin()
                do {
                    let value = try body(transaction)
                    try transaction.commit()
                    return value
                } catch {
                    transaction.rollBack()
                    throw error
                }
            }
        } catch {
            throw StoreError(catching: error)
        }
    }

    package func keys() async throws(StoreError) -> [StoredKey] { try read { try $0.keys() } }

    package func keysVersion() async throws(StoreError) -> Int64 { try read { try $0.keysVersion() } }

    package func addKey(_ key: StoredKey, audit: AuditEntry) async throws(StoreError) {
        try write { try $0.addKey(key, audit: audit) }
    }

    package func revokeKey(
        _ id: String, at time: Timestamp, audit: AuditEntry
    ) async throws(StoreError) -> StoredKey? {
        try write { try $0.revokeKey(id, at: time, audit: audit) }
    }

    package func rotateKey(
        _ id: String, to new: StoredKey, oldEnd: Timestamp, audit: AuditEntry
    ) async throws(StoreError) -> Bool {
        try write { try $0.rotateKey(id, to: new, oldEnd: oldEnd, audit: audit) }
    }

    package func noteKeyUses(_ uses: [String: Timestamp]) async throws(StoreError) {
        try write { try $0.noteKeyUses(uses) }
    }
}
