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
///
/// Who reads on from piece to piece finds the next one read and checked already: that is done while he sends the last.
final class FileReader: BodyReader {
    private enum Check {
        /// So many octets from the start are in the hash.
        case hashing(SHA256, Int)
        case sound
        case corrupt
    }

    /// What reading a piece came to.
    private typealias Outcome = Result<(piece: [UInt8]?, isCorrupt: Bool), StoreError>

    /// Pieces behind the one handed out last, in order.
    private struct Ahead {
        var ready: [(range: Range<Int>, outcome: Outcome)] = []
        /// Being read.
        var next: Range<Int>?
        /// The reader has come before it.
        var reader: UnsafeContinuation<Outcome, Never>?
    }

    /// So many that the one who reads and the one who sends seldom wait for each other.
    private static let mostAhead = 2

    /// Read and checked in one go by a jump, so that nobody else on the queue waits long.
    private static let pieceOctets = 4 << 20

    let hash: ContentHash
    let octets: Int
    private let what: String
    private let file: OpenFile
    private let spool: SpoolFolder
    private let queue: DispatchQueue
    private let check = Mutex(Check.hashing(SHA256(), 0))
    private let ahead = Mutex(Ahead())
    /// What the whole has turned out to be, for `found`: known by a piece that the reader may never come to.
    private let untold = Mutex<SpoolFile.Condition?>(nil)
    /// Where the last piece ended.
    private let reachesOn = Atomic(-1)
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
        let range = offset..<offset + min(count, octets - offset)
        while true {
            let (piece, isCorrupt) = try await outcome(of: range).get()
            if let verdict = untold.withLock({ $0.take() }) { await found(verdict) }
            if isCorrupt { throw .corrupt(what: what) }
            guard let piece else { continue }
            if reachesOn.exchange(range.upperBound, ordering: .relaxed) == offset { readAhead(behind: range) }
            return piece
        }
    }

    private func outcome(of range: Range<Int>) async -> Outcome {
        await withUnsafeContinuation { continuation in
            let known: Outcome? = ahead.withLock { ahead in
                if ahead.ready.first?.range == range { return ahead.ready.removeFirst().outcome }
                if ahead.ready.isEmpty, ahead.next == range {
                    ahead.reader = continuation
                    return nil
                }
                // Somewhere else, or what was read ahead is of another size.
                ahead = Ahead()
                queue.async { continuation.resume(returning: self.step(range)) }
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Reads what follows, until enough lies ready.
    private func readAhead(behind range: Range<Int>) {
        let begins = ahead.withLock { ahead in
            guard ahead.next == nil, ahead.ready.count < Self.mostAhead else { return false }
            ahead.next = piece(behind: ahead.ready.last?.range ?? range)
            return ahead.next != nil
        }
        guard begins else { return }
        queue.async { self.readOneAhead() }
    }

    /// One at a time: others on the queue have their turn in between.
    private func readOneAhead() {
        guard let range = ahead.withLock({ $0.next }) else { return }
        let outcome = step(range)
        let (reader, goesOn) = ahead.withLock { ahead -> (UnsafeContinuation<Outcome, Never>?, Bool) in
            // The reader has jumped meanwhile.
            guard ahead.next == range else { return (nil, false) }
            let reader = ahead.reader
            ahead.reader = nil
            if reader == nil { ahead.ready.append((range, outcome)) }
            ahead.next = ahead.ready.count < Self.mostAhead ? piece(behind: range) : nil
            return (reader, ahead.next != nil)
        }
        reader?.resume(returning: outcome)
        if goesOn { queue.async { self.readOneAhead() } }
    }

    private func piece(behind range: Range<Int>) -> Range<Int>? {
        let end = range.upperBound + min(range.count, octets - range.upperBound)
        return range.upperBound < end ? range.upperBound..<end : nil
    }

    /// On the queue. No piece: one was checked, and the one wanted has not come yet.
    private func step(_ wanted: Range<Int>) -> Outcome {
        var range = wanted
        if case .hashing(_, let hashed) = check.withLock({ $0 }), hashed != wanted.lowerBound {
            if spool.verified.has(hash, file) {
                check.withLock { $0 = .sound }
            } else {
                range = hashed..<hashed + min(Self.pieceOctets, octets - hashed)
            }
        }
        do throws(StoreError) {
            let piece = try file.read(at: range.lowerBound, count: range.count)
            var isCorrupt = false
            let verdict = check.withLock { check in
                let verdict = take(piece, at: range.lowerBound, wanted: range.count, into: &check)
                if case .corrupt = check { isCorrupt = true }
                return verdict
            }
            if let verdict { untold.withLock { $0 = verdict } }
            if verdict == .sound { spool.verified.add(hash, file) }
            return .success((range == wanted ? piece : nil, isCorrupt))
        } catch {
            return .failure(error)
        }
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
