/// Reads the statements of a deck that Port77 itself must know: the job card, and where in-stream data begins and ends.
///
/// Source: z/OS MVS JCL Reference, "Format of statements": `//` in columns 1-2, a name from column 3, an operation
/// after at least one blank. Only columns 1-71 hold statement text.
package struct JobCardReader: Equatable, Sendable {
    package enum Card: Equatable, Sendable {
        case job(name: String)
        /// `//` and something else, `/*`, `//*`.
        case statement
        /// In-stream data.
        case data

        package var isJob: Bool {
            if case .job = self { return true }
            return false
        }
    }

    /// What ends the in-stream data that is being read.
    private enum InStream: Equatable, Sendable {
        /// `DD *`: any `//` or `/*` card.
        case star
        /// `DD DATA`: a `/*` card.
        case data
        /// `DLM=xx`: that card only.
        case delimiter([UInt8])
    }

    private var inStream: InStream?

    package init() {}

    /// The next card is data of a DD statement, unless it ends them.
    package var isInStream: Bool { inStream != nil }

    /// Only a card that says so ends the data: the end of the deck does not.
    var needsDelimiter: Bool { inStream.map { $0 != .star } ?? false }

    /// Classifies the next card.
    /// - Parameter card: one record without its end, in ASCII or UTF-8. A tab counts as a blank: what the card says is clear all the same.
    package mutating func read(_ card: some Collection<UInt8>) -> Card {
        var octets = card.makeIterator()
        let isSlash = octets.next() == 0x2F
        let second = octets.next()
        let isStatement = isSlash && second == 0x2F
        let isMark = isSlash && second == 0x2A
        switch inStream {
        case .star:
            guard isStatement || isMark else { return .data }
            inStream = nil
        case .data:
            guard isMark else { return .data }
            inStream = nil
        case .delimiter(let mark):
            guard card.starts(with: mark) else { return .data }
            inStream = nil
            return .statement
        case nil: break
        }
        // Most cards are told by their first octets: the rest of them is not looked at.
        guard isStatement else { return isMark ? .statement : .data }
        if octets.next() == 0x2A { return .statement }
        let text = card.prefix(71).map { $0 == 0x09 ? 0x20 : $0 }
        let fields = text.dropFirst(2).split(separator: 0x20, omittingEmptySubsequences: false)
        guard let name = fields.first else { return .statement }
        let rest = fields.dropFirst().drop { $0.isEmpty }
        guard let operation = rest.first else { return .statement }
        if operation.elementsEqual("JOB".utf8) { return .job(name: String(decoding: name, as: UTF8.self)) }
        if operation.elementsEqual("DD".utf8), let operands = rest.dropFirst().drop(while: { $0.isEmpty }).first {
            inStream = Self.inStream(of: operands)
        }
        return .statement
    }

    private static func inStream(of operands: ArraySlice<UInt8>) -> InStream? {
        let parts = operands.split(separator: 0x2C)
        guard let first = parts.first else { return nil }
        let isStar = first.elementsEqual("*".utf8)
        guard isStar || first.elementsEqual("DATA".utf8) else { return nil }
        for part in parts.dropFirst() where part.starts(with: Array("DLM=".utf8)) {
            let mark = part.dropFirst(4).filter { $0 != 0x27 }
            if mark.count == 2 { return .delimiter(mark) }
        }
        return isStar ? .star : .data
    }
}
