import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// A place in the print-out of a job: behind so many records of an output.
struct RecordPlace: Equatable {
    let output: Int
    let record: Int

    /// Nothing at all is the beginning.
    init?(parameter text: String) {
        if text.isEmpty {
            (output, record) = (0, 0)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let output = strictInt(parts[0]), let record = strictInt(parts[1]) else { return nil }
        (self.output, self.record) = (output, record)
    }
}

/// Tells the records of a job's print files, each file when it is complete, in order of their numbers.
/// Confined to its stream.
final class RecordStream {
    private let gateway: Gateway
    private let place: RecordPlace
    /// Files that have been told.
    private var told: Set<Int> = []

    private static let mostFrameOctets = 64 * 1024

    init(gateway: Gateway, after place: RecordPlace) {
        self.gateway = gateway
        self.place = place
    }

    @inline(never)
    func tell(_ id: JobID?, to writer: HTTPCore.BodyWriter) async throws {
        let store = gateway.desk.store
        guard let id, let job = try await store.job(id), job.outputs > told.count else { return }
        for file in try await store.spoolFiles(of: id) where told.insert(file.number).inserted {
            guard file.kind == .print, file.condition == .sound, file.number >= place.output else { continue }
            try await tell(file, of: job, to: writer)
        }
    }

    private func tell(_ file: SpoolFile, of job: Job, to writer: HTTPCore.BodyWriter) async throws {
        let reader = RecordLine(file, hostPage: gateway.desk.host(job.host)?.codePage ?? .cp037)
        var splitter = reader.splitter
        let body = try await gateway.desk.store.spoolBody(of: job.id, file: file.number)
        let first = file.number == place.output ? place.record : 0
        var offset = 0
        var number = 0
        var frames: [UInt8] = []
        func add(_ record: [UInt8]) {
            number += 1
            guard number > first else { return }
            let data = reader.document(record, output: file.number, number: number)
            frames += EventStream.frame(event: "record", data: String(decoding: data, as: UTF8.self))
        }
        while true {
            let piece = try await body.read(from: offset, count: gateway.settings.outputPieceOctets)
            if piece.isEmpty { break }
            offset += piece.count
            splitter.append(piece)
            while let record = try splitter.next() {
                add(record)
                if frames.count >= Self.mostFrameOctets {
                    try await writer.write(frames)
                    frames = []
                }
            }
        }
        if let rest = try splitter.finish() { add(rest) }
        if !frames.isEmpty { try await writer.write(frames) }
    }
}

/// Reads one record of a print file: what moves the paper, and the text.
struct RecordLine {
    let splitter: RecordSplitter
    private let control: CarriageControl
    private let page: CodePage

    init(_ file: SpoolFile, hostPage: CodePage) {
        page = CodePage(named: file.code) ?? hostPage
        control = file.carriageControl
        splitter = RecordSplitter(file.code == "BINARY" ? .fixed(max(1, file.recordLength)) : .text(page))
    }

    /// `{"output":1,"number":7,"control":"1","text":"…"}`; a record that is no text has `base64` instead.
    func document(_ record: [UInt8], output: Int, number: Int) -> [UInt8] {
        var json = JSONWriter(capacity: record.count + 64)
        json.beginObject()
        json.key("output")
        json.int(output)
        json.key("number")
        json.int(number)
        var rest = record[...]
        switch control {
        case .none: break
        case .asa:
            if let first = rest.popFirst() {
                json.key("control")
                json.string(page.decode([first]))
            }
        case .machine:
            if let first = rest.popFirst() {
                json.key("control")
                json.string(hex(first))
            }
        }
        let text = page.decode(Array(rest))
        if text.unicodeScalars.contains(where: {
            $0.value < 0x20 && $0.value != 0x09 && $0.value != 0x0C || $0.value == 0x7F
        }) {
            json.key("base64")
            json.string(Base64.encode(Array(rest)))
        } else {
            json.key("text")
            json.string(text)
        }
        json.endObject()
        return json.bytes
    }

    private func hex(_ octet: UInt8) -> String {
        let text = String(octet, radix: 16, uppercase: true)
        return text.count == 1 ? "0" + text : text
    }
}
