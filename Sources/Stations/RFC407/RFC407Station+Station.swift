import Glibc
package import Jobs
import Lines
import Protocols
import Synchronization
import Wire

extension RFC407Station: Station {
    package nonisolated var abilities: Abilities {
        var abilities: Abilities = [.jobNumbers, .status, .notices, .cancel, .hold, .pulledOutput]
        if settings.punchFile != nil { abilities.insert(.punch) }
        if deckFormat(isEBCDIC: false).hasEnd || settings.files != nil { abilities.insert(.dropsCutDecks) }
        return abilities
    }
    package nonisolated var window: Int { max(1, settings.window) }

    nonisolated func deckFormat(isEBCDIC: Bool) -> RFC407.StreamFormat {
        .init(.init(settings.deckMode, isEBCDIC: isEBCDIC), .input, dialect: settings.dialect)
    }

    package func find(key: String) async throws(StationError) -> Receipt? { throw .lacks("submissionKey") }
    package func void(key: String) async throws(StationError) -> Receipt? { throw .lacks("submissionKey") }

    // MARK: following

    package func status(of job: JobNumber) async throws(StationError) -> HostJob? {
        let reply = try await ask(.status(job: job.description, file: nil))
        switch reply.code {
        case 100..<200, 264: return HostJob(status: reply.text, of: job)
        case 464: return nil
        default: throw StationError(reply)
        }
    }

