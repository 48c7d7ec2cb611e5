import Jobs
import Lines
import Logging
import Stores

extension DeliveryRunner {
    func takeNext() -> Entry? {
        let now = clock.now()
        return state.withLock { state in
            guard !state.isStopping, state.results.count + state.recording < settings.mostUnrecorded,
                let queued = state.queue.next(at: now)
            else { return nil }
            return state.entries[queued.id]
        }
    }

    func deliver(_ entry: Entry) async {
        let began = clock.now()
        let delivery = entry.delivery
        let (sent, address) = await attempt(entry, at: began)
        let ended = clock.now()
        let verdict = Verdict(status: sent.status, failure: sent.failure)
        let attempts = delivery.attempts + 1
        let isHungry = state.withLock { state in
            let succeeded: Bool? = verdict.action == .delivered ? true : verdict.countsAsFailure ? false : nil
            state.forget(
                state.queue.ended(entry.queued, succeeded: delivery.isExtra ? nil : succeeded, at: ended))
            state.entries[delivery.id] = nil
            if sent.failure == .stopped, sent.status == nil {
                // No try: it stays as it is in the store.
                state.held.remove(delivery.id)
                return state.queue.isHungry
            }
            let next = next(of: delivery, verdict, sent, attempts: attempts, at: ended, using: &state.generator)
            if next == .dead, !delivery.isExtra { state.metrics.dead += 1 }
            state.metrics.attempts[verdict.result, default: 0] += 1
            state.results.append(
                DeliveryResult(
                    delivery: delivery.id,
                    attempt: DeliveryAttempt(
                        sent, result: verdict.result, at: began, until: ended, address: address,
                        isExtra: delivery.isExtra),
                    next: next, disables: verdict.disables == .gone ? .gone : nil))
            if verdict.disables != nil {
                state.ending.insert(delivery.endpoint)
                state.forget(state.queue.evict(entry.queued.endpoint, at: ended))
            }
            return state.queue.isHungry
        }
        recordWanted.raise()
        dispatchWanted.raise()
        if isHungry { fetchWanted.raise() }
        if verdict.action != .delivered { log(verdict, entry, attempts: attempts) }
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

    private func attempt(_ entry: Entry, at now: Timestamp) async -> (SendResult, address: String?) {
        switch entry.url {
        case .success(let url):
            return await post(
                entry.delivery.event, to: url, target: entry.delivery.target, endpoint: entry.delivery.endpoint,
                owner: entry.delivery.owner, turn: entry.delivery.attempts, trace: entry.delivery.trace, at: now)
        case .failure(let refusal): return (SendResult(refusal), nil)
        }
    }

    /// One signed POST.
    /// - Parameter turn: one address a try; the next try takes the next.
    func post(
        _ event: Event, to url: WebhookURL, target: DeliveryTarget, endpoint: Int64, owner: Owner, turn: Int,
        trace: TraceContext? = nil, at now: Timestamp
    ) async -> (SendResult, address: String?) {
        let message = EventMessage(event, owner: owner, mode: target.mode)
        let seconds = now.microseconds / 1_000_000
        let signatures = signatory.signer(for: target, endpoint: endpoint, at: now)
            .signatures(id: event.id, timestamp: seconds, body: message.body)
        var headers = message.headers
        headers += [
            SendHeader("webhook-id", event.id), SendHeader("webhook-timestamp", String(seconds)),
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
        do throws(SendFailure) {
            addresses = try await guarding.addresses(of: url)
        } catch {
            return (SendResult(failure: error), nil)
        }
        let address = addresses[turn % addresses.count]
        let request = SendRequest(method, url: url, address: address, headers: headers, body: body, tls: tls)
        let result =
            if let exchange = settings.exchange { await exchange(request) } else { await sender.send(request) }
        return (result, result.failure == .blockedAddress ? nil : address.description)
    }

    private func log(_ verdict: Verdict, _ entry: Entry, attempts: Int) {
        let metadata: Logger.Metadata = [
            "delivery": "\(entry.delivery.id.value)", "event": "\(entry.delivery.event.id)",
            "result": "\(verdict.result)", "attempts": "\(attempts)",
            "endpoint": "\(entry.delivery.target.endpoint?.description ?? "-")",
        ]
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
        isExtra: Bool = false
    ) {
        func reached(_ time: Duration) -> Duration? { time > .zero ? time : nil }
        var detail = sent.detail
        if let location = sent.location, let status = sent.status, (300...399).contains(status) {
            detail = (detail.map { $0 + " " } ?? "") + "Location: \(location.prefix(512))"
        }
        self.init(
            at: began, status: sent.status, result: result, detail: detail, duration: began.duration(to: ended),
            timings: Timings(
                connected: reached(sent.timings.connected), secured: reached(sent.timings.secured),
                firstByte: reached(sent.timings.firstByte)),
            address: address, answer: sent.answer, isExtra: isExtra)
    }
}
