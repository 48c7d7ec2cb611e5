import Lines
import Protocols
import Wire

/// One terminal's session: its console, a `HostMachine` that decides, and the channels that are open. Lives on one event loop.
actor NETRJSSession {
    /// One opening of a channel.
    struct Channel {
        enum Phase: Equatable { case idle, running, closing }
        let line: TCPLine
        var phase = Phase.idle
        /// How the terminal ended its side.
        var peerEnd: PeerEnd?
        /// Breaks off what runs; said once.
        var order: Order?
        var waiter: CheckedContinuation<Void, Never>?
    }

    enum PeerEnd: Equatable { case finished, lost }

    /// What the operator wants of a running channel.
    enum Order: Equatable {
        case backspace, skipDataSet, skipAll, restartDataSet, restartAll
        /// Breaks it off, with the position kept.
        case `defer`
        /// The session is over.
        case abort
        /// No more streams after this one.
        case drain
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let console: TCPLine
    let shared: NETRJSServer.Shared
    let set: NETRJS.CharacterSet
    let translation: TerminalTranslation
    private var machine: NETRJS.HostMachine
    private var number: UInt64 = 0

    private var outgoing: [UInt8] = []
    private var writer: CheckedContinuation<Void, Never>?
    private var isOver = false
    private var signOnTimer: LoopTimer?
    /// For how long octets of a terminal are dropped after our last word.
    private var dropTimer: LoopTimer?
    private var ports: [LineListener] = []

    private let openings: AsyncStream<NETRJS.Device>
    private let opening: AsyncStream<NETRJS.Device>.Continuation
    var channels: [NETRJS.Device: Channel] = [:]
    /// Came while the one before it was being closed.
    private var successors: [NETRJS.Device: TCPLine] = [:]

    /// The job whose output runs on a channel.
    var sending: [NETRJS.Device: String] = [:]

    /// SET, for jobs entered from now on.
    var destination: String?
    var entersDeferred = false
    /// EAM.
    var echoes: Set<NETRJS.Device> = []
    private(set) var terminal: NETRJSHostSettings.Terminal?

    /// Octets that may wait for a console that does not read.
    private static let mostWaitingOctets = 256 * 1024
    private static let lastWordLimit = Duration.seconds(5)

    init(_ console: TCPLine, set: NETRJS.CharacterSet, loop: EventLoop, shared: NETRJSServer.Shared) {
        self.console = console
        self.set = set
        self.loop = loop
        self.shared = shared
        translation = TerminalTranslation(set, host: shared.batch.settings.code)
        machine = NETRJS.HostMachine()
        (openings, opening) = AsyncStream.makeStream()
    }

    /// Serves until the console is closed and every channel has ended.
    func run(_ number: UInt64) async {
        self.number = number
        var configuration = NETRJS.HostMachine.Configuration(signOnLimit: shared.settings.signOnLimit)
        var readiness = NETRJS.HostMachine.Readiness.ready
        if !shared.sessions.takesSession {
            readiness = .portsBusy
        } else if shared.settings.dataPorts == .announced {
            configuration.base = openPorts()
            if configuration.base == nil { readiness = .portsBusy }
        }
        machine = NETRJS.HostMachine(configuration)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.write() }
            group.addTask { await self.read() }
            handle(.opened(readiness))
            for await device in openings { group.addTask { await self.serve(device) } }
        }
        console.close()
        signOnTimer?.cancel()
        dropTimer?.cancel()
    }

    nonisolated func kill() { loop.execute { self.assumeIsolated { $0.handle(.killed) } } }

    /// Somebody connected to a data port.
    nonisolated func opened(_ device: NETRJS.Device, _ line: TCPLine) {
        loop.execute { self.assumeIsolated { $0.accept(device, line) } }
    }

    private nonisolated func post(_ news: NETRJSOutputs.News) {
        loop.execute { self.assumeIsolated { $0.take(news) } }
    }

    // MARK: the machine

    func handle(_ event: NETRJS.HostMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            for action in machine.handle(events.removeFirst()) { perform(action, &events) }
        }
        if !outgoing.isEmpty || isOver { wakeWriter() }
    }

    func say(_ line: String) { handle(.tell(line)) }

    private func perform(_ action: NETRJS.HostMachine.Action, _ events: inout [NETRJS.HostMachine.Event]) {
        switch action {
        case .send(let octets): if outgoing.count < Self.mostWaitingOctets { outgoing += octets }
        case .judge(let terminal, let password):
            events.append(.judged(judge(terminal, password)))
        case .perform(let command): for line in obey(command) { events.append(.tell(line)) }
        case .serve(let device): opening.yield(device)
        case .refuse(let device): channels.removeValue(forKey: device)?.line.abort()
        case .drain:
            for (device, channel) in channels {
                if channel.phase == .idle, device != .reader { order(.abort, device) } else { order(.drain, device) }
            }
        case .abortChannels: for device in channels.keys { order(.abort, device) }
        case .startTimer(let limit):
            signOnTimer = loop.schedule(after: limit) { [weak self] in
                self?.assumeIsolated { $0.handle(.timerFired) }
            }
        case .stopTimer: signOnTimer?.cancel()
        case .hangUp: hangUp()
        }
    }

    private func hangUp() {
        isOver = true
        if let terminal { shared.outputs.signedOff(terminal.id) }
        terminal = nil
        shared.release(number)
        for port in ports { port.stopListening() }
        ports = []
        for line in successors.values { line.abort() }
        successors = [:]
        opening.finish()
    }

    private func judge(_ id: String, _ password: String?) -> NETRJS.HostMachine.Verdict {
        guard let known = shared.terminals[id] else { return .refused("UNKNOWN TERMINAL") }
        guard known.password == nil || known.password == password else { return .refused("UNKNOWN TERMINAL") }
        if shared.outputs.isSignedOn(id) { return .refused("TERMINAL ALREADY SIGNED ON") }
        guard shared.claim(console.peer?.ip.client, for: number) else {
            return .busy("PORTS ARE BUSY WITH ANOTHER TERMINAL OF YOUR ADDRESS")
        }
        guard shared.outputs.signOn(id, { [weak self] in self?.post($0) }) else {
            return .refused("TERMINAL ALREADY SIGNED ON")
        }
        terminal = known
        let waiting = shared.outputs.waiting(for: id).map { ready($0) }
        return .signedOn(terminal: id, lines: alertLines + shared.outputs.takeKept(id) + waiting)
    }

    var alertLines: [String] {
        shared.settings.alerts.isEmpty ? ["RJS660I NO ALERTS"] : shared.settings.alerts.map { "RJS650I \($0)" }
    }

    private func ready(_ entry: NETRJSOutputs.Entry) -> String {
        "RJS481I \(entry.words) \(entry.isDeferred ? "DEFERRED" : "READY")"
    }

    private func take(_ news: NETRJSOutputs.News) {
        switch news {
        case .ready(let entry): say(ready(entry))
        case .line(let line): say(line)
        case .work: for device in channels.keys { wake(device) }
        }
    }

    // MARK: channels

    private func openPorts() -> Int? {
        let ip = shared.settings.listen.ip
        for _ in 0..<100 {
            let base = Int.random(in: 10_000...32_000) * 2
            var opened: [LineListener] = []
            for device in NETRJS.Device.allCases {
                let address = SocketAddress(ip, port: UInt16(clamping: base + device.portOffset))
                let listener = try? LineListener(on: address, loops: [loop]) { [weak self] line in
                    guard let self else { return line.abort() }
                    self.opened(device, line)
                }
                if let listener { opened.append(listener) }
            }
            if opened.count == NETRJS.Device.allCases.count {
                ports = opened
                return base
            }
            for listener in opened { listener.stopListening() }
        }
        return nil
    }

    private func accept(_ device: NETRJS.Device, _ line: TCPLine) {
        guard !isOver, line.peer?.ip.client == console.peer?.ip.client else { return line.abort() }
        if channels[device]?.phase == .closing {
            successors.updateValue(line, forKey: device)?.abort()
            return
        }
        if channels[device] != nil {
            // the machine refuses it in words; the one that is open stays
            line.abort()
            say("NRJ503A \(device.name) IS OPEN ALREADY, RETRY LATER")
            return
        }
        channels[device] = Channel(line: line)
        handle(.channelOpened(device))
    }

    private func serve(_ device: NETRJS.Device) async {
        if device == .reader { await readCards() } else { await sendOutput(device) }
        channels[device] = nil
        handle(.channelEnded(device))
        if let next = successors.removeValue(forKey: device) { accept(device, next) }
    }

    func order(_ order: Order, _ device: NETRJS.Device) {
        guard channels[device] != nil else { return }
        channels[device]?.order = order
        if order == .abort, let line = channels[device]?.line { line.abort() }
        wake(device)
    }

    func wake(_ device: NETRJS.Device) { channels[device]?.waiter.take()?.resume() }

    /// Waits until something happens on the channel that is not so already.
    func wait(_ device: NETRJS.Device, until isReady: () -> Bool) async {
        while !isReady() {
            await withCheckedContinuation { continuation in
                if isReady() || channels[device] == nil {
                    continuation.resume()
                } else {
                    channels[device]?.waiter = continuation
                }
            }
            if channels[device] == nil { return }
        }
    }

    // MARK: console

    private func read() async {
        while true {
            let octets: [UInt8]?
            do throws(LineError) { octets = try await console.read() } catch { octets = nil }
            guard let octets else { break }
            if !isOver { handle(.received(octets)) }
        }
        handle(.lineClosed)
    }

    private func write() async {
        while true {
            if outgoing.isEmpty {
                if isOver { break }
                await withCheckedContinuation { continuation in
                    if outgoing.isEmpty && !isOver { writer = continuation } else { continuation.resume() }
                }
                continue
            }
            let octets = outgoing
            outgoing = []
            do throws(LineError) {
                try await console.write(octets, within: shared.settings.dataLimit)
            } catch {
                handle(.lineClosed)
                break
            }
        }
        // the last word must not be lost to a reset
        await console.finishSending()
        dropTimer = loop.schedule(after: Self.lastWordLimit) { [console] in console.close() }
    }

    /// Reads until the other side ends, and heeds nothing.
    func drop(_ line: TCPLine, within limit: Duration) async {
        let end = ContinuousClock.now + limit
        while end > .now {
            do throws(LineError) {
                guard try await line.read(within: end - .now) != nil else { return }
            } catch {
                return
            }
        }
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }
}
