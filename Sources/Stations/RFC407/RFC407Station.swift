import Jobs
package import Lines
import Protocols
import Synchronization

/// Drives an `RFC407.StationMachine` over a control connection; decks and print-out run over doors beside it.
///
/// The actor lives on the line's loop. The dialogue is lock-step, so all it holds is a few lines. Files never pass through
/// it: whoever submits or fetches reads and writes the data connection itself.
package actor RFC407Station {
    package nonisolated let reports: AsyncStream<Report>
    nonisolated let settings: RFC407Settings
    nonisolated let loop: EventLoop
    /// The host's address, once the control connection stands.
    nonisolated let hostAddress = Mutex<IPAddress?>(nil)
    private nonisolated let tell: AsyncStream<Report>.Continuation
    private let connect: @Sendable () async throws(LineError) -> any Line

    private var machine: RFC407.StationMachine
    private enum Life { case new, open, over }
    private var life = Life.new
    /// Connects, then reads and writes. Its end is the end of the line.
    private var work: Task<Void, Never>?
    private var line: (any Line)?
    private var end: StationError?
    private var lineWords: String?
    private var signOnWaiter: CheckedContinuation<StationError?, Never>?
    private var outgoing: [UInt8] = []
    private var writer: CheckedContinuation<Void, Never>?
    private var calls: [RFC407.StationMachine.RequestID: Call] = [:]
    private var lastCall: UInt64 = 0
    private var timers: [RFC407.StationMachine.Timer: LoopTimer] = [:]
    private var isInputBusy = false
    private var inputWaiters: [CheckedContinuation<Void, Never>] = []
    private var isPrepared = false
    /// What the host last said of output that it could not deliver, by job.
    private var undelivered: [String: String] = [:]
    private var head = SessionHead()

    private static let mostUndelivered = 1_000

    enum News: Sendable {
        case answer(RFC407.Reply)
        case began
        case accepted(job: String?, RFC407.Reply)
        case failed(RFC407.Reply)
        case inputDone
        case over(StationError, wasSent: Bool)
    }

    private struct Call {
        var news: [News] = []
        var waiter: CheckedContinuation<News, Never>?
        /// Of the job that the call is made for.
        var tape: FrameTape?
    }

    /// - Parameter connect: opens the line; bounded by itself.
    package init(
        _ settings: RFC407Settings, on loop: EventLoop,
        connect: @escaping @Sendable () async throws(LineError) -> any Line
    ) {
        self.settings = settings
        self.loop = loop
        self.connect = connect
        machine = RFC407.StationMachine(.init(user: settings.user, password: nil))
        // a taker that lags loses the oldest news; the engine asks for what it did not hear
        (reports, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8192))
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    package nonisolated var executor: (any TaskExecutor)? { loop }

    // MARK: life

    package func signOn() async throws(StationError) {
        guard life == .new else { throw end ?? .closed }
        life = .open
        let limit = loop.schedule(after: settings.signOnTime) { [weak self] in
            self?.assumeIsolated { station in
                if !station.machine.isSignedOn { station.finish(.deadline("sign-on took too long")) }
            }
        }
        // Not a child of this call: it outlives it, and ends when the line does. `signOff` waits for it.
        let work = Task(executorPreference: loop) { await self.talk() }
        self.work = work
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if life == .over { continuation.resume(returning: end) } else { signOnWaiter = continuation }
            }
        } onCancel: {
            work.cancel()
        }
        limit.cancel()
        if let failure { throw failure }
    }

    package func signOff() async {
        switch life {
        case .new: finish(.closed)
        case .over: break
        case .open:
            if machine.isSignedOn {
                _ = begin(.bye)
                let limit = loop.schedule(after: settings.signOffTime) { [weak self] in
                    self?.assumeIsolated { $0.finish(.closed) }
                }
                await work?.value
                limit.cancel()
            } else {
                finish(.closed)
            }
        }
        await work?.value
    }

    private func talk() async {
        let password: String?
        do { password = try await settings.password() } catch {
            return finish(.local("the password cannot be read: \(type(of: error))"))
        }
        guard life == .open else { return }
        machine = RFC407.StationMachine(
            .init(
                user: settings.user, password: password, answerDeadline: settings.answerTime,
                keepAlive: settings.keepAlive), isTraced: true)
        let line: any Line
        do throws(LineError) { line = try await connect() } catch {
            return finish(error == .cancelled ? .closed : .noLine("\(settings.address): \(error)"))
        }
        guard life == .open else { return line.close() }
        self.line = line
        hostAddress.withLock { $0 = line.peer?.ip.unmapped }
        handle(.opened)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.write(to: line) }
            await withTaskCancellationHandler {
                await read(from: line)
            } onCancel: {
                line.close()
            }
        }
        line.close()
        self.line = nil
    }

    private func read(from line: any Line) async {
        while life == .open {
            do throws(LineError) {
                if let octets = try await line.read(within: nil) {
                    handle(.received(octets))
                    continue
                }
                lineWords = lineWords ?? "the host closed it"
            } catch {
                lineWords = lineWords ?? "\(error)"
            }
            handle(.lineClosed)
        }
    }

    private func write(to line: any Line) async {
        while true {
            if outgoing.isEmpty {
                if life != .open { return }
                await withCheckedContinuation { continuation in
                    if outgoing.isEmpty, life == .open { writer = continuation } else { continuation.resume() }
                }
                continue
            }
            let octets = outgoing
            outgoing = []
            do throws(LineError) { try await line.write(octets, within: settings.answerTime) } catch {
                lineWords = lineWords ?? "\(error)"
                handle(.lineClosed)
                return
            }
        }
    }

    // MARK: the machine

    private func handle(_ event: RFC407.StationMachine.Event) {
        let actions = machine.handle(event)
        // Before a call that waits goes on: it may be the last of its tape.
        record(machine.takeTrace())
        for action in actions { perform(action) }
        if !outgoing.isEmpty { writer.take()?.resume() }
    }

    private func record(_ items: [RFC407.TraceItem]) {
        if items.isEmpty { return }
        let now = WallClock.system.now()
        for item in items {
            let frame = Frame(at: now, item.isSent ? .out : .in, octets: item.octets, item.bytes)
            if let id = item.id {
                calls[id]?.tape?.add(frame)
            } else if signOnWaiter != nil {
                head.add(frame)
            }
        }
    }

    private func perform(_ action: RFC407.StationMachine.Action) {
        switch action {
        case .send(let octets): outgoing += octets
        case .signedOn: signOnWaiter.take()?.resume(returning: nil)
        case .answer(let id, let reply): deliver(.answer(reply), to: id)
        case .inputBegan(let id): deliver(.began, to: id)
        case .inputAccepted(let id, let job, let reply): deliver(.accepted(job: job, reply), to: id)
        case .inputFailed(let id, let reply): deliver(.failed(reply), to: id)
        case .inputDone(let id): deliver(.inputDone, to: id)
        case .news(let job, let reply):
            if let job, (443...445).contains(reply.code) {
                if undelivered.count >= Self.mostUndelivered { undelivered = [:] }
                undelivered[job] = "\(reply.code) \(reply.wholeText)"
            }
            if let job = HostJob(news: reply, job: job) { tell.yield(.job(job)) } else { message(reply) }
        case .message(let reply): message(reply)
        case .startTimer(let timer, let time):
            timers[timer]?.cancel()
            timers[timer] = loop.schedule(after: time) { [weak self] in
                self?.assumeIsolated { $0.handle(.timerFired(timer)) }
            }
        case .stopTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
        case .unanswered(let id, let wasSent):
            let error = machine.end.map { StationError($0, line: lineWords) } ?? end ?? .closed
            deliver(.over(error, wasSent: wasSent), to: id)
        case .hangUp(let reason): finish(end ?? StationError(reason, line: lineWords))
        }
    }

    private func message(_ reply: RFC407.Reply) {
        // the courtesy lines of every job are no words of an operator
        if reply.code == 60, reply.text.hasPrefix("Job ") { return }
        tell.yield(.message(reply.code == 0 ? reply.wholeText : "\(reply.code) \(reply.wholeText)"))
    }

    private func finish(_ error: StationError) {
        guard life != .over else { return }
        life = .over
        end = error
        if machine.end == nil { for action in machine.handle(.gaveUp) { perform(action) } }
        for timer in timers.values { timer.cancel() }
        timers = [:]
        line?.close()
        writer.take()?.resume()
        tell.yield(.lineDown(error))
        tell.finish()
        signOnWaiter.take()?.resume(returning: error)
        for waiter in inputWaiters { waiter.resume() }
        inputWaiters = []
    }

    /// Ends the session at once.
    func cut(_ error: StationError) { finish(error) }

    // MARK: calls

    func begin(_ command: RFC407.Command, wholeText: Bool = false) -> RFC407.StationMachine.RequestID {
        lastCall += 1
        let id = RFC407.StationMachine.RequestID(lastCall)
        let tape = FrameTape.current
        tape?.join(head)
        calls[id] = Call(tape: tape)
        if life == .open {
            handle(.submitted(id, command, wholeText: wholeText))
        } else {
            calls[id]?.news = [.over(end ?? .closed, wasSent: false)]
        }
        return id
    }

    private func deliver(_ news: News, to id: RFC407.StationMachine.RequestID) {
        guard calls[id] != nil else { return }
        if let waiter = calls[id]?.waiter.take() {
            waiter.resume(returning: news)
        } else {
            calls[id]?.news.append(news)
        }
    }

    private func takeNews(of id: RFC407.StationMachine.RequestID) -> News? {
        guard let call = calls[id] else { return .over(end ?? .closed, wasSent: false) }
        return call.news.isEmpty ? nil : calls[id]?.news.removeFirst()
    }

    func next(_ id: RFC407.StationMachine.RequestID) async -> News {
        if let ready = takeNews(of: id) { return ready }
        return await withCheckedContinuation { continuation in
            if let ready = takeNews(of: id) {
                continuation.resume(returning: ready)
            } else {
                calls[id]?.waiter = continuation
            }
        }
    }

    func forget(_ id: RFC407.StationMachine.RequestID) { calls[id] = nil }

    func ask(_ command: RFC407.Command, wholeText: Bool = false) async throws(StationError) -> RFC407.Reply {
        guard command.isSayable else { throw .refused("the command cannot be said: it holds a blank or a sign") }
        let id = begin(command, wholeText: wholeText)
        defer { forget(id) }
        while true {
            switch await next(id) {
            case .answer(let reply): return reply
            case .over(let error, wasSent: _): throw error
            case .began, .accepted, .failed, .inputDone: continue
            }
        }
    }

    // MARK: one input at a time

    func takeInputTurn() async throws(StationError) {
        while isInputBusy, life == .open {
            await withCheckedContinuation { continuation in
                if isInputBusy, life == .open { inputWaiters.append(continuation) } else { continuation.resume() }
            }
        }
        guard life == .open else { throw .notSent("\(end ?? .closed)") }
        isInputBusy = true
        guard !isPrepared else { return }
        // Output is fetched when we want it. What is said once stays with the connection.
        do throws(StationError) {
            var lines: [RFC407.Command] = [.out(file: settings.printFile, .hold)]
            if let file = settings.punchFile { lines.append(.out(file: file, .hold)) }
            if let identity = settings.files?.identity {
                lines += [.inID(identity.user), .inPass(identity.password)]
                lines += [.outUser(identity.user), .outPass(identity.password)]
            }
            for line in lines {
                let reply = try await ask(line)
                guard (200..<300).contains(reply.code) else {
                    throw .busy("output cannot be held: \(reply.code) \(reply.text)")
                }
            }
            isPrepared = true
        } catch {
            giveInputTurn()
            if case .busy = error { throw error }
            throw .notSent("\(error)")
        }
    }

    func giveInputTurn() {
        isInputBusy = false
        if !inputWaiters.isEmpty { inputWaiters.removeFirst().resume() }
    }

    func takeUndelivered(_ job: JobNumber) -> String? { undelivered.removeValue(forKey: job.description) }

    /// For status and tests.
    package var isOpen: Bool { life == .open }
    package var callCount: Int { calls.count }
}

/// Makes stations for the pool of one host, each on the next loop.
package struct RFC407StationFactory: Sendable {
    private let settings: RFC407Settings
    private let loops: EventLoopGroup

    package init(_ settings: RFC407Settings, loops: EventLoopGroup) {
        self.settings = settings
        self.loops = loops
    }

    package func makeStation() -> RFC407Station {
        let settings = settings
        let loop = loops.next()
        return RFC407Station(settings, on: loop) { () async throws(LineError) -> any Line in
            try await TCPLine.connect(
                to: settings.host, port: settings.port, on: loop, timeout: settings.connectTime, tls: settings.tls)
        }
    }
}
