import Crypto
import HTTPCore
import Jobs
import Stores
import Wire

/// An output rendered as a document of its own form: written from its beginning to its end, never held.
struct OutputDocument: Sendable {
    let job: Job
    let slices: [OutputSlice]
    let rendering: Rendering
    /// Of the outputs, in one step: records take more room than octets, and so does a packer beside them.
    static let mostPieceOctets = 16 * 1024
    let pieceOctets: Int

    private var title: String { "\(job.name?.description ?? "job") \(job.id)" }

    /// The page may have its own style and nothing else.
    static let htmlPolicy: String = {
        let hash = Base64.encode(Array(SHA256.hash(data: Array(HTMLPaper.style.utf8))))
        return "sandbox; default-src 'none'; style-src 'sha256-\(hash)'"
    }()

    func write(to outlet: Outlet) async throws {
        switch rendering {
        case .records, .ndjson: try await writeRecords(to: outlet)
        case .html: try await writeHTML(to: outlet)
        case .pdf: try await writePDF(to: outlet)
        case .text, .raw, .zip, .mixed: break  // others write these
        }
    }

    private func writeRecords(to outlet: Outlet) async throws {
        let isArray = rendering == .records
        if isArray { try await outlet.write(Array("{\"job\":\"\(job.id)\",\"records\":[".utf8)) }
        var isFirst = true
        for slice in slices {
            var pieces = slice.records(of: pieceOctets)
            var number = slice.firstRecord
            while let records = try await pieces.next() {
                var output: [UInt8] = []
                for record in records {
                    if isArray, !isFirst { output += [0x2C, 0x0A] }
                    isFirst = false
                    output += RecordDocument.bytes(record, number: number, of: slice.file)
                    if !isArray { output.append(0x0A) }
                    number += 1
                }
                try await outlet.write(output)
            }
        }
        if isArray { try await outlet.write(Array("]}\n".utf8)) }
    }

    private func writeHTML(to outlet: Outlet) async throws {
        try await outlet.write(HTMLPaper.begin(title: title))
        for slice in slices {
            let file = slice.file
            try await outlet.write(HTMLPaper.heading("\(title): \(file.title)"))
            var printer = LinePrinter(file.control, records: file.form, code: file.page, on: HTMLPaper(code: file.page))
            try await print(slice, with: &printer, to: outlet)
            var output: [UInt8] = []
            printer.paper.finish(to: &output)
            try await outlet.write(output)
        }
        try await outlet.write(HTMLPaper.end)
    }

    private func writePDF(to outlet: Outlet) async throws {
        var paper = PDFPaper(code: slices.first?.file.page ?? .ascii)
        var output: [UInt8] = []
        paper.begin(title: title, to: &output)
        for slice in slices {
            let file = slice.file
            paper.code = file.page
            var printer = LinePrinter(file.control, records: file.form, code: file.page, on: paper)
            try await outlet.write(output)
            output = []
            try await print(slice, with: &printer, to: outlet)
            paper = printer.paper
            paper.finish(to: &output)
        }
        while paper.end(to: &output) {
            try await outlet.write(output)
            output = []
        }
        try await outlet.write(output)
    }

    private func print<Paper: PrintPaper>(
        _ slice: OutputSlice, with printer: inout LinePrinter<Paper>, to outlet: Outlet
    ) async throws {
        var pieces = slice.pieces(of: pieceOctets)
        while let piece = try await pieces.next() {
            var output: [UInt8] = []
            printer.append(piece.span, to: &output)
            try await outlet.write(output)
        }
        guard slice.isWhole else { return }
        var output: [UInt8] = []
        printer.finish(to: &output)
        try await outlet.write(output)
    }
}

/// Everything of a job in one archive: deck, document, receipt, and each output as text and as it came.
struct JobArchive: Sendable {
    let job: Job
    let document: [UInt8]
    let deck: any BodyReader
    /// The signed event of the job's end and the fields it is signed by; absent when there is no key or no event any more.
    let receipt: (event: [UInt8], fields: [UInt8])?
    let files: [OutputFile]
    let pieceOctets: Int

    private var folder: String { "\(Self.safe(job.name?.description ?? "JOB"))-\(job.id)" }

    /// A host chooses some of the names: nothing of them may lead out of the folder.
    static func safe(_ name: String) -> String {
        String(
            decoding: name.utf8.map { octet -> UInt8 in
                switch octet {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x23, 0x24, 0x2D, 0x40, 0x5F: octet
                default: 0x5F
                }
            }, as: UTF8.self)
    }

    static func name(_ file: OutputFile, _ suffix: String) -> String {
        let digits = String(file.number)
        let number = String(repeating: "0", count: max(0, 3 - digits.utf8.count)) + digits
        return "\(number)-\(safe(file.title.split(separator: " ").joined(separator: "-"))).\(suffix)"
    }

    func write(to outlet: Outlet) async throws {
        var zip = Self.writer(at: job.createdAt)
        try await add("job.json", document, to: &zip, outlet)
        if let receipt {
            try await add("receipt.json", receipt.event, to: &zip, outlet)
            try await add("receipt-signature.txt", receipt.fields, to: &zip, outlet)
        }
        try await begin("deck.\(job.deck.form == .text ? "jcl" : "bin")", of: &zip, outlet)
        var offset = 0
        while offset < deck.octets {
            let piece = try await deck.read(from: offset, count: pieceOctets)
            if piece.isEmpty { throw StoreError.corrupt(what: "the deck") }
            offset += piece.count
            try await append(piece, to: &zip, outlet)
        }
        try await end(&zip, outlet)
        for file in files {
            for renderer in [file.renderer, nil] {
                let path =
                    renderer == nil
                    ? "raw/\(Self.name(file, file.code.lowercased()))" : "outputs/\(Self.name(file, "txt"))"
                try await begin(path, of: &zip, outlet)
                var stream = OutputSource.Part(
                    prefix: [], length: nil, slice: OutputSlice(file), renderer: renderer
                ).stream(pieceOctets: pieceOctets)
                while let piece = try await stream.next() { try await append(piece, to: &zip, outlet) }
                try await end(&zip, outlet)
            }
        }
        var output: [UInt8] = []
        zip.finish(to: &output)
        try await outlet.write(output)
    }

    private static func writer(at time: Timestamp) -> ZIPWriter {
        let numbers = time.rfc3339.split { !$0.isNumber }.compactMap { Int($0) }
        guard numbers.count >= 6 else {
            return ZIPWriter(year: 1980, month: 1, day: 1, hour: 0, minute: 0, second: 0)
        }
        return ZIPWriter(
            year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4],
            second: numbers[5])
    }

    private func add(_ name: String, _ content: [UInt8], to zip: inout ZIPWriter, _ outlet: Outlet) async throws {
        try await begin(name, of: &zip, outlet)
        try await append(content, to: &zip, outlet)
        try await end(&zip, outlet)
    }

    private func begin(_ name: String, of zip: inout ZIPWriter, _ outlet: Outlet) async throws {
        var output: [UInt8] = []
        zip.begin("\(folder)/\(name)", to: &output)
        try await outlet.write(output)
    }

    private func append(_ content: [UInt8], to zip: inout ZIPWriter, _ outlet: Outlet) async throws {
        var output: [UInt8] = []
        try zip.append(content, to: &output)
        try await outlet.write(output)
    }

    private func end(_ zip: inout ZIPWriter, _ outlet: Outlet) async throws {
        var output: [UInt8] = []
        try zip.end(to: &output)
        try await outlet.write(output)
    }
}
