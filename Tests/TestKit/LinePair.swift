package import Lines

/// Two lines joined in memory: what one writes the other reads.
package struct LinePair: Sendable {
    package let near: End
    package let far: End

    /// - Parameter capacity: unread bytes from which on a writer waits.
    package init(capacity: Int = 256 * 1024) {
        let out = MemoryPipe(capacity: capacity)
        let back = MemoryPipe(capacity: capacity)
        near = End(reads: back, writes: out)
        far = End(reads: out, writes: back)
    }

    /// Breaks both directions, as a cut cable that is noticed.
    package func cut(_ error: LineError = .reset) {
        near.incoming.end(.failure(error))
        far.incoming.end(.failure(error))
    }

    package final class End: Line {
        let incoming: MemoryPipe
        let outgoing: MemoryPipe
        package var peer: SocketAddress? { nil }

        init(reads incoming: MemoryPipe, writes outgoing: MemoryPipe) {
            self.incoming = incoming
            self.outgoing = outgoing
        }

        package func read(within limit: Duration?) async throws(LineError) -> [UInt8]? {
            try await incoming.take(within: limit)
        }

        package func write(_ bytes: [UInt8], within limit: Duration?) async throws(LineError) {
            guard !bytes.isEmpty else { return }
            try await outgoing.put(bytes, within: limit)
        }

        package func finishSending() async { outgoing.end(.success(nil)) }

        package func close() {
            outgoing.end(.success(nil))
            incoming.end(.failure(.closed))
        }
    }
}
