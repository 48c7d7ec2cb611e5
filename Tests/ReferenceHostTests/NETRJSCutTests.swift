import Jobs
import Lines
import Protocols
import ReferenceHost
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// The line is cut behind every console line and in every frame, in both directions, on each of the four connections: the job
/// runs once, and both its outputs come once, whole.
@Suite(.timeLimit(.minutes(4))) struct NETRJSCutTests {
    enum Part: String, CaseIterable, Sendable { case console, reader, printer, punch }

    struct Cut: Sendable, CustomStringConvertible {
        var part: Part
        var fault: FaultProxy.Fault
        var description: String {
            "\(part) \(fault.direction) \(fault.lines.map { "line \($0)" } ?? "\(fault.octets)") \(fault.harm)"
        }
    }

    /// What happened in one story.
    struct Ledger: Sendable {
        var accepted = 0
        var uncertain: [String] = []
        var sessions = 0
        var carried: [Part: [FaultProxy.Direction: Int]] = [:]
        var lines: [FaultProxy.Direction: Int] = [:]
    }

    private func story(_ cut: Cut?, startsOver: Bool = true) async throws -> Ledger {
        try await withNETRJS {
            $0.dataPorts = .fixed(reader: 0, printer: 0, punch: 0)
            $0.terminals = [.init("GATE01", startsOver: startsOver)]
            $0.halfCloseLimit = .seconds(1)
        } _: { host, direct in
            guard case .explicit(let reader, let printer, let punch) = direct.ports else {
                throw NotInTime(what: "ports")
            }
            var proxies: [Part: FaultProxy] = [:]
            for (part, port) in zip(Part.allCases, [direct.contactPort, reader, printer, punch]) {
                proxies[part] = try FaultProxy(to: SocketAddress(.loopback, port: UInt16(port))) { connection in
                    connection == 1 && cut?.part == part ? [cut?.fault].compactMap(\.self) : []
                }
            }
            defer { for proxy in proxies.values { proxy.close() } }
            var settings = direct
            settings.port = proxies[.console]?.port
            settings.ports = .explicit(
                reader: proxies[.reader]?.port ?? 0, printer: proxies[.printer]?.port ?? 0,
                punch: proxies[.punch]?.port ?? 0)
            settings.receiptTime = .seconds(5)
            settings.answerTime = .seconds(5)
            let taker = TestTaker()
            let factory = NETRJSStationFactory(settings, loops: TestLoops.group, taker: taker)
            var ledger = Ledger()
            var isAtHost = false
            let end = ContinuousClock.now + .seconds(30)
            while taker.streams.count < 2 {
                guard .now < end else { throw NotInTime(what: "both outputs after \(cut?.description ?? "no cut")") }
                let station = factory.makeStation()
                do throws(StationError) {
                    try await station.signOn()
                } catch {
                    try await Task.sleep(for: .milliseconds(20))
                    continue
                }
                ledger.sessions += 1
                while !isAtHost, taker.streams.isEmpty {
                    do throws(StationError) {
                        _ = try await station.submit(try deck(), closing: nil)
                        ledger.accepted += 1
                        isAtHost = true
                    } catch {
                        if case .uncertain(let evidence) = error {
                            ledger.uncertain.append(evidence)
                            // what an operator would look up
                            let isThere = host.batch?.status(of: "GATE01").reports.isEmpty == false
                            if isThere || !taker.streams.isEmpty { isAtHost = true }
                        } else if case .busy = error {
                            try await Task.sleep(for: .milliseconds(5))
                            continue
                        }
                        break
                    }
                }
                // until its line is down, or everything is there
                while taker.streams.count < 2, await station.isUp, .now < end {
                    try await Task.sleep(for: .milliseconds(5))
                }
                await station.signOff()
            }
            try check(taker, cut)
            // each job has its number: the next one tells how many there were
            let next = try await host.batch?.accept(hello, user: "OTHER")
            #expect(next?.number.description == "J00002", "the job ran more than once: \(cut?.description ?? "-")")
            for (part, proxy) in proxies {
                ledger.carried[part] = [.toHost: proxy.carried(.toHost), .toClient: proxy.carried(.toClient)]
                guard part == .console else { continue }
                ledger.lines = [.toHost: proxy.carriedLines(.toHost), .toClient: proxy.carriedLines(.toClient)]
            }
            return ledger
        }
    }

    private func deck() throws(StationError) -> PreparedDeck {
        do { return try prepared(printAndPunch) } catch { throw .local("\(error)") }
    }

    private func check(_ taker: TestTaker, _ cut: Cut?) throws {
        let print = taker.streams.filter { $0.pushed.kind == .print }
        let punch = taker.streams.filter { $0.pushed.kind == .punch }
        #expect(print.count == 1 && punch.count == 1, "\(cut?.description ?? "-")")
        let text = print.first?.text ?? ""
        #expect(text.contains("J E S 2  J O B  L O G") && text.hasSuffix("DATA SET UTILITY - GENERATE\n") == false)
        #expect(text.contains("IEF033I  JOB/BOTH"), "\(cut?.description ?? "-")")
        let cards = ["CARD ONE", "CARD TWO"].map { $0 + String(repeating: " ", count: 80 - $0.count) }.joined()
        #expect(punch.first?.text == cards, "\(cut?.description ?? "-")")
    }

    @Test(arguments: [true, false])
    func `a line that is let go of is a reset where FIN would say too much`(_ resets: Bool) async throws {
        let (lines, arrival) = AsyncStream.makeStream(of: TCPLine.self)
        let listener = try LineListener(on: TestLoops.loopback, loops: [TestLoops.one]) { arrival.yield($0) }
        let client = try await TCPLine.connect(to: "127.0.0.1", port: listener.port, on: TestLoops.one)
        await client.setResetsWhenAbandoned(resets)
        var accepted = lines.makeAsyncIterator()
        let host = try #require(await accepted.next())
        client.close()
        #expect(await host.rest().isBroken == resets)
        await listener.stopListeningAndWait()
    }

    @Test func `nothing is cut`() async throws {
        let ledger = try await story(nil)
        #expect(ledger.accepted == 1 && ledger.uncertain.isEmpty && ledger.sessions == 1)
    }

    @Test(arguments: Part.allCases, [FaultProxy.Direction.toHost, .toClient])
    func `lost 0, doubled 0`(_ part: Part, _ direction: FaultProxy.Direction) async throws {
        let uncut = try await story(nil)
        let whole = uncut.carried[part]?[direction] ?? 0
        // data channels carry nothing back but their ends
        let step = part == .console ? 16 : part == .printer ? 64 : 4
        let octets = Array(stride(from: 0, through: whole, by: step)) + [max(0, whole - 1), whole]
        let lines = part == .console ? Array(1...max(1, uncut.lines[direction] ?? 0)) : []
        let points: [(octets: Int, lines: Int?)] = octets.map { ($0, nil) } + lines.map { (0, $0) }
        var (stories, uncertain, sessions) = (0, 0, 0)
        for (at, point) in points.enumerated() {
            // An orderly end of an output channel behind END-OF-DATA is the terminal's word that it has everything: a network
            // cannot make one, a proxy can.
            let isOutput = part == .printer || part == .punch
            let harm: FaultProxy.Harm = at % 2 == 0 || isOutput ? .reset : .close
            var cut = Cut(part: part, fault: .init(direction, after: point.octets, harm))
            cut.fault.lines = point.lines
            let ledger = try await story(cut, startsOver: at % 3 != 0)
            #expect(ledger.accepted + ledger.uncertain.count >= 1)
            stories += 1
            uncertain += ledger.uncertain.count
            sessions += ledger.sessions
        }
        #expect(stories == points.count)
        print(
            "netrjs cut: \(part.rawValue) \(direction): \(stories) cuts (\(lines.count) behind a line), \(sessions) sessions,",
            "lost 0, doubled 0, uncertain with evidence \(uncertain)")
    }
}
