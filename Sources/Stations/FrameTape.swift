package import Jobs
import Synchronization

/// Records what goes over the lines to a host on behalf of one job: the first frames and the last, the middle counted.
///
/// Whoever works for a job sets it as the current one of his task; the stations find it there. What a session carries for
/// others at the same time is not recorded: a station knows which call each frame belongs to.
package final class FrameTape: Sendable {
    @TaskLocal package static var current: FrameTape?

    private struct State {
        var log = FrameLog()
        var firstCost = 0
        var lastCost = 0
        /// Frames of `log.last` that were dropped and are still in the array, at its beginning.
        var dropped = 0
        var sessions: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let half: Int

    /// - Parameter limit: octets kept at most, about; half of them for the first frames.
    package init(limit: Int = 256 * 1024) { half = limit / 2 }

    package func add(_ frame: Frame) {
        state.withLock { state in
            if state.log.last.isEmpty, state.firstCost + frame.cost <= half {
                state.log.first.append(frame)
                state.firstCost += frame.cost
                return
            }
            state.log.last.append(frame)
            state.lastCost += frame.cost
            while state.lastCost > half, state.dropped < state.log.last.count {
                let frame = state.log.last[state.dropped]
                state.lastCost -= frame.cost
                state.log.omittedFrames += 1
                state.log.omittedOctets += frame.octets
                state.dropped += 1
            }
            if state.dropped > 1024 {
                state.log.last.removeFirst(state.dropped)
                state.dropped = 0
            }
        }
    }

    func add(data octets: [UInt8], _ direction: Frame.Direction, on channel: Frame.Channel) {
        add(Frame(at: WallClock.system.now(), direction, on: channel, octets: octets.count, octets, isData: true))
    }

    func add(line: String, _ direction: Frame.Direction) {
        add(Frame(at: WallClock.system.now(), direction, octets: line.utf8.count + 2, line.utf8))
    }

    /// Begins to record a session: how it was signed on goes before everything else of it.
    func join(_ session: SessionHead) {
        let isNew = state.withLock { $0.sessions.insert(session.number).inserted }
        if isNew { for frame in session.frames { add(frame) } }
    }

    package var log: FrameLog {
        state.withLock { state in
            var log = state.log
            log.last.removeFirst(state.dropped)
            return log
        }
    }
}

/// How one session was signed on, for the tapes of all jobs that it carries.
struct SessionHead: Sendable {
    private static let lastNumber = Atomic<UInt64>(0)
    private static let mostCost = 16 * 1024

    let number = SessionHead.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    private(set) var frames: [Frame] = []
    private var cost = 0

    mutating func add(_ frame: Frame) {
        cost += frame.cost
        if cost <= Self.mostCost { frames.append(frame) }
    }
}
