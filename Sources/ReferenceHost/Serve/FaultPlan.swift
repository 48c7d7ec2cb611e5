/// Faults that the host makes on request: the value of `--faults`.
///
/// Items stand between commas. Octets are counted per session, from the first one of the greeting or of HELLO.
///
/// | item | what happens |
/// | --- | --- |
/// | `cut-sent=N` | the line is closed after N octets were sent |
/// | `cut-received=N` | the line is closed after N octets were received |
/// | `silent-sent=N`, `silent-received=N` | from there on nothing is sent and nothing is heeded; the line stays open |
/// | `garbage-sent=N` | eight octets from N on are replaced by garbage |
/// | `delay=SECONDS` | each piece of answer waits that long; a fraction will do |
/// | `slow=N` | N octets a second are sent |
/// | `no-sessions[=COUNT]` | the first COUNT connections, or all, hear 401 |
/// | `refuse-logon[=COUNT]` | the first COUNT passwords, or all, are refused |
/// | `refuse-input[=COUNT]` | the first COUNT decks, or all, are answered 462 |
/// | `close-after-input[=COUNT]` | the first COUNT decks, or all, are accepted, and the line is closed before the 260 |
/// | `seed=N` | for the ranges; 1 when absent |
///
/// Where N counts octets it may be a range, `100-5000`: each session draws its own number. Such a fault happens once in
/// the life of the host; with `:each` behind it, in every session.
///
///     cut-sent=700
///     cut-received=1-4000:each,seed=7
///     delay=0.2,refuse-input=3
///     silent-sent=350,no-sessions=1
package struct FaultPlan: Equatable, Sendable {
    package enum Effect: String, CaseIterable, Sendable { case cut, silent, garbage }
    package enum Direction: String, CaseIterable, Sendable { case sent, received }

    /// Something that happens at an octet.
    package struct Trigger: Equatable, Sendable {
        package let effect: Effect
        package let direction: Direction
        package let octet: ClosedRange<Int>
        package let isForEach: Bool

        package init(effect: Effect, direction: Direction, octet: ClosedRange<Int>, isForEach: Bool) {
            self.effect = effect
            self.direction = direction
            self.octet = octet
            self.isForEach = isForEach
        }
    }

    /// How often something is refused.
    package enum Count: Equatable, Sendable {
        case never, always
        case first(Int)

        mutating func use() -> Bool {
            switch self {
            case .never: return false
            case .always: return true
            case .first(let left):
                self = left > 1 ? .first(left - 1) : .never
                return left > 0
            }
        }
    }

    package var triggers: [Trigger] = []
    package var delay: Duration?
    /// Octets a second.
    package var slow: Int?
    package var noSessions = Count.never
    package var refusedLogOns = Count.never
    package var refusedInputs = Count.never
    package var closesAfterInput = Count.never
    package var seed: UInt64 = 1

    package init() {}

    /// Reads a specification; an empty one plans nothing.
    package init(_ text: String) throws(FaultPlanError) {
        for item in text.split(separator: ",", omittingEmptySubsequences: false) where !text.isEmpty {
            let trimmed = item.filter { $0 != " " }
            let parts = trimmed.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            try take(String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
        }
    }

    private mutating func take(_ name: String, _ value: String?) throws(FaultPlanError) {
        switch name {
        case "delay":
            guard let value, let seconds = Double(value), seconds >= 0, seconds <= 3600 else {
                throw FaultPlanError(item: name, needs: "seconds from 0 to 3600, as in delay=0.2")
            }
            delay = .microseconds(Int64(seconds * 1_000_000))
        case "slow":
            guard let value, let rate = Int(value), rate > 0 else {
                throw FaultPlanError(item: name, needs: "octets a second, as in slow=1000")
            }
            slow = rate
        case "seed":
            guard let value, let seed = UInt64(value) else {
                throw FaultPlanError(item: name, needs: "a number, as in seed=7")
            }
            self.seed = seed
        case "no-sessions": noSessions = try count(name, value)
        case "refuse-logon": refusedLogOns = try count(name, value)
        case "refuse-input": refusedInputs = try count(name, value)
        case "close-after-input": closesAfterInput = try count(name, value)
        default: triggers.append(try trigger(name, value))
        }
    }

    private func count(_ name: String, _ value: String?) throws(FaultPlanError) -> Count {
        guard let value else { return .always }
        guard let number = Int(value), number > 0 else {
            throw FaultPlanError(item: name, needs: "a count from 1, as in \(name)=3, or none for always")
        }
        return .first(number)
    }

    private func trigger(_ name: String, _ value: String?) throws(FaultPlanError) -> Trigger {
        let words = name.split(separator: "-").map(String.init)
        guard words.count == 2, let effect = Effect(rawValue: words[0]), let direction = Direction(rawValue: words[1]),
            effect != .garbage || direction == .sent
        else { throw FaultPlanError(item: name, needs: nil) }
        let fault = FaultPlanError(item: name, needs: "octets, as in \(name)=700, \(name)=1-4000 or \(name)=700:each")
        let parts = (value ?? "").split(separator: ":", omittingEmptySubsequences: false)
        guard let place = parts.first, parts.count == 1 || parts.count == 2 && parts[1] == "each" else { throw fault }
        let ends = place.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1], low >= 0, low <= high
        else {
            throw fault
        }
        return Trigger(effect: effect, direction: direction, octet: low...high, isForEach: parts.count == 2)
    }
}

