package import Lines
import Synchronization

/// A request as its handler sees it: checked, immutable, its body apart.
package final class Request: Sendable {
    package let head: RequestHead
    /// The route's, so GET also when HEAD was asked; `head.method` has what was sent.
    package let route: Route
    private let parameterValues: [String]
    /// The client's address, as far as configured proxies before us tell it; nil: it came by a socket of the file system.
    package let peer: SocketAddress?
    /// Between the client and us, or the first of our proxies.
    package let isTLS: Bool
    /// Who the client is by its certificate, where the listener asks for one.
    package let tlsPeer: TLSPeer?
    private let number: UInt64
    private let added = Mutex(Fields())

    init(
        head: RequestHead, route: Route, parameters: [String], peer: SocketAddress?, isTLS: Bool,
        tlsPeer: TLSPeer?, number: UInt64
    ) {
        self.head = head
        self.route = route
        self.parameterValues = parameters
        self.peer = peer
        self.isTLS = isTLS
        self.tlsPeer = tlsPeer
        self.number = number
    }

    /// Has the answer carry a field, whatever it becomes, unless it has that field itself.
    package func answers(with name: String, _ value: String) { added.withLock { $0[name] = value } }

    /// What `answers` was told.
    package var answerFields: Fields { added.withLock { $0 } }

    func completed(_ response: Response) -> Response {
        let added = answerFields
        guard !added.items.isEmpty else { return response }
        var response = response
        for field in added.items where response.fields[field.name] == nil {
            response.fields.add(field.name, field.value)
        }
        return response
    }

    package var method: Method { head.method ?? .get }
    package var path: String { PercentCoding.text(head.path) ?? head.path.text }

    /// A path parameter, decoded.
    package func parameter(_ name: String) -> String? {
        zip(route.parameterNames, parameterValues).first { $0.0 == name }?.1
    }

    /// The query, parsed anew by every call; its encoding was checked by the parser, so nothing is lost here.
    package var query: Parameters {
        head.query.flatMap { Parameters(query: $0) } ?? Parameters()
    }

    /// All values of a field, joined with commas.
    ///
    /// - Parameter name: in lower case.
    package subscript(_ name: StaticString) -> String? { head[name] }

    /// The media type of the body in lower case, without parameters.
    package var contentType: String? { self["content-type"].map(MediaType.essence) }

    /// The client's `X-Request-ID` if it is usable, else ours; the answer has it as `Request-Id`.
    package var id: String { RequestID.text(head, number) }

    package var accept: Accept { Accept(self["accept"]) }
    package func byteRange(length: Int, tag: EntityTag? = nil, lastModified: Int64? = nil) -> ByteRange {
        ByteRange(head, length: length, tag: tag, lastModified: lastModified)
    }
    package func conditions(tag: EntityTag?, lastModified: Int64? = nil) -> Conditions.Verdict {
        Conditions.evaluate(head, tag: tag, lastModified: lastModified)
    }
    package var preferences: Preferences { Preferences(self["prefer"]) }

    /// Accepts text but neither JSON nor everything: problems go out as one line.
    package var wantsPlainErrors: Bool { Accept.wantsPlainErrors(head) }
}

enum RequestID {
    static func isUsable(_ value: ArraySlice<UInt8>) -> Bool {
        (1...64).contains(value.count)
            && value.allSatisfy { octet in
                Octet.isAlpha(octet) || Octet.isDigit(octet) || octet == UInt8(ascii: ".")
                    || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "-")
            }
    }

    /// So that numbers of two runs of the server are not taken for each other.
    private static let run = UInt32.random(in: .min ... .max)

    static func text(_ head: RequestHead?, _ number: UInt64) -> String {
        if let given = head?.value("x-request-id"), isUsable(given) { return given.text }
        return generated(number).text
    }

    static func generated(_ number: UInt64) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(20)
        append(UInt64(run), digits: 8, to: &text)
        text.append(UInt8(ascii: "-"))
        append(number, digits: 10, to: &text)
        return text
    }

    private static func append(_ number: UInt64, digits: Int, to text: inout [UInt8]) {
        var shift = UInt64(digits * 4)
        while shift > 0 {
            shift -= 4
            let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
            text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }
}
