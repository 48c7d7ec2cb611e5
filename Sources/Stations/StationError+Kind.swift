extension StationError {
    /// One word, for counting.
    package var kind: String {
        switch self {
        case .noLine: "no_line"
        case .logonRefused: "logon_refused"
        case .hostUnwilling: "host_unwilling"
        case .tooManySessions: "too_many_sessions"
        case .lineLost: "line_lost"
        case .deadline: "deadline"
        case .garbage: "garbage"
        case .refusedDeck: "refused_deck"
        case .busy: "busy"
        case .notSent: "not_sent"
        case .uncertain: "uncertain"
        case .lacks: "lacks"
        case .refused: "refused"
        case .local: "local"
        case .closed: "closed"
        }
    }
}
