import Jobs
import Stores
import Wire

/// What a file will be as text, counted and hashed while it comes; print-out is read for what it says of its job.
struct TextTally: Sendable {
    private var renderer: TextRenderer
    private let reads: Bool
    private var hasher = ContentHasher()
    private var text: [UInt8] = []
    private(set) var octets = 0
    /// Has seen nothing of cards, which are data of any kind: what looks like a message in them is none.
    private(set) var scan = PrintScan()

    init(
        _ kind: SpoolFile.Kind, _ control: CarriageControl, code: String, recordLength: Int, hostPage: CodePage
    ) {
        let page = CodePage(named: code) ?? hostPage
        let form: RecordSplitter.Form = code == "BINARY" ? .fixed(max(1, recordLength)) : .text(page)
        renderer = TextRenderer(control, records: form, code: page)
        reads = kind == .print
    }

    var records: Int { renderer.records }
    var wholeRecords: Int { renderer.wholeRecords }
    /// Of a short text it is worked out for who asks.
    var hash: ContentHash? { octets > StagedBody.mostInlineOctets ? hasher.finish() : nil }

    mutating func append(_ piece: [UInt8]) {
        text.removeAll(keepingCapacity: true)
        renderer.append(piece.span, to: &text)
        count()
    }

    /// Call once, after the last octet of the file.
    mutating func finish() {
        text.removeAll(keepingCapacity: true)
        renderer.finish(to: &text)
        count()
        scan.finish()
    }

    private mutating func count() {
        octets += text.count
        hasher.update(text)
        if reads { scan.append(text) }
    }
}
