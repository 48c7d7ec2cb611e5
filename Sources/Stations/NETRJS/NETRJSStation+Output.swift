import Jobs
import Lines
import Protocols
import Wire

/// Printer and punch: one job's output for each opening of the channel.
extension NETRJSStation {
    /// Octets handed to the taker at a time.
    private static let pieceOctets = 64 * 1024
    /// How long the host may need to close after our FIN, and how much it may still say.
    private static let closeTime = Duration.seconds(5)

    private enum Result {
        case taken
        /// Closed before a record came: refused, or given up when idle.
        case nothing(String)
        /// Broken off; the host sends it again.
        case cut(String, NETRJSMemory.StreamID?)
        /// It does not begin as the stream that broke off before.
        case tail(NETRJSMemory.StreamID)
        case notStored(StationError)
    }

    private func port(_ device: NETRJS.Device) -> Int {
        switch settings.ports {
        case .announced: (machineBase ?? 0) + device.portOffset
        case .base(let base): base + device.portOffset
        case .explicit(let reader, let printer, let punch):
            switch device {
            case .reader: reader
            case .printer: printer
            case .punch: punch
            }
        }
    }

    func open(_ device: NETRJS.Device) async throws(LineError) -> TCPLine { try await connect(to: port(device)) }

    /// Keeps the channel open while the session lasts.
    func takeOutput(_ device: NETRJS.Device) async {
        var pause = settings.retryTime
        var refusals = 0
        while goesOn {
            let result: Result
            do throws(LineError) {
                let line = try await open(device)
                // FIN says that the output is stored: a process that is killed must not say it.
                await line.setResetsWhenAbandoned(true)
                result = await receive(device, line)
            } catch {
                result = .nothing("\(error)")
            }
            incoming[device] = nil
            guard goesOn else { return }
            switch result {
            case .taken:
                pause = settings.retryTime
                refusals = 0
                continue
            case .nothing(let words):
                refusals += 1
                if refusals == 3 { report(.message("\(device.name) is refused: \(words)")) }
            case .cut(let words, let stream):
                report(.message("\(device.name) broke off and will be sent again: \(words)"))
                // A host that goes on from about a page back would leave a gap: what was in the kernels is gone.
                if let stream { handle(.say("RST \(stream.job)")) }
                pause = settings.retryTime
            case .tail(let stream):
                report(.message("output of \(stream.job) did not begin anew after a break; it is asked for again"))
                handle(.say("RST \(stream.job)"))
            case .notStored(let error): report(.message("output could not be stored and will be sent again: \(error)"))
            }
            guard await self.pause(pause) else { return }
            pause = min(pause * 2, settings.retryTime * 60)
        }
    }

    private func receive(_ device: NETRJS.Device, _ line: TCPLine) async -> Result {
        let isPunch = device == .punch
        var decoder = NETRJS.StreamDecoder(
            device, blank: isPunch ? NETRJS.punchBlank : settings.characterSet.blank)
        var stream: IncomingStream?
        defer { line.close() }
        while true {
            let octets: [UInt8]?
            do throws(LineError) {
                octets = try await line.read()
            } catch {
                return await cut(stream, "\(error)")
            }
            guard let octets else { return await cut(stream, "the host closed it before the end of the data") }
            decoder.append(octets)
            do {
                while let item = try decoder.next() {
                    switch item {
                    case .record(let record):
                        if stream == nil {
                            stream = try await begin(device, header: record)
                        } else if stream?.add(record) == false {
                            line.abort()
                            await stream?.sink.discard()
                            return .tail(stream?.id ?? .init(device: device, job: ""))
                        }
                        if (stream?.piece.count ?? 0) >= Self.pieceOctets { try await stream?.hand() }
                    case .endOfData:
                        guard let whole = stream else {
                            await acknowledge(line)
                            return .nothing("END-OF-DATA without output")
                        }
                        return await finish(whole, line)
                    }
                }
            } catch let error as NETRJS.StreamFault {
                line.abort()
                return await cut(stream, "it cannot be read (NRJ\(error.message))")
            } catch {
                line.abort()
                await stream?.sink.discard()
                return .notStored(error as? StationError ?? .local("\(error)"))
            }
        }
    }

    private func cut(_ stream: IncomingStream?, _ words: String) async -> Result {
        guard let stream else { return .nothing(words) }
        await stream.sink.discard()
        memory.broke(stream.id, after: stream.records, stream.hash)
        return .cut(words, stream.isNamed ? stream.id : nil)
    }

