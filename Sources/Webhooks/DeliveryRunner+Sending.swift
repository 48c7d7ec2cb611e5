import Jobs
import Lines
import Logging
import Stores

extension DeliveryRunner {
    /// What the next call carries.
    struct Parcel: Sendable {
        let first: Entry
        /// The rest of a batch: deliveries to the same endpoint.
        let more: [Entry]

        var entries: [Entry] { [first] + more }
    }

    func takeNext() -> Parcel? {
        let now = clock.now()
        return state.withLock { state in
            guard !state.isStopping, state.results.count + state.recording < settings.mostUnrecorded,
                let queued = state.queue.next(at: now), let first = state.entries[queued.id]
            else { return nil }
            return Parcel(
                first: first, more: state.queue.takeMore(with: queued).compactMap { state.entries[$0.id] })
        }
    }

    func deliver(_ parcel: Parcel) async {
        let began = clock.now()
        let first = parcel.first
        let isExtra = first.delivery.isExtra
        let (sent, address, batch) = await attempt(parcel, at: began)
        let ended = clock.now()
        let verdict = Verdict(status: sent.status, failure: sent.failure)
        let isHungry = state.withLock { state in
            let succeeded: Bool? = verdict.action == .delivered ? true : verdict.countsAsFailure ? false : nil
            state.forget(state.queue.ended(first.queued, succeeded: isExtra ? nil : succeeded, at: ended))
            // Those of a batch that have had as many tries come again together.
            var nexts: [Int: DeliveryResult.Next] = [:]
            for entry in parcel.entries {
                let delivery = entry.delivery
                state.entries[delivery.id] = nil
                if sent.failure == .stopped, sent.status == nil {
                    // No try: it stays as it is in the store.
                    state.held.remove(delivery.id)
                    continue
                }
                let attempts = delivery.attempts + 1
                let next =
                    nexts[attempts]
                    ?? next(of: delivery, verdict, sent, attempts: attempts, at: ended, using: &state.generator)
                nexts[attempts] = next
                if next == .dead, !isExtra { state.metrics.dead += 1 }
                state.metrics.attempts[verdict.result, default: 0] += 1
                state.results.append(
                    DeliveryResult(
                        delivery: delivery.id,
                        attempt: DeliveryAttempt(
                            sent, result: verdict.result, at: began, until: ended, address: address, isExtra: isExtra,
                            batch: batch),
                        next: next, disables: verdict.disables == .gone ? .gone : nil))
            }
            if verdict.disables != nil {
                state.ending.insert(first.delivery.endpoint)
                state.forget(state.queue.evict(first.queued.endpoint, at: ended))
            }
            return state.queue.isHungry
        }
        recordWanted.raise()
        dispatchWanted.raise()
        if isHungry { fetchWanted.raise() }
        if verdict.action != .delivered { log(verdict, parcel) }
    }

    private func next(
        of delivery: Delivery, _ verdict: Verdict, _ sent: SendResult, attempts: Int, at now: Timestamp,
        using generator: inout SplitMix
    ) -> DeliveryResult.Next {
        switch verdict.action {
        case .delivered: return .delivered
        case .dead: return .dead
        case .retry:
            let schedule = delivery.target.delays.flatMap { Schedule($0) } ?? settings.schedule
            let delay = schedule.delay(
                afterAttempts: attempts, retryAfter: sent.retryAfter.flatMap { RetryAfter.parse($0, now: now) },
                using: &generator)
            return delay.map { .retry(at: now.advanced(by: $0)) } ?? .dead
        }
    }

    private func attempt(
        _ parcel: Parcel, at now: Timestamp
    ) async -> (SendResult, address: String?, batch: String?) {
        let delivery = parcel.first.delivery
        let trace = parcel.more.isEmpty ? delivery.trace : nil
        let message = EventMessage(
            delivery.event, and: parcel.more.map(\.delivery.event), owner: delivery.owner, mode: delivery.target.mode,
            trace: trace)
        let batch = delivery.target.mode == .cloudEventsBatch ? message.id : nil
        // Looked at now: since it was read the rules may have changed.
        switch checked(delivery.url) {
        case .success(let url):
            let (sent, address) = await post(
                message, to: url, target: delivery.target, endpoint: delivery.endpoint, turn: delivery.attempts,
                trace: trace, at: now)
            return (sent, address, batch)
        case .failure(let refusal): return (SendResult(refusal), nil, batch)
        }
    }

