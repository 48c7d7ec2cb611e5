import Glibc

/// Reads requests off a connection, strictly (conventions, section 12): what two readers could frame in two ways is
/// refused, not repaired.
///
///     requestLine ──▶ fields ──▶ fixed ──────────────────────────────────▶ end ──▶ requestLine
///                       │  └───▶ chunkSize ◀─▶ chunkData   └▶ trailers ──▶ │
///                       └────────────────────────────────────────────────▶ │         any ──fault──▶ failed
///
/// Octets are given as they come, cut anywhere; the events are the same for every cut. Only the head is copied, line by
/// line, into the `RequestHead` that leaves with `.head`; body pieces are ranges of the octets just given.
package struct RequestParser: Sendable {
    package enum Event: Equatable, Sendable {
        case head(RequestHead)
        /// Octets of the body, as a range of the input of this call.
        case body(Range<Int>)
        /// The request is complete; what follows is the next one.
        case end
    }

    enum Phase: Equatable, Sendable {
        case requestLine, fields
        /// Octets of the body still to come.
        case fixed(Int)
        case chunkSize
        /// Octets of this chunk still to come.
        case chunkData(Int)
        /// Waiting for CR, then LF, behind a chunk.
        case chunkCR, chunkLF
        case trailers
        case end
        case failed(RequestFault)
    }

    let limits: Limits
    var phase = Phase.requestLine
    var head = RequestHead()
    var framing = Framing()
    /// Where the unfinished line begins in `head.octets`.
    var lineStart = 0
    /// One empty line before a request is ignored, not two.
    var sawEmptyLine = false
    /// The unfinished line of chunk framing or trailers.
    var line: [UInt8] = []
    var extensionBytes = 0
    var trailerBytes = 0
    var bodyBytes = 0

    /// Octets a body may have. The server sets it between `.head` and the body, by route.
    package var longestBody: Int

    package init(limits: Limits = Limits()) {
        self.limits = limits
        longestBody = limits.bodyBytes
    }

    /// An octet of the next request has come, and the request is not complete.
    package var isInsideRequest: Bool {
        phase != .requestLine || !head.octets.isEmpty || sawEmptyLine
    }

    /// The next event of `input`, from `offset` on, which moves behind what was read.
    ///
    /// - Returns: `nil` when all of `input` is read and more is needed.
    /// - Throws: the same fault again, once there was one.
    package mutating func next(_ input: Span<UInt8>, at offset: inout Int) throws(RequestFault) -> Event? {
        do throws(RequestFault) {
            while true {
                switch phase {
                case .requestLine, .fields:
                    guard try takeHeadLine(input, &offset) else { return nil }
                    if phase == .requestLine {
                        try readRequestLine()
                    } else if try readFieldLine() {
                        return beginBody()
                    }
                case .fixed(let left):
                    if bodyBytes > longestBody || left > longestBody - bodyBytes {
                        throw RequestFault.bodyTooLarge(limit: longestBody)
                    }
                    guard let piece = takeBody(input, &offset, atMost: left) else { return nil }
                    phase = piece.count == left ? .end : .fixed(left - piece.count)
                    return .body(piece)
                case .chunkSize:
                    guard let size = try takeChunkSize(input, &offset) else { return nil }
                    if size > longestBody - bodyBytes { throw RequestFault.bodyTooLarge(limit: longestBody) }
                    phase = size == 0 ? .trailers : .chunkData(size)
                case .chunkData(let left):
                    guard let piece = takeBody(input, &offset, atMost: left) else { return nil }
                    phase = piece.count == left ? .chunkCR : .chunkData(left - piece.count)
                    return .body(piece)
                case .chunkCR, .chunkLF:
                    guard offset < input.count else { return nil }
                    guard input[offset] == (phase == .chunkCR ? 0x0D : 0x0A) else {
                        throw RequestFault.malformed("A chunk does not end where its size says.")
                    }
                    offset += 1
                    phase = phase == .chunkCR ? .chunkLF : .chunkSize
                case .trailers:
                    guard try takeTrailer(input, &offset) else { return nil }
                case .end:
                    startOver()
                    return .end
                case .failed(let fault):
                    throw fault
                }
            }
        } catch {
            phase = .failed(error)
            throw error
        }
    }

    private mutating func startOver() {
        phase = .requestLine
        head = RequestHead()
        framing = Framing()
        lineStart = 0
        sawEmptyLine = false
        extensionBytes = 0
        trailerBytes = 0
        bodyBytes = 0
        longestBody = limits.bodyBytes
    }

    private mutating func beginBody() -> Event {
        if head.isChunked {
            phase = .chunkSize
        } else if let length = head.contentLength, length > 0 {
            phase = .fixed(length)
        } else {
            phase = .end
        }
        let complete = head
        head = RequestHead()
        return .head(complete)
    }

    private mutating func takeBody(_ input: Span<UInt8>, _ offset: inout Int, atMost most: Int) -> Range<Int>? {
        let count = min(most, input.count - offset)
        guard count > 0 else { return nil }
        defer { offset += count }
        bodyBytes += count
        return offset..<offset + count
    }

    /// Copies octets to `head.octets` up to and with the next LF; false when there is none yet.
    private mutating func takeHeadLine(_ input: Span<UInt8>, _ offset: inout Int) throws(RequestFault) -> Bool {
        guard offset < input.count else { return false }
        if phase == .requestLine && head.octets.isEmpty {
            // A TLS hello or other noise need not wait for its first LF.
            guard Octet.isToken(input[offset]) || input[offset] == 0x0D else {
                throw .malformed("A request begins with a method.")
            }
            head.octets.reserveCapacity(min(max(input.count - offset, 256), 1024))
            head.fieldLines.reserveCapacity(8)
        }
        let feed = input.firstLineFeed(from: offset)
        let end = feed.map { $0 + 1 } ?? input.count
        // An unfinished line counts one octet more, the LF that must come: so a cut changes no verdict.
        let count = end - offset + (feed == nil ? 1 : 0)
        let tooLong =
            head.octets.count - lineStart + count
            > (phase == .requestLine ? limits.requestLineBytes : limits.fieldBytes) + 2
            || head.octets.count + count > limits.headBytes
        if tooLong { throw phase == .requestLine ? .targetTooLong : .headTooLarge }
        head.octets.append(input.extracting(offset..<end))
        offset = end
        return feed != nil
    }

    /// The range of the line just completed, without its CRLF; the next one begins behind it.
    mutating func completeLine() throws(RequestFault) -> Range<Int> {
        let end = head.octets.count
        guard end - lineStart >= 2, head.octets[end - 2] == 0x0D else {
            throw .malformed("A line ends with LF alone; it must end with CR LF.")
        }
        defer { lineStart = end }
        return lineStart..<end - 2
    }
}

extension Span where Element == UInt8 {
    /// The index of the first LF at or behind `start`.
    func firstLineFeed(from start: Int) -> Int? {
        guard start < count else { return nil }
        return withUnsafeBytes { octets -> Int? in
            guard let base = octets.baseAddress, let found = memchr(base + start, 0x0A, octets.count - start) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
    }
}

extension Array<UInt8> {
    package mutating func append(_ octets: Span<UInt8>) {
        octets.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
