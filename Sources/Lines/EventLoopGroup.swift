import Synchronization

/// Some loops, handed out in turn.
package final class EventLoopGroup: Sendable {
    package let loops: [EventLoop]
    private let turn = Atomic<Int>(0)

    /// Two unless told otherwise; `start` must follow.
    package init(count: Int = 2, name: String = "loop") throws(LineError) {
        precondition(count > 0)
        var loops: [EventLoop] = []
        for index in 0..<count { loops.append(try EventLoop(name: "\(name)-\(index)")) }
        self.loops = loops
    }

    package func start() { for loop in loops { loop.start() } }
    package func stop() { for loop in loops { loop.stop() } }
    package func stopAndWait() async {
        stop()
        for loop in loops { await loop.stopAndWait() }
    }

    /// The loop that the caller is on, otherwise the next.
    package func nearest() -> EventLoop { loops.first { $0.isOnLoop } ?? next() }

    package func next() -> EventLoop {
        let number = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return loops[Int(UInt(bitPattern: number) % UInt(loops.count))]
    }
}
