import Lines
import Protocols
import Synchronization

/// One PRIV-RJE session: a line, a `HostMachine` that decides, and the batch system. Lives on one event loop.
///
/// One task reads, one writes. What the machine sends is gathered and leaves in one write; a FETCH provides its next
/// piece when the pieces before have left, so a station that does not read costs some 256 KiB.
actor RJESession {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let line: any Line
    let shared: RJEServer.Shared
    var machine: PrivRJE.HostMachine
    private var faults: SessionFaults

    private var events = FIFO<PrivRJE.HostMachine.Event>()
    private var isHandling = false
    private var outgoing: [UInt8] = []
    private var writer: CheckedContinuation<Void, Never>?
    private var reader: CheckedContinuation<Void, Never>?
    private var isReadingPaused = false
    /// The machine hung up: what is gathered goes out, then the line closes.
    private var isOver = false
    /// Nothing more goes out, not even what is gathered.
    private var isCut = false
    private var isSilent = false
    private var dropTimer: LoopTimer?

    private var timers: [PrivRJE.HostMachine.Timer: (due: ContinuousClock.Instant, timer: LoopTimer?)] = [:]
    private var watch: UInt64?
    /// Files whose FETCH waits for its turn.
    var fetches: [PrivRJE.HostMachine.Ticket: OutputFile] = [:]
    private var block: (ticket: PrivRJE.HostMachine.Ticket, body: SpoolBody, offset: Int, remaining: Int)?
    /// The user that counts a session because of this one.
    private var countedUser: String?

    /// Octets of print-out handed over at a time.
    private static let pieceOctets = 128 * 1024
    /// Octets that may wait for a slow station before notices are left out.
    private static let mostWaitingOctets = 1 << 20
    /// For how long octets of a station are dropped after our last word.
    private static let dropLimit = Duration.seconds(5)

    init(_ line: any Line, loop: EventLoop, shared: RJEServer.Shared) {
        self.line = line
        self.loop = loop
        self.shared = shared
        machine = PrivRJE.HostMachine(shared.configuration)
        faults = shared.faults.withLock { $0.openSession() }
    }

    /// Serves until the line is closed.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.write() }
            handle(.opened(takesSessions: shared.takesSession()))
            await read()
        }
        line.close()
        dropTimer?.cancel()
        for timer in timers.values { timer.timer?.cancel() }
        if let watch { shared.batch.unwatch(watch) }
        signOff()
    }

    /// The session counts until its last word, not until the station has closed its side.
    private func signOff() {
        if let user = countedUser.take() { shared.users.signedOff(user) }
    }

    nonisolated func shutDown() { post(.shutDown) }

    /// Ends the session without a word.
    nonisolated func abandon() { loop.execute { self.assumeIsolated { $0.cut() } } }

    /// Hands an event over from any thread.
    nonisolated func post(_ event: PrivRJE.HostMachine.Event) {
        loop.execute { self.assumeIsolated { $0.handle(event) } }
    }

    // MARK: events and actions

    func handle(_ event: PrivRJE.HostMachine.Event) {
        events.append(event)
        guard !isHandling else { return }
        isHandling = true
        while let event = events.removeFirst() {
            for action in machine.handle(event) { perform(action) }
        }
        isHandling = false
        keepWatch()
        if !outgoing.isEmpty || isOver { wakeWriter() }
    }

    private func perform(_ action: PrivRJE.HostMachine.Action) {
        switch action {
        case .send(let octets): outgoing += octets
        case .authenticate(let user, let password): events.append(.judged(judge(user, password)))
        case .submit(let ticket, let input, let refusal, let deck): submit(ticket, input, refusal, deck)
        case .perform(let ticket, let request): perform(request, ticket)
        case .provideBlock(let ticket, let header):
            guard let file = fetches.removeValue(forKey: ticket) else { return events.append(.blockFailed(ticket)) }
            block = (ticket, file.body, header.offset, header.octets)
            pump()
        case .pauseReading: isReadingPaused = true
        case .resumeReading:
            isReadingPaused = false
            wakeReader()
        case .startTimer(let timer, let limit): start(timer, limit)
        case .stopTimer(let timer):
            timers[timer]?.timer?.cancel()
            timers[timer] = nil
        case .hangUp:
            isOver = true
            block = nil
            fetches = [:]
            signOff()
            wakeReader()
        }
    }

    private func judge(_ user: String, _ password: String?) -> PrivRJE.HostMachine.Verdict {
        let known = shared.passwords[user]
        guard let password else {
            guard known == "" else { return .passwordNeeded }
            return signOn(user)
        }
        guard !shared.faults.withLock({ $0.refusesLogOn() }), let known, isSame(known, password) else {
            return .refused
        }
        return signOn(user)
    }

    private func signOn(_ user: String) -> PrivRJE.HostMachine.Verdict {
        guard shared.users.signOn(user) else { return .tooManySessions }
        countedUser = user
        return .signedOn
    }

    /// Takes the same time wherever the texts differ.
    private func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var difference = left.count ^ right.count
        for (at, octet) in right.enumerated() { difference |= Int(octet ^ (left.isEmpty ? 0 : left[at % left.count])) }
        return difference == 0
    }

    private func keepWatch() {
        guard let user = machine.user, machine.isWatching, machine.end == nil else {
            if let watch { shared.batch.unwatch(watch) }
            watch = nil
            return
        }
        guard watch == nil else { return }
        watch = shared.batch.watch(user) { [weak self] report in
            guard let self else { return }
            self.loop.execute { self.assumeIsolated { $0.tell(report) } }
        }
    }

    private func tell(_ report: JobReport) {
        if outgoing.count < RJESession.mostWaitingOctets { handle(.jobChanged(report.line)) }
    }

    /// Answers when the commit is safe.
    func reply(_ reply: PrivRJE.Reply, to ticket: PrivRJE.HostMachine.Ticket, after commit: UInt64) {
        guard commit > 0 else { return events.append(.replied(ticket, reply)) }
        shared.batch.whenSafe(commit) { [weak self] isSafe in
            self?.post(isSafe ? .replied(ticket, reply) : .troubled("the spool cannot be written"))
        }
    }

    func answer(_ event: PrivRJE.HostMachine.Event) { events.append(event) }

    // MARK: timers

    private func start(_ timer: PrivRJE.HostMachine.Timer, _ limit: Duration) {
        let due = ContinuousClock.now + limit
        if timers[timer]?.timer != nil {
            // the timer finds out when it fires: commands come more often than it does
            timers[timer]?.due = due
        } else {
            timers[timer] = (due, arm(timer, limit))
        }
    }

    private func arm(_ timer: PrivRJE.HostMachine.Timer, _ limit: Duration) -> LoopTimer {
        loop.schedule(after: limit) { [weak self] in self?.assumeIsolated { $0.fired(timer) } }
    }

    private func fired(_ timer: PrivRJE.HostMachine.Timer) {
        guard let armed = timers[timer] else { return }
        let left = ContinuousClock.now.duration(to: armed.due)
        if left > .zero {
            timers[timer]?.timer = arm(timer, left)
        } else {
            timers[timer] = nil
            handle(.timerFired(timer))
        }
    }

    // MARK: print-out

    /// Hands over print-out as long as little waits.
    private func pump() {
        while let current = block, outgoing.count < RJESession.pieceOctets {
            let count = min(current.remaining, RJESession.pieceOctets)
            guard let piece = try? current.body.read(offset: current.offset, count: count), piece.count == count else {
                block = nil
                return answer(.blockFailed(current.ticket))
            }
            let remaining = current.remaining - count
            block = remaining > 0 ? (current.ticket, current.body, current.offset + count, remaining) : nil
            if isHandling {
                answer(.blockPiece(current.ticket, piece))
                return
            }
            handle(.blockPiece(current.ticket, piece))
        }
    }

    // MARK: line

    private func read() async {
        while !isCut {
            while isReadingPaused && !isOver && !isCut {
                await withCheckedContinuation { continuation in
                    // other work may come in before this body runs: what it did must not be missed
                    if isReadingPaused && !isOver && !isCut { reader = continuation } else { continuation.resume() }
                }
            }
            let octets: [UInt8]?
            do throws(LineError) { octets = try await line.read() } catch { octets = nil }
            guard let octets else { break }
            if isOver || isSilent || isCut { continue }
            let passed =
                faults.isEmpty
                ? (octets: octets, then: SessionFaults.Then.goOn)
                : faults.pass(octets, .received) { fault in shared.faults.withLock { $0.claim(fault) } }
            if !passed.octets.isEmpty { handle(.received(passed.octets)) }
            obey(passed.then)
        }
        handle(.lineClosed)
        wakeWriter()
    }

    private func write() async {
        while true {
            if isCut { return line.close() }
            if outgoing.isEmpty {
                if isOver { break }
                pump()
                if !outgoing.isEmpty { continue }
                await withCheckedContinuation { continuation in
                    if outgoing.isEmpty && !isOver && !isCut { writer = continuation } else { continuation.resume() }
                }
                continue
            }
            let octets = outgoing
            outgoing = []
            guard await transmit(octets) else { return line.close() }
        }
        // the last word must not be lost to a reset: see section 1, "closing"
        await line.finishSending()
        dropTimer = loop.schedule(after: RJESession.dropLimit) { [line] in line.close() }
    }

    private func transmit(_ octets: [UInt8]) async -> Bool {
        if isSilent { return true }
        if let delay = shared.delay { try? await loop.sleep(for: delay) }
        let passed =
            faults.isEmpty
            ? (octets: octets, then: SessionFaults.Then.goOn)
            : faults.pass(octets, .sent) { fault in shared.faults.withLock { $0.claim(fault) } }
        do throws(LineError) {
            if let slow = shared.slow {
                var rest = passed.octets[...]
                while !rest.isEmpty && !isCut {
                    let piece = rest.prefix(max(1, slow / 20))
                    try await line.write(Array(piece), within: shared.stallLimit)
                    rest = rest.dropFirst(piece.count)
                    try? await loop.sleep(for: .milliseconds(Int64(piece.count * 1000 / slow)))
                }
            } else if !passed.octets.isEmpty {
                try await line.write(passed.octets, within: shared.stallLimit)
            }
        } catch {
            handle(.lineClosed)
            return false
        }
        obey(passed.then)
        return !isCut
    }

    private func obey(_ then: SessionFaults.Then) {
        switch then {
        case .goOn: break
        case .cut: cut()
        case .fallSilent: isSilent = true
        }
    }

    func cut() {
        isCut = true
        line.close()
        wakeReader()
        wakeWriter()
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }

    private func wakeReader() {
        reader?.resume()
        reader = nil
    }
}
