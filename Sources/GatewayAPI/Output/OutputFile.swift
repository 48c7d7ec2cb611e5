import Engine
import HTTPCore
import Jobs
import Stores
import Wire

/// One output as it can be read at this moment: stored, or still being taken from its host.
struct OutputFile: Sendable {
    let number: Int
    let kind: SpoolFile.Kind
    let step: String?
    let ddName: String?
    let control: CarriageControl
    let code: String
    let form: RecordSplitter.Form
    let page: CodePage
    let records: Int
    let octets: Int
    /// Negative: not known.
    let textOctets: Int
    /// Of the text, where it was kept.
    let textHash: ContentHash?
    /// nil while it grows.
    let hash: ContentHash?
    let read: @Sendable (_ offset: Int, _ count: Int) async throws -> [UInt8]

    var isComplete: Bool { hash != nil }

    /// - Parameter page: the host's, for files that are in no named code.
    init(_ file: SpoolFile, hostPage page: CodePage, body: any BodyReader) {
        number = file.number
        kind = file.kind
        step = file.step
        ddName = file.ddName
        control = file.carriageControl
        code = file.code
        (self.page, form) = Self.code(file.code, page, file.recordLength)
        records = file.records
        octets = file.octets
        textOctets = file.textOctets
        // What is in no named code becomes text by what is configured now.
        textHash = file.textOctets >= 0 && CodePage(named: file.code) != nil ? file.textHash : nil
        hash = file.hash
        read = { try await body.read(from: $0, count: $1) }
    }

    init(_ file: GrowingOutputs.File, hostPage page: CodePage) {
        let extent = file.extent
        number = file.number
        kind = file.kind
        step = file.step
        ddName = file.ddName
        control = file.carriageControl
        code = file.code
        (self.page, form) = Self.code(file.code, page, file.recordLength)
        records = extent.records
        octets = extent.octets
        textOctets = extent.textOctets
        textHash = nil
        hash = nil
        read = { try await file.read(from: $0, count: $1) }
    }

    /// A deck, whose octets are handed out as they are.
    init(deck: any BodyReader) {
        number = 0
        kind = .punch
        step = nil
        ddName = nil
        control = .none
        code = "ASCII"
        (page, form) = (.ascii, .text(.ascii))
        records = 0
        octets = deck.octets
        textOctets = deck.octets
        textHash = nil
        hash = deck.hash
        read = { try await deck.read(from: $0, count: $1) }
    }

    private static func code(
        _ code: String, _ hostPage: CodePage, _ recordLength: Int
    ) -> (CodePage, RecordSplitter.Form) {
        let page = CodePage(named: code) ?? hostPage
        return (page, code == "BINARY" ? .fixed(max(1, recordLength)) : .text(page))
    }

    var renderer: TextRenderer { TextRenderer(control, records: form, code: page) }

    /// `STEP1 SYSPRINT`, as far as it has names.
    var title: String {
        let names = [step, ddName].compactMap(\.self)
        return names.isEmpty ? "output \(number)" : names.joined(separator: " ")
    }
}

extension Gateway {
    func outputFile(_ file: SpoolFile, of job: Job) async throws -> OutputFile {
        OutputFile(
            file, hostPage: desk.host(job.host)?.codePage ?? .cp037,
            body: try await desk.store.spoolBody(of: job.id, file: file.number))
    }

    func outputFiles(_ stored: [SpoolFile], of job: Job) async throws -> [OutputFile] {
        var files: [OutputFile] = []
        for file in stored { files.append(try await outputFile(file, of: job)) }
        return files
    }

    /// Stored, or else growing.
    func outputFile(_ number: Int, of job: Job) async throws -> OutputFile? {
        let growing = growingFile(number, of: job)
        if let file = try await desk.store.spoolFiles(of: job.id).first(where: { $0.number == number }) {
            return try await outputFile(file, of: job)
        }
        return growing
    }

    func growingFile(_ number: Int, of job: Job) -> OutputFile? {
        guard let host = desk.host(job.host), let file = host.growing.file(number, of: job.id) else { return nil }
        return OutputFile(file, hostPage: host.codePage)
    }

    func growingFiles(of job: Job) -> [OutputFile] {
        guard let host = desk.host(job.host) else { return [] }
        return host.growing.files(of: job.id).map { OutputFile($0, hostPage: host.codePage) }
    }
}

/// A part of an output that begins and ends with whole records.
struct OutputSlice: Sendable {
    let file: OutputFile
    let octets: Range<Int>
    /// The number of its first record in the file.
    let firstRecord: Int
    /// Nothing of its last record is missing, and no record after it has a say in how it is printed.
    let isWhole: Bool

    init(_ file: OutputFile) {
        self.file = file
        octets = 0..<file.octets
        firstRecord = 1
        isWhole = file.isComplete
    }

    init(_ file: OutputFile, octets: Range<Int>, firstRecord: Int, isWhole: Bool) {
        self.file = file
        self.octets = octets
        self.firstRecord = firstRecord
        self.isWhole = isWhole
    }

    /// What it holds as records, as many at a time as a piece completes.
    func records(of octets: Int) -> Records { Records(pieces: pieces(of: octets), reader: RecordReader(file.form)) }

    struct Records: Sendable {
        private var pieces: Pieces
        private var reader: RecordReader
        private var hasEnded = false

        fileprivate init(pieces: Pieces, reader: RecordReader) {
            self.pieces = pieces
            self.reader = reader
        }

        /// nil: there are no more.
        mutating func next() async throws -> [PrintRecord]? {
            if hasEnded { return nil }
            if let piece = try await pieces.next() { return reader.append(piece.span) }
            hasEnded = true
            return pieces.slice.isWhole ? reader.finish() : []
        }
    }

    func pieces(of octets: Int) -> Pieces { Pieces(slice: self, size: octets, offset: self.octets.lowerBound) }

    struct Pieces: Sendable {
        let slice: OutputSlice
        let size: Int
        private(set) var offset: Int

        fileprivate init(slice: OutputSlice, size: Int, offset: Int) {
            self.slice = slice
            self.size = size
            self.offset = offset
        }

        mutating func next() async throws -> [UInt8]? {
            let count = min(size, slice.octets.upperBound - offset)
            guard count > 0 else { return nil }
            let piece = try await slice.file.read(offset, count)
            guard !piece.isEmpty else { throw StoreError.corrupt(what: "output \(slice.file.number)") }
            offset += piece.count
            return piece
        }
    }
}
