package import Lines

/// A line whose other end is a script. It keeps what is written to it.
///
/// Time does not pass here: a read that meets `silence` ends at once with `deadline` if it has a limit.
package final class ScriptedLine: Line {
    package enum Step: Equatable, Sendable {
        /// Comes in as one piece, unless `pieces` says otherwise.
        case bytes([UInt8])
        /// What follows comes only when so many bytes have been written in all.
        case written(Int)
        /// Ends one read that has a limit with `deadline`; one without waits until the line is closed.
        case silence
        case fail(LineError)
        /// The orderly end; also what follows the last step.
        case end
    }

    /// How `bytes` are cut up on their way in.
    package enum Pieces: Equatable, Sendable {
        case whole
        case octets
        /// A first piece of so many octets, then the rest.
        case split(at: Int)
    }

    private struct State: Sendable {
        var steps: [Step]
        var written: [UInt8] = []
        var isSendingFinished = false
    }

    private let state: Locked<State>
    /// Told of everything that may let a waiting read go on.
    private let news = MemoryPipe(capacity: .max)
    package let peer: SocketAddress?

    /// - Parameter cut: after so many incoming octets the line breaks with `reset`, whatever the script has left.
    package init(_ steps: [Step], pieces: Pieces = .whole, cut: Int? = nil, peer: SocketAddress? = nil) {
        var made: [Step] = []
        var left = cut ?? .max
        for step in steps {
            guard case .bytes(let bytes) = step else {
                made.append(step)
                continue
            }
            let part = Array(bytes.prefix(left))
            left -= part.count
            switch pieces {
            case .whole: made.append(.bytes(part))
            case .octets: made += part.map { .bytes([$0]) }
            case .split(let at): made += [.bytes(Array(part.prefix(at))), .bytes(Array(part.dropFirst(at)))]
            }
            if left == 0 { break }
        }
        if cut != nil { made.append(.fail(.reset)) }
        state = Locked(State(steps: made.filter { $0 != .bytes([]) }))
        self.peer = peer
    }

    /// Everything written so far.
    package var written: [UInt8] { state.withLock { $0.written } }
    package var isSendingFinished: Bool { state.withLock { $0.isSendingFinished } }
    package private(set) var isClosed: Bool {
        get { closedFlag.withLock { $0 } }
        set { closedFlag.withLock { $0 = newValue } }
    }
    private let closedFlag = Locked(false)
    /// Whether every step was taken.
    package var isPlayedOut: Bool { state.withLock { $0.steps.isEmpty } }

    /// Adds to the script while it plays.
    package func append(_ steps: Step...) async {
        state.withLock { $0.steps += steps }
        await stir()
    }

    package func read(within limit: Duration?) async throws(LineError) -> [UInt8]? {
        while true {
            if isClosed { throw .closed }
            enum Outcome { case done(Result<[UInt8]?, LineError>), wait }
            let outcome = state.withLock { state -> Outcome in
                switch state.steps.first {
                case .bytes(let bytes):
                    state.steps.removeFirst()
                    return .done(.success(bytes))
                case .written(let count):
                    if state.written.count >= count {
                        state.steps.removeFirst()
                        return .done(.success([]))
                    }
                    return .wait
                case .silence:
                    guard limit != nil else { return .wait }
                    state.steps.removeFirst()
                    return .done(.failure(.deadline))
                case .fail(let error): return .done(.failure(error))
                case .end, nil: return .done(.success(nil))
                }
            }
            switch outcome {
            case .done(.success([])): continue
            case .done(let result): return try result.get()
            case .wait: _ = try await news.take(within: limit)
            }
        }
    }

    package func write(_ bytes: [UInt8], within limit: Duration?) async throws(LineError) {
        if isClosed { throw .closed }
        state.withLock { $0.written += bytes }
        await stir()
    }

    package func finishSending() async {
        state.withLock { $0.isSendingFinished = true }
    }

    package func close() {
        isClosed = true
        news.end(.failure(.closed))
    }

    private func stir() async { try? await news.put([0], within: nil) }
}
