import CCurl
import Dispatch
import Glibc
package import Lines

package enum NameFailure: Error, Equatable, Sendable {
    case unknown, timedOut
    /// Too many names are waiting for an answer.
    case busy
}

/// Names into addresses; tests hand in their own.
package struct NameResolver: Sendable {
    package let addresses: @Sendable (String) async -> Result<[IPAddress], NameFailure>

    package init(_ addresses: @escaping @Sendable (String) async -> Result<[IPAddress], NameFailure>) {
        self.addresses = addresses
    }

    package static let system: NameResolver = {
        let service = NameService()
        return NameResolver { await service.addresses(of: $0) }
    }()
}

/// `getaddrinfo` on a bounded number of threads. Each name is asked once at a time, whoever waits for it, and its answer is
/// kept for seconds: 5,000 deliveries a second are not 5,000 questions. The filter looks at each address again when it is used.
package final class NameService: Sendable {
    package struct Limits: Sendable {
        package var threads = 8
        package var names = 1024
        package var wait: Duration = .seconds(5)
        package var keep: Duration = .seconds(10)
        package var keepFailure: Duration = .seconds(3)
        package init() {}
    }

    package typealias Answer = Result<[IPAddress], NameFailure>

    /// Resumed by the answer or by the time limit, whichever is first.
    private final class Waiter: Sendable {
        private let continuation: Locked<CheckedContinuation<Answer, Never>?>
        init(_ continuation: CheckedContinuation<Answer, Never>) { self.continuation = Locked(continuation) }
        func resume(_ answer: Answer) {
            let taken = continuation.withLock { continuation in
                defer { continuation = nil }
                return continuation
            }
            taken?.resume(returning: answer)
        }
    }

    private struct State: Sendable {
        var kept: [String: (answer: Answer, until: ContinuousClock.Instant)] = [:]
        var waiters: [String: [Waiter]] = [:]
        var asked = Fifo<String>()
        var threads = 0
    }

    private enum Step { case answer(Answer), wait, startThread }

    private let limits: Limits
    private let ask: @Sendable (String) -> Answer
    private let state = Locked(State())

    /// - Parameter ask: blocks its thread; `getaddrinfo` when left out.
    package init(limits: Limits = Limits(), ask: @escaping @Sendable (String) -> Answer = NameService.getaddrinfo) {
        self.limits = limits
        self.ask = ask
    }

    package func addresses(of name: String) async -> Answer {
        let now = ContinuousClock.now
        if let kept = state.withLock({ $0.kept[name] }), kept.until > now { return kept.answer }
        return await withCheckedContinuation { continuation in
            let waiter = Waiter(continuation)
            let step: Step = state.withLock { state in
                if let kept = state.kept[name], kept.until > now { return .answer(kept.answer) }
                if state.waiters[name] != nil {
                    state.waiters[name]?.append(waiter)
                    return .wait
                }
                guard state.waiters.count < limits.names else { return .answer(.failure(.busy)) }
                state.waiters[name] = [waiter]
                state.asked.append(name)
                guard state.threads < limits.threads else { return .wait }
                state.threads += 1
                return .startThread
            }
            switch step {
            case .answer(let answer):
                waiter.resume(answer)
                return
            case .wait: break
            case .startThread: startThread()
            }
            let (seconds, attoseconds) = limits.wait.components
            let wait = Double(seconds) + Double(attoseconds) * 1e-18
            DispatchQueue.global().asyncAfter(deadline: .now() + wait) { waiter.resume(.failure(.timedOut)) }
        }
    }

    private func startThread() {
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<NameService>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        // Out of threads: the process has worse troubles than this.
        precondition(failure == 0, "no thread for a name: error \(failure)")
        pthread_detach(thread)
    }

    /// Answers until no name waits, then lets the thread go.
    private func work() {
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        while true {
            let next: String? = state.withLock { state in
                guard let name = state.asked.popFirst() else {
                    state.threads -= 1
                    return nil
                }
                return name
            }
            guard let name = next else { return }
            let answer = ask(name)
            let waiters = state.withLock { state in
                let now = ContinuousClock.now
                if state.kept.count >= limits.names {
                    state.kept = state.kept.filter { $0.value.until > now }
                    if state.kept.count >= limits.names { state.kept = [:] }
                }
                let isFailure = if case .failure = answer { true } else { false }
                state.kept[name] = (answer, now + (isFailure ? limits.keepFailure : limits.keep))
                return state.waiters.removeValue(forKey: name) ?? []
            }
            for waiter in waiters { waiter.resume(answer) }
        }
    }

    @Sendable package static func getaddrinfo(_ name: String) -> Answer {
        guard !name.utf8.contains(0) else { return .failure(.unknown) }
        let capacity = 32
        return withUnsafeTemporaryAllocation(of: AddressOctets.self, capacity: capacity) { found in
            guard let base = found.baseAddress else { return .failure(.unknown) }
            let count = port77_resolve(name, base, Int32(capacity))
            guard count > 0 else { return .failure(.unknown) }
            return .success((0..<Int(count)).map { IPAddress(octets: found[$0]) })
        }
    }
}
