package import Jobs
package import Logging
package import Stations
package import Stores
package import Wire

/// Takes what one host pushes: stores it, finds its job, commits both as one. What is nobody's is kept as unclaimed.
///
/// The host hears of it only afterwards, so a crash at any point makes the host send a stream again; one that a job has
/// already, to the octet, is recognised and dropped.
package struct PushedOutputs: OutputTaker {
    let host: HostID
    let codePage: CodePage
    let store: any JobStore
    let growing: GrowingOutputs
    let clock: WallClock
    let sleeper: any Clock<Duration>
    let log: Logger

    /// How long output may wait for the commit of its job's receipt, which it can overtake.
    static let receiptTime = Duration.seconds(60)
    static let receiptPause = Duration.milliseconds(20)
    /// Jobs of one name that are looked at, the newest first.
    static let mostNamesakes = 50

    package init(
        host: HostID, codePage: CodePage, store: any JobStore, growing: GrowingOutputs = GrowingOutputs(),
        clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), log: Logger
    ) {
        self.host = host
        self.codePage = codePage
        self.store = store
        self.growing = growing
        self.clock = clock
        self.sleeper = sleeper
        var log = log
        log[metadataKey: "host"] = "\(host)"
        self.log = log
    }

    package func begin(_ stream: PushedStream) async throws(StationError) -> any OutputSink {
        do {
            return PushedSink(stream, of: self, body: try await store.stageBody())
        } catch {
            throw .local("\(error)")
        }
    }

    /// Everything that is known of a stream when it is complete.
    struct Taken: Sendable {
        let stream: PushedStream
        let text: TextTally
        let body: StagedBody
        let shown: Shown?
    }

    /// A stream as it can be read while it comes.
    struct Shown: Sendable {
        let job: JobID
        let file: GrowingOutputs.File
    }

    /// Shows a long stream to those who may see its job. Of whose it is there must be no doubt, and the job must be at the host: what
    /// is shown here is not yet given.
    func show(_ stream: PushedStream, _ scan: PrintScan, _ body: any BodyWriter) async throws(StoreError) -> Shown? {
        let evidence = OutputMatcher.Evidence(job: stream.job, number: stream.number, name: stream.name, scan: scan)
        let open = try await candidates(evidence).open
        guard
            case .job(let id, .certain, _) = OutputMatcher.match(
                evidence, among: open.map { OutputMatcher.Candidate($0) }),
            open.contains(where: { $0.id == id && $0.state.isAtHost })
        else { return nil }
        let last = try await store.spoolFiles(of: id).map(\.number).max() ?? 0
        let file = growing.add(to: id, behind: last) { number in
            GrowingOutputs.File(
                number: number, kind: stream.kind, step: nil, ddName: nil, carriageControl: stream.carriageControl,
                code: stream.code, recordLength: stream.recordLength, body: body, extent: .init())
        }
        return Shown(job: id, file: file)
    }

    func place(_ taken: Taken, isLast: Bool) async throws {
        let evidence = OutputMatcher.Evidence(
            job: taken.stream.job, number: taken.stream.number, name: taken.stream.name, scan: taken.text.scan)
        var waited = Duration.zero
        while true {
            let (open, ended) = try await candidates(evidence)
            let match = OutputMatcher.match(evidence, among: open.map { OutputMatcher.Candidate($0) })
            guard case .job(let id, let confidence, let matchedBy) = match,
                let job = open.first(where: { $0.id == id })
            else {
                guard case .nobody(let reason) = match else { return }
                return try await placeWithoutJob(taken, evidence, ended, reason)
            }
            if job.state == .sending, waited < Self.receiptTime {
                try await sleeper.sleep(for: Self.receiptPause)
                waited += Self.receiptPause
                continue
            }
            if try await give(taken, to: job, confidence, matchedBy, isLast: isLast) { return }
        }
    }

    /// Jobs of this host that the evidence may mean: those that can still get output, and those that have ended.
    private func candidates(
        _ evidence: OutputMatcher.Evidence
    ) async throws(StoreError) -> (open: [Job], ended: [Job]) {
        var jobs: [Job] = []
        for id in [evidence.job, evidence.scan.marker].compactMap({ $0 }) {
            if let job = try await store.job(id), job.host == host { jobs.append(job) }
        }
        for name in evidence.names {
            jobs += try await store.jobs(JobQuery(limit: Self.mostNamesakes, host: host, name: name.description))
        }
        var seen: Set<JobID> = []
        jobs = jobs.filter { seen.insert($0.id).inserted }
        return (
            jobs.filter { $0.state == .sending || $0.state == .uncertain || $0.state.isAtHost },
            jobs.filter(\.state.isFinal)
        )
    }

    /// - Returns: false when the job moved on meanwhile and has to be looked at again.
    private func give(
        _ taken: Taken, to job: Job, _ confidence: OutputMatcher.Confidence, _ matchedBy: String, isLast: Bool
    ) async throws -> Bool {
        let files = try await store.spoolFiles(of: job.id)
        let same = files.first { $0.hash == taken.body.hash && $0.kind == taken.stream.kind }
        let shown = taken.shown.flatMap { $0.job == job.id ? $0.file.number : nil }
        let others = files.map(\.number) + growing.files(of: job.id).map(\.number)
        let number = same?.number ?? shown ?? 1 + (others.max() ?? 0)
        let file = FinishedSpoolFile(file: taken.file(number, of: job.id), body: taken.body)
        do {
            if job.state == .uncertain {
                _ = try await store.commit(
                    JobChange(
                        .accepted(
                            taken.stream.number ?? job.hostJob ?? job.name.flatMap { JobNumber($0.description) },
                            adopted: "its output came: matched by \(matchedBy), \(confidence.rawValue)"),
                        of: job.id, at: clock.now(), attempt: .end(evidence: nil), files: [file]))
                guard isLast else { return true }
            }
            guard isLast else {
                _ = try await store.commit(JobChange(nil, of: job.id, at: clock.now(), files: [file]))
                return true
            }
            let outcome = try await outcome(taken, files, of: job)
            _ = try await store.commit(JobChange(.finished(outcome), of: job.id, at: clock.now(), files: [file]))
            return true
        } catch StoreError.conflict {
            return false
        }
    }

    /// How the job ended, by this print-out or one that came before; a host that only prints may say nothing of it.
    private func outcome(_ taken: Taken, _ files: [SpoolFile], of job: Job) async throws -> Outcome {
        if let outcome = taken.text.scan.outcome { return outcome }
        for file in files where file.kind == .print {
            let body = try await store.spoolBody(of: job.id, file: file.number)
            var tally = TextTally(
                file.kind, file.carriageControl, code: file.code, recordLength: file.recordLength, hostPage: codePage)
            var offset = 0
            while !tally.scan.isDone {
                let piece = try await body.read(from: offset, count: DeckPreparation.pieceOctets)
                if piece.isEmpty { break }
                offset += piece.count
                tally.append(piece)
            }
            tally.finish()
            if let outcome = tally.scan.outcome { return outcome }
        }
        return Outcome(kind: .ok, text: "ENDED", matchedBy: "output")
    }

    /// A stream that an ended job has already is one whose acknowledgement was lost. Anything else is kept for people; a job
    /// that ended keeps what was told of it.
    private func placeWithoutJob(
        _ taken: Taken, _ evidence: OutputMatcher.Evidence, _ ended: [Job], _ reason: String
    ) async throws {
        for job in ended {
            let files = try await store.spoolFiles(of: job.id)
            if files.contains(where: { $0.hash == taken.body.hash && $0.kind == taken.stream.kind }) {
                log.info("output that a job has already came again", metadata: ["job": "\(job.id)"])
                return
            }
        }
        let kept = try await store.keepUnclaimed(taken.unclaimed(on: host, at: clock.now(), reason), body: taken.body)
        log.warning(
            "output matches no job and is kept as unclaimed",
            metadata: [
                "unclaimed": "\(kept.number)", "name": "\(kept.name?.description ?? "-")", "reason": "\(reason)",
            ])
    }
}

