extension PrivRJE {
    /// What came and was not read yet: lines and blocks in turn. Append, then ask `next()` until it answers nil.
    ///
    /// A block is handed out in pieces as it comes, so the buffer holds no more than what was appended last and the
    /// beginning of one line.
    package struct InputBuffer: Equatable, Sendable {
        package enum Item: Equatable, Sendable {
            /// A line without its end; its octets are not looked at.
            case line([UInt8])
            /// Octet 1,001 of a line; nothing after it can be read.
            case lineTooLong
            /// A part of the block announced by `beginBlock`, never empty, with what is still to come.
            case piece([UInt8], remaining: Int)
        }

        /// Octets taken by `next()` since the start of the session.
        package private(set) var consumed = 0
        /// Octets of the block still to come.
        package private(set) var blockRemaining = 0

        private var octets: [UInt8] = []
        private var start = 0
        /// No line end lies before this index.
        private var searched = 0
        private var isUnreadable = false

        package init() {}

        package var isEmpty: Bool { start == octets.count }

        package mutating func append(_ new: [UInt8]) {
            if start == octets.count {
                octets = new
            } else {
                octets.removeFirst(start)
                octets.append(contentsOf: new)
            }
            searched = max(0, searched - start)
            start = 0
        }

        /// The next `count` octets are a block.
        package mutating func beginBlock(_ count: Int) { blockRemaining = max(0, count) }

        package mutating func next() -> Item? {
            guard !isUnreadable, start < octets.count else { return nil }
            return blockRemaining > 0 ? nextPiece() : nextLine()
        }

        /// The first octets not taken yet, for an excerpt in a log.
        package func peek(_ count: Int) -> ArraySlice<UInt8> { octets[start...].prefix(count) }

        private mutating func nextPiece() -> Item {
            let count = min(blockRemaining, octets.count - start)
            // the usual case of a large block: all that came belongs to it
            let piece = start == 0 && count == octets.count ? octets : Array(octets[start..<start + count])
            blockRemaining -= count
            advance(to: start + count)
            return .piece(piece, remaining: blockRemaining)
        }

        private mutating func nextLine() -> Item? {
            let limit = min(octets.count, start + PrivRJE.longestLine + 2)
            var end = max(start, searched)
            while end < limit && octets[end] != 0x0A { end += 1 }
            searched = end
            let isComplete = end < limit
            var length = end - start
            // one CR may still turn out to be part of the line's end
            if length > 0 && octets[end - 1] == 0x0D && (isComplete || end == octets.count) { length -= 1 }
            guard length <= PrivRJE.longestLine else {
                isUnreadable = true
                return .lineTooLong
            }
            guard isComplete else { return nil }
            let line = Array(octets[start..<start + length])
            advance(to: end + 1)
            return .line(line)
        }

        private mutating func advance(to index: Int) {
            consumed += index - start
            start = index
            searched = index
            if start == octets.count {
                octets.removeAll(keepingCapacity: octets.count <= 65_536)
                start = 0
                searched = 0
            }
        }
    }
}
