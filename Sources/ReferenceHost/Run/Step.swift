import Wire

/// How a program ends when it does not return.
package enum Abend: Error, Equatable, Sendable, CustomStringConvertible {
    /// Three hexadecimal digits.
    case system(String)
    /// 0 to 4095.
    case user(Int)
    /// By the operator or the user.
    case cancelled

    /// `S0C7`, `U0016`
    package var description: String {
        switch self {
        case .system(let code): "S\(code)"
        case .user(let code): "U\(pad(code, 4))"
        case .cancelled: "S222"
        }
    }

    /// Takes `S0C7` and `U0016`, with any number of leading zeros.
    package init?(_ text: String) {
        switch text.first {
        case "S":
            let digits = text.dropFirst()
            guard digits.utf8.count == 3, Int(digits, radix: 16) != nil, digits == digits.uppercased() else {
                return nil
            }
            self = .system(String(digits))
        case "U":
            guard let code = Int(text.dropFirst()), (0...4095).contains(code) else { return nil }
            self = .user(code)
        default: return nil
        }
    }
}

/// A program of this host. It sees its step, and nothing of the machine.
protocol Program: Sendable {
    /// - Returns: the return code, 0 to 4095.
    func run(_ step: Step) async throws -> Int
}

/// What a running program works with.
final class Step {
    let parameter: String
    let job: RunningJob
    private let definition: JobDefinition.Step
    private var sinks: [String: RecordSink] = [:]

    init(_ definition: JobDefinition.Step, of job: RunningJob) {
        self.definition = definition
        self.job = job
        parameter = definition.parameter
    }

    func has(_ ddName: String) -> Bool { definition.dataSets.contains { $0.name == ddName } }

    /// Opens a DD for reading: nil when the step has none of that name. What is no input reads as empty.
    func input(_ ddName: String) -> RecordSource? {
        guard let found = definition.dataSets.first(where: { $0.name == ddName }) else { return nil }
        return RecordSource(found.sources, job: job)
    }

    /// Opens a DD for writing. One that the step lacks is reported in the job log; with `orElse` it is allocated to that
    /// SYSOUT class instead.
    func output(_ ddName: String, orElse outputClass: UInt8? = nil) -> RecordSink? {
        if let open = sinks[ddName] { return open }
        let sink: RecordSink
        if let found = definition.dataSets.first(where: { $0.name == ddName }) {
            sink = RecordSink(found, step: definition, job: job)
        } else if let outputClass {
            let made = JobDefinition.DataDefinition(name: ddName, statement: 0, sources: [.sysout(outputClass)])
            sink = RecordSink(made, step: definition, job: job)
        } else {
            job.log("IEC130I \(left(ddName, 8)) DD STATEMENT MISSING")
            return nil
        }
        sinks[ddName] = sink
        return sink
    }

    /// Lets others run, and ends the program when the job was cancelled. To be called every some thousand records.
    func breathe() async throws {
        if job.control.isCancelled { throw Abend.cancelled }
        if job.linesAreOver { throw Abend.system("722") }
        await Task.yield()
    }
}

/// Records of one DD, one after the other.
struct RecordSource {
    private let sources: [JobDefinition.DataDefinition.Source]
    private let job: RunningJob
    private var source = 0
    private var record = 0

    init(_ sources: [JobDefinition.DataDefinition.Source], job: RunningJob) {
        self.sources = sources
        self.job = job
    }

    mutating func next() -> ArraySlice<UInt8>? {
        while source < sources.count {
            switch sources[source] {
            case .inStream(let cards):
                if record < cards.count {
                    defer { record += 1 }
                    return job.deck[cards.lowerBound + record]
                }
            case .temporary(let name):
                let records = job.temporary[name] ?? []
                if record < records.count {
                    defer { record += 1 }
                    return records[record][...]
                }
            case .dummy, .sysout, .missing: break
            }
            source += 1
            record = 0
        }
        return nil
    }
}

/// Where the records of one DD go.
final class RecordSink {
    private let target: Target
    private let job: RunningJob
    private let hasCarriageControl: Bool

    private enum Target {
        case spool(SpoolWriter)
        case temporary(String)
        case nowhere
    }

    fileprivate init(_ definition: JobDefinition.DataDefinition, step: JobDefinition.Step, job: RunningJob) {
        self.job = job
        hasCarriageControl = definition.hasCarriageControl
        switch definition.sources.first {
        case .sysout(let outputClass):
            target = .spool(job.writer(step: step, definition: definition, outputClass: outputClass))
        case .temporary(let name):
            target = .temporary(name)
            job.temporary[name] = []
        case .inStream, .dummy, .missing, nil: target = .nowhere
        }
    }

    /// A record of a data set: with RECFM=..A its first character is carriage control, else it is all text.
    func put(_ record: ArraySlice<UInt8>) {
        switch target {
        case .spool(let writer) where hasCarriageControl && writer.kind == .print:
            writer.line(record.first ?? 0x20, record.dropFirst())
            job.linesWritten += 1
        case .spool(let writer):
            writer.line(0x20, record)
            job.linesWritten += 1
        case .temporary(let name): job.temporary[name, default: []].append(Array(record))
        case .nowhere: break
        }
    }

    /// A line of a listing.
    func line(_ text: String, motion: UInt8 = 0x20) { line(octets: Array(text.utf8), motion: motion) }

    /// The same in Latin-1.
    func line(octets: [UInt8], motion: UInt8 = 0x20) {
        switch target {
        case .spool(let writer):
            writer.line(motion, octets)
            job.linesWritten += 1
        case .temporary(let name): job.temporary[name, default: []].append([motion] + octets)
        case .nowhere: break
        }
    }
}
