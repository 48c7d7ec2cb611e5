extension PrivRJE {
    /// The STATE of a job. Section 5.
    package enum JobState: String, CaseIterable, Sendable {
        case held = "HELD"
        case queued = "QUEUED"
        case running = "RUNNING"
        case done = "DONE"
        case failed = "FAILED"

        package var isFinished: Bool { self == .done || self == .failed }

        /// The code of the lines that tell it.
        package var code: Int {
            switch self {
            case .held, .queued, .running: 161
            case .done: 261
            case .failed: 463
            }
        }
    }

    /// Why a job FAILED. Section 5.
    package enum FailureReason: String, CaseIterable, Sendable {
        case jcl = "JCL"
        case abend = "ABEND"
        case cancelled = "CANCELLED"
        case lost = "LOST"
    }

    /// A line of STATUS, or the notice of a change.
    package struct JobLine: Equatable, Sendable {
        package var job: String
        package var name: String?
        package var state: JobState
        package var jobClass: String?
        /// The highest return code of a job that is DONE, 0 to 9999.
        package var returnCode: Int?
        package var reason: FailureReason?
        /// `S0C7` or `U0016`.
        package var abend: String?
        /// How many output files a finished job has.
        package var files: Int?
        /// Times as the host writes them: `2026-11-23T01:02:03Z`.
        package var submitted: String?
        package var started: String?
        package var ended: String?

        package init(job: String, name: String? = nil, state: JobState) {
            self.job = job
            self.name = name
            self.state = state
        }

        /// - Returns: nil for a line that is no job's. A state that this version does not know is taken from the code.
        package init?(_ line: Line) {
            guard let job = line["JOB"] else { return nil }
            let named = line["STATE"].flatMap { JobState(rawValue: $0.uppercased()) }
            switch (line.code, named) {
            case (161, let state?) where !state.isFinished: self.state = state
            case (161, nil): state = .running
            case (261, nil), (261, .done): state = .done
            case (463, nil), (463, .failed): state = .failed
            default: return nil
            }
            self.job = job
            name = line["NAME"]
            jobClass = line["CLASS"]
            returnCode = line.number("RC")
            reason = line["REASON"].flatMap { FailureReason(rawValue: $0.uppercased()) }
            abend = line["ABEND"]
            files = line.number("FILES")
            submitted = line["SUBMITTED"]
            started = line["STARTED"]
            ended = line["ENDED"]
        }

        package var line: Line {
            var line = Line(state.code)
            line.add("JOB", job)
            line.add("NAME", name)
            line.add("STATE", state.rawValue)
            line.add("REASON", reason?.rawValue)
            line.add("ABEND", abend)
            line.add("RC", returnCode.map(PrivRJE.fourDigits))
            line.add("FILES", files)
            line.add("CLASS", jobClass)
            line.add("SUBMITTED", submitted)
            line.add("STARTED", started)
            line.add("ENDED", ended)
            return line
        }
    }

    static func fourDigits(_ number: Int) -> String {
        let digits = String(min(9_999, max(0, number)))
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}
