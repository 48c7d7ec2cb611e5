import Crypto
import HTTPCore
import Jobs
import Stores
import Wire

/// Stored bodies, one after the other, as one representation in text or raw octets that is read in pieces.
struct OutputSource: Sendable {
    struct Part: Sendable {
        /// Octets before the body.
        let prefix: [UInt8]
        /// Of the representation, the prefix left out; nil when nobody has counted.
        let length: Int?
        let slice: OutputSlice
        /// nil: the octets as they are stored.
        let renderer: TextRenderer?
    }

    /// Some lines of a text.
    struct Lines: Sendable {
        var skipped = 0
        var count = Int.max
    }

    let parts: [Part]
    let tag: EntityTag
    let contentType: String
    /// Of the whole, where it is known without reading it.
    var digest: ContentHash?
    /// Nothing will come any more.
    var isComplete = true
    /// Part of a whole by other means than `Range`.
    var isSelection = false
    var lines: Lines?

    var length: Int? {
        if lines != nil { return nil }
        var sum = 0
        for part in parts {
            guard let length = part.length else { return nil }
            sum += part.prefix.count + length
        }
        return sum
    }

    func response(
        status: Int, range: Range<Int>?, packs: Bool = false, fields: Fields, _ settings: GatewaySettings
    ) -> Response {
        // A piece that is being packed waits with what was made of it.
        let size = packs ? min(settings.outputPieceOctets, OutputDocument.mostPieceOctets) : settings.outputPieceOctets
        return .stream(
            contentType: contentType, length: packs ? nil : range?.count ?? length, status: status, fields: fields
        ) { writer in
            let outlet = Outlet(writer, packs: packs)
            if let lines {
                try await write(lines, pieceOctets: size, to: outlet)
            } else {
                try await write(range ?? 0..<Int.max, pieceOctets: size, to: outlet)
            }
            try await outlet.finish()
        }
    }

    /// Answers GET with conditions, ranges and content coding.
    func answer(
        _ request: Request, fields given: Fields, _ settings: GatewaySettings
    ) async throws -> Response {
        var fields = given
        let length = length
        let hasRange = !isSelection && length != nil
        let packs = OutputSource.packs(request, length: length, isComplete: isComplete)
        let tag = packs ? EntityTag(tag.opaque + "-gzip", isWeak: tag.isWeak) : tag
        fields.add("ETag", tag.description)
        if hasRange { fields.add("Accept-Ranges", "bytes") }
        if !isComplete { fields.add("Output-Complete", "?0") }
        switch request.conditions(tag: tag) {
        case .notModified: return .empty(304, fields: fields)
        case .preconditionFailed: throw Problem(.preconditionFailed, "The output is another one: its tag is \(tag).")
        case .proceed: break
        }
        if isComplete { fields.add("Output-Complete", "?1") }
        if packs {
            fields.add("Content-Encoding", "gzip")
            return response(status: 200, range: nil, packs: true, fields: fields, settings)
        }
        if isComplete, let digest = try await knownDigest(length) {
            fields.add("Repr-Digest", "sha-256=:\(Base64.encode(digest.octets)):")
        }
        guard hasRange, let length else { return response(status: 200, range: nil, fields: fields, settings) }
        switch ByteRange(request.head, length: length, tag: tag) {
        case .whole: return response(status: 200, range: 0..<length, fields: fields, settings)
        case .part(let part):
            fields.add("Content-Range", ByteRange.contentRange(part, of: isComplete ? length : nil))
            return response(status: 206, range: part, fields: fields, settings)
        case .unsatisfiable: throw ByteRange.problem(length: length)
        }
    }

    /// Packed is only what is complete, more than 1 KiB or of unknown length, and asked for as a whole.
    static func packs(_ request: Request, length: Int?, isComplete: Bool) -> Bool {
        isComplete && request.takesGzip && request["range"] == nil && length ?? .max > 1024
    }

    /// That of a small representation is worked out.
    private func knownDigest(_ length: Int?) async throws -> ContentHash? {
        if let digest { return digest }
        guard let length, length <= StagedBody.mostInlineOctets, !isSelection,
            parts.allSatisfy({ $0.slice.file.octets <= StagedBody.mostInlineOctets }), parts.count <= 16
        else { return nil }
        var whole: [UInt8] = []
        for part in parts {
            whole += part.prefix
            var stream = part.stream(pieceOctets: StagedBody.mostInlineOctets)
            while let piece = try await stream.next() { whole += piece }
        }
        return whole.count == length ? ContentHash(of: whole) : nil
    }

