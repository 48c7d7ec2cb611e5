package import Lines

/// A TCP proxy on loopback that does to a line what networks do.
package final class FaultProxy: Sendable {
    package enum Direction: Hashable, Sendable { case toHost, toClient }

    package enum Harm: Equatable, Sendable {
        /// Both sides see an orderly end.
        case close
        /// Both sides see a reset.
        case reset
        /// Nothing more is carried in this direction, and nobody is told.
        case silence
        case wait(Duration)
        /// Goes out before what comes next.
        case inject([UInt8])
    }

    /// Happens once in a connection, after so many octets in its direction, or after so many line feeds; at 0 when the connection
    /// begins.
    package struct Fault: Equatable, Sendable {
        package var direction: Direction
        package var octets: Int
        package var harm: Harm
        /// Instead of `octets`.
        package var lines: Int?

        package init(_ direction: Direction, after octets: Int, _ harm: Harm) {
            self.direction = direction
            self.octets = octets
            self.harm = harm
        }

        package init(_ direction: Direction, afterLines lines: Int, _ harm: Harm) {
            self.init(direction, after: 0, harm)
            self.lines = lines
        }

        /// How much of `rest` goes before it; nil when it is not in there.
        fileprivate func place(in rest: ArraySlice<UInt8>, after carried: Int, lines carriedLines: Int) -> Int? {
            guard let lines else { return octets <= carried + rest.count ? max(0, octets - carried) : nil }
            var left = lines - carriedLines
            if left <= 0 { return 0 }
            for (index, octet) in rest.enumerated() where octet == 0x0A {
                left -= 1
                if left == 0 { return index + 1 }
            }
            return nil
        }
    }

    /// The faults of the connection with this number, counted from 1.
    package typealias Plan = @Sendable (_ connection: Int) -> [Fault]

    private struct State: Sendable {
        var plan: Plan
        var connections = 0
        var carried: [Direction: Int] = [:]
        var feeds: [Direction: Int] = [:]
        var lines: [Int: [TCPLine]] = [:]
    }

    private let state: Locked<State>
    private let listener: LineListener
    package let address: SocketAddress
    package var port: Int { Int(address.port) }

    package init(to host: SocketAddress, loop: EventLoop = TestLoops.one, plan: @escaping Plan = { _ in [] }) throws {
        let state = Locked(State(plan: plan))
        self.state = state
        listener = try LineListener(on: SocketAddress(.loopback, port: 0), loops: [loop]) { client in
            let (number, faults) = state.withLock { state in
                state.connections += 1
                state.lines[state.connections] = [client]
                return (state.connections, state.plan(state.connections))
            }
            // Owned by the proxy through its lines: `close` hangs them up, and the task ends.
            Task(executorPreference: loop) {
                await FaultProxy.serve(client, number, faults, host, loop, state)
            }
        }
        address = listener.localAddress
    }

    package convenience init(
        to host: SocketAddress, loop: EventLoop = TestLoops.one, faults: [Fault]
    ) throws {
        try self.init(to: host, loop: loop) { _ in faults }
    }

    deinit { close() }

    /// For connections that begin from now on.
    package func setPlan(_ plan: @escaping Plan) { state.withLock { $0.plan = plan } }
    package var connections: Int { state.withLock { $0.connections } }
    /// Octets carried over all connections.
    package func carried(_ direction: Direction) -> Int { state.withLock { $0.carried[direction, default: 0] } }
    /// Line feeds in them.
    package func carriedLines(_ direction: Direction) -> Int { state.withLock { $0.feeds[direction, default: 0] } }

    /// Breaks the connections there are; new ones are taken.
    package func resetAll() {
        let lines = state.withLock { state in
            defer { state.lines = [:] }
            return state.lines.values.flatMap { $0 }
        }
        for line in lines { line.abort() }
    }

    package func close() {
        listener.stopListening()
        resetAll()
    }

    private static func serve(
        _ client: TCPLine, _ number: Int, _ faults: [Fault], _ address: SocketAddress, _ loop: EventLoop,
        _ state: Locked<State>
    ) async {
        defer { state.withLock { $0.lines[number] = nil } }
        guard let host = try? await TCPLine.connect(to: address, on: loop) else {
            client.abort()
            return
        }
        let isWanted = state.withLock { state in
            guard state.lines[number] != nil else { return false }
            state.lines[number]?.append(host)
            return true
        }
        guard isWanted else { return }
        await withTaskGroup { group in
            group.addTask { await carry(client, host, .toHost, faults, state) }
            group.addTask { await carry(host, client, .toClient, faults, state) }
        }
    }

    private static func carry(
        _ from: TCPLine, _ to: TCPLine, _ direction: Direction, _ faults: [Fault], _ state: Locked<State>
    ) async {
        var faults = faults.filter { $0.direction == direction }.sorted { $0.octets < $1.octets }[...]
        var carried = 0
        var lines = 0
        func send(_ bytes: ArraySlice<UInt8>) async throws {
            guard !bytes.isEmpty else { return }
            try await to.write(Array(bytes))
            carried += bytes.count
            let feeds = bytes.count { $0 == 0x0A }
            lines += feeds
            state.withLock { state in
                state.carried[direction, default: 0] += bytes.count
                state.feeds[direction, default: 0] += feeds
            }
        }
        do {
            var rest: ArraySlice<UInt8> = []
            while true {
                while let fault = faults.first, let place = fault.place(in: rest, after: carried, lines: lines) {
                    let before = rest.prefix(place)
                    try await send(before)
                    rest = rest.dropFirst(before.count)
                    faults.removeFirst()
                    switch fault.harm {
                    case .close:
                        from.close()
                        to.close()
                        return
                    case .reset:
                        try await to.flush()
                        from.abort()
                        to.abort()
                        return
                    case .silence:
                        while try await from.read() != nil {}
                        return
                    case .wait(let time): try await from.loop.sleep(for: time)
                    case .inject(let bytes): try await to.write(bytes)
                    }
                }
                try await send(rest)
                guard let bytes = try await from.read() else { break }
                rest = bytes[...]
            }
            await to.finishSending()
        } catch {
            from.abort()
            to.abort()
        }
    }
}
