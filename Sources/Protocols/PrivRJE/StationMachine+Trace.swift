extension PrivRJE {
    /// A line or block that went over the line, for a trace.
    package struct TraceItem: Equatable, Sendable {
        /// The request it belongs to; nil: the sign-on, our own PING, or a notice.
        package let id: RequestID?
        package let isSent: Bool
        package let isData: Bool
        /// On the line.
        package let octets: Int
        /// The line without its end, the password blanked; of data its beginning.
        package let bytes: [UInt8]
    }
}

extension PrivRJE.StationMachine {
    /// What data leaves in a trace.
    private static let mostData = 256

    /// What went over the line since this was last asked.
    package mutating func takeTrace() -> [PrivRJE.TraceItem] {
        if trace?.isEmpty != false { return [] }
        defer { trace = [] }
        return trace ?? []
    }

    mutating func note(sent line: [UInt8], of id: PrivRJE.RequestID?, shown: [UInt8]? = nil) {
        guard trace != nil else { return }
        var bytes = shown ?? line
        while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
        trace?.append(.init(id: id, isSent: true, isData: false, octets: line.count, bytes: bytes))
    }

    mutating func note(received line: [UInt8], of id: PrivRJE.RequestID?) {
        // with its CRLF
        trace?.append(.init(id: id, isSent: false, isData: false, octets: line.count + 2, bytes: line))
    }

    mutating func note(block: [UInt8], of id: PrivRJE.RequestID, isSent: Bool) {
        trace?.append(
            .init(id: id, isSent: isSent, isData: true, octets: block.count, bytes: Array(block.prefix(Self.mostData))))
    }
}
