import Jobs
import Stores
import Wire

/// Writes endpoints and deliveries as the API shows them.
enum EndpointDocument {
    /// - Parameter secret: shown once, to whom made it.
    static func bytes(_ endpoint: Endpoint, secret: String? = nil, oldSecretUntil: Timestamp? = nil) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        write(endpoint, secret: secret, oldSecretUntil: oldSecretUntil, to: &json)
        return json.bytes
    }

    static func write(
        _ endpoint: Endpoint, secret: String? = nil, oldSecretUntil: Timestamp? = nil, to json: inout JSONWriter
    ) {
        let settings = endpoint.settings
        json.beginObject()
        json.key("id")
        json.string(endpoint.id.description)
        json.key("url")
        json.string(settings.url)
        if let secret {
            json.key("secret")
            json.string(secret)
        }
        if let oldSecretUntil {
            json.key("old_secret_until")
            json.string(oldSecretUntil.rfc3339)
        }
        writeState(endpoint, to: &json)
        write(strings: settings.events, as: "events", to: &json)
        writeFilter(settings, to: &json)
        json.key("mode")
        json.string(settings.mode.rawValue)
        write(strings: settings.signatures.map(\.rawValue).sorted(), as: "signatures", to: &json)
        json.key("verification")
        json.string(settings.verification.rawValue)
        if !settings.headers.isEmpty {
            json.key("headers")
            json.beginObject()
            for header in settings.headers {
                json.key(header.name)
                json.string(EndpointFields.hidden)
            }
            json.endObject()
        }
        if let delays = settings.delays {
            json.key("schedule")
            json.beginArray()
            for delay in delays { json.int(delay.components.seconds) }
            json.endArray()
        }
        if let rate = settings.rate {
            json.key("rate")
            json.int(rate)
        }
        if let concurrency = settings.concurrency {
            json.key("concurrency")
            json.int(concurrency)
        }
        if let description = settings.description {
            json.key("description")
            json.string(description)
        }
        writeTLS(settings.tls, to: &json)
        json.key("created_at")
        json.string(endpoint.createdAt.rfc3339)
        json.key("changed_at")
        json.string(endpoint.changedAt.rfc3339)
        json.key("version")
        json.int(endpoint.version)
        let link = "/v1/webhooks/\(endpoint.id)"
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string(link)
        json.key("deliveries")
        json.string(link + "/deliveries")
        json.key("test")
        json.string(link + "/test")
        json.key("rotate")
        json.string(link + "/rotate")
        json.key("recover")
        json.string(link + "/recover")
        json.endObject()
        json.endObject()
    }

    /// Never the key.
    private static func writeTLS(_ tls: EndpointTLS, to json: inout JSONWriter) {
        guard tls != EndpointTLS() else { return }
        json.key("tls")
        json.beginObject()
        if !tls.pins.isEmpty { write(strings: tls.pins, as: "pins", to: &json) }
        if let identity = tls.identity {
            json.key("client_certificate")
            json.string(identity.certificate)
        }
        json.endObject()
    }

    private static func writeState(_ endpoint: Endpoint, to json: inout JSONWriter) {
        json.key("state")
        switch endpoint.state {
        case .pending: json.string("pending")
        case .enabled: json.string("enabled")
        case .disabled(let reason, let at):
            json.string("disabled")
            json.key("disabled_reason")
            json.string(reason.rawValue)
            json.key("disabled_at")
            json.string(at.rfc3339)
        }
        if let note = endpoint.verificationNote {
            json.key("verification_note")
            json.string(note)
        }
        if endpoint.health.failures > 0 {
            json.key("failures")
            json.int(endpoint.health.failures)
        }
        if let since = endpoint.health.failingSince {
            json.key("failing_since")
            json.string(since.rfc3339)
        }
    }

    private static func writeFilter(_ settings: Endpoint.Settings, to json: inout JSONWriter) {
        guard !settings.hosts.isEmpty || !settings.labels.isEmpty else { return }
        json.key("filter")
        json.beginObject()
        if !settings.hosts.isEmpty { write(strings: settings.hosts.map(\.description), as: "hosts", to: &json) }
        if !settings.labels.isEmpty {
            json.key("labels")
            json.beginObject()
            for label in settings.labels {
                json.key(label.key)
                json.string(label.value)
            }
            json.endObject()
        }
        json.endObject()
    }

    private static func write(strings: [String], as name: StaticString, to json: inout JSONWriter) {
        json.key(name)
        json.beginArray()
        for string in strings { json.string(string) }
        json.endArray()
    }

    /// The strong tag of the document.
    static func tag(_ endpoint: Endpoint) -> String { "\"\(endpoint.version)\"" }
}

