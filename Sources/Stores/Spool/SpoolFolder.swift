import CSystem
import Dispatch
import Glibc
import Jobs
import Synchronization

/// A spool file that is being taken: `spool/tmp/<job>-<number>.part`.
struct SpoolPart: Hashable, Sendable {
    let job: JobID
    let number: Int
    var fileName: String { "\(job)-\(number).part" }
}

/// What tests let fail.
package struct SystemCalls: Sendable {
    package var fsync: @Sendable (CInt) -> CInt
    /// Opens a folder to make it durable.
    package var openFolder: @Sendable (String) -> CInt = { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }

    package init(fsync: @escaping @Sendable (CInt) -> CInt = { Glibc.fsync($0) }) { self.fsync = fsync }
}

/// The bodies that are too large for the database, as files named by their hash: `spool/ab/<64 hex digits>`, and beside
/// them in `spool/tmp` what is still being written.
///
/// Everything that may block runs on queues of its own, so that no event loop and no shared thread waits for a disk.
final class SpoolFolder: Sendable {
    let path: String
    let calls: SystemCalls
    private let memory: StoreMemory
    private let queues: [DispatchQueue]
    private let nextQueue = Atomic(0)
    let holds = Mutex(Holds())
    let verified = VerifiedFiles()
    /// Folders whose names are not known to be durable.
    private let unsynced = Mutex<Set<String>>([])
    private let letGo = Mutex<(@Sendable (ContentHash) -> Void)?>(nil)

    /// Told of a body whose last hold is gone: it may be that nothing names it.
    var onLetGo: (@Sendable (ContentHash) -> Void)? {
        get { letGo.withLock { $0 } }
        set { letGo.withLock { $0 = newValue } }
    }

    init(path: String, memory: StoreMemory, calls: SystemCalls) throws(StoreError) {
        self.path = path
        self.calls = calls
        self.memory = memory
        queues = (0..<4).map { DispatchQueue(label: "port77.spool.\($0)") }
        try Self.makeFolder(path)
        try Self.makeFolder(path + "/tmp")
        try Self.syncFolder(path)
    }

