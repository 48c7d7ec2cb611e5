package import Jobs
import Lines
package import Logging
package import Stores

/// Sends what the store has to deliver, at least once, and records what became of it.
///
/// Three tasks: one reads due deliveries into the queue, one hands them out, one commits results. All that survives a
/// kill is in the store: a delivery is `pending` there until its result is committed, and its ID is left out of every
/// read until then, so that it is never under way twice in one process.
package final class DeliveryRunner: Sendable {
    struct Entry: Sendable {
        let delivery: Delivery
        let queued: QueuedDelivery
        let url: Result<WebhookURL, RefusedURL>
    }

    private struct State: Sendable {
        var queue: DeliveryQueue
        /// In the queue or under way.
        var entries: [DeliveryID: Entry] = [:]
        /// Not to be read again: in the queue, under way, or not yet recorded.
        var held: Set<DeliveryID> = []
        var leftOut = LeftOut()
        var results: [DeliveryResult] = []
        var recording = 0
        var metrics = DeliveryMetrics()
        var generator: SplitMix
        var isStopping = false
        var isDrained = false
        var fetchTimer: (at: Timestamp, timer: LoopTimer)?
        var breakerTimer: (at: Timestamp, timer: LoopTimer)?
    }

    /// Checks URLs at submission by the same rules.
    package let guarding: AddressGuard
    private let store: any DeliveryStore
    private let settings: Settings
    private let clock: WallClock
    private let logger: Logger
    private let sender: Sender
    private let state: Locked<State>
    private let fetchWanted = Signal()
    private let dispatchWanted = Signal()
    private let recordWanted = Signal()

    /// - Throws: `SenderError`, `LineError`.
    package init(store: any DeliveryStore, settings: Settings, clock: WallClock = .system, logger: Logger) throws {
        self.store = store
        self.settings = settings
        self.clock = clock
        self.logger = logger
        guarding = AddressGuard(settings: settings.addresses, resolver: settings.resolver)
        var sending = settings.sender
        sending.mostInFlight = settings.limits.inFlight
        sender = try Sender(settings: sending, filter: guarding.filter)
        state = Locked(
            State(queue: DeliveryQueue(limits: settings.limits), generator: SplitMix(seed: settings.seed)))
    }

    /// There may be new deliveries: call it after each commit that brought some. Cheap, from anywhere.
    package func wake() { fetchWanted.raise() }

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
    }

    /// Runs until `stop` or cancellation; once.
    package func run() async {
        // A task of its own: what is under way at a cancellation ends in order, and its results are still committed.
        let work = Task { await self.work() }
        await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            stop()
        }
    }

    private func work() async {
        fetchWanted.raise()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.fetchWhileRunning() }
            group.addTask { await self.recordWhileRunning() }
            while !state.withLock({ $0.isStopping }) {
                await dispatchWanted.wait()
                while let entry = takeNext() {
                    group.addTask { await self.deliver(entry) }
                }
                armBreakerTimer()
            }
            await drain()
        }
        await sender.stop()
    }

    /// Waits for what is under way, then lets the recorder end.
    private func drain() async {
        let timer = sender.schedule(after: settings.grace) { [sender] in sender.abandon() }
        while state.withLock({ $0.queue.inFlightCount > 0 }) { await dispatchWanted.wait() }
        timer.cancel()
        state.withLock { state in
            state.isDrained = true
            state.fetchTimer?.timer.cancel()
            state.breakerTimer?.timer.cancel()
        }
        recordWanted.raise()
    }

    // MARK: reading

    private func fetchWhileRunning() async {
        while true {
            await fetchWanted.wait()
            if state.withLock({ $0.isStopping }) { return }
            let began = ContinuousClock.now
            await fetch()
            dispatchWanted.raise()
            // Reading takes long when much is due that must wait. It shall not take all the time then.
            let took = ContinuousClock.now - began
            if took > .milliseconds(5) { await pause(min(took, .milliseconds(50))) }
        }
    }

    private func pause(_ time: Duration) async {
        let over = Signal()
        _ = sender.schedule(after: time) { over.raise() }
        await over.wait()
    }

    private func fetch() async {
        let now = clock.now()
        let (held, leftOut) = state.withLock { state in
            state.queue.beginFetch()
            state.leftOut.release(into: &state.queue)
            return (state.held, state.leftOut.all)
        }
        do throws(StoreError) {
            let due = try await store.dueDeliveries(
                at: now, limit: settings.batch, excluding: held, leavingOut: leftOut)
            if !due.isEmpty { enqueue(due, at: now) }
            let isHungry = state.withLock { state in
                if due.count >= settings.batch { state.queue.fetchWasCut() }
                return state.queue.isHungry || state.leftOut.isForgotten(by: state.queue)
            }
            if isHungry { fetchWanted.raise() }
            if let next = try await store.nextDeliveryTime(after: now) { armFetchTimer(at: next) }
        } catch {
            logger.error("due deliveries cannot be read", metadata: ["error": "\(error)"])
            armFetchTimer(at: now.advanced(by: .seconds(1)))
        }
    }

    /// Limits and breaker belong to a URL of an owner: each job that names its receiver itself has an endpoint of its own.
    private func receiver(of delivery: Delivery) -> Int64 {
        var hasher = Hasher()
        hasher.combine(delivery.owner)
        hasher.combine(delivery.url)
        return Int64(hasher.finalize())
    }

    private func enqueue(_ due: [Delivery], at now: Timestamp) {
        // What finds no room is put aside before its URL is parsed.
        let (fitting, rooms) = state.withLock { state -> ([(delivery: Delivery, receiver: Int64)], [Int64: Int]) in
            var rooms: [Int64: Int] = [:]
            var fitting: [(delivery: Delivery, receiver: Int64)] = []
            for delivery in due where !state.held.contains(delivery.id) {
                let receiver = receiver(of: delivery)
                let room = rooms[receiver] ?? state.queue.room(for: receiver)
                rooms[receiver] = room - 1
                if room > 0 {
                    fitting.append((delivery, receiver))
                } else {
                    state.leftOut.add(delivery.endpoint, of: receiver)
                }
            }
            return (fitting, rooms)
        }
        let entries = fitting.map { entry(for: $0.delivery, receiver: $0.receiver) }
        state.withLock { state in
            for entry in entries {
                if state.queue.add(entry.queued, at: now) {
                    state.entries[entry.delivery.id] = entry
                    state.held.insert(entry.delivery.id)
                } else if state.queue.room(for: entry.queued.endpoint) == 0 {
                    state.leftOut.add(entry.delivery.endpoint, of: entry.queued.endpoint)
                }
            }
            // Only now does the queue know all of them.
            for (receiver, room) in rooms where room < 0 { state.queue.noteMore(for: receiver) }
        }
    }

    private func entry(for delivery: Delivery, receiver: Int64) -> Entry {
        let url: Result<WebhookURL, RefusedURL>
        do throws(RefusedURL) { url = .success(try guarding.check(url: delivery.url)) } catch { url = .failure(error) }
        let host = if case .success(let url) = url { url.host } else { "" }
        return Entry(
            delivery: delivery,
            queued: QueuedDelivery(
                id: delivery.id, owner: delivery.owner, endpoint: receiver, host: host,
                octets: delivery.event.body.count),
            url: url)
    }

    /// At most a minute ahead, should the clock be set.
    private func delay(until time: Timestamp) -> Duration {
        min(max(clock.now().duration(to: time), .milliseconds(1)), .seconds(60))
    }

    private func armFetchTimer(at time: Timestamp) {
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

    private func armBreakerTimer() {
        guard let time = state.withLock({ $0.queue.nextBreakerTime }) else { return }
        let delay = delay(until: time)
        state.withLock { state in
            if state.isStopping { return }
            if let armed = state.breakerTimer {
                if armed.at <= time { return }
                armed.timer.cancel()
            }
            let timer = sender.schedule(after: delay) { [weak self] in
                self?.state.withLock { $0.breakerTimer = nil }
                self?.dispatchWanted.raise()
            }
            state.breakerTimer = (time, timer)
        }
    }

    // MARK: sending

    private func takeNext() -> Entry? {
        let now = clock.now()
        return state.withLock { state in
            guard !state.isStopping, state.results.count + state.recording < settings.mostUnrecorded,
                let queued = state.queue.next(at: now)
            else { return nil }
            return state.entries[queued.id]
        }
    }

    private func deliver(_ entry: Entry) async {
        let began = clock.now()
        let (sent, address) = await attempt(entry, at: began)
        let ended = clock.now()
        let verdict = Verdict(status: sent.status, failure: sent.failure)
        let attempts = entry.delivery.attempts + 1
        let isHungry = state.withLock { state in
            let succeeded: Bool? = verdict.action == .delivered ? true : verdict.countsAsFailure ? false : nil
            for id in state.queue.ended(entry.queued, succeeded: succeeded, at: ended) {
                state.entries[id] = nil
                state.held.remove(id)
            }
            let id = entry.delivery.id
            state.entries[id] = nil
            if sent.failure == .stopped, sent.status == nil {
                // No try: it stays as it is in the store.
                state.held.remove(id)
                return state.queue.isHungry
            }
            let next: DeliveryResult.Next =
                switch verdict.action {
                case .delivered: .delivered
                case .dead: .dead
                case .retry:
                    settings.schedule.delay(
                        afterAttempts: attempts,
                        retryAfter: sent.retryAfter.flatMap { RetryAfter.parse($0, now: ended) },
                        using: &state.generator
                    ).map { .retry(at: ended.advanced(by: $0)) } ?? .dead
                }
            if next == .dead { state.metrics.dead += 1 }
            state.metrics.attempts[verdict.result, default: 0] += 1
            state.results.append(
                DeliveryResult(
                    delivery: id,
                    attempt: DeliveryAttempt(
                        at: began, status: sent.status, result: verdict.result, detail: sent.detail,
                        duration: began.duration(to: ended), address: address, answer: sent.answer),
                    next: next))
            return state.queue.isHungry
        }
        recordWanted.raise()
        dispatchWanted.raise()
        if isHungry { fetchWanted.raise() }
        if verdict.action != .delivered { log(verdict, entry, attempts: attempts) }
    }

    private func attempt(_ entry: Entry, at now: Timestamp) async -> (SendResult, address: String?) {
        let event = entry.delivery.event
        let url: WebhookURL
        switch entry.url {
        case .success(let good): url = good
        case .failure(let refusal):
            let isAddress = refusal == .forbiddenAddress
            var result = SendResult(failure: isAddress ? .blockedAddress : .badURL)
            result.detail = refusal.words
            return (result, nil)
        }
        let addresses: [IPAddress]
        do throws(SendFailure) {
            addresses = try await guarding.addresses(of: url)
        } catch {
            return (SendResult(failure: error), nil)
        }
        // One address a try; the next try takes the next.
        let address = addresses[entry.delivery.attempts % addresses.count]
        let seconds = now.microseconds / 1_000_000
        let signatures = settings.signer(entry.delivery.endpoint).signatures(
            id: event.id, timestamp: seconds, body: event.body)
        let headers = [
            SendHeader("content-type", "application/json"), SendHeader("webhook-id", event.id),
            SendHeader("webhook-timestamp", String(seconds)), SendHeader("webhook-signature", signatures),
        ].compactMap { $0 }
        let result = await sender.send(SendRequest(url: url, address: address, headers: headers, body: event.body))
        return (result, result.failure == .blockedAddress ? nil : address.description)
    }

    private func log(_ verdict: Verdict, _ entry: Entry, attempts: Int) {
        let metadata: Logger.Metadata = [
            "delivery": "\(entry.delivery.id.value)", "event": "\(entry.delivery.event.id)",
            "result": "\(verdict.result)",
            "attempts": "\(attempts)", "endpoint": "\(entry.delivery.endpoint)",
        ]
        if let reason = verdict.disables {
            logger.warning("webhook endpoint has gone", metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        } else if verdict.result == SendFailure.blockedAddress.rawValue, attempts == 3 {
            logger.warning("webhook points to a forbidden address for the third time", metadata: metadata)
        } else {
            logger.info("webhook not delivered", metadata: metadata)
        }
    }

    // MARK: recording

    /// Commits all results there are at once; meanwhile the next ones gather.
    private func recordWhileRunning() async {
        while true {
            let (batch, isDrained) = state.withLock { state in
                let batch = state.results
                state.results = []
                state.recording = batch.count
                return (batch, state.isDrained)
            }
            if batch.isEmpty {
                if isDrained { return }
                await recordWanted.wait()
                continue
            }
            do throws(StoreError) {
                try await store.record(batch)
                let isHungry = state.withLock { state in
                    state.recording = 0
                    for result in batch { state.held.remove(result.delivery) }
                    return state.queue.isHungry
                }
                if let next = batch.compactMap(\.nextTime).min() { armFetchTimer(at: next) }
                if isHungry { fetchWanted.raise() }
                dispatchWanted.raise()
            } catch {
                logger.error(
                    "webhook results cannot be recorded", metadata: ["error": "\(error)", "results": "\(batch.count)"])
                let givesUp = state.withLock { state in
                    state.recording = 0
                    // Sent again after the restart: at least once.
                    if state.isDrained { return true }
                    state.results.insert(contentsOf: batch, at: 0)
                    return false
                }
                if givesUp { return }
                await pause(.seconds(1))
            }
        }
    }
}

extension DeliveryResult {
    fileprivate var nextTime: Timestamp? { if case .retry(let time) = next { time } else { nil } }
}
