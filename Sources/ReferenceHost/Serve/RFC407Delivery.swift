import Jobs
import Lines
import Protocols
import Synchronization
import Wire

/// One file on its way: where BACK and SKIP move it, and HOLD, ABORT and RESTART stop it.
final class RFC407Transfer: Sendable {
    private struct State {
        var moves = 0
        var isBroken = false
        var line: TCPLine?
    }

    private let state = Mutex(State())

    func carry(over line: TCPLine) {
        let isBroken = state.withLock { state in
            state.line = line
            return state.isBroken
        }
        if isBroken { line.abort() }
    }

    /// A stream that is broken off on purpose ends by a reset in every mode.
    func breakOff() {
        let line = state.withLock { state in
            state.isBroken = true
            return state.line
        }
        line?.abort()
    }

    func move(_ count: Int) {
        state.withLock { $0.moves = max(-1 << 40, min(1 << 40, $0.moves + count)) }
    }

    var isBroken: Bool { state.withLock { $0.isBroken } }

    func takeMoves() -> Int {
        state.withLock { state in
            defer { state.moves = 0 }
            return state.moves
        }
    }
}

extension RFC407Desk {
    private static let pieceOctets = 64 * 1024

    /// Takes a file to its place. What comes of it is an event of the file's machine.
    func deliver(_ number: String, _ name: String, to place: RFC407.FileID, _ generation: Int) async {
        defer { deliveryEnded() }
        let transfer = RFC407Transfer()
        let facts = state.withLock { state -> (user: String, peer: IPAddress, file: File)? in
            guard let job = state.jobs[number], let file = job.files[name], file.generation == generation,
                file.state.phase == .queued
            else { return nil }
            state.jobs[number]?.files[name]?.transfer = transfer
            return (job.user, job.peer, file)
        }
        guard let facts else { return }
        let outputs = ((try? batch.files(number, of: facts.user)) ?? []).filter { ($0.kind == .print) == (name == "") }
        var source = RFC407Output(
            outputs, page: batch.settings.code, place.attributes, dialect: settings.dialect)
        func tell(_ event: RFC407.OutputState.Event, _ reply: RFC407.Reply? = nil) {
            happened(event, number, name, generation: generation, saying: reply)
        }
        let about = "Job \(number) file \(RFC407.shownFile(name))"
        do {
            switch place {
            case .socket:
                let line = try await connect(to: place, for: facts.peer, on: loop())
                transfer.carry(over: line)
                tell(.connected)
                do {
                    try await send(&source, over: line, transfer)
                    tell(.delivered)
                } catch {
                    line.abort()
                    tell(.broken)
                }
            case .path:
                guard let ftp = settings.ftp else { return tell(.refused, RFC407.Reply(443, "\(about): no FTP here")) }
                let file = try await ftpFile(
                    place, for: facts.peer, user: facts.file.user ?? facts.user, password: facts.file.password ?? "")
                tell(.connected)
                let feed = RFC407Feed(source, transfer)
                do throws(RFC407FTPFault) {
                    try await ftp.append(file) { try await feed.next(Self.pieceOctets) }
                    tell(.delivered)
                } catch {
                    switch error {
                    case .logOnRefused(let words):
                        tell(.refused, RFC407.Reply(443, "\(about): log-on refused: \(words)"))
                    case .fileRefused(let words): tell(.refused, RFC407.Reply(444, "\(about): \(words)"))
                    case .failed: tell(.broken)
                    }
                }
            }
        } catch let refusal as RFC407Refusal {
            tell(.refused, RFC407.Reply(445, "\(about): \(refusal.text)"))
        } catch {
            tell(.unreachable)
        }
    }

    private func send(_ source: inout RFC407Output, over line: TCPLine, _ transfer: RFC407Transfer) async throws {
        while let piece = try source.next(Self.pieceOctets, transfer) {
            if settings.cuts?(.output(octets: piece.count)) ?? false { throw LineError.reset }
            try await line.write(piece, within: stallLimit)
        }
        if settings.cuts?(.outputEnd) ?? false { throw LineError.reset }
        try await line.flush(within: stallLimit)
        await line.finishSending()
        // Delivered is what the receiver has closed its side for.
        let end = ContinuousClock.now + settings.finishLimit
        while true {
            let left = end - ContinuousClock.now
            guard left > .zero else { throw LineError.deadline }
            guard try await line.read(within: left) != nil else { break }
        }
        if transfer.isBroken { throw LineError.reset }
        line.close()
    }
}

/// The source of an FTP transfer.
private actor RFC407Feed {
    private var source: RFC407Output
    private let transfer: RFC407Transfer

    init(_ source: RFC407Output, _ transfer: RFC407Transfer) {
        self.source = source
        self.transfer = transfer
    }

    func next(_ most: Int) throws -> [UInt8]? {
        if transfer.isBroken { throw LineError.reset }
        return try source.next(most, transfer)
    }
}

