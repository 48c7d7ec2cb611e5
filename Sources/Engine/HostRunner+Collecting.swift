import Jobs
import Logging
import Stations
import Stores
import Synchronization
import Wire

extension HostRunner {
    /// Output of at least this many octets is announced by the state `printing`; less is there in the same moment.
    private static let announcedOctets = 1024 * 1024
    /// A crash repeats at most this much of a long file.
    private static let checkpointOctets = 8 * 1024 * 1024
    private static let mostGarbledTries = 5

    /// Takes the output of a job that ended, stores it, and only then lets the host drop it.
    func collect(_ id: JobID, _ number: JobNumber, _ outcome: Outcome) async {
        let isMine = state.withLock { state in
            guard state.collecting < settings.mostCollecting else {
                state.collectLater.append(.collect(id, number, outcome))
                return false
            }
            state.collecting += 1
            return true
        }
        guard isMine else { return }
        defer {
            let next: Order? = state.withLock { state in
                state.collecting -= 1
                return state.collectLater.isEmpty ? nil : state.collectLater.removeFirst()
            }
            if let next { yield(next) }
        }
        var garbled = 0
        while !Task.isCancelled {
            do {
                try await FrameTape.$current.withValue(FrameTape()) { try await collectOnce(id, number, outcome) }
                state.withLock { $0.follower.forget(number, of: id) }
                return
            } catch StationError.closed {
                return
            } catch {
                if case StationError.garbage = error { garbled += 1 }
                if garbled >= Self.mostGarbledTries {
                    log.error("output is garbled again and again", metadata: ["job": "\(id)", "error": "\(error)"])
                    await pause(settings.busyPause * 15)
                }
                log.notice(
                    "output is taken again from where it stopped", metadata: ["job": "\(id)", "error": "\(error)"])
                await pause(.milliseconds(100))
            }
        }
    }

    private func collectOnce(_ id: JobID, _ number: JobNumber, _ outcome: Outcome) async throws {
        guard let job = try await store.job(id), !job.state.isFinal else { return }
        let lease = try await host.pool.lease(
            owner: job.owner, priority: job.priority, submittedAt: job.createdAt, purpose: .fetch)
        defer { lease.release() }
        try await withTaskExecutorPreference(lease.station.executor) {
            try await collect(id, number, outcome, over: lease)
        }
    }

    private func collect(_ id: JobID, _ number: JobNumber, _ outcome: Outcome, over lease: Lease) async throws {
        guard lease.station.abilities.contains(.pulledOutput) else {
            // What there is was pushed, and came before the host's word that the job ended.
            _ = try await commit(JobChange(.finished(outcome), of: id, at: clock.now()))
            return
        }
        let files: [HostFile]
        do throws(StationError) {
            files = try await lease.station.files(of: number)
        } catch {
            guard case .refused(let words) = error else { throw error }
            return try await lostOutput(id, number, words)
        }
        if files.reduce(0, { $0 + ($1.octets ?? 0) }) >= Self.announcedOctets {
            _ = try await commit(JobChange(.printing, of: id, at: clock.now()))
        }
        var finished: [FinishedSpoolFile] = []
        var outcome = outcome
        defer { host.growing.forget(id) }
        for file in files {
            let (taken, printed) = try await take(file, of: id, number, over: lease.station)
            finished.append(taken)
            outcome = outcome.told(by: printed)
        }
        #if SEEDED_BUG_9  // the host may drop the output before it is stored
            await purge(id, number, at: lease.station)
        #endif
        _ = try await commit(JobChange(.finished(outcome), of: id, at: clock.now(), files: finished))
        await purge(id, number, at: lease.station)
    }

    private func lostOutput(_ id: JobID, _ number: JobNumber, _ words: String) async throws {
        _ = try await commit(
            JobChange(.finished(.lost("the host has no output of the job any more: \(words)")), of: id, at: clock.now())
        )
    }

