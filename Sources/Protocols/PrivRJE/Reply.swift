extension PrivRJE {
    /// A whole answer, as the host's batch system gives it. The last line has no `hasMore`, all others have.
    package struct Reply: Equatable, Sendable {
        package private(set) var lines: [Line]

        package init(_ lines: [Line], last: Line) {
            self.lines = lines + [last]
            for at in self.lines.indices { self.lines[at].hasMore = at < self.lines.count - 1 }
        }

        package init(_ code: Int, _ words: String = "") { self.init([], last: Line(code, words)) }

        /// The code of the last line.
        package var code: Int { lines.last?.code ?? 500 }
        var octets: [UInt8] { lines.flatMap(\.octets) }
    }
}

extension PrivRJE.Reply {
    /// 260: the job is on stable storage, or was before.
    package static func accepted(_ receipt: PrivRJE.Receipt) -> Self { Self([], last: receipt.line) }
    /// 461.
    package static func refused(_ refusal: PrivRJE.Refusal) -> Self { Self([], last: refusal.line) }
    /// 462: not now.
    package static func notTakingJobs(_ text: String) -> Self { Self(462, text) }
    /// 262 to VOID: the key names no job and never will.
    package static let voided = Self(262, "void")
    /// The line of STATUS for one job.
    package static func job(_ job: PrivRJE.JobLine) -> Self { Self([], last: job.line) }

    /// STATUS of all: newest first. The page's 1,000 are kept here; `MORE=Y` is said when there are others.
    package static func jobs(_ jobs: some Collection<PrivRJE.JobLine>, hasMore: Bool = false) -> Self {
        let listed = jobs.prefix(PrivRJE.mostListedJobs).map(\.line)
        var last = PrivRJE.Line(200)
        last.add("COUNT", listed.count)
        if hasMore || jobs.count > listed.count { last.add("MORE", "Y") }
        return Self(listed, last: last)
    }

    package static func files(_ files: [PrivRJE.FileLine]) -> Self {
        var last = PrivRJE.Line(200)
        last.add("COUNT", files.count)
        return Self(files.map(\.line), last: last)
    }

    /// 262 to PURGE and CANCEL.
    package static func ended(job: String, state: PrivRJE.JobState? = nil) -> Self { changed(262, job, state) }
    /// 263 to HOLD and RELEASE.
    package static func moved(job: String, state: PrivRJE.JobState) -> Self { changed(263, job, state) }
    /// 464: not there, or another user's.
    package static let noSuchJob = Self(464, "no such job")
    /// 464 to FIND.
    package static let noSuchKey = Self(464, "no job has this key")
    /// 504: the job is not finished, or finished already.
    package static func notNow(_ text: String) -> Self { Self(504, text) }
    /// 465: the job's state forbids it.
    package static func notPossible(_ text: String) -> Self { Self(465, text) }
    /// 433.
    package static func notAllowed(_ text: String) -> Self { Self(433, text) }
    /// 501: OFFSET beyond the file, or no such file.
    package static func badParameter(_ text: String) -> Self { Self(501, text) }
    /// 200.
    package static func done(_ text: String = "ok") -> Self { Self(200, text) }
    /// 200 after lines of 060.
    package static func operatorAnswer(_ lines: [String]) -> Self {
        Self(lines.map { PrivRJE.Line(60, $0) }, last: PrivRJE.Line(200))
    }

    private static func changed(_ code: Int, _ job: String, _ state: PrivRJE.JobState?) -> Self {
        var line = PrivRJE.Line(code)
        line.add("JOB", job)
        line.add("STATE", state?.rawValue)
        return Self([], last: line)
    }
}
