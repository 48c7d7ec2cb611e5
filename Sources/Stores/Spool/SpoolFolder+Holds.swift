import Dispatch
import Glibc
import Jobs
import Synchronization

/// Bodies that were staged and that no commit names yet, counted: two jobs may stage the same octets, and what one job
/// lets go the other may be about to name.
struct Holds {
    private var counts: [ContentHash: Int] = [:]

    mutating func add(_ body: ContentHash) { counts[body, default: 0] += 1 }

    /// - Returns: whether nobody holds it any more.
    mutating func remove(_ body: ContentHash) -> Bool {
        let left = (counts[body] ?? 1) - 1
        counts[body] = left > 0 ? left : nil
        return left <= 0
    }

    func has(_ body: ContentHash) -> Bool { counts[body] != nil }
}

extension SpoolFolder {
    /// Taken before the body gets its final name: a removal that was decided earlier has then moved the old file away, one
    /// that is decided later sees the hold.
    func hold(_ body: ContentHash) -> BodyHold {
        holds.withLock { $0.add(body) }
        return BodyHold { [self] in
            if holds.withLock({ $0.remove(body) }) { onLetGo?(body) }
        }
    }

    /// Moves files away under the lock of the holds, where it is quick, and removes them after.
    func removeUnheld(_ bodies: [ContentHash]) {
        var trash: [String] = []
        for body in bodies {
            let name = temporaryPath()
            let isMoved = holds.withLock { !$0.has(body) && rename(finalPath(body), name) == 0 }
            if isMoved { trash.append(name) }
        }
        if trash.isEmpty { return }
        queue().async { [trash] in for path in trash { unlink(path) } }
    }
}
