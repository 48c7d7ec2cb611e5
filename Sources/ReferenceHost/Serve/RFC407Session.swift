import Glibc
import Jobs
import Lines
import Protocols
import Wire

/// One RFC 407 control connection: a line, a `HostMachine` that decides, the batch system, and the desk that knows every
/// job's output. Lives on one event loop.
actor RFC407Session {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let line: TCPLine
    let shared: RFC407Server.Shared
    /// Where a file-id without a host field points to.
    nonisolated let peer: IPAddress
    private var machine: RFC407.HostMachine
    private var events = FIFO<RFC407.HostMachine.Event>()
    private var isHandling = false
    private var outgoing: [UInt8] = []
    private var writer: CheckedContinuation<Void, Never>?
    private var reader: CheckedContinuation<Void, Never>?
    private var isOver = false
    private var isCut = false
    private var timers: [RFC407.HostMachine.Timer: LoopTimer] = [:]
    /// Of the log-on; FTP uses it by default. Never written anywhere.
    private var password: String?
    private var triedPassword: String?
    private var signedOnAs: String?
    /// The input that may still go on.
    private var input: (number: Int, work: Task<Void, Never>)?
    /// Jobs of this connection whose end is still to be told.
    private var pendingJobs: Set<String> = []

    private static let mostWaitingOctets = 1 << 20
    private static let dropLimit = Duration.seconds(5)

    init(_ line: TCPLine, shared: RFC407Server.Shared) {
        self.line = line
        loop = line.loop
        peer = line.peer?.ip.unmapped ?? .loopback
        self.shared = shared
        machine = RFC407.HostMachine(shared.configuration)
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.write() }
            handle(.opened(takesSessions: shared.sessions.takesSession))
            await read()
        }
        line.close()
        for timer in timers.values { timer.cancel() }
        password = nil
        signOff()
        // Not a child: an input is begun in the middle of a turn. It was cancelled, and ends by itself.
        await input?.work.value
    }

    nonisolated func shutDown() { post(.shutDown) }
    nonisolated func abandon() { loop.execute { self.assumeIsolated { $0.cut() } } }
    nonisolated func post(_ event: RFC407.HostMachine.Event) {
        loop.execute { self.assumeIsolated { $0.handle(event) } }
    }

    /// Tells of a job that came over this connection.
    nonisolated func tell(_ reply: RFC407.Reply, of job: String, isLast: Bool) {
        loop.execute {
            self.assumeIsolated { session in
                if isLast, session.pendingJobs.remove(job) != nil { session.notePending() }
                if session.outgoing.count < Self.mostWaitingOctets { session.handle(.notice(reply)) }
            }
        }
    }

    private func notePending() { handle(.jobsPending(!pendingJobs.isEmpty)) }

    // MARK: events and actions

    func handle(_ event: RFC407.HostMachine.Event) {
        events.append(event)
        guard !isHandling else { return }
        isHandling = true
        while let event = events.removeFirst() {
            for action in machine.handle(event) { perform(action) }
        }
        isHandling = false
        if !machine.isWaiting { wakeReader() }
        if !outgoing.isEmpty || isOver { wakeWriter() }
    }

    private func perform(_ action: RFC407.HostMachine.Action) {
        switch action {
        case .send(let octets): outgoing += octets
        case .authenticate(let user, let password): events.append(.judged(judge(user, password)))
        case .beginInput(let number, let source, let settings, let user):
            begin(number, source, settings, user: user)
        case .abortInput(let number):
            if input?.number == number { input?.work.cancel() }
        case .perform(let command, let user): obey(command, user)
        case .startTimer(let timer, let limit):
            timers[timer]?.cancel()
            timers[timer] = loop.schedule(after: limit) { [weak self] in
                self?.assumeIsolated { $0.handle(.timerFired(timer)) }
            }
        case .stopTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
        case .hangUp:
            isOver = true
            signOff()
            input?.work.cancel()
            wakeReader()
        }
    }

    private func judge(_ user: String, _ password: String?) -> RFC407.HostMachine.Verdict {
        let known = shared.passwords[user]
        guard let password else { return known == "" ? signedOn(user, "") : .passwordNeeded }
        guard let known, isSame(known, password) else { return .refused }
        return signedOn(user, password)
    }

    private func signedOn(_ user: String, _ password: String) -> RFC407.HostMachine.Verdict {
        if signedOnAs != user {
            guard shared.users.signOn(user) else { return .tooMany }
            signOff()
            signedOnAs = user
        }
        self.password = password
        shared.desk.watch(user)
        return .signedOn
    }

    /// The session counts until its last word, not until the other side is closed.
    private func signOff() {
        if let user = signedOnAs.take() { shared.users.signedOff(user) }
    }

    /// Takes the same time wherever the texts differ.
    private func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var difference = left.count ^ right.count
        for (at, octet) in right.enumerated() { difference |= Int(octet ^ (left.isEmpty ? 0 : left[at % left.count])) }
        return difference == 0
    }

    private func obey(_ command: RFC407.Command, _ user: String) {
        let pending = shared.desk.obey(command, user: user, peer: peer)
        shared.batch.whenSafe(pending.commit) { [weak self] isSafe in
            self?.post(.replied(isSafe ? pending.answer : RFC407.Reply(435, "The spool cannot be written")))
        }
    }

    // MARK: input

    private func begin(_ number: Int, _ source: RFC407.FileID, _ settings: RFC407.JobSettings, user: String) {
        var settings = settings
        for (file, output) in settings.outputs {
            if case .send(let place, let keeps) = output.disposition {
                settings.outputs[file]?.disposition = .send(shared.desk.named(place, from: peer), keeps: keeps)
            }
        }
        settings.inUser = settings.inUser ?? user
        settings.inPassword = settings.inPassword ?? password
        settings.outUser = settings.outUser ?? user
        settings.outPassword = settings.outPassword ?? password
        let before = input?.work
        let reader = RFC407InputReader(
            shared, source: shared.desk.named(source, from: peer), settings: settings, user: user, session: self)
        // Owned by the session: cancelled at ABORT and at its end, and awaited by `run`.
        let work = Task {
            await before?.value
            await reader.run { progress in await self.heard(progress, of: number) }
        }
        input = (number, work)
    }

    /// - Returns: false when the input was aborted meanwhile.
    private func heard(_ progress: RFC407InputReader.Progress, of number: Int) -> Bool {
        guard input?.number == number, !(input?.work.isCancelled ?? true) else {
            // what was accepted is told all the same, as far as somebody listens; ABORT has said the rest
            if case .ended(let replies, job: .some) = progress { for reply in replies { handle(.notice(reply)) } }
            return false
        }
        switch progress {
        case .opened: handle(.inputOpened(number))
        case .refused(let reply): handle(.inputRefused(number, reply))
        case .closing: handle(.inputClosing(number))
        case .accepted(let replies, let job):
            pendingJobs.insert(job)
            for reply in replies { handle(.notice(reply)) }
            notePending()
        case .ended(let replies, let job):
            if let job { pendingJobs.insert(job) }
            notePending()
            handle(.inputEnded(number, replies))
        }
        return true
    }

    // MARK: the line

    private func read() async {
        while true {
            if machine.isWaiting, !isOver, !isCut {
                await withCheckedContinuation { continuation in
                    if machine.isWaiting, !isOver, !isCut { reader = continuation } else { continuation.resume() }
                }
                continue
            }
            var octets: [UInt8]?
            do throws(LineError) { octets = try await line.read() } catch { octets = nil }
            guard let octets else { break }
            if isOver || isCut { continue }
            if shared.cuts(.controlReceived) { cut() } else { handle(.received(octets)) }
        }
        handle(.lineClosed)
        wakeWriter()
    }

    private func write() async {
        while !isCut {
            if outgoing.isEmpty {
                if isOver { break }
                await withCheckedContinuation { continuation in
                    if outgoing.isEmpty, !isOver, !isCut { writer = continuation } else { continuation.resume() }
                }
                continue
            }
            let octets = outgoing
            outgoing = []
            if shared.cuts(.controlSent) { return cut() }
            do throws(LineError) { try await line.write(octets, within: shared.stallLimit) } catch {
                handle(.lineClosed)
                return line.close()
            }
        }
        if isCut { return }
        // the last word must not be lost to a reset: what still comes is read and dropped for a while
        await line.finishSending()
        timers[.idle]?.cancel()
        timers[.idle] = loop.schedule(after: Self.dropLimit) { [line] in line.close() }
    }

    func cut() {
        isCut = true
        line.abort()
        input?.work.cancel()
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
