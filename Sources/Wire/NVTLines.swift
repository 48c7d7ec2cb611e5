/// Cuts the text of a network virtual terminal into lines: append what came, ask `next()` until it answers nil.
///
/// A line ends at CR LF. A CR or LF that is not part of that pair is dropped, and so is NUL (CR NUL is a lone CR). Other
/// control characters are left in the line; what they mean is the protocol's. Memory is bounded by the longest line and
/// the piece appended.
package struct NVTLines: Equatable, Sendable {
    package enum Item: Equatable, Sendable {
        /// Without its end.
        case line([UInt8])
        /// A line of more octets than the limit; it was dropped up to its end.
        case tooLong
    }

    /// Octets of a line, its end left out.
    package let longest: Int
    /// For peers and people that end lines so.
    package let endsAtLineFeed: Bool

    private var input: [UInt8] = []
    private var at = 0
    private var line: [UInt8] = []
    private var isTooLong = false
    private var holdsCarriageReturn = false

    package init(longest: Int, endsAtLineFeed: Bool = false) {
        self.longest = max(0, longest)
        self.endsAtLineFeed = endsAtLineFeed
    }

    /// Whether a line has begun that has no end yet. Asked when `next()` has answered nil.
    package var hasPartialLine: Bool { !line.isEmpty || isTooLong }

    package mutating func append(_ text: [UInt8]) {
        if at == input.count {
            input = text
        } else {
            input.removeFirst(at)
            input.append(contentsOf: text)
        }
        at = 0
    }

    package mutating func next() -> Item? {
        while at < input.count {
            let octet = input[at]
            at += 1
            let isEnd = octet == 0x0A && (holdsCarriageReturn || endsAtLineFeed)
            holdsCarriageReturn = octet == 0x0D
            if isEnd { return takeLine() }
            if octet == 0x00 || octet == 0x0A || octet == 0x0D { continue }
            if line.count < longest { line.append(octet) } else { isTooLong = true }
        }
        input = []
        at = 0
        return nil
    }

    private mutating func takeLine() -> Item {
        defer {
            line = []
            isTooLong = false
        }
        return isTooLong ? .tooLong : .line(line)
    }
}
