import Dispatch
import Lines

/// One direction of a line in memory: bounded, with the waits of a real one.
final class MemoryPipe: Sendable {
    private typealias Waiting = CheckedContinuation<Void, Never>

    private struct State: Sendable {
        var bytes: [UInt8] = []
        var end: Result<[UInt8]?, LineError>?
        var waiting: [Int: Waiting] = [:]
        var nextTicket = 0
        /// Tickets whose wait was over before it began.
        var early: Set<Int> = []
    }

    private let state = Locked(State())
    private let capacity: Int

    init(capacity: Int = 256 * 1024) { self.capacity = capacity }

    func put(_ bytes: [UInt8], within limit: Duration?) async throws(LineError) {
        let failure = state.withLock { state -> LineError? in
            if let end = state.end {
                if case .failure(let error) = end { return error }
                return .closed
            }
            state.bytes += bytes
            return nil
        }
        wake()
        if let failure { throw failure }
        try await wait(within: limit) { [capacity] state in state.bytes.count <= capacity || state.end != nil }
    }

    func take(within limit: Duration?) async throws(LineError) -> [UInt8]? {
        try await wait(within: limit) { state in !state.bytes.isEmpty || state.end != nil }
        let result = state.withLock { state -> Result<[UInt8]?, LineError> in
            guard state.bytes.isEmpty else {
                defer { state.bytes = [] }
                return .success(state.bytes)
            }
            return state.end ?? .failure(.closed)
        }
        wake()
        return try result.get()
    }

    /// The first end counts.
    func end(_ result: Result<[UInt8]?, LineError>) {
        state.withLock { if $0.end == nil { $0.end = result } }
        wake()
    }

    private func wake() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume() }
    }

    private func wait(
        within limit: Duration?, until isReady: @escaping @Sendable (State) -> Bool
    ) async throws(LineError) {
        let end = limit.map { ContinuousClock.now + $0 }
        while true {
            if state.withLock({ isReady($0) }) { return }
            if Task.isCancelled { throw .cancelled }
            if let end, end <= .now { throw .deadline }
            let ticket = state.withLock { state in
                state.nextTicket += 1
                return state.nextTicket
            }
            if let limit {
                let (seconds, attoseconds) = limit.components
                let delay = Double(seconds) + Double(attoseconds) * 1e-18
                DispatchQueue.global().asyncAfter(deadline: .now() + delay) { [self] in release(ticket) }
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let goOn = state.withLock { state in
                        if isReady(state) || state.early.remove(ticket) != nil { return true }
                        state.waiting[ticket] = continuation
                        return false
                    }
                    if goOn { continuation.resume() }
                }
            } onCancel: {
                release(ticket)
            }
        }
    }

    private func release(_ ticket: Int) {
        let continuation = state.withLock { state -> Waiting? in
            if let waiting = state.waiting.removeValue(forKey: ticket) { return waiting }
            state.early.insert(ticket)
            return nil
        }
        continuation?.resume()
    }
}
