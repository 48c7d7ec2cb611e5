import Wire

extension RFC407 {
    /// The host's side of one control connection: log-on, settings, when an input may begin and stop. Sections 9.1 and 9.2.
    ///
    ///     greeted ──USER──▶ waitpass ──PASS──▶ ready ──BYE while an input runs──▶ leaving ──input ends──▶ over
    ///        ▲  └──────────230─────────────────▲ │ └──────BYE──▶ over
    ///        └───────────────REINIT──────────────┘
    ///
    /// What is done with jobs and files is not its business: it emits `perform` and is given the reply. The input's data
    /// run beside it; their progress comes as events with the number that `beginInput` gave.
    package struct HostMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            /// Text of the 300.
            package var greeting: String
            package var logOnLimit: Duration
            package var mostLogOnFailures: Int
            /// Silence without pending jobs after which the host closes.
            package var idle: Duration
            /// Frames the password by TELNET's ECHO, so that a person's terminal does not show it.
            package var hidesPasswords: Bool
            /// For people who type with `nc`: a bare LF ends a line.
            package var endsAtLineFeed: Bool
            /// Numbers of ARPANET hosts that are translated; others up to 255 are an error.
            package var hostNumbers: Set<UInt32>
            /// Whether paths are possible. If not, they are answered 506.
            package var hasFTP: Bool

