import Jobs
import Wire

/// Runs the steps of one job and makes its print-out.
struct JobRun {
    private let job: RunningJob
    private let initiator: Int
    private let isRerun: Bool
    private let submittedAt: Timestamp
    private let jobClass: JobClass
    /// JESYSMSG so far.
    private var messages: [String] = []
    private var returnCodes: [(step: String, code: Int)] = []
    private var abend: Abend?
    private var hasAllocationError = false
    private var highest = 0

    struct Result: Sendable {
        let end: JobEnd
        let files: [OutputFile]
    }

    init(_ job: RunningJob, initiator: Int, jobClass: JobClass, submittedAt: Timestamp, isRerun: Bool) {
        self.job = job
        self.initiator = initiator
        self.jobClass = jobClass
        self.submittedAt = submittedAt
        self.isRerun = isRerun
    }

    private var definition: JobDefinition { job.definition }
    private var now: Timestamp { job.time.now() }

    /// - Throws: `RunControl.Interrupted` when the host stops, `SpoolError` when print-out cannot be kept.
    mutating func run() async throws -> Result {
        let startedAt = now
        job.log("IRR010I  USERID \(left(job.user, 8)) IS ASSIGNED TO THIS JOB.")
        if isRerun { job.log("$HASP493 \(left(definition.name, 8)) JOB IS RESTARTED FROM ITS FIRST STEP") }
        guard definition.errors.isEmpty else {
            job.log("IEFC452I \(definition.name) - JOB NOT RUN - JCL ERROR")
            messages.append("  STMT NO. MESSAGE")
            for error in definition.errors { messages.append("\(right(error.statement, 9)) \(error.text)") }
            return try finish(.jclError, startedAt: startedAt)
        }
        if definition.isScanOnly {
            job.log("$HASP395 \(left(definition.name, 8)) ENDED - JCL SCAN, NOTHING WAS RUN")
            return try finish(.done(0), startedAt: startedAt)
        }
        job.log(
            "$HASP373 \(left(definition.name, 8)) STARTED - INIT \(left(String(initiator + 1), 4)) - CLASS \(jobClass) - SYS \(job.host.name)"
        )
        job.log("IEF403I \(definition.name) - STARTED - TIME=\(PrintedTime(now).clock)")
        for step in definition.steps {
            if job.control.isCancelled { abend = abend ?? .cancelled }
            try await run(step)
            if hasAllocationError || abend == .cancelled { break }
        }
        if job.control.isHostStopping { throw RunControl.Interrupted() }
        let outcome: JobEnd.Outcome
        switch abend {
        case _ where hasAllocationError:
            job.log("IEF453I \(definition.name) - JOB FAILED - JCL ERROR - TIME=\(PrintedTime(now).clock)")
            outcome = .jclError
        case .cancelled: outcome = .cancelled
        case let abend?: outcome = .abend(abend)
        case nil: outcome = .done(highest)
        }
        if !hasAllocationError {
            job.log("IEF404I \(definition.name) - ENDED - TIME=\(PrintedTime(now).clock)")
        }
        job.log("$HASP395 \(left(definition.name, 8)) ENDED\(JobRun.tail(of: outcome))")
        return try finish(outcome, startedAt: startedAt)
    }

    /// A job that is cancelled before it runs: its log and its JCL.
    mutating func cancelled() throws -> Result {
        job.log("$HASP890 JOB(\(definition.name)) CANCELLED BEFORE IT RAN")
        return try finish(.cancelled, startedAt: nil)
    }

    private static func tail(of outcome: JobEnd.Outcome) -> String {
        switch outcome {
        case .done(let code): " - RC=\(pad(code, 4))"
        case .abend(let abend): " - ABEND=\(abend)"
        case .cancelled: " - ABEND=S222"
        case .jclError: " - JCL ERROR"
        case .lost: ""
        }
    }

    // MARK: steps

    private func isBypassed(by conditions: [JobDefinition.Condition]) -> Bool {
        conditions.contains { condition in
            returnCodes.contains { run in
                (condition.step == nil || condition.step == run.step) && condition.holds(for: run.code)
            }
        }
    }

    private func name(_ step: JobDefinition.Step) -> String {
        step.name.isEmpty ? definition.name : "\(definition.name) \(step.name)"
    }

