import Protocols
import TestKit
import Testing

/// Sections 4 and 15, and the console lines of section 19.
struct NETRJSMachineTests {
    typealias Station = NETRJS.StationMachine
    typealias Host = NETRJS.HostMachine

    private func line(_ text: String) -> [UInt8] { Array((text + "\r\n").utf8) }

    private func station(_ change: (inout Station.Configuration) -> Void = { _ in }) -> Station {
        var configuration = Station.Configuration(terminal: "GATE01")
        change(&configuration)
        var machine = Station(configuration)
        _ = machine.handle(.opened)
        return machine
    }

    private func signedOn(_ change: (inout Station.Configuration) -> Void = { _ in }) -> Station {
        var machine = station(change)
        _ = machine.handle(
            .received(line("NRJ000I SOCKET BASE 40960") + line("NRJ876R READY") + line("RJS750I TERMINAL GATE01 ON")))
        return machine
    }

    private func host(_ configuration: Host.Configuration = .init(base: 40960), terminal: String? = "GATE01") -> Host {
        var machine = Host(configuration)
        _ = machine.handle(.opened(.ready))
        if let terminal {
            _ = machine.handle(.received(line("SIGNON \(terminal)")))
            _ = machine.handle(.judged(.signedOn(terminal: terminal, lines: [])))
        }
        return machine
    }

    private func said(_ actions: [Host.Action]) -> String {
        String(
            decoding: actions.flatMap { action -> [UInt8] in if case .send(let octets) = action { octets } else { [] }
            },
            as: UTF8.self)
    }

    // MARK: the dialogue

