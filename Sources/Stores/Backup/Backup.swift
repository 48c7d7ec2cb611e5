import Crypto
import GRDB
import Glibc
package import Jobs

/// Copies a data folder while a gateway works in it.
///
/// The database is copied in one read transaction, so the copy is the store after one of its commits, and with SQLite's
/// log what a reader sees is on disk already. Then come the bodies that the copy names: they never change, but one may
/// be purged meanwhile; then the database is copied anew. The folder appears under its name when all of it is durable.
package enum Backup {
    /// Purges that come between are answered by another copy of the database, so often.
    private static let mostTries = 8

    /// - Parameters:
    ///   - data: the data folder of a gateway, running or not.
    ///   - target: must not exist.
    package static func make(of data: String, into target: String, at time: Timestamp) throws(BackupError)
        -> BackupManifest
    {
        var path = target
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard access(data + "/port77.db", R_OK) == 0 else {
            throw BackupError("\(data) is no data folder of a gateway")
        }
        guard access(path, F_OK) != 0 else {
            throw BackupError("\(path) exists already; a backup makes its own folder")
        }
        let partial = "\(path).partial-\(getpid())"
        do {
            try SpoolFolder.makeFolder(partial)
            let manifest = try fill(partial, from: data, at: time)
            guard rename(partial, path) == 0 else { throw StoreError.systemCall("rename", path) }
            try SpoolFolder.syncFolder(path.contains("/") ? parent(of: path) : ".")
            return manifest
        } catch {
            remove(partial)
            throw BackupError(catching: error)
        }
    }

    private static func fill(_ folder: String, from data: String, at time: Timestamp) throws -> BackupManifest {
        try SpoolFolder.makeFolder(folder + "/spool/tmp")
        var copied: [ContentHash: BackupManifest.File] = [:]
        for attempt in 1... {
            let contents = try copyDatabase(of: data, to: folder)
            var lacking: [ContentHash] = []
            var gone: [ContentHash] = []
            for (hash, octets) in contents.bodies where copied[hash] == nil {
                let path = "spool/\(hash.hex.prefix(2))/\(hash.hex)"
                if let file = try copy(path, from: data, to: folder) {
                    if file.hash == hash, file.octets == octets { copied[hash] = file } else { lacking.append(hash) }
                } else if try isNamed(hash, in: data) {
                    lacking.append(hash)
                } else {
                    gone.append(hash)
                }
            }
            var parts: [BackupManifest.File] = []
            for part in contents.parts {
                // One that has gone meanwhile was completed or given up: a restored gateway takes it anew from its host.
                if let file = try copy("spool/tmp/\(part.name)", from: data, to: folder, most: part.octets) {
                    parts.append(file)
                }
            }
            if !gone.isEmpty, attempt < mostTries {
                for part in parts { unlink("\(folder)/\(part.path)") }
                continue
            }
            guard gone.isEmpty else {
                throw BackupError(
                    "jobs are purged faster than they can be copied; try again when the gateway is calmer")
            }
            let named = Set(contents.bodies.keys)
            for (hash, file) in copied where !named.contains(hash) {
                unlink("\(folder)/\(file.path)")
                copied[hash] = nil
            }
            var files = copied.values.sorted { $0.path < $1.path } + parts
            for name in ["port77.db", "instance-secret"] {
                let file = try name == "port77.db" ? finish(name, in: folder) : copy(name, from: data, to: folder)
                if let file { files.insert(file, at: 0) }
            }
            for hash in lacking { unlink("\(folder)/spool/\(hash.hex.prefix(2))/\(hash.hex)") }
            let manifest = BackupManifest(
                madeAt: time, lastEvent: contents.lastEvent, jobs: contents.jobs, files: files,
                lacking: lacking.sorted { $0.hex < $1.hex })
            try write(manifest.bytes, to: "\(folder)/\(BackupManifest.fileName)")
            try syncFolders(below: folder)
            return manifest
        }
        throw BackupError("unreachable")
    }

    // MARK: the database

    struct Contents {
        var lastEvent: Int64
        var jobs: Int
        /// Bodies in files, with their lengths.
        var bodies: [ContentHash: Int] = [:]
        var parts: [(name: String, octets: Int)] = []

        init(_ connection: SQLConnection) throws {
            lastEvent = try connection.first("SELECT max(sequence) FROM events") { $0.int64(0) } ?? 0
            jobs = try connection.first("SELECT count(*) FROM jobs") { $0.int(0) } ?? 0
            let bodies = try connection.rows(Queries.bodiesInFiles) { (try $0.hash(0), $0.int(1)) }
            self.bodies = Dictionary(bodies) { first, _ in first }
            parts = try connection.rows(
                "SELECT j.id, p.number, p.octets FROM spool_parts p JOIN jobs j ON j.row = p.job"
            ) {
                (SpoolPart(job: try $0.jobID(0), number: $0.int(1)).fileName, $0.int(2))
            }
        }
    }

    private static func copyDatabase(of data: String, to folder: String) throws -> Contents {
        let path = folder + "/port77.db"
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        let source = try DatabaseQueue(path: data + "/port77.db", configuration: configuration)
        let target = try DatabaseQueue(path: path)
        try source.backup(to: target, pagesPerStep: -1)
        try source.close()
        let contents = try target.inDatabase { database in
            // One file, that can be read without making others beside it; the gateway turns its log on again.
            try database.execute(sql: "PRAGMA journal_mode = DELETE")
            return try Contents(SQLConnection(database: database))
        }
        try target.close()
        return contents
    }

    private static func isNamed(_ hash: ContentHash, in data: String) throws -> Bool {
        let source = try DatabaseQueue(path: data + "/port77.db")
        defer { try? source.close() }
        return try source.read {
            try SQLConnection(database: $0).first(Queries.bodyIsNamed, [.hash(hash)]) { _ in true } ?? false
        }
    }

    // MARK: files

    /// Copies, hashes and fsyncs.
    /// - Returns: nil when there is no such file.
    private static func copy(
        _ path: String, from data: String, to folder: String, most: Int = .max
    ) throws -> BackupManifest.File? {
        guard let source = OpenFile("\(data)/\(path)", O_RDONLY) else {
            if errno == ENOENT { return nil }
            throw StoreError.systemCall("open", path)
        }
        try SpoolFolder.makeFolder(parent(of: "\(folder)/\(path)"))
        guard let target = OpenFile("\(folder)/\(path)", O_RDWR | O_CREAT | O_TRUNC) else {
            throw StoreError.systemCall("open", path)
        }
        var hasher = SHA256()
        var octets = 0
        while octets < most {
            let piece = try source.read(at: octets, count: min(1 << 20, most - octets))
            if piece.isEmpty { break }
            try target.write(piece, at: octets)
            hasher.update(data: piece)
            octets += piece.count
        }
        guard fsync(target.descriptor) == 0 else { throw StoreError.systemCall("fsync", path) }
        return BackupManifest.File(path: path, octets: octets, hash: ContentHash(hasher.finalize()))
    }

    private static func finish(_ path: String, in folder: String) throws -> BackupManifest.File {
        guard let file = OpenFile("\(folder)/\(path)", O_RDWR) else { throw StoreError.systemCall("open", path) }
        guard fsync(file.descriptor) == 0 else { throw StoreError.systemCall("fsync", path) }
        return try measure(path, file)
    }

    static func measure(_ path: String, _ file: OpenFile) throws -> BackupManifest.File {
        var hasher = SHA256()
        var octets = 0
        while true {
            let piece = try file.read(at: octets, count: 1 << 20)
            if piece.isEmpty { break }
            hasher.update(data: piece)
            octets += piece.count
        }
        return BackupManifest.File(path: path, octets: octets, hash: ContentHash(hasher.finalize()))
    }

    private static func write(_ octets: [UInt8], to path: String) throws {
        guard let file = OpenFile(path, O_RDWR | O_CREAT | O_TRUNC) else { throw StoreError.systemCall("open", path) }
        try file.write(octets, at: 0)
        guard fsync(file.descriptor) == 0 else { throw StoreError.systemCall("fsync", path) }
    }

    private static func syncFolders(below folder: String) throws {
        for name in try SpoolFolder.names(in: folder + "/spool") {
            try SpoolFolder.syncFolder("\(folder)/spool/\(name)")
        }
        try SpoolFolder.syncFolder(folder + "/spool")
        try SpoolFolder.syncFolder(folder)
    }

    private static func parent(of path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return parts == [""] ? "/" : parts.joined(separator: "/")
    }

    /// What a backup that failed leaves behind; only folders of the depth that it makes.
    private static func remove(_ folder: String) {
        for inner in ["/spool", ""] {
            for name in (try? SpoolFolder.names(in: folder + inner)) ?? [] {
                let path = "\(folder)\(inner)/\(name)"
                for file in (try? SpoolFolder.names(in: path)) ?? [] { unlink("\(path)/\(file)") }
                if unlink(path) != 0 { rmdir(path) }
            }
        }
        rmdir(folder)
    }
}

extension BackupError {
    init(catching error: any Error) {
        switch error {
        case let error as BackupError: self = error
        default:
            if case .unavailable(let words) = StoreError(catching: error) {
                self.init(words)
            } else {
                self.init("\(error)")
            }
        }
    }
}

extension Queries {
    /// Like `bodyIsNamed`, all of them.
    static let bodiesInFiles = """
        SELECT hash, octets FROM decks INDEXED BY decks_in_files WHERE body IS NULL AND condition <> 'purged'
        UNION SELECT hash, octets FROM spool_files INDEXED BY spool_files_in_files
        WHERE body IS NULL AND condition <> 'purged'
        UNION SELECT hash, octets FROM unclaimed INDEXED BY unclaimed_in_files WHERE body IS NULL
        """
}
