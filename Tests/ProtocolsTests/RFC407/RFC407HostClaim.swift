import Protocols
import Wire

/// What must hold for any octets an RFC 407 host hears: answers or its error, no trap, the same for any split of them, one
/// end. The fuzz target `rfc407-host` compiles this file as well.
struct RFC407HostClaim {
    private var machine = RFC407.HostMachine(.init(greeting: "X", hidesPasswords: true))
    private var sent: [UInt8] = []
    private var ends = 0

    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let whole = run(octets, by: .max)
        for length in [1, Int(octets.first ?? 0) % 97 + 2] {
            let other = run(octets, by: length)
            if text(other.sent) != text(whole.sent) || other.machine.end != whole.machine.end {
                return "split by \(length) answers otherwise"
            }
            if other.ends > 1 { return "ended \(other.ends) times" }
        }
        return streams(octets)
    }

    /// Answers to options go out with the piece that brought them: they alone may stand elsewhere.
    private static func text(_ sent: [UInt8]) -> [UInt8] {
        var telnet = Telnet()
        return telnet.receive(sent).text
    }

    private static func run(_ octets: [UInt8], by length: Int) -> RFC407HostClaim {
        var claim = RFC407HostClaim()
        claim.handle(.opened(takesSessions: true))
        claim.handle(.received(Array("USER A\r\nPASS A\r\n".utf8)))
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            claim.handle(.received(Array(octets[start..<min(octets.count, start + length)])))
        }
        return claim
    }

    private mutating func handle(_ event: RFC407.HostMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                switch action {
                case .send(let octets): sent += octets
                case .authenticate(let user, let password):
                    events.append(.judged(password == nil ? .passwordNeeded : user == password ? .signedOn : .refused))
                case .perform(let command, user: _): events.append(.replied(.init(203, command.text)))
                case .hangUp: ends += 1
                case .beginInput, .abortInput, .startTimer, .stopTimer: break
                }
            }
        }
    }

    /// A deck as a data connection brings it: the same records for any split.
    private static func streams(_ octets: [UInt8]) -> String? {
        let modes = RFC407.Mode.allCases
        let dialects = RFC407.StreamFormat.Dialect.allCases
        let choice = Int(octets.first ?? 0)
        let format = RFC407.StreamFormat(
            .init(modes[choice % 3], isEBCDIC: choice & 64 != 0), .input, dialect: dialects[choice / 3 % 3])
        let body = Array(octets.dropFirst())
        let whole = records(body, format, by: .max)
        for length in [1, 3] where records(body, format, by: length) != whole {
            return "a stream split by \(length) has other records"
        }
        if whole.contains(where: { $0.count > 200 }) { return "a record beyond its limit" }
        var cards = RFC407.NetCards(.init())
        for record in whole where !cards.take(record) { break }
        cards.finish()
        return cards.faults.count > RFC407.NetCards.mostFaults ? "a flood of faults" : nil
    }

    private static func records(_ octets: [UInt8], _ format: RFC407.StreamFormat, by length: Int) -> [[UInt8]] {
        var reader = RFC407.StreamReader(format, longestRecord: 200)
        var records: [[UInt8]] = []
        let length = min(length, max(1, octets.count))
        do {
            for start in stride(from: 0, to: octets.count, by: length) {
                reader.append(Array(octets[start..<min(octets.count, start + length)]))
                while let record = try reader.next() { records.append(record) }
            }
            if let last = try reader.finish() { records.append(last) }
        } catch { return records }
        return records
    }
}
