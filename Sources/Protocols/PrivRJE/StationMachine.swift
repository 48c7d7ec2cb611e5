extension PrivRJE {
    /// The station's side of one session: signs on, sends requests up to the host's WINDOW, and tells answers apart from
    /// notices and blocks.
    ///
    ///     idle ──opened──▶ greeting ──300──▶ hello ──200──▶ user ──330──▶ password ──230──▶ ready ──▶ over(why)
    ///                                                         └──230──────────────────────▲
    ///
    /// Every state may go to `over`; what is announced then is in `SessionEnd`. Decks and print-out pass through in
    /// pieces, so the machine holds neither.
    package struct StationMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            package var user: String
            /// nil: the user has none; a host that wants one ends the session.
            package var password: String?
            /// AGENT of HELLO, for the host's log; nil: none.
            package var agent: String?
            /// Longest silence while an answer is due; our choice.
            package var answerDeadline: Duration
            /// Silence after which PING is sent; never more than half of the host's IDLE. Our choice.
            package var keepAlive: Duration

            package init(
                user: String, password: String?, agent: String? = "port77", answerDeadline: Duration = .seconds(60),
                keepAlive: Duration = .seconds(240)
            ) {
                self.user = user
                self.password = password
                self.agent = agent
                self.answerDeadline = answerDeadline
                self.keepAlive = keepAlive
            }
        }

        package enum Timer: Hashable, Sendable {
            /// An answer is due.
            case answer
            /// The session has been quiet.
            case keepAlive
        }

        package enum Event: Equatable, Sendable {
            /// The line is up, TLS included.
            case opened
            case received([UInt8])
            /// The line closed or failed; nothing more can be sent or received.
            case lineClosed
            case timerFired(Timer)
            /// A request to send as soon as the session is ready and the window has room; kept in order until then.
            case submitted(RequestID, Request)
            /// The next octets of the deck that `provideDeck` asked for; any length, together exactly OCTETS.
            case deckPiece(RequestID, [UInt8])
            /// The attempt is committed as closing. May come at any time after `submitted`: an early one saves a turn.
            case closingCommitted(RequestID)
            /// The deck cannot be read on, or the session is not wanted any more: cut the line now.
            case gaveUp
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            /// 230 came: the host's abilities, and requests go out from now on.
            case signedOn(Abilities)
            /// Hand over the deck of this request by `deckPiece`, `octets` in all. Once for each INPUT, when its turn comes.
            case provideDeck(RequestID, octets: Int)
            /// Commit the attempt as closing, then answer `closingCommitted`: only then does the deck's last piece go
            /// out. Not asked when it was committed before.
            case commitClosing(RequestID)
            /// The answer. The last word about the request, but for a `block`.
            case deliver(RequestID, Outcome)
            /// The next octets of the block that `deliver(_, .block)` announced. The last piece has `remaining` 0.
            case deliverBlock(RequestID, [UInt8], remaining: Int)
            /// A job the user watches changed its state; perhaps one we do not know.
            case jobChanged(JobLine)
            /// A word from the operator (060), or another notice.
            case message(code: Int, text: String)
            /// Start the timer, or set it back to its full length when it runs.
            case startTimer(Timer, Duration)
            case stopTimer(Timer)
            /// The session ended and this request has no answer. Not done by the host, except INPUT: see `Sent`.
            case unanswered(RequestID, Sent)
            /// Close the line: the last action of a session, once.
            case hangUp(SessionEnd)
        }

        /// How much of a request the line had taken when the session ended.
        package enum Sent: Equatable, Sendable {
            /// Nothing: the host knows nothing of it.
            case nothing
            /// The line of an INPUT and so many octets of its block, but not all: the host drops it.
            case partly(blockOctets: Int)
            /// All of it, block included: of an INPUT nobody knows, section 4 settles it. Of a FETCH the block may have
            /// come in part.
            case fully
        }

        enum Phase: Equatable, Sendable {
            case idle, greeting, hello, user, password, ready
            case over(SessionEnd)
        }

        /// A request whose line went out.
        struct Open: Equatable, Sendable {
            /// nil: our own PING.
            let id: RequestID?
            let request: Request
        }

        struct Waiting: Equatable, Sendable {
            let id: RequestID
            let request: Request
        }

        /// The block that is on its way to the host.
        struct Deck: Equatable, Sendable {
            let id: RequestID
            /// Octets that the driver has still to provide.
            var toCome: Int
            /// Octets handed to the line.
            var sent = 0
            /// The last piece, until the attempt is committed.
            var lastPiece: [UInt8]?
        }

        package let configuration: Configuration
        var phase = Phase.idle
        var input = InputBuffer()
        var hostAbilities = Abilities()
        /// Sent and unanswered, oldest first; with `.block` outcome delivered the oldest stays until its block has come.
        var open: [Open] = []
        var waiting: [Waiting] = []
        var deck: Deck?
        /// INPUTs whose attempt was committed before it was asked for.
        var committed: Set<RequestID> = []
        /// Lines of an answer that is not complete.
        var lines: [Line] = []
        /// Where the line that was read last began; for `Garbage`.
        var lineOffset = 0
        /// BYE went out or waits; nothing may follow it.
        var isEnding = false
        /// nil: none is kept.
        var trace: [TraceItem]?

        /// Lines an answer may have, our bound on what a host can make us hold; the page's longest has 1,001.
        package static let mostAnswerLines = 10_000

        /// - Parameter isTraced: whether `takeTrace` is going to be asked after each event.
        package init(_ configuration: Configuration, isTraced: Bool = false) {
            self.configuration = configuration
            trace = isTraced ? [] : nil
        }

        /// What the host said to HELLO; defaults before.
        package var abilities: Abilities { hostAbilities }
        package var isSignedOn: Bool { phase == .ready }
        /// Why the session ended; nil while it lasts.
        package var end: SessionEnd? { if case .over(let end) = phase { end } else { nil } }
        /// Requests sent and not answered, our own PING included.
        package var unansweredCount: Int { open.count }
        /// Requests that may be submitted now and go out at once.
        package var freeWindow: Int {
            phase == .ready && deck == nil ? max(0, hostAbilities.window - open.count - waiting.count) : 0
        }

        /// Takes an event. After `hangUp` every event is without effect: late octets, a timer that lost its race; but a
        /// request submitted too late is reported unanswered. Perform the actions in order, and hand in the events that
        /// they cause after the last of them.
        package mutating func handle(_ event: Event) -> [Action] {
            if case .over = phase {
                if case .submitted(let id, _) = event { return [.unanswered(id, .nothing)] }
                return []
            }
            var actions: [Action] = []
            let wasDue = isAnswerDue
            switch event {
            case .opened: if phase == .idle { phase = .greeting }
            case .received(let octets):
                input.append(octets)
                read(&actions)
            case .lineClosed: finish(.lineClosed, &actions)
            case .timerFired(let timer): fired(timer, &actions)
            case .submitted(let id, let request): submit(id, request, &actions)
            case .deckPiece(let id, let piece): send(piece, of: id, &actions)
            case .closingCommitted(let id): commit(id, &actions)
            case .gaveUp: finish(.gaveUp, &actions)
            }
            setTimers(wasDue: wasDue, after: event, &actions)
            return actions
        }

        /// Something is due from the host.
        private var isAnswerDue: Bool {
            switch phase {
            case .idle, .over: false
            case .greeting, .hello, .user, .password: true
            // while a deck goes out the host has nothing to say to it; older requests are still due
            case .ready: open.count > (deck == nil ? 0 : 1)
            }
        }

        private func setTimers(wasDue: Bool, after event: Event, _ actions: inout [Action]) {
            if case .over = phase { return }
            let isDue = isAnswerDue
            let hasSent = actions.contains { if case .send = $0 { true } else { false } }
            let hasHeard = if case .received = event { true } else { false }
            if isDue && (!wasDue || hasSent || hasHeard) {
                if !wasDue && phase == .ready { actions.append(.stopTimer(.keepAlive)) }
                actions.append(.startTimer(.answer, configuration.answerDeadline))
            } else if !isDue && wasDue {
                actions.append(.stopTimer(.answer))
            }
            // a notice is no reason to wait longer: the host may count only what it hears
            if !isDue && phase == .ready && deck == nil && (wasDue || hasSent) {
                actions.append(.startTimer(.keepAlive, keepAlive))
            }
        }

        private var keepAlive: Duration { max(.seconds(1), min(configuration.keepAlive, hostAbilities.idle / 2)) }

        private mutating func fired(_ timer: Timer, _ actions: inout [Action]) {
            switch timer {
            case .answer: if isAnswerDue { finish(.silence(configuration.answerDeadline), &actions) }
            case .keepAlive:
                guard phase == .ready, open.isEmpty, deck == nil, let line = try? Request.ping.line() else { return }
                open.append(Open(id: nil, request: .ping))
                actions.append(.send(line))
            }
        }

        /// Reports what has no answer and ends the session.
        mutating func finish(_ end: SessionEnd, _ actions: inout [Action]) {
            for (place, entry) in open.enumerated() {
                guard let id = entry.id else { continue }
                if let deck, place == open.count - 1 {
                    actions.append(.unanswered(id, .partly(blockOctets: deck.sent)))
                } else {
                    actions.append(.unanswered(id, .fully))
                }
            }
            actions += waiting.map { .unanswered($0.id, .nothing) }
            actions += [.stopTimer(.answer), .stopTimer(.keepAlive), .hangUp(end)]
            phase = .over(end)
            open = []
            waiting = []
            deck = nil
            committed = []
            lines = []
            input = InputBuffer()
        }
    }
}
