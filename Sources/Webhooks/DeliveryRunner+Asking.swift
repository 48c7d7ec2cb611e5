package import Jobs
import Lines
import Logging
package import Stores

extension DeliveryRunner {
    /// Sends a signed `webhook.test` at once, whatever the state of the endpoint, and returns what came of it. Nothing is stored.
    package func test(_ target: DeliveryTarget, url: String, owner: Owner) async -> DeliveryAttempt {
        let now = clock.now()
        return await send(TestEvent.make(endpoint: target.endpoint, at: now), target, url, owner, at: now)
    }

    private func send(
        _ event: Event, _ target: DeliveryTarget, _ text: String, _ owner: Owner, at began: Timestamp
    ) async -> DeliveryAttempt {
        let sent: SendResult
        var address: String?
        do throws(RefusedURL) {
            let url = try guarding.check(url: text)
            let message = EventMessage(event, owner: owner, mode: target.mode)
            (sent, address) = await post(message, to: url, target: target, endpoint: 0, turn: 0, at: began)
        } catch {
            sent = SendResult(error)
        }
        let verdict = Verdict(status: sent.status, failure: sent.failure)
        return DeliveryAttempt(
            sent, result: verdict.result, at: began, until: clock.now(), address: address, isExtra: true)
    }

    // MARK: agreement

    /// Asks endpoints that must agree, each at its pace, some at a time.
    func askWhileRunning() async {
        guard let endpoints else { return }
        var nextAsk: [EndpointID: Timestamp] = [:]
        var timer: LoopTimer?
        while true {
            await askWanted.wait()
            timer?.cancel()
            if state.withLock({ $0.isStopping }) { return }
            let now = clock.now()
            var wait: Duration = .seconds(60)
            do throws(StoreError) {
                let pending = try await endpoints.unverifiedEndpoints(limit: Self.mostAsked)
                nextAsk = nextAsk.filter { entry in pending.contains { $0.id == entry.key } }
                let due = pending.filter { now >= nextAsk[$0.id] ?? now }
                for endpoint in due {
                    nextAsk[endpoint.id] = now.advanced(by: VerificationPace.shortest)
                    if let pace = VerificationPace.wait(afterAskingAt: endpoint.changedAt.duration(to: now)) {
                        nextAsk[endpoint.id] = now.advanced(by: pace)
                    }
                }
                await withDiscardingTaskGroup { group in
                    for endpoint in due { group.addTask { await self.ask(endpoint, endpoints) } }
                }
                if let next = nextAsk.values.min() {
                    wait = min(wait, max(clock.now().duration(to: next), .seconds(1)))
                }
            } catch {
                logger.error("unverified endpoints cannot be read", metadata: ["error": "\(error)"])
            }
            timer = sender.schedule(after: wait) { [askWanted] in askWanted.raise() }
        }
    }

    /// Endpoints asked in one round.
    private static let mostAsked = 64

    private func ask(_ endpoint: Endpoint, _ endpoints: any EndpointStore) async {
        let began = clock.now()
        do throws(StoreError) {
            guard let target = try await endpoints.target(of: endpoint.id, owner: nil) else { return }
            let (consent, note) = await consent(of: endpoint, target, at: began)
            if state.withLock({ $0.isStopping }), consent == nil { return }
            let age = endpoint.changedAt.duration(to: began)
            let outcome: VerificationOutcome =
                consent != nil ? .agreed : VerificationPace.wait(afterAskingAt: age) == nil ? .refused : .notYet
            try await endpoints.recordVerification(
                endpoint.id, url: endpoint.settings.url, outcome, rate: consent ?? nil, note: note, at: clock.now())
            if outcome != .notYet { wake() }
        } catch {
            logger.error(
                "an endpoint's agreement cannot be recorded",
                metadata: ["endpoint": "\(endpoint.id)", "error": "\(error)"])
        }
    }

    /// - Returns: nil unless the receiver agrees; inside it the rate it allows, if it names one.
    private func consent(of endpoint: Endpoint, _ target: DeliveryTarget, at now: Timestamp) async -> (Int??, String) {
        switch endpoint.settings.verification {
        case .none: return (.some(nil), "No agreement is asked for.")
        case .challenge:
            let value = Challenge.newValue()
            let event = TestEvent.make(endpoint: endpoint.id, challenge: value, at: now)
            let attempt = await send(event, target, endpoint.settings.url, endpoint.owner, at: now)
            if Challenge.isMet(value: value, status: attempt.status, answer: attempt.answer) {
                return (.some(nil), "The challenge came back.")
            }
            return (nil, attempt.detail ?? "The answer (\(attempt.status ?? 0)) did not hold the challenge.")
        case .handshake:
            let sent: SendResult
            do throws(RefusedURL) {
                let url = try guarding.check(url: endpoint.settings.url)
                let headers = Handshake.headers(
                    origin: settings.origin, rate: endpoint.settings.rate, callback: callback(for: endpoint))
                (sent, _) = await exchange(
                    .options, url, headers: headers, body: [], turn: 0, tls: endpoint.settings.tls)
            } catch {
                sent = SendResult(error)
            }
            if let failure = sent.failure, sent.status == nil { return (nil, sent.detail ?? failure.words) }
            switch Handshake.consent(
                allowedOrigin: sent.allowedOrigin, allowedRate: sent.allowedRate, origin: settings.origin,
                askedRate: endpoint.settings.rate)
            {
            case .given(let rate): return (.some(rate), "The receiver gave its consent.")
            case .missing(let words): return (nil, words)
            }
        }
    }
}
