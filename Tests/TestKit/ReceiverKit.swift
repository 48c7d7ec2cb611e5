import Glibc
import Lines

/// A receiver of webhooks on loopback that does with each connection what a script says: well or badly. A thread a
/// connection, blocking calls, no HTTP library between the script and the socket.
package final class Receiver: Sendable {
    package struct Request: Equatable, Sendable {
        package let line: String
        /// Names in lower case.
        package let headers: [String: String]
        package let body: [UInt8]
        /// From 0: which connection it came on.
        package let connection: Int
    }

    private struct State {
        var listener: CInt = -1
        var open: [Int: CInt] = [:]
        var accepted = 0
        var requests: [Request] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<[Request], Never>)] = []
        var isStopped = false
    }

    package let port: Int
    private let state = Locked(State())
    private let script: @Sendable (Peer) -> Void
    private let accepts: Bool

    /// - Parameters:
    ///   - address: host byte order; 127.0.0.1 when left out.
    ///   - script: called on a thread of its own for each connection, which is closed when it returns.
    package init(
        address: UInt32 = 0x7F00_0001, backlog: CInt = 1024, accepts: Bool = true,
        script: @escaping @Sendable (Peer) -> Void
    ) throws {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw LineError.system(errno) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = address.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, backlog) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else {
            let number = errno
            close(listener)
            throw LineError.system(number)
        }
        port = Int(UInt16(bigEndian: name.sin_port))
        self.script = script
        self.accepts = accepts
        state.withLock { $0.listener = listener }
        if accepts { inThread { self.acceptConnections(listener) } }
    }

    deinit { stop() }

    package var url: String { "http://127.0.0.1:\(port)/hook" }
    package var requests: [Request] { state.withLock { $0.requests } }
    /// Connections that the kernel completed and the receiver took.
    package var acceptedConnections: Int { state.withLock { $0.accepted } }

    /// Returns when so many requests have come.
    package func requests(atLeast count: Int) async -> [Request] {
        await withCheckedContinuation { continuation in
            let enough: [Request]? = state.withLock { state in
                if state.requests.count >= count || state.isStopped { return state.requests }
                state.waiters.append((count, continuation))
                return nil
            }
            if let enough { continuation.resume(returning: enough) }
        }
    }

    /// Ends the listener and every connection.
    package func stop() {
        let waiters = state.withLock { state in
            let waiters = state.waiters
            state.waiters = []
            if !state.isStopped {
                state.isStopped = true
                shutdown(state.listener, CInt(SHUT_RDWR))
                for descriptor in state.open.values { shutdown(descriptor, CInt(SHUT_RDWR)) }
                // Who accepts closes: another socket could get the number while its thread still has it in hand.
                if !accepts { close(state.listener) }
            }
            return (waiters, state.requests)
        }
        for waiter in waiters.0 { waiter.continuation.resume(returning: waiters.1) }
    }

    private func acceptConnections(_ listener: CInt) {
        defer { close(listener) }
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            let number = state.withLock { state -> Int? in
                guard !state.isStopped else { return nil }
                state.accepted += 1
                state.open[state.accepted - 1] = descriptor
                return state.accepted - 1
            }
            guard let number else {
                close(descriptor)
                return
            }
            var one: CInt = 1
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
            inThread { [weak self] in
                let peer = Peer(descriptor: descriptor, number: number) { [weak self] in self?.note($0) }
                self?.script(peer)
                let isOurs = self?.state.withLock { $0.open.removeValue(forKey: number) != nil } ?? true
                if isOurs { close(descriptor) }
            }
        }
    }

    private func note(_ request: Request) {
        let ready = state.withLock { state in
            state.requests.append(request)
            let count = state.requests.count
            let ready = state.waiters.filter { $0.count <= count }
            state.waiters.removeAll { $0.count <= count }
            return (ready, state.requests)
        }
        for waiter in ready.0 { waiter.continuation.resume(returning: ready.1) }
    }
}

/// One accepted connection, for a script.
package final class Peer: Sendable {
    private let descriptor: CInt
    package let number: Int
    private let note: @Sendable (Receiver.Request) -> Void
    private let pending = Locked<[UInt8]>([])

    init(descriptor: CInt, number: Int, note: @escaping @Sendable (Receiver.Request) -> Void) {
        self.descriptor = descriptor
        self.number = number
        self.note = note
    }

    /// The next whole request; nil when the sender has closed.
    @discardableResult
    package func readRequest() -> Receiver.Request? {
        var octets = pending.withLock { $0 }
        var piece = [UInt8](repeating: 0, count: 16_384)
        while true {
            if let end = headEnd(octets) {
                var lines = String(decoding: octets[..<(end - 4)], as: UTF8.self).split(separator: "\r\n").map(
                    String.init)
                let first = lines.isEmpty ? "" : lines.removeFirst()
                var headers: [String: String] = [:]
                for line in lines {
                    guard let colon = line.firstIndex(of: ":") else { continue }
                    var value = line[line.index(after: colon)...]
                    while value.first == " " { value.removeFirst() }
                    headers[line[..<colon].lowercased()] = String(value)
                }
                let length = headers["content-length"].flatMap { Int($0) } ?? 0
                if octets.count >= end + length {
                    let request = Receiver.Request(
                        line: first, headers: headers, body: Array(octets[end..<(end + length)]), connection: number)
                    pending.withLock { $0 = Array(octets[(end + length)...]) }
                    note(request)
                    return request
                }
            }
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            octets += piece[..<count]
        }
    }

    /// - Returns: false when the sender is gone.
    @discardableResult
    package func write(_ octets: some Collection<UInt8>) -> Bool {
        let octets = Array(octets)
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    package func write(_ text: String) -> Bool { write(text.utf8) }

    /// Waits; ends early when the sender closes or sends.
    package func pause(milliseconds: Int) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, CInt(milliseconds))
    }

    /// Reads and drops until the sender closes.
    package func waitForClose() {
        var piece = [UInt8](repeating: 0, count: 16_384)
        while recv(descriptor, &piece, piece.count, 0) > 0 {}
    }

    /// What follows is a reset instead of an orderly end.
    package func resetOnClose() {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    private func headEnd(_ octets: [UInt8]) -> Int? {
        guard octets.count >= 4 else { return nil }
        return (4...octets.count).first { octets[($0 - 4)..<$0].elementsEqual([13, 10, 13, 10]) }
    }
}

private final class ThreadBody {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func inThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(ThreadBody(body)).toOpaque())
    precondition(failure == 0, "no thread: error \(failure)")
    pthread_detach(thread)
}

extension Receiver {
    /// Holds threads back until it is opened.
    package final class Gate: Sendable {
        private let lock: Locked<(isOpen: Bool, read: CInt, write: CInt)>

        package init() {
            var ends: (CInt, CInt) = (-1, -1)
            withUnsafeMutableBytes(of: &ends) { _ = pipe($0.baseAddress?.assumingMemoryBound(to: CInt.self)) }
            lock = Locked((false, ends.0, ends.1))
        }

        package func pass() {
            var octet: UInt8 = 0
            _ = read(lock.withLock { $0.read }, &octet, 1)
        }

        /// Everybody passes from now on: the reading end sees the end of the pipe.
        package func open() {
            lock.withLock { gate in
                if !gate.isOpen { close(gate.write) }
                gate.isOpen = true
            }
        }
    }
}
