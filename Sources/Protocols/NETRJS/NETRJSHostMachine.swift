extension NETRJS {
    /// A host's side of one console: sign-on within three minutes, then commands, until SIGNOFF, ETX or a lost line.
    ///
    ///     idle ──opened──▶ unsigned ──SIGNON, judged──▶ signed ──SIGNOFF──▶ draining ──last channel ends──▶ over
    package struct HostMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            package var signOnLimit: Duration
            /// Told before READY; nil: the ports are known otherwise.
            package var base: Int?

            package init(signOnLimit: Duration = NETRJS.signOnLimit, base: Int? = nil) {
                self.signOnLimit = signOnLimit
                self.base = base
            }
        }

        package enum State: Equatable, Sendable {
            case idle
            case unsigned
            case signed(terminal: String)
            case draining(terminal: String)
            case over
        }

        package enum Readiness: Equatable, Sendable { case ready, portsBusy, down }

        package enum Verdict: Equatable, Sendable {
            /// - Parameter lines: alerts, and what happened while nobody was signed on.
            case signedOn(terminal: String, lines: [String])
            /// May try again.
            case refused(String)
            /// NRJ110, then the line closes.
            case busy(String)
        }

        package enum Event: Equatable, Sendable {
            case opened(Readiness)
            case received([UInt8])
            case judged(Verdict)
            /// Somebody opened a channel.
            case channelOpened(Device)
            case channelEnded(Device)
            /// Text for the terminal's operator.
            case tell(String)
            case timerFired
            case killed
            case lineClosed
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            case judge(terminal: String, password: String?)
            case perform(Command)
            case serve(Device)
            /// Before sign-on, after SIGNOFF, or a second one: reset it.
            case refuse(Device)
            /// SIGNOFF: idle output channels are closed, nothing new begins.
            case drain
            /// Break off what runs.
            case abortChannels
            case startTimer(Duration)
            case stopTimer
            case hangUp
        }

        package private(set) var state = State.idle
        /// Channels that a stream may be running on.
        package private(set) var channels: Set<Device> = []
        private let configuration: Configuration
        private var input = ConsoleInput()
        private var isJudging = false

        package init(_ configuration: Configuration = .init()) { self.configuration = configuration }

        package var terminal: String? {
            switch state {
            case .signed(let terminal), .draining(let terminal): terminal
            case .idle, .unsigned, .over: nil
            }
        }

        package mutating func handle(_ event: Event) -> [Action] {
            if state == .over { return [] }
            switch event {
            case .opened(let readiness): return opened(readiness)
            case .received(let octets): return received(octets)
            case .judged(let verdict): return judged(verdict)
            case .channelOpened(let device): return channelOpened(device)
            case .channelEnded(let device):
                channels.remove(device)
                guard case .draining = state, channels.isEmpty else { return [] }
                return end([Self.say("NRJ205R SESSION ENDED")])
            case .tell(let line): return state == .idle ? [] : [Self.say(line)]
            case .timerFired:
                guard state == .unsigned else { return [] }
                return end([Self.say("NRJ308R SIGN ON TIME EXCEEDED"), Self.say("NRJ205R SESSION ENDED")])
            case .killed: return end([Self.say("NRJ204R SESSION CANCELLED BY OPERATOR")])
            case .lineClosed: return end([])
            }
        }

        private static func say(_ line: String) -> Action {
            .send(line.utf8.map { (0x20...0x7E).contains($0) ? $0 : 0x3F } + [0x0D, 0x0A])
        }

        private mutating func end(_ last: [Action]) -> [Action] {
            state = .over
            return [.stopTimer] + last + [.abortChannels, .hangUp]
        }

        private mutating func opened(_ readiness: Readiness) -> [Action] {
            guard state == .idle else { return [] }
            switch readiness {
            case .portsBusy: return end([Self.say("NRJ110R ALL PORTS BUSY")])
            case .down: return end([Self.say("NRJ111R RJS IS DOWN")])
            case .ready:
                state = .unsigned
                let base = configuration.base.map { [Self.say("NRJ000I SOCKET BASE \($0)")] } ?? []
                return base + [Self.say("NRJ876R READY, SIGN ON PLEASE"), .startTimer(configuration.signOnLimit)]
            }
        }

        private mutating func received(_ octets: [UInt8]) -> [Action] {
            let (items, reply) = input.receive(octets)
            var actions: [Action] = reply.isEmpty ? [] : [.send(reply)]
            if input.isBroken { return actions + end([]) }
            for item in items {
                switch item {
                case .end: actions += end([])
                case .line(let line): actions += heard(asTheHostSees(line))
                }
                if state == .over { break }
            }
            return actions
        }

        private mutating func heard(_ line: String) -> [Action] {
            guard line.contains(where: { $0 != " " }) else { return [] }
            let command = Command(line)
            switch (state, command) {
            case (.unsigned, .signOn(let terminal, let password)):
                guard !isJudging else { return [] }
                isJudging = true
                return [.judge(terminal: terminal, password: password)]
            case (.unsigned, _): return [Self.say("NRJ307R INVALID SIGN ON, TRY AGAIN")]
            case (.signed, .signOn), (.draining, .signOn): return [Self.say("NRJ307R INVALID SIGN ON")]
            case (.signed(let terminal), .signOff):
                state = .draining(terminal: terminal)
                let accepted: [Action] = [
                    Self.say("RJS751I TERMINAL \(terminal) OFF"), Self.say("NRJ898I SIGNOFF ACCEPTED"), .drain,
                ]
                return channels.isEmpty ? accepted + end([Self.say("NRJ205R SESSION ENDED")]) : accepted
            case (.draining, .signOff): return []
            case (.signed, .unknown), (.draining, .unknown):
                return [Self.say("RJS201I INVALID COMMAND \(line.prefix(40))")]
            case (.signed, _), (.draining, _): return [.perform(command)]
            case (.idle, _), (.over, _): return []
            }
        }

        private mutating func judged(_ verdict: Verdict) -> [Action] {
            guard state == .unsigned, isJudging else { return [] }
            isJudging = false
            switch verdict {
            case .signedOn(let terminal, let lines):
                state = .signed(terminal: terminal)
                return [.stopTimer, Self.say("RJS750I TERMINAL \(terminal) ON")] + lines.map(Self.say)
            case .refused(let words): return [Self.say("NRJ307R INVALID SIGN ON, \(words)")]
            case .busy(let words): return end([Self.say("NRJ110R \(words)")])
            }
        }

        private mutating func channelOpened(_ device: Device) -> [Action] {
            switch state {
            case .signed:
                guard channels.insert(device).inserted else {
                    return [.refuse(device), Self.say("NRJ503A \(device.name) IS OPEN ALREADY, RETRY LATER")]
                }
                return [.serve(device)]
            case .draining: return [.refuse(device)]
            case .unsigned, .idle:
                return [.refuse(device), Self.say("NRJ503A \(device.name) REFUSED, SIGN ON FIRST")]
            case .over: return []
            }
        }
    }
}