    private func begin(_ device: NETRJS.Device, header record: [UInt8]) async throws -> IncomingStream {
        // the punch is not translated: its header is the host's EBCDIC
        let isEBCDIC = device == .punch || settings.characterSet == .ebcdic
        let table = isEBCDIC ? NETRJS.fromEBCDIC(.ascii68) : []
        let ascii = isEBCDIC ? record.map { table[Int($0)] } : record
        let header = NETRJS.JobHeader(record: ascii)
        let text = String(decoding: ascii.map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
        let words = header.map(\.identification) ?? text
        let pushed = PushedStream(
            kind: device == .punch ? .punch : .print, carriageControl: device == .punch ? .none : .asa,
            code: device == .punch ? "BINARY" : settings.codePage.name,
            recordLength: device == .punch ? NETRJS.longestCard : NETRJS.longestRecord,
            number: header.flatMap { JobNumber($0.name) }, name: header.flatMap { JobName($0.name) },
            header: words.isEmpty ? nil : words)
        let id = NETRJSMemory.StreamID(device: device, job: header?.name ?? text)
        incoming[device] = id.job
        return IncomingStream(
            id: id, isNamed: header != nil, sink: try await taker.begin(pushed), settings: settings,
            before: memory.broken(id))
    }

    /// Stored first; only then does the host hear that it was taken.
    private func finish(_ whole: IncomingStream, _ line: TCPLine) async -> Result {
        var whole = whole
        if let before = whole.before, whole.records < before.records || !whole.hasPassedBreak {
            line.abort()
            await whole.sink.discard()
            return .tail(whole.id)
        }
        await finishing.take()
        defer { finishing.pass() }
        // Both lines of one job are announced before either is sent, but on another connection than this.
        _ = await sync()
        let others = announced[whole.id.job, default: []].subtracting([whole.id.device])
        do throws(StationError) {
            try await whole.hand()
            try await whole.sink.finish(isLast: others.isEmpty)
        } catch {
            line.abort()
            return .notStored(error)
        }
        memory.whole(whole.id)
        withdraw(whole.id.device, whole.id.job)
        await acknowledge(line)
        if others.isEmpty { memory.release(whole.id.job) }
        return .taken
    }

    /// FIN, and the host's close: what it says behind END-OF-DATA is dropped.
    func acknowledge(_ line: TCPLine) async {
        await line.setResetsWhenAbandoned(false)
        await line.finishSending()
        let end = ContinuousClock.now + Self.closeTime
        while end > .now {
            do throws(LineError) {
                guard try await line.read(within: end - .now) != nil else { break }
            } catch {
                break
            }
        }
        line.close()
    }
}

/// One stream on its way to the taker.
private struct IncomingStream {
    let id: NETRJSMemory.StreamID
    let isNamed: Bool
    let sink: any OutputSink
    let before: NETRJSMemory.Broken?
    private(set) var piece: [UInt8] = []
    private(set) var records = 0
    private(set) var hash = RecordHash()
    /// It begins as the stream that broke off.
    private(set) var hasPassedBreak: Bool
    private let page: CodePage
    private let isASCII63: Bool
    private var leadingBlank: NETRJSSettings.LeadingBlank

    init(
        id: NETRJSMemory.StreamID, isNamed: Bool, sink: any OutputSink, settings: NETRJSSettings,
        before: NETRJSMemory.Broken?
    ) {
        self.id = id
        self.isNamed = isNamed
        self.sink = sink
        self.before = before
        hasPassedBreak = before.map { $0.records == 0 } ?? true
        page = settings.codePage
        isASCII63 = settings.characterSet == .ascii63
        leadingBlank = settings.leadingBlank
    }

    /// - Returns: false when it is not the stream that broke off, begun anew.
    mutating func add(_ record: [UInt8]) -> Bool {
        records += 1
        hash.add(record)
        if let before, before.records == records {
            guard before.hash == hash else { return false }
            hasPassedBreak = true
        }
        if id.device == .punch { addCard(record) } else { addLine(record) }
        return true
    }

    private mutating func addLine(_ record: [UInt8]) {
        // an empty record is a blank line, single spaced; the blank it lost was its carriage control
        if record.isEmpty { piece.append(page.blank) }
        for octet in record {
            let own = isASCII63 ? NETRJS.betweenASCIIs[Int(octet)] : octet
            // a record end inside a record is no graphic, and would make two of it
            piece.append(own == page.recordEnd ? page.blank : own)
        }
        piece.append(page.recordEnd)
    }

    private mutating func addCard(_ record: [UInt8]) {
        var card = record[...]
        if leadingBlank == .auto, record.count >= NETRJS.longestCard {
            leadingBlank = record.count == NETRJS.longestCard + 1 && record.first == NETRJS.punchBlank ? .yes : .no
        }
        if leadingBlank == .yes, card.first == NETRJS.punchBlank { card = card.dropFirst() }
        card = card.prefix(NETRJS.longestCard)
        piece.append(contentsOf: card)
        piece.append(contentsOf: repeatElement(NETRJS.punchBlank, count: NETRJS.longestCard - card.count))
    }

    mutating func hand() async throws(StationError) {
        guard !piece.isEmpty else { return }
        let octets = piece
        piece.removeAll(keepingCapacity: true)
        try await sink.append(octets)
    }
}
