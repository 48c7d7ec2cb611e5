import HTTPCore
import Jobs
import Wire

/// `?lines=` and `?records=`: a part of an output, both ends in, from 1; `-N` is the last N.
enum OutputSelection: Equatable {
    case whole
    case lines(Span)
    case records(Span)

    enum Span: Equatable {
        case last(Int)
        /// `Int.max` at the end: to the last.
        case between(Int, Int)

        /// For an entity tag.
        var text: String {
            switch self {
            case .last(let count): "-\(count)"
            case .between(let first, let last): last == .max ? "\(first)-" : "\(first)-\(last)"
            }
        }
    }

    private static let most = 1_000_000_000

    init(_ query: QueryReader, _ rendering: Rendering) throws(Problem) {
        self = .whole
        if let text = query["lines"] {
            guard rendering == .text else { throw QueryReader.fault("lines", "only text has lines; records has all.") }
            guard query["records"] == nil else { throw QueryReader.fault("lines", "it does not go with records.") }
            self = .lines(try Self.span("lines", text))
        } else if let text = query["records"] {
            guard rendering != .zip, rendering != .mixed else {
                throw QueryReader.fault("records", "an archive and parts are given as a whole.")
            }
            self = .records(try Self.span("records", text))
        }
    }

    private static func span(_ name: String, _ text: String) throws(Problem) -> Span {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = ends.map { strictInt($0) }
        func valid(_ value: Int?) -> Int? { value.flatMap { (1...most).contains($0) ? $0 : nil } }
        if ends.count == 1, let only = valid(numbers[0]) { return .between(only, only) }
        if ends.count == 2 {
            if ends[0].isEmpty, let count = valid(numbers[1]) { return .last(count) }
            if ends[1].isEmpty, let first = valid(numbers[0]) { return .between(first, .max) }
            if let first = valid(numbers[0]), let last = valid(numbers[1]), first <= last {
                return .between(first, last)
            }
        }
        throw QueryReader.fault(name, "write 1-100, 100-, -100 for the last hundred, or one number.")
    }

    /// For an entity tag.
    var tag: String {
        switch self {
        case .whole: ""
        case .lines(let span): "-l\(span.text)"
        case .records(let span): "-r\(span.text)"
        }
    }
}

/// Some records out of files that follow each other.
struct RecordSelection: Sendable {
    /// Empty when there are none.
    let slices: [OutputSlice]
    /// `1000-1999/5000`, with `*` for the whole while it grows.
    let field: String

    /// - Throws: 416 when the first is behind the last there is.
    init(_ span: OutputSelection.Span, of files: [OutputFile], pieceOctets: Int) async throws {
        let total = files.reduce(0) { $0 + $1.records }
        let isComplete = files.allSatisfy(\.isComplete)
        let wanted: ClosedRange<Int>
        switch span {
        case .last(let count): wanted = max(1, total - count + 1)...max(1, total)
        case .between(let first, let last): wanted = first...max(first, min(last, total))
        }
        guard wanted.lowerBound <= total else {
            throw Problem(
                .rangeNotSatisfiable, "The first of these records is behind the end: there are \(total).",
                fields: ["Output-Records": "*/\(total)"])
        }
        field = "\(wanted.lowerBound)-\(wanted.upperBound)/\(isComplete ? String(total) : "*")"
        var slices: [OutputSlice] = []
        var before = 0
        for file in files {
            let first = max(wanted.lowerBound - before, 1)
            let last = min(wanted.upperBound - before, file.records)
            before += file.records
            guard first <= last else { continue }
            let start = try await RecordPlaces.place(of: first, in: file, pieceOctets: pieceOctets)
            let isLast = last == file.records && file.isComplete
            let end =
                isLast
                ? file.octets
                : try await RecordPlaces.place(
                    of: last + 1, in: file, from: start, record: first, pieceOctets: pieceOctets)
            slices.append(OutputSlice(file, octets: start..<max(start, end), firstRecord: first, isWhole: true))
        }
        self.slices = slices
    }
}

