import HTTPCore
import Jobs
import Synchronization

/// What the API counts by itself.
final class Figures: Sendable {
    struct Key: Hashable, Sendable {
        let route: String
        let method: String
        let status: Int
    }

    struct Timing: Sendable {
        var buckets = [UInt64](repeating: 0, count: Figures.bounds.count)
        var count: UInt64 = 0
        var seconds = 0.0
    }

    struct State: Sendable {
        var requests: [Key: UInt64] = [:]
        var timings: [String: Timing] = [:]
        var receivedOctets: UInt64 = 0
        var sentOctets: UInt64 = 0
        var submitted: UInt64 = 0
        var streams = 0
    }

    /// Upper bounds of the duration buckets, in seconds.
    static let bounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]

    let startedAt: Timestamp
    private let state = Mutex(State())

    init(now: Timestamp) { startedAt = now }

    func answered(_ request: AnsweredRequest) {
        // Routes and methods are ours, not the client's: the number of series is bounded.
        let route = request.route ?? "none"
        let method = request.method?.description ?? "other"
        let (whole, fraction) = request.duration.components
        let seconds = Double(whole) + Double(fraction) * 1e-18
        state.withLock { state in
            state.requests[Key(route: route, method: method, status: request.status), default: 0] += 1
            state.timings[route, default: Timing()].add(seconds)
            state.receivedOctets &+= UInt64(max(0, request.receivedBodyBytes))
            state.sentOctets &+= UInt64(max(0, request.sentBodyBytes))
        }
    }

    func submitted() { state.withLock { $0.submitted += 1 } }
    func streamBegan() { state.withLock { $0.streams += 1 } }
    func streamEnded() { state.withLock { $0.streams -= 1 } }

    var now: State { state.withLock { $0 } }
}

extension Figures.Timing {
    mutating func add(_ value: Double) {
        if let bucket = Figures.bounds.firstIndex(where: { value <= $0 }) { buckets[bucket] += 1 }
        count += 1
        seconds += value
    }
}
