extension RFC407 {
    /// A line of the control connection, for a trace.
    package struct TraceItem: Equatable, Sendable {
        /// The request it belongs to; nil: the log-on, or news of nobody's request.
        package let id: StationMachine.RequestID?
        package let isSent: Bool
        /// On the line.
        package let octets: Int
        /// Without its end, passwords blanked.
        package let bytes: [UInt8]
    }
}

extension RFC407.StationMachine {
    /// What went over the line since this was last asked.
    package mutating func takeTrace() -> [RFC407.TraceItem] {
        if trace?.isEmpty != false { return [] }
        defer { trace = [] }
        return trace ?? []
    }

    mutating func note(sent command: RFC407.Command, octets: Int) {
        guard trace != nil else { return }
        let shown =
            switch command {
            case .pass: "PASS=***"
            case .inPass: "INPASS=***"
            case .outPass: "OUTPASS=***"
            default: command.text
            }
        let id = phase == .ready ? open?.id : nil
        trace?.append(.init(id: id, isSent: true, octets: octets, bytes: RFC407.octets(shown)))
    }

    /// Told unasked, perhaps of somebody else's job.
    private static func isNews(_ line: [UInt8]) -> Bool {
        guard let code = Int(String(decoding: line.prefix(3), as: UTF8.self)) else { return false }
        switch code {
        case 0..<100, 261, 300, 301, 434...436, 443...445, 462, 463, 466, 507...512: return true
        default: return false
        }
    }

    mutating func note(received line: [UInt8]) {
        guard trace != nil else { return }
        var id = open?.id ?? input?.id
        if case .answer(let gathering)? = text?.use { id = id ?? gathering }
        if Self.isNews(line) { id = nil }
        trace?.append(.init(id: id, isSent: false, octets: line.count + 2, bytes: line))
    }
}
