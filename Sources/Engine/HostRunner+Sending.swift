import Jobs
import Logging
import Stations
import Stores
import Synchronization
import Wire

extension HostRunner {
    /// What follows from one try.
    private enum Next {
        case done
        case again
        case uncertain
        /// The host cannot take jobs now.
        case later
    }

    /// Hands one queued job in; comes back when it is at the host, final, or somebody else's again.
    func send(_ id: JobID) async {
        defer { letGo(id) }
        while !Task.isCancelled {
            let next: Next
            do {
                next = try await FrameTape.$current.withValue(FrameTape()) { try await trySending(id) }
            } catch let error as StationError where error == .closed {
                return
            } catch {
                log.error("a job could not be sent", metadata: ["job": "\(id)", "error": "\(error)"])
                await judgeLeftSending(id)
                state.withLock { $0.hasBacklog = true }
                return
            }
            switch next {
            case .done: return
            case .again: continue
            case .uncertain:
                await settle(id)
                return
            case .later:
                let tries = state.withLock { state in
                    state.busyTries = min(state.busyTries + 1, 5)
                    state.hasBacklog = true
                    return state.busyTries
                }
                await pause(settings.busyPause * (1 << (tries - 1)))
                return
            }
        }
    }

    private func trySending(_ id: JobID) async throws -> Next {
        guard let waiting = try await store.job(id), waiting.state == .queued else { return .done }
        let lease = try await host.pool.lease(
            owner: waiting.owner, priority: waiting.priority, submittedAt: waiting.createdAt, purpose: .submission)
        defer { lease.release() }
        return try await withTaskExecutorPreference(lease.station.executor) { try await send(waiting, over: lease) }
    }

    private func send(_ waiting: Job, over lease: Lease) async throws -> Next {
        let id = waiting.id
        let deck: PreparedDeck
        do {
            deck = try await DeckPreparation.prepare(waiting, for: host, from: store)
        } catch {
            return try await reject(id, lease.session, because: error)
        }
        let window = ClosingWindow(
            of: id, deck, on: host.cutDeck, isCheap: lease.station.abilities.contains(.submissionKey), in: store, clock)
        let began = try await commit(
            JobChange(
                .beginSending, of: id, at: clock.now(),
                attempt: .open(session: "\(lease.session)", closing: window.isOpenFromTheStart)))
        guard began != nil else { return .done }
        let receipt: Receipt
        do throws(StationError) {
            receipt = try await lease.station.submit(window.deck, closing: window.closing)
        } catch {
            return try await judge(window.judged(error), of: id)
        }
        state.withLock { $0.busyTries = 0 }
        try await accepted(id, receipt, adopted: receipt.duplicate ? "known to the host by its submission key" : nil)
        return .done
    }

    /// What a failed submission means for the job.
    private func judge(_ error: StationError, of id: JobID) async throws -> Next {
        switch error {
        case .refusedDeck(let reason):
            _ = try await commit(
                JobChange(
                    .refused(reason: "the host refused the deck: \(reason)"), of: id, at: clock.now(),
                    attempt: .end(evidence: reason)))
            return .done
        case .busy(let reason):
            _ = try await commit(
                JobChange(
                    .returned(reason: "the host cannot take jobs now: \(reason)"), of: id, at: clock.now(),
                    attempt: .end(evidence: reason)))
            return .later
        case .notSent(let reason):
            let job = try await commit(
                JobChange(
                    .returned(reason: "the line was lost before the deck was complete: \(reason)"), of: id,
                    at: clock.now(), attempt: .end(evidence: reason)))
            return job?.state == .queued ? .again : .done
        case .uncertain(let evidence):
            _ = try await commit(
                JobChange(
                    .lostInClosing(evidence: evidence), of: id, at: clock.now(), attempt: .note(evidence: evidence)))
            return .uncertain
        case .noLine, .logonRefused, .hostUnwilling, .tooManySessions, .lineLost, .deadline, .garbage, .lacks, .refused,
            .local, .closed:
            // Not promised by the contract of `submit`: taken for the worse case.
            let evidence = error.description
            _ = try await commit(
                JobChange(
                    .lostInClosing(evidence: evidence), of: id, at: clock.now(), attempt: .note(evidence: evidence)))
            return .uncertain
        }
    }

    private func reject(_ id: JobID, _ session: SessionID, because error: any Error) async throws -> Next {
        if case StoreError.unavailable = error { throw error }
        let reason = "the stored deck cannot be sent: \(error)"
        log.error("a stored deck cannot be sent", metadata: ["job": "\(id)", "error": "\(error)"])
        let began = try await commit(
            JobChange(.beginSending, of: id, at: clock.now(), attempt: .open(session: "\(session)", closing: false)))
        guard began != nil else { return .done }
        _ = try await commit(
            JobChange(.refused(reason: reason), of: id, at: clock.now(), attempt: .end(evidence: reason)))
        return .done
    }

    /// Commits the receipt, then follows the job: a report that was faster than the commit waits in the follower.
    func accepted(_ id: JobID, _ receipt: Receipt, adopted: String?) async throws(StoreError) {
        guard
            let job = try await commit(
                JobChange(
                    .accepted(receipt.job, adopted: adopted), of: id, at: clock.now(), attempt: .end(evidence: nil)))
        else { return try await takeUp(id) }
        guard !receipt.purged, let number = receipt.job else {
            _ = try await commit(
                JobChange(
                    .finished(.lost("the host ran the job and has purged it with its output")), of: id, at: clock.now())
            )
            return
        }
        track(job, number)
        // It may have ended before anybody listened for its notices.
        if adopted != nil { yield(.check([(number, id)])) }
    }

    func track(_ job: Job, _ number: JobNumber) {
        let (orders, ousted) = state.withLock {
            $0.follower.adopt(number, as: job.id, isRunning: job.state != .submitted)
        }
        if let ousted { yield(.ousted(ousted)) }
        follow(orders)
    }

    /// Follows a job that somebody else found at the host: an operator, or a print-out that names it.
    func takeUp(_ id: JobID) async throws(StoreError) {
        guard let job = try await store.job(id), job.state.isAtHost, let number = job.hostJob else { return }
        let isKnown = state.withLock { $0.follower.tracked[number]?.job == id }
        guard !isKnown else { return }
        // The next tick asks the host for it; not now: the commit that ends it may be right behind.
        track(job, number)
    }

    func ousted(_ id: JobID) async {
        do {
            _ = try await commit(
                JobChange(.finished(.lost("the host gave the job's number to another job")), of: id, at: clock.now()))
        } catch {
            log.error("a lost job could not be stored", metadata: ["job": "\(id)", "error": "\(error)"])
        }
    }
}
