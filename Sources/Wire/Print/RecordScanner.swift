/// What takes the records of a scanner.
protocol RecordTaking {
    /// A part of a record, never empty.
    mutating func take(_ part: Span<UInt8>, isFirst: Bool)
    /// - Parameters:
    ///   - isEmpty: the record had no octet at all.
    ///   - place: octets of the stream before the next record.
    mutating func endRecord(isEmpty: Bool, at place: Int)
}

/// Cuts a stream into records of any length without holding one of them: the same for any split of the input.
struct RecordScanner: Sendable {
    let form: RecordSplitter.Form
    /// Octets of the current record so far.
    private var length = 0
    private(set) var isInRecord = false
    /// A CR of input whose meaning (text, or part of the record's end) the next octet tells.
    private var holdsCarriageReturn = false
    /// Octets of the stream before the piece that is scanned.
    private var scanned = 0

    init(_ form: RecordSplitter.Form) { self.form = form }

    mutating func scan(_ octets: Span<UInt8>, into taker: inout some RecordTaking) {
        defer { scanned += octets.count }
        switch form {
        case .fixed(let given): scanFixed(octets, max(1, given), &taker)
        case .ended(let mark, let drops):
            var at = 0
            while at < octets.count { at = scanText(octets, from: at, mark, drops, &taker) }
        }
    }

    /// Call once, after the last octet.
    mutating func finish(into taker: inout some RecordTaking) {
        if holdsCarriageReturn { takeHeldCarriageReturn(&taker) }
        if isInRecord { end(0, &taker) }
    }

    /// - Parameter place: of the next record, in the piece.
    private mutating func end(_ place: Int, _ taker: inout some RecordTaking) {
        taker.endRecord(isEmpty: !isInRecord, at: scanned + place)
        isInRecord = false
        length = 0
    }

    private mutating func scanFixed(_ octets: Span<UInt8>, _ whole: Int, _ taker: inout some RecordTaking) {
        var at = 0
        while at < octets.count {
            let next = at + min(whole - length, octets.count - at)
            taker.take(octets.extracting(at..<next), isFirst: !isInRecord)
            isInRecord = true
            length += next - at
            at = next
            if length == whole { end(at, &taker) }
        }
    }

    private mutating func scanText(
        _ octets: Span<UInt8>, from start: Int, _ mark: UInt8, _ drops: Bool, _ taker: inout some RecordTaking
    ) -> Int {
        if octets[start] == mark {
            holdsCarriageReturn = false
            end(start + 1, &taker)
            return start + 1
        }
        if holdsCarriageReturn { takeHeldCarriageReturn(&taker) }
        if drops && octets[start] == 0x0D {
            holdsCarriageReturn = true
            return start + 1
        }
        let next = octets.firstIndex(of: mark, or: drops ? 0x0D : mark, from: start + 1) ?? octets.count
        taker.take(octets.extracting(start..<next), isFirst: !isInRecord)
        isInRecord = true
        return next
    }

    private mutating func takeHeldCarriageReturn(_ taker: inout some RecordTaking) {
        holdsCarriageReturn = false
        let carriageReturn: [UInt8] = [0x0D]
        taker.take(carriageReturn.span, isFirst: !isInRecord)
        isInRecord = true
    }
}

/// One record as programs read it.
package struct PrintRecord: Equatable, Sendable {
    /// At most the reader's limit of them.
    package var octets: [UInt8] = []
    /// Of the record as it is stored, its end left out.
    package var length = 0
    /// Octets of the stream before the next record.
    package var end = 0

    package init() {}
    package var isCut: Bool { octets.count < length }
}

/// Hands out records with flat memory: of a longer one the first `limit` octets and how many there were.
package struct RecordReader: Sendable {
    /// Longer than any record of the hosts (MVS: 32,760 octets).
    package static let usualLimit = 32 * 1024

    private struct Taker: RecordTaking, Sendable {
        let limit: Int
        var current = PrintRecord()
        var done: [PrintRecord] = []

        mutating func take(_ part: Span<UInt8>, isFirst: Bool) {
            let room = max(0, min(part.count, limit - current.octets.count))
            part.extracting(0..<room).withUnsafeBufferPointer { current.octets.append(contentsOf: $0) }
            current.length += part.count
        }

        mutating func endRecord(isEmpty: Bool, at place: Int) {
            current.end = place
            done.append(current)
            current = PrintRecord()
        }
    }

    private var scanner: RecordScanner
    private var taker: Taker

    package init(_ form: RecordSplitter.Form, limit: Int = Self.usualLimit) {
        scanner = RecordScanner(form)
        taker = Taker(limit: limit)
    }

    /// - Returns: the records that `octets` have completed.
    package mutating func append(_ octets: Span<UInt8>) -> [PrintRecord] {
        scanner.scan(octets, into: &taker)
        return takeDone()
    }

    /// - Returns: the last record, when it has no end.
    package mutating func finish() -> [PrintRecord] {
        scanner.finish(into: &taker)
        return takeDone()
    }

    private mutating func takeDone() -> [PrintRecord] {
        var done: [PrintRecord] = []
        swap(&done, &taker.done)
        return done
    }
}
