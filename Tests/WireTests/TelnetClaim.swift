import Wire

/// What must hold for any octets of a peer: the same text, lines and replies for any split, no more replies than were asked
/// for, no line beyond its limit. The fuzz target `telnet` compiles this file as well.
struct TelnetClaim: Equatable {
    private var telnet = Telnet()
    private var lines = NVTLines(longest: 50)
    private var items: [NVTLines.Item] = []
    private var reply: [UInt8] = []

    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let whole = run(octets, by: .max)
        for length in [1, Int(octets.first ?? 0) % 31 + 2] where run(octets, by: length) != whole {
            return "split by \(length) reads otherwise"
        }
        if whole.reply.count > octets.count { return "\(whole.reply.count) octets of replies" }
        for case .line(let line) in whole.items
        where line.count > 50 || line.contains(where: { [0, 10, 13].contains($0) }) {
            return "a line \(line)"
        }
        var back = Telnet()
        if back.receive(Telnet.escaped(octets)).text != octets { return "escaped octets do not come back" }
        return nil
    }

    private static func run(_ octets: [UInt8], by length: Int) -> TelnetClaim {
        var claim = TelnetClaim()
        _ = claim.telnet.offer(Telnet.echo)
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            let (text, reply) = claim.telnet.receive(octets[start..<min(octets.count, start + length)])
            claim.reply += reply
            claim.lines.append(text)
            while let item = claim.lines.next() { claim.items.append(item) }
        }
        return claim
    }
}
