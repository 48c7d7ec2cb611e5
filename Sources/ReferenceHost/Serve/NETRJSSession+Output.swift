import Lines
import Protocols
import Wire

/// Printer and punch: one job's output for each opening, and what becomes of it when the channel breaks.
extension NETRJSSession {
    /// Octets handed to the line at a time.
    private static let pieceOctets = 64 * 1024
    /// Octets that the kernels on both sides may hold unread: what lies further back has come.
    private static let mostUnderWay = 12 << 20

    private enum End: Equatable {
        case delivered
        /// The terminal, the line or the time broke it off.
        case broken(String)
        case deferred
        case aborted
        case unreadable
    }

    func sendOutput(_ device: NETRJS.Device) async {
        guard let line = channels[device]?.line, let terminal else { return }
        say("RJS783I \(device.name) ACTIVE")
        async let peer: Void = watch(device, line)
        var entry: NETRJSOutputs.Entry?
        await wait(device) {
            guard let channel = channels[device], channel.peerEnd == nil, channel.order == nil else { return true }
            entry = shared.outputs.take(for: terminal.id, device)
            return entry != nil
        }
        if let entry {
            channels[device]?.phase = .running
            sending[device] = entry.name
            await send(entry, device, line, terminal)
            sending[device] = nil
        }
        line.close()
        await peer
    }

    /// Reads only to learn how the terminal ends its side.
    private func watch(_ device: NETRJS.Device, _ line: TCPLine) async {
        var end = PeerEnd.finished
        do throws(LineError) {
            while try await line.read() != nil {}
        } catch {
            end = .lost
        }
        channels[device]?.peerEnd = end
        wake(device)
    }

    private func send(
        _ entry: NETRJSOutputs.Entry, _ device: NETRJS.Device, _ line: TCPLine, _ terminal: NETRJSHostSettings.Terminal
    ) async {
        var cursor = NETRJSOutputCursor(entry.files, at: entry.position)
        // where pages began, with the octets that were handed to the line before
        var marks: [(octets: Int, position: NETRJSOutputCursor.Position)] = []
        let end = await transmit(entry, &cursor, &marks, device, line, terminal)
        let known = marks.last { $0.octets <= (marks.last?.octets ?? 0) - Self.mostUnderWay }?.position
        switch end {
        case .delivered:
            shared.outputs.delivered(entry.id)
            say("RJS482I \(entry.words) SENT")
        case .deferred:
            await line.finishSending()
            shared.outputs.broken(
                entry.id, at: terminal.startsOver ? .init() : known ?? .init(), isDeferred: true)
            say("NRJ502I \(device.name), \(terminal.id), JOB \(entry.name) DEFERRED")
        case .broken(let words):
            line.abort()
            shared.outputs.broken(entry.id, at: terminal.startsOver ? .init() : known ?? .init())
            say(words)
        case .aborted:
            line.abort()
            shared.outputs.broken(entry.id, at: terminal.startsOver ? .init() : known ?? .init())
        case .unreadable:
            line.abort()
            say("NRJ509A \(device.name), \(terminal.id), SPOOL ERROR ON JOB \(entry.name), RETRY")
            shared.outputs.broken(entry.id, at: .init(), isDeferred: true)
        }
    }

    private func transmit(
        _ entry: NETRJSOutputs.Entry, _ cursor: inout NETRJSOutputCursor,
        _ marks: inout [(octets: Int, position: NETRJSOutputCursor.Position)], _ device: NETRJS.Device,
        _ line: TCPLine, _ terminal: NETRJSHostSettings.Terminal
    ) async -> End {
        let isPunch = device == .punch
        let blank = isPunch ? NETRJS.punchBlank : set.blank
        var encoder = NETRJS.StreamEncoder(device, form: terminal.form, blank: blank)
        var output: [UInt8] = []
        var handed = 0
        let header = NETRJS.JobHeader(name: entry.name, identification: entry.identification).record
        let headerTable = NETRJS.toEBCDIC(.ascii68)
        let headerSet = isPunch || set == .ebcdic
        let code = headerSet ? header.map { headerTable[Int($0)] } : header
        guard (try? encoder.append(code, to: &output)) != nil else { return .unreadable }
        while true {
            if let order = channels[device]?.order, order != .drain {
                switch order {
                case .abort: return .aborted
                case .defer: return .deferred
                case .backspace: cursor.backspace()
                case .skipDataSet: cursor.skipDataSet()
                case .skipAll: cursor.skipAll()
                case .restartDataSet: cursor.restartDataSet()
                case .restartAll: cursor.restartAll()
                case .drain: break
                }
                channels[device]?.order = nil
            }
            if channels[device]?.peerEnd != nil { return .broken("NRJ502A \(device.name), \(terminal.id), ABORTED") }
            let here = cursor.position
            let record: [UInt8]?
            do { record = try cursor.next() } catch { return .unreadable }
            guard let record else { break }
            if cursor.pages.last == here, marks.last?.position != here { marks.append((handed, here)) }
            if marks.count > 4096 { marks.removeFirst(2048) }
            let text = isPunch || translation.isIdentity ? record : record.map { translation.toTerminal[Int($0)] }
            if (try? encoder.append(text.prefix(NETRJS.longestRecord), to: &output)) == nil { return .unreadable }
            if output.count >= Self.pieceOctets {
                handed += output.count
                if let end = await hand(&output, device, line, terminal) { return end }
            }
        }
        encoder.finish(to: &output)
        // END-OF-DATA leaves now: from here on the terminal may end its side
        if channels[device]?.peerEnd != nil { return .broken("NRJ502A \(device.name), \(terminal.id), ABORTED") }
        channels[device]?.phase = .closing
        if let end = await hand(&output, device, line, terminal) { return end }
        await line.finishSending()
        let timer = loop.schedule(after: shared.settings.dataLimit) { [weak self] in
            self?.assumeIsolated { session in
                if session.channels[device]?.peerEnd == nil { session.channels[device]?.peerEnd = .lost }
                session.wake(device)
            }
        }
        await wait(device) { channels[device].map { $0.peerEnd != nil || $0.order == .abort } ?? true }
        timer.cancel()
        switch channels[device]?.peerEnd {
        case .finished?: return .delivered
        case .lost?: return .broken("NRJ502A \(device.name), \(terminal.id), NOT TAKEN TO ITS END")
        case nil: return .aborted
        }
    }

    private func hand(
        _ output: inout [UInt8], _ device: NETRJS.Device, _ line: TCPLine, _ terminal: NETRJSHostSettings.Terminal
    ) async -> End? {
        let octets = output
        output.removeAll(keepingCapacity: true)
        do throws(LineError) {
            try await line.write(octets, within: shared.settings.dataLimit)
            return nil
        } catch {
            if channels[device]?.order == .abort { return .aborted }
            if error == .deadline { return .broken("NRJ504A \(device.name), \(terminal.id), TIMED OUT") }
            return .broken("NRJ502A \(device.name), \(terminal.id), ABORTED")
        }
    }
}

extension NETRJSOutputCursor.Position {
    /// About a page before; our pages are at most 60 records.
    static func pageBefore(_ position: Self, in files: [OutputFile]) -> Self {
        guard position.record > 0 else { return Self(file: position.file) }
        var cursor = NETRJSOutputCursor(files, at: Self(file: position.file))
        while cursor.position.file == position.file, cursor.position.record < position.record {
            guard (try? cursor.next()) != nil else { break }
        }
        cursor.backspace()
        return cursor.position
    }
}
