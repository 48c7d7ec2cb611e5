/// First in, first out, without moving the rest on each removal.
struct Fifo<Element> {
    private var slots: [Element?] = []
    private var head = 0

    var count: Int { slots.count - head }
    var isEmpty: Bool { head == slots.count }
    var first: Element? { isEmpty ? nil : slots[head] }

    mutating func append(_ element: Element) { slots.append(element) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = slots[head]
        slots[head] = nil
        head += 1
        if head == slots.count {
            slots.removeAll(keepingCapacity: slots.count <= 64)
            head = 0
        } else if head >= 64, head * 2 >= slots.count {
            slots.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Moves the first to the end.
    mutating func rotate() {
        if count > 1, let element = popFirst() { append(element) }
    }

    /// Keeps the first `kept`, returns the others.
    mutating func truncate(to kept: Int) -> [Element] {
        guard count > kept else { return [] }
        let cut = slots[(head + kept)...].compactMap { $0 }
        slots.removeSubrange((head + kept)...)
        return cut
    }
}

extension Fifo: Sendable where Element: Sendable {}
