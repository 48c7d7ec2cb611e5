import Jobs
import Lines
import Protocols
import Stations
import Synchronization
import TestKit
import Testing
import Wire

/// A host by script that has no memory for a device now (NRJ501): on the console it says so, and closes the channel.
private final class ReluctantHost: Sendable {
    /// What it does with one opening of the reader.
    enum Answer: Sendable {
        /// Before a card is read.
        case refuse(String)
        /// When some of the deck is there.
        case refuseInDeck(String)
        case take
    }

    private struct State {
        var answers: [Answer]
        var printersToRefuse: Int
        var console: TCPLine?
        var decks: [[[UInt8]]] = []
        var openings: [NETRJS.Device: Int] = [:]
        /// Printer and punch, as long as the host lives.
        var channels: [TCPLine] = []
        var listeners: [LineListener] = []
    }

    private let state: Locked<State>

    init(_ answers: [Answer], printersToRefuse: Int = 0) {
        state = Locked(State(answers: answers, printersToRefuse: printersToRefuse))
    }

    /// Decks that came to their END-OF-DATA.
    var decks: [[[UInt8]]] { state.withLock { $0.decks } }
    func openings(_ device: NETRJS.Device) -> Int { state.withLock { $0.openings[device, default: 0] } }

    func start() throws -> NETRJSSettings {
        let contact = try listen { host, line in await host.talk(on: line) }
        let reader = try listen { host, line in await host.read(line) }
        let printer = try listen { host, line in await host.print(line) }
        let punch = try listen { host, line in host.keep(line, .punch) }
        var settings = NETRJSSettings(host: "127.0.0.1", port: contact, terminal: "GATE01")
        settings.ports = .explicit(reader: reader, printer: printer, punch: punch)
        settings.retryTime = .milliseconds(20)
        settings.answerTime = .seconds(20)
        settings.receiptTime = .seconds(20)
        settings.signOffTime = .milliseconds(100)
        return settings
    }

    func stop() {
        let (lines, listeners) = state.withLock { ($0.channels + [$0.console].compactMap(\.self), $0.listeners) }
        for listener in listeners { listener.stopListening() }
        for line in lines { line.abort() }
    }

    private func listen(_ serve: @escaping @Sendable (ReluctantHost, TCPLine) async -> Void) throws -> Int {
        let listener = try LineListener(on: TestLoops.loopback, loops: [TestLoops.one]) { line in
            // Ends with its line, which `stop` breaks.
            Task { await serve(self, line) }
        }
        state.withLock { $0.listeners.append(listener) }
        return listener.port
    }

    private func say(_ text: String, on line: TCPLine? = nil) async {
        let console = line ?? state.withLock { $0.console }
        try? await console?.write(Array((text + "\r\n").utf8))
    }

    private func talk(on line: TCPLine) async {
        state.withLock { $0.console = line }
        await say("NRJ876R READY, SIGN ON PLEASE", on: line)
        var unread: [UInt8] = []
        while let octets = try? await line.read() {
            unread += octets
            while let end = unread.firstIndex(of: 0x0A) {
                let said = String(decoding: unread[..<end].filter { $0 >= 0x20 && $0 < 0x7F }, as: UTF8.self)
                unread.removeSubrange(...end)
                if said.hasPrefix("SIGNON") {
                    await say("RJS750I TERMINAL GATE01 ON", on: line)
                    await say("RJS660I NO ALERTS", on: line)
                } else if said.hasPrefix("MSG GATE01,") {
                    await say("RJS270I FROM GATE01 " + said.dropFirst(11), on: line)
                } else if said.hasPrefix("SIGNOFF") {
                    await say("RJS751I TERMINAL GATE01 OFF", on: line)
                    return line.close()
                }
            }
        }
    }

