import Glibc

/// What is wrong with a form.
package enum FormError: Error, Equatable, Sendable {
    case malformed(String)
    case tooLarge(String)

    package var problem: Problem {
        switch self {
        case .malformed(let detail): Problem(.malformedRequest, detail)
        case .tooLarge(let detail): Problem(.contentTooLarge, detail)
        }
    }
}

/// Reads `multipart/form-data` (RFC 7578) as it comes: `append`, then `next` until it answers `nil`.
///
/// Strict: nothing before the first boundary but an empty line, CRLF line ends, every part with
/// `Content-Disposition: form-data` and a name, no transfer encoding, the last boundary there.
package struct MultipartParser: Sendable {
    package struct Part: Sendable, Equatable {
        package let name: String
        package let filename: String?
        /// As sent; `nil` without the field.
        package let contentType: String?
    }

    package enum Event: Equatable, Sendable {
        case part(Part)
        case data([UInt8])
        case partEnd
        case end
    }

    private enum Phase: Sendable { case start, afterBoundary, fields, data, epilogue, done }

    package static let mostParts = 100
    private static let longestFields = 8 * 1024

    private var phase = Phase.start
    private var buffer: [UInt8] = []
    private var at = 0
    /// CR LF, two hyphens, the boundary.
    private let delimiter: [UInt8]
    private var parts = 0
    /// Header lines of the part that begins, and their octets.
    private var fieldLines: [[UInt8]] = []
    private var fieldBytes = 0
    /// Octets behind `at` that hold no line end.
    private var searched = 0

    /// - Throws: when the media type is another, or its boundary is missing or malformed.
    package init(contentType: String) throws(FormError) {
        guard MediaType.essence(contentType) == "multipart/form-data",
            let boundary = MediaType.parameter("boundary", of: contentType)
        else { throw .malformed("The media type must be multipart/form-data with a boundary.") }
        guard (1...70).contains(boundary.utf8.count), boundary.utf8.last != 0x20,
            boundary.utf8.allSatisfy({
                Octet.isAlpha($0) || Octet.isDigit($0) || "'()+_,-./:=? ".utf8.contains($0)
            })
        else { throw .malformed("The boundary of the form is malformed.") }
        delimiter = Array("\r\n--\(boundary)".utf8)
    }

    package mutating func append(_ octets: [UInt8]) {
        if at > 0 {
            buffer.removeSubrange(..<at)
            at = 0
        }
        buffer += octets
    }

    /// To be called when the body has ended and `next` gave `nil`.
    package func finish() throws(FormError) {
        guard phase == .done || phase == .epilogue else {
            throw .malformed("The form ends before its last boundary.")
        }
    }

    package mutating func next() throws(FormError) -> Event? {
        while true {
            switch phase {
            case .start:
                // The CRLF before the first boundary may be missing.
                if buffer.count - at < delimiter.count { return nil }
                let skipped = buffer[at...].starts(with: delimiter) ? delimiter.count : delimiter.count - 2
                guard skipped == delimiter.count || buffer[at...].starts(with: delimiter.dropFirst(2)) else {
                    throw .malformed("The form does not begin with its boundary.")
                }
                at += skipped
                phase = .afterBoundary
            case .afterBoundary:
                guard buffer.count - at >= 2 else { return nil }
                if buffer[at] == 0x2D, buffer[at + 1] == 0x2D {
                    at += 2
                    phase = .epilogue
                    return .end
                }
                guard buffer[at] == 0x0D, buffer[at + 1] == 0x0A else {
                    throw .malformed("A boundary of the form is followed by other text.")
                }
                at += 2
                parts += 1
                guard parts <= Self.mostParts else {
                    throw .tooLarge("The form has more than \(Self.mostParts) parts.")
                }
                phase = .fields
            case .fields:
                guard let part = try takeFields() else { return nil }
                phase = .data
                return .part(part)
            case .data:
                guard let data = takeData() else { return nil }
                if data.isEmpty {
                    phase = .afterBoundary
                    return .partEnd
                }
                return .data(data)
            case .epilogue:
                // Nothing but a line end may follow.
                let rest = buffer[at...]
                guard rest.count <= 2, Array("\r\n".utf8).starts(with: rest) else {
                    throw .malformed("Text follows the last boundary of the form.")
                }
                if rest.count == 2 { phase = .done }
                return nil
            case .done:
                guard at + 2 == buffer.count || at == buffer.count else {
                    throw .malformed("Text follows the last boundary of the form.")
                }
                return nil
            }
        }
    }

    /// Octets up to the next boundary; empty at the boundary, `nil` when more is needed to tell.
    private mutating func takeData() -> [UInt8]? {
        var end = at
        while end < buffer.count {
            guard let carriageReturn = buffer[end...].firstIndexOfCarriageReturn else {
                end = buffer.count
                break
            }
            end = carriageReturn
            let candidate = buffer[end...].prefix(delimiter.count)
            if delimiter.starts(with: candidate) {
                guard candidate.count == delimiter.count else { break }  // perhaps; the rest has not come
                if end == at {
                    at += delimiter.count
                    return []
                }
                break
            }
            end += 1
        }
        guard end > at else { return nil }
        defer { at = end }
        return Array(buffer[at..<end])
    }

    /// The fields of a part, all at once; `nil` until their empty line has come. No octet is searched twice.
    private mutating func takeFields() throws(FormError) -> Part? {
        while true {
            let start = at + searched
            let feed = buffer[start...].prefix(Self.longestFields + 1).firstIndex(of: 0x0A)
            let end = feed ?? buffer.count
            guard fieldBytes + end - at <= Self.longestFields else {
                throw .malformed("The header of a part of the form is too long.")
            }
            guard let feed else {
                searched = buffer.count - at
                return nil
            }
            guard feed > at, buffer[feed - 1] == 0x0D else {
                throw .malformed("A line of the form ends with LF alone.")
            }
            let line = Array(buffer[at..<feed - 1])
            fieldBytes += feed + 1 - at
            at = feed + 1
            searched = 0
            if line.isEmpty {
                defer {
                    fieldLines = []
                    fieldBytes = 0
                }
                return try Self.part(fieldLines)
            }
            fieldLines.append(line)
        }
    }

    private static func part(_ lines: [[UInt8]]) throws(FormError) -> Part {
        var disposition: String?
        var type: String?
        for octets in lines {
            guard let field = try? RequestParser.fieldLine(octets.span, 0..<octets.count),
                let value = String(validating: octets[field.value], as: UTF8.self)
            else { throw .malformed("A header line of a part of the form is malformed.") }
            switch octets[field.name].text.lowercased() {
            case "content-disposition":
                guard disposition == nil else { throw .malformed("A part has two Content-Disposition fields.") }
                disposition = value
            case "content-type": type = value
            case "content-transfer-encoding" where !["7bit", "8bit", "binary"].contains(value.lowercased()):
                throw .malformed("A part of the form has a transfer encoding.")
            default: break
            }
        }
        guard let disposition, MediaType.essence(disposition) == "form-data",
            let name = MediaType.parameter("name", of: disposition)
        else { throw .malformed("A part of the form has no name.") }
        return Part(
            name: name, filename: MediaType.parameter("filename", of: disposition), contentType: type)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var firstIndexOfCarriageReturn: Int? {
        withUnsafeBytes { octets -> Int? in
            guard let base = octets.baseAddress, let found = memchr(base, 0x0D, octets.count) else { return nil }
            return UnsafeRawPointer(found) - base
        }.map { startIndex + $0 }
    }
}

/// A form read into memory.
package struct FormData: Sendable, Equatable {
    package struct Part: Sendable, Equatable {
        package let name: String
        package let filename: String?
        package let contentType: String?
        package var data: [UInt8]

        /// `nil` when the part is not UTF-8.
        package var text: String? { String(validating: data, as: UTF8.self) }
    }

    package private(set) var parts: [Part] = []

    package subscript(_ name: String) -> Part? { parts.first { $0.name == name } }
    package func all(_ name: String) -> [Part] { parts.filter { $0.name == name } }

    /// - Parameter limit: octets of all parts together.
    /// - Throws: `Problem`, and what the body throws.
    package init(_ body: RequestBody, contentType: String, upTo limit: Int) async throws {
        do {
            var parser = try MultipartParser(contentType: contentType)
            while let piece = try await body.next() {
                parser.append(piece)
                try take(&parser, upTo: limit)
            }
            try parser.finish()
        } catch let error as FormError {
            throw error.problem
        }
    }

    package init(_ octets: [UInt8], contentType: String, upTo limit: Int) throws(FormError) {
        var parser = try MultipartParser(contentType: contentType)
        parser.append(octets)
        try take(&parser, upTo: limit)
        try parser.finish()
    }

    private mutating func take(_ parser: inout MultipartParser, upTo limit: Int) throws(FormError) {
        while let event = try parser.next() {
            switch event {
            case .part(let part):
                parts.append(
                    Part(name: part.name, filename: part.filename, contentType: part.contentType, data: []))
            case .data(let data):
                guard parts.reduce(data.count, { $0 + $1.data.count }) <= limit, !parts.isEmpty else {
                    throw .tooLarge("The form may have \(limit) octets at most.")
                }
                parts[parts.count - 1].data += data
            case .partEnd, .end: break
            }
        }
    }
}
