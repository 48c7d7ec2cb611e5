import GRDB
import GRDBSQLite
import Jobs

/// A value on its way into a statement.
enum SQLValue {
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    static func int(_ value: Int) -> SQLValue { .int(Int64(value)) }
    static func optional(_ value: Int?) -> SQLValue { value.map { .int(Int64($0)) } ?? .null }
    static func optional(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
    static func time(_ value: Timestamp?) -> SQLValue { value.map { .int($0.microseconds) } ?? .null }
    static func id(_ value: JobID) -> SQLValue { .blob(value.octets) }
    static func hash(_ value: ContentHash) -> SQLValue { .blob(value.octets) }
    static func optional(_ value: ContentHash?) -> SQLValue { value.map { .hash($0) } ?? .null }
}

extension JobID {
    /// Big-endian, so that the order of the blobs is the order of the IDs.
    var octets: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            UnsafeMutableRawBufferPointer(buffer).storeBytes(of: bits.bigEndian, as: UInt128.self)
            count = 16
        }
    }

    init?(octets: [UInt8]) {
        guard octets.count == 16 else { return nil }
        self.init(bits: octets.withUnsafeBytes { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
    }
}

/// What SQLite said, with its extended code.
struct SQLError: Error, Equatable {
    let code: CInt
    let message: String

    init(code: CInt, message: String) {
        self.code = code
        self.message = message
    }

    init(_ connection: SQLiteConnection?) {
        code = sqlite3_extended_errcode(connection)
        message = String(cString: sqlite3_errmsg(connection))
    }

    /// After this no later write may be acknowledged. A failed fsync may have dropped pages that the kernel now calls
    /// clean, so trying again proves nothing; a damaged database does not mend itself.
    var isLasting: Bool {
        switch code {
        case SQLError.ioError(4), SQLError.ioError(5): true  // SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC
        default: code & 0xFF == SQLITE_CORRUPT || code & 0xFF == SQLITE_NOTADB
        }
    }

    var storeError: StoreError {
        let words =
            switch code & 0xFF {
            case SQLITE_FULL: "The disk is full"
            case SQLITE_IOERR: isLasting ? "The disk failed to make a write durable" : "The disk failed"
            case SQLITE_CORRUPT, SQLITE_NOTADB: "The database is damaged"
            case SQLITE_CANTOPEN: "A database file cannot be opened"
            case SQLITE_READONLY: "The database is read-only"
            default: "The database refused"
            }
        return .unavailable("\(words): \(message) (SQLite \(code)).")
    }

    /// `SQLITE_IOERR | number << 8`, which the C header spells as a macro that Swift does not see.
    static func ioError(_ number: CInt) -> CInt { SQLITE_IOERR | number << 8 }
}

extension StoreError {
    /// Translates what a closure over a connection threw.
    init(catching error: any Error) {
        switch error {
        case let error as StoreError: self = error
        case let error as SQLError: self = error.storeError
        case let error as DatabaseError:
            self = SQLError(code: error.extendedResultCode.rawValue, message: error.message ?? "").storeError
        default: self = .unavailable("\(error)")
        }
    }
}

/// Statements on one connection, bound and read through the C API: no boxes, no dictionaries on the way. Prepared
/// statements come from GRDB's cache of the connection.
struct SQLConnection {
    let database: Database

    /// Runs a statement that returns no rows.
    /// - Returns: how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ values: [SQLValue] = []) throws -> Int {
        let statement = try prepared(sql, values)
        defer { sqlite3_reset(statement) }
        let code = sqlite3_step(statement)
        guard code == SQLITE_DONE || code == SQLITE_ROW else { throw SQLError(database.sqliteConnection) }
        return Int(sqlite3_changes(database.sqliteConnection))
    }

    /// Rows of a query, as `read` makes them; rows for which it answers nil are left out and do not count.
    func rows<Element>(
        _ sql: String, _ values: [SQLValue] = [], most: Int = .max, _ read: (SQLRow) throws -> Element?
    ) throws -> [Element] {
        let statement = try prepared(sql, values)
        defer { sqlite3_reset(statement) }
        var elements: [Element] = []
        while elements.count < most {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                if let element = try read(SQLRow(statement: statement)) { elements.append(element) }
            case SQLITE_DONE: return elements
            default: throw SQLError(database.sqliteConnection)
            }
        }
        return elements
    }

    func first<Element>(_ sql: String, _ values: [SQLValue] = [], _ read: (SQLRow) throws -> Element?) throws
        -> Element?
    {
        try rows(sql, values, most: 1, read).first
    }

    /// Runs text that is no query of ours to cache: transaction control and pragmas.
    func execute(_ sql: String) throws {
        guard sqlite3_exec(database.sqliteConnection, sql, nil, nil, nil) == SQLITE_OK else {
            throw SQLError(database.sqliteConnection)
        }
    }

    var lastRow: Int64 { sqlite3_last_insert_rowid(database.sqliteConnection) }

    /// False also when SQLite has rolled back on its own, as it does after some I/O errors.
    var isInTransaction: Bool { sqlite3_get_autocommit(database.sqliteConnection) == 0 }

    private func prepared(_ sql: String, _ values: [SQLValue]) throws -> OpaquePointer {
        let statement = try database.cachedStatement(sql: sql).sqliteStatement
        var at: CInt = 0
        for value in values {
            at += 1
            let code =
                switch value {
                case .null: sqlite3_bind_null(statement, at)
                case .int(let value): sqlite3_bind_int64(statement, at, value)
                case .text(let value): sqlite3_bind_text(statement, at, value, CInt(value.utf8.count), Self.transient)
                case .blob(let value):
                    value.isEmpty
                        ? sqlite3_bind_zeroblob(statement, at, 0)
                        : sqlite3_bind_blob(statement, at, value, CInt(clamping: value.count), Self.transient)
                }
            guard code == SQLITE_OK else { throw SQLError(database.sqliteConnection) }
        }
        return statement
    }

    /// `SQLITE_TRANSIENT`: SQLite copies before the bind returns.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}

