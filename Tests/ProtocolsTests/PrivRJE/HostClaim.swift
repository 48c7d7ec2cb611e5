import Protocols

/// What must hold for any octets a host hears: answers in order or its error, no trap, the same for any split of them,
/// and no deck or buffer beyond its bound. The fuzz target `privrje-host` compiles this file as well.
struct HostClaim {
    private var machine = PrivRJE.HostMachine(.init(name: "DEMO", abilities: abilities))
    private var sent: [UInt8] = []
    private var longestDeck = 0
    private var ends = 0

    private static let abilities: PrivRJE.Abilities = {
        var abilities = PrivRJE.Abilities()
        (abilities.maxDeck, abilities.window, abilities.features) = (500, 3, Set(PrivRJE.Feature.allCases))
        return abilities
    }()

    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let isSignedOn = octets.first.map { $0 & 1 == 1 } ?? false
        let splits = [Int.max, 1, Int(octets.first ?? 0) % 97 + 2]
        let runs = splits.map { run(octets.dropFirst(), isSignedOn: isSignedOn, by: $0) }
        guard let whole = runs.first else { return nil }
        for (run, length) in zip(runs, splits) {
            if run.sent != whole.sent || run.machine.end != whole.machine.end {
                return "split by \(length) answers otherwise"
            }
            if run.ends != (run.machine.end == nil ? 0 : 1) { return "ended \(run.ends) times" }
            if run.longestDeck > abilities.maxDeck { return "a deck of \(run.longestDeck) octets" }
        }
        return nil
    }

    private static func run(_ octets: ArraySlice<UInt8>, isSignedOn: Bool, by length: Int) -> HostClaim {
        var claim = HostClaim()
        claim.handle(.opened(takesSessions: true))
        if isSignedOn { claim.handle(.received(Array("HELLO PRIV-RJE/1\nUSER A\n".utf8))) }
        let length = min(length, max(1, octets.count))
        for start in stride(from: octets.startIndex, to: octets.endIndex, by: length) {
            claim.handle(.received(Array(octets[start..<min(octets.endIndex, start + length)])))
        }
        return claim
    }

    private mutating func handle(_ event: PrivRJE.HostMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                switch action {
                case .send(let octets): sent += octets
                case .authenticate(let user, let password):
                    events.append(.judged(user == "A" || password == "B" ? .signedOn : .refused))
                case .submit(let ticket, let input, let refusal, let block):
                    longestDeck = max(longestDeck, block.count)
                    let receipt = PrivRJE.Receipt(job: "J\(block.count)", name: input.key)
                    events.append(.replied(ticket, refusal.map { .refused($0) } ?? .accepted(receipt)))
                case .perform(let ticket, .fetch(let fetch)):
                    let header = PrivRJE.BlockHeader(
                        job: fetch.job, file: fetch.file, offset: fetch.offset, octets: 5, total: fetch.offset + 5)
                    events.append(.fetched(ticket, header))
                case .perform(let ticket, .watch): events.append(.replied(ticket, .done()))
                case .perform(let ticket, _): events.append(.replied(ticket, .noSuchJob))
                case .provideBlock(let ticket, _):
                    events += [.blockPiece(ticket, [1, 2]), .blockPiece(ticket, [3, 4, 5])]
                case .hangUp: ends += 1
                case .pauseReading, .resumeReading, .startTimer, .stopTimer: break
                }
            }
        }
    }
}
