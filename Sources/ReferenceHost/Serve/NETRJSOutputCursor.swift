import Protocols
import Wire

/// Walks through the records of one job's print or punch files, and back again: data set by data set, page by page.
package struct NETRJSOutputCursor: Sendable {
    /// Where a record begins.
    package struct Position: Equatable, Sendable {
        package var file = 0
        /// In the file, octets.
        package var offset = 0
        /// In the data set, from 0.
        package var record = 0

        package init(file: Int = 0) { self.file = file }
    }

    /// Records of a page without a skip to channel 1.
    static let longestPage = 60
    private static let pieceOctets = 64 * 1024
    private static let mostPages = 4_096

    let files: [OutputFile]
    package private(set) var position: Position
    private var splitter: RecordSplitter?
    /// Octets of the file that were read into the splitter.
    private var readTo = 0
    /// Where pages began, the latest last.
    private(set) var pages: [Position] = []

    package init(_ files: [OutputFile], at position: Position = Position()) {
        self.files = files
        self.position = position
    }

    var file: OutputFile? { files.indices.contains(position.file) ? files[position.file] : nil }

    /// The next record without its end; nil after the last data set.
    package mutating func next() throws -> [UInt8]? {
        while let file {
            var splitter = self.splitter ?? Self.splitter(of: file)
            if self.splitter == nil { readTo = position.offset }
            self.splitter = nil
            var record = try splitter.next()
            while record == nil, readTo < file.octets {
                let piece = try file.body.read(offset: readTo, count: Self.pieceOctets)
                guard !piece.isEmpty else { throw SpoolError(number: 5) }
                readTo += piece.count
                splitter.append(piece)
                record = try splitter.next()
            }
            if record == nil { record = try splitter.finish() }
            guard let record else {
                skipDataSet()
                continue
            }
            self.splitter = splitter
            notePage(record, file)
            position.offset += record.count + (file.code == nil ? 0 : 1)
            position.record += 1
            return record
        }
        return nil
    }

    private static func splitter(of file: OutputFile) -> RecordSplitter {
        // a CR before the end is data of the line, as the spool wrote it
        RecordSplitter(
            file.code.map { .ended(by: $0.recordEnd, dropsCarriageReturn: false) } ?? .fixed(file.recordLength))
    }

    private mutating func notePage(_ record: [UInt8], _ file: OutputFile) {
        let last = pages.last
        let isSkip = file.carriageControl == .asa && record.first == (file.code ?? .ascii).octet(for: "1")
        let isFull = last.map { $0.file != position.file || position.record - $0.record >= Self.longestPage } ?? true
        guard isSkip || isFull else { return }
        if pages.count == Self.mostPages { pages.removeFirst(Self.mostPages / 2) }
        pages.append(position)
    }

    package mutating func move(to position: Position) {
        self.position = position
        splitter = nil
        pages.removeAll { $0.file > position.file || $0.file == position.file && $0.offset >= position.offset }
    }

    /// About one page back, within the data set.
    package mutating func backspace() {
        let here = position.file
        let before = pages.last { $0.file == here && position.record - $0.record > 1 }
        move(to: before ?? Position(file: here))
    }

    package mutating func skipDataSet() { move(to: Position(file: position.file + 1)) }
    package mutating func skipAll() { move(to: Position(file: files.count)) }
    package mutating func restartDataSet() { move(to: Position(file: position.file)) }
    package mutating func restartAll() { move(to: Position()) }
}
