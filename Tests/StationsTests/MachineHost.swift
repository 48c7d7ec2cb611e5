import Lines
import Protocols
import Synchronization
import Wire

/// A batch system in memory behind PRIV-RJE: what the host machine needs answered. Shared by the sessions of a test.
final class FakeSystem: Sendable {
    struct Job: Sendable {
        var line: PrivRJE.JobLine
        var key: String?
        var block: [UInt8]
        var files: [[UInt8]]
    }

    struct State: Sendable {
        var jobs: [Job] = []
        var voided: Set<String> = []
        var sessions = 0
        var logOns = 0
        var takesJobs = true
        var requests: [PrivRJE.Request] = []
    }

    let state = Mutex(State())
    let password: String?
    let abilities: PrivRJE.Abilities
    /// The output of every job.
    let output: [[UInt8]]

    init(
        features: Set<PrivRJE.Feature> = Set(PrivRJE.Feature.allCases), window: Int = 8, password: String? = "secret",
        output: [[UInt8]] = [Array("1PRINT-OUT\n DONE\n".utf8)]
    ) {
        var abilities = PrivRJE.Abilities()
        abilities.features = features
        abilities.window = window
        abilities.sessions = 4
        abilities.codes = ["ASCII", "CP037"]
        self.abilities = abilities
        self.password = password
        self.output = output
    }

    var jobs: [Job] { state.withLock { $0.jobs } }

    func judge(user: String, password given: String?) -> PrivRJE.HostMachine.Verdict {
        state.withLock { state in
            if given != nil { state.logOns += 1 }
            if user == "RMT7", password == nil || given == password { return .signedOn }
            return given == nil ? .passwordNeeded : .refused
        }
    }

    func submit(_ input: PrivRJE.Input, _ refusal: PrivRJE.Refusal?, _ block: [UInt8]) -> (PrivRJE.Reply, Job?) {
        state.withLock { state in
            if let key = input.key {
                if let job = state.jobs.first(where: { $0.key == key }) {
                    guard job.block == block else { return (.refused(.init(.keyClash)), nil) }
                    return (.accepted(.init(job: job.line.job, isDuplicate: true)), nil)
                }
                if state.voided.contains(key) { return (.refused(.init(.keyVoid)), nil) }
            }
            if let refusal { return (.refused(refusal), nil) }
            if !state.takesJobs { return (.notTakingJobs("spool full"), nil) }
            if !block.starts(with: [0x2F, 0x2F]) { return (.refused(.init(.noJobCard, card: 1, "no job card")), nil) }
            var line = PrivRJE.JobLine(job: "J0000\(state.jobs.count + 1)", state: .done)
            line.name = "HELLO"
            line.returnCode = 4
            line.files = output.count
            let job = Job(line: line, key: input.key, block: block, files: output)
            state.jobs.append(job)
            return (.accepted(.init(job: line.job, name: "HELLO", cards: 3)), job)
        }
    }

    enum Answer {
        case reply(PrivRJE.Reply)
        case block(PrivRJE.BlockHeader, [UInt8])
    }

    func perform(_ request: PrivRJE.Request) -> Answer {
        state.withLock { state in
            state.requests.append(request)
            func job(_ number: String) -> Job? { state.jobs.first { $0.line.job == number } }
            switch request {
            case .find(let key):
                guard let job = state.jobs.first(where: { $0.key == key }) else { return .reply(.noSuchKey) }
                return .reply(.accepted(.init(job: job.line.job, isDuplicate: true)))
            case .void(let key):
                if let job = state.jobs.first(where: { $0.key == key }) {
                    return .reply(.accepted(.init(job: job.line.job, isDuplicate: true)))
                }
                state.voided.insert(key)
                return .reply(.voided)
            case .status(.all): return .reply(.jobs(state.jobs.reversed().map(\.line)))
            case .status(.job(let number)): return .reply(job(number).map { .job($0.line) } ?? .noSuchJob)
            case .files(let number):
                guard let job = job(number) else { return .reply(.noSuchJob) }
                return .reply(
                    .files(
                        job.files.enumerated().map {
                            .init(
                                file: $0 + 1, kind: $0 == 0 ? .print : .punch, dd: "SYSPRINT", octets: $1.count,
                                carriageControl: $0 == 0 ? .asa : .none, code: $0 == 0 ? "ASCII" : "BINARY", lrecl: 133)
                        }))
            case .fetch(let fetch):
                guard let job = job(fetch.job), job.files.indices.contains(fetch.file - 1) else {
                    return .reply(.noSuchJob)
                }
                let file = job.files[fetch.file - 1]
                guard fetch.offset <= file.count else { return .reply(.badParameter("OFFSET")) }
                let part = Array(file[fetch.offset...].prefix(fetch.count ?? .max))
                return .block(
                    .init(
                        job: fetch.job, file: fetch.file, offset: fetch.offset, octets: part.count, total: file.count),
                    part)
            case .purge(let number):
                state.jobs.removeAll { $0.line.job == number }
                return .reply(.ended(job: number))
            case .cancel(let number):
                return .reply(job(number) == nil ? .noSuchJob : .notNow("finished"))
            case .hold(let number), .release(let number): return .reply(.moved(job: number, state: .held))
            case .operatorCommand(let text): return .reply(.operatorAnswer(["heard", text]))
            case .watch, .unwatch, .ping, .bye, .input: return .reply(.done())
            }
        }
    }
}