    /// As profile R1 has it: plain STATUS lists the user's jobs in continuation lines, `Job <id> <name> <STATE>`.
    package func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool) {
        let reply = try await ask(.status(job: nil, file: nil), wholeText: true)
        guard (100..<200).contains(reply.code) else { throw StationError(reply) }
        let jobs = reply.more.compactMap { line -> HostJob? in
            let words = line.split(separator: " ")
            guard words.count >= 4, words[0].uppercased() == "JOB", let number = JobNumber(words[1]) else { return nil }
            var job = HostJob(status: "Job \(words[1]) " + words[3...].joined(separator: " "), of: number)
            job.name = String(words[2])
            return job
        }
        return (jobs, !reply.text.contains("more than"))
    }

    /// 261 and its kin come unasked, over the session that handed the job in.
    package func watchAll() async throws(StationError) {}

    package func ping() async throws(StationError) {
        let reply = try await ask(.out(file: settings.printFile, .hold))
        guard reply.code < 500 else { throw StationError(reply) }
    }

    package func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer {
        let reply = try await ask(.cancel(job: job.description))
        switch reply.code {
        case 262: return .canceled
        case 464: return .unknownJob
        case 504: return .tooLate
        default: throw StationError(reply)
        }
    }

    package func hold(_ job: JobNumber) async throws(StationError) { try await alter(job, "HOLD") }
    package func release(_ job: JobNumber) async throws(StationError) { try await alter(job, "RELEASE") }

    private func alter(_ job: JobNumber, _ text: String) async throws(StationError) {
        let reply = try await ask(.alter(job: job.description, text))
        guard reply.code == 263 else { throw StationError(reply) }
    }

    /// OP shows a text when a later job starts; it is no command that is answered.
    package func operate(_ command: String) async throws(StationError) -> [String] { throw .lacks("operatorCommands") }

    // MARK: output

    private nonisolated func name(of file: HostFile) -> String {
        file.kind == .punch ? settings.punchFile ?? "" : settings.printFile
    }

    package func files(of job: JobNumber) async throws(StationError) -> [HostFile] {
        var files: [HostFile] = []
        let page = settings.codePage
        for kind in [SpoolFile.Kind.print, .punch] {
            guard kind == .print || settings.punchFile != nil else { continue }
            let name = kind == .print ? settings.printFile : settings.punchFile ?? ""
            // the primary print file has no name in OUT, but STATUS without one would be of the job
            let shown = name.isEmpty ? "print" : name
            let reply = try await ask(.status(job: job.description, file: shown))
            switch reply.code {
            case 464: continue
            case 100..<200, 264: break
            default: throw StationError(reply)
            }
            let words = reply.text.split(separator: " ")
            let count = words.lastIndex { $0 == "record" || $0 == "records" }.flatMap {
                $0 > 0 ? Int(words[$0 - 1]) : nil
            }
            files.append(
                kind == .print
                    ? HostFile(
                        number: 1, kind: .print, ddName: "PRINT", records: count,
                        carriageControl: settings.printMode == .asa ? .asa : .none, code: page.name, recordLength: 133)
                    : HostFile(
                        number: 2, kind: .punch, ddName: "PUNCH", records: count, carriageControl: .none,
                        code: "BINARY",
                        recordLength: 80))
        }
        return files
    }

    private nonisolated func attributes(of file: HostFile) -> RFC407.Attributes {
        // by FTP everything is text
        if settings.files != nil { return .init(.text) }
        return .init(file.kind == .punch ? .records : settings.printMode, isEBCDIC: settings.codePage != .ascii)
    }

    package nonisolated func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int {
        let attributes = attributes(of: file)
        let taker = RFC407RecordTaker(
            format: .init(attributes, .output, dialect: settings.dialect), longest: settings.longestRecord,
            page: settings.codePage, cardLength: file.code == "BINARY" ? file.recordLength : nil, from: offset,
            limit: limit)
        if let files = settings.files {
            return try await fetch(name(of: file), of: job, attributes, from: files, taker, piece)
        }
        let door = try openDoor()
        defer { door.shut() }
        let place = RFC407.FileID.socket(announced, port: door.port, attributes)
        try await send(name(of: file), of: job, to: place)
        let line: TCPLine
        do { line = try await door.accept(within: settings.dataTime, on: loop) } catch {
            throw .deadline("the host did not connect to port \(door.port) for its output: \(error)")
        }
        // A reset tells the host that we do not have it.
        var isComplete = false
        defer { if isComplete { line.close() } else { line.abort() } }
        do {
            while let octets = try await line.read(within: settings.answerTime) {
                FrameTape.current?.add(data: octets, .in, on: .output)
                try await taker.take(octets, piece)
                guard taker.isFull else { continue }
                try await taker.flush(piece)
                return taker.total
            }
            try await taker.finish(piece)
        } catch {
            throw Self.failure(error)
        }
        isComplete = true
        return taker.total
    }

    private static func failure(_ error: any Error) -> StationError {
        switch error {
        case let error as StationError: error
        case let error as LineError: .lineLost("the data connection: \(error)")
        case let fault as RFC407.StreamFault: .lineLost("the data connection ended in the middle: \(fault)")
        default: .local("the output could not be stored: \(error)")
        }
    }

    /// CHANGE to `(S)`: the host keeps the file until `purge`.
    private nonisolated func send(
        _ name: String, of job: JobNumber, to place: RFC407.FileID
    ) async throws(StationError) {
        let change = RFC407.Command.change(job: job.description, file: name, .send(place, keeps: true))
        var reply = try await ask(change)
        if reply.code == 504 {
            // It is still being sent to where an earlier try of ours had been.
            _ = try await ask(.transmission(.hold, count: 1, .file(job: job.description, file: name)))
            reply = try await ask(change)
        }
        guard (200..<300).contains(reply.code) else { throw StationError(reply) }
    }

    private nonisolated func fetch(
        _ name: String, of job: JobNumber, _ attributes: RFC407.Attributes, from files: any RFC407FileExchange,
        _ taker: RFC407RecordTaker, _ piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int {
        let place = files.place(for: name.isEmpty ? "print" : name, of: job, attributes)
        await files.remove(place)  // APPE would add to what an earlier try has left
        try await send(name, of: job, to: place)
        // There is no reply for delivered output: STATUS tells.
        let end = ContinuousClock.now + settings.dataTime
        while true {
            let reply = try await ask(.status(job: job.description, file: name.isEmpty ? "print" : name))
            let words = reply.text.split(separator: " ").map { $0.uppercased() }
            if words.contains("DONE") { break }
            if reply.code == 464 || words.contains("STRANDED") || words.contains("HELD") {
                let words = await takeUndelivered(job) ?? "\(reply.code) \(reply.text)"
                throw .refused("the host could not lay the file down: \(words)")
            }
            if reply.code != 264, ContinuousClock.now > end {
                throw .deadline("the host did not lay the file down: \(reply.text)")
            }
            do { try await loop.sleep(for: .milliseconds(50)) } catch { throw .closed }
        }
        do {
            try await files.take(place) { try await taker.take($0, piece) }
            try await taker.finish(piece)
        } catch {
            throw Self.failure(error)
        }
        await files.remove(place)
        return taker.total
    }

    /// The host drops the job with its last file.
    package func purge(_ job: JobNumber) async throws(StationError) {
        for name in [settings.punchFile, settings.printFile].compactMap(\.self) {
            var reply = try await ask(.change(job: job.description, file: name, .discard))
            if reply.code == 504 {
                // We have the file, but the host has not seen our end of its connection yet.
                reply = try await ask(.transmission(.abort, count: 1, .file(job: job.description, file: name)))
            }
            guard (200..<300).contains(reply.code) || reply.code == 464 else { throw StationError(reply) }
        }
    }

    // MARK: doors

    nonisolated var announced: RFC407.HostField? {
        switch settings.dataAddress {
        case nil: nil
        case .v4(let number)?: .number(number)
        case let address?: .name("\(address)")
        }
    }

    nonisolated func openDoor() throws(StationError) -> RFC407Door {
        guard let host = hostAddress.withLock({ $0 }) else { throw .closed }
        let any: IPAddress = if case .v4 = host { .any } else { .anyV6 }
        do throws(LineError) {
            return try openDoor(at: settings.dataAddress ?? (host.isLoopback ? host : any), from: host)
        } catch .system(EADDRNOTAVAIL) {
            // The address that the host is told is a router's, which hands on to us.
            do throws(LineError) { return try openDoor(at: any, from: host) } catch {
                throw .busy("no port for a data connection: \(error)")
            }
        } catch {
            throw .busy("no port for a data connection: \(error)")
        }
    }

    private nonisolated func openDoor(at address: IPAddress, from host: IPAddress) throws(LineError) -> RFC407Door {
        try RFC407Door(at: address, ports: settings.dataPorts, from: host, on: loop)
    }
}

