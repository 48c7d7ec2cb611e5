import Crypto
import Glibc
package import Jobs
package import Wire

/// One finished file of a job: a line of the FILES answer, and its octets.
package struct OutputFile: Sendable {
    package enum Kind: String, Sendable {
        case print = "PRINT"
        case punch = "PUNCH"
    }

    package let kind: Kind
    /// nil for what the system writes.
    package let step: String?
    package let ddName: String
    package let records: Int
    package let octets: Int
    package let carriageControl: CarriageControl
    /// nil for BINARY: the file's own octets, in records of `recordLength`.
    package let code: CodePage?
    package let recordLength: Int
    package let hash: ContentHash
    package let body: SpoolBody
}

/// Fills one file: records in Latin-1 go in, the host's code comes out. Long files move to disk as they grow.
final class SpoolWriter {
    let kind: OutputFile.Kind
    let step: String?
    let ddName: String
    private(set) var records = 0
    private(set) var octets = 0
    private var buffer: [UInt8] = []
    private var hash = SHA256()
    private let page: CodePage
    private let table: [UInt8]
    private let place: SpoolPlace
    private let name: String
    private var descriptor: CInt = -1
    private var path: String?
    private var failure: CInt = 0

    static let printWidth = 132
    static let cardWidth = 80

    /// - Parameter name: of the file on disk, if it needs one.
    init(_ kind: OutputFile.Kind, step: String?, ddName: String, page: CodePage, place: SpoolPlace, name: String) {
        self.kind = kind
        self.step = step
        self.ddName = ddName
        self.page = page
        self.place = place
        self.name = name
        table = kind == .print ? Translation.printable(page) : Translation.fromLatin1(page)
    }

    deinit { abandon() }

    /// A print line, or the same text as a card. Trailing blanks of a line are not kept, as on a JES spool.
    func line(_ motion: UInt8, _ text: some BidirectionalCollection<UInt8>) {
        guard kind == .print else { return card(text) }
        let length = text.count - text.reversed().prefix { $0 == 0x20 }.count
        buffer.append(table[Int(motion)])
        for octet in text.prefix(min(length, SpoolWriter.printWidth)) { buffer.append(table[Int(octet)]) }
        buffer.append(page.recordEnd)
        recordWritten()
    }

    func line(_ text: String, motion: UInt8 = 0x20) { line(motion, text.utf8) }

    func card(_ text: some Collection<UInt8>) {
        guard kind == .punch else { return line(0x20, Array(text)) }
        let start = buffer.count
        for octet in text.prefix(SpoolWriter.cardWidth) { buffer.append(table[Int(octet)]) }
        let missing = SpoolWriter.cardWidth - (buffer.count - start)
        if missing > 0 { buffer.append(contentsOf: repeatElement(page.blank, count: missing)) }
        recordWritten()
    }

    private func recordWritten() {
        records += 1
        if buffer.count > place.longestInMemory { spill() }
    }

    private func spill() {
        octets += buffer.count
        hash.update(data: buffer)
        if descriptor < 0 {
            if let directory = place.directory {
                let path = "\(directory)/\(name)"
                self.path = path
                descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            } else {
                var template = Array("/tmp/port77-spool-XXXXXX".utf8CString)
                descriptor = mkstemp(&template)
                if descriptor >= 0 { unlink(template) }
            }
            if descriptor < 0 { failure = errno }
        }
        var written = 0
        while failure == 0 && written < buffer.count {
            let more = buffer.withUnsafeBytes {
                write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if more < 0 && errno == EINTR { continue }
            if more <= 0 { failure = more < 0 ? errno : ENOSPC } else { written += more }
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func abandon() {
        if descriptor >= 0 { close(descriptor) }
        if descriptor >= 0, let path { unlink(path) }
        descriptor = -1
    }

    /// Ends the file. A long one is written but not yet synced.
    func finish() throws(SpoolError) -> OutputFile {
        if descriptor >= 0 { spill() } else { hash.update(data: buffer) }
        guard failure == 0 else {
            abandon()
            throw SpoolError(number: failure)
        }
        let body: SpoolBody
        if descriptor < 0 {
            octets = buffer.count
            body = .memory(buffer)
        } else if let path {
            close(descriptor)
            body = .disk(SpooledFile(.path(path), octets: octets))
        } else {
            body = .disk(SpooledFile(.descriptor(descriptor), octets: octets))
        }
        descriptor = -1
        return OutputFile(
            kind: kind, step: step, ddName: ddName, records: records, octets: octets,
            carriageControl: kind == .print ? .asa : .none, code: kind == .print ? page : nil,
            recordLength: kind == .print ? SpoolWriter.printWidth + 1 : SpoolWriter.cardWidth,
            hash: ContentHash(hash.finalize()), body: body)
    }
}
