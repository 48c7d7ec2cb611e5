import Wire

/// Place in a distributed trace, by W3C Trace Context (`traceparent`, `tracestate`).
package struct TraceContext: Equatable, Sendable {
    /// 32 hexadecimal digits, lower case, not all zero; the same for all that belongs together.
    package let traceID: String
    /// 16 of them: the step that what follows was caused by.
    package let spanID: String
    /// Somebody before us keeps what he sees of this trace.
    package let isSampled: Bool
    /// `tracestate`, checked: forwarded as it came.
    package let state: String?

    init(traceID: String, spanID: String, isSampled: Bool, state: String?) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads what came in; nil for what is not valid, and then `tracestate` means nothing either.
    ///
    /// A version above 00 is read by its beginning, as the standard asks.
    package init?(parent: String, state: String? = nil) {
        let octets = Array(parent.utf8)
        func isHex(_ range: Range<Int>) -> Bool {
            octets[range].allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
        func text(_ range: Range<Int>) -> String { String(decoding: octets[range], as: UTF8.self) }
        guard octets.count >= 55, octets[2] == 0x2D, octets[35] == 0x2D, octets[52] == 0x2D,
            isHex(0..<2), isHex(3..<35), isHex(36..<52), isHex(53..<55)
        else { return nil }
        let version = text(0..<2)
        guard version != "ff", octets.count == 55 || version != "00" && octets[55] == 0x2D,
            octets[3..<35].contains(where: { $0 != 0x30 }), octets[36..<52].contains(where: { $0 != 0x30 }),
            let flags = UInt8(text(53..<55), radix: 16)
        else { return nil }
        self.init(
            traceID: text(3..<35), spanID: text(36..<52), isSampled: flags & 1 == 1,
            state: state.flatMap(Self.checked))
    }

    /// A trace of its own.
    package static func begun() -> TraceContext {
        TraceContext(
            traceID: Hex.encode(number()) + Hex.encode(number()), spanID: Hex.encode(number()), isSampled: false,
            state: nil)
    }

    /// The next step in the same trace.
    package func next() -> TraceContext {
        TraceContext(traceID: traceID, spanID: Hex.encode(Self.number()), isSampled: isSampled, state: state)
    }

    /// `traceparent`, always in version 00.
    package var parent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    /// Any but 0, which names no trace and no step.
    private static func number() -> UInt64 {
        var generator = PooledRandom()
        while true {
            let number = generator.next()
            if number != 0 { return number }
        }
    }

    // MARK: tracestate

    private static let mostMembers = 32
    /// Octets forwarded; the standard asks for 512 at least. What is longer loses its last, that is oldest, members.
    private static let longestState = 1024

    private static func checked(_ state: String) -> String? {
        let members = state.split(separator: ",", omittingEmptySubsequences: false).map(trimmed).filter { !$0.isEmpty }
        guard members.count <= mostMembers else { return nil }
        var keys: Set<Substring> = []
        var kept: [Substring] = []
        var length = -1
        for member in members {
            guard let mark = member.firstIndex(of: "="), keys.insert(member[..<mark]).inserted,
                isKey(member[..<mark]), isValue(member[member.index(after: mark)...])
            else { return nil }
            length += member.utf8.count + 1
            if length <= longestState { kept.append(member) }
        }
        return kept.isEmpty ? nil : kept.joined(separator: ",")
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }

    private static func isKey(_ key: Substring) -> Bool {
        (1...256).contains(key.utf8.count)
            && key.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || [0x5F, 0x2D, 0x2A, 0x2F, 0x40].contains($0)
            }
    }

    private static func isValue(_ value: Substring) -> Bool {
        (1...256).contains(value.utf8.count)
            && value.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x2C && $0 != 0x3D }
    }
}

/// Which request brought a job, and the trace it belongs to.
package struct Origin: Equatable, Sendable {
    /// As the answer had it in `Request-Id`.
    package let requestID: String
    package let trace: TraceContext

    package init(requestID: String, trace: TraceContext) {
        self.requestID = requestID
        self.trace = trace
    }
}