    private mutating func run(_ step: JobDefinition.Step) async throws {
        if abend != nil && step.runs == .not {
            messages.append(" IEF272I \(name(step)) - STEP WAS NOT EXECUTED.")
            return
        }
        if abend == nil && step.runs == .only || isBypassed(by: definition.conditions)
            || isBypassed(by: step.conditions)
        {
            messages.append(" IEF202I \(name(step)) - STEP WAS NOT RUN BECAUSE OF CONDITION CODES")
            messages.append(" IEF272I \(name(step)) - STEP WAS NOT EXECUTED.")
            return
        }
        guard allocate(step) else { return }
        let startedAt = PrintedTime(now)
        var ended: Abend?
        do throws(Abend) {
            let code = try await call(step)
            returnCodes.append((step.name, code))
            highest = max(highest, code)
            messages.append(" IEF142I \(name(step)) - STEP WAS EXECUTED - COND CODE \(pad(code, 4))")
        } catch {
            ended = error
            report(error, in: step)
        }
        for data in step.dataSets {
            for source in data.sources {
                if case .inStream = source { messages.append(" IEF285I   \(dataSet(step, data)) SYSIN") }
                if case .sysout = source { messages.append(" IEF285I   \(dataSet(step, data)) SYSOUT") }
                if case .temporary(let name) = source {
                    messages.append(" IEF285I   \(left("SYS.\(job.number).\(name)", 44)) PASSED")
                }
            }
        }
        messages.append(" IEF373I STEP/\(left(step.name, 8))/START \(startedAt.julian)")
        messages.append(" IEF032I STEP/\(left(step.name, 8))/STOP  \(PrintedTime(now).julian)")
        if let ended { abend = abend ?? ended }
    }

    private func dataSet(_ step: JobDefinition.Step, _ data: JobDefinition.DataDefinition) -> String {
        left("\(job.user.uppercased()).\(definition.name).\(job.number).D\(pad(data.statement, 7)).\(data.name)", 44)
    }

    /// - Returns: false when a data set is not there, which ends the job.
    private mutating func allocate(_ step: JobDefinition.Step) -> Bool {
        for data in step.dataSets {
            for case .missing(_) in data.sources {
                messages.append(" IEF212I \(name(step)) \(data.name) - DATA SET NOT FOUND")
                messages.append(" IEF272I \(name(step)) - STEP WAS NOT EXECUTED.")
                hasAllocationError = true
                return false
            }
        }
        messages.append(" IEF236I ALLOC. FOR \(name(step))")
        for data in step.dataSets {
            for source in data.sources {
                switch source {
                case .dummy: messages.append(" IEF237I DMY  ALLOCATED TO \(data.name)")
                case .temporary: messages.append(" IEF237I VIO  ALLOCATED TO \(data.name)")
                case .inStream, .sysout, .missing: messages.append(" IEF237I JES2 ALLOCATED TO \(data.name)")
                }
            }
        }
        return true
    }

    private func call(_ definition: JobDefinition.Step) async throws(Abend) -> Int {
        guard let program = Catalog.programs[definition.program] else {
            job.log("CSV003I REQUESTED MODULE \(left(definition.program, 8)) NOT FOUND")
            throw .system("806")
        }
        do {
            return try await program.run(Step(definition, of: job))
        } catch let abend as Abend {
            throw abend
        } catch {
            job.log("IEA995I PROGRAM \(definition.program) FAILED: \(type(of: error))")
            throw .system("0C4")
        }
    }

    private mutating func report(_ abend: Abend, in step: JobDefinition.Step) {
        let system: String
        var user = 0
        switch abend {
        case .system(let code): system = code
        case .user(let code): (system, user) = ("000", code)
        case .cancelled: system = "222"
        }
        if abend == .system("722") {
            job.log(
                "$HASP375 \(left(definition.name, 8)) ESTIMATE EXCEEDED BY \(job.linesWritten - job.host.mostLines) LINES"
            )
        }
        job.log("IEF450I \(name(step)) - ABEND=S\(system) U\(pad(user, 4)) REASON=00000000")
        messages.append(
            " IEF472I \(name(step)) - COMPLETION CODE - SYSTEM=\(system) USER=\(pad(user, 4)) REASON=00000000")
    }
}

