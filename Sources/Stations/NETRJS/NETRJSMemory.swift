import Protocols
import Synchronization

/// What outlives a session: which names are taken at the host, and how far a broken stream had come.
final class NETRJSMemory: Sendable {
    struct Live: Sendable {
        /// RJS534 was heard; until then the reader has it.
        var isAccepted = false
        /// A listing that began before is no proof that the job is gone.
        var since: ContinuousClock.Instant
    }

    /// The records of a stream that broke off, by number and hash; the stream that follows must begin with them.
    struct Broken: Sendable {
        var records: Int
        var hash: RecordHash
        /// How often what followed did not begin so.
        var refusals = 0
    }

    struct StreamID: Hashable, Sendable {
        let device: NETRJS.Device
        let job: String
    }

    private struct State {
        var live: [String: Live] = [:]
        var broken: [StreamID: Broken] = [:]
    }

    private let state = Mutex(State())
    private static let mostBroken = 1_000

    /// - Returns: the job that has the name; nil when the name is now the caller's.
    func reserve(_ name: String) -> Live? {
        state.withLock { state in
            if let live = state.live[name] { return live }
            state.live[name] = Live(since: .now)
            return nil
        }
    }

    func accepted(_ name: String) {
        state.withLock { $0.live[name] = Live(isAccepted: true, since: .now) }
    }

    func release(_ name: String) { state.withLock { $0.live[name] = nil } }
    func live(_ name: String) -> Live? { state.withLock { $0.live[name] } }

    func broke(_ stream: StreamID, after records: Int, _ hash: RecordHash) {
        state.withLock { state in
            guard state.broken.count < Self.mostBroken else { return }
            if let before = state.broken[stream], before.records >= records { return }
            state.broken[stream] = Broken(records: records, hash: hash)
        }
    }

    func broken(_ stream: StreamID) -> Broken? { state.withLock { $0.broken[stream] } }
    func refused(_ stream: StreamID) { state.withLock { $0.broken[stream]?.refusals += 1 } }
    func whole(_ stream: StreamID) { state.withLock { $0.broken[stream] = nil } }
}

/// FNV-1a over records: equal beginnings have equal hashes.
struct RecordHash: Equatable, Sendable {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ record: [UInt8]) {
        for octet in record { value = (value ^ UInt64(octet)) &* 0x100_0000_01B3 }
        value = (value ^ 0x100) &* 0x100_0000_01B3
    }
}
