import Wire

extension RFC407 {
    /// The station's side of one control connection: signs on, sends one command at a time, and sorts what the host says
    /// into answers, news of jobs, and talk. Section 8.6.
    ///
    ///     idle ──opened──▶ greeting ──300──▶ user ──330──▶ password ──230──▶ ready ──▶ over(why)
    ///                                          └──230───────────────────────▲
    ///
    /// One INPUT at a time is between its line and its end: 240 and 260 in either order, or a failure. Its first reply
    /// frees the dialogue for other commands.
    package struct StationMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            package var user: String
            /// nil: the user has none.
            package var password: String?
            /// Longest silence while an answer is due.
            package var answerDeadline: Duration
            /// Silence after which a text is taken to have no more lines. Section 8.1.
            package var textPause: Duration
            /// Silence after which a harmless command keeps the session alive; nil: never.
            package var keepAlive: Duration?

            package init(
                user: String, password: String?, answerDeadline: Duration = .seconds(60),
                textPause: Duration = .milliseconds(500), keepAlive: Duration? = .seconds(600)
            ) {
                self.user = user
                self.password = password
                self.answerDeadline = answerDeadline
                self.textPause = textPause
                self.keepAlive = keepAlive
            }
        }

        package struct RequestID: Hashable, Sendable {
            package let rawValue: UInt64
            package init(_ rawValue: UInt64) { self.rawValue = rawValue }
        }

        package enum Timer: Hashable, Sendable { case answer, text, keepAlive }

        package enum Event: Equatable, Sendable {
            case opened
            case received([UInt8])
            case lineClosed
            case timerFired(Timer)
            /// - Parameter wholeText: wait for continuation lines before the answer is delivered.
            case submitted(RequestID, Command, wholeText: Bool)
            case gaveUp
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            case signedOn
            /// The answer to a command other than INPUT.
            case answer(RequestID, Reply)
            /// 240: the host reads.
            case inputBegan(RequestID)
            /// 260: the job is the host's.
            case inputAccepted(RequestID, job: String?, Reply)
            /// Any other end of an INPUT. May come after `inputAccepted`, when 260 was the first reply.
            case inputFailed(RequestID, Reply)
            /// 240 and 260 have both come: another INPUT may go.
            case inputDone(RequestID)
            /// 261 to 264, 44x, 46x, 507 to 512 of a job.
            case news(job: String?, Reply)
            /// Talk of the host.
            case message(Reply)
            case startTimer(Timer, Duration)
            case stopTimer(Timer)
            /// The session ended without an answer to this request.
            case unanswered(RequestID, wasSent: Bool)
            case hangUp(StationEnd)
        }

        package enum StationEnd: Equatable, Sendable {
            case bye, gaveUp, lineClosed
            case silence(Duration)
            /// 431, 432 or 430 at log-on.
            case refused(Reply)
            case passwordNeeded
            case unsayable
            /// 401, 434 to 436, with the words.
            case unwilling(Reply)
            /// Not what RFC 407 says at this place.
            case garbage(String)
        }

        enum Phase: Equatable, Sendable {
            case idle, greeting, user, password, ready
            case over(StationEnd)
        }

        struct Waiting: Equatable, Sendable {
            /// nil: our own keep-alive.
            let id: RequestID?
            let command: Command
            let wholeText: Bool

            var isInput: Bool { if case .input = command { true } else { false } }
        }

        struct Input: Equatable, Sendable {
            let id: RequestID
            var hasBegun = false
            var hasJob = false
            /// Nothing was answered yet.
            var isFirst: Bool { !hasBegun && !hasJob }
        }

        package let configuration: Configuration
        var phase = Phase.idle
        var telnet = Telnet()
        var lines = NVTLines(longest: RFC407.longestLine)
        var waiting: [Waiting] = []
        /// Sent, and without its first reply.
        var open: Waiting?
        var input: Input?
        /// A reply whose continuation lines are being gathered, and what it answers.
        var text: (reply: Reply, use: TextUse)?
        var lastWords: Reply?
        /// nil: none is kept.
        var trace: [TraceItem]?

        enum TextUse: Equatable, Sendable { case answer(RequestID), accepted, message }

        /// Continuation lines kept of one reply, our bound on what a host can make us hold.
        package static let mostLines = 10_000

        package static func == (left: Self, right: Self) -> Bool {
            left.configuration == right.configuration && left.phase == right.phase && left.telnet == right.telnet
                && left.lines == right.lines && left.waiting == right.waiting && left.open == right.open
                && left.input == right.input && left.text?.reply == right.text?.reply
                && left.text?.use == right.text?.use && left.lastWords == right.lastWords
        }

        /// - Parameter isTraced: whether `takeTrace` is going to be asked after each event.
        package init(_ configuration: Configuration, isTraced: Bool = false) {
            self.configuration = configuration
            trace = isTraced ? [] : nil
        }

        package var isSignedOn: Bool { phase == .ready }
        package var end: StationEnd? { if case .over(let end) = phase { end } else { nil } }

        package mutating func handle(_ event: Event) -> [Action] {
            if case .over = phase {
                if case .submitted(let id, _, _) = event { return [.unanswered(id, wasSent: false)] }
                return []
            }
            var actions: [Action] = []
            switch event {
            case .opened:
                if phase == .idle {
                    phase = .greeting
                    actions.append(.startTimer(.answer, configuration.answerDeadline))
                }
            case .received(let octets):
                let (text, reply) = telnet.receive(octets)
                if !reply.isEmpty { actions.append(.send(reply)) }
                lines.append(text)
                while end == nil, let item = lines.next() {
                    if case .line(let line) = item {
                        note(received: line)
                        take(line, &actions)
                    }
                    // before the next line is looked at: what it answers must not depend on how octets came together
                    sendNext(&actions)
                }
                if telnet.isBroken { finish(.garbage("a TELNET subnegotiation without end"), &actions) }
            case .lineClosed:
                endText(&actions)
                finish(lastWords.map { .unwilling($0) } ?? (isLeaving ? .bye : .lineClosed), &actions)
            case .timerFired(.answer):
                if isAnswerDue { finish(.silence(configuration.answerDeadline), &actions) }
            case .timerFired(.text): endText(&actions)
            case .timerFired(.keepAlive):
                if phase == .ready, open == nil, waiting.isEmpty {
                    waiting.append(Waiting(id: nil, command: .out(file: "", .hold), wholeText: false))
                }
            case .submitted(let id, let command, let wholeText):
                guard command.isSayable else {
                    actions.append(.unanswered(id, wasSent: false))
                    return actions
                }
                waiting.append(Waiting(id: id, command: command, wholeText: wholeText))
            case .gaveUp: finish(.gaveUp, &actions)
            }
            sendNext(&actions)
            return actions
        }

        var isLeaving: Bool { open?.command == .bye }

        var isAnswerDue: Bool {
            switch phase {
            case .idle, .over: false
            case .greeting, .user, .password: true
            case .ready: open != nil
            }
        }

        private mutating func sendNext(_ actions: inout [Action]) {
            while phase == .ready, let at = waiting.firstIndex(where: canGo) {
                let next = waiting.remove(at: at)
                open = next
                if next.isInput, let id = next.id { input = Input(id: id) }
                send(next.command, &actions)
                actions.append(.stopTimer(.keepAlive))
            }
        }

        /// ABORT need not wait for the first reply of the INPUT that it stops. Section 20.
        private func canGo(_ next: Waiting) -> Bool {
            guard let open else { return !next.isInput || input == nil }
            return open.isInput && next.command == .abortInput
        }

        mutating func send(_ command: Command, _ actions: inout [Action]) {
            let line = Telnet.escaped(RFC407.octets(command.text) + [0x0D, 0x0A])
            note(sent: command, octets: line.count)
            actions.append(.send(line))
            actions.append(.startTimer(.answer, configuration.answerDeadline))
        }

        /// The open command has its first reply.
        mutating func answered(_ actions: inout [Action]) {
            open = nil
            actions.append(.stopTimer(.answer))
            if waiting.isEmpty, let pause = configuration.keepAlive { actions.append(.startTimer(.keepAlive, pause)) }
        }

        mutating func finish(_ end: StationEnd, _ actions: inout [Action]) {
            phase = .over(end)
            let inputID = input?.id
            if let inputID { actions.append(.unanswered(inputID, wasSent: true)) }
            if case .answer(let id)? = text?.use { actions.append(.unanswered(id, wasSent: true)) }
            if let id = open?.id, id != inputID { actions.append(.unanswered(id, wasSent: true)) }
            actions += waiting.compactMap { $0.id.map { .unanswered($0, wasSent: false) } }
            actions += [.stopTimer(.answer), .stopTimer(.text), .stopTimer(.keepAlive), .hangUp(end)]
            (open, input, text, waiting) = (nil, nil, nil, [])
        }
    }
}