    /// A queue for one body; its calls come one after the other.
    func queue() -> DispatchQueue {
        queues[(nextQueue.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max) % queues.count]
    }

    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        let queue = queue()
        return await withUnsafeContinuation { continuation in queue.async { continuation.resume(returning: body()) } }
    }

    static func run<Value: Sendable>(
        on queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Value
    ) async throws(StoreError) -> Value {
        let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
            queue.async {
                do {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(StoreError(catching: error)))
                }
            }
        }
        return try result.get()
    }

    // MARK: Places

    func temporaryPath() -> String {
        path + "/tmp/body-\(String(UInt64.random(in: .min ... .max), radix: 36)).tmp"
    }

    func partPath(_ part: SpoolPart) -> String { "\(path)/tmp/\(part.fileName)" }

    func finalPath(_ hash: ContentHash) -> String { "\(path)/\(hash.hex.prefix(2))/\(hash.hex)" }

    // MARK: Writing

    /// Gives a file that is complete and fsynced its final name, durably. A file that has the name already holds the
    /// same octets and is replaced, which also heals it if it was damaged.
    func install(_ source: String, as hash: ContentHash, keepingSource: Bool) throws(StoreError) {
        let target = finalPath(hash)
        let folder = "\(path)/\(hash.hex.prefix(2))"
        try makeDurably(folder)
        var name = source
        if keepingSource {
            name = temporaryPath()
            guard link(source, name) == 0 else { throw .systemCall("link", source) }
        }
        guard rename(name, target) == 0 else {
            let error = StoreError.systemCall("rename", name)
            if keepingSource { unlink(name) }
            throw error
        }
        // Two names of one file: rename has done nothing.
        if keepingSource { unlink(name) }
        try syncOrStop(folder)
    }

    /// Makes a folder of the spool. Until its name is durable everyone who puts a file there sees to that: the one who made it
    /// may have failed, or not be so far.
    private func makeDurably(_ folder: String) throws(StoreError) {
        let isNew = try unsynced.withLock { names throws(StoreError) in
            if try Self.makeFolder(folder) { names.insert(folder) }
            return names.contains(folder)
        }
        guard isNew else { return }
        try syncOrStop(path)
        unsynced.withLock { _ = $0.remove(folder) }
    }

    /// What a folder holds after a failed fsync is anybody's guess. One that could not be opened (no descriptor left) is as it
    /// was: nothing rests on it, and the next attempt does all of it again.
    func syncOrStop(_ folder: String) throws(StoreError) {
        let descriptor = calls.openFolder(folder)
        guard descriptor >= 0 else { throw .systemCall("open", folder) }
        defer { close(descriptor) }
        guard calls.fsync(descriptor) == 0 else {
            let error = StoreError.systemCall("fsync", folder)
            stop(error)
            throw error
        }
    }

    func stop(_ error: StoreError) {
        if case .unavailable(let words) = error { memory.stop(words) }
    }

    /// A writer that goes on behind what is durable. Reads that part, for its hash.
    func resume(
        _ part: SpoolPart, durable: Int, writer commits: GroupCommit
    ) async throws(StoreError) -> SpoolWriter {
        let queue = queue()
        return try await Self.run(on: queue) {
            let path = self.partPath(part)
            let writer = SpoolWriter(spool: self, queue: queue, part: .init(part: part, path: path, commits: commits))
            if durable > 0, let file = OpenFile(path, O_RDWR), try file.size() >= durable {
                try writer.takeOver(file, octets: durable)
            }
            return writer
        }
    }

    /// Files of parts that are committed or given up.
    func remove(_ parts: [SpoolPart]) {
        let paths = parts.map(partPath)
        queue().async { for path in paths { unlink(path) } }
    }

    // MARK: Reading

    /// Bodies up to this are read and checked before a client hears the first octet: damage is then an answer that says so,
    /// not one that breaks off.
    private static let mostReadAtOnce = 256 * 1024

    func reader(
        of body: StoredBody, found: @escaping @Sendable (SpoolFile.Condition) async -> Void
    ) async throws(StoreError) -> any BodyReader {
        let queue = queue()
        let what = body.place.words
        let reader = try await Self.run(on: queue) {
            guard let file = OpenFile(self.finalPath(body.hash), O_RDONLY) else {
                if errno == ENOENT { throw StoreError.corrupt(what: "\(what): its file is missing") }
                throw StoreError.systemCall("open", self.finalPath(body.hash))
            }
            guard try file.size() == body.octets else {
                throw StoreError.corrupt(what: "\(what): its file has another length")
            }
            return FileReader(file: file, body: body, spool: self, queue: queue, found: found)
        }
        guard body.octets <= Self.mostReadAtOnce else { return reader }
        return InlineReader(hash: body.hash, content: try await reader.read(from: 0, count: body.octets))
    }

    // MARK: Folders

    /// - Returns: whether it had to be made.
    @discardableResult
    static func makeFolder(_ path: String) throws(StoreError) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        if errno == EEXIST { return false }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolder(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 { return true }
        }
        throw .systemCall("mkdir", path)
    }

    static func syncFolder(_ path: String) throws(StoreError) {
        guard let folder = OpenFile(path, O_RDONLY | O_DIRECTORY) else { throw .systemCall("open", path) }
        guard fsync(folder.descriptor) == 0 else { throw .systemCall("fsync", path) }
    }
}

extension StoreError {
    /// What `errno` says about a call. Clients read it, so it tells the file's name and not where the data folder is.
    static func systemCall(_ name: String, _ path: String) -> StoreError {
        let number = errno
        let file = path.split(separator: "/").last ?? "the spool folder"
        return .unavailable("\(name) \(file): \(String(cString: strerror(number))).")
    }
}

/// An open file, closed with its last owner.
final class OpenFile: Sendable {
    let descriptor: CInt

    /// nil: see `errno`.
    init?(_ path: String, _ flags: CInt) {
        // Not through the property: a failed init that has set it runs `deinit`, whose close changes `errno`.
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        if descriptor < 0 { return nil }
        self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    func size() throws(StoreError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .systemCall("fstat", "a spool file") }
        return Int(status.st_size)
    }

    func write(_ octets: [UInt8], at offset: Int) throws(StoreError) {
        var done = 0
        while done < octets.count {
            let count = octets.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, off_t(offset + done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .systemCall("write", "a spool file")
            }
            done += count
        }
    }

    /// - Returns: `count` octets, fewer only at the end of the file.
    func read(at offset: Int, count: Int) throws(StoreError) -> [UInt8] {
        var failed = false
        let octets = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = 0
            while filled < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                failed = got < 0
                if got <= 0 { return }
                filled += got
            }
        }
        if failed { throw .systemCall("read", "a spool file") }
        return octets
    }
}
