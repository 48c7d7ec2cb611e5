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
        let body = try await gateway.desk.store.spoolBody(of: job.id, file: file.number)
        let output = OutputFile(file, hostPage: gateway.desk.host(job.host)?.codePage ?? .cp037, body: body)
        var pieces = OutputSlice(output).records(of: gateway.settings.outputPieceOctets)
        let first = file.number == place.output ? place.record : 0
        var number = 0
        var frames: [UInt8] = []
        while let records = try await pieces.next() {
            for record in records {
                number += 1
                guard number > first else { continue }
                let data = RecordDocument.bytes(record, number: number, of: output)
                frames += EventStream.frame(event: "record", data: String(decoding: data, as: UTF8.self))
                if frames.count >= Self.mostFrameOctets {
                    try await writer.write(frames)
                    frames = []
                }
            }
        }
        if !frames.isEmpty { try await writer.write(frames) }
    }
}