/// Plays the host on a line until either side ends it.
func serve(_ line: any Line, _ system: FakeSystem) async {
    var machine = PrivRJE.HostMachine(.init(name: "DEMO", abilities: system.abilities))
    var blocks: [PrivRJE.HostMachine.Ticket: [UInt8]] = [:]
    var events: [PrivRJE.HostMachine.Event] = [.opened(takesSessions: true)]
    while true {
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) {
                switch action {
                case .send(let octets): try? await line.write(octets)
                case .authenticate(let user, let password):
                    events.append(.judged(system.judge(user: user, password: password)))
                case .submit(let ticket, let input, let refusal, let block):
                    let (reply, job) = system.submit(input, refusal, block)
                    events.append(.replied(ticket, reply))
                    if let job {
                        var running = PrivRJE.JobLine(job: job.line.job, state: .running)
                        running.name = "HELLO"
                        events += [.jobChanged(running), .operatorMessage("job ran"), .jobChanged(job.line)]
                    }
                case .perform(let ticket, let request):
                    switch system.perform(request) {
                    case .reply(let reply): events.append(.replied(ticket, reply))
                    case .block(let header, let octets):
                        events.append(.fetched(ticket, header))
                        blocks[ticket] = octets
                    }
                case .provideBlock(let ticket, _):
                    events.append(.blockPiece(ticket, blocks.removeValue(forKey: ticket) ?? []))
                case .hangUp:
                    line.close()
                    return
                case .pauseReading, .resumeReading, .startTimer, .stopTimer: break
                }
            }
        }
        guard let octets = try? await line.read() else { return line.close() }
        events.append(.received(octets))
    }
}

/// A line that breaks, or falls silent, after so many octets in a direction.
final class HarmedLine: Line {
    enum Direction: CaseIterable, Sendable { case toHost, toStation }
    enum Harm: CaseIterable, Sendable { case cut, silence }

    private struct State: Sendable {
        var sent = 0
        var received = 0
        var isHarmed = false
    }

    private let inner: any Line
    private let direction: Direction
    private let octets: Int
    private let harm: Harm
    private let state = Mutex(State())
    var peer: SocketAddress? { nil }

    init(_ inner: any Line, _ direction: Direction, after octets: Int, _ harm: Harm) {
        self.inner = inner
        self.direction = direction
        self.octets = octets
        self.harm = harm
    }

    /// Whether the harm was done.
    var isHarmed: Bool { state.withLock { $0.isHarmed } }
    /// Octets carried in each direction.
    var carried: (sent: Int, received: Int) { state.withLock { ($0.sent, $0.received) } }

    func read(within limit: Duration?) async throws(LineError) -> [UInt8]? {
        guard let octets = try await inner.read(within: limit) else { return nil }
        let (part, harmed) = state.withLock { state in
            let left = direction == .toStation ? max(0, self.octets - state.received) : .max
            let part = Array(octets.prefix(left))
            state.received += part.count
            if part.count < octets.count { state.isHarmed = true }
            return (part, part.count < octets.count)
        }
        if !harmed { return part }
        if harm == .cut { inner.close() }
        if !part.isEmpty { return part }
        if harm == .cut { throw .reset }
        while try await inner.read(within: limit) != nil {}
        return nil
    }

    func write(_ octets: [UInt8], within limit: Duration?) async throws(LineError) {
        let (part, harmed) = state.withLock { state in
            let left = direction == .toHost ? max(0, self.octets - state.sent) : .max
            let part = Array(octets.prefix(left))
            state.sent += part.count
            if part.count < octets.count { state.isHarmed = true }
            return (part, part.count < octets.count)
        }
        if !part.isEmpty { try await inner.write(part, within: limit) }
        if harmed, harm == .cut {
            inner.close()
            throw .reset
        }
    }

    func finishSending() async { await inner.finishSending() }
    func close() { inner.close() }
}
