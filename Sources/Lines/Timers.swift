/// Something a loop calls at a time: a place in its heap. Confined to the loop.
package class TimerNode: @unchecked Sendable {
    /// Position in the heap, -1 when not in it.
    fileprivate(set) var heapIndex = -1
    /// Nanoseconds on the loop's clock; meaningful while in the heap.
    fileprivate(set) var due: Int64 = .max

    init() {}

    final var isArmed: Bool { heapIndex >= 0 }

    /// Its time has come; it is out of the heap.
    func fire() {}
    /// The loop has stopped before its time came.
    func abandoned() {}
}

/// A binary heap of timers that know their place, so that taking one out or moving it costs no search.
struct TimerHeap {
    private var nodes: [TimerNode] = []

    var nextDue: Int64? { nodes.first?.due }
    var count: Int { nodes.count }

    /// Puts it in, or moves it.
    mutating func arm(_ node: TimerNode, at due: Int64) {
        if node.heapIndex < 0 {
            node.due = due
            node.heapIndex = nodes.count
            nodes.append(node)
            rise(node.heapIndex)
        } else {
            let earlier = due < node.due
            node.due = due
            if earlier { rise(node.heapIndex) } else { sink(node.heapIndex) }
        }
    }

    mutating func remove(_ node: TimerNode) {
        let hole = node.heapIndex
        guard hole >= 0 else { return }
        node.heapIndex = -1
        let last = nodes.removeLast()
        guard last !== node else { return }
        nodes[hole] = last
        last.heapIndex = hole
        rise(hole)
        sink(last.heapIndex)
    }

    mutating func popDue(_ now: Int64) -> TimerNode? {
        guard let first = nodes.first, first.due <= now else { return nil }
        remove(first)
        return first
    }

    private mutating func rise(_ start: Int) {
        var index = start
        let node = nodes[index]
        while index > 0 {
            let parent = (index - 1) / 2
            guard node.due < nodes[parent].due else { break }
            put(nodes[parent], at: index)
            index = parent
        }
        put(node, at: index)
    }

    private mutating func sink(_ start: Int) {
        var index = start
        let node = nodes[index]
        while true {
            var child = 2 * index + 1
            guard child < nodes.count else { break }
            if child + 1 < nodes.count, nodes[child + 1].due < nodes[child].due { child += 1 }
            guard nodes[child].due < node.due else { break }
            put(nodes[child], at: index)
            index = child
        }
        put(node, at: index)
    }

    private mutating func put(_ node: TimerNode, at index: Int) {
        nodes[index] = node
        node.heapIndex = index
    }
}

/// One call in the future, made by `EventLoop.schedule`.
package final class LoopTimer: TimerNode, @unchecked Sendable {
    // Everything here is touched on the loop only.
    private let loop: EventLoop
    private var action: (@Sendable () -> Void)?
    private var abandon: (@Sendable () -> Void)?

    init(loop: EventLoop, action: @escaping @Sendable () -> Void, abandon: (@Sendable () -> Void)?) {
        self.loop = loop
        self.action = action
        self.abandon = abandon
    }

    override func fire() {
        let action = action
        forget()
        action?()
    }

    override func abandoned() {
        let abandon = abandon
        forget()
        abandon?()
    }

    /// From any thread. On the loop the action is certain not to run afterwards; from elsewhere it may be running.
    package func cancel() {
        if loop.isOnLoop {
            loop.disarm(self)
            forget()
        } else {
            loop.execute { [self] in cancel() }
        }
    }

    var isCancelled: Bool { action == nil }

    private func forget() {
        action = nil
        abandon = nil
    }
}

extension Duration {
    /// Whole nanoseconds, saturating; never negative.
    var nanosecondsClamped: Int64 {
        let (seconds, attoseconds) = components
        if seconds < 0 || attoseconds < 0 { return 0 }
        if seconds > 9_000_000_000 { return .max / 2 }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
