package import Jobs
package import Stores
import Wire

/// What one call carries: an event, as CloudEvents 1.0 or in the plain form of Standard Webhooks, or a batch of them.
///
/// In all modes the data is the body that the store holds, so that `data` and hashes are found in the same place; in binary mode
/// the octets are the same as well. The signature is over what is sent.
package struct EventMessage: Equatable, Sendable {
    /// `webhook-id`: the event's; of a batch one that follows from the events in it, so that the same batch has the same.
    package let id: String
    package let headers: [SendHeader]
    package let body: [UInt8]

    /// Before our types, as CloudEvents asks for a reverse-DNS name.
    package static let typePrefix = "org.port77."

    /// - Parameters:
    ///   - event: the only one, or the first of a batch.
    ///   - more: of the batch; no other mode has any.
    ///   - trace: of the job, for the header that CloudEvents has for it. Not in a body, which stays the same when the job is
    ///     no longer kept.
    package init(
        _ event: Event, and more: [Event] = [], owner: Owner, mode: Endpoint.Mode, trace: TraceContext? = nil
    ) {
        let kind: String
        var attributes: [(String, String)] = []
        switch mode {
        case .standard:
            kind = "application/json"
            body = event.body
        case .cloudEventsBinary:
            kind = "application/json"
            attributes = [
                ("ce-specversion", "1.0"), ("ce-id", event.id), ("ce-source", Self.source(owner)),
                ("ce-type", Self.typePrefix + event.type), ("ce-time", event.at.rfc3339),
            ]
            if let job = event.job { attributes.append(("ce-subject", job.description)) }
            if let trace { attributes.append(("ce-traceparent", trace.parent)) }
            if let state = trace?.state { attributes.append(("ce-tracestate", state)) }
            body = event.body
        case .cloudEventsStructured:
            kind = "application/cloudevents+json; charset=utf-8"
            body = Self.structured(event, owner)
        case .cloudEventsBatch:
            kind = "application/cloudevents-batch+json; charset=utf-8"
            let events = ([event] + more).map { Self.structured($0, owner) }
            body = [0x5B] + Array(events.joined(separator: [0x2C])) + [0x5D]
        }
        id = mode == .cloudEventsBatch ? Self.batchID([event] + more) : event.id
        headers = ([("content-type", kind)] + attributes.map { ($0.0, Self.encoded($0.1)) })
            .compactMap { SendHeader($0.0, $0.1) }
    }

    private static func source(_ owner: Owner) -> String { "/v1/owners/\(owner)" }

    private static func batchID(_ events: [Event]) -> String {
        let hash = ContentHash(of: Array(events.map(\.id).joined(separator: "\n").utf8))
        return "batch_\(JobID(bits: hash.octets.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }))"
    }

    private static func structured(_ event: Event, _ owner: Owner) -> [UInt8] {
        var json = JSONWriter(capacity: event.body.count + 256)
        json.beginObject()
        json.key("specversion")
        json.string("1.0")
        json.key("id")
        json.string(event.id)
        json.key("source")
        json.string(source(owner))
        json.key("type")
        json.string(typePrefix + event.type)
        json.key("time")
        json.string(event.at.rfc3339)
        if let job = event.job {
            json.key("subject")
            json.string(job.description)
        }
        json.key("datacontenttype")
        json.string("application/json")
        json.endObject()
        // The body is JSON already.
        return json.bytes.dropLast() + Array(#","data":"#.utf8) + event.body + [0x7D]
    }

    /// A `ce-` header's value: space, `"`, `%` and all outside U+0021-U+007E in percent form, octet by octet of UTF-8.
    package static func encoded(_ text: String) -> String {
        var octets: [UInt8] = []
        for octet in text.utf8 {
            if (0x21...0x7E).contains(octet), octet != 0x22, octet != 0x25 {
                octets.append(octet)
            } else {
                octets.append(0x25)
                octets += [upperCaseDigits[Int(octet >> 4)], upperCaseDigits[Int(octet & 15)]]
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}

private let upperCaseDigits = Array("0123456789ABCDEF".utf8)

/// How much one call of batch mode carries. A call never waits for more events to come: what lies there goes with it.
package enum BatchRule {
    package static let mostEvents = 100
    /// Of the events' bodies.
    package static let mostOctets = 262_144

    /// A receiver that refuses one event of a batch refuses the batch: each try takes fewer, until it is asked for each alone.
    /// - Parameter attempts: tries so far.
    package static func mostEvents(afterAttempts attempts: Int) -> Int {
        switch attempts {
        case 0: mostEvents
        case 1: 10
        default: 1
        }
    }
}
