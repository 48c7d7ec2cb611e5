package import Jobs
package import Stores
import Wire

/// The abuse-protection handshake of CloudEvents web hooks: the receiver consents by a header, never by a status.
package enum Handshake {
    /// - Parameters:
    ///   - origin: our DNS name.
    ///   - rate: deliveries a minute that we would like, if the endpoint has a limit.
    ///   - callback: where it may consent later, if there is such a place.
    package static func headers(origin: String, rate: Int?, callback: String? = nil) -> [SendHeader] {
        [
            SendHeader("webhook-request-origin", origin),
            rate.flatMap { SendHeader("webhook-request-rate", String($0)) },
            callback.flatMap { SendHeader("webhook-request-callback", $0) },
        ].compactMap { $0 }
    }

    package enum Consent: Equatable, Sendable {
        /// `rate`: what the receiver allows a minute; nil: anything.
        case given(rate: Int?)
        case missing(String)
    }

    /// - Parameters:
    ///   - allowedOrigin, allowedRate: headers of the answer.
    ///   - askedRate: what was asked for: then a rate must be there.
    package static func consent(
        allowedOrigin: String?, allowedRate: String?, origin: String, askedRate: Int?
    ) -> Consent {
        guard let allowedOrigin else {
            return .missing("The answer to OPTIONS has no WebHook-Allowed-Origin.")
        }
        guard allowedOrigin == "*" || allowedOrigin.lowercased() == origin.lowercased() else {
            return .missing("WebHook-Allowed-Origin names another origin than \(origin).")
        }
        if allowedRate == nil, askedRate != nil {
            return .missing("The answer to OPTIONS has no WebHook-Allowed-Rate.")
        }
        return consent(allowedRate: allowedRate)
    }

    /// A consent that has no other condition: of a callback, where no rate means the one that was asked for.
    package static func consent(allowedRate: String?) -> Consent {
        guard let allowedRate, allowedRate != "*" else { return .given(rate: nil) }
        guard allowedRate.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let rate = Int(allowedRate), rate > 0 else {
            return .missing("WebHook-Allowed-Rate is neither a number nor *.")
        }
        return .given(rate: rate)
    }
}

/// A signed `webhook.test` with a random value that must come back in the answer's body: who answers has read it.
package enum Challenge {
    package static func newValue() -> String {
        Base64.encode((0..<24).map { _ in UInt8.random(in: .min ... .max) }, .url)
    }

    package static func isMet(value: String, status: Int?, answer: [UInt8]) -> Bool {
        guard let status, (200...299).contains(status) else { return false }
        return String(decoding: answer, as: UTF8.self).contains(value)
    }
}

/// `webhook.test`: sent on request, in no list of events, stored nowhere.
package enum TestEvent {
    package static func make(endpoint: EndpointID?, challenge: String? = nil, at time: Timestamp) -> Event {
        Event(
            sequence: 0, id: "evt_\(JobID(at: time))", type: "webhook.test", job: nil, at: time,
            body: body(endpoint: endpoint, challenge: challenge, at: time))
    }

    static func body(endpoint: EndpointID?, challenge: String?, at time: Timestamp) -> [UInt8] {
        var json = JSONWriter(capacity: 192)
        json.beginObject()
        json.key("type")
        json.string("webhook.test")
        json.key("timestamp")
        json.string(time.rfc3339)
        json.key("data")
        json.beginObject()
        if let endpoint {
            json.key("id")
            json.string(endpoint.description)
        }
        if let challenge {
            json.key("challenge")
            json.string(challenge)
        }
        json.endObject()
        json.endObject()
        return json.bytes
    }
}

/// How often an endpoint that has not agreed is asked: once a minute at first, and not for ever.
package enum VerificationPace {
    package static let shortest: Duration = .seconds(60)
    package static let longest: Duration = .seconds(3600)
    /// After this it is disabled (`unverified`).
    package static let patience: Duration = .seconds(3 * 86_400)

    /// - Parameter age: since it became pending.
    /// - Returns: nil when it is asked no more.
    package static func wait(afterAskingAt age: Duration) -> Duration? {
        guard age < patience else { return nil }
        return age < .seconds(3600) ? shortest : longest
    }
}
