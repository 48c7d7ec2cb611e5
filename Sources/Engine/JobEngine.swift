package import Jobs
package import Lines
package import Logging
package import Stores
import Synchronization

/// Moves every job on: one runner a host, and what concerns all of them.
///
/// Hosts may come and go while it works. One that has changed goes and comes: its new runner begins when the old one has
/// ended, and finds in the store what that one left.
package final class JobEngine: Sendable {
    private struct State {
        var runners: [HostID: HostRunner] = [:]
        var ended: Set<ObjectIdentifier> = []
        var waiters: [ObjectIdentifier: [CheckedContinuation<Void, Never>]] = [:]
        var isStopping = false
    }

    private struct Change: Sendable {
        let leaving: [HostID]
        let arriving: [HostRunner]
        let grace: Duration
    }

    private let store: any JobStore
    private let clock: WallClock
    private let sleeper: any Clock<Duration>
    private let settings: HostRunner.Settings
    private let retention: Retention
    private let loops: EventLoopGroup?
    private let log: Logger
    private let state = Mutex(State())
    /// Bounded by how often a person changes the configuration.
    private let changes: AsyncStream<Change>
    private let announce: AsyncStream<Change>.Continuation

    /// - Parameter loops: where the work is done; nil: on the threads that Swift keeps for it.
    package init(
        store: any JobStore, hosts: [HostProfile], clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), settings: HostRunner.Settings = .init(),
        retention: RetentionRules = RetentionRules(), loops: EventLoopGroup? = nil, log: Logger
    ) {
        self.loops = loops
        self.store = store
        self.clock = clock
        self.sleeper = sleeper
        self.settings = settings
        self.log = log
        self.retention = Retention(store: store, rules: retention, clock: clock, sleeper: sleeper, log: log)
        (changes, announce) = AsyncStream.makeStream()
        store.observe { [weak self] changes in
            guard let self else { return }
            for change in changes {
                if let job = change.job { self.runner(of: job.host)?.committed(job) }
            }
        }
        let runners = hosts.map(runner(for:))
        // At once: what is committed before `run` must reach them.
        state.withLock { $0.runners = Dictionary(uniqueKeysWithValues: runners.map { ($0.host.id, $0) }) }
        announce.yield(Change(leaving: [], arriving: runners, grace: .zero))
    }

    private func runner(of host: HostID) -> HostRunner? { state.withLock { $0.runners[host] } }

    private func runner(for host: HostProfile) -> HostRunner {
        HostRunner(host: host, store: store, clock: clock, sleeper: sleeper, settings: settings, loops: loops, log: log)
    }

    /// Works until `stop`, or until cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.expire() }
            group.addTask { await self.retention.run() }
            // The runners decide when the engine ends.
            await withDiscardingTaskGroup { group in
                for await change in changes {
                    await leave(change.leaving, grace: change.grace)
                    for runner in change.arriving where enter(runner) {
                        group.addTask(executorPreference: loops?.next()) {
                            await runner.run()
                            self.ended(runner)
                        }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// How far it is with what an earlier run left.
    package var recovery: RecoveryStatus {
        let times = state.withLock { $0.runners.values.map(\.recoveryTime) }
        return RecoveryStatus(
            remaining: times.count { $0 == nil }, time: times.compactMap(\.self).max() ?? .zero)
    }

    package func stop(grace: Duration = .seconds(10)) async {
        let runners = state.withLock { state in
            state.isStopping = true
            return Array(state.runners.values)
        }
        announce.finish()
        await withDiscardingTaskGroup { group in
            for runner in runners { group.addTask { await runner.stop(grace: grace) } }
        }
    }

    /// Lets hosts go and takes others up; the rest goes on undisturbed.
    ///
    /// - Parameters:
    ///   - leaving: also those that come again in another form.
    ///   - grace: what their stations carry gets so long to end.
    package func change(leaving: [HostID], arriving: [HostProfile], grace: Duration = .seconds(10)) {
        announce.yield(Change(leaving: leaving, arriving: arriving.map(runner(for:)), grace: grace))
    }

    /// What is removed from now on.
    package func keep(_ rules: RetentionRules) { retention.rules = rules }

    /// - Returns: false when the engine stops.
    private func enter(_ runner: HostRunner) -> Bool {
        state.withLock { state in
            guard !state.isStopping else { return false }
            state.runners[runner.host.id] = runner
            return true
        }
    }

    private func leave(_ hosts: [HostID], grace: Duration) async {
        let leaving = state.withLock { state in hosts.compactMap { state.runners[$0] } }
        await withDiscardingTaskGroup { group in
            for runner in leaving {
                group.addTask {
                    await runner.stop(grace: grace)
                    await self.end(of: runner)
                }
            }
        }
        state.withLock { state in
            for runner in leaving {
                state.runners[runner.host.id] = nil
                state.ended.remove(ObjectIdentifier(runner))
            }
        }
    }

    private func ended(_ runner: HostRunner) {
        let waiters = state.withLock { state in
            state.ended.insert(ObjectIdentifier(runner))
            return state.waiters.removeValue(forKey: ObjectIdentifier(runner)) ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    private func end(of runner: HostRunner) async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.ended.contains(ObjectIdentifier(runner)) { return true }
                state.waiters[ObjectIdentifier(runner), default: []].append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    private func expire() async {
        while !Task.isCancelled {
            do {
                let now = clock.now()
                for id in try await store.overdue(at: now, limit: 500) {
                    _ = try? await store.commit(JobChange(.expire, of: id, at: now))
                }
                for id in try await store.timedOut(at: now, limit: 500) {
                    _ = try? await store.commit(JobChange(.timeOut, of: id, at: now))
                }
            } catch {
                log.error("overdue jobs could not be read", metadata: ["error": "\(error)"])
            }
            do { try await sleeper.sleep(for: settings.expiryPause) } catch { return }
        }
    }
}

/// How far an engine is with the jobs that were under way when it began.
package struct RecoveryStatus: Equatable, Sendable {
    /// Hosts whose jobs are still to be taken up.
    package var remaining = 0
    /// What the slowest of the others took.
    package var time = Duration.zero
    package init(remaining: Int = 0, time: Duration = .zero) {
        self.remaining = remaining
        self.time = time
    }
}
