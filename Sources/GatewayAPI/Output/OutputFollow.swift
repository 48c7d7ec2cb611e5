import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// Print-out while it comes: everything there is, then what is added, until all of it is there.
struct OutputFollow: Sendable {
    let gateway: Gateway
    let job: JobID
    /// nil: all print files.
    let number: Int?
    let rendering: Rendering
    /// Octets of the representation to leave out.
    let from: Int
    let subscription: JobWatch.Subscription

    private struct Place {
        var number: Int
        var file: OutputFile
        var offset = 0
        var renderer: TextRenderer?
        var reader: RecordReader
        var record = 1
        /// Nothing of it was shown yet.
        var isUnshown = true
    }

    func run(to outlet: Outlet) async throws {
        gateway.figures.streamBegan()
        defer { gateway.figures.streamEnded() }
        var gate = Gate(range: from..<Int.max)
        var place: Place?
        var last = 0
        var hasText = false
        while true {
            guard let job = try await gateway.desk.store.job(job) else { return }
            // Looked at before the files: what a final job lacks will not come.
            let isFinal = job.state.isFinal
            if place == nil, let next = try await next(after: last, of: job) {
                place = Place(
                    number: next.number, file: next, renderer: rendering == .text ? next.renderer : nil,
                    reader: RecordReader(next.form))
            }
            if var current = place {
                if let newer = try await gateway.outputFile(current.number, of: job) { current.file = newer }
                let hasGrown = try await take(&current, &gate, &hasText, to: outlet)
                place = current
                if current.file.isComplete, current.offset >= current.file.octets {
                    last = current.number
                    place = nil
                    if number != nil { return }
                    continue
                }
                if hasGrown { continue }
            }
            if isFinal || gateway.isDraining || Task.isCancelled { return }
            let before = ContinuousClock.now
            let idle = gateway.settings.followIdle
            await subscription.next(within: idle)
            if ContinuousClock.now - before >= idle { return }
        }
    }

    private func next(after last: Int, of job: Job) async throws -> OutputFile? {
        if let number { return try await gateway.outputFile(number, of: job) }
        let growing = gateway.growingFiles(of: job).first { $0.kind == .print && $0.number > last }
        let stored = try await gateway.desk.store.spoolFiles(of: job.id)
            .first { $0.kind == .print && $0.number > last }
        if let stored, stored.number <= growing?.number ?? .max {
            return try await gateway.outputFile(stored, of: job)
        }
        return growing
    }

    /// Sends what a file has more than before.
    private func take(
        _ place: inout Place, _ gate: inout Gate, _ hasText: inout Bool, to outlet: Outlet
    ) async throws -> Bool {
        let start = place.offset
        while place.offset < place.file.octets {
            let count = min(gateway.settings.outputPieceOctets, place.file.octets - place.offset)
            let piece = try await place.file.read(place.offset, count)
            if piece.isEmpty { return place.offset > start }  // taken anew by the engine
            place.offset += piece.count
            try await show(piece, &place, &gate, &hasText, to: outlet)
        }
        if place.file.isComplete, place.offset >= place.file.octets {
            try await show([], &place, &gate, &hasText, to: outlet)
        }
        return place.offset > start
    }

    /// - Parameter piece: empty at the end of the file.
    private func show(
        _ piece: [UInt8], _ place: inout Place, _ gate: inout Gate, _ hasText: inout Bool, to outlet: Outlet
    ) async throws {
        var output: [UInt8] = []
        switch rendering {
        case .ndjson:
            for record in piece.isEmpty ? place.reader.finish() : place.reader.append(piece.span) {
                var json = JSONWriter(capacity: record.octets.count + 64)
                json.beginObject()
                RecordDocument.write(record, number: place.record, of: place.file, to: &json)
                json.endObject()
                output += json.bytes + [0x0A]
                place.record += 1
            }
        case .text:
            if piece.isEmpty { place.renderer?.finish(to: &output) } else { place.renderer?.append(piece.span, to: &output) }
            // A page break between two files, as in the whole.
            if !output.isEmpty, hasText, place.isUnshown { output.insert(0x0C, at: 0) }
        default: output = piece
        }
        if output.isEmpty { return }
        place.isUnshown = false
        hasText = true
        if let output = gate.pass(output) { try await outlet.write(output) }
    }
}