/// Turns what comes over a data connection into a spool file's octets: records with the code's end, cards of one length.
final class RFC407RecordTaker: Sendable {
    private struct State {
        var reader: RFC407.StreamReader
        var octets: [UInt8] = []
        /// Octets made so far, those left out included.
        var total = 0
    }

    private let state: Mutex<State>
    private let page: CodePage
    private let cardLength: Int?
    private let start: Int
    private let end: Int
    private static let pieceOctets = 64 * 1024

    init(
        format: RFC407.StreamFormat, longest: Int, page: CodePage, cardLength: Int?, from start: Int, limit: Int?
    ) {
        state = Mutex(State(reader: .init(format, longestRecord: longest)))
        self.page = page
        self.cardLength = cardLength
        self.start = max(0, start)
        let sum = self.start.addingReportingOverflow(max(0, limit ?? .max))
        end = sum.overflow ? .max : sum.partialValue
    }

    var total: Int { state.withLock { $0.total } }
    /// As much as was asked for.
    var isFull: Bool { total >= end }

    func take(_ octets: [UInt8], _ piece: @Sendable ([UInt8]) async throws -> Void) async throws {
        let ready = try state.withLock { state in
            state.reader.append(octets)
            while let record = try state.reader.next() { add(record, &state) }
            return state.octets.count >= Self.pieceOctets ? take(&state) : []
        }
        if !ready.isEmpty { try await piece(ready) }
    }

    /// Hands on what was made so far.
    func flush(_ piece: @Sendable ([UInt8]) async throws -> Void) async throws {
        let ready = state.withLock { take(&$0) }
        if !ready.isEmpty { try await piece(ready) }
    }

    func finish(_ piece: @Sendable ([UInt8]) async throws -> Void) async throws {
        let ready = try state.withLock { state in
            if let record = try state.reader.finish() { add(record, &state) }
            return take(&state)
        }
        if !ready.isEmpty { try await piece(ready) }
    }

    private func take(_ state: inout State) -> [UInt8] {
        defer { state.octets = [] }
        return state.octets
    }

    private func add(_ record: [UInt8], _ state: inout State) {
        var record = record
        if let cardLength {
            record = Array(record.prefix(cardLength))
            record += repeatElement(page.blank, count: cardLength - record.count)
        } else {
            record.append(page.recordEnd)
        }
        let from = min(record.count, max(0, start - state.total))
        let to = max(from, min(record.count, end - state.total))
        state.octets += record[from..<to]
        state.total += record.count
    }
}
