import Crypto
import Dispatch
import Glibc
import Jobs
import Synchronization

/// A body from a database row, checked when it was read.
final class InlineReader: BodyReader {
    let hash: ContentHash
    private let content: [UInt8]

    init(hash: ContentHash, content: [UInt8]) {
        self.hash = hash
        self.content = content
    }

    var octets: Int { content.count }

    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
        guard offset >= 0, offset < content.count, count > 0 else { return [] }
        if offset == 0, count >= content.count { return content }
        return Array(content[offset..<offset + min(count, content.count - offset)])
    }
}

/// A body from a file. No octet behind a gap is handed out before the whole is known to be what its hash says: reading on
/// from the start is checked on the way, and the last piece is kept back when the sum is wrong; a reader that jumps waits
/// until the rest has been checked.
final class FileReader: BodyReader {
    private enum Check {
        /// So many octets from the start are in the hash.
        case hashing(SHA256, Int)
        case sound
        case corrupt
    }

    /// Read and checked in one go by a jump, so that nobody else on the queue waits long.
    private static let pieceOctets = 4 << 20

    let hash: ContentHash
    let octets: Int
    private let what: String
    private let file: OpenFile
    private let spool: SpoolFolder
    private let queue: DispatchQueue
    private let check = Mutex(Check.hashing(SHA256(), 0))
    private let found: @Sendable (SpoolFile.Condition) async -> Void

    /// - Parameter found: told what reading to the end has shown.
    init(
        file: OpenFile, body: StoredBody, spool: SpoolFolder, queue: DispatchQueue,
        found: @escaping @Sendable (SpoolFile.Condition) async -> Void
    ) {
        self.file = file
        self.spool = spool
        self.queue = queue
        self.found = found
        hash = body.hash
        octets = body.octets
        what = body.place.words
    }

    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
        guard offset >= 0, offset < octets, count > 0 else { return [] }
        while true {
            let piece = try await step(offset, min(count, octets - offset))
            if let piece { return piece }
        }
    }

    /// - Returns: nil when a piece was checked and the one wanted has not come yet.
    private func step(_ offset: Int, _ wanted: Int) async throws(StoreError) -> [UInt8]? {
        let (piece, verdict) = try await SpoolFolder.run(on: queue) { [self] in
            var start = offset
            var length = wanted
            if case .hashing(_, let hashed) = check.withLock({ $0 }), hashed != offset {
                if spool.verified.has(hash, file) {
                    check.withLock { $0 = .sound }
                } else {
                    start = hashed
                    length = min(Self.pieceOctets, octets - hashed)
                }
            }
            let piece = try file.read(at: start, count: length)
            let verdict = check.withLock { take(piece, at: start, wanted: length, into: &$0) }
            if verdict == .sound { spool.verified.add(hash, file) }
            return (start == offset && length == wanted ? piece : nil, verdict)
        }
        if let verdict { await found(verdict) }
        let isCorrupt = check.withLock { if case .corrupt = $0 { true } else { false } }
        if isCorrupt { throw .corrupt(what: what) }
        return piece
    }

    /// - Returns: what became known by this piece.
    private func take(
        _ piece: [UInt8], at offset: Int, wanted: Int, into check: inout Check
    ) -> SpoolFile.Condition? {
        switch check {
        case .corrupt: return nil
        case _ where piece.count < wanted:
            check = .corrupt
            return .corrupt
        case .hashing(var hasher, let hashed) where hashed == offset:
            hasher.update(data: piece)
            guard hashed + piece.count == octets else {
                check = .hashing(hasher, hashed + piece.count)
                return nil
            }
            #if SEEDED_BUG_7  // the hash is not looked at
                let isSound = ContentHash(hasher.finalize()) == hash || octets > 0
            #else
                let isSound = ContentHash(hasher.finalize()) == hash
            #endif
            check = isSound ? .sound : .corrupt
            return isSound ? .sound : .corrupt
        case .hashing, .sound: return nil
        }
    }
}

/// Files that this process has read whole and found sound, as they then were: a client that asks for parts of a large
/// print-out does not have it read whole for each.
final class VerifiedFiles: Sendable {
    private struct Stamp: Equatable {
        let inode: ino_t
        let size: off_t
        let seconds: Int
        let nanoseconds: Int
    }

    private static let most = 4096
    private let stamps = Mutex<[ContentHash: Stamp]>([:])

    func has(_ body: ContentHash, _ file: OpenFile) -> Bool {
        let stamp = Self.stamp(of: file)
        return stamp != nil && stamps.withLock { $0[body] } == stamp
    }

    func add(_ body: ContentHash, _ file: OpenFile) {
        guard let stamp = Self.stamp(of: file) else { return }
        stamps.withLock { stamps in
            if stamps.count >= Self.most { stamps.removeAll() }
            stamps[body] = stamp
        }
    }

    private static func stamp(of file: OpenFile) -> Stamp? {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { return nil }
        return Stamp(
            inode: status.st_ino, size: status.st_size, seconds: status.st_mtim.tv_sec,
            nanoseconds: status.st_mtim.tv_nsec)
    }
}
