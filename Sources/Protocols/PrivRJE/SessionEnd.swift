extension PrivRJE {
    /// Why a station's session is over.
    package enum SessionEnd: Error, Equatable, Sendable {
        /// 231: our BYE was answered.
        case bye
        /// The line closed, by the host without a word or by the network.
        case lineClosed
        /// No octet for so long while an answer was due.
        case silence(Duration)
        /// What came is not this protocol, or not what was asked: the host, or what sits on its port, is suspect.
        case garbage(Garbage)
        /// The greeting or the answer to HELLO names no version that we speak.
        case unknownVersion(String)
        /// 431: user or password refused.
        case refused(String)
        /// The host wants a password and none is configured.
        case passwordNeeded
        /// The user or the password cannot be put into a line.
        case unsayable(RequestFault)
        /// 401: no new sessions now.
        case noNewSessions(String)
        /// 430.
        case logOnFailed(LogOnFailure, String)
        /// 435: trouble on the host.
        case hostTrouble(String)
        /// 436.
        case closedByHost(HostReason, String)
        /// The driver gave the session up, because it cannot provide the rest of a deck.
        case gaveUp
    }

    /// The REASON of a 430.
    package enum LogOnFailure: Equatable, Sendable { case time, tries, sessions, other }
    /// The REASON of a 436.
    package enum HostReason: Equatable, Sendable { case shutdown, idle, errors, other }

    /// What to do after a session. Section 3.
    package enum Remedy: Equatable, Sendable {
        /// Connect again when there is work.
        case reconnectWhenNeeded
        /// Connect again after a while, longer each time.
        case backOff
        /// Do not connect until someone acts.
        case tellOperator
    }

    /// Octets that cannot be what was due.
    package struct Garbage: Error, Equatable, Sendable {
        package enum Reason: Equatable, Sendable {
            case lineTooLong
            case notALine(Line.Fault)
            /// An answer that nothing asked for.
            case unasked(code: Int)
            /// An answer that this request cannot have.
            case unexpected(code: Int)
            /// More lines than any answer has.
            case answerTooLong
        }

        package let reason: Reason
        /// Octets of the session before the line at fault.
        package let offset: Int
        /// Its first octets in hex.
        package let excerpt: String

        package init(reason: Reason, offset: Int, excerpt: String) {
            self.reason = reason
            self.offset = offset
            self.excerpt = excerpt
        }
    }
}

extension PrivRJE.SessionEnd {
    package var remedy: PrivRJE.Remedy {
        switch self {
        case .bye, .closedByHost(.shutdown, _), .closedByHost(.idle, _): .reconnectWhenNeeded
        case .lineClosed, .silence, .noNewSessions, .hostTrouble, .gaveUp, .closedByHost(.other, _),
            .logOnFailed(.time, _), .logOnFailed(.sessions, _), .logOnFailed(.other, _):
            .backOff
        case .garbage, .unknownVersion, .refused, .passwordNeeded, .unsayable, .closedByHost(.errors, _),
            .logOnFailed(.tries, _):
            .tellOperator
        }
    }

    /// True when what answered should not be trusted with a deck until someone has looked.
    package var isHostSuspect: Bool { if case .garbage = self { true } else { false } }

    /// The end that this last line of an answer announces; nil when it ends nothing.
    init?(_ line: PrivRJE.Line) {
        let reason = line["REASON"]?.uppercased()
        switch line.code {
        case 401: self = .noNewSessions(line.text)
        case 430:
            let failure: PrivRJE.LogOnFailure =
                switch reason {
                case "TIME": .time
                case "TRIES": .tries
                case "SESSIONS": .sessions
                default: .other
                }
            self = .logOnFailed(failure, line.text)
        case 435: self = .hostTrouble(line.text)
        case 436:
            let hostReason: PrivRJE.HostReason =
                switch reason {
                case "SHUTDOWN": .shutdown
                case "IDLE": .idle
                case "ERRORS": .errors
                default: .other
                }
            self = .closedByHost(hostReason, line.text)
        default: return nil
        }
    }
}
