import GRDB
import Jobs
import Stores
import TestKit
import Testing

/// An index of which a bit was flipped leads to a row of another job.
@Suite struct SQLiteStaleIndexTests {
    private static let index = "sqlite_autoindex_spool_files_1"

    /// Changes rows of `spool_files` behind the back of its index: SQLite is made to forget the index for as long.
    private static func change(_ folder: String, _ statement: String) throws {
        let path = folder + "/port77.db"
        func edit(_ work: (Database) throws -> Void) throws {
            let queue = try DatabaseQueue(path: path)
            try queue.inDatabase { try work($0) }
            try queue.close()
        }
        var root = 0
        try edit { database in
            root = try Int.fetchOne(database, sql: "SELECT rootpage FROM sqlite_schema WHERE name = '\(index)'") ?? 0
            try database.execute(
                sql: """
                    PRAGMA writable_schema = ON;
                    DELETE FROM sqlite_schema WHERE name = '\(index)';
                    UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE (job, number)', 'CHECK (job <> -1)')
                    WHERE name = 'spool_files';
                    """)
        }
        #expect(root > 1)
        try edit { try $0.execute(sql: statement) }
        try edit { database in
            try database.execute(
                sql: """
                    PRAGMA writable_schema = ON;
                    UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (job <> -1)', 'UNIQUE (job, number)')
                    WHERE name = 'spool_files';
                    INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
                    VALUES ('index', '\(index)', 'spool_files', \(root), NULL);
                    """)
        }
    }

    @Test(arguments: [
        "UPDATE spool_files SET job = 3 - job",
        "UPDATE spool_files SET number = 7 WHERE job = 1",
        "DELETE FROM spool_files WHERE job = 1",
    ])
    func `an output of another job is not listed`(_ statement: String) async throws {
        let folder = try TemporaryFolder()
        let store = try SQLiteStore(folder: folder.path)
        for number in 1...2 {
            try await store.submit(try Sample.job(number, owner: "owner-\(number)"))
            try await store.takeToPrinting(Sample.id(number))
            try await store.act(
                .finished(.completed(0)), on: Sample.id(number),
                files: [Sample.file(Sample.id(number), 1, body: .inline([UInt8(number)]), ddName: "OF\(number)")])
            #expect(try await store.spoolFiles(of: Sample.id(number)).map(\.ddName) == ["OF\(number)"])
        }
        await store.close()
        try Self.change(folder.path, statement)
        let damaged = try SQLiteStore(folder: folder.path)
        let corrupt = StoreError.corrupt(what: "the index that leads to the outputs of job \(Sample.id(1))")
        await #expect(throws: corrupt) { try await damaged.spoolFiles(of: Sample.id(1)) }
        #expect(try await damaged.job(Sample.id(1))?.outputs == 1)
        await damaged.close()
    }
}
