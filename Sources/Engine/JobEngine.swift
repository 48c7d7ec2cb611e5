package import Jobs
package import Logging
package import Stores

/// Moves every job on: one runner a host, and what concerns all of them.
package final class JobEngine: Sendable {
    package let runners: [HostRunner]
    private let byHost: [HostID: HostRunner]
    private let store: any JobStore
    private let clock: WallClock
    private let sleeper: any Clock<Duration>
    private let retention: Retention
    private let expiryPause: Duration
    private let log: Logger

    package init(
        store: any JobStore, hosts: [HostProfile], clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), settings: HostRunner.Settings = .init(),
        retention: RetentionRules = RetentionRules(), log: Logger
    ) {
        self.store = store
        self.clock = clock
        self.sleeper = sleeper
        expiryPause = settings.expiryPause
        self.log = log
        self.retention = Retention(store: store, rules: retention, clock: clock, sleeper: sleeper, log: log)
        runners = hosts.map {
            HostRunner(host: $0, store: store, clock: clock, sleeper: sleeper, settings: settings, log: log)
        }
        byHost = Dictionary(uniqueKeysWithValues: runners.map { ($0.host.id, $0) })
        store.observe { [weak self] changes in
            guard let self else { return }
            for change in changes {
                if let job = change.job { self.byHost[job.host]?.committed(job) }
            }
        }
    }

    /// Works until `stop`, or until cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.expire() }
            group.addTask { await self.retention.run() }
            // The runners decide when the engine ends.
            await withDiscardingTaskGroup { group in
                for runner in runners { group.addTask { await runner.run() } }
            }
            group.cancelAll()
        }
    }

    package func stop(grace: Duration = .seconds(10)) async {
        await withDiscardingTaskGroup { group in
            for runner in runners { group.addTask { await runner.stop(grace: grace) } }
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
            do { try await sleeper.sleep(for: expiryPause) } catch { return }
        }
    }
}
