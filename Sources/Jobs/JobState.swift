/// Where a job is. The table in `JobMachine` says who may change it.
package enum JobState: String, CaseIterable, Sendable {
    /// Stored, not to be sent until released.
    case held
    /// Stored, waiting for a station; `Job.reason` says for what.
    case queued
    /// A station is handing the deck in. A crash here leaves an open attempt, judged at start.
    case sending
    /// The host may or may not have it; the last attempt holds the evidence.
    case uncertain
    /// The host has it.
    case submitted
    /// The host said that it runs.
    case running
    /// It ran; its output is being taken. A crash here takes the rest after the last durable octet.
    case printing
    /// Ran to its end, whatever the return code.
    case completed
    /// Abend, JCL error, or lost by the host.
    case failed
    /// Refused by the host.
    case rejected
    /// Stopped on request.
    case canceled
    /// `notAfter` passed before it was sent.
    case expired
    /// Ended and then removed, on request or by retention: no job is stored so, only its last event tells it.
    case purged

    package var isFinal: Bool {
        switch self {
        case .completed, .failed, .rejected, .canceled, .expired, .purged: true
        case .held, .queued, .sending, .uncertain, .submitted, .running, .printing: false
        }
    }

    /// The host has the job, as far as we know.
    package var isAtHost: Bool {
        switch self {
        case .submitted, .running, .printing: true
        case .held, .queued, .sending, .uncertain, .completed, .failed, .rejected, .canceled, .expired, .purged: false
        }
    }
}

/// How a job ended, one model for all hosts.
package struct Outcome: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case ok, abend
        case jclError = "jcl_error"
        case canceled, lost, rejected
    }

    package var kind: Kind
    /// The highest return code of the steps; only with `.ok`.
    package var returnCode: Int?
    /// `S0C7` or `U0016`; only with `.abend`.
    package var abend: String?
    /// For people: z/OSMF's spelling where it has one (`CC 0004`, `ABEND S0C7`, `JCL ERROR`).
    package var text: String
    /// How it was read when the host told it in words only (`console`, `print-out`); nil when the protocol says it.
    package var matchedBy: String?

    package init(kind: Kind, returnCode: Int? = nil, abend: String? = nil, text: String, matchedBy: String? = nil) {
        self.kind = kind
        self.returnCode = returnCode
        self.abend = abend
        self.text = text
        self.matchedBy = matchedBy
    }

    package static func completed(_ returnCode: Int) -> Outcome {
        let digits = String(returnCode)
        let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        return Outcome(kind: .ok, returnCode: returnCode, text: "CC \(padded)")
    }

    package static func abended(_ code: String) -> Outcome {
        Outcome(kind: .abend, abend: code, text: "ABEND \(code)")
    }

    package static let jclError = Outcome(kind: .jclError, text: "JCL ERROR")
    package static let canceled = Outcome(kind: .canceled, text: "CANCELED")

    package static func lost(_ why: String) -> Outcome { Outcome(kind: .lost, text: why) }
    package static func rejected(_ why: String) -> Outcome { Outcome(kind: .rejected, text: why) }

    /// The final state a job with this outcome ends in.
    package var state: JobState {
        switch kind {
        case .ok: .completed
        case .abend, .jclError, .lost: .failed
        case .canceled: .canceled
        case .rejected: .rejected
        }
    }
}
