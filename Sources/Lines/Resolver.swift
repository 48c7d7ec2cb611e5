import CSystem
import Dispatch
import Glibc
import Synchronization

/// Names into addresses, by `getaddrinfo` off the loops.
package enum Resolver {
    /// The system resolver blocks its thread, so a few queues share the names; a name that hangs holds up only a quarter.
    private static let queues = (0..<4).map { DispatchQueue(label: "port77.resolver.\($0)") }
    private static let turn = Atomic<Int>(0)

    /// All addresses of a name, in the order in which the system prefers them; a numeric host is itself.
    ///
    /// A cancelled task or a passed deadline ends the wait; the question to the system goes on unseen.
    package static func resolve(
        _ host: String, port: Int, within limit: Duration = .seconds(10)
    ) async throws(LineError) -> [SocketAddress] {
        guard let port = UInt16(exactly: port) else { throw .badAddress("\(host):\(port)") }
        if let ip = IPAddress(host) { return [SocketAddress(ip, port: port)] }
        // A name with a NUL in it would be cut short by C.
        guard !host.isEmpty, !host.utf8.contains(0) else { throw .unresolved(host) }
        let answer = OneAnswer()
        let queue = queues[turn.wrappingAdd(1, ordering: .relaxed).newValue & 3]
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.begin(continuation)
                queue.async { answer.finish(ask(host, port)) }
                let (seconds, attoseconds) = limit.components
                let wait = Double(seconds) + Double(attoseconds) * 1e-18
                DispatchQueue.global().asyncAfter(deadline: .now() + wait) { answer.finish(.failure(.deadline)) }
            }
        } onCancel: {
            answer.finish(.failure(.cancelled))
        }
        return try result.get()
    }

    private static func ask(_ host: String, _ port: UInt16) -> Result<[SocketAddress], LineError> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, nil, &hints, &list)
        guard failure == 0 else {
            return .failure(failure == EAI_SYSTEM ? LineError(errno: errno) : .unresolved(host))
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr {
                var storage = sockaddr_storage()
                let length = min(Int(entry.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
                withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: .init(start: address, count: length)) }
                if var known = SocketAddress(storage) {
                    known.port = port
                    if !found.contains(known) { found.append(known) }
                }
            }
            next = entry.pointee.ai_next
        }
        return found.isEmpty ? .failure(.unresolved(host)) : .success(found)
    }

    /// The first of answer, deadline and cancellation.
    private final class OneAnswer: Sendable {
        typealias Answer = Result<[SocketAddress], LineError>
        private struct State {
            var continuation: CheckedContinuation<Answer, Never>?
            var answer: Answer?
        }
        private let state = Locked(State())

        func begin(_ continuation: CheckedContinuation<Answer, Never>) {
            let early = state.withLock { state in
                if state.answer == nil { state.continuation = continuation }
                return state.answer
            }
            if let early { continuation.resume(returning: early) }
        }

        func finish(_ answer: Answer) {
            let waiting = state.withLock { state in
                guard state.answer == nil else { return nil as CheckedContinuation<Answer, Never>? }
                state.answer = answer
                defer { state.continuation = nil }
                return state.continuation
            }
            waiting?.resume(returning: answer)
        }
    }
}