    /// One signed POST.
    /// - Parameter turn: one address a try; the next try takes the next.
    func post(
        _ message: EventMessage, to url: WebhookURL, target: DeliveryTarget, endpoint: Int64, turn: Int,
        trace: TraceContext? = nil, at now: Timestamp
    ) async -> (SendResult, address: String?) {
        let seconds = now.microseconds / 1_000_000
        let signatures = signatory.signer(for: target, endpoint: endpoint, at: now)
            .signatures(id: message.id, timestamp: seconds, body: message.body)
        var headers = message.headers
        headers += [
            SendHeader("webhook-id", message.id), SendHeader("webhook-timestamp", String(seconds)),
            SendHeader("webhook-signature", signatures),
        ].compactMap { $0 }
        if target.verification == .handshake, let origin = SendHeader("webhook-request-origin", settings.origin) {
            headers.append(origin)
        }
        headers += target.headers.compactMap { SendHeader($0.name, $0.value) }
        if let trace, !headers.contains(where: { $0.name.lowercased() == "traceparent" }) {
            headers += [SendHeader("traceparent", trace.next().parent)].compactMap(\.self)
            headers += [trace.state.flatMap { SendHeader("tracestate", $0) }].compactMap(\.self)
        }
        return await exchange(.post, url, headers: headers, body: message.body, turn: turn, tls: target.tls)
    }

    func exchange(
        _ method: SendRequest.Method, _ url: WebhookURL, headers: [SendHeader], body: [UInt8], turn: Int,
        tls: EndpointTLS
    ) async -> (SendResult, address: String?) {
        let addresses: [IPAddress]
        let began = ContinuousClock.now
        func resolved() -> Duration { url.literal == nil ? ContinuousClock.now - began : .zero }
        do throws(SendFailure) {
            addresses = try await guarding.addresses(of: url)
        } catch {
            var result = SendResult(failure: error)
            if error != .blockedAddress { result.timings.resolved = resolved() }
            return (result, nil)
        }
        let took = resolved()
        let address = addresses[turn % addresses.count]
        let request = SendRequest(method, url: url, address: address, headers: headers, body: body, tls: tls)
        var result =
            if let exchange = settings.exchange { await exchange(request) } else { await sender.send(request) }
        if result.failure != .blockedAddress { result.timings.resolved = took }
        return (result, result.failure == .blockedAddress ? nil : address.description)
    }

    private func log(_ verdict: Verdict, _ parcel: Parcel) {
        let delivery = parcel.first.delivery
        let attempts = delivery.attempts + 1
        var metadata: Logger.Metadata = [
            "delivery": "\(delivery.id.value)", "event": "\(delivery.event.id)", "result": "\(verdict.result)",
            "attempts": "\(attempts)", "endpoint": "\(delivery.target.endpoint?.description ?? "-")",
        ]
        if !parcel.more.isEmpty { metadata["events"] = "\(parcel.more.count + 1)" }
        if let reason = verdict.disables {
            logger.warning("webhook endpoint has gone", metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        } else if verdict.result == SendFailure.blockedAddress.rawValue, attempts == 3 {
            logger.warning("webhook points to a forbidden address for the third time", metadata: metadata)
        } else {
            logger.info("webhook not delivered", metadata: metadata)
        }
    }
}

extension SendResult {
    init(_ refusal: RefusedURL) {
        self.init(failure: refusal == .forbiddenAddress ? .blockedAddress : .badURL)
        detail = refusal.words
    }
}

extension DeliveryAttempt {
    init(
        _ sent: SendResult, result: String, at began: Timestamp, until ended: Timestamp, address: String?,
        isExtra: Bool = false, batch: String? = nil
    ) {
        func reached(_ time: Duration) -> Duration? { time > .zero ? time : nil }
        var detail = sent.detail
        if let location = sent.location, let status = sent.status, (300...399).contains(status) {
            detail = (detail.map { $0 + " " } ?? "") + "Location: \(location.prefix(512))"
        }
        self.init(
            at: began, status: sent.status, result: result, detail: detail, duration: began.duration(to: ended),
            timings: Timings(
                resolved: reached(sent.timings.resolved), connected: reached(sent.timings.connected),
                secured: reached(sent.timings.secured),
                firstByte: reached(sent.timings.firstByte)),
            exchange: sent.exchange, address: address, answer: sent.answer, isExtra: isExtra, batch: batch)
    }
}
