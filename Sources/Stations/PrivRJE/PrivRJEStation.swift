import Jobs
package import Lines
import Protocols
import Synchronization

/// Drives a `PrivRJE.StationMachine` over one line.
///
/// The actor lives on the line's loop. Octets go from the line into the machine and from the machine into an outbox that
/// one task writes; what the machine delivers lands in the mailbox of the call that waits for it. The calls themselves run
/// where their callers do, so reading a deck or storing output never holds the loop up.
///
/// `withCheckedContinuation` may let other work in before its body runs on an executor of our own (seen with Swift 6.3.1),
/// so every wait looks again inside the body at what it waits for.
///
/// Nothing here grows with a deck or a file: a deck waits while the outbox is full, the line is not read while a call has
/// `mostUntaken` octets of its block still to take.
package actor PrivRJEStation {
    /// Octets of deck that may wait for the line.
    static let mostQueued = 128 * 1024
    /// Octets of a block that may wait for the call, beyond which the line is not read.
    static let mostUntaken = 256 * 1024
    static let longestPiece = 64 * 1024

    package nonisolated let reports: AsyncStream<Report>
    nonisolated let settings: PrivRJESettings
    nonisolated let facts = Mutex(Facts())
    private nonisolated let tell: AsyncStream<Report>.Continuation
    private nonisolated let loop: EventLoop
    private let connect: @Sendable () async throws(LineError) -> any Line
    private let ticker: Ticker

    private var machine: PrivRJE.StationMachine
    private var life = Life.new
    /// Connects, then reads, writes and watches the time. Its end is the end of the line; cancelling it cuts the line.
    private var work: Task<Void, Never>?
    private var line: (any Line)?
    private var calls: [PrivRJE.RequestID: Call] = [:]
    private var lastCall: UInt64 = 0
    private var signOnWaiter: CheckedContinuation<StationError?, Never>?
    private var end: StationError?
    /// What the line itself said of its end.
    private var lineWords: String?
    private var password: String?
    private var head = SessionHead()

    private var outbox: [UInt8] = []
    private var writerWaiter: CheckedContinuation<Void, Never>?
    private var roomWaiters: [CheckedContinuation<Void, Never>] = []
    /// Octets ever put into the outbox, and those of them that were handed to the line.
    private var queued = 0
    private var handed = 0
    private var isWritable = true
    private var untaken = 0
    private var readerWaiter: CheckedContinuation<Void, Never>?

    private var dues: [Due: Duration] = [:]
    private var alarmAt: Duration?
    private nonisolated let alarms: AsyncStream<Duration>
    private nonisolated let setAlarm: AsyncStream<Duration>.Continuation

    /// - Parameter connect: opens the line; bounded by itself.
    package init(
        _ settings: PrivRJESettings, on loop: EventLoop, clock: any Clock<Duration> = ContinuousClock(),
        connect: @escaping @Sendable () async throws(LineError) -> any Line
    ) {
        self.settings = settings
        self.loop = loop
        self.connect = connect
        ticker = Ticker(clock)
        machine = PrivRJE.StationMachine(.init(user: settings.user, password: nil))
        // A taker that lags loses the oldest notices; the pool's never does.
        (reports, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8192))
        (alarms, setAlarm) = AsyncStream.makeStream()
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    package nonisolated var executor: (any TaskExecutor)? { loop }

    // MARK: life

    package func signOn() async throws(StationError) {
        guard life == .new else { throw end ?? .closed }
        life = .open
        set(.signOn, after: settings.signOnTime)
        // Not a child of this call: it outlives it, and ends when the line does. `signOff` waits for it.
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
            if machine.isSignedOn {
                if dues[.signOff] == nil {
                    set(.signOff, after: settings.signOffTime)
                    _ = begin(.bye)
                }
            } else {
                work?.cancel()
            }
        }
        await work?.value
    }

    private func live() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.talk() }
            for await due in alarms { group.addTask { await self.sleep(until: due) } }
            group.cancelAll()
        }
        line = nil
    }

    /// Opens the line and carries octets until it ends.
    private func talk() async {
        do {
            password = try await settings.password()
        } catch {
            return finish(.local("the password cannot be read: \(type(of: error))"))
        }
        guard life == .open else { return }
        machine = PrivRJE.StationMachine(
            .init(
                user: settings.user, password: password, agent: settings.agent, answerDeadline: settings.answerTime,
                keepAlive: settings.keepAlive), isTraced: true)
        let line: any Line
        do throws(LineError) {
            line = try await connect()
        } catch {
            return finish(error == .cancelled ? .closed : .noLine("\(settings.address): \(error)"))
        }
        guard life == .open else { return line.close() }
        self.line = line
        handle(.opened)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.write(to: line) }
            await read(from: line)
        }
    }

    private func read(from line: any Line) async {
        while life == .open {
            do throws(LineError) {
                if let octets = try await line.read(within: nil) {
                    handle(.received(octets))
                } else {
                    lineWords = lineWords ?? "the host closed it"
                    handle(.lineClosed)
                }
            } catch {
                lineWords = lineWords ?? (error == .cancelled ? "given up" : "\(error)")
                handle(.lineClosed)
            }
            if untaken > Self.mostUntaken, life == .open {
                await withCheckedContinuation { continuation in
                    if untaken > Self.mostUntaken, life == .open {
                        readerWaiter = continuation
                    } else {
                        continuation.resume()
                    }
                }
                // Our own pause is not the host's silence.
                if dues[.answer] != nil { set(.answer, after: settings.answerTime) }
            }
        }
        line.close()
    }

    private func write(to line: any Line) async {
        while life == .open {
            if outbox.isEmpty {
                await withCheckedContinuation { continuation in
                    if outbox.isEmpty, life == .open { writerWaiter = continuation } else { continuation.resume() }
                }
                continue
            }
            var octets: [UInt8] = []
            swap(&octets, &outbox)
            handed += octets.count
            set(.write, after: settings.answerTime)
            do throws(LineError) {
                try await line.write(octets, within: nil)
            } catch {
                // The host's last words may still be unread: the reader says when the line is over.
                lineWords = lineWords ?? "\(error)"
                isWritable = false
            }
            dues[.write] = nil
            freeRoom()
            if !isWritable { return }
        }
    }

    private func freeRoom() {
        guard outbox.count < Self.mostQueued || !isWritable || life != .open else { return }
        for waiter in roomWaiters { waiter.resume() }
        roomWaiters = []
    }

    // MARK: time

    private func set(_ due: Due, after time: Duration) {
        let at = ticker.elapsed() + time
        dues[due] = at
        if alarmAt.map({ at < $0 }) ?? true {
            alarmAt = at
            setAlarm.yield(at)
        }
    }

    private func sleep(until time: Duration) async {
        do { try await ticker.sleep(max(.zero, time - ticker.elapsed())) } catch {
            // Cancelled from outside: the line is to be cut. (After the end this does nothing.)
            lineWords = lineWords ?? "given up"
            return handle(.gaveUp)
        }
        guard life == .open else { return }
        let now = ticker.elapsed()
        if alarmAt == time { alarmAt = nil }
        for (due, at) in dues where at <= now {
            dues[due] = nil
            passed(due)
        }
        if alarmAt == nil, let next = dues.values.min() {
            alarmAt = next
            setAlarm.yield(next)
        }
    }

    private func passed(_ due: Due) {
        guard life == .open else { return }
        switch due {
        case .answer:
            if readerWaiter == nil { handle(.timerFired(.answer)) } else { set(.answer, after: settings.answerTime) }
        case .keepAlive: handle(.timerFired(.keepAlive))
        case .signOn: cut(.deadline("sign-on took longer than \(settings.signOnTime.words)"))
        case .write: cut(.deadline("the line took nothing for \(settings.answerTime.words)"))
        case .signOff: cut(.closed)
        }
    }

    /// Ends the session for a reason of ours.
    func cut(_ reason: StationError) {
        guard life == .open else { return }
        end = reason
        if line == nil { finish(reason) } else { handle(.gaveUp) }
    }

    // MARK: the machine

    private func handle(_ event: PrivRJE.StationMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            let actions = machine.handle(events.removeFirst())
            // Before a call that waits goes on: it may be the last of its tape.
            record(machine.takeTrace())
            for action in actions { perform(action, &events) }
        }
    }

    private func record(_ items: [PrivRJE.TraceItem]) {
        if items.isEmpty { return }
        let now = WallClock.system.now()
        for item in items {
            let frame = Frame(at: now, item.isSent ? .out : .in, octets: item.octets, item.bytes, isData: item.isData)
            if let id = item.id {
                calls[id]?.tape?.add(frame)
            } else if signOnWaiter != nil {
                head.add(frame)
            }
        }
    }

    private func perform(_ action: PrivRJE.StationMachine.Action, _ events: inout [PrivRJE.StationMachine.Event]) {
        switch action {
        case .send(let octets):
            queued += octets.count
            guard isWritable else { break }
            outbox.append(contentsOf: octets)
            writerWaiter.take()?.resume()
        case .signedOn(let abilities):
            dues[.signOn] = nil
            facts.withLock { $0 = Facts(abilities) }
            signOnWaiter.take()?.resume(returning: nil)
        case .provideDeck(let id, let octets):
            calls[id]?.deckEnd = queued + octets
            if calls[id]?.isCommitted == true { events.append(.closingCommitted(id)) }
            if let piece = calls[id]?.firstPiece {
                calls[id]?.firstPiece = nil
                events.append(.deckPiece(id, piece))
            }
            deliver(.deckWanted, to: id)
        case .commitClosing(let id): deliver(.commitWanted, to: id)
        case .deliver(let id, let outcome): deliver(.answer(outcome), to: id)
        case .deliverBlock(let id, let octets, let remaining):
            untaken += octets.count
            deliver(.block(octets, remaining: remaining), to: id)
        case .jobChanged(let job): if let job = HostJob(job) { tell.yield(.job(job)) }
        case .message(let code, let text): tell.yield(.message(code == 60 ? text : "\(code) \(text)"))
        case .startTimer(.answer, let time): set(.answer, after: time)
        case .startTimer(.keepAlive, let time): set(.keepAlive, after: time)
        case .stopTimer(.answer): dues[.answer] = nil
        case .stopTimer(.keepAlive): dues[.keepAlive] = nil
        case .unanswered(let id, let sent): deliver(.over(fate(of: id, sent)), to: id)
        case .hangUp(let reason): finish(error(for: reason))
        }
    }

    private func error(for reason: PrivRJE.SessionEnd) -> StationError {
        end ?? StationError(reason, line: lineWords, keeping: password)
    }

    /// What became of a request without an answer.
    private func fate(of id: PrivRJE.RequestID, _ sent: PrivRJE.StationMachine.Sent) -> StationError {
        let error = machine.end.map { self.error(for: $0) } ?? end ?? .closed
        guard let call = calls[id], call.isInput else { return error }
        switch sent {
        case .nothing, .partly: return .notSent("\(error)")
        case .fully:
            // Queued is not sent: what never reached the line is nowhere else.
            guard let deckEnd = call.deckEnd, handed >= deckEnd else { return .notSent("\(error)") }
            return .uncertain(evidence: "the whole deck was handed to the line, no answer was read; then \(error)")
        }
    }

    private func finish(_ error: StationError) {
        guard life != .over else { return }
        life = .over
        end = error
        dues = [:]
        setAlarm.finish()
        line?.close()
        writerWaiter.take()?.resume()
        readerWaiter.take()?.resume()
        freeRoom()
        tell.yield(.lineDown(error))
        tell.finish()
        signOnWaiter.take()?.resume(returning: error)
        password = nil
    }

    // MARK: calls

    func begin(
        _ request: PrivRJE.Request, firstPiece: [UInt8]? = nil, isCommitted: Bool = false
    ) -> PrivRJE.RequestID {
        lastCall += 1
        let id = PrivRJE.RequestID(lastCall)
        var call = Call(firstPiece: firstPiece, isCommitted: isCommitted)
        if case .input = request { call.isInput = true }
        call.tape = FrameTape.current
        call.tape?.join(head)
        if life != .open {
            let error = end ?? .closed
            call.news = [.over(call.isInput ? .notSent("\(error)") : error)]
            calls[id] = call
            return id
        }
        calls[id] = call
        handle(.submitted(id, request))
        return id
    }

    private func deliver(_ news: News, to id: PrivRJE.RequestID) {
        guard calls[id] != nil else { return }
        if let waiter = calls[id]?.waiter.take() {
            waiter.resume(returning: news)
        } else {
            calls[id]?.news.append(news)
        }
    }

    private func takeNews(of id: PrivRJE.RequestID) -> News? {
        guard let call = calls[id] else { return .over(end ?? .closed) }
        return call.news.isEmpty ? nil : calls[id]?.news.removeFirst()
    }

    /// Waits for what comes next of a call.
    func next(_ id: PrivRJE.RequestID) async -> News {
        let news: News
        if let ready = takeNews(of: id) {
            news = ready
        } else {
            news = await withCheckedContinuation { continuation in
                if let ready = takeNews(of: id) {
                    continuation.resume(returning: ready)
                } else {
                    calls[id]?.waiter = continuation
                }
            }
        }
        if case .block(let octets, _) = news {
            untaken -= octets.count
            if untaken <= Self.mostUntaken / 2 { readerWaiter.take()?.resume() }
        }
        return news
    }

    /// For status and tests: whether the session lasts, and how many calls wait in it.
    package var isOpen: Bool { life == .open }
    package var callCount: Int { calls.count }

    func forget(_ id: PrivRJE.RequestID) { calls[id] = nil }

    /// Hands a piece of deck over, and waits until the line has room for another.
    /// - Returns: false when no more is wanted.
    func provide(_ piece: [UInt8], for id: PrivRJE.RequestID) async -> Bool {
        if life == .open, isWritable { handle(.deckPiece(id, piece)) }
        return await hasRoom()
    }

    private var isFull: Bool { life == .open && isWritable && outbox.count >= Self.mostQueued }

    func hasRoom() async -> Bool {
        while isFull {
            await withCheckedContinuation { continuation in
                if isFull { roomWaiters.append(continuation) } else { continuation.resume() }
            }
        }
        return life == .open && isWritable
    }

    func deckCommitted(_ id: PrivRJE.RequestID) { handle(.closingCommitted(id)) }

    /// Asks, and waits for the one answer.
    func ask(_ request: PrivRJE.Request) async throws(StationError) -> PrivRJE.Outcome {
        let id = begin(request)
        defer { forget(id) }
        while true {
            switch await next(id) {
            case .answer(let outcome): return outcome
            case .over(let error): throw error
            case .deckWanted, .commitWanted, .block: continue
            }
        }
    }
}