extension JobRun {
    // MARK: print-out

    private mutating func finish(_ outcome: JobEnd.Outcome, startedAt: Timestamp?) throws(SpoolError) -> Result {
        let endedAt = now
        if let startedAt {
            messages.append(" IEF375I  JOB/\(left(definition.name, 8))/START \(PrintedTime(startedAt).julian)")
            messages.append(" IEF033I  JOB/\(left(definition.name, 8))/STOP  \(PrintedTime(endedAt).julian)")
        }
        let data = job.written
        let log = job.newWriter(.print, step: nil, ddName: "JESMSGLG")
        let listing = job.newWriter(.print, step: nil, ddName: "JESJCL")
        let system = job.newWriter(.print, step: nil, ddName: "JESYSMSG")
        writeListing(to: listing)
        for (at, message) in messages.enumerated() { system.line(message, motion: at == 0 ? 0x31 : 0x20) }
        if job.host.printsSeparators { separator(.start, to: log) }
        writeLog(to: log, data: data, others: listing.records + system.records, from: startedAt ?? endedAt, to: endedAt)
        let all = [log, listing] + (system.records > 0 ? [system] : []) + data
        if job.host.printsSeparators, let last = all.last(where: { $0.kind == .print }) { separator(.end, to: last) }
        var files: [OutputFile] = []
        for writer in all { files.append(try writer.finish()) }
        return Result(end: JobEnd(outcome: outcome, at: endedAt), files: files)
    }

    private func separator(_ place: SeparatorPage.Place, to writer: SpoolWriter) {
        let lines = SeparatorPage.lines(
            place, number: job.number, name: definition.name, programmer: definition.programmer,
            outputClass: definition.messageClass, host: job.host.name, time: PrintedTime(now))
        for (at, line) in lines.enumerated() { writer.line(line, motion: at == 0 ? 0x31 : 0x20) }
    }

    private func writeLog(
        to log: SpoolWriter, data: [SpoolWriter], others: Int, from start: Timestamp, to end: Timestamp
    ) {
        let day = PrintedTime(start)
        log.line(
            "                 J E S 2  J O B  L O G  --  S Y S T E M  \(job.host.name)  --  N O D E  \(job.host.name)",
            motion: 0x31)
        log.line(" \(day.clock) \(job.number) ---- \(left(day.weekdayName + ",", 10)) \(day.date) ----", motion: 0x30)
        for line in job.logLines { log.line(line) }
        let lines = data.filter { $0.kind == .print }.reduce(0) { $0 + $1.records }
        let cards = data.filter { $0.kind == .punch }.reduce(0) { $0 + $1.records }
        let milliseconds =
            Int(start.duration(to: end).components.seconds) * 1000
            + Int(start.duration(to: end).components.attoseconds / 1_000_000_000_000_000)
        log.line("------ JES2 JOB STATISTICS ------", motion: 0x30)
        log.line(" \(right(day.date, 12)) JOB EXECUTION DATE")
        log.line(" \(right(job.deck.count, 12)) CARDS READ")
        // this line and the three below are of the log itself
        log.line(" \(right(log.records + 3 + others + lines, 12)) SYSOUT PRINT RECORDS")
        log.line(" \(right(cards, 12)) SYSOUT PUNCH RECORDS")
        log.line(
            " \(right("\(milliseconds / 60_000).\(pad(milliseconds % 60_000 / 600, 2))", 12)) MINUTES EXECUTION TIME")
    }

    private func writeListing(to listing: SpoolWriter) {
        var isFirst = true
        for entry in definition.listing {
            let statement: Int?
            var text: [UInt8]
            switch entry {
            case .card(let card, let number): (statement, text) = (number, Array(job.deck[card]))
            case .generated(let made, let number): (statement, text) = (number, Array(made.utf8))
            }
            var line = Array(right(statement.map(String.init) ?? "", 9).utf8) + [0x20]
            if isFirst {
                // the number stands at the right margin of the first statement
                text += repeatElement(0x20, count: max(0, 72 - text.count))
                text = text.prefix(72) + [0x20] + job.number.description.utf8
            }
            line += text
            listing.line(isFirst ? 0x31 : 0x20, line)
            isFirst = false
        }
    }
}
