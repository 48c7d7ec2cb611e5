import Protocols
import Wire

/// What must hold for any octets an RFC 407 host says: each request is answered or given up exactly once, no trap, the same
/// for any split. The fuzz target `rfc407-station` compiles this file as well.
struct RFC407StationClaim {
    private var machine = RFC407.StationMachine(.init(user: "A", password: "B"))
    private var sent: [UInt8] = []
    private var told: [RFC407.StationMachine.Action] = []

    private static let requests: [RFC407.Command] = [
        .input(.socket(nil, port: 1, .init())), .status(job: nil, file: nil), .input(nil), .cancel(job: "J1"),
        .abortInput,
    ]

    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let whole = run(octets, by: .max)
        for length in [1, Int(octets.first ?? 0) % 97 + 2] {
            let other = run(octets, by: length)
            if other.told != whole.told || other.machine.end != whole.machine.end {
                return "split by \(length) is heard otherwise"
            }
        }
        for number in requests.indices {
            let id = RFC407.StationMachine.RequestID(UInt64(number))
            let ends = whole.told.filter {
                switch $0 {
                case .answer(let of, _), .inputFailed(let of, _), .inputDone(let of), .unanswered(let of, wasSent: _):
                    of == id
                default: false
                }
            }
            if ends.count != 1 { return "request \(number) ended \(ends.count) times" }
        }
        return whole.told.filter { if case .hangUp = $0 { true } else { false } }.count == 1 ? nil : "not one end"
    }

    private static func run(_ octets: [UInt8], by length: Int) -> RFC407StationClaim {
        var claim = RFC407StationClaim()
        claim.handle(.opened)
        for (number, command) in requests.enumerated() {
            claim.handle(.submitted(.init(UInt64(number)), command, wholeText: number == 1))
        }
        if (octets.first ?? 0) & 1 == 1 { claim.handle(.received(Array("300 x\r\n330 x\r\n230 x\r\n".utf8))) }
        let body = octets.dropFirst()
        let length = min(length, max(1, body.count))
        for start in stride(from: body.startIndex, to: body.endIndex, by: length) {
            claim.handle(.received(Array(body[start..<min(body.endIndex, start + length)])))
        }
        claim.handle(.lineClosed)
        return claim
    }

    private mutating func handle(_ event: RFC407.StationMachine.Event) {
        for action in machine.handle(event) {
            switch action {
            case .send(let octets): sent += octets
            case .startTimer, .stopTimer: break
            default: told.append(action)
            }
        }
    }
}
