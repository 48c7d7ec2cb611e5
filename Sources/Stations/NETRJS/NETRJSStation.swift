import Jobs
import Lines
import Protocols
import Synchronization
import Wire

/// Drives a `NETRJS.StationMachine` over a console, and the reader, printer and punch on lines of their own.
///
/// The actor lives on the console's loop. Printer and punch are kept open while the session lasts; what comes is handed to
/// the `OutputTaker` while it comes, and the host hears FIN when the taker has it on stable storage. One deck at a time is
/// on the reader; the console's RJS534 is its receipt.
package actor NETRJSStation {
    package nonisolated let reports: AsyncStream<Report>
    nonisolated let settings: NETRJSSettings
    nonisolated let memory: NETRJSMemory
    nonisolated let taker: any OutputTaker
    private nonisolated let tell: AsyncStream<Report>.Continuation
    nonisolated let loop: EventLoop

    private var machine: NETRJS.StationMachine
    private var life = Life.new
    private var work: Task<Void, Never>?
    private var console: TCPLine?
    private var outbox: [UInt8] = []
    private var writerWaiter: CheckedContinuation<Void, Never>?
    private var signOnWaiter: CheckedContinuation<StationError?, Never>?
    private var end: StationError?
    private var lineWords: String?
    private var machineTimer: LoopTimer?
    private var isSigningOff = false
    private var password: String?

    private nonisolated let launches: AsyncStream<Launch>
    private nonisolated let launch: AsyncStream<Launch>.Continuation

    /// Output that the host announced and that has not been taken.
    var announced: [String: Set<NETRJS.Device>] = [:]
    /// Streams that are being taken.
    var incoming: [NETRJS.Device: String] = [:]
    let finishing = Turn()
    let readerTurn = Turn()
    /// The deck on the reader.
    var reading: Reading?
    var head = SessionHead()

    private var syncs: [String: CheckedContinuation<Bool, Never>] = [:]
    private var lastSync = 0
    /// The host has never repeated a message to ourselves: answers have no end that could be seen.
    private(set) var syncFailures = 0
    /// What the host says while an answer is waited for.
    private var heard: [NETRJS.ConsoleMessage]?
    private let asking = Turn()
    private var listWaiters: [CheckedContinuation<Listing?, Never>] = []
    private var isListing = false
    private(set) var lastListing: Listing?

    enum Life: Equatable { case new, open, over }
    enum Launch: Sendable { case output(NETRJS.Device), list, keepAlive }

    /// Answer to STATUS JOBS.
    struct Listing: Sendable {
        /// When it was asked for.
        let asked: ContinuousClock.Instant
        let jobs: [NETRJS.ConsoleMessage.JobStatus]
        /// The answer had its known form, and its end was seen: a job that is not in it is not there.
        let isComplete: Bool
    }

    struct Reading {
        let name: String
        var verdict: Verdict?
        var waiter: CheckedContinuation<Verdict?, Never>?
        /// Of the job.
        var tape: FrameTape?
    }

    enum Verdict: Sendable {
        case accepted(cards: Int?)
        case rejected(String)
        case trouble(String)
        case dropped(String)
    }

    /// Octets for the console that may wait.
    private static let mostQueued = 64 * 1024
    private static let mostHeard = 100_000

    init(_ settings: NETRJSSettings, on loop: EventLoop, taker: any OutputTaker, memory: NETRJSMemory) {
        self.settings = settings
        self.loop = loop
        self.taker = taker
        self.memory = memory
        machine = NETRJS.StationMachine(.init(terminal: settings.terminal))
        // A taker that lags loses the oldest notices; the pool's never does.
        (reports, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8192))
        (launches, launch) = AsyncStream.makeStream()
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    package nonisolated var executor: (any TaskExecutor)? { loop }

    /// For status and tests: the session is signed on.
    package var isUp: Bool { isOpen }

    var isOpen: Bool { life == .open && machine.state == .signedOn }
    var error: StationError { end ?? .closed }
    var goesOn: Bool { isOpen && !isSigningOff }

    /// S, when the host told it.
    var machineBase: Int? { machine.base }

    func report(_ report: Report) { tell.yield(report) }

    // MARK: life

    package func signOn() async throws(StationError) {
        guard life == .new else { throw error }
        life = .open
        // Not a child of this call: it outlives it, and ends when the console does. `signOff` waits for it.
        let work = Task(executorPreference: loop) { await self.live() }
        self.work = work
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if life == .over { continuation.resume(returning: end) } else { signOnWaiter = continuation }
            }
        } onCancel: {
            work.cancel()
        }
        if let failure { throw failure }
    }

    package func signOff() async {
        switch life {
        case .new: finish(.closed)
        case .over: break
        case .open:
            isSigningOff = true
            handle(.signOff)
        }
        await work?.value
    }

    private func live() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.talk() }
                for await launch in launches { group.addTask { await self.run(launch) } }
                group.cancelAll()
            }
        } onCancel: {
            loop.execute { self.assumeIsolated { $0.handle(.gaveUp) } }
        }
        console = nil
    }

    private func run(_ launch: Launch) async {
        switch launch {
        case .output(let device): await takeOutput(device)
        case .list: await answerListings()
        case .keepAlive: await keepAlive()
        }
    }

    private func talk() async {
        do {
            password = try await settings.password()
        } catch {
            return finish(.local("the password cannot be read: \(type(of: error))"))
        }
        guard life == .open else { return }
        machine = NETRJS.StationMachine(
            .init(
                terminal: settings.terminal, password: password, knowsPorts: settings.ports != .announced,
                readyLimit: settings.signOnTime, signOnLimit: settings.signOnTime,
                signOffLimit: settings.signOffTime))
        let line: TCPLine
        do throws(LineError) {
            line = try await connect(to: settings.contactPort)
        } catch {
            return finish(error == .cancelled ? .closed : .noLine("\(settings.address): \(error)"))
        }
        guard life == .open else { return line.close() }
        console = line
        handle(.opened)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.write(to: line) }
            await read(from: line)
        }
    }

    nonisolated func connect(to port: Int) async throws(LineError) -> TCPLine {
        try await TCPLine.connect(to: settings.host, port: port, on: loop, timeout: settings.connectTime)
    }

    private func read(from line: TCPLine) async {
        while life == .open {
            do throws(LineError) {
                guard let octets = try await line.read() else {
                    lineWords = lineWords ?? "the host closed the console"
                    break
                }
                handle(.received(octets))
            } catch {
                lineWords = lineWords ?? (error == .cancelled ? "given up" : "\(error)")
                break
            }
        }
        handle(.lineClosed)
    }

    private func write(to line: TCPLine) async {
        while true {
            if outbox.isEmpty {
                if life != .open { return line.close() }
                await withCheckedContinuation { continuation in
                    if outbox.isEmpty, life == .open { writerWaiter = continuation } else { continuation.resume() }
                }
                continue
            }
            let octets = outbox
            outbox = []
            do throws(LineError) {
                try await line.write(octets, within: settings.answerTime)
            } catch {
                // The host's last words may still be unread: the reader says when the console is over.
                lineWords = lineWords ?? "\(error)"
                if life != .open || error == .deadline { return line.close() }
                return
            }
        }
    }

    // MARK: the machine

    func handle(_ event: NETRJS.StationMachine.Event) {
        for action in machine.handle(event) { perform(action) }
    }

    private func perform(_ action: NETRJS.StationMachine.Action) {
        switch action {
        case .send(let octets):
            if signOnWaiter != nil { head.add(Self.shown(octets)) }
            guard outbox.count < Self.mostQueued else { break }
            outbox += octets
            writerWaiter.take()?.resume()
        case .signedOn:
            launch.yield(.output(.printer))
            if settings.punches { launch.yield(.output(.punch)) }
            launch.yield(.keepAlive)
            signOnWaiter.take()?.resume(returning: nil)
        case .heard(let message): hear(message)
        case .startTimer(let limit):
            machineTimer?.cancel()
            machineTimer = loop.schedule(after: limit) { [weak self] in
                self?.assumeIsolated { $0.handle(.timerFired) }
            }
        case .stopTimer: machineTimer?.cancel()
        case .hangUp(let reason): finish(StationError(reason, line: lineWords, keeping: password))
        }
    }

    private func hear(_ message: NETRJS.ConsoleMessage) {
        record(message, isSigningOn: signOnWaiter != nil)
        if (heard?.count ?? .max) < Self.mostHeard { heard?.append(message) }
        switch message.meaning {
        case .jobAccepted(let name, let cards): judge(.accepted(cards: cards), of: name)
        case .jobRejected(let name): judge(.rejected(message.text), of: name)
        case .deckDropped(let name):
            judge(.dropped(message.text), of: name)
            tell.yield(.message(message.text))
        case .outputReady(let device, let name, let isDeferred):
            announced[name, default: []].insert(device)
            if isDeferred, memory.live(name) != nil { handle(.say("RESET \(name)")) }
            if let number = JobNumber(name) { tell.yield(.job(HostJob(number: number, name: name, state: .running))) }
        case .outputSent(let device, let name): withdraw(device, name)
        case .trouble(let device):
            if device == .reader, let name = reading?.name { judge(.trouble(message.text), of: name) }
            tell.yield(.message(message.text))
        case .alert: if message.id != "RJS660" { tell.yield(.message(message.text)) }
        case .other:
            if let token = syncs.keys.first(where: { message.text.contains($0) }) {
                syncFailures = 0
                syncs.removeValue(forKey: token)?.resume(returning: true)
            } else if message.id == nil || message.id == "RJS270", !message.text.contains(Self.tokenStart) {
                tell.yield(.message(message.text))
            }
        case .ended: tell.yield(.message(message.text))
        case .socketBase, .ready, .signedOn, .signOnRefused, .status, .statusWords: break
        }
    }

    func withdraw(_ device: NETRJS.Device, _ name: String) {
        announced[name]?.remove(device)
        if announced[name]?.isEmpty == true { announced[name] = nil }
    }

    private func finish(_ error: StationError) {
        guard life != .over else { return }
        life = .over
        end = error
        machineTimer?.cancel()
        launch.finish()
        for waiter in syncs.values { waiter.resume(returning: false) }
        syncs = [:]
        for waiter in listWaiters { waiter.resume(returning: nil) }
        listWaiters = []
        reading?.waiter.take()?.resume(returning: nil)
        writerWaiter.take()?.resume()
        tell.yield(.lineDown(error))
        tell.finish()
        signOnWaiter.take()?.resume(returning: error)
        password = nil
        // the writer closes it behind the last octets
        if console == nil { work?.cancel() }
    }

    // MARK: the deck on the reader

    private func judge(_ verdict: Verdict, of name: String) {
        guard reading?.name == name else { return }
        if case .trouble = verdict, reading?.verdict != nil { return }
        reading?.verdict = verdict
        reading?.waiter.take()?.resume(returning: verdict)
    }

    /// nil when the session is over, or time is up.
    func verdict(within limit: Duration) async -> Verdict? {
        let timer = loop.schedule(after: limit) { [weak self] in
            self?.assumeIsolated { $0.reading?.waiter.take()?.resume(returning: nil) }
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            if let verdict = reading?.verdict {
                continuation.resume(returning: verdict)
            } else if life != .open || reading == nil {
                continuation.resume(returning: nil)
            } else {
                reading?.waiter = continuation
            }
        }
    }

    // MARK: answers

    private static let tokenStart = "P77-SYNC-"

    /// Returns when the host has answered everything said so far, and all it said before has been heard: a message to our
    /// own terminal comes back behind it.
    ///
    /// - Returns: false when it did not come back.
    func sync(within limit: Duration? = nil) async -> Bool {
        guard isOpen else { return false }
        lastSync += 1
        let token = "\(Self.tokenStart)\(lastSync)-"
        handle(.say("MSG \(settings.terminal),\(token)"))
        // a host that has shown that it does not do this is not waited for so long again
        let limit = syncFailures < 2 ? limit ?? settings.answerTime / 4 : .seconds(1)
        let timer = loop.schedule(after: limit) { [weak self] in
            self?.assumeIsolated { station in
                guard let waiter = station.syncs.removeValue(forKey: token) else { return }
                station.syncFailures += 1
                waiter.resume(returning: false)
            }
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            if isOpen { syncs[token] = continuation } else { continuation.resume(returning: false) }
        }
    }

    /// Says a command and gathers what the host says until it has answered.
    func ask(_ command: String) async -> (messages: [NETRJS.ConsoleMessage], isComplete: Bool) {
        await asking.take()
        defer { asking.pass() }
        heard = []
        handle(.say(command))
        let isComplete = await sync()
        let messages = (heard ?? []).filter { !$0.text.contains(Self.tokenStart) }
        heard = nil
        return (messages, isComplete)
    }

    /// The jobs of this terminal, by a STATUS that is asked for from now on.
    func list() async -> Listing? {
        await withCheckedContinuation { continuation in
            guard isOpen else { return continuation.resume(returning: nil) }
            listWaiters.append(continuation)
            if !isListing {
                isListing = true
                launch.yield(.list)
            }
        }
    }

    private func answerListings() async {
        while !listWaiters.isEmpty {
            let waiters = listWaiters
            listWaiters = []
            let asked = ContinuousClock.now
            let (messages, isComplete) = await ask("STATUS JOBS")
            var jobs: [NETRJS.ConsoleMessage.JobStatus] = []
            var hasForm = false
            for message in messages {
                switch message.meaning {
                case .status(let job):
                    jobs.append(job)
                    hasForm = true
                case .statusWords: hasForm = true
                default: break
                }
            }
            let listing = isOpen ? Listing(asked: asked, jobs: jobs, isComplete: isComplete && hasForm) : nil
            lastListing = listing
            for job in jobs where job.isActive == false && memory.live(job.name) != nil {
                handle(.say("RESET \(job.name)"))
            }
            for waiter in waiters { waiter.resume(returning: listing) }
        }
        isListing = false
    }

    private func keepAlive() async {
        var hasAnswered = false
        while goesOn {
            guard await pause(settings.keepAlive), goesOn else { return }
            let isAlive = await sync(within: settings.answerTime)
            if isAlive { hasAnswered = true }
            if !isAlive, hasAnswered, goesOn {
                lineWords = "no answer on the console for \(settings.answerTime.words)"
                return handle(.gaveUp)
            }
        }
    }

    /// - Returns: false when the session ended meanwhile.
    func pause(_ time: Duration) async -> Bool {
        do { try await loop.sleep(for: time) } catch { return false }
        return life == .open
    }
}
