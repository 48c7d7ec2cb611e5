import Glibc
import Synchronization

/// The system's random numbers, fetched many at a time: for identifiers, of which a job has several, and each would cost a call of the
/// kernel. No number is given twice.
package struct PooledRandom: RandomNumberGenerator, Sendable {
    private static let pool = Mutex<[UInt64]>([])
    /// 256 octets, the most that `getentropy` hands out at once.
    private static let fetched = 32

    package init() {}

    package mutating func next() -> UInt64 {
        Self.pool.withLock { pool in
            if pool.isEmpty { pool = Self.fetch() }
            return pool.popLast() ?? .random(in: .min ... .max)
        }
    }

    /// Empty where the kernel has none: then each number is asked for by the way of the standard library.
    private static func fetch() -> [UInt64] {
        [UInt64](unsafeUninitializedCapacity: fetched) { numbers, count in
            guard let begin = numbers.baseAddress else { return }
            count = getentropy(begin, fetched * MemoryLayout<UInt64>.size) == 0 ? fetched : 0
        }
    }
}
