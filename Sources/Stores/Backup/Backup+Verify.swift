import GRDB
import Glibc
import Jobs

extension Backup {
    /// Reads all of a backup: each file against its hash, the database's own structure, each body against its row, the
    /// events for gaps.
    /// - Returns: the manifest, and every fault in words; none when all is well.
    package static func verify(_ folder: String) throws(BackupError) -> (manifest: BackupManifest, faults: [String]) {
        do {
            guard let file = OpenFile("\(folder)/\(BackupManifest.fileName)", O_RDONLY) else {
                throw BackupError("\(folder) has no manifest.json: it is no backup, or one that was not completed")
            }
            let manifest = try BackupManifest(parsing: try file.read(at: 0, count: try file.size()))
            var faults = try checkFiles(of: manifest, in: folder)
            // A database that is not what was written is not opened: its faults are told already.
            if !faults.contains(where: { $0.hasPrefix("port77.db") }) {
                faults += try checkDatabase(of: manifest, in: folder)
            }
            return (manifest, faults)
        } catch {
            throw BackupError(catching: error)
        }
    }

    private static func checkFiles(of manifest: BackupManifest, in folder: String) throws -> [String] {
        var faults: [String] = []
        if !manifest.files.contains(where: { $0.path == "port77.db" }) { faults.append("port77.db: is not listed") }
        for listed in manifest.files {
            guard let file = OpenFile("\(folder)/\(listed.path)", O_RDONLY) else {
                faults.append("\(listed.path): cannot be opened: \(String(cString: strerror(errno)))")
                continue
            }
            let found = try measure(listed.path, file)
            if found.octets != listed.octets {
                faults.append("\(listed.path): has \(found.octets) octets instead of \(listed.octets)")
            } else if found.hash != listed.hash {
                faults.append("\(listed.path): does not match its checksum")
            }
        }
        return faults
    }

    private static func checkDatabase(of manifest: BackupManifest, in folder: String) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: folder + "/port77.db", configuration: configuration)
        defer { try? queue.close() }
        return try queue.inDatabase { database in
            let connection = SQLConnection(database: database)
            var faults: [String] = []
            let answers = try connection.rows("PRAGMA integrity_check") { $0.text(0) }
            if answers != ["ok"] { faults += answers.map { "port77.db: \($0)" } }
            let orphans = try connection.rows("PRAGMA foreign_key_check") { $0.text(0) }
            faults += Set(orphans).sorted().map { "port77.db: rows of \($0) belong to nothing" }

            let contents = try Contents(connection)
            if contents.lastEvent != manifest.lastEvent || contents.jobs != manifest.jobs {
                faults.append("port77.db: is not the one of the manifest")
            }
            let events = try connection.first("SELECT count(*), max(sequence) - min(sequence) + 1 FROM events") {
                (count: $0.int(0), span: $0.int(1))
            }
            if let events, events.count > 0, events.count != events.span {
                faults.append("port77.db: the events have a gap")
            }
            let listed = Set(manifest.files.map(\.path))
            let lacking = Set(manifest.lacking)
            for hash in contents.bodies.keys where !lacking.contains(hash) {
                let path = "spool/\(hash.hex.prefix(2))/\(hash.hex)"
                if !listed.contains(path) { faults.append("\(path): a job names it, and the backup lacks it") }
            }
            return try faults + checkInlineBodies(connection)
        }
    }

    private static func checkInlineBodies(_ connection: SQLConnection) throws -> [String] {
        func check(_ row: SQLRow, _ place: BodyPlace) throws -> String? {
            let body = try StoredBody(row, place: place)
            // One that the store itself has found damaged is no fault of the backup.
            return body.isSound || body.condition == .corrupt ? nil : "\(place.words): does not match its checksum"
        }
        return try connection.rows(
            """
            SELECT d.hash, d.octets, d.body, d.condition, j.id FROM decks d JOIN jobs j ON j.row = d.job
            WHERE d.body IS NOT NULL
            """
        ) { try check($0, .deck(try $0.jobID(4))) }
            + connection.rows(
                """
                SELECT s.hash, s.octets, s.body, s.condition, j.id, s.number
                FROM spool_files s JOIN jobs j ON j.row = s.job WHERE s.body IS NOT NULL
                """
            ) { try check($0, .file(try $0.jobID(4), $0.int(5))) }
            + connection.rows("SELECT hash, octets, body, 'sound', row FROM unclaimed WHERE body IS NOT NULL") {
                try check($0, .unclaimed($0.int64(4)))
            }
    }
}