extension PushedOutputs.Taken {
    func file(_ number: Int, of job: JobID) -> SpoolFile {
        SpoolFile(
            job: job, number: number, kind: stream.kind, carriageControl: stream.carriageControl, code: stream.code,
            recordLength: stream.recordLength, records: text.records, octets: body.octets, textOctets: text.octets,
            textHash: text.hash, hash: body.hash)
    }

    func unclaimed(on host: HostID, at time: Timestamp, _ reason: String) -> UnclaimedStream {
        UnclaimedStream(
            host: host, at: time, name: stream.name ?? text.scan.separator?.name ?? text.scan.name,
            hostJob: stream.number ?? text.scan.number.flatMap { JobNumber($0) }, header: stream.header, reason: reason,
            kind: stream.kind, carriageControl: stream.carriageControl, code: stream.code,
            recordLength: stream.recordLength, records: text.records, octets: body.octets, textOctets: text.octets,
            textHash: text.hash, hash: body.hash)
    }
}

/// Stores one stream while it comes and reads it on the way.
private actor PushedSink: OutputSink {
    private let stream: PushedStream
    private let outputs: PushedOutputs
    private let body: any BodyWriter
    private var tally: TextTally
    private var shown: PushedOutputs.Shown?
    private var hasAsked = false

    init(_ stream: PushedStream, of outputs: PushedOutputs, body: any BodyWriter) {
        self.stream = stream
        self.outputs = outputs
        self.body = body
        tally = TextTally(
            stream.kind, stream.carriageControl, code: stream.code, recordLength: stream.recordLength,
            hostPage: outputs.codePage)
    }

    func append(_ piece: [UInt8]) async throws(StationError) {
        do throws(StoreError) {
            try await body.append(piece)
        } catch {
            throw .local("\(error)")
        }
        tally.append(piece)
        if !hasAsked, body.octets > StagedBody.mostInlineOctets {
            hasAsked = true
            shown = try? await outputs.show(stream, tally.scan, body)
        }
        if let shown {
            var extent = GrowingOutputs.Extent()
            (extent.octets, extent.textOctets, extent.records) = (body.octets, tally.octets, tally.wholeRecords)
            outputs.growing.grow(shown.file, of: shown.job, to: extent)
        }
    }

    func finish(isLast: Bool) async throws(StationError) {
        tally.finish()
        defer { hide() }
        do {
            let taken = PushedOutputs.Taken(stream: stream, text: tally, body: try await body.finish(), shown: shown)
            try await outputs.place(taken, isLast: isLast)
        } catch {
            throw .local("\(error)")
        }
    }

    func discard() async {
        hide()
        await body.discard()
    }

    private func hide() {
        if let shown { outputs.growing.remove(shown.file, of: shown.job) }
        shown = nil
    }
}
