import CSystem
import Glibc

/// Spare buffers of one loop, so that an idle connection holds none and a busy one allocates none.
final class ChunkPool {
    static let chunkBytes = 16 * 1024
    /// At most 1 MiB lies idle.
    private static let mostSpare = 64
    private var spare: [UnsafeMutableRawPointer] = []

    deinit { for chunk in spare { chunk.deallocate() } }

    func take() -> UnsafeMutableRawPointer {
        spare.popLast() ?? .allocate(byteCount: ChunkPool.chunkBytes, alignment: 16)
    }

    func give(_ chunk: UnsafeMutableRawPointer) {
        if spare.count < ChunkPool.mostSpare { spare.append(chunk) } else { chunk.deallocate() }
    }
}

/// Bytes on their way out, in order: small pieces packed into chunks, large arrays as they are.
struct OutgoingQueue: ~Copyable {
    private enum Segment {
        case chunk(UnsafeMutableRawPointer, start: Int, end: Int)
        case array([UInt8], start: Int)

        var count: Int {
            switch self {
            case .chunk(_, let start, let end): end - start
            case .array(let bytes, let start): bytes.count - start
            }
        }
    }

    enum Sent {
        case bytes(Int, all: Bool)
        case blocked
        case failed(CInt)
    }

    /// From this size on an array is queued, not copied.
    static let copyBelow = 4096
    /// A chunk that holds no more is copied when an array comes behind it: the size line of a piece is not to cost 16 KiB.
    private static let leastSealed = 1024
    /// Pieces handed to the kernel in one call.
    private static let mostPieces = 16

    private(set) var count = 0
    private let pool: ChunkPool
    /// What stands before the tail; most answers fit in the tail alone, and this stays without storage.
    private var segments: [Segment] = []
    private var head = 0
    private var tail: UnsafeMutableRawPointer?
    private var tailStart = 0
    private var tailEnd = 0

    init(pool: ChunkPool) { self.pool = pool }

    deinit {
        for index in head..<segments.count { if case .chunk(let chunk, _, _) = segments[index] { pool.give(chunk) } }
        if let tail { pool.give(tail) }
    }

    var isEmpty: Bool { count == 0 }

