import Lines

/// Wakes the one task that waits for it. Raised while nobody waits, it is remembered, once.
final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    func raise() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.isRaised = true
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isRaised = state.withLock { state in
                precondition(state.waiter == nil, "two tasks wait for one signal")
                guard state.isRaised else {
                    state.waiter = continuation
                    return false
                }
                state.isRaised = false
                return true
            }
            if isRaised { continuation.resume() }
        }
    }
}
