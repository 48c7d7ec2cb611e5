import Crypto
import Dispatch
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

/// A body from a file. Its hash is known when it has been read once from start to end, in pieces of any size.
final class FileReader: BodyReader {
    private struct Check {
        var hasher = SHA256()
        /// Octets from the start that are in the hash.
        var hashed = 0
        var isCorrupt = false
    }

    let hash: ContentHash
    let octets: Int
    private let what: String
    private let file: OpenFile
    private let queue: DispatchQueue
    private let check = Mutex(Check())

    init(file: OpenFile, body: StoredBody, queue: DispatchQueue) {
        self.file = file
        self.queue = queue
        hash = body.hash
        octets = body.octets
        what = body.what
    }

    func read(from offset: Int, count: Int) async throws(StoreError) -> [UInt8] {
        guard offset >= 0, offset < octets, count > 0 else { return [] }
        let wanted = min(count, octets - offset)
        return try await SpoolFolder.run(on: queue) { [self] in
            let piece = try file.read(at: offset, count: wanted)
            let isSound = check.withLock { check in
                if piece.count < wanted { check.isCorrupt = true }
                if offset == check.hashed, !check.isCorrupt {
                    check.hasher.update(data: piece)
                    check.hashed += piece.count
                    if check.hashed == octets { check.isCorrupt = ContentHash(check.hasher.finalize()) != hash }
                }
                return !check.isCorrupt
            }
            guard isSound else { throw StoreError.corrupt(what: what) }
            return piece
        }
    }
}
