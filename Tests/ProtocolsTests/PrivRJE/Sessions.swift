import Protocols

let everything: PrivRJE.Abilities = {
    var abilities = PrivRJE.Abilities()
    (abilities.maxDeck, abilities.window, abilities.sessions) = (1_000, 16, 8)
    abilities.codes = ["ASCII", "CP037", "CP1047"]
    abilities.features = Set(PrivRJE.Feature.allCases)
    return abilities
}()

/// A host machine with a batch system behind it: what a driver does, without a socket.
final class HostSession {
    var machine: PrivRJE.HostMachine
    let batch: FakeBatch
    /// All that was sent and not taken yet.
    var sent: [UInt8] = []
    var actions: [PrivRJE.HostMachine.Action] = []
    /// Octets of a block handed over at a time.
    var pieceLength = 7
    /// Actions wait here when the batch system is held.
    var isHeld = false
    private var held: [PrivRJE.HostMachine.Action] = []

    init(
        _ abilities: PrivRJE.Abilities = everything, batch: FakeBatch = FakeBatch(), takesSessions: Bool = true,
        mostErrors: Int = 10
    ) {
        machine = .init(.init(name: "DEMO", abilities: abilities, mostErrors: mostErrors))
        self.batch = batch
        batch.changed.append { [weak self] line, user in
            if self?.machine.user == user { self?.handle(.jobChanged(line)) }
        }
        handle(.opened(takesSessions: takesSessions))
    }

    var end: PrivRJE.HostMachine.HostEnd? { machine.end }

    private var events: [PrivRJE.HostMachine.Event] = []
    private var isBusy = false

    /// What an action causes comes after the last action.
    func handle(_ event: PrivRJE.HostMachine.Event) {
        events.append(event)
        guard !isBusy else { return }
        isBusy = true
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                actions.append(action)
                perform(action)
            }
        }
        isBusy = false
    }

    private func perform(_ action: PrivRJE.HostMachine.Action) {
        switch action {
        case .send(let octets): sent += octets
        case .authenticate, .submit, .perform: isHeld ? held.append(action) : answer(action)
        case .provideBlock(let ticket, let header):
            guard case .block(_, let octets) = blocks[ticket] else { return }
            for start in stride(from: 0, to: header.octets, by: pieceLength) {
                handle(.blockPiece(ticket, Array(octets[start..<min(header.octets, start + pieceLength)])))
            }
        case .pauseReading, .resumeReading, .startTimer, .stopTimer, .hangUp: break
        }
    }

    private var blocks: [PrivRJE.HostMachine.Ticket: FakeBatch.Answer] = [:]

    private func answer(_ action: PrivRJE.HostMachine.Action) {
        switch action {
        case .authenticate(let user, let password):
            handle(.judged(batch.judge(user, password, limit: machine.configuration.abilities.sessions)))
        case .submit(let ticket, let input, let refusal, let block):
            handle(.replied(ticket, batch.submit(machine.user ?? "", input, refusal, block)))
        case .perform(let ticket, let request):
            let answer = batch.perform(machine.user ?? "", request)
            blocks[ticket] = answer
            switch answer {
            case .reply(let reply): handle(.replied(ticket, reply))
            case .block(let header, _): handle(.fetched(ticket, header))
            }
        case .send, .provideBlock, .pauseReading, .resumeReading, .startTimer, .stopTimer, .hangUp: break
        }
    }

    /// Lets the batch system answer, the last question first: tickets may be answered in any order.
    func release() {
        isHeld = false
        let waiting = held
        held = []
        for action in waiting.reversed() { answer(action) }
    }

    /// What the host sends in answer to these lines (each ended by CR LF here).
    func ask(_ lines: String...) -> [String] {
        receive(lines.map { $0 + "\r\n" }.joined())
        return takeLines()
    }

    func receive(_ text: String, by length: Int = .max) { receive(Array(text.utf8), by: length) }

    func receive(_ octets: [UInt8], by length: Int = .max) {
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            handle(.received(Array(octets[start..<min(octets.count, start + length)])))
        }
    }

    func takeLines() -> [String] {
        defer { sent = [] }
        return String(decoding: sent, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
            .dropLast()
            .map(String.init)
    }

    func signOn(_ user: String = "RMT7") -> HostSession {
        _ = ask("HELLO PRIV-RJE/1", "USER \(user)", "PASS secret")
        return self
    }
}

