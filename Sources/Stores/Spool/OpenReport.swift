import Glibc
package import Jobs

/// What does not fit together in a store that was just opened. Nothing of it stops the store.
package struct OpenReport: Equatable, Sendable {
    /// Files of `spool/tmp` that no row knew; removed.
    package var removedTemporaries: [String]
    /// Bodies on disk that no row names: left by a crash between a body and its commit. Kept.
    package var unclaimedFiles: [ContentHash]
    /// Bodies that a row names and the disk lacks.
    package var missingBodies: [MissingBody]
    /// Commits that were answered for and that the database lost: its log was damaged between two runs.
    package var rolledBack: RolledBack?

    package init(
        removedTemporaries: [String] = [], unclaimedFiles: [ContentHash] = [], missingBodies: [MissingBody] = []
    ) {
        self.removedTemporaries = removedTemporaries
        self.unclaimedFiles = unclaimedFiles
        self.missingBodies = missingBodies
    }

    package struct RolledBack: Equatable, Sendable {
        /// The last event that was answered for, and the last one there was. Equal when only changes without an event are gone.
        package let acknowledged: Int64
        package let found: Int64
        /// The damaged log as it was found; nil when it could not be copied, or was gone.
        package let keptLog: String?
    }

    package enum MissingBody: Hashable, Sendable {
        case deck(JobID)
        case spoolFile(JobID, Int)
        case unclaimed(Int64)
    }

    package var isClean: Bool {
        removedTemporaries.isEmpty && unclaimedFiles.isEmpty && missingBodies.isEmpty && rolledBack == nil
    }
}

extension SpoolFolder {
    /// Compares folder and database, and sweeps `tmp`. Before the store is used.
    func inspect(_ connection: SQLConnection) throws -> OpenReport {
        var report = OpenReport()
        let parts = try connection.rows("SELECT j.id, p.number FROM spool_parts p JOIN jobs j ON j.row = p.job") {
            SpoolPart(job: try $0.jobID(0), number: $0.int(1)).fileName
        }
        let kept = Set(parts)
        for name in try Self.names(in: path + "/tmp") where !kept.contains(name) {
            unlink("\(path)/tmp/\(name)")
            report.removedTemporaries.append(name)
        }

        var files: Set<String> = []
        for folder in try Self.names(in: path) where folder.utf8.count == 2 {
            files.formUnion(try Self.names(in: "\(path)/\(folder)"))
        }
        var claimed: Set<String> = []
        func claim(_ hash: ContentHash, _ body: OpenReport.MissingBody) {
            claimed.insert(hash.hex)
            if !files.contains(hash.hex) { report.missingBodies.append(body) }
        }
        let decks =
            """
            SELECT d.hash, j.id FROM decks d INDEXED BY decks_in_files JOIN jobs j ON j.row = d.job
            WHERE d.body IS NULL AND d.condition <> 'purged'
            """
        _ = try connection.rows(decks) { row in
            claim(try row.hash(0), .deck(try row.jobID(1)))
            return Never?.none
        }
        let spoolFiles = """
            SELECT s.hash, j.id, s.number FROM spool_files s INDEXED BY spool_files_in_files JOIN jobs j ON j.row = s.job
            WHERE s.body IS NULL AND s.condition <> 'purged'
            """
        _ = try connection.rows(spoolFiles) { row in
            claim(try row.hash(0), .spoolFile(try row.jobID(1), row.int(2)))
            return Never?.none
        }
        let streams = "SELECT hash, row FROM unclaimed INDEXED BY unclaimed_in_files WHERE body IS NULL"
        _ = try connection.rows(streams) { row in
            claim(try row.hash(0), .unclaimed(row.int64(1)))
            return Never?.none
        }
        report.unclaimedFiles = files.subtracting(claimed).sorted().compactMap { ContentHash(hex: $0) }
        return report
    }

    /// So that the documents of their jobs tell of bodies that are missing before anybody asks for one.
    func noteMissing(_ report: OpenReport, _ connection: SQLConnection) throws {
        if report.missingBodies.isEmpty { return }
        try connection.execute("BEGIN IMMEDIATE")
        for body in report.missingBodies {
            let job: JobID
            let changed: Int
            switch body {
            case .unclaimed: continue
            case .deck(let id):
                job = id
                changed = try connection.run(
                    """
                    UPDATE decks SET condition = 'corrupt'
                    WHERE job = (SELECT row FROM jobs WHERE id = ?) AND condition = 'sound'
                    """, [.id(id)])
            case .spoolFile(let id, let number):
                job = id
                changed = try connection.run(
                    """
                    UPDATE spool_files SET condition = 'corrupt'
                    WHERE job = (SELECT row FROM jobs WHERE id = ?) AND number = ? AND condition = 'sound'
                    """, [.id(id), .int(number)])
            }
            if changed > 0 { try connection.run("UPDATE jobs SET version = version + 1 WHERE id = ?", [.id(job)]) }
        }
        try connection.execute("COMMIT")
    }

    static func names(in folder: String) throws(StoreError) -> [String] {
        guard let stream = opendir(folder) else { throw .systemCall("opendir", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
