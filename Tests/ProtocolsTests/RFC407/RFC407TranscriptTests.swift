import Protocols
import TestKit
import Testing

/// The dialogues of `Transcripts/rfc407-*.txt` played to both machines; our side of them is the station.
struct RFC407TranscriptTests {
    static let all = ((try? Transcript.all(beside: #filePath.replacing("/RFC407/", with: "/"))) ?? []).filter {
        $0.name.hasPrefix("rfc407")
    }

    @Test func `the dialogues of sections 10 and 11 are there`() {
        #expect(Self.all.map(\.name) == ["rfc407-direct", "rfc407-failures", "rfc407-ftp"])
    }

    @Test(arguments: all, [Int.max, 1, 7])
    func `the host says what the dialogue says`(_ transcript: Transcript, _ length: Int) throws {
        let host = RFC407HostSession()
        host.handle(.opened(takesSessions: true))
        var expected: [UInt8] = []
        for step in transcript.steps {
            switch step.content {
            case .sent(let octets): host.receive(octets, by: length)
            case .received(let octets):
                expected += octets
                #expect(host.sent.starts(with: expected), "line \(step.line)")
            case .directive(let text):
                let words = text.split(separator: " ", maxSplits: 2).map(String.init)
                let reply = words.count > 1 ? RFC407.Reply(Int(words[1]) ?? 0, words.count > 2 ? words[2] : "") : nil
                let number = host.inputs.last?.number ?? 0
                switch (words[0], reply) {
                case ("opened", _): host.handle(.inputOpened(number))
                case ("ended", let reply?): host.handle(.inputEnded(number, [reply]))
                case ("refused", let reply?): host.handle(.inputRefused(number, reply))
                case ("replied", let reply?): host.handle(.replied(reply))
                case ("notice", let reply?): host.handle(.notice(reply))
                default: Issue.record("line \(step.line)")
                }
            case .silence: break
            }
        }
        #expect(host.sent == expected)
        guard transcript.name == "rfc407-ftp" else { return }
        let input = try #require(host.inputs.first)
        #expect(input.source == .path(.number(0x0A00_0007), .init(.text), pathname: "jobs/run1.jcl"))
        #expect([input.settings.inUser, input.settings.inPassword] == ["bobftp", "ftppw"])
        #expect([input.settings.outUser, input.settings.outPassword] == ["bobftp", "ftppw"])
    }

    @Test(arguments: all, [Int.max, 1, 7])
    func `the station says what the dialogue says`(_ transcript: Transcript, _ length: Int) throws {
        let isAlice = transcript.name == "rfc407-direct"
        let station = RFC407StationSession(user: isAlice ? "alice" : "bob", password: isAlice ? "s3cret" : "pw")
        var expected: [UInt8] = []
        for step in transcript.steps {
            switch step.content {
            case .received(let octets): station.receive(octets, by: length)
            case .sent(let octets):
                // FROB is nothing that a station can say
                guard let command = try? RFC407.Command(parsing: octets.dropLast(2)) else { return }
                if station.machine.isSignedOn { station.submit(command) }
                expected += octets
                #expect(station.sent == expected, "line \(step.line)")
            case .directive, .silence: break
            }
        }
        if isAlice {
            #expect(station.machine.end == .bye)
            let accepted = station.actions.contains {
                if case .inputAccepted(_, job: "J00042", _) = $0 { true } else { false }
            }
            #expect(accepted)
        }
    }
}