/// A station machine with a driver that has its decks at hand.
final class StationSession {
    typealias ID = PrivRJE.RequestID

    var machine: PrivRJE.StationMachine
    var sent: [UInt8] = []
    var actions: [PrivRJE.StationMachine.Action] = []
    var decks: [ID: [UInt8]] = [:]
    var outcomes: [ID: PrivRJE.Outcome] = [:]
    var blocks: [ID: [UInt8]] = [:]
    var unanswered: [ID: PrivRJE.StationMachine.Sent] = [:]
    /// What the driver had committed when.
    var committedClosing: [ID] = []
    var pieceLength = 5
    private var lastID: UInt64 = 0

    init(_ configuration: PrivRJE.StationMachine.Configuration = .init(user: "RMT7", password: "secret", agent: nil)) {
        machine = .init(configuration)
        handle(.opened)
    }

    var end: PrivRJE.SessionEnd? { machine.end }

    private var events: [PrivRJE.StationMachine.Event] = []
    private var isBusy = false

    /// What an action causes comes after the last action.
    func handle(_ event: PrivRJE.StationMachine.Event) {
        events.append(event)
        guard !isBusy else { return }
        isBusy = true
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                actions.append(action)
                perform(action)
            }
        }
        isBusy = false
    }

    private func perform(_ action: PrivRJE.StationMachine.Action) {
        switch action {
        case .send(let octets): sent += octets
        case .provideDeck(let id, let octets):
            let deck = decks[id] ?? []
            for start in stride(from: 0, to: octets, by: pieceLength) where start < deck.count {
                handle(.deckPiece(id, Array(deck[start..<min(deck.count, start + pieceLength)])))
            }
        case .commitClosing(let id):
            committedClosing.append(id)
            handle(.closingCommitted(id))
        case .deliver(let id, let outcome): outcomes[id] = outcome
        case .deliverBlock(let id, let piece, _): blocks[id, default: []] += piece
        case .unanswered(let id, let sent): unanswered[id] = sent
        case .signedOn, .jobChanged, .message, .startTimer, .stopTimer, .hangUp: break
        }
    }

    @discardableResult
    func submit(_ request: PrivRJE.Request) -> ID {
        lastID += 1
        handle(.submitted(ID(lastID), request))
        return ID(lastID)
    }

    @discardableResult
    func submit(deck: String, key: String? = nil) -> ID {
        decks[ID(lastID + 1)] = Array(deck.utf8)
        return submit(.input(.init(octets: deck.utf8.count, key: key)))
    }

    func receive(_ text: String, by length: Int = .max) {
        let octets = Array(text.utf8)
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            handle(.received(Array(octets[start..<min(octets.count, start + length)])))
        }
    }

    func hear(_ lines: String...) { receive(lines.map { $0 + "\r\n" }.joined()) }

    func takeSent() -> String {
        defer { sent = [] }
        return String(decoding: sent, as: UTF8.self)
    }

    /// Signed on at a host that says this to HELLO.
    static func signedOn(_ hello: String = "WINDOW=8 FEATURES=KEY,NOTICE,RANGE,HOLD,OPERATOR") -> StationSession {
        let station = StationSession()
        station.hear("300 PRIV-RJE/1 HOST=DEMO", "200 " + hello, "330 password", "230 USER=RMT7")
        station.sent = []
        station.actions = []
        return station
    }
}

let deckText = "//HELLO    JOB (1),TEST\n// EXEC PGM=IEFBR14\n//SYSIN DD *\n"
