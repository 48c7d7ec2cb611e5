import Jobs
import Wire

extension JournalRecord {
    var octets: [UInt8] {
        var writer = RecordWriter()
        switch self {
        case .numbers(let number, let serial):
            writer.octet(1)
            writer.number(number)
            writer.number(serial)
        case .accepted(let job):
            writer.octet(2)
            job.write(to: &writer)
        case .started(let serial, let time):
            writer.octet(3)
            writer.number(serial)
            writer.number(Int(time.microseconds))
        case .held(let serial, let isHeld):
            writer.octet(4)
            writer.number(serial)
            writer.flag(isHeld)
        case .cancelAsked(let serial):
            writer.octet(5)
            writer.number(serial)
        case .ended(let serial, let end, let files):
            writer.octet(6)
            writer.number(serial)
            end.write(to: &writer)
            writer.number(files.count)
            for file in files { file.write(to: &writer) }
        case .purged(let serial):
            writer.octet(7)
            writer.number(serial)
        case .key(let id, let entry):
            writer.octet(8)
            writer.number(id.high)
            writer.number(id.low)
            entry.write(to: &writer)
        }
        return writer.octets
    }

    init(_ octets: [UInt8]) throws(RecordFault) {
        var reader = RecordReader(octets)
        switch try reader.octet() {
        case 1: self = .numbers(lastNumber: try reader.number(), lastSerial: try reader.unsigned())
        case 2: self = .accepted(try JobRecord(&reader))
        case 3: self = .started(serial: try reader.unsigned(), at: try reader.time())
        case 4: self = .held(serial: try reader.unsigned(), try reader.flag())
        case 5: self = .cancelAsked(serial: try reader.unsigned())
        case 6:
            let serial = try reader.unsigned()
            let end = try JobEnd(&reader)
            var files: [FileRecord] = []
            for _ in 0..<min(100_000, max(0, try reader.number())) { files.append(try FileRecord(&reader)) }
            self = .ended(serial: serial, end, files)
        case 7: self = .purged(serial: try reader.unsigned())
        case 8:
            let id = KeyID(high: try reader.unsigned(), low: try reader.unsigned())
            self = .key(id, try KeyEntry(&reader))
        default: throw RecordFault()
        }
    }
}

extension JournalRecord.JobRecord {
    func write(to writer: inout RecordWriter) {
        writer.number(serial)
        writer.number(number)
        writer.text(name)
        writer.text(user)
        writer.optional(key)
        writer.text(code.name)
        writer.text(form.rawValue)
        writer.number(longest)
        writer.octet(jobClass.octet)
        writer.number(priority)
        writer.flag(isHeld)
        writer.number(cards)
        writer.number(Int(submittedAt.microseconds))
        writer.bytes(hash.octets)
        writer.bytes(block)
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        serial = try reader.unsigned()
        number = try reader.number()
        name = try reader.text()
        user = try reader.text()
        key = try reader.optional()
        code = try reader.value { CodePage(named: $0) }
        form = try reader.value(CardForm.init(rawValue:))
        longest = try reader.number()
        guard let jobClass = JobClass(octet: try reader.octet()) else { throw RecordFault() }
        self.jobClass = jobClass
        priority = min(15, max(0, try reader.number()))
        isHeld = try reader.flag()
        cards = try reader.number()
        submittedAt = try reader.time()
        hash = try reader.hash()
        block = try reader.bytes()
    }
}

extension JournalRecord.FileRecord {
    func write(to writer: inout RecordWriter) {
        writer.text(kind.rawValue)
        writer.optional(step)
        writer.text(ddName)
        writer.number(records)
        writer.number(octets)
        writer.text(carriageControl.rawValue)
        writer.optional(code?.name)
        writer.number(recordLength)
        writer.bytes(hash.octets)
        switch body {
        case .here(let octets):
            writer.octet(0)
            writer.bytes(octets)
        case .named(let name):
            writer.octet(1)
            writer.text(name)
        }
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        kind = try reader.value(OutputFile.Kind.init(rawValue:))
        step = try reader.optional()
        ddName = try reader.text()
        records = try reader.number()
        octets = try reader.number()
        carriageControl = try reader.value(CarriageControl.init(rawValue:))
        code = try reader.optional().flatMap { CodePage(named: $0) }
        recordLength = try reader.number()
        hash = try reader.hash()
        body = try reader.octet() == 0 ? .here(try reader.bytes()) : .named(try reader.text())
    }

    init(_ file: OutputFile) {
        let body: Body
        switch file.body {
        case .memory(let octets): body = .here(octets)
        case .disk(let spooled): body = .named(spooled.name)
        }
        self.init(
            kind: file.kind, step: file.step, ddName: file.ddName, records: file.records, octets: file.octets,
            carriageControl: file.carriageControl, code: file.code, recordLength: file.recordLength, hash: file.hash,
            body: body)
    }

    func outputFile(in directory: String) -> OutputFile {
        let kept: SpoolBody
        switch body {
        case .here(let octets): kept = .memory(octets)
        case .named(let name): kept = .disk(SpooledFile(.path("\(directory)/\(name)"), octets: octets))
        }
        return OutputFile(
            kind: kind, step: step, ddName: ddName, records: records, octets: octets, carriageControl: carriageControl,
            code: code, recordLength: recordLength, hash: hash, body: kept)
    }
}

extension JobEnd {
    func write(to writer: inout RecordWriter) {
        switch outcome {
        case .done(let code):
            writer.octet(0)
            writer.number(code)
        case .jclError: writer.octet(1)
        case .abend(let abend):
            writer.octet(2)
            writer.text(abend.description)
        case .cancelled: writer.octet(3)
        case .lost: writer.octet(4)
        }
        writer.number(Int(at.microseconds))
    }

    init(_ reader: inout RecordReader) throws(RecordFault) {
        let outcome: Outcome
        switch try reader.octet() {
        case 0: outcome = .done(try reader.number())
        case 1: outcome = .jclError
        case 2: outcome = .abend(try reader.value { Abend($0) })
        case 3: outcome = .cancelled
        case 4: outcome = .lost
        default: throw RecordFault()
        }
        self.init(outcome: outcome, at: try reader.time())
    }
}