/// The print files of a job one after the other, or its punch files, in the form that an attribute asks for.
///
/// Memory is a piece: the files are read as they go out. A step back begins anew and skips.
struct RFC407Output: Sendable {
    private let outputs: [OutputFile]
    private let format: RFC407.StreamFormat
    private var writer: RFC407.StreamWriter
    private var ready: [UInt8] = []
    private var hasFinished = false
    /// Of mode T: a line over which the next may still be printed.
    private var openLine: [UInt8]?

    private var file = 0
    private var offset = 0
    private var splitter: RecordSplitter?
    /// Records taken from the files so far.
    private var place = 0
    private var hasEndedFile = false

    /// The host's code, in which its files lie.
    private let page: CodePage

    init(
        _ outputs: [OutputFile], page: CodePage, _ attributes: RFC407.Attributes, dialect: RFC407.StreamFormat.Dialect
    ) {
        self.outputs = outputs
        self.page = page
        format = RFC407.StreamFormat(attributes, .output, dialect: dialect)
        writer = RFC407.StreamWriter(format)
    }

    /// The next octets for the wire; nil after the last.
    mutating func next(_ most: Int, _ transfer: RFC407Transfer) throws -> [UInt8]? {
        while ready.count < most, !hasFinished {
            let moves = transfer.takeMoves()
            if moves != 0 { try move(moves) }
            guard let (record, output) = try nextRecord() else {
                if let openLine { try writer.append(openLine, to: &ready) }
                openLine = nil
                writer.finish(to: &ready)
                hasFinished = true
                break
            }
            try write(record, of: output)
        }
        guard !ready.isEmpty else { return nil }
        defer { ready = [] }
        return ready
    }

    private mutating func move(_ count: Int) throws {
        let goal = max(0, place + count)
        if count < 0 {
            (file, offset, splitter, place, hasEndedFile) = (0, 0, nil, 0, false)
        }
        while place < goal, try nextRecord() != nil {}
    }

    private mutating func nextRecord() throws -> ([UInt8], OutputFile)? {
        while file < outputs.count {
            let output = outputs[file]
            var records =
                splitter
                ?? RecordSplitter(output.code.map { .text($0) } ?? .fixed(output.recordLength))
            splitter = nil
            if let record = try records.next() {
                splitter = records
                place += 1
                return (record, output)
            }
            if hasEndedFile {
                (file, offset, hasEndedFile) = (file + 1, 0, false)
                continue
            }
            if offset < output.octets {
                let octets = try output.body.read(offset: offset, count: 64 * 1024)
                guard !octets.isEmpty else { throw SpoolError(number: 5) }
                offset += octets.count
                records.append(octets)
                splitter = records
            } else {
                hasEndedFile = true
                if let record = try records.finish() {
                    splitter = records
                    place += 1
                    return (record, output)
                }
                splitter = records
            }
        }
        return nil
    }

    private mutating func write(_ record: [UInt8], of output: OutputFile) throws {
        let page = output.code ?? page
        let isPrint = output.kind == .print
        var record = record
        if !isPrint { while record.last == page.blank { record.removeLast() } }
        switch format.mode {
        case .asa: try append(isPrint ? record : [page.blank] + record, page)
        case .records: try append(isPrint ? Array(record.dropFirst()) : record, page)
        case .text: try writeText(record, page, isPrint: isPrint)
        }
    }

    private mutating func append(_ record: [UInt8], _ page: CodePage) throws {
        try writer.append(converted(record, from: page), to: &ready)
    }

    /// Carriage control becomes lines: empty ones for spaces, FF for a page, CR alone to print over.
    private mutating func writeText(_ record: [UInt8], _ page: CodePage, isPrint: Bool) throws {
        let text = converted(Array(isPrint ? record.dropFirst() : record[...]), from: page)
        let motion: PaperMotion =
            isPrint && !record.isEmpty ? CarriageControl.asaMotion(page.scalar(for: record[0])) : .space(1)
        if motion == .space(0), let open = openLine {
            openLine = open + [0x0D] + text
            return
        }
        if let openLine { try writer.append(openLine, to: &ready) }
        switch motion {
        case .newPage: openLine = [0x0C] + text
        case .space(let lines):
            for _ in 1..<max(1, lines) { try writer.append([], to: &ready) }
            openLine = text
        }
    }

    private func converted(_ record: [UInt8], from page: CodePage) -> [UInt8] {
        if format.isEBCDIC {
            if page != .ascii { return record }
            let table = Translation.fromLatin1(.cp037)
            return record.map { table[Int($0)] }
        }
        if page == .ascii { return record }
        let table = Translation.toLatin1(page)
        return record.map { table[Int($0)] < 0x80 ? table[Int($0)] : 0x3F }
    }
}
