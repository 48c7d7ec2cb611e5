package import Jobs

/// A lease that somebody asked for.
package struct Want: Equatable, Sendable {
    package let lease: LeaseID
    package let owner: Owner
    /// Higher goes first.
    package let priority: Int
    /// Age counts from here.
    package let submittedAt: Timestamp
    package let purpose: LeasePurpose

    package init(lease: LeaseID, owner: Owner, priority: Int, submittedAt: Timestamp, purpose: LeasePurpose) {
        self.lease = lease
        self.owner = owner
        self.priority = priority
        self.submittedAt = submittedAt
        self.purpose = purpose
    }
}

/// Who waits for a slot, in the order in which they get one: a higher priority goes before a lower one, whoever the
/// owner is; within a priority the owners take turns, one lease a turn, whatever each has waiting; within an owner's turn
/// the oldest goes, by `submittedAt`, then by arrival.
///
/// An owner who begins to wait gets the last turn of the round. So the oldest lease of an owner waits for at most one
/// lease of each other owner of its priority, plus what is of higher priority.
struct WaitingRoom: Equatable, Sendable {
    private struct Level: Equatable, Sendable {
        /// Owners with something waiting, in order of their turns.
        var turns: [Owner] = []
        var queues: [Owner: AgeQueue] = [:]
    }

    private var levels: [Int: Level] = [:]
    /// Keys of `levels`, highest first.
    private var priorities: [Int] = []
    private var entries: [LeaseID: Want] = [:]
    /// Submissions to a drained host, by arrival.
    private var parked: [Want] = []
    private var parks = false

    /// Nobody could use a slot if one were free.
    var isEmpty: Bool { entries.isEmpty }
    /// Those that could use a slot.
    var count: Int { entries.count }
    var parkedCount: Int { parked.count }
    /// Unordered; for checks.
    var wants: [Want] { Array(entries.values) }

    mutating func add(_ want: Want) {
        if parks, want.purpose == .submission {
            parked.append(want)
            return
        }
        guard entries.updateValue(want, forKey: want.lease) == nil else { return }
        if levels[want.priority] == nil {
            let index = priorities.firstIndex { $0 < want.priority } ?? priorities.count
            priorities.insert(want.priority, at: index)
        }
        var level = levels.removeValue(forKey: want.priority) ?? Level()
        if level.queues[want.owner] == nil { level.turns.append(want.owner) }
        level.queues[want.owner, default: AgeQueue()].insert(want)
        levels[want.priority] = level
    }

    mutating func takeNext() -> Want? {
        guard let priority = priorities.first, var level = levels.removeValue(forKey: priority) else { return nil }
        let owner = level.turns.removeFirst()
        guard var queue = level.queues.removeValue(forKey: owner), let want = queue.removeOldest() else { return nil }
        if !queue.isEmpty {
            level.turns.append(owner)
            level.queues[owner] = queue
        }
        put(level, at: priority)
        entries[want.lease] = nil
        return want
    }

    mutating func remove(_ lease: LeaseID) -> Want? {
        guard let want = entries.removeValue(forKey: lease) else {
            guard let index = parked.firstIndex(where: { $0.lease == lease }) else { return nil }
            return parked.remove(at: index)
        }
        guard var level = levels.removeValue(forKey: want.priority),
            var queue = level.queues.removeValue(forKey: want.owner)
        else { return want }
        queue.remove(want)
        if queue.isEmpty { level.turns.removeAll { $0 == want.owner } } else { level.queues[want.owner] = queue }
        put(level, at: want.priority)
        return want
    }

    mutating func removeAll() -> [LeaseID] {
        let all = (entries.keys + parked.map(\.lease)).sorted()
        self = WaitingRoom()
        return all
    }

    /// From now on submissions wait outside.
    mutating func parkSubmissions() {
        parks = true
        for want in entries.values.filter({ $0.purpose == .submission }).sorted(by: { $0.lease < $1.lease }) {
            _ = remove(want.lease)
            parked.append(want)
        }
    }

    mutating func unparkSubmissions() {
        parks = false
        let back = parked
        parked = []
        for want in back { add(want) }
    }

    private mutating func put(_ level: Level, at priority: Int) {
        if level.turns.isEmpty { priorities.removeAll { $0 == priority } } else { levels[priority] = level }
    }
}

/// Wants of one owner, oldest first.
private struct AgeQueue: Equatable, Sendable {
    /// In order from `head`; what lies before was taken.
    private var wants: [Want] = []
    private var head = 0

    var isEmpty: Bool { head == wants.count }

    mutating func insert(_ want: Want) { wants.insert(want, at: place(of: want)) }

    mutating func removeOldest() -> Want? {
        guard head < wants.count else { return nil }
        let oldest = wants[head]
        head += 1
        if head > 32, head > wants.count / 2 {
            wants.removeFirst(head)
            head = 0
        }
        return oldest
    }

    mutating func remove(_ want: Want) {
        let index = place(of: want)
        if index < wants.count, wants[index].lease == want.lease { wants.remove(at: index) }
    }

    /// Where it stands, or would stand; by halving.
    private func place(of want: Want) -> Int {
        var low = head
        var high = wants.count
        while low < high {
            let middle = (low + high) / 2
            let other = wants[middle]
            if (other.submittedAt, other.lease) < (want.submittedAt, want.lease) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    static func == (left: AgeQueue, right: AgeQueue) -> Bool {
        left.wants[left.head...] == right.wants[right.head...]
    }
}
