/// TELNET on one connection: takes the commands out of what came, and refuses every option it did not offer itself.
///
///     var telnet = Telnet()
///     let (text, reply) = telnet.receive(octets)     // `reply` goes out as it is
///     send(Telnet.escaped(line) + [0x0D, 0x0A])
///
/// All commands but the options' are dropped: GA, NOP, AYT, the Synch and its data mark, a subnegotiation. What is left is
/// the text of the network virtual terminal with its controls, and 255 where the peer doubled it; `NVTLines` cuts it.
///
/// Sources: RFC 854 (commands), RFC 855 (subnegotiation), RFC 1143 (the states of an option).
package struct Telnet: Equatable, Sendable {
    package static let interpretAsCommand: UInt8 = 255
    package static let dont: UInt8 = 254
    package static let `do`: UInt8 = 253
    package static let wont: UInt8 = 252
    package static let will: UInt8 = 251
    package static let subnegotiation: UInt8 = 250
    package static let subnegotiationEnd: UInt8 = 240
    /// The option by which a host hides a password: it says that it echoes, and does not. RFC 857.
    package static let echo: UInt8 = 1

    /// Octets of a subnegotiation, our bound: we ask for none, and a peer that never ends one would swallow the session.
    package static let longestSubnegotiation = 4_096

    private enum Place: Equatable, Sendable {
        case text
        /// After IAC.
        case command
        /// After WILL, WONT, DO or DONT.
        case option(verb: UInt8)
        case subnegotiation(length: Int)
        /// After an IAC in a subnegotiation.
        case subnegotiationCommand(length: Int)
        case broken
    }

    /// Where an option of ours stands; one that is not listed is off.
    private enum Own: Equatable, Sendable { case offered, on, withdrawn }

    private var place = Place.text
    private var own: [UInt8: Own] = [:]

    package init() {}

    /// A subnegotiation was too long: nothing that comes after it can be read, hang up.
    package var isBroken: Bool { place == .broken }

    /// - Returns: the text, and what has to be sent at once.
    package mutating func receive(_ octets: some Collection<UInt8>) -> (text: [UInt8], reply: [UInt8]) {
        var text: [UInt8] = []
        var reply: [UInt8] = []
        text.reserveCapacity(octets.count)
        for octet in octets {
            switch place {
            case .text:
                if octet == Self.interpretAsCommand { place = .command } else { text.append(octet) }
            case .command:
                place = .text
                switch octet {
                case Self.interpretAsCommand: text.append(octet)
                case Self.will, Self.wont, Self.do, Self.dont: place = .option(verb: octet)
                case Self.subnegotiation: place = .subnegotiation(length: 0)
                default: break
                }
            case .option(let verb):
                place = .text
                answer(verb, octet, &reply)
            case .subnegotiation(let length):
                if octet == Self.interpretAsCommand {
                    place = .subnegotiationCommand(length: length)
                } else {
                    place = length < Self.longestSubnegotiation ? .subnegotiation(length: length + 1) : .broken
                }
            case .subnegotiationCommand(let length):
                if octet == Self.subnegotiationEnd {
                    place = .text
                } else {
                    place = length < Self.longestSubnegotiation ? .subnegotiation(length: length + 1) : .broken
                }
            case .broken: break
            }
        }
        return (text, reply)
    }

    /// WONT and DONT say that an option is off, which it is: an answer would begin an endless exchange.
    private mutating func answer(_ verb: UInt8, _ option: UInt8, _ reply: inout [UInt8]) {
        switch verb {
        case Self.will: reply += [Self.interpretAsCommand, Self.dont, option]
        case Self.do:
            switch own[option] {
            case nil: reply += [Self.interpretAsCommand, Self.wont, option]
            case .offered: own[option] = .on
            case .on: break
            case .withdrawn: break  // it crossed our WONT, to which the answer is still due
            }
        case Self.dont:
            if own[option] == .on { reply += [Self.interpretAsCommand, Self.wont, option] }
            own[option] = nil
        default: break
        }
    }

    /// Says WILL.
    ///
    /// - Returns: what to send; nothing when the option is on or offered already.
    package mutating func offer(_ option: UInt8) -> [UInt8] {
        switch own[option] {
        case .offered, .on: return []
        case .withdrawn, nil:
            own[option] = .offered
            return [Self.interpretAsCommand, Self.will, option]
        }
    }

    /// Says WONT.
    ///
    /// - Returns: what to send; nothing when the option was not offered, or was refused.
    package mutating func withdraw(_ option: UInt8) -> [UInt8] {
        switch own[option] {
        case .offered, .on:
            own[option] = .withdrawn
            return [Self.interpretAsCommand, Self.wont, option]
        case .withdrawn, nil: return []
        }
    }

    /// Text as it goes out: 255 doubled.
    package static func escaped(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(interpretAsCommand) else { return text }
        return text.flatMap { $0 == interpretAsCommand ? [$0, $0] : [$0] }
    }
}
