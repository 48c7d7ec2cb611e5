import Glibc

/// Cuts a stream of octets into records: append what came, ask `next()` until it answers nil, `finish()` for the last.
///
/// The records are the same for any split of the input. Memory is bounded by the longest record and the piece appended.
package struct RecordSplitter: Sendable {
    package enum Form: Equatable, Sendable {
        /// Each record is followed by this octet, the last one perhaps not. With `dropsCarriageReturn` one CR before
        /// the end belongs to the end.
        case ended(by: UInt8, dropsCarriageReturn: Bool)
        /// Records of this many octets; the last may be shorter. At least 1.
        case fixed(Int)

        /// Text in `code`: LF with an optional CR in ASCII, NEL in EBCDIC.
        package static func text(_ code: CodePage) -> Form {
            .ended(by: code.recordEnd, dropsCarriageReturn: code == .ascii)
        }
    }

    /// The record that was not taken, from 1.
    package struct TooLong: Error, Equatable, Sendable {
        package let record: Int
        /// Octets allowed.
        package let limit: Int

        package init(record: Int, limit: Int) {
            self.record = record
            self.limit = limit
        }
    }

    package let form: Form
    /// Octets a record may have, its end left out.
    package let longestRecord: Int
    /// Records handed out so far.
    package private(set) var records = 0

    private var buffer: [UInt8] = []
    private var start = 0
    /// No record end lies before this index.
    private var searched = 0

    package init(_ form: Form, longestRecord: Int = .max) {
        self.form = form
        self.longestRecord = longestRecord
    }

    package mutating func append(_ octets: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: octets)
    }

    /// The next complete record without its end; nil when more input is needed.
    package mutating func next() throws(TooLong) -> [UInt8]? {
        switch form {
        case .fixed(let length):
            let length = max(1, length)
            guard buffer.count - start >= length else { return nil }
            return take(upTo: start + length, endLength: 0)
        case .ended(let end, let dropsCarriageReturn):
            guard let found = firstIndex(of: end, from: searched) else {
                searched = buffer.count
                try check(upTo: buffer.count, mayEndInCarriageReturn: dropsCarriageReturn)
                return nil
            }
            let isDropped = dropsCarriageReturn && found > start && buffer[found - 1] == 0x0D
            let recordEnd = isDropped ? found - 1 : found
            try check(upTo: recordEnd, mayEndInCarriageReturn: false)
            return take(upTo: recordEnd, endLength: found + 1 - recordEnd)
        }
    }

    /// The last record when it has no end, nil when nothing is left. Call when `next()` has answered nil.
    package mutating func finish() throws(TooLong) -> [UInt8]? {
        guard start < buffer.count else { return nil }
        try check(upTo: buffer.count, mayEndInCarriageReturn: false)
        return take(upTo: buffer.count, endLength: 0)
    }

    private func firstIndex(of octet: UInt8, from start: Int) -> Int? {
        buffer.withUnsafeBytes { octets in
            guard let base = octets.baseAddress, start < octets.count else { return nil }
            return memchr(base + start, CInt(octet), octets.count - start).map { UnsafeRawPointer($0) - base }
        }
    }

    private func check(upTo end: Int, mayEndInCarriageReturn: Bool) throws(TooLong) {
        let mayBeEnd = mayEndInCarriageReturn && end > start && buffer[end - 1] == 0x0D ? 1 : 0
        if end - start - mayBeEnd > longestRecord {
            throw TooLong(record: records + 1, limit: longestRecord)
        }
    }

    private mutating func take(upTo end: Int, endLength: Int) -> [UInt8] {
        let record = Array(buffer[start..<end])
        start = end + endLength
        searched = start
        records += 1
        return record
    }
}