/// The row a statement stands on; valid inside the closure that gets it.
struct SQLRow {
    let statement: OpaquePointer

    func isNull(_ column: CInt) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
    func int64(_ column: CInt) -> Int64 { sqlite3_column_int64(statement, column) }
    func int(_ column: CInt) -> Int { Int(int64(column)) }
    func optionalInt(_ column: CInt) -> Int? { isNull(column) ? nil : int(column) }
    func time(_ column: CInt) -> Timestamp { Timestamp(microseconds: int64(column)) }
    func optionalTime(_ column: CInt) -> Timestamp? { isNull(column) ? nil : time(column) }

    func optionalText(_ column: CInt) -> String? {
        guard let text = sqlite3_column_text(statement, column) else { return nil }
        let octets = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, column)))
        return String(decoding: octets, as: UTF8.self)
    }

    func text(_ column: CInt) -> String { optionalText(column) ?? "" }

    /// nil for NULL, empty for an empty blob.
    func optionalBlob(_ column: CInt) -> [UInt8]? {
        guard !isNull(column) else { return nil }
        guard let blob = sqlite3_column_blob(statement, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: blob, count: Int(sqlite3_column_bytes(statement, column))))
    }

    func blob(_ column: CInt) -> [UInt8] { optionalBlob(column) ?? [] }

    func jobID(_ column: CInt) throws -> JobID { try require(JobID(octets: blob(column)), "a job ID") }
    func hash(_ column: CInt) throws -> ContentHash { try require(ContentHash(octets: blob(column)), "a hash") }
    func optionalHash(_ column: CInt) throws -> ContentHash? { try isNull(column) ? nil : hash(column) }

    /// What cannot be read as what it must be was not written by this program.
    func require<Value>(_ value: Value?, _ what: String) throws(StoreError) -> Value {
        guard let value else { throw .corrupt(what: "\(what) in the database") }
        return value
    }
}