    /// Everything is on our disk: what fails here costs the host some space, no one a job.
    private func purge(_ id: JobID, _ number: JobNumber, at station: any Station) async {
        do {
            try await station.purge(number)
        } catch {
            log.info(
                "a finished job stays at the host",
                metadata: ["job": "\(id)", "host_job": "\(number)", "reason": "\(error)"])
        }
    }

    private func take(
        _ file: HostFile, of id: JobID, _ number: JobNumber, over station: any Station
    ) async throws -> (FinishedSpoolFile, printed: Outcome?) {
        let isLong = file.octets.map { $0 > StagedBody.mostInlineOctets } ?? true
        let body = isLong ? try await store.resumeSpoolFile(of: id, file: file.number) : try await store.stageBody()
        let taker = SpoolTaker(
            body: body,
            tally: TextTally(
                file.kind, file.carriageControl, code: file.code, recordLength: file.recordLength,
                hostPage: host.codePage),
            checkpointOctets: isLong ? Self.checkpointOctets : .max)
        let growing = GrowingOutputs.File(
            number: file.number, kind: file.kind, step: file.step, ddName: file.ddName,
            carriageControl: file.carriageControl, code: file.code, recordLength: file.recordLength, body: body,
            extent: try await taker.catchUp())
        host.growing.add(growing, of: id)
        do {
            let outputs = host.growing
            let total = try await station.fetch(file, of: number, from: body.octets, limit: nil) { piece in
                outputs.grow(growing, of: id, to: try await taker.append(piece))
            }
            guard total == body.octets else {
                throw StationError.garbage("file \(file.number) has \(total) octets by the host, \(body.octets) came")
            }
        } catch {
            host.growing.remove(growing, of: id)
            // What came is kept for the next try; a file that lies in memory only begins anew.
            if isLong { try? await body.checkpoint() } else { await body.discard() }
            throw error
        }
        let text = await taker.finish()
        var whole = GrowingOutputs.Extent()
        (whole.octets, whole.textOctets, whole.records, whole.isWhole) = (body.octets, text.octets, text.records, true)
        host.growing.grow(growing, of: id, to: whole)
        let staged = try await body.finish()
        let finished = FinishedSpoolFile(
            file: SpoolFile(
                job: id, number: file.number, kind: file.kind, step: file.step, ddName: file.ddName,
                carriageControl: file.carriageControl, code: file.code, recordLength: file.recordLength,
                records: text.records, octets: staged.octets, textOctets: text.octets, textHash: text.hash,
                hash: staged.hash),
            body: staged)
        return (finished, text.scan.outcome)
    }
}

/// Stores a file while it comes and counts what it will be as text.
private actor SpoolTaker {
    private let body: any BodyWriter
    private var tally: TextTally
    private let checkpointOctets: Int
    private var sinceCheckpoint = 0
    private var octets = 0

    init(body: any BodyWriter, tally: TextTally, checkpointOctets: Int) {
        self.body = body
        self.tally = tally
        self.checkpointOctets = checkpointOctets
    }

    /// Renders what an earlier run stored.
    func catchUp() async throws -> GrowingOutputs.Extent {
        var offset = 0
        while offset < body.octets {
            let piece = try await body.read(from: offset, count: DeckPreparation.pieceOctets)
            guard !piece.isEmpty else { break }
            count(piece)
            offset += piece.count
        }
        return extent
    }

    private var extent: GrowingOutputs.Extent {
        var extent = GrowingOutputs.Extent()
        (extent.octets, extent.textOctets, extent.records) = (octets, tally.octets, tally.wholeRecords)
        return extent
    }

    func append(_ piece: [UInt8]) async throws -> GrowingOutputs.Extent {
        try await body.append(piece)
        count(piece)
        sinceCheckpoint += piece.count
        if sinceCheckpoint >= checkpointOctets {
            sinceCheckpoint = 0
            try await body.checkpoint()
        }
        return extent
    }

    func finish() -> TextTally {
        tally.finish()
        return tally
    }

    private func count(_ piece: [UInt8]) {
        tally.append(piece)
        octets += piece.count
    }
}