enum DeliveryDocument {
    static func bytes(_ delivery: DeliveryRecord) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        write(delivery, to: &json)
        return json.bytes
    }

    static func write(_ delivery: DeliveryRecord, to json: inout JSONWriter) {
        json.beginObject()
        json.key("id")
        json.string("\(delivery.id.value)")
        json.key("event_id")
        json.string(delivery.eventID)
        json.key("event_type")
        json.string(delivery.eventType)
        json.key("event_at")
        json.string(delivery.eventAt.rfc3339)
        if let job = delivery.job {
            json.key("job")
            json.string(job.description)
        }
        if let endpoint = delivery.endpoint {
            json.key("endpoint")
            json.string(endpoint.description)
        }
        json.key("url")
        json.string(delivery.url)
        json.key("state")
        json.string(delivery.state.rawValue)
        if let next = delivery.nextAt, delivery.state == .pending {
            json.key("next_at")
            json.string(next.rfc3339)
        }
        json.key("attempts")
        json.beginArray()
        for attempt in delivery.attempts { write(attempt, to: &json) }
        json.endArray()
        json.key("links")
        json.beginObject()
        json.key("self")
        json.string("/v1/deliveries/\(delivery.id.value)")
        json.key("redeliver")
        json.string("/v1/deliveries/\(delivery.id.value)/redeliver")
        json.endObject()
        json.endObject()
    }

    static func write(_ attempt: DeliveryAttempt, to json: inout JSONWriter) {
        json.beginObject()
        json.key("at")
        json.string(attempt.at.rfc3339)
        json.key("result")
        json.string(attempt.result)
        if let status = attempt.status {
            json.key("status")
            json.int(status)
        }
        if let detail = attempt.detail {
            json.key("detail")
            json.string(detail)
        }
        if attempt.isExtra {
            json.key("by_hand")
            json.bool(true)
        }
        if let address = attempt.address {
            json.key("address")
            json.string(address)
        }
        json.key("duration_ms")
        json.double(milliseconds(attempt.duration))
        let timings = attempt.timings
        for (name, time) in [
            ("resolved_ms", timings.resolved), ("connected_ms", timings.connected), ("secured_ms", timings.secured),
            ("first_byte_ms", timings.firstByte),
        ] {
            guard let time else { continue }
            json.key(name)
            json.double(milliseconds(time))
        }
        write(attempt.exchange, to: &json)
        if let batch = attempt.batch {
            json.key("batch")
            json.string(batch)
        }
        if !attempt.answer.isEmpty {
            if let text = text(of: attempt.answer) {
                json.key("answer")
                json.string(text)
            } else {
                json.key("answer_base64")
                json.string(Base64.encode(attempt.answer))
            }
        }
        json.endObject()
    }

    private static func write(_ exchange: DeliveryExchange, to json: inout JSONWriter) {
        for (name, number) in [("sent_octets", exchange.sentOctets), ("received_octets", exchange.receivedOctets)] {
            guard let number else { continue }
            json.key(name)
            json.int(number)
        }
        if let version = exchange.httpVersion {
            json.key("http_version")
            json.string(version >= 20 ? "\(version / 10)" : "\(version / 10).\(version % 10)")
        }
        if let version = exchange.tlsVersion {
            json.key("tls_version")
            // 0x0301 is TLS 1.0.
            json.string("1.\(version & 0xFF - 1)")
        }
        if let result = exchange.verifyResult {
            json.key("tls_verify_result")
            json.int(result)
        }
    }

    /// A character that the limit cut in two is left out.
    private static func text(of answer: [UInt8]) -> String? {
        for cut in 0...min(3, answer.count) {
            if let text = String(validating: answer.dropLast(cut), as: UTF8.self) { return text }
        }
        return nil
    }

    /// To the microsecond.
    private static func milliseconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000) / 1000
    }
}
