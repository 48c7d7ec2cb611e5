import Protocols

extension PrivRJEStation {
    /// What a call is told.
    enum News: Sendable {
        /// An INPUT's line went out, or is about to: its deck is wanted.
        case deckWanted
        /// All but the last piece went out: commit, then `deckCommitted`.
        case commitWanted
        case answer(PrivRJE.Outcome)
        case block([UInt8], remaining: Int)
        /// No answer will come. For an INPUT `.notSent` or `.uncertain`.
        case over(StationError)
    }

    struct Call {
        var news: [News] = []
        var waiter: CheckedContinuation<News, Never>?
        /// The first piece of a deck, handed to the machine as soon as it asks.
        var firstPiece: [UInt8]?
        var isInput = false
        /// The attempt is stored as closing already.
        var isCommitted = false
        /// Place in all the octets ever queued at which an INPUT's block ends.
        var deckEnd: Int?
        /// Of the job that the call is made for.
        var tape: FrameTape?
    }

    enum Due: Hashable { case answer, keepAlive, signOn, write, signOff }

    enum Life { case new, open, over }

    /// What the host said at sign-on, for anyone to read.
    struct Facts: Sendable {
        var abilities: Abilities = []
        var limits: HostLimits?
    }
}