    /// Writes a part of the representation. Text before it is rendered and dropped.
    private func write(_ range: Range<Int>, pieceOctets: Int, to outlet: Outlet) async throws {
        var gate = Gate(range: range)
        for part in parts {
            if gate.isDone { return }
            if let piece = gate.pass(part.prefix) { try await outlet.write(piece) }
            if let length = part.length, gate.skips(length) { continue }
            let skipped = part.renderer == nil ? gate.skipAhead(within: part.slice.octets.count) : 0
            var stream = part.stream(pieceOctets: pieceOctets, from: skipped)
            while !gate.isDone, let piece = try await stream.next() {
                if let piece = gate.pass(piece) { try await outlet.write(piece) }
            }
        }
    }

    private func write(_ lines: Lines, pieceOctets: Int, to outlet: Outlet) async throws {
        var gate = LineGate(lines)
        for part in parts {
            if gate.isDone { return }
            if let piece = gate.pass(part.prefix) { try await outlet.write(piece) }
            var stream = part.stream(pieceOctets: pieceOctets)
            while !gate.isDone, let piece = try await stream.next() {
                if let piece = gate.pass(piece) { try await outlet.write(piece) }
            }
        }
    }
}

extension OutputSource.Part {
    /// As it is shown, piece by piece.
    struct Stream: Sendable {
        private var pieces: OutputSlice.Pieces
        private var renderer: TextRenderer?
        private let isWhole: Bool
        private var hasEnded = false

        init(_ pieces: OutputSlice.Pieces, _ renderer: TextRenderer?, isWhole: Bool) {
            self.pieces = pieces
            self.renderer = renderer
            self.isWhole = isWhole
        }

        mutating func next() async throws -> [UInt8]? {
            if hasEnded { return nil }
            let stored = try await pieces.next()
            guard renderer != nil else {
                hasEnded = stored == nil
                return stored
            }
            var text: [UInt8] = []
            if let stored {
                text.reserveCapacity(stored.count + 1024)
                renderer?.append(stored.span, to: &text)
            } else {
                hasEnded = true
                if isWhole { renderer?.finish(to: &text) }
            }
            return text
        }
    }

    /// - Parameter skipped: octets to leave out, without a renderer.
    func stream(pieceOctets: Int, from skipped: Int = 0) -> Stream {
        var slice = slice
        if skipped > 0 {
            slice = OutputSlice(
                slice.file,
                octets: min(slice.octets.lowerBound + skipped, slice.octets.upperBound)..<slice.octets.upperBound,
                firstRecord: slice.firstRecord, isWhole: slice.isWhole)
        }
        return Stream(slice.pieces(of: pieceOctets), renderer, isWhole: slice.isWhole)
    }
}

/// Lets the octets of a range through.
struct Gate: Sendable {
    let range: Range<Int>
    private(set) var position = 0

    init(range: Range<Int>) { self.range = range }

    var isDone: Bool { position >= range.upperBound }

    mutating func pass(_ octets: [UInt8]) -> [UInt8]? {
        let start = max(0, range.lowerBound - position)
        let end = min(octets.count, range.upperBound - position)
        position += octets.count
        guard start < end else { return nil }
        return start == 0 && end == octets.count ? octets : Array(octets[start..<end])
    }

    /// Passes a part whole that lies before the range.
    mutating func skips(_ length: Int) -> Bool {
        guard position + length <= range.lowerBound else { return false }
        position += length
        return true
    }

    /// - Returns: how far into the part the range begins.
    mutating func skipAhead(within length: Int) -> Int {
        let skipped = min(length, max(0, range.lowerBound - position))
        position += skipped
        return skipped
    }
}

/// Lets lines through; a line ends in LF.
struct LineGate: Sendable {
    private var skipped: Int
    private var left: Int

    init(_ lines: OutputSource.Lines) {
        skipped = lines.skipped
        left = lines.count
    }

    var isDone: Bool { left <= 0 }

    mutating func pass(_ octets: [UInt8]) -> [UInt8]? {
        var start = 0
        while skipped > 0 {
            guard let end = octets[start...].firstIndex(of: 0x0A) else { return nil }
            skipped -= 1
            start = end + 1
        }
        guard left < .max else { return start == 0 ? octets : Array(octets[start...]) }
        var end = start
        while left > 0, end < octets.count {
            guard let next = octets[end...].firstIndex(of: 0x0A) else {
                end = octets.count
                break
            }
            left -= 1
            end = next + 1
        }
        return start < end ? Array(octets[start..<end]) : nil
    }
}