    private func read(_ line: TCPLine) async {
        let answer = state.withLock { state in
            state.openings[.reader, default: 0] += 1
            return state.answers.isEmpty ? Answer.take : state.answers.removeFirst()
        }
        switch answer {
        case .refuse(let words):
            await say(words)
            line.close()
        case .refuseInDeck(let words):
            _ = try? await line.read()
            await say(words)
            line.abort()
        case .take:
            var decoder = NETRJS.StreamDecoder(.reader, blank: 0x20)
            var cards: [[UInt8]] = []
            while !decoder.hasEnded, let octets = try? await line.read() {
                decoder.append(octets)
                while case .record(let card)? = try? decoder.next() { cards.append(card) }
            }
            guard decoder.hasEnded else { return line.abort() }
            state.withLock { $0.decks.append(cards) }
            await say("RJS534I JOB BOTH ACCEPTED - 000000\(cards.count) CARDS")
            line.close()
        }
    }

    private func print(_ line: TCPLine) async {
        keep(line, .printer)
        let refuses = state.withLock { state in
            state.printersToRefuse -= 1
            return state.printersToRefuse >= 0
        }
        guard refuses else { return }
        await say("NRJ501A PRINTER1")
        line.close()
    }

    private func keep(_ line: TCPLine, _ device: NETRJS.Device) {
        state.withLock { state in
            state.openings[device, default: 0] += 1
            state.channels.append(line)
        }
    }
}

/// The line of the checklist: "NRJ501 style refusal and retry".
@Suite(.timeLimit(.minutes(2))) struct NETRJSRefusalTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let when: Moment
        let words: String
        /// Another try would be in vain.
        var isFinal = false

        enum Moment: Sendable { case atOnce, inDeck }
    }

    @Test(arguments: [
        Row(testDescription: "no memory", when: .atOnce, words: "NRJ501A READER1"),
        Row(testDescription: "no memory, said late", when: .inDeck, words: "NRJ501A READER1"),
        Row(testDescription: "the channel refused", when: .atOnce, words: "NRJ503A READER1"),
        Row(testDescription: "retry later", when: .inDeck, words: "NRJ207A READER1"),
        Row(testDescription: "a deck it cannot read", when: .inDeck, words: "NRJ505A READER1", isFinal: true),
    ])
    func `a reader that is refused takes the deck when it is tried again`(_ row: Row) async throws {
        let host = ReluctantHost([row.when == .atOnce ? .refuse(row.words) : .refuseInDeck(row.words)])
        let settings = try host.start()
        defer { host.stop() }
        let station = NETRJSStationFactory(settings, loops: TestLoops.group, taker: TestTaker()).makeStation()
        try await station.signOn()
        let deck = try prepared(printAndPunch)
        do {
            _ = try await station.submit(deck, closing: nil)
            Issue.record("the refusal was not heard")
        } catch {
            #expect(error == (row.isFinal ? .refusedDeck(reason: row.words) : .busy(row.words)))
        }
        #expect(host.decks.isEmpty)
        // The name is free again, and the session stands.
        let receipt = try await station.submit(deck, closing: nil)
        #expect(receipt.job == JobNumber("BOTH") && receipt.cards == 8)
        #expect(host.decks.count == 1 && host.openings(.reader) == 2)
        #expect(await station.isUp)
        await station.signOff()
    }

    @Test func `a printer that is refused is opened again, and the rest goes on meanwhile`() async throws {
        let host = ReluctantHost([], printersToRefuse: 3)
        let settings = try host.start()
        defer { host.stop() }
        let station = NETRJSStationFactory(settings, loops: TestLoops.group, taker: TestTaker()).makeStation()
        try await station.signOn()
        #expect(try await station.submit(prepared(printAndPunch), closing: nil).job == JobNumber("BOTH"))
        try await eventually("the printer is opened a fourth time") { host.openings(.printer) >= 4 }
        #expect(host.openings(.punch) == 1)
        #expect(await station.isUp)
        await station.signOff()
    }
}