    static let transcripts = ((try? Transcript.all(beside: #filePath.replacing("/NETRJS/", with: "/"))) ?? []).filter {
        $0.name.hasPrefix("netrjs")
    }

    @Test(arguments: transcripts, [Int.max, 1, 7])
    func `both machines say what the dialogue says`(_ transcript: Transcript, _ length: Int) {
        var station = Station(.init(terminal: "GATE01"))
        var host = Host(.init(base: 40960))
        var fromStation: [UInt8] = []
        var fromHost: [UInt8] = []
        var told: [Station.Action] = station.handle(.opened)
        func take(_ actions: [Host.Action]) {
            for case .send(let octets) in actions { fromHost += octets }
        }
        take(host.handle(.opened(.ready)))
        for step in transcript.steps {
            switch step.content {
            case .received(let octets):
                for piece in pieces(octets, by: length) { told += station.handle(.received(piece)) }
                #expect(fromHost.starts(with: octets), "line \(step.line)")
                fromHost.removeFirst(min(octets.count, fromHost.count))
            case .sent(let octets):
                fromStation = told.flatMap { action -> [UInt8] in
                    if case .send(let sent) = action { sent } else { [] }
                }
                #expect(fromStation.suffix(octets.count).elementsEqual(octets), "line \(step.line)")
                for piece in pieces(octets, by: length) { take(host.handle(.received(piece))) }
            case .directive(let text):
                let words = text.split(separator: " ", maxSplits: 1).map(String.init)
                let device: NETRJS.Device = words.last == "printer" ? .printer : .reader
                switch words[0] {
                case "judge": take(host.handle(.judged(.signedOn(terminal: words[1], lines: ["RJS660I NO ALERTS"]))))
                case "serve": #expect(host.handle(.channelOpened(device)) == [.serve(device)])
                case "ended": take(host.handle(.channelEnded(device)))
                case "tell": take(host.handle(.tell(words[1])))
                case "signoff": told += station.handle(.signOff)
                default: Issue.record("line \(step.line)")
                }
            case .silence: break
            }
        }
        told += station.handle(.lineClosed)
        #expect(fromHost == [])
        #expect(told.contains(.signedOn(base: 40960)))
        #expect(station.end == .signedOff)
        #expect(host.state == .over)
        let meanings = told.compactMap { if case .heard(let message) = $0 { message.meaning } else { nil } }
        #expect(meanings.contains(.jobAccepted(name: "HELLO", cards: 3)))
        #expect(meanings.contains(.outputReady(.printer, job: "HELLO", isDeferred: false)))
        #expect(meanings.contains(.outputSent(.printer, job: "HELLO")))
    }

    @Test func `the dialogue is there`() { #expect(!Self.transcripts.isEmpty) }

    // MARK: the station

    @Test func `the password stands behind the terminal`() {
        var machine = station { $0.password = "sesame" }
        let actions = machine.handle(.received(line("NRJ000I SOCKET BASE 4") + line("NRJ876R READY")))
        #expect(actions.contains(.send(line("SIGNON GATE01,sesame"))))
    }

    struct EndRow: Sendable {
        let words: String
        let end: Station.SessionEnd
    }

    @Test(arguments: [
        EndRow(words: "NRJ110R ALL PORTS BUSY", end: .unwilling("NRJ110R ALL PORTS BUSY")),
        EndRow(words: "NRJ111R DOWN", end: .unwilling("NRJ111R DOWN")),
        EndRow(words: "", end: .lineClosed),
    ])
    func `a host that takes nobody`(_ row: EndRow) {
        var machine = station()
        _ = machine.handle(.received(line(row.words)))
        #expect(machine.handle(.lineClosed).last == .hangUp(row.end))
    }

    @Test(arguments: [
        EndRow(words: "NRJ307R INVALID SIGN ON", end: .refused("NRJ307R INVALID SIGN ON")),
        EndRow(words: "NRJ307R TERMINAL IN USE", end: .taken("NRJ307R TERMINAL IN USE")),
    ])
    func `a sign-on refused is not tried again`(_ row: EndRow) {
        var machine = station()
        _ = machine.handle(.received(line("NRJ000I SOCKET BASE 4") + line("NRJ876R READY")))
        let actions = machine.handle(.received(line(row.words)))
        #expect(actions.contains(.hangUp(row.end)))
        #expect(
            !actions.contains { if case .send(let octets) = $0 { octets.starts(with: "SIGNON".utf8) } else { false } })
    }

    @Test func `READY never comes`() {
        var machine = station()
        _ = machine.handle(.received(line("WELCOME")))
        #expect(machine.handle(.timerFired).last == .hangUp(.notReady))
        var noisy = station()
        for _ in 0...Station.mostLinesBeforeReady { _ = noisy.handle(.received(line("NOISE"))) }
        #expect(noisy.end == .garbage)
    }

    @Test func `the answer to SIGNON never comes`() {
        var machine = station { $0.knowsPorts = true }
        _ = machine.handle(.received(line("NRJ876R READY")))
        #expect(machine.state == .signingOn)
        #expect(machine.handle(.timerFired).last == .hangUp(.noAnswerToSignOn))
    }

    @Test func `READY without ports ends, unless they are known`() {
        var machine = station()
        #expect(machine.handle(.received(line("NRJ876R READY"))).last == .hangUp(.noPorts))
        #expect(signedOn { $0.knowsPorts = true }.state == .signedOn)
        var outOfRange = station()
        _ = outOfRange.handle(.received(line("NRJ000I SOCKET BASE 65531") + line("NRJ876R READY")))
        #expect(outOfRange.end == .noPorts)
    }

    @Test func `the line closes after sign-on, with and without a word`() {
        var machine = signedOn()
        #expect(machine.handle(.lineClosed).last == .hangUp(.lineClosed))
        var killed = signedOn()
        _ = killed.handle(.received(line("NRJ204R CANCELLED BY OPERATOR")))
        #expect(killed.handle(.lineClosed).last == .hangUp(.endedByHost("NRJ204R CANCELLED BY OPERATOR")))
    }

    @Test func `what a console cannot carry becomes a question mark, and 133 characters are the limit`() {
        #expect(Station.line("Ä\u{7}A") == Array("???A\r\n".utf8))
        #expect(Station.line(String(repeating: "x", count: 200)).count == 135)
    }

    @Test func `giving up sends ETX`() {
        var machine = signedOn()
        #expect(machine.handle(.gaveUp) == [.stopTimer, .send([0x03]), .hangUp(.gaveUp)])
        #expect(machine.handle(.received(line("RJS660I"))) == [])
    }

    @Test func `SIGNOFF that nobody answers ends in time`() {
        var machine = signedOn()
        #expect(machine.handle(.signOff).first == .send(line("SIGNOFF")))
        #expect(machine.handle(.timerFired).last == .hangUp(.signedOff))
    }

    // MARK: the host

    @Test func `nothing valid within the time ends the session`() {
        var machine = host(terminal: nil)
        #expect(said(machine.handle(.received(line("STATUS JOB")))).hasPrefix("NRJ307R"))
        #expect(said(machine.handle(.received(line("SIGNON 123")))).hasPrefix("NRJ307R"))
        let actions = machine.handle(.timerFired)
        #expect(said(actions).split(separator: "\r\n").map { String($0.prefix(6)) } == ["NRJ308", "NRJ205"])
        #expect(actions.last == .hangUp)
    }

    @Test func `three minutes are the time`() {
        var machine = Host()
        #expect(machine.handle(.opened(.ready)).contains(.startTimer(.seconds(180))))
    }

    @Test func `a sign-on refused may be tried again`() {
        var machine = host(terminal: nil)
        #expect(machine.handle(.received(line("SIGNON A,x"))) == [.judge(terminal: "A", password: "x")])
        #expect(said(machine.handle(.judged(.refused("UNKNOWN TERMINAL")))).hasPrefix("NRJ307R"))
        #expect(machine.handle(.received(line("SIGNON A,y"))) == [.judge(terminal: "A", password: "y")])
        #expect(
            said(machine.handle(.judged(.signedOn(terminal: "A", lines: ["RJS660I NO ALERTS"])))).contains("RJS660I"))
        #expect(machine.terminal == "A")
        // the timer is off
        #expect(machine.handle(.timerFired) == [])
    }

    @Test(arguments: [(Host.Readiness.portsBusy, "NRJ110"), (.down, "NRJ111")])
    func `a host that takes nobody says so and closes`(_ readiness: Host.Readiness, _ id: String) {
        var machine = Host()
        let actions = machine.handle(.opened(readiness))
        #expect(said(actions).hasPrefix(id))
        #expect(actions.last == .hangUp)
    }

    @Test func `a data channel before SIGNON is refused in words`() {
        var machine = host(terminal: nil)
        let actions = machine.handle(.channelOpened(.printer))
        #expect(actions.first == .refuse(.printer))
        #expect(said(actions).hasPrefix("NRJ503A PRINTER1"))
    }

    @Test func `a second opening of a channel is refused, another one is served`() {
        var machine = host()
        #expect(machine.handle(.channelOpened(.printer)) == [.serve(.printer)])
        #expect(machine.handle(.channelOpened(.printer)).first == .refuse(.printer))
        #expect(machine.handle(.channelOpened(.punch)) == [.serve(.punch)])
        _ = machine.handle(.channelEnded(.printer))
        #expect(machine.handle(.channelOpened(.printer)) == [.serve(.printer)])
    }

    @Test func `SIGNOFF waits for what runs, takes nothing new, then ends`() {
        var machine = host()
        _ = machine.handle(.channelOpened(.printer))
        let actions = machine.handle(.received(line("SIGNOFF")))
        #expect(actions.contains(.drain))
        #expect(said(actions).contains("NRJ898I"))
        #expect(machine.handle(.channelOpened(.reader)) == [.refuse(.reader)])
        let end = machine.handle(.channelEnded(.printer))
        #expect(said(end).hasPrefix("NRJ205"))
        #expect(end.last == .hangUp)
        var idle = host()
        #expect(idle.handle(.received(line("SIGNOFF"))).last == .hangUp)
    }

    @Test(arguments: [nil, "GATE01"])
    func `ETX ends at once, before and after sign-on`(_ terminal: String?) {
        var machine = host(terminal: terminal)
        _ = machine.handle(.channelOpened(.printer))
        let actions = machine.handle(.received([0x03]))
        #expect(actions == [.stopTimer, .abortChannels, .hangUp])
    }

    @Test func `an operator's kill and a lost console abort the channels`() {
        for event in [Host.Event.killed, .lineClosed] {
            var machine = host()
            _ = machine.handle(.channelOpened(.reader))
            let actions = machine.handle(event)
            #expect(actions.contains(.abortChannels))
            #expect(actions.last == .hangUp)
            #expect(said(actions).hasPrefix("NRJ204") == (event == .killed))
        }
    }

    @Test func `commands go through as the host's code knows them, unknown ones are told`() {
        var machine = host()
        #expect(machine.handle(.received(line("STATUS JOB"))) == [.perform(.status(.jobs))])
        #expect(machine.handle(.received(line("MSG A,x[1]"))) == [.perform(.message(to: "A", text: "x?1?"))])
        #expect(said(machine.handle(.received(line("DANCE")))).contains("INVALID COMMAND DANCE"))
        #expect(machine.handle(.received(line("   "))) == [])
    }
}
