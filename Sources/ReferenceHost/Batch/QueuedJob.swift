package import Jobs
package import Wire

/// A job as the queue holds it, from acceptance to PURGE.
struct QueuedJob: Sendable {
    /// Never used twice, unlike the number.
    let serial: UInt64
    let number: HostJobNumber
    let name: String
    let user: String
    let key: String?
    /// Emptied at the job's end.
    var block: [UInt8]
    let hash: ContentHash
    let code: CodePage
    let form: CardForm
    let longest: Int
    let jobClass: JobClass
    var priority: Int
    var isHeld: Bool
    let cards: Int
    let submittedAt: Timestamp
    /// Not to run before this commit is safe.
    var commit: UInt64 = 0
    var startedAt: Timestamp?
    /// It was running when an earlier process died.
    var isRerun = false
    var isCancelAsked = false
    /// It runs, or is being ended.
    var control: RunControl?
    var end: JobEnd?
    /// The end is safe and may be told.
    var isEndVisible = false
    var files: [OutputFile] = []

    var state: QueueState {
        if isEndVisible, let end {
            if case .done = end.outcome { return .done }
            return .failed
        }
        if startedAt != nil && (control != nil || end != nil) { return .running }
        return isHeld ? .held : .queued
    }

    var isWaiting: Bool { end == nil && control == nil && !isHeld && !isCancelAsked }

    var report: JobReport {
        JobReport(
            number: number, name: name, user: user, state: state, jobClass: jobClass, priority: priority,
            submittedAt: submittedAt, startedAt: startedAt, end: isEndVisible ? end : nil,
            files: isEndVisible ? files.count : nil, key: key)
    }

    var record: JournalRecord {
        .accepted(
            .init(
                serial: serial, number: number.value, name: name, user: user, key: key, code: code, form: form,
                longest: longest, jobClass: jobClass, priority: priority, isHeld: isHeld, cards: cards,
                submittedAt: submittedAt, hash: hash, block: block))
    }
}

package enum QueueState: String, Sendable {
    case held = "HELD"
    case queued = "QUEUED"
    case running = "RUNNING"
    case done = "DONE"
    case failed = "FAILED"
}

/// What the batch system tells of a job.
package struct JobReport: Equatable, Sendable {
    package let number: HostJobNumber
    package let name: String
    package let user: String
    package let state: QueueState
    package let jobClass: JobClass
    package let priority: Int
    package let submittedAt: Timestamp
    package let startedAt: Timestamp?
    /// Of a finished job.
    package let end: JobEnd?
    /// Of a finished job.
    package let files: Int?
    /// The submission key; servers whose protocol has none mark their jobs by it.
    package let key: String?
}

/// A deck with what came beside it.
package struct Submission: Sendable {
    package var user: String
    package var key: String?
    package var block: [UInt8]
    package var code = CodePage.ascii
    package var form = CardForm.variable
    package var longestCard = 80
    package var isHeld = false
    /// Instead of the job card's.
    package var jobClass: JobClass?
    package var priority: Int?
    /// What the protocol has against the deck already; counts when the key binds nothing.
    package var refusal: DeckRefusal?

    package init(user: String, key: String? = nil, block: [UInt8]) {
        self.user = user
        self.key = key
        self.block = block
    }
}

/// An answer, and the commit that must be safe before anyone hears it.
package struct Pending<Answer: Sendable>: Sendable {
    package let answer: Answer
    /// 0: nothing to wait for.
    package let commit: UInt64

    init(_ answer: Answer, after commit: UInt64 = 0) {
        self.answer = answer
        self.commit = commit
    }
}

package struct JobReceipt: Equatable, Sendable {
    package let number: HostJobNumber
    package let name: String
    package let cards: Int
    package var isDuplicate = false
    package var isPurged = false
}

package enum SubmitAnswer: Equatable, Sendable {
    case accepted(JobReceipt)
    case refused(DeckRefusal)
    case notTakingJobs(String)
}

package enum VoidAnswer: Equatable, Sendable {
    case bound(JobReceipt)
    case voided
}

/// Why a command for a job is not obeyed.
package enum JobFault: Error, Equatable, Sendable {
    /// Not there, or another user's.
    case noSuchJob
    case notFinished
    case finished
    /// HOLD or RELEASE in a state that forbids it.
    case stateForbids
}
