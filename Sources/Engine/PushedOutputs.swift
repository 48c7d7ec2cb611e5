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
    let clock: WallClock
    let sleeper: any Clock<Duration>
    let log: Logger

    /// How long output may wait for the commit of its job's receipt, which it can overtake.
    static let receiptTime = Duration.seconds(60)
    static let receiptPause = Duration.milliseconds(20)
    /// Jobs of one name that are looked at, the newest first.
    static let mostNamesakes = 50

    package init(
        host: HostID, codePage: CodePage, store: any JobStore, clock: WallClock = .system,
        sleeper: any Clock<Duration> = ContinuousClock(), log: Logger
    ) {
        self.host = host
        self.codePage = codePage
        self.store = store
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
        let scan: PrintScan
        let body: StagedBody
        let records: Int
        let textOctets: Int
    }

    func place(_ taken: Taken, isLast: Bool) async throws {
        let evidence = OutputMatcher.Evidence(
            job: taken.stream.job, number: taken.stream.number, name: taken.stream.name, scan: taken.scan)
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
    private func candidates(_ evidence: OutputMatcher.Evidence) async throws -> (open: [Job], ended: [Job]) {
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
        let number = same?.number ?? 1 + (files.map(\.number).max() ?? 0)
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
        if let outcome = taken.scan.outcome { return outcome }
        for file in files where file.kind == .print {
            let body = try await store.spoolBody(of: job.id, file: file.number)
            let page = CodePage(named: file.code) ?? codePage
            let form: RecordSplitter.Form = file.code == "BINARY" ? .fixed(max(1, file.recordLength)) : .text(page)
            var renderer = TextRenderer(file.carriageControl, records: form, code: page)
            var scan = PrintScan()
            var offset = 0
            while !scan.isDone {
                let piece = try await body.read(from: offset, count: DeckPreparation.pieceOctets)
                offset += piece.count
                var text: [UInt8] = []
                if piece.isEmpty { renderer.finish(to: &text) } else { renderer.append(piece.span, to: &text) }
                scan.append(text)
                if piece.isEmpty { break }
            }
            scan.finish()
            if let outcome = scan.outcome { return outcome }
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
            recordLength: stream.recordLength, records: records, octets: body.octets, textOctets: textOctets,
            hash: body.hash)
    }

    func unclaimed(on host: HostID, at time: Timestamp, _ reason: String) -> UnclaimedStream {
        UnclaimedStream(
            host: host, at: time, name: stream.name ?? scan.separator?.name ?? scan.name,
            hostJob: stream.number ?? scan.number.flatMap { JobNumber($0) }, header: stream.header, reason: reason,
            kind: stream.kind, carriageControl: stream.carriageControl, code: stream.code,
            recordLength: stream.recordLength, records: records, octets: body.octets, textOctets: textOctets,
            hash: body.hash)
    }
}

/// Stores one stream while it comes and reads it on the way.
private actor PushedSink: OutputSink {
    private let stream: PushedStream
    private let outputs: PushedOutputs
    private let body: any BodyWriter
    private var renderer: TextRenderer
    private var scan = PrintScan()
    private var textOctets = 0
    private var text: [UInt8] = []

    init(_ stream: PushedStream, of outputs: PushedOutputs, body: any BodyWriter) {
        self.stream = stream
        self.outputs = outputs
        self.body = body
        let page = CodePage(named: stream.code) ?? outputs.codePage
        let form: RecordSplitter.Form = stream.code == "BINARY" ? .fixed(max(1, stream.recordLength)) : .text(page)
        renderer = TextRenderer(stream.carriageControl, records: form, code: page)
    }

    func append(_ piece: [UInt8]) async throws(StationError) {
        do throws(StoreError) {
            try await body.append(piece)
        } catch {
            throw .local("\(error)")
        }
        text.removeAll(keepingCapacity: true)
        renderer.append(piece.span, to: &text)
        read()
    }

    func finish(isLast: Bool) async throws(StationError) {
        text.removeAll(keepingCapacity: true)
        renderer.finish(to: &text)
        read()
        scan.finish()
        do {
            let taken = PushedOutputs.Taken(
                stream: stream, scan: scan, body: try await body.finish(), records: renderer.records,
                textOctets: textOctets)
            try await outputs.place(taken, isLast: isLast)
        } catch {
            throw .local("\(error)")
        }
    }

    func discard() async { await body.discard() }

    /// Cards are data of any kind: what looks like a message in them is none.
    private func read() {
        textOctets += text.count
        if stream.kind == .print { scan.append(text) }
    }
}