/// Where records begin.
enum RecordPlaces {
    /// - Parameters:
    ///   - number: of the record, from 1.
    ///   - start, first: where some record before it begins, and its number.
    static func place(
        of number: Int, in file: OutputFile, from start: Int = 0, record first: Int = 1, pieceOctets: Int
    ) async throws -> Int {
        switch file.form {
        case .fixed(let length):
            let (place, isTooFar) = (number - 1).multipliedReportingOverflow(by: max(1, length))
            return isTooFar ? file.octets : min(file.octets, place)
        case .ended(let mark, _):
            if file.isComplete, number > file.records / 2, first == 1 {
                return try await backward(number, mark, file, pieceOctets)
            }
            var left = number - first
            var slice = OutputSlice(file, octets: start..<file.octets, firstRecord: first, isWhole: true)
                .pieces(of: pieceOctets)
            while left > 0 {
                let before = slice.offset
                guard let piece = try await slice.next() else { return file.octets }
                var at = 0
                while left > 0, let found = piece[at...].firstIndex(of: mark) {
                    left -= 1
                    at = found + 1
                }
                if left == 0 { return before + at }
            }
            return start
        }
    }

    /// From the end, when it is nearer.
    private static func backward(
        _ number: Int, _ mark: UInt8, _ file: OutputFile, _ pieceOctets: Int
    ) async throws -> Int {
        var end = file.octets
        // So many marks from the end is the one before the record; the last record may have none.
        var left = file.records - number + 1
        var isLast = true
        while end > 0 {
            let start = max(0, end - pieceOctets)
            var piece: [UInt8] = []
            while piece.count < end - start {
                let more = try await file.read(start + piece.count, end - start - piece.count)
                if more.isEmpty { return file.octets }
                piece += more
            }
            if isLast, piece.last == mark { left += 1 }
            isLast = false
            var at = piece.count
            while let found = piece[..<at].lastIndex(of: mark) {
                left -= 1
                if left == 0 { return start + found + 1 }
                at = found
            }
            end = start
        }
        return 0
    }
}

/// Where the last lines of a text begin.
enum LineTail {
    /// More lines than the first records of a piece from the middle can have otherwise than in the whole.
    private static let margin = 8

    /// - Returns: the parts to render and the lines of them to leave out.
    static func find(
        last count: Int, of parts: [OutputSource.Part], pieceOctets: Int
    ) async throws -> (parts: [OutputSource.Part], skipped: Int) {
        var needed = count
        for (index, part) in parts.enumerated().reversed() {
            let (tail, lines, isWhole) = try await tail(needed, of: part, pieceOctets)
            if !isWhole || lines >= needed {
                return ([tail] + parts[(index + 1)...], lines - needed)
            }
            needed -= lines
        }
        return (parts, 0)
    }

    private static func tail(
        _ count: Int, of part: OutputSource.Part, _ pieceOctets: Int
    ) async throws -> (part: OutputSource.Part, lines: Int, isWhole: Bool) {
        let file = part.slice.file
        var window = 64 * 1024
        while true {
            let start = try await recordStart(from: max(0, file.octets - window), in: file, pieceOctets)
            let isWhole = start == 0
            let slice = OutputSlice(
                file, octets: start..<file.octets, firstRecord: 1, isWhole: part.slice.isWhole)
            let tail = OutputSource.Part(
                prefix: isWhole ? part.prefix : [], length: nil, slice: slice, renderer: part.renderer)
            let lines = try await self.lines(of: tail, pieceOctets)
            if isWhole || lines >= count + margin { return (tail, lines, isWhole) }
            window = window > file.octets ? file.octets : window * 4
        }
    }

    private static func lines(of part: OutputSource.Part, _ pieceOctets: Int) async throws -> Int {
        var stream = part.stream(pieceOctets: pieceOctets)
        var lines = 0
        var last: UInt8 = 0x0A
        while let piece = try await stream.next() {
            for octet in piece where octet == 0x0A { lines += 1 }
            last = piece.last ?? last
        }
        return last == 0x0A ? lines : lines + 1
    }

    /// The first record that begins at a place or behind it; 0 when there is none.
    private static func recordStart(from place: Int, in file: OutputFile, _ pieceOctets: Int) async throws -> Int {
        if place == 0 { return 0 }
        switch file.form {
        case .fixed(let length): return place - place % max(1, length)
        case .ended(let mark, _):
            var pieces = OutputSlice(file, octets: place..<file.octets, firstRecord: 1, isWhole: true)
                .pieces(of: pieceOctets)
            while true {
                let before = pieces.offset
                guard let piece = try await pieces.next() else { return 0 }
                if let found = piece.firstIndex(of: mark), before + found + 1 < file.octets {
                    return before + found + 1
                }
            }
        }
    }
}
