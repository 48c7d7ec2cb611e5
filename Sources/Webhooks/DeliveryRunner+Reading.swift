import Jobs
import Lines
import Logging
import Stores

extension DeliveryRunner {
    func fetchWhileRunning() async {
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

    private func fetch() async {
        let now = clock.now()
        let (held, leftOut) = state.withLock { state in
            state.queue.beginFetch()
            state.changed = []
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

    /// What shares limits and breaker: an endpoint of an owner, or a URL of an owner, as each job that names its receiver itself
    /// has an endpoint of its own. An extra try goes by itself: it waits for no breaker and tells none anything.
    private func receiver(of delivery: Delivery) -> Int64 {
        var hasher = Hasher()
        hasher.combine(delivery.isExtra)
        hasher.combine(delivery.owner)
        if delivery.target.endpoint == nil {
            hasher.combine(delivery.url)
        } else {
            hasher.combine(delivery.endpoint)
        }
        return Int64(hasher.finalize())
    }

    private func enqueue(_ due: [Delivery], at now: Timestamp) {
        // What finds no room is put aside before its URL is parsed.
        let (fitting, rooms) = state.withLock { state -> ([(delivery: Delivery, receiver: Int64)], [Int64: Int]) in
            var rooms: [Int64: Int] = [:]
            var fitting: [(delivery: Delivery, receiver: Int64)] = []
            for delivery in due where !state.held.contains(delivery.id) && !state.ending.contains(delivery.endpoint) {
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
                // It is read again: `endpointChanged` asked for that.
                if let endpoint = entry.delivery.target.endpoint, state.changed.contains(endpoint) { continue }
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

    /// Most deliveries go to few URLs.
    func checked(_ text: String) -> Result<WebhookURL, RefusedURL> {
        let (known, guarding) = rules.withLock { ($0.urls[text], $0.guarding) }
        if let known { return known }
        let url: Result<WebhookURL, RefusedURL>
        do throws(RefusedURL) { url = .success(try guarding.check(url: text)) } catch { url = .failure(error) }
        rules.withLock { rules in
            guard rules.guarding === guarding else { return }
            if rules.urls.count >= Self.mostURLs { rules.urls = [:] }
            rules.urls[text] = url
        }
        return url
    }

    private static var mostURLs: Int { 1024 }

    private func entry(for delivery: Delivery, receiver: Int64) -> Entry {
        let host = if case .success(let url) = checked(delivery.url) { url.host } else { "" }
        let isBatched = delivery.target.mode == .cloudEventsBatch && !delivery.isExtra
        return Entry(
            delivery: delivery,
            queued: QueuedDelivery(
                id: delivery.id, owner: delivery.owner, endpoint: receiver, host: host,
                octets: delivery.event.body.count, concurrency: delivery.target.concurrency, rate: delivery.target.rate,
                mostTogether: isBatched ? BatchRule.mostEvents(afterAttempts: delivery.attempts) : 1))
    }
}
