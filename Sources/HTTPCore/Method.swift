/// A request method. Case matters (RFC 9110, 9.1): `get` is not `GET`, it is unknown.
package enum Method: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case get, head, post, put, delete, patch, options, trace, connect, query

    package var text: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .connect: "CONNECT"
        case .query: "QUERY"
        }
    }

    package var description: String { text.description }

    /// Whether a body means something with it. With GET it is allowed, and discarded.
    package var takesBody: Bool { self == .post || self == .put || self == .patch || self == .delete }

    /// `nil` for a method that is unknown here.
    package init?(_ octets: borrowing Span<UInt8>) {
        let method: Method
        switch octets.count {
        case 3: method = octets[0] == UInt8(ascii: "G") ? .get : .put
        case 4: method = octets[0] == UInt8(ascii: "P") ? .post : .head
        case 5:
            switch octets[0] {
            case UInt8(ascii: "P"): method = .patch
            case UInt8(ascii: "Q"): method = .query
            default: method = .trace
            }
        case 6: method = .delete
        case 7: method = octets[0] == UInt8(ascii: "O") ? .options : .connect
        default: return nil
        }
        guard octets.isEqual(to: method.text) else { return nil }
        self = method
    }
}