package struct FaultPlanError: Error, Equatable, Sendable, CustomStringConvertible {
    package let item: String
    /// nil: there is no such item.
    package let needs: String?

    package var description: String {
        if let needs { return "fault \"\(item)\" needs \(needs)" }
        let names =
            [
                "cut-sent", "cut-received", "silent-sent", "silent-received", "garbage-sent", "delay", "slow",
                "no-sessions",
            ]
            + ["refuse-logon", "refuse-input", "close-after-input", "seed"]
        return "there is no fault \"\(item)\"; there are \(names.joined(separator: ", "))"
    }
}

/// What all sessions share of a plan.
package struct FaultState: Sendable {
    package private(set) var plan: FaultPlan
    private var spent: Set<Int> = []
    private var random: UInt64

    package init(_ plan: FaultPlan) {
        self.plan = plan
        random = plan.seed
    }

    package mutating func refusesSession() -> Bool { plan.noSessions.use() }
    package mutating func refusesLogOn() -> Bool { plan.refusedLogOns.use() }
    package mutating func refusesInput() -> Bool { plan.refusedInputs.use() }
    package mutating func closesAfterInput() -> Bool { plan.closesAfterInput.use() }

    /// - Returns: false for a fault that happened before and happens once only.
    package mutating func claim(_ trigger: Int) -> Bool {
        guard plan.triggers.indices.contains(trigger) else { return false }
        return plan.triggers[trigger].isForEach || spent.insert(trigger).inserted
    }

    /// Draws the octets of a new session.
    package mutating func openSession() -> SessionFaults {
        SessionFaults(
            plan.triggers.enumerated().filter { !spent.contains($0.offset) }.map { index, trigger in
                let width = UInt64(trigger.octet.upperBound - trigger.octet.lowerBound) &+ 1
                let place = trigger.octet.lowerBound + Int(width > 1 ? next() % width : 0)
                return SessionFaults.Armed(
                    index: index, effect: trigger.effect, direction: trigger.direction, octet: place)
            })
    }

    /// SplitMix64.
    private mutating func next() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// The faults of one session, by octets.
package struct SessionFaults: Equatable, Sendable {
    struct Armed: Equatable, Sendable {
        let index: Int
        let effect: FaultPlan.Effect
        let direction: FaultPlan.Direction
        let octet: Int
    }

    package enum Then: Equatable, Sendable { case goOn, cut, fallSilent }

    private var armed: [Armed]
    private var sent = 0
    private var received = 0

    static let garbage: [UInt8] = [0x00, 0xFF, 0x0D, 0x80, 0x21, 0x0A, 0x7F, 0x2D]

    init(_ armed: [Armed]) { self.armed = armed.sorted { $0.octet < $1.octet } }

    package var isEmpty: Bool { armed.isEmpty }

    /// What becomes of octets that are about to be sent, or were received.
    ///
    /// - Parameter claim: whether the fault of this number may happen still.
    package mutating func pass(
        _ octets: [UInt8], _ direction: FaultPlan.Direction, claim: (Int) -> Bool
    ) -> (octets: [UInt8], then: Then) {
        let start = direction == .sent ? sent : received
        let end = start + octets.count
        if direction == .sent { sent = end } else { received = end }
        var octets = octets
        for fault in armed where fault.direction == direction && fault.octet < end {
            switch fault.effect {
            case .garbage:
                if fault.octet >= start && !claim(fault.index) { continue }
                for (at, octet) in SessionFaults.garbage.enumerated() {
                    let place = fault.octet + at - start
                    if octets.indices.contains(place) { octets[place] = octet }
                }
            case .cut, .silent:
                guard fault.octet >= start, claim(fault.index) else { continue }
                return (Array(octets.prefix(fault.octet - start)), fault.effect == .cut ? .cut : .fallSilent)
            }
        }
        armed.removeAll { $0.direction == direction && $0.octet + SessionFaults.garbage.count < end }
        return (octets, .goOn)
    }
}
