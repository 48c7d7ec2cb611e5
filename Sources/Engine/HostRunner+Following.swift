import Jobs
import Logging
import Stations
import Stores
import Synchronization

extension HostRunner {
    /// Judges what an earlier run left behind. No timer is waited for: that process owned the lines, so every open attempt was cut when
    /// it ended.
    func recover() async {
        var pause = settings.busyPause
        while !Task.isCancelled {
            do {
                try await recoverOnce()
                return
            } catch {
                log.error("recovery could not read the store", metadata: ["error": "\(error)"])
                await self.pause(pause)
                pause = min(pause * 2, .seconds(60))
            }
        }
    }

    private func recoverOnce() async throws(StoreError) {
        let jobs = try await store.underWay(on: host.id)
        for job in jobs {
            switch job.state {
            case .sending: try await judgeCutAttempt(of: job)
            case .uncertain: takeForSettling(job.id)
            case .submitted, .running, .printing:
                guard let number = job.hostJob else { continue }
                track(job, number)
                if job.cancelRequestedAt != nil { yield(.cancel(job.id, number)) }
            case .held, .queued, .completed, .failed, .rejected, .canceled, .expired, .purged: continue
            }
        }
        if !jobs.isEmpty {
            log.info("jobs under way at the last stop are taken up", metadata: ["jobs": "\(jobs.count)"])
            yield(.reconcile)
        }
        yield(.lookForWork)
    }

    private func judgeCutAttempt(of job: Job) async throws(StoreError) {
        #if SEEDED_BUG_10  // recovery takes a closing attempt for one that sent nothing
            let attempt = try await store.attempts(of: job.id).last.map {
                Attempt(number: $0.number, job: job.id, host: $0.host, session: "", openedAt: $0.openedAt)
            }
        #else
            let attempt = try await store.attempts(of: job.id).last
        #endif
        // A host that runs cut decks has its attempt closing before the first card.
        if attempt?.phase == .open {
            let reason = "the gateway stopped before the deck was complete"
            _ = try await commit(
                JobChange(.returned(reason: reason), of: job.id, at: clock.now(), attempt: .end(evidence: reason)))
            return
        }
        let evidence = "the gateway stopped before it read the host's receipt"
        _ = try await commit(
            JobChange(
                .lostInClosing(evidence: evidence), of: job.id, at: clock.now(), attempt: .note(evidence: evidence)))
        takeForSettling(job.id)
    }

    func noteRunning(_ id: JobID) async {
        do {
            guard let job = try await store.job(id), job.state == .submitted, let number = job.hostJob else { return }
            // Its end is known already: that commit says more.
            if state.withLock({ $0.follower.isEnding(id, number) }) { return }
            _ = try await commit(JobChange(.running, of: id, at: clock.now()))
        } catch {
            log.error("a running job could not be noted", metadata: ["job": "\(id)", "error": "\(error)"])
        }
    }

    /// Asks the host for every job that is followed: after a line was lost, and now and then, since notices are a courtesy.
    func reconcile() async {
        let isFirst = state.withLock { state in
            if state.isReconciling {
                state.reconcileAgain = true
                return false
            }
            state.isReconciling = true
            return true
        }
        guard isFirst else { return }
        repeat {
            state.withLock { $0.reconcileAgain = false }
            await reconcileOnce()
        } while state.withLock { state in
            if !state.reconcileAgain { state.isReconciling = false }
            return state.reconcileAgain
        }
    }

    private func reconcileOnce() async {
        await check(state.withLock { $0.follower.followed })
    }

    /// A commit failed while the job was in hand: when the store takes writes again it is judged as after a restart.
    func judgeLeftSending(_ id: JobID) async {
        while !Task.isCancelled {
            await pause(settings.busyPause)
            do {
                guard let job = try await store.job(id) else { return }
                if job.state == .sending { try await judgeCutAttempt(of: job) }
                if let judged = try await store.job(id), judged.state == .uncertain { takeForSettling(id) }
                if job.state.isAtHost, let number = job.hostJob {
                    track(job, number)
                    yield(.check([(number, id)]))
                }
                return
            } catch {
                log.notice(
                    "a job that was being sent cannot be judged yet", metadata: ["job": "\(id)", "error": "\(error)"])
            }
        }
    }

    /// Asks the host for these jobs.
    func check(_ followed: [(number: JobNumber, job: JobID)]) async {
        guard !followed.isEmpty else { return }
        do {
            let lease = try await host.pool.lease(
                owner: .local, priority: 15, submittedAt: clock.now(), purpose: .control)
            defer { lease.release() }
            let station = lease.station
            guard station.abilities.contains(.status) else { return }
            for (number, job) in followed {
                try await reconcile(number, job, with: station)
            }
        } catch let error as StationError where error == .closed {
            return
        } catch {
            log.notice("the host could not be asked for its jobs", metadata: ["error": "\(error)"])
            // A lost line makes a new session, and that asks again; anything else waits for the next tick.
        }
    }

    private func reconcile(_ number: JobNumber, _ id: JobID, with station: any Station) async throws {
        // The number alone can belong to another job on a host that lost its memory; the key cannot.
        if let job = try await store.job(id), let memory = station.keyMemory,
            job.createdAt.advanced(by: memory) > clock.now(), station.abilities.contains(.submissionKey)
        {
            guard let receipt = try await station.find(key: job.submissionKey), receipt.job == number else {
                return try await lost(id, number)
            }
            if receipt.purged { return try await lost(id, number) }
        }
        guard let report = try await station.status(of: number) else { return try await lost(id, number) }
        hear(report)
    }

    private func lost(_ id: JobID, _ number: JobNumber) async throws {
        log.warning("the host no longer knows a job", metadata: ["job": "\(id)", "host_job": "\(number)"])
        _ = try await commit(
            JobChange(.finished(.lost("the host no longer knows the job \(number)")), of: id, at: clock.now()))
        state.withLock { $0.follower.forget(number, of: id) }
    }

    func cancel(_ id: JobID, _ number: JobNumber) async {
        while !Task.isCancelled {
            do {
                guard let job = try await store.job(id), job.state.isAtHost else { return }
                let lease = try await host.pool.lease(
                    owner: job.owner, priority: job.priority, submittedAt: job.createdAt, purpose: .control)
                defer { lease.release() }
                guard lease.station.abilities.contains(.cancel) else {
                    log.warning("the host cannot cancel jobs", metadata: ["job": "\(id)"])
                    return
                }
                let answer = try await lease.station.cancel(number)
                if answer == .tooLate {
                    _ = try await commit(JobChange(.cancelAnswered(.tooLate), of: id, at: clock.now()))
                }
                // What else it did shows in the job's end, which the host reports.
                log.info("the host was asked to cancel a job", metadata: ["job": "\(id)", "answer": "\(answer)"])
                yield(.reconcile)
                return
            } catch StationError.closed {
                return
            } catch {
                log.notice("a job could not be canceled yet", metadata: ["job": "\(id)", "error": "\(error)"])
                await pause(settings.busyPause)
            }
        }
    }
}
