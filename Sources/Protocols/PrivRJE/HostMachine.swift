extension PrivRJE {
    /// The host's side of one session: reads commands and blocks, refuses what the page refuses, hands the rest to the
    /// batch system, and sends the answers in order.
    ///
    ///     idle ──opened──▶ greeted ──HELLO──▶ hello ──USER──▶ password ──PASS──▶ signed on ──▶ over
    ///                                           ◀─────────431──────┘
    ///
    /// Keys, jobs and spool are not its business: it emits `perform` with a ticket and is given the reply. Tickets may be
    /// answered in any order. A deck is collected up to MAXDECK; print-out passes through in pieces.
    package struct HostMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            /// HOST of the greeting.
            package var name: String
            package var abilities: Abilities
            /// What log-on may take. Section 3.
            package var logOnLimit: Duration
            /// The failed PASS that ends the session. Section 3.
            package var mostLogOnFailures: Int
            /// Answers of 500 to 503 after which the host closes. Section 7.
            package var mostErrors: Int

            package init(
                name: String, abilities: Abilities, logOnLimit: Duration = .seconds(180), mostLogOnFailures: Int = 3,
                mostErrors: Int = 10
            ) {
                self.name = name
                self.abilities = abilities
                self.logOnLimit = logOnLimit
                self.mostLogOnFailures = mostLogOnFailures
                self.mostErrors = mostErrors
            }
        }

        /// The host's name for a command that waits for its answer.
        package struct Ticket: Hashable, Sendable {
            package let rawValue: UInt64
            package init(_ rawValue: UInt64) { self.rawValue = rawValue }
        }

        package enum Timer: Hashable, Sendable {
            case logOn
            /// IDLE of the abilities.
            case idle
        }

        /// What the host says to a user, or to a user with a password.
        package enum Verdict: Equatable, Sendable {
            /// The session counts as one of the user's from now on.
            case signedOn
            /// To a user without password only. For an unknown user as well: say nothing else.
            case passwordNeeded
            case refused
            /// The user has as many sessions as SESSIONS allows.
            case tooManySessions
        }

        package enum Event: Equatable, Sendable {
            /// A station connected; when the host takes no sessions now, 401 is all it hears.
            case opened(takesSessions: Bool)
            case received([UInt8])
            /// The station closed, or the line failed. A block that is not complete is dropped.
            case lineClosed
            case timerFired(Timer)
            /// The answer to `authenticate`.
            case judged(Verdict)
            /// The answer to `submit` or `perform`. One for a ticket that is unknown by now is ignored.
            case replied(Ticket, Reply)
            /// The answer to `perform` of a FETCH that succeeds: the block follows when `provideBlock` asks for it.
            case fetched(Ticket, BlockHeader)
            /// The next octets of the block; together exactly those of the header.
            case blockPiece(Ticket, [UInt8])
            /// The block cannot be finished: the line is closed, there is no other sign.
            case blockFailed(Ticket)
            /// A job of this user changed its state; goes out when the session watches it.
            case jobChanged(JobLine)
            /// A word from the operator: `* 060 text`.
            case operatorMessage(String)
            /// Go down in order: what is asked is answered, then 436 REASON=SHUTDOWN.
            case shutDown
            /// Trouble: 435 at once.
            case troubled(String)
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            /// Judge the user (password nil, at USER), or user and password (at PASS). Nothing is read on until `judged`.
            case authenticate(user: String, password: String?)
            /// A complete deck. Check the key first; when it binds nothing and `refusal` is there, that is the reply, else
            /// check the deck, store it, and reply `accepted` when it is safe.
            case submit(Ticket, Input, refusal: Refusal?, block: [UInt8])
            /// Any other request of the signed-on user. WATCH comes here for one job only: reply `done` when the job
            /// exists.
            case perform(Ticket, Request)
            /// The block's turn has come: hand it over by `blockPiece`.
            case provideBlock(Ticket, BlockHeader)
            /// Enough commands wait: read nothing more from the line until `resumeReading`.
            case pauseReading
            case resumeReading
            /// Start the timer, or set it back to its full length when it runs.
            case startTimer(Timer, Duration)
            case stopTimer(Timer)
            /// Close the line, the last action. When octets may be unread: shut the sending side, then read and drop for
            /// up to 5 s. Section 1.
            case hangUp(HostEnd)
        }

        /// Why the host ended, or lost, the session.
        package enum HostEnd: Equatable, Sendable {
            case bye, lineClosed, noSessions, unknownVersion, lineTooLong, blockUnknown, deckTooBig, blockFailed
            case logOnTime, logOnTries, sessions, idle, errors, shutdown, trouble
        }

        enum Phase: Equatable, Sendable {
            case idle, greeted, hello
            case password(user: String)
            case signedOn(user: String)
            case over(HostEnd)
        }

        /// What is being read after a command's line.
        enum Block: Equatable, Sendable {
            case deck(Ticket, Input, Refusal?)
            /// A refused INPUT's; the answer waits for its end.
            case dropped(Ticket, Line)
        }

        /// A command's place in the order of answers.
        struct Slot: Equatable, Sendable {
            enum Content: Equatable, Sendable {
                case waiting(Request?)
                case ready([UInt8])
                /// The header, and what of the block the driver has still to provide once it was asked.
                case block(BlockHeader, remaining: Int?)
                /// The last words of the session.
                case last([UInt8], HostEnd)
            }

            let ticket: Ticket
            var content: Content
        }

        struct Judging: Equatable, Sendable {
            let ticket: Ticket
            let user: String
            let hasPassword: Bool
        }

        package let configuration: Configuration
        var phase = Phase.idle
        var input = InputBuffer()
        var block: Block?
        /// What came of the deck; beside `block`, so that it grows in place.
        var deck: [UInt8] = []
        /// Commands not answered yet, oldest first.
        var slots: [Slot] = []
        var lastTicket: UInt64 = 0
        /// User and password are with `authenticate`; the verdict belongs to this slot.
        var judging: Judging?
        var logOnFailures = 0
        var errors = 0
        /// No more commands are read: a last word is in the slots, or will be.
        var isEnding = false
        var isPaused = false
        var watchesAll = false
        var watchedJobs: Set<String> = []
        /// Notices that wait for a block's end.
        var heldNotices: [[UInt8]] = []

        /// Notices kept while a block is on its way, our bound; beyond it the oldest is lost. "Notices are a courtesy."
        package static let mostHeldNotices = 1_000
        /// Jobs watched one by one, our bound; beyond it WATCH is answered 433.
        package static let mostWatchedJobs = 10_000

        package init(_ configuration: Configuration) { self.configuration = configuration }

        var abilities: Abilities { configuration.abilities }

        /// The signed-on user.
        package var user: String? { if case .signedOn(let user) = phase { user } else { nil } }
        package var isWatching: Bool { watchesAll || !watchedJobs.isEmpty }
        package var end: HostEnd? { if case .over(let end) = phase { end } else { nil } }

        /// Takes an event. After `hangUp` every event is without effect. Perform the actions in order, and hand in the
        /// events that they cause after the last of them.
        package mutating func handle(_ event: Event) -> [Action] {
            if case .over = phase { return [] }
            var actions: [Action] = []
            switch event {
            case .opened(let takesSessions): greet(takesSessions, &actions)
            case .received(let octets):
                input.append(octets)
                if user != nil { actions.append(.startTimer(.idle, abilities.idle)) }
            case .lineClosed: close(.lineClosed, &actions)
            case .timerFired(let timer): fired(timer)
            case .judged(let verdict): judge(verdict, &actions)
            case .replied(let ticket, let reply): take(reply, for: ticket)
            case .fetched(let ticket, let header): fill(ticket, .block(header, remaining: nil))
            case .blockPiece(let ticket, let piece): send(piece, of: ticket, &actions)
            case .blockFailed(let ticket):
                if slots.contains(where: { $0.ticket == ticket }) { close(.blockFailed, &actions) }
            case .jobChanged(let job): if watchesAll || watchedJobs.contains(job.job) { notify(job.line, &actions) }
            case .operatorMessage(let text): notify(Line(60, text), &actions)
            case .shutDown: if !isEnding { say(last: Line(436, "REASON=SHUTDOWN"), .shutdown) }
            case .troubled(let text):
                if !isBlockOnItsWay { actions.append(.send(Line(435, text).octets)) }
                close(.trouble, &actions)
            }
            proceed(&actions)
            return actions
        }

        /// Reads and answers as far as it goes.
        private mutating func proceed(_ actions: inout [Action]) {
            repeat {
                flush(&actions)
            } while end == nil && readNext(&actions)
            guard end == nil else { return }
            // stop the line when what came cannot be read yet, not before
            let mustPause = !input.isEmpty
            if mustPause != isPaused {
                isPaused = mustPause
                // first, so that it is never performed after the resumption that an action brings about
                mustPause ? actions.insert(.pauseReading, at: 0) : actions.append(.resumeReading)
            }
        }

        var mayRead: Bool { !isEnding && judging == nil && (block != nil || slots.count < max(1, abilities.window)) }

        /// Sends what is ready at the head of the order.
        private mutating func flush(_ actions: inout [Action]) {
            while end == nil, let first = slots.first {
                switch first.content {
                case .waiting: return
                case .ready(let octets):
                    actions.append(.send(octets))
                    slots.removeFirst()
                case .last(let octets, let end):
                    actions.append(.send(octets))
                    close(end, &actions)
                case .block(_, let remaining?) where remaining > 0: return
                case .block(let header, nil):
                    actions.append(.send(header.line.octets))
                    slots[0].content = .block(header, remaining: max(0, header.octets))
                    if header.octets > 0 { return actions.append(.provideBlock(first.ticket, header)) }
                case .block:
                    slots.removeFirst()
                    actions += heldNotices.map { .send($0) }
                    heldNotices = []
                }
                if slots.isEmpty, user != nil { actions.append(.startTimer(.idle, abilities.idle)) }
            }
        }

        var isBlockOnItsWay: Bool {
            if case .block(_, let remaining?) = slots.first?.content { remaining > 0 } else { false }
        }

        private mutating func send(_ piece: [UInt8], of ticket: Ticket, _ actions: inout [Action]) {
            guard let first = slots.first, first.ticket == ticket,
                case .block(let header, let remaining?) = first.content,
                !piece.isEmpty
            else { return }
            let sent = min(remaining, piece.count)
            actions.append(.send(sent == piece.count ? piece : Array(piece.prefix(sent))))
            slots[0].content = .block(header, remaining: remaining - sent)
        }

        private mutating func notify(_ line: Line, _ actions: inout [Action]) {
            guard user != nil else { return }
            let octets = line.octets(isNotice: true)
            guard isBlockOnItsWay else { return actions.append(.send(octets)) }
            if heldNotices.count == Self.mostHeldNotices { heldNotices.removeFirst() }
            heldNotices.append(octets)
        }

        mutating func close(_ end: HostEnd, _ actions: inout [Action]) {
            actions += [.stopTimer(.logOn), .stopTimer(.idle), .hangUp(end)]
            phase = .over(end)
            input = InputBuffer()
            block = nil
            deck = []
            slots = []
            judging = nil
            heldNotices = []
        }
    }
}
