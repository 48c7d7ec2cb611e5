package import Jobs
package import Stores
import Wire

/// An event as it travels: CloudEvents 1.0 or the plain form of Standard Webhooks.
///
/// In all modes the data is the body that the store holds, so that `data` and hashes are found in the same place; in binary mode
/// the octets are the same as well. The signature is over what is sent.
package struct EventMessage: Equatable, Sendable {
    package let headers: [SendHeader]
    package let body: [UInt8]

    /// Before our types, as CloudEvents asks for a reverse-DNS name.
    package static let typePrefix = "org.port77."

    package init(_ event: Event, owner: Owner, mode: Endpoint.Mode) {
        let source = "/v1/owners/\(owner)"
        let type = Self.typePrefix + event.type
        switch mode {
        case .standard:
            headers = Self.headers([("content-type", "application/json")])
            body = event.body
        case .cloudEventsBinary:
            var attributes = [
                ("content-type", "application/json"), ("ce-specversion", "1.0"), ("ce-id", event.id),
                ("ce-source", source), ("ce-type", type), ("ce-time", event.at.rfc3339),
            ]
            if let job = event.job { attributes.append(("ce-subject", job.description)) }
            headers = Self.headers(attributes.map { ($0.0, $0.0 == "content-type" ? $0.1 : Self.encoded($0.1)) })
            body = event.body
        case .cloudEventsStructured:
            headers = Self.headers([("content-type", "application/cloudevents+json; charset=utf-8")])
            var json = JSONWriter(capacity: event.body.count + 256)
            json.beginObject()
            json.key("specversion")
            json.string("1.0")
            json.key("id")
            json.string(event.id)
            json.key("source")
            json.string(source)
            json.key("type")
            json.string(type)
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
            body = json.bytes.dropLast() + Array(#","data":"#.utf8) + event.body + [0x7D]
        }
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

    private static func headers(_ pairs: [(String, String)]) -> [SendHeader] {
        pairs.compactMap { SendHeader($0.0, $0.1) }
    }
}

private let upperCaseDigits = Array("0123456789ABCDEF".utf8)
