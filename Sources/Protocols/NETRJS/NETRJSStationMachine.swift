extension NETRJS {
    /// A terminal's console: waits for READY, signs on, then carries lines both ways until the session ends.
    ///
    ///     idle ──opened──▶ waiting ──READY──▶ signingOn ──RJS750──▶ signedOn ──SIGNOFF──▶ signingOff
    ///       any of them ──line closed, NRJ1xx/2xx/3xx/4xx, time out, ETX by us──▶ over
    package struct StationMachine: Equatable, Sendable {
        package struct Configuration: Equatable, Sendable {
            package var terminal: String
            /// Sent with the sign-on; nil: none.
            package var password: String?
            /// The port base is known, or is not needed; otherwise `NRJ000I` has to tell it before READY.
            package var knowsPorts: Bool
            package var readyLimit: Duration
            package var signOnLimit: Duration
            package var signOffLimit: Duration

            package init(
                terminal: String, password: String? = nil, knowsPorts: Bool = false,
                readyLimit: Duration = .seconds(60), signOnLimit: Duration = .seconds(60),
                signOffLimit: Duration = .seconds(30)
            ) {
                self.terminal = terminal
                self.password = password
                self.knowsPorts = knowsPorts
                self.readyLimit = readyLimit
                self.signOnLimit = signOnLimit
                self.signOffLimit = signOffLimit
            }
        }

        package enum State: Equatable, Sendable {
            case idle
            case waiting
            case signingOn
            case signedOn
            case signingOff
            case over(SessionEnd)
        }

        package enum Event: Equatable, Sendable {
            case opened
            case received([UInt8])
            /// A line for the host, without its end.
            case say(String)
            case signOff
            /// Our side gives up: ETX, then the line.
            case gaveUp
            case timerFired
            case lineClosed
        }

        package enum Action: Equatable, Sendable {
            case send([UInt8])
            /// - Parameter base: S, when the host told it.
            case signedOn(base: Int?)
            case heard(ConsoleMessage)
            /// Replaces the one that runs.
            case startTimer(Duration)
            case stopTimer
            case hangUp(SessionEnd)
        }

        /// Why a session is over.
        package enum SessionEnd: Error, Equatable, Sendable {
            case signedOff
            case gaveUp
            case lineClosed
            case notReady
            case noAnswerToSignOn
            /// The host wants no sessions now; its words.
            case unwilling(String)
            /// The host does not know this terminal, or refuses its password.
            case refused(String)
            /// Somebody has this terminal: perhaps we ourselves, on a line that the host has not given up yet.
            case taken(String)
            /// The host ended the session.
            case endedByHost(String)
            /// READY came without the port base.
            case noPorts
            case garbage
        }

        package private(set) var state = State.idle
        package private(set) var base: Int?
        private let configuration: Configuration
        private var output = ConsoleOutput()
        /// The host's last word on the session's end.
        private var ending: SessionEnd?
        /// Lines before READY: enough of a greeting, and a bound against a stream of noise.
        private var linesBeforeReady = 0
        package static let mostLinesBeforeReady = 200

        package init(_ configuration: Configuration) { self.configuration = configuration }

        package var end: SessionEnd? { if case .over(let end) = state { end } else { nil } }

        package mutating func handle(_ event: Event) -> [Action] {
            switch (state, event) {
            case (.over, _): return []
            case (.idle, .opened):
                state = .waiting
                return [.startTimer(configuration.readyLimit)]
            case (_, .received(let octets)): return received(octets)
            case (.signedOn, .say(let line)), (.signingOff, .say(let line)): return [.send(Self.line(line))]
            case (.signedOn, .signOff):
                state = .signingOff
                return [.send(Self.line("SIGNOFF")), .startTimer(configuration.signOffLimit)]
            case (.idle, .signOff), (.waiting, .signOff), (.signingOn, .signOff), (_, .gaveUp): return finish(.gaveUp)
            case (.waiting, .timerFired): return finish(.notReady)
            case (.signingOn, .timerFired): return finish(.noAnswerToSignOn)
            case (.signingOff, .timerFired): return finish(.signedOff)
            case (.signingOff, .lineClosed): return finish(ending ?? .signedOff)
            case (_, .lineClosed): return finish(ending ?? .lineClosed)
            case (.idle, _), (.waiting, _), (.signingOn, _), (.signedOn, _), (.signingOff, _): return []
            }
        }

        /// A line as it goes out: printable ASCII, cut where the host would cut it.
        package static func line(_ text: String) -> [UInt8] {
            text.utf8.map { (0x20...0x7E).contains($0) ? $0 : 0x3F }.prefix(longestConsoleLine) + [0x0D, 0x0A]
        }

        private mutating func received(_ octets: [UInt8]) -> [Action] {
            let (messages, reply) = output.receive(octets)
            var actions: [Action] = reply.isEmpty ? [] : [.send(reply)]
            if output.isBroken { return actions + finish(.garbage) }
            for message in messages {
                actions += heard(message)
                if case .over = state { break }
            }
            return actions
        }

        private mutating func heard(_ message: ConsoleMessage) -> [Action] {
            var actions: [Action] = [.heard(message)]
            switch message.meaning {
            case .socketBase(let base):
                if state == .waiting, base > 0, base <= 65_530 { self.base = base }
            case .ready where state == .waiting:
                guard configuration.knowsPorts || base != nil else { return actions + finish(.noPorts) }
                state = .signingOn
                let words = [configuration.terminal, configuration.password].compactMap(\.self).joined(separator: ",")
                actions += [.send(Self.line("SIGNON \(words)")), .startTimer(configuration.signOnLimit)]
            case .signedOn where state == .signingOn:
                state = .signedOn
                actions += [.stopTimer, .signedOn(base: base)]
            case .signOnRefused(let isTaken) where state == .signingOn:
                actions += finish(isTaken ? .taken(message.text) : .refused(message.text))
            case .ended(let ending):
                switch ending {
                case .busy, .down: self.ending = .unwilling(message.text)
                case .timedOut, .killed, .failed: self.ending = .endedByHost(message.text)
                case .closed:
                    if state != .signingOff { self.ending = self.ending ?? .endedByHost(message.text) }
                }
            default: break
            }
            if state == .waiting {
                linesBeforeReady += 1
                if linesBeforeReady > Self.mostLinesBeforeReady { actions += finish(.garbage) }
            }
            return actions
        }

        private mutating func finish(_ end: SessionEnd) -> [Action] {
            var actions: [Action] = [.stopTimer]
            // ETX ends the session at the host as well, before and after sign-on
            if end != .lineClosed, state != .idle, state != .signingOff { actions.append(.send([0x03])) }
            state = .over(end)
            return actions + [.hangUp(end)]
        }
    }
}
