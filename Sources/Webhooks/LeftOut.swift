/// Endpoints of the store whose deliveries were read and found no room: left out of the next reads until there is some. An
/// endpoint made for one job has a single delivery, so many of them can stand behind one receiver of the queue.
struct LeftOut: Sendable {
    private var byReceiver: [Int64: Set<Int64>] = [:]
    private(set) var all: Set<Int64> = []

    /// Beyond it all are read again.
    static let most = 200_000

    mutating func add(_ endpoint: Int64, of receiver: Int64) {
        if all.count >= Self.most { self = LeftOut() }
        byReceiver[receiver, default: []].insert(endpoint)
        all.insert(endpoint)
    }

    /// Lets as many go as their receivers have room for.
    mutating func release(into queue: inout DeliveryQueue) {
        for (receiver, endpoints) in byReceiver {
            let room = queue.room(for: receiver)
            if room >= endpoints.count {
                byReceiver[receiver] = nil
                all.subtract(endpoints)
                continue
            }
            for endpoint in endpoints.prefix(room) {
                byReceiver[receiver]?.remove(endpoint)
                all.remove(endpoint)
            }
            queue.noteMore(for: receiver)
        }
    }

    /// Whether one of them stands behind a receiver for which nothing waits and nothing is under way: no end of a try would
    /// bring up the next.
    func isForgotten(by queue: DeliveryQueue) -> Bool { byReceiver.keys.contains { queue.isQuiet($0) } }
}
