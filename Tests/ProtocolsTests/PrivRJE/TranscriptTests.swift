import Protocols
import TestKit
import Testing

/// The dialogues of `Transcripts/` played to both machines; our side of them is the station.
struct PrivRJETranscriptTests {
    static let all = ((try? Transcript.all(beside: #filePath.replacing("/PrivRJE/", with: "/"))) ?? []).filter {
        $0.name.hasPrefix("priv-rje")
    }

    @Test func `the dialogues of sections 3 and 9 are there`() {
        #expect(Self.all.count >= 2)
    }

    @Test(arguments: all, [Int.max, 1, 7])
    func `the station says what the dialogue says`(_ transcript: Transcript, _ length: Int) {
        let isShort = transcript.name.hasSuffix("job")
        let station = StationSession(
            .init(user: "RMT7", password: isShort ? "secret" : "open sesame", agent: isShort ? nil : "port77"))
        var expected: [UInt8] = []
        var deck: PrivRJE.RequestID?
        for step in transcript.steps {
            switch step.content {
            case .received(let octets): station.receive(String(decoding: octets, as: UTF8.self), by: length)
            case .sent(let octets):
                expected += octets
                #expect(station.sent.starts(with: expected), "line \(step.line)")
            case .directive(let text): deck = ask(text, station) ?? deck
            case .silence: break
            }
        }
        #expect(station.sent == expected)
        guard isShort else {
            #expect(station.end == .bye)
            return
        }
        #expect(deck.flatMap { station.outcomes[$0] } == .accepted(.init(job: "J00042", name: "HELLO", cards: 3)))
        #expect(station.actions.contains { if case .jobChanged(let job) = $0 { job.returnCode == 0 } else { false } })
        #expect(station.blocks.values.map(\.count) == [180])
        #expect(station.end == nil)
    }

    private func ask(_ text: String, _ station: StationSession) -> PrivRJE.RequestID? {
        let words = text.split(separator: " ").map(String.init)
        switch words[0] {
        case "watch": station.submit(.watch(.all))
        case "input": return station.submit(deck: deckText, key: words[1])
        case "files": station.submit(.files(job: words[1]))
        case "fetch": station.submit(.fetch(.init(job: words[1], file: Int(words[2]) ?? 0)))
        case "purge": station.submit(.purge(job: words[1]))
        case "bye": station.submit(.bye)
        default: break
        }
        return nil
    }

    @Test(arguments: all, [Int.max, 1, 7])
    func `the host says what the dialogue says`(_ transcript: Transcript, _ length: Int) {
        var abilities = PrivRJE.Abilities()
        let isShort = transcript.name.hasSuffix("job")
        if isShort {
            (abilities.maxDeck, abilities.window, abilities.features) = (1_048_576, 8, [.key, .notice, .range])
        } else {
            abilities = everything
            (abilities.maxDeck, abilities.keep) = (16_777_216, .seconds(604_800))
        }
        let host = HostSession(abilities)
        host.batch.users["RMT7"] = isShort ? "secret" : "open sesame"
        let printOut = transcript.steps.compactMap {
            if case .received(let octets) = $0.content, octets.last == 0x0A, octets.dropLast().last != 0x0D {
                octets
            } else {
                nil
            }
        }
        var expected: [UInt8] = []
        for step in transcript.steps {
            switch step.content {
            case .sent(let octets): host.receive(octets, by: length)
            case .received(let octets):
                expected += octets
                #expect(host.sent.starts(with: expected), "line \(step.line)")
            case .directive("run"): host.batch.run("J00042", files: [printOut.flatMap { $0 }])
            case .directive, .silence: break
            }
        }
        #expect(host.sent == expected)
    }
}
