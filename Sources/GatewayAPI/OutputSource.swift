import Crypto
import HTTPCore
import Jobs
import Stores
import Wire

/// How stored print-out is shown.
enum Rendering: String, CaseIterable {
    /// Carriage control applied, UTF-8.
    case text
    /// As the host sent it.
    case raw
}

/// Stored bodies, one after the other, as one representation that is read in pieces.
struct OutputSource: Sendable {
    struct Part: Sendable {
        /// Octets before the body.
        let prefix: [UInt8]
        /// Of the representation, the prefix left out.
        let length: Int
        let body: any BodyReader
        /// nil: the octets as they are stored.
        let renderer: TextRenderer?
    }

    let parts: [Part]
    /// Strong.
    let tag: String
    let contentType: String
    /// Of the whole, where it is known without reading it.
    let digest: ContentHash?

    var length: Int { parts.reduce(0) { $0 + $1.prefix.count + $1.length } }

    func response(status: Int, range: Range<Int>, fields: Fields, _ settings: GatewaySettings) -> Response {
        let size = settings.outputPieceOctets
        return .stream(contentType: contentType, length: range.count, status: status, fields: fields) { writer in
            try await write(range, pieceOctets: size, to: writer)
        }
    }

    /// Answers GET with conditions and ranges.
    func answer(_ request: Request, fields given: Fields, _ settings: GatewaySettings) throws(Problem) -> Response {
        var fields = given
        fields.add("ETag", tag)
        fields.add("Accept-Ranges", "bytes")
        if request.alreadyHas(tag) { return .empty(304, fields: fields) }
        if let digest { fields.add("Repr-Digest", "sha-256=:\(Base64.encode(digest.octets)):") }
        let length = length
        switch ByteRange(request.head, length: length, tag: EntityTag(parsing: tag)) {
        case .whole: return response(status: 200, range: 0..<length, fields: fields, settings)
        case .part(let part):
            fields.add("Content-Range", ByteRange.contentRange(part, of: length))
            return response(status: 206, range: part, fields: fields, settings)
        case .unsatisfiable: throw ByteRange.problem(length: length)
        }
    }

    /// Writes a part of the representation. Text before it is rendered and dropped.
    private func write(_ range: Range<Int>, pieceOctets: Int, to writer: HTTPCore.BodyWriter) async throws {
        var gate = Gate(range: range)
        for part in parts {
            if gate.isDone { return }
            if let piece = gate.pass(part.prefix) { try await writer.write(piece) }
            if gate.skips(part.length) { continue }
            var renderer = part.renderer
            var offset = renderer == nil ? gate.skipAhead(within: part.length) : 0
            while !gate.isDone {
                let stored = try await part.body.read(from: offset, count: pieceOctets)
                offset += stored.count
                guard renderer != nil else {
                    if let piece = gate.pass(stored) { try await writer.write(piece) }
                    if stored.isEmpty { break }
                    continue
                }
                var text: [UInt8] = []
                text.reserveCapacity(stored.count + 1024)
                if stored.isEmpty {
                    renderer?.finish(to: &text)
                } else {
                    renderer?.append(stored.span, to: &text)
                }
                if let piece = gate.pass(text) { try await writer.write(piece) }
                if stored.isEmpty { break }
            }
        }
    }

    /// Lets the octets of a range through.
    private struct Gate {
        let range: Range<Int>
        var position = 0

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
}

extension SpoolFile {
    /// - Parameter page: the host's, for files that are in no named code.
    func renderer(hostPage page: CodePage) -> TextRenderer {
        let page = CodePage(named: code) ?? page
        let form: RecordSplitter.Form = code == "BINARY" ? .fixed(max(1, recordLength)) : .text(page)
        return TextRenderer(carriageControl, records: form, code: page)
    }
}
