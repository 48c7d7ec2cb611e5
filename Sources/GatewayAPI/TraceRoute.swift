import Engine
import HTTPCore
import Jobs
import Stores
import Wire

extension Gateway {
    func addTraceRoutes(to router: inout Router) {
        router.route(.get, "/v1/jobs/{id}/trace", "getJobTrace") { [self] request, _ in
            let caller = try caller(of: request, for: .jobsRead)
            return try await trace(request, caller)
        }
    }

    private func trace(_ request: Request, _ caller: Caller) async throws -> Response {
        let query = try QueryReader(request, names: ["data", "attempt"])
        let showsData = try query.int("data", in: 0...1) == 1
        let attempt = try query.int("attempt", in: 1...Int(Int32.max))
        if showsData { _ = try self.caller(of: request, for: .outputsRead) }
        let type = try request.negotiate([MediaTypes.json, MediaTypes.text, MediaTypes.lines])
        let job = try await job(request, caller)
        var stored = try await desk.store.frames(of: job.id)
        if let attempt { stored.removeAll { $0.attempt != attempt } }
        let page = desk.host(job.host)?.codePage ?? .ascii
        let writer = TraceWriter(job: job, page: page, showsData: showsData)
        let fields: Fields = ["Cache-Control": "no-store", "Vary": "Accept"]
        switch type {
        case MediaTypes.text:
            return Response(
                contentType: MediaTypes.utf8Text, fields: fields, body: .bytes(Array(writer.text(stored).utf8)))
        case MediaTypes.lines:
            return Response(contentType: MediaTypes.lines, fields: fields, body: .bytes(writer.lines(stored)))
        default: return .json(writer.document(stored), fields: fields)
        }
    }
}

/// Shows what was kept of a job's sessions. Decks and output appear as lengths unless their beginnings are asked for.
struct TraceWriter {
    let job: Job
    /// For data that is no text as it stands.
    let page: CodePage
    let showsData: Bool

    /// What is shown in one line.
    private enum Row {
        case frame(Frame)
        case omitted(frames: Int, octets: Int)
    }

    private func rows(_ log: FrameLog) -> [Row] {
        let gap: [Row] =
            log.omittedFrames == 0 ? [] : [.omitted(frames: log.omittedFrames, octets: log.omittedOctets)]
        return log.first.map { .frame($0) } + gap + log.last.map { .frame($0) }
    }

    func document(_ stored: [StoredFrames]) -> [UInt8] {
        var json = JSONWriter(capacity: 4096)
        json.beginObject()
        json.key("job")
        json.string(job.id.description)
        json.key("attempts")
        json.int(job.attempts)
        json.key("frames")
        json.beginArray()
        for part in stored { for row in rows(part.log) { write(row, of: part, to: &json) } }
        json.endArray()
        json.endObject()
        return json.bytes
    }

    func lines(_ stored: [StoredFrames]) -> [UInt8] {
        var octets: [UInt8] = []
        for part in stored {
            for row in rows(part.log) {
                var json = JSONWriter(capacity: 256)
                write(row, of: part, to: &json)
                octets += json.bytes
                octets.append(0x0A)
            }
        }
        return octets
    }

    func text(_ stored: [StoredFrames]) -> String {
        var text = ""
        var attempt = 0
        for part in stored {
            if part.attempt != attempt {
                attempt = part.attempt
                text += "attempt \(attempt)\n"
            }
            for row in rows(part.log) { text += line(row) }
        }
        return text.isEmpty ? "Nothing is kept of this job's sessions.\n" : text
    }

    private func line(_ row: Row) -> String {
        switch row {
        case .omitted(let frames, let octets): return "  … \(frames) frames with \(octets) octets left out …\n"
        case .frame(let frame):
            let arrow = frame.direction == .out ? ">" : "<"
            let octets = String(frame.octets)
            let padded = String(repeating: " ", count: max(0, 8 - octets.count)) + octets
            let channel = frame.channel.word.padding(to: 7)
            return "  \(frame.at.rfc3339) \(arrow) \(channel) \(padded)  \(oneLine(words(frame)))\n"
        }
    }

    private func words(_ frame: Frame) -> String {
        guard frame.isData else { return plain(frame.bytes) ?? Hex.encode(frame.bytes) }
        guard showsData else { return "(data)" }
        let rest = frame.octets > frame.bytes.count ? " …" : ""
        return (plain(frame.bytes) ?? page.decode(frame.bytes)) + rest
    }

    private func write(_ row: Row, of part: StoredFrames, to json: inout JSONWriter) {
        json.beginObject()
        json.key("attempt")
        json.int(part.attempt)
        switch row {
        case .omitted(let frames, let octets):
            json.key("omitted_frames")
            json.int(frames)
            json.key("octets")
            json.int(octets)
        case .frame(let frame):
            json.key("at")
            json.string(frame.at.rfc3339)
            json.key("direction")
            json.string(frame.direction == .out ? "out" : "in")
            json.key("channel")
            json.string(frame.channel.word)
            json.key("octets")
            json.int(frame.octets)
            write(content: frame, to: &json)
        }
        json.endObject()
    }

    private func write(content frame: Frame, to json: inout JSONWriter) {
        if frame.isData {
            json.key("data")
            json.bool(true)
            guard showsData else { return }
            json.key("text")
            json.string(plain(frame.bytes) ?? page.decode(frame.bytes))
            json.key("hex")
            json.string(Hex.encode(frame.bytes))
        } else if let text = plain(frame.bytes) {
            json.key("text")
            json.string(text)
        } else {
            json.key("hex")
            json.string(Hex.encode(frame.bytes))
        }
    }

    /// The octets as text, if they are: UTF-8 without controls but line ends and tabs.
    private func plain(_ octets: [UInt8]) -> String? {
        guard octets.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }) else {
            return nil
        }
        return String(validating: octets, as: UTF8.self)
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