            package init(
                greeting: String, logOnLimit: Duration = .seconds(180), mostLogOnFailures: Int = 3,
                idle: Duration = .seconds(1800), hidesPasswords: Bool = false, endsAtLineFeed: Bool = false,
                hostNumbers: Set<UInt32> = [], hasFTP: Bool = true
            ) {
                self.greeting = greeting
                self.logOnLimit = logOnLimit
                self.mostLogOnFailures = mostLogOnFailures
                self.idle = idle
                self.hidesPasswords = hidesPasswords
                self.endsAtLineFeed = endsAtLineFeed
                self.hostNumbers = hostNumbers
                self.hasFTP = hasFTP
            }
        }

        package enum Timer: Hashable, Sendable { case logOn, idle }

        package enum Verdict: Equatable, Sendable {
            case signedOn
            /// To a user without password only.
            case passwordNeeded
            case refused
            /// 432
            case notAllowed
            /// 401: this user has as many sessions as may be.
            case tooMany
        }

        package enum Event: Equatable, Sendable {
            case opened(takesSessions: Bool)
            case received([UInt8])
            case lineClosed
            case timerFired(Timer)
            /// The answer to `authenticate`.
            case judged(Verdict)
            /// The answer to `perform`.
            case replied(Reply)
            /// 240: the data connection stands, or RETR was accepted.
            case inputOpened(Int)
            /// 440 to 442.
            case inputRefused(Int, Reply)
            /// The deck is complete and being made safe: ABORT comes too late.
            case inputClosing(Int)
            /// The stream is over; the last 260, a 460, 461 or whatever else is to be told of it.
            case inputEnded(Int, [Reply])
            /// Anything told unasked: 0xx, 260 to 262, 443 to 445, 462, 463, 466, 507 to 512.
            case notice(Reply)
            /// Whether jobs of this connection are still to be reported.
            case jobsPending(Bool)
            case shutDown
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            /// Judge the user (password nil, at USER), or user and password. Nothing is read on until `judged`.
            case authenticate(user: String, password: String?)
            /// Open the source; the settings hold for every job in it.
            case beginInput(Int, FileID, JobSettings, user: String)
            /// Close the data connection and drop what came.
            case abortInput(Int)
            /// CHANGE, a transmission control, STATUS, CANCEL or ALTER. Nothing is read on until `replied`.
            case perform(Command, user: String)
            case startTimer(Timer, Duration)
            case stopTimer(Timer)
            /// The last action. What was sent goes out first.
            case hangUp(HostEnd)
        }

        package enum HostEnd: Equatable, Sendable {
            case bye, lineClosed, noSessions, logOnTime, logOnTries, idle, shutdown, garbage
        }

        struct Session: Equatable, Sendable {
            let user: String
            var settings = JobSettings()
            var inPath: FileID?
        }

        enum Input: Equatable, Sendable { case none, opening(Int), reading(Int), closing(Int) }

        package let configuration: Configuration
        var telnet = Telnet()
        var lines: NVTLines
        /// nil: nobody is on.
        var session: Session?
        /// Of a USER whose PASS has not come.
        var nextUser: String?
        var input = Input.none
        var lastInput = 0
        var isLeaving = false
        /// `authenticate` or `perform` is not answered yet.
        package private(set) var isWaiting = false
        var judged: (user: String, hasPassword: Bool)?
        var failures = 0
        var hasPendingJobs = false
        package private(set) var end: HostEnd?

        package static func == (left: Self, right: Self) -> Bool {
            left.configuration == right.configuration && left.telnet == right.telnet && left.lines == right.lines
                && left.session == right.session && left.nextUser == right.nextUser && left.input == right.input
                && left.lastInput == right.lastInput && left.isLeaving == right.isLeaving
                && left.isWaiting == right.isWaiting && left.failures == right.failures && left.end == right.end
                && left.judged?.user == right.judged?.user && left.judged?.hasPassword == right.judged?.hasPassword
                && left.hasPendingJobs == right.hasPendingJobs
        }

        package init(_ configuration: Configuration) {
            self.configuration = configuration
            lines = NVTLines(longest: RFC407.longestLine, endsAtLineFeed: configuration.endsAtLineFeed)
        }

        package var user: String? { session?.user }

        /// Takes an event. After `hangUp` every event is without effect.
        package mutating func handle(_ event: Event) -> [Action] {
            guard end == nil else { return [] }
            var actions: [Action] = []
            switch event {
            case .opened(let takesSessions):
                if takesSessions {
                    say(Reply(300, configuration.greeting), &actions)
                    actions.append(.startTimer(.logOn, configuration.logOnLimit))
                } else {
                    finish(Reply(401, "No log-ons now"), .noSessions, &actions)
                }
            case .received(let octets):
                let (text, reply) = telnet.receive(octets)
                if !reply.isEmpty { actions.append(.send(reply)) }
                lines.append(text)
                if session != nil { actions.append(.startTimer(.idle, configuration.idle)) }
                if telnet.isBroken { finish(nil, .garbage, &actions) }
            case .lineClosed: finish(nil, .lineClosed, &actions)
            case .timerFired(.logOn):
                if session == nil { finish(Reply(430, "Log-on took too long"), .logOnTime, &actions) }
            case .timerFired(.idle):
                if session == nil { break }
                if hasPendingJobs || input != .none {
                    actions.append(.startTimer(.idle, configuration.idle))
                } else {
                    finish(Reply(436, "Idle too long"), .idle, &actions)
                }
            case .judged(let verdict): judge(verdict, &actions)
            case .replied(let reply):
                if isWaiting, judged == nil {
                    isWaiting = false
                    say(reply, &actions)
                }
            case .inputOpened(let number):
                if input == .opening(number) {
                    input = .reading(number)
                    say(Reply(240, "Reading"), &actions)
                }
            case .inputRefused(let number, let reply):
                if input == .opening(number) { inputOver([reply], &actions) }
            case .inputClosing(let number): if input == .reading(number) { input = .closing(number) }
            case .inputEnded(let number, let replies):
                if [.opening(number), .reading(number), .closing(number)].contains(input) {
                    inputOver(replies, &actions)
                }
            case .notice(let reply): say(reply, &actions)
            case .jobsPending(let isPending): hasPendingJobs = isPending
            case .shutDown: finish(Reply(436, "Shutting down"), .shutdown, &actions)
            }
            while end == nil, !isWaiting, let line = lines.next() { obey(line, &actions) }
            return actions
        }

        func say(_ reply: Reply, _ actions: inout [Action]) { actions.append(.send(Telnet.escaped(reply.octets))) }

        private mutating func inputOver(_ replies: [Reply], _ actions: inout [Action]) {
            input = .none
            for reply in replies { say(reply, &actions) }
            if isLeaving { finish(Reply(231, "Bye"), .bye, &actions) }
        }

        mutating func finish(_ last: Reply?, _ end: HostEnd, _ actions: inout [Action]) {
            stopInput(&actions)
            if let last { say(last, &actions) }
            actions += [.stopTimer(.logOn), .stopTimer(.idle), .hangUp(end)]
            self.end = end
            session = nil
            nextUser = nil
            judged = nil
        }

        mutating func stopInput(_ actions: inout [Action]) {
            switch input {
            case .none, .closing: break
            case .opening(let number), .reading(let number): actions.append(.abortInput(number))
            }
            input = .none
        }

        // MARK: log-on

        mutating func authenticate(_ user: String, _ password: String?, _ actions: inout [Action]) {
            isWaiting = true
            judged = (user, password != nil)
            actions.append(.authenticate(user: user, password: password))
        }

        private mutating func judge(_ verdict: Verdict, _ actions: inout [Action]) {
            guard let (user, hasPassword) = judged else { return }
            isWaiting = false
            judged = nil
            if hasPassword { showTyping(&actions) }
            switch verdict {
            case .signedOn:
                session = Session(user: user)
                nextUser = nil
                isLeaving = false
                failures = 0
                say(Reply(230, "\(user) on"), &actions)
                actions += [.stopTimer(.logOn), .startTimer(.idle, configuration.idle)]
            case .passwordNeeded:
                nextUser = user
                isLeaving = false
                if configuration.hidesPasswords { actions.append(.send(telnet.offer(Telnet.echo))) }
                say(Reply(330, "Password"), &actions)
            case .refused:
                nextUser = nil
                failures += 1
                if failures >= configuration.mostLogOnFailures {
                    finish(Reply(430, "Too many tries"), .logOnTries, &actions)
                } else {
                    say(Reply(431, "Wrong user or password"), &actions)
                }
            case .notAllowed:
                nextUser = nil
                say(Reply(432, "This user may not use this service"), &actions)
            case .tooMany:
                finish(Reply(401, "No more log-ons of this user now"), .noSessions, &actions)
            }
        }

        mutating func showTyping(_ actions: inout [Action]) {
            let octets = telnet.withdraw(Telnet.echo)
            if !octets.isEmpty { actions.append(.send(octets)) }
        }

        mutating func wait() { isWaiting = true }
    }
}
