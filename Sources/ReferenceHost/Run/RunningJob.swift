import Wire

/// What the steps of one running job share.
final class RunningJob {
    let number: HostJobNumber
    let user: String
    let deck: CardDeck
    let definition: JobDefinition
    let host: BatchSettings
    let time: HostTime
    let control: RunControl
    private let place: SpoolPlace
    private let fileStem: String

    /// `&&NAME` data sets.
    var temporary: [String: [[UInt8]]] = [:]
    var linesWritten = 0
    /// Lines of the job log so far, without JES's own head.
    private(set) var logLines: [String] = []
    private var writers: [(statement: Int, writer: SpoolWriter)] = []
    private var files = 0

    /// - Parameter fileStem: begins the names of the job's files on disk.
    init(
        number: HostJobNumber, user: String, deck: CardDeck, definition: JobDefinition, host: BatchSettings,
        time: HostTime, control: RunControl, place: SpoolPlace, fileStem: String
    ) {
        self.number = number
        self.user = user
        self.deck = deck
        self.definition = definition
        self.host = host
        self.time = time
        self.control = control
        self.place = place
        self.fileStem = fileStem
    }

    var linesAreOver: Bool { linesWritten > host.mostLines }

    /// A message of the job log, with its time.
    func log(_ text: String) {
        logLines.append(" \(PrintedTime(time.now()).clock) \(number)  \(text)")
    }

    func newWriter(_ kind: OutputFile.Kind, step: String?, ddName: String) -> SpoolWriter {
        files += 1
        return SpoolWriter(
            kind, step: step, ddName: ddName, page: host.code, place: place, name: "\(fileStem).\(files)")
    }

    func writer(step: JobDefinition.Step, definition: JobDefinition.DataDefinition, outputClass: UInt8) -> SpoolWriter {
        let kind: OutputFile.Kind = outputClass == host.punchClass.octet ? .punch : .print
        let writer = newWriter(kind, step: step.name.isEmpty ? nil : step.name, ddName: definition.name)
        // a data set that the program allocates itself stands behind those of its step
        let statement = definition.statement == 0 ? step.statement * 1000 + 999 : definition.statement * 1000
        writers.append((statement, writer))
        return writer
    }

    /// SYSOUT data sets with records, in the order of their statements.
    var written: [SpoolWriter] {
        writers.filter { $0.writer.records > 0 }.sorted { $0.statement < $1.statement }.map(\.writer)
    }
}
