import Jobs
import Wire

/// One fact of the journal. What a restart finds:
///
/// | facts of a job | after the restart |
/// | --- | --- |
/// | accepted | queued or held, as it was |
/// | accepted, started | it was running: queued again and run from its first step, as JES restarts a job; the ledger says `rerun` |
/// | accepted, cancel asked, no end | ended as CANCELLED, not run |
/// | ended | finished, with the same files |
/// | purged | gone; its key stays until KEEP is over |
enum JournalRecord: Equatable {
    case numbers(lastNumber: Int, lastSerial: UInt64)
    case accepted(JobRecord)
    case started(serial: UInt64, at: Timestamp)
    case held(serial: UInt64, Bool)
    case cancelAsked(serial: UInt64)
    case ended(serial: UInt64, JobEnd, [FileRecord])
    case purged(serial: UInt64)
    /// A key that is void, or whose job is gone.
    case key(KeyID, KeyEntry)

    struct JobRecord: Equatable {
        var serial: UInt64
        var number: Int
        var name: String
        var user: String
        var key: String?
        var code: CodePage
        var form: CardForm
        var longest: Int
        var jobClass: JobClass
        var priority: Int
        var isHeld: Bool
        var cards: Int
        var submittedAt: Timestamp
        var hash: ContentHash
        /// Empty once the job has ended.
        var block: [UInt8]
    }

    struct FileRecord: Equatable {
        var kind: OutputFile.Kind
        var step: String?
        var ddName: String
        var records: Int
        var octets: Int
        var carriageControl: CarriageControl
        var code: CodePage?
        var recordLength: Int
        var hash: ContentHash
        /// The octets themselves, or the name of the file in the spool that has them.
        var body: Body

        enum Body: Equatable {
            case here([UInt8])
            case named(String)
        }
    }
}

// MARK: octets

/// Writes the fields of a record: numbers in 8 octets, texts with their length before them.
struct RecordWriter {
    private(set) var octets: [UInt8] = []

    mutating func number(_ value: Int) { number(UInt64(bitPattern: Int64(value))) }
    mutating func number(_ value: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            octets.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
    mutating func octet(_ value: UInt8) { octets.append(value) }
    mutating func flag(_ value: Bool) { octet(value ? 1 : 0) }
    mutating func bytes(_ value: [UInt8]) {
        number(value.count)
        octets.append(contentsOf: value)
    }
    mutating func text(_ value: String) { bytes(Array(value.utf8)) }
    mutating func optional(_ value: String?) {
        flag(value != nil)
        if let value { text(value) }
    }
}

/// A record that cannot be read: what a version wrote that this one does not know, or damage the sum did not show.
struct RecordFault: Error, Equatable {}

struct RecordReader {
    private var cursor: ByteCursor

    init(_ octets: [UInt8]) { cursor = ByteCursor(octets) }

    mutating func number() throws(RecordFault) -> Int { Int(Int64(bitPattern: try unsigned())) }
    mutating func unsigned() throws(RecordFault) -> UInt64 {
        guard let value = cursor.bigEndian(UInt64.self) else { throw RecordFault() }
        return value
    }
    mutating func octet() throws(RecordFault) -> UInt8 {
        guard let value = cursor.octet() else { throw RecordFault() }
        return value
    }
    mutating func flag() throws(RecordFault) -> Bool { try octet() != 0 }
    mutating func bytes() throws(RecordFault) -> [UInt8] {
        guard let value = cursor.take(try number()) else { throw RecordFault() }
        return Array(value)
    }
    mutating func text() throws(RecordFault) -> String { String(decoding: try bytes(), as: UTF8.self) }
    mutating func optional() throws(RecordFault) -> String? { try flag() ? try text() : nil }
    mutating func time() throws(RecordFault) -> Timestamp { Timestamp(microseconds: Int64(try number())) }
    mutating func value<Value>(_ make: (String) -> Value?) throws(RecordFault) -> Value {
        guard let value = make(try text()) else { throw RecordFault() }
        return value
    }
    mutating func hash() throws(RecordFault) -> ContentHash {
        guard let hash = ContentHash(octets: try bytes()) else { throw RecordFault() }
        return hash
    }
}