    // MARK: in

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while let base = rest.baseAddress, rest.count > 0 {
            let room = reserve(1)
            guard let target = room.baseAddress else { return }
            let part = min(room.count, rest.count)
            target.copyMemory(from: base, byteCount: part)
            commit(part)
            rest = UnsafeRawBufferPointer(rebasing: rest[part...])
        }
    }

    mutating func append(_ bytes: [UInt8]) {
        if bytes.count < OutgoingQueue.copyBelow {
            bytes.withUnsafeBytes { append($0) }
        } else {
            sealTail()
            segments.append(.array(bytes, start: 0))
            count += bytes.count
        }
    }

    /// Room for at least `bytes` (up to a chunk) at the end; `commit` says how much of it was filled.
    mutating func reserve(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        precondition(bytes <= ChunkPool.chunkBytes)
        if tail != nil, ChunkPool.chunkBytes - tailEnd < bytes { sealTail() }
        let chunk: UnsafeMutableRawPointer
        if let tail { chunk = tail } else { chunk = pool.take() }
        tail = chunk
        return UnsafeMutableRawBufferPointer(start: chunk + tailEnd, count: ChunkPool.chunkBytes - tailEnd)
    }

    mutating func commit(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= ChunkPool.chunkBytes - tailEnd)
        tailEnd += bytes
        count += bytes
        if tailEnd == tailStart { releaseTail() }
    }

    private mutating func sealTail() {
        guard let chunk = tail else { return }
        let used = tailEnd - tailStart
        if used > OutgoingQueue.leastSealed {
            segments.append(.chunk(chunk, start: tailStart, end: tailEnd))
            tail = nil
            tailStart = 0
            tailEnd = 0
        } else {
            let few = UnsafeRawBufferPointer(start: chunk + tailStart, count: used)
            if used > 0 { segments.append(.array(Array(few), start: 0)) }
            releaseTail()
        }
    }

    private mutating func releaseTail() {
        if let tail { pool.give(tail) }
        tail = nil
        tailStart = 0
        tailEnd = 0
    }

    // MARK: out

    /// One system call.
    mutating func send(to socket: CInt) -> Sent {
        let offered: Int
        let sent: Int
        if head == segments.count, let tail {
            offered = tailEnd - tailStart
            sent = Glibc.send(socket, tail + tailStart, offered, Int32(MSG_NOSIGNAL))
        } else {
            (offered, sent) = withUnsafeTemporaryAllocation(of: iovec.self, capacity: OutgoingQueue.mostPieces) {
                gather($0, 0, 0, socket)
            }
        }
        guard sent >= 0 else {
            let number = errno
            return number == EAGAIN || number == EINTR ? .blocked : .failed(number)
        }
        consume(sent)
        return .bytes(sent, all: sent == offered)
    }

    /// Fills the vector one piece a level of recursion, because an array lends its bytes for the time of a call only.
    private func gather(
        _ vector: UnsafeMutableBufferPointer<iovec>, _ used: Int, _ total: Int, _ socket: CInt
    ) -> (Int, Int) {
        let index = head + used
        if used < vector.count, index < segments.count {
            switch segments[index] {
            case .chunk(let chunk, let start, let end):
                vector[used] = iovec(iov_base: chunk + start, iov_len: end - start)
                return gather(vector, used + 1, total + end - start, socket)
            case .array(let bytes, let start):
                return bytes.withUnsafeBytes { raw in
                    let piece = raw[start...]
                    vector[used] = iovec(
                        iov_base: UnsafeMutableRawPointer(
                            mutating: UnsafeRawBufferPointer(rebasing: piece).baseAddress),
                        iov_len: piece.count)
                    return gather(vector, used + 1, total + piece.count, socket)
                }
            }
        }
        var pieces = used
        var offered = total
        if used < vector.count, index == segments.count, let tail, tailEnd > tailStart {
            vector[used] = iovec(iov_base: tail + tailStart, iov_len: tailEnd - tailStart)
            pieces += 1
            offered += tailEnd - tailStart
        }
        var message = msghdr()
        message.msg_iov = vector.baseAddress
        message.msg_iovlen = pieces
        return (offered, sendmsg(socket, &message, Int32(MSG_NOSIGNAL)))
    }

    /// The first contiguous piece, for TLS, which takes one at a time.
    func withFirst<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if head < segments.count {
            switch segments[head] {
            case .chunk(let chunk, let start, let end):
                return body(UnsafeRawBufferPointer(start: chunk + start, count: end - start))
            case .array(let bytes, let start):
                return bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            }
        }
        guard let tail else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return body(UnsafeRawBufferPointer(start: tail + tailStart, count: tailEnd - tailStart))
    }

    mutating func consume(_ bytes: Int) {
        precondition(bytes >= 0 && bytes <= count)
        count -= bytes
        var rest = bytes
        while rest > 0, head < segments.count {
            let size = segments[head].count
            if rest < size {
                switch segments[head] {
                case .chunk(let chunk, let start, let end):
                    segments[head] = .chunk(chunk, start: start + rest, end: end)
                case .array(let bytes, let start): segments[head] = .array(bytes, start: start + rest)
                }
                return
            }
            if case .chunk(let chunk, _, _) = segments[head] { pool.give(chunk) }
            // Frees an array as soon as it is sent, not when the whole queue is.
            segments[head] = .array([], start: 0)
            head += 1
            rest -= size
        }
        if head == segments.count {
            if !segments.isEmpty { segments = [] }
            head = 0
        } else if head >= 64 {
            segments.removeFirst(head)
            head = 0
        }
        tailStart += rest
        if tailStart == tailEnd { releaseTail() }
    }

    mutating func removeAll() {
        consume(count)
    }
}
