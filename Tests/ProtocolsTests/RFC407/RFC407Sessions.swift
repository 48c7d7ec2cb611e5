import Protocols
import Wire

/// Plays the driver of a host machine; users and passwords as given, everything else by the test.
final class RFC407HostSession {
    typealias Machine = RFC407.HostMachine
    var machine: Machine
    var users = ["alice": "s3cret", "bob": "pw", "open": ""]
    var forbidden: Set<String> = []
    private(set) var sent: [UInt8] = []
    private(set) var inputs: [(number: Int, source: RFC407.FileID, settings: RFC407.JobSettings, user: String)] = []
    private(set) var aborted: [Int] = []
    private(set) var performed: [RFC407.Command] = []
    private(set) var timers: Set<Machine.Timer> = []
    private(set) var ends: [Machine.HostEnd] = []
    private var read = 0

    init(_ change: (inout Machine.Configuration) -> Void = { _ in }) {
        var configuration = Machine.Configuration(greeting: "RJE reference server ready")
        change(&configuration)
        machine = Machine(configuration)
    }

    func handle(_ event: Machine.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                switch action {
                case .send(let octets): sent += octets
                case .authenticate(let user, let password):
                    let verdict: Machine.Verdict =
                        forbidden.contains(user)
                        ? .notAllowed
                        : users[user] == password ?? ""
                            ? .signedOn : password == nil ? .passwordNeeded : .refused
                    events.append(.judged(verdict))
                case .beginInput(let number, let source, let settings, let user):
                    inputs.append((number, source, settings, user))
                case .abortInput(let number): aborted.append(number)
                case .perform(let command, user: _): performed.append(command)
                case .startTimer(let timer, _): timers.insert(timer)
                case .stopTimer(let timer): timers.remove(timer)
                case .hangUp(let end): ends.append(end)
                }
            }
        }
    }

    func receive(_ octets: [UInt8], by length: Int = .max) {
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            handle(.received(Array(octets[start..<min(octets.count, start + length)])))
        }
    }

    /// What it answers to lines, as codes.
    @discardableResult
    func say(_ lines: String...) -> [Int] {
        for line in lines { receive(RFC407.octets(line) + [0x0D, 0x0A]) }
        return codes()
    }

    /// Codes said since the last look.
    func codes() -> [Int] {
        let lines = RFC407.text(sent.dropFirst(read)).split(separator: "\r\n")
        read = sent.count
        return lines.compactMap { Int($0.prefix(3)) }
    }

    /// Greeted, and signed on when a user is named.
    static func signedOn(_ user: String? = "alice", _ change: (inout Machine.Configuration) -> Void = { _ in })
        -> RFC407HostSession
    {
        let session = RFC407HostSession(change)
        session.handle(.opened(takesSessions: true))
        if let user { session.say("USER=\(user)", "PASS=\(session.users[user] ?? "")") }
        _ = session.codes()
        return session
    }
}

/// Plays the driver of a station machine.
final class RFC407StationSession {
    typealias Machine = RFC407.StationMachine
    var machine: Machine
    private(set) var sent: [UInt8] = []
    private(set) var actions: [Machine.Action] = []
    private(set) var timers: Set<Machine.Timer> = []
    private var last: UInt64 = 0
    private var read = 0

    init(user: String = "alice", password: String? = "s3cret") {
        machine = Machine(.init(user: user, password: password))
        handle(.opened)
    }

    func handle(_ event: Machine.Event) {
        for action in machine.handle(event) {
            switch action {
            case .send(let octets): sent += octets
            case .startTimer(let timer, _): timers.insert(timer)
            case .stopTimer(let timer): timers.remove(timer)
            default: actions.append(action)
            }
        }
    }

    func receive(_ octets: [UInt8], by length: Int = .max) {
        let length = min(length, max(1, octets.count))
        for start in stride(from: 0, to: octets.count, by: length) {
            handle(.received(Array(octets[start..<min(octets.count, start + length)])))
        }
    }

    func hear(_ lines: String...) { for line in lines { receive(RFC407.octets(line) + [0x0D, 0x0A]) } }

    @discardableResult
    func submit(_ command: RFC407.Command, wholeText: Bool = false) -> Machine.RequestID {
        last += 1
        let id = Machine.RequestID(last)
        handle(.submitted(id, command, wholeText: wholeText))
        return id
    }

    /// Actions since the last look.
    func news() -> [Machine.Action] {
        defer { read = actions.count }
        return Array(actions[read...])
    }

    static func signedOn() -> RFC407StationSession {
        let session = RFC407StationSession()
        session.hear("300 ready", "330 Password", "230 alice on")
        _ = session.news()
        return session
    }

    var lines: [String] { RFC407.text(sent).split(separator: "\r\n").map(String.init) }
}
