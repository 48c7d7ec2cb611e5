import Protocols

/// What must hold for any octets a station hears: an answer or our error, no trap, and the same for any split of them.
/// The fuzz target `privrje-station` compiles this file as well.
struct StationClaim {
    private var machine = PrivRJE.StationMachine(.init(user: "RMT7", password: "secret"))
    /// What was done, joined where the split may show: no timers, and neighbouring octets in one.
    private var actions: [PrivRJE.StationMachine.Action] = []

    /// - Returns: nil when it holds.
    static func violation(_ octets: [UInt8]) -> String? {
        let isSignedOn = octets.first.map { $0 & 1 == 1 } ?? false
        let splits = [Int.max, 1, Int(octets.first ?? 0) % 97 + 2]
        let runs = splits.map { run(octets.dropFirst(), isSignedOn: isSignedOn, by: $0) }
        guard let whole = runs.first else { return nil }
        for (run, length) in zip(runs, splits) {
            if run.actions != whole.actions { return "split by \(length) acts otherwise" }
            let ends = run.actions.count { if case .hangUp = $0 { true } else { false } }
            if ends != (run.machine.end == nil ? 0 : 1) { return "ended \(ends) times" }
        }
        return nil
    }

    private static func run(_ octets: ArraySlice<UInt8>, isSignedOn: Bool, by length: Int) -> StationClaim {
        var claim = StationClaim()
        claim.handle(.opened)
        if isSignedOn {
            claim.handle(.received(Array("300 PRIV-RJE/1\n200 WINDOW=20 FEATURES=KEY\n330 \n230 \n".utf8)))
        }
        for (number, request) in requests.enumerated() {
            claim.handle(.submitted(.init(UInt64(number)), request))
        }
        let length = min(length, max(1, octets.count))
        for start in stride(from: octets.startIndex, to: octets.endIndex, by: length) {
            claim.handle(.received(Array(octets[start..<min(octets.endIndex, start + length)])))
        }
        return claim
    }

    private static let requests: [PrivRJE.Request] = [
        .status(.job("J1")), .fetch(.init(job: "J1", file: 1)), .status(.all), .files(job: "J1"), .find(key: "k"),
        .fetch(.init(job: "J1", file: 1, offset: 2, count: 5)), .void(key: "k"), .hold(job: "J1"), .purge(job: "J1"),
        .operatorCommand("D"), .watch(.all), .ping,
        // last: its deck never comes, so that no split can tell when it went
        .input(.init(octets: 10)),
    ]

    private mutating func handle(_ event: PrivRJE.StationMachine.Event) {
        for action in machine.handle(event) {
            switch (actions.last, action) {
            case (_, .startTimer), (_, .stopTimer): break
            case (.send(let before), .send(let octets)): actions[actions.count - 1] = .send(before + octets)
            case (.deliverBlock(let id, let before, _), .deliverBlock(let next, let octets, let remaining))
            where id == next:
                actions[actions.count - 1] = .deliverBlock(id, before + octets, remaining: remaining)
            default: actions.append(action)
            }
        }
    }
}
