import Synchronization

/// The way to stop a running job from outside.
final class RunControl: Sendable {
    private struct State {
        var isCancelled = false
        /// The host stops: the job is to be left as it is, and runs again after the next start.
        var isHostStopping = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// The host stops; the run has no end.
    struct Interrupted: Error {}

    var isCancelled: Bool { state.withLock { $0.isCancelled || $0.isHostStopping } }
    var isHostStopping: Bool { state.withLock { $0.isHostStopping } }

    func cancel() { signal { $0.isCancelled = true } }
    func stopHost() { signal { $0.isHostStopping = true } }

    private func signal(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func sleep(_ duration: Duration, on time: HostTime) async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await time.sleep(duration) }
            group.addTask { await self.waitForSignal() }
            await group.next()
            group.cancelAll()
        }
        if isCancelled { throw Abend.cancelled }
    }

    /// Returns when the job is stopped, or the task cancelled.
    private func waitForSignal() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isCancelled || state.isHostStopping || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            signal { _ in }
        }
    }
}
