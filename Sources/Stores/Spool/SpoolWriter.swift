import Crypto
import Dispatch
import Glibc
import Jobs
import Synchronization

/// Takes one body: in memory as long as it is small, in a file of `spool/tmp` from then on.
final class SpoolWriter: BodyWriter {
    /// A spool file that can be resumed; nil for a staged body, which a crash forgets.
    struct Part: Sendable {
        let part: SpoolPart
        let path: String
        let commits: GroupCommit

        /// Makes the durable length known to the store; nil: there is nothing to resume.
        func record(octets: Int?) async throws(StoreError) {
            let part = part
            try await commits.write { try $0.recordPart(part, octets: octets) }
        }
    }

    private struct State {
        /// Not in the file yet.
        var pending: [UInt8] = []
        var hasher = SHA256()
        var file: OpenFile?
        /// Of a staged body.
        var path = ""
        /// Octets in the file and in the hash.
        var written = 0
        var failure: StoreError?
        var isEnded = false
    }

    private let spool: SpoolFolder
    private let queue: DispatchQueue
    private let part: Part?
    /// Used by one caller at a time and by the queue on its behalf; the lock is never contended.
    private let state = Mutex(State())
    private let taken = Atomic(0)

    init(spool: SpoolFolder, queue: DispatchQueue? = nil, part: Part? = nil) {
        self.spool = spool
        self.queue = queue ?? spool.queue()
        self.part = part
    }

    /// A staged body that nobody finished goes with its writer; a part stays for a later one.
    deinit {
        let leftover = state.withLock { $0.isEnded || part != nil || $0.file == nil ? nil : $0.path }
        if let leftover { queue.async { unlink(leftover) } }
    }

    var octets: Int { taken.load(ordering: .relaxed) }

    func append(_ piece: [UInt8]) async throws(StoreError) {
        let (isFull, failure) = state.withLock { state in
            state.pending += piece
            return (state.pending.count > StagedBody.mostInlineOctets, state.failure)
        }
        if let failure { throw failure }
        taken.wrappingAdd(piece.count, ordering: .relaxed)
        if isFull { try await perform { try self.flush(&$0) } }
    }

    func checkpoint() async throws(StoreError) {
        guard let part else { return }
        let octets = try await perform { state in
            try self.flush(&state)
            // What the kernel dropped it may call written now: no later checkpoint could be believed.
            try self.sync(state)
            return state.written
        }
        try await part.record(octets: octets)
    }

    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
        // Somebody may read while the file is taken: whoever asks is not to wait for the disk on his own thread.
        let inMemory = state.withLockIfAvailable { state in
            state.file == nil ? Self.part(of: state.pending, offset, count) : nil
        }
        if let inMemory = inMemory.flatMap({ $0 }) { return inMemory }
        return try await perform { state in
            if state.file == nil { return Self.part(of: state.pending, offset, count) }
            try self.flush(&state)
            guard let file = state.file, offset >= 0, offset < state.written, count > 0 else { return [] }
            return try file.read(at: offset, count: min(count, state.written - offset))
        }
    }

    private static func part(of octets: [UInt8], _ offset: Int, _ count: Int) -> [UInt8] {
        Array(octets.dropFirst(max(0, offset)).prefix(max(0, count)))
    }

    func finish() async throws(StoreError) -> StagedBody {
        let small = state.withLock { state -> [UInt8]? in
            guard state.file == nil, state.failure == nil else { return nil }
            state.isEnded = true
            return state.pending
        }
        if let small { return .inline(small) }
        return try await perform { state in
            try self.flush(&state)
            if state.written <= StagedBody.mostInlineOctets, let file = state.file {
                state.isEnded = true
                return .inline(try file.read(at: 0, count: state.written))
            }
            #if !SEEDED_BUG_6  // the file is renamed without an fsync
                try self.sync(state)
            #endif
            let hash = ContentHash(state.hasher.finalize())
            let hold = self.spool.hold(hash)
            // A part keeps its name until a commit names the body: a crash in between resumes it.
            try self.spool.install(self.part?.path ?? state.path, as: hash, keepingSource: self.part != nil)
            state.isEnded = true
            return StagedBody(hash: hash, octets: state.written, content: .file, hold: hold)
        }
    }

    func discard() async {
        let path = state.withLock { state -> String? in
            defer { state.isEnded = true }
            return state.isEnded || state.file == nil ? nil : part?.path ?? state.path
        }
        taken.store(0, ordering: .relaxed)
        // The row first: a row without its file would be a promise broken, a file without its row is swept up.
        if let part { try? await part.record(octets: nil) }
        if let path { queue.async { unlink(path) } }
    }

    /// Goes on with a file of which `octets` are durable; what lies behind them is cut off. On the queue.
    func takeOver(_ file: OpenFile, octets: Int) throws(StoreError) {
        guard ftruncate(file.descriptor, off_t(octets)) == 0 else { throw .systemCall("ftruncate", "a spool file") }
        var hasher = SHA256()
        var at = 0
        while at < octets {
            let piece = try file.read(at: at, count: min(1 << 20, octets - at))
            if piece.isEmpty { throw .corrupt(what: "a spool file under way") }
            hasher.update(data: piece)
            at += piece.count
        }
        taken.store(octets, ordering: .relaxed)
        let resumed = hasher
        state.withLock {
            $0.file = file
            $0.hasher = resumed
            $0.written = octets
        }
    }

    /// Runs `body` on the queue; its failure is final for this body.
    private func perform<Value: Sendable>(
        _ body: @escaping @Sendable (inout State) throws -> Value
    ) async throws(StoreError) -> Value {
        try await SpoolFolder.run(on: queue) { [self] in
            let result = state.withLock { state -> Result<Value, StoreError> in
                if let failure = state.failure { return .failure(failure) }
                do {
                    return .success(try body(&state))
                } catch {
                    let failure = StoreError(catching: error)
                    state.failure = failure
                    return .failure(failure)
                }
            }
            return try result.get()
        }
    }

    private func flush(_ state: inout State) throws(StoreError) {
        let file: OpenFile
        if let open = state.file {
            file = open
        } else {
            let path = part?.path ?? spool.temporaryPath()
            guard let made = OpenFile(path, O_RDWR | O_CREAT | O_TRUNC) else { throw .systemCall("open", path) }
            if part != nil { try spool.syncOrStop(spool.path + "/tmp") }
            state.path = path
            state.file = made
            file = made
        }
        try file.write(state.pending, at: state.written)
        state.hasher.update(data: state.pending)
        state.written += state.pending.count
        state.pending.removeAll(keepingCapacity: true)
    }

    /// A failure ends all writes of the store: what the kernel dropped it may call written the next time, and a disk that
    /// failed here may have failed for the database as well.
    private func sync(_ state: State) throws(StoreError) {
        guard let file = state.file, spool.calls.fsync(file.descriptor) != 0 else { return }
        let error = StoreError.systemCall("fsync", part?.path ?? state.path)
        spool.stop(error)
        throw error
    }
}
