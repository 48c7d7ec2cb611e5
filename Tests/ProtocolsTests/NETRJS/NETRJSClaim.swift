import Protocols

/// What must hold for any octets on any of the four connections, in either direction: records, lines or our error, no trap,
/// bounded memory, and the same for any split. The fuzz targets `netrjs-station` and `netrjs-host` compile this file as well.
enum NETRJSClaim {
    /// Octets that a terminal hears: its console, its printer, its punch.
    static func stationViolation(_ octets: [UInt8]) -> String? {
        guard let first = octets.first else { return nil }
        let rest = Array(octets.dropFirst())
        switch first % 4 {
        case 0: return consoleViolation(rest, split: first)
        case 1: return streamViolation(rest, .printer, blank: first & 0x80 == 0 ? 0x20 : 0x40, longest: 255)
        case 2: return streamViolation(rest, .punch, blank: 0x40, longest: 255)
        default: return roundTripViolation(rest)
        }
    }

    /// Octets that a host hears: its console, its reader.
    static func hostViolation(_ octets: [UInt8]) -> String? {
        guard let first = octets.first else { return nil }
        let rest = Array(octets.dropFirst())
        if first % 2 == 1 { return streamViolation(rest, .reader, blank: 0x20, longest: 80) }
        let runs = [Int.max, 1, Int(first) % 97 + 2].map { length -> [NETRJS.HostMachine.Action] in
            var machine = NETRJS.HostMachine(.init(base: 40960))
            var actions = machine.handle(.opened(.ready))
            if first & 2 == 2 {
                actions += machine.handle(.received(Array("SIGNON GATE01\r\n".utf8)))
                actions += machine.handle(.judged(.signedOn(terminal: "GATE01", lines: [])))
                actions += machine.handle(.channelOpened(.printer))
            }
            for piece in split(rest, by: length) { actions += machine.handle(.received(piece)) }
            actions += machine.handle(.lineClosed)
            return joined(actions)
        }
        if runs.contains(where: { $0 != runs[0] }) { return "the host's console depends on the split" }
        let ends = runs[0].count { $0 == .hangUp }
        return ends == 1 ? nil : "ended \(ends) times"
    }

    private static func joined(_ actions: [NETRJS.HostMachine.Action]) -> [NETRJS.HostMachine.Action] {
        // replies of TELNET go out with the piece that asked for them: their place among the lines is the split's
        actions.filter {
            switch $0 {
            case .send(let octets): octets.first != 0xFF
            default: true
            }
        }
    }

    private static func consoleViolation(_ octets: [UInt8], split first: UInt8) -> String? {
        let runs = [Int.max, 1, Int(first) % 97 + 2].map { length -> [NETRJS.StationMachine.Action] in
            var machine = NETRJS.StationMachine(.init(terminal: "GATE01"))
            var actions = machine.handle(.opened)
            if first & 4 == 4 {
                actions += machine.handle(.received(Array("NRJ000I SOCKET BASE 4\r\nNRJ876R\r\nRJS750I\r\n".utf8)))
            }
            for piece in split(octets, by: length) { actions += machine.handle(.received(piece)) }
            actions += machine.handle(.lineClosed)
            return actions.filter { if case .send(let octets) = $0 { octets.first != 0xFF } else { true } }
        }
        if runs.contains(where: { $0 != runs[0] }) { return "the terminal's console depends on the split" }
        let ends = runs[0].count { if case .hangUp = $0 { true } else { false } }
        return ends == 1 ? nil : "ended \(ends) times"
    }

    private struct Read: Equatable {
        var items: [NETRJS.StreamDecoder.Item] = []
        var fault: NETRJS.StreamFault?
    }

    private static func streamViolation(
        _ octets: [UInt8], _ device: NETRJS.Device, blank: UInt8, longest: Int
    ) -> String? {
        let runs = [Int.max, 1, 13].map { length -> Read in
            var decoder = NETRJS.StreamDecoder(device, blank: blank, longest: longest)
            var read = Read()
            do throws(NETRJS.StreamFault) {
                for piece in split(octets, by: length) {
                    decoder.append(piece)
                    while let item = try decoder.next() { read.items.append(item) }
                }
            } catch {
                // how much of a bad header has come is the split's
                if case .type = error { read.fault = .type(header: []) } else { read.fault = error }
            }
            return read
        }
        if runs.contains(where: { $0 != runs[0] }) { return "the stream depends on the split" }
        for case .record(let record) in runs[0].items where record.count > longest { return "a record too long" }
        return nil
    }

    /// Records made of any octets come out as they went in.
    private static func roundTripViolation(_ octets: [UInt8]) -> String? {
        var encoder = NETRJS.StreamEncoder(.printer, form: octets.first == 1 ? .truncated : .compressed, blank: 0x20)
        var output: [UInt8] = []
        var records: [[UInt8]] = []
        for piece in octets.split(separator: 0, omittingEmptySubsequences: false) {
            let record = Array(piece.prefix(255))
            guard (try? encoder.append(record, to: &output)) != nil else { return "a record was refused" }
            records.append(Array(record.prefix(record.count - record.reversed().prefix { $0 == 0x20 }.count)))
        }
        encoder.finish(to: &output)
        var decoder = NETRJS.StreamDecoder(.printer, blank: 0x20)
        decoder.append(output)
        for record in records where (try? decoder.next()) != .record(record) { return "a record changed on its way" }
        return (try? decoder.next()) == .endOfData ? nil : "no end of data"
    }

    private static func split(_ octets: [UInt8], by length: Int) -> [[UInt8]] {
        let length = max(1, min(length, octets.count))
        return stride(from: 0, to: octets.count, by: length).map { Array(octets[$0..<min(octets.count, $0 + length)]) }
    }
}
