/// One suspended task that waits for something that happens on a loop; the first to finish it wins.
///
/// Confined to the loop: begun, finished and cancelled there. A cancellation may arrive before the beginning.
final class Waiter<Value: Sendable>: @unchecked Sendable {
    private var continuation: CheckedContinuation<Value, Never>?
    fileprivate var timer: LoopTimer?
    private(set) var isFinished = false
    private var early: Value?

    func begin(_ continuation: CheckedContinuation<Value, Never>) {
        if let early {
            self.early = nil
            continuation.resume(returning: early)
        } else {
            self.continuation = continuation
        }
    }

    /// Finishes with `value` unless something else has by then.
    func begin(
        _ continuation: CheckedContinuation<Value, Never>, on loop: EventLoop, within limit: Duration?,
        otherwise value: Value
    ) {
        begin(continuation)
        guard let limit, !isFinished else { return }
        timer = loop.schedule(after: limit, { [self] in finish(value) }, abandon: { [self] in finish(value) })
    }

    func finish(_ value: Value) {
        guard !isFinished else { return }
        isFinished = true
        timer?.cancel()
        timer = nil
        if let continuation {
            self.continuation = nil
            continuation.resume(returning: value)
        } else {
            early = value
        }
    }
}

extension EventLoop {
    /// Suspends the task on the loop's timers.
    package func sleep(for duration: Duration) async throws(CancellationError) {
        let waiter = Waiter<Bool>()
        let passed = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                perform { [self] in
                    waiter.begin(continuation)
                    guard !waiter.isFinished else { return }
                    let timer = schedule(
                        after: duration, { waiter.finish(true) }, abandon: { waiter.finish(false) })
                    waiter.keep(timer)
                }
            }
        } onCancel: {
            execute { waiter.finish(false) }
        }
        if !passed { throw CancellationError() }
    }

    /// Runs `body` on the loop and returns what it returns.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        if isOnLoop { return body() }
        return await withCheckedContinuation { continuation in
            execute { continuation.resume(returning: body()) }
        }
    }
}

extension Waiter {
    /// A timer that finishing makes superfluous.
    func keep(_ timer: LoopTimer) {
        if isFinished { timer.cancel() } else { self.timer = timer }
    }
}
