package import Jobs
import Lines
package import Logging
package import Stores

/// Sends what the store has to deliver, at least once, and records what became of it.
///
/// Four tasks: one reads due deliveries into the queue, one hands them out, one commits results, one asks endpoints that have
/// not agreed yet. All that survives a kill is in the store: a delivery is `pending` there until its result is committed, and its
/// ID is left out of every read until then, so that it is never under way twice in one process.
package final class DeliveryRunner: Sendable {
    struct Entry: Sendable {
        let delivery: Delivery
        let queued: QueuedDelivery
    }

    /// What `change` may change.
    struct Rules: Sendable {
        let guarding: AddressGuard
        let callback: ConsentCallback?
        /// By text; what a URL's text tells stays the same as long as the guard does.
        var urls: [String: Result<WebhookURL, RefusedURL>] = [:]
    }

    struct State: Sendable {
        var queue: DeliveryQueue
        /// In the queue or under way.
        var entries: [DeliveryID: Entry] = [:]
        /// Not to be read again: in the queue, under way, or not yet recorded.
        var held: Set<DeliveryID> = []
        var leftOut = LeftOut()
        /// Endpoints that changed since the last reading began: what it brings of them is old.
        var changed: Set<EndpointID> = []
        /// Endpoints that a result disables which is not recorded yet.
        var ending: Set<Int64> = []
        var results: [DeliveryResult] = []
        var recording = 0
        var metrics = DeliveryMetrics()
        var generator: SplitMix
        var isStopping = false
        var isDrained = false
        var fetchTimer: (at: Timestamp, timer: LoopTimer)?
        var queueTimer: (at: Timestamp, timer: LoopTimer)?

        /// Lets waiting deliveries go; they stay due in the store.
        mutating func forget(_ ids: [DeliveryID]) {
            for id in ids {
                entries[id] = nil
                held.remove(id)
            }
        }
    }

    let store: any DeliveryStore
    let endpoints: (any EndpointStore)?
    let settings: Settings
    let clock: WallClock
    let logger: Logger
    let sender: Sender
    let signatory: Signatory
    let state: Locked<State>
    let rules: Locked<Rules>
    let fetchWanted = Signal()
    let dispatchWanted = Signal()
    let recordWanted = Signal()
    let askWanted = Signal()

    /// - Parameter endpoints: where endpoints that must agree are found; without it none is asked.
    /// - Throws: `SenderError`, `LineError`.
    package init(
        store: any DeliveryStore, endpoints: (any EndpointStore)? = nil, settings: Settings, clock: WallClock = .system,
        logger: Logger
    ) throws {
        self.store = store
        self.endpoints = endpoints
        self.settings = settings
        self.clock = clock
        self.logger = logger
        let guarding = AddressGuard(settings: settings.addresses, resolver: settings.resolver)
        rules = Locked(Rules(guarding: guarding, callback: settings.callback))
        signatory = Signatory(ordinary: settings.signer, gateway: settings.keys)
        var sending = settings.sender
        sending.mostInFlight = settings.limits.inFlight
        sender = try Sender(settings: sending, filter: guarding.filter)
        state = Locked(
            State(queue: DeliveryQueue(limits: settings.limits), generator: SplitMix(seed: settings.seed)))
    }

    /// Checks URLs at submission by the same rules.
    package var guarding: AddressGuard { rules.withLock { $0.guarding } }

    /// Goes on with other rules of where calls may go, and with another secret, authorities, callback and number of calls at a
    /// time. What else there is in the settings stays. Calls under way end as they began.
    package func change(to settings: Settings) {
        let guarding = AddressGuard(settings: settings.addresses, resolver: settings.resolver)
        var sending = settings.sender
        sending.mostInFlight = settings.limits.inFlight
        sender.use(sending, filter: guarding.filter)
        signatory.use(settings.signer)
        rules.withLock { $0 = Rules(guarding: guarding, callback: settings.callback) }
        state.withLock { $0.queue.limits.inFlight = settings.limits.inFlight }
        dispatchWanted.raise()
        askWanted.raise()
    }

    /// There may be new deliveries: call it after each commit that brought some. Cheap, from anywhere.
    package func wake() { fetchWanted.raise() }

    /// Call it after each commit that made, changed or deleted an endpoint: what waits for it here is read again as it is now,
    /// and one that must agree is asked.
    package func endpointChanged(_ id: EndpointID) {
        let now = clock.now()
        state.withLock { state in
            state.changed.insert(id)
            let receivers = Set(
                state.entries.values.filter { $0.delivery.target.endpoint == id }.map(\.queued.endpoint))
            for receiver in receivers { state.forget(state.queue.evict(receiver, at: now)) }
        }
        fetchWanted.raise()
        askWanted.raise()
    }

    package var metrics: DeliveryMetrics {
        state.withLock { state in
            var metrics = state.metrics
            metrics.inFlight = state.queue.inFlightCount
            metrics.waiting = state.queue.waitingCount
            metrics.unrecorded = state.results.count + state.recording
            metrics.openBreakers = state.queue.openBreakers
            return metrics
        }
    }

    /// No new try begins; `run` returns when those under way have ended or the grace is over. Also on cancellation.
    package func stop() {
        state.withLock { $0.isStopping = true }
        fetchWanted.raise()
        dispatchWanted.raise()
        askWanted.raise()
    }

    /// Runs until `stop` or cancellation; once.
    package func run() async {
        // A task of its own: what is under way at a cancellation ends in order, and its results are still committed.
        // On the thread that sends: a step of a delivery wakes no other.
        let work = Task(executorPreference: sender.executor) { await self.work() }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            stop()
        }
        await sender.stop()
    }

    private func work() async {
        fetchWanted.raise()
        askWanted.raise()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.fetchWhileRunning() }
            group.addTask { await self.recordWhileRunning() }
            group.addTask { await self.askWhileRunning() }
            while !state.withLock({ $0.isStopping }) {
                await dispatchWanted.wait()
                while let parcel = takeNext() {
                    group.addTask { await self.deliver(parcel) }
                }
                armQueueTimer()
            }
            await drain()
        }
    }

    /// Waits for what is under way, then lets the recorder end.
    private func drain() async {
        let timer = sender.schedule(after: settings.grace) { [sender] in sender.abandon() }
        while state.withLock({ $0.queue.inFlightCount > 0 }) { await dispatchWanted.wait() }
        timer.cancel()
        state.withLock { state in
            state.isDrained = true
            state.fetchTimer?.timer.cancel()
            state.queueTimer?.timer.cancel()
        }
        recordWanted.raise()
    }

    func pause(_ time: Duration) async {
        let over = Signal()
        _ = sender.schedule(after: time) { over.raise() }
        await over.wait()
    }

    // MARK: timers

    /// At most a minute ahead, should the clock be set.
    private func delay(until time: Timestamp) -> Duration {
        min(max(clock.now().duration(to: time), .milliseconds(1)), .seconds(60))
    }

    func armFetchTimer(at time: Timestamp) {
        let delay = delay(until: time)
        state.withLock { state in
            if state.isStopping { return }
            if let armed = state.fetchTimer {
                if armed.at <= time { return }
                armed.timer.cancel()
            }
            let timer = sender.schedule(after: delay) { [weak self] in
                self?.state.withLock { $0.fetchTimer = nil }
                self?.fetchWanted.raise()
            }
            state.fetchTimer = (time, timer)
        }
    }

    private func armQueueTimer() {
        guard let time = state.withLock({ $0.queue.nextTime }) else { return }
        let delay = delay(until: time)
        state.withLock { state in
            if state.isStopping { return }
            if let armed = state.queueTimer {
                if armed.at <= time { return }
                armed.timer.cancel()
            }
            let timer = sender.schedule(after: delay) { [weak self] in
                self?.state.withLock { $0.queueTimer = nil }
                self?.dispatchWanted.raise()
            }
            state.queueTimer = (time, timer)
        }
    }
}
