package import Jobs
package import Logging
package import Stores
import Synchronization

/// How long what has ended is kept; nil: for ever.
package struct RetentionRules: Equatable, Sendable {
    package var ages: [RetentionKind: Duration]
    /// What decks and print-out may take together; beyond it the jobs that ended first lose theirs, whatever their age.
    package var mostOctets: Int?

    package init(ages: [RetentionKind: Duration] = [:], mostOctets: Int? = nil) {
        self.ages = ages
        self.mostOctets = mostOctets
    }
}

/// Takes out what is old enough, oldest first, in batches so small that a submission never waits for one noticeably.
package final class Retention: Sendable {
    /// Jobs or rows in one commit: some milliseconds of the writer's time.
    private static let batch = 16
    /// Between two looks at everything.
    private static let pause = Duration.seconds(60)

    private let store: any JobStore
    private let current: Mutex<RetentionRules>
    private let clock: WallClock
    private let sleeper: any Clock<Duration>
    private let log: Logger

    package init(
        store: any JobStore, rules: RetentionRules, clock: WallClock, sleeper: any Clock<Duration>, log: Logger
    ) {
        self.store = store
        current = Mutex(rules)
        self.clock = clock
        self.sleeper = sleeper
        self.log = log
    }

    /// What is kept how long; new rules hold from the next look on.
    package var rules: RetentionRules {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Works until cancelled.
    package func run() async {
        while !Task.isCancelled {
            do {
                let removed = try await sweep()
                if !removed.isEmpty {
                    let counts = removed.map { ($0.key.rawValue, Logger.MetadataValue.string("\($0.value)")) }
                    log.info("what was kept long enough is removed", metadata: Dictionary(uniqueKeysWithValues: counts))
                }
            } catch {
                log.error("what is old could not be removed", metadata: ["error": "\(error)"])
            }
            do { try await sleeper.sleep(for: Self.pause) } catch { return }
        }
    }

    /// Looks at everything once.
    /// - Returns: how much of each kind went.
    package func sweep() async throws(StoreError) -> [RetentionKind: Int] {
        let rules = rules
        let now = clock.now()
        var removed: [RetentionKind: Int] = [:]
        // Jobs first: what goes with them need not be looked at one by one.
        for kind in RetentionKind.aged {
            guard let age = rules.ages[kind] else { continue }
            let count = try await sweep(kind, olderThan: now.advanced(by: .zero - age), at: now) { true }
            if count > 0 { removed[kind] = count }
        }
        if let most = rules.mostOctets {
            let count = try await sweep(.bodies, olderThan: now, at: now, limit: 1) { () async throws(StoreError) in
                try await store.storedOctets().values.reduce(0, +) > most
            }
            if count > 0 { removed[.bodies] = count }
        }
        return removed
    }

    private func sweep(
        _ kind: RetentionKind, olderThan age: Timestamp, at now: Timestamp, limit: Int = batch,
        while goesOn: () async throws(StoreError) -> Bool
    ) async throws(StoreError) -> Int {
        var removed = 0
        var mark: RetentionMark?
        while try await goesOn(), !Task.isCancelled {
            let step = try await store.sweep(kind, olderThan: age, from: mark, limit: limit, at: now)
            removed += step.removed
            switch step.next {
            case .after(let last): mark = last
            case .again: continue
            case nil: return removed
            }
        }
        return removed
    }
}
