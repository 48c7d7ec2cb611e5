import Jobs
import Protocols
import Stations
import TestKit
import Testing

extension FrameLog {
    fileprivate var lines: [String] {
        (first + last).map { ($0.direction == .out ? "> " : "< ") + ($0.isData ? "data \($0.octets)" : $0.words) }
    }
}

extension Frame {
    fileprivate var words: String { String(decoding: bytes, as: UTF8.self) }
}

@Suite(.timeLimit(.minutes(1))) struct TraceTests {
    @Test func `a tape has the sign-on, what was said for its job, and neither the password nor other jobs`()
        async throws
    {
        let system = FakeSystem()
        let station = station(settings(), clock: ManualClock(), host: { await serve($0, system) })
        try await station.signOn()
        _ = try await station.statusOfAll()
        let (first, second) = (FrameTape(), FrameTape())
        let receipt = try await FrameTape.$current.withValue(first) { try await station.submit(deck(), closing: nil) }
        let number = try #require(receipt.job)
        try await FrameTape.$current.withValue(second) {
            let file = try #require(try await station.files(of: number).first)
            _ = try await station.fetch(file, of: number, from: 0, limit: nil) { _ in }
        }
        await station.signOff()

        let lines = first.log.lines
        #expect(lines.contains("> USER RMT7") && lines.contains("> PASS ***"))
        #expect(lines.contains { $0.hasPrefix("> INPUT ") })
        #expect(lines.contains("> data \(helloDeck.count)"))
        #expect(lines.last?.hasPrefix("< 2") == true, "the host's receipt")
        #expect(!lines.contains { $0.hasPrefix("> STATUS") }, "asked for nobody")
        let other = second.log.lines
        #expect(other.contains("> USER RMT7"), "the same session's sign-on")
        #expect(!other.contains { $0.hasPrefix("> INPUT ") })
        #expect(other.contains("< data \(system.output[0].count)"))
        for frame in first.log.first + second.log.first { #expect(!frame.words.contains("secret")) }
    }

    @Test func `RFC 407 passwords are blanked, of the log-on and of the file server`() {
        var machine = RFC407.StationMachine(.init(user: "RMT7", password: "hush"), isTraced: true)
        _ = machine.handle(.opened)
        for line in ["300 RJE ready", "330 password", "230 signed on"] {
            _ = machine.handle(.received(Array((line + "\r\n").utf8)))
        }
        #expect(machine.isSignedOn)
        for (number, command) in [RFC407.Command.inPass("hush"), .outPass("hush")].enumerated() {
            _ = machine.handle(.submitted(.init(UInt64(number + 1)), command, wholeText: false))
            _ = machine.handle(.received(Array("200 ok\r\n".utf8)))
        }
        let trace = machine.takeTrace()
        let words = trace.map { String(decoding: $0.bytes, as: UTF8.self) }
        #expect(words.contains("PASS=***") && words.contains("INPASS=***") && words.contains("OUTPASS=***"))
        #expect(!words.contains { $0.contains("hush") })
        #expect(trace.map(\.id).filter { $0 == nil }.count == 5, "the log-on is nobody's")
        #expect(machine.takeTrace().isEmpty)
    }

    @Test(arguments: [
        ("SIGNON REMOTE1,HUSH\r\n", "SIGNON REMOTE1,***"), ("SIGNON REMOTE1\r\n", "SIGNON REMOTE1"),
        ("STATUS JOBS\r\n", "STATUS JOBS"),
    ])
    func `a NETRJS sign-on is kept without its password`(_ line: String, _ shown: String) {
        let frame = NETRJSStation.shown(Array(line.utf8))
        #expect(frame.words == shown)
        #expect(frame.octets == line.utf8.count)
    }

    @Test func `a tape keeps its first and its last, and counts what was between`() {
        let tape = FrameTape(limit: 64 * 1024)
        let time = Timestamp(microseconds: 0)
        for number in 0..<10_000 {
            tape.add(Frame(at: time, .in, octets: 10, "line \(number)".utf8))
        }
        let log = tape.log
        #expect(log.first.first?.words == "line 0")
        #expect(log.last.last?.words == "line 9999")
        #expect(log.first.count + log.omittedFrames + log.last.count == 10_000)
        #expect(log.omittedOctets == log.omittedFrames * 10)
        #expect((log.first + log.last).reduce(0) { $0 + $1.cost } <= 64 * 1024)
        #expect(log.omittedFrames > 1000 && log.last.count > 100)
    }

    @Test func `a machine that is not traced keeps nothing`() {
        var machine = PrivRJE.StationMachine(.init(user: "RMT7", password: "secret"))
        _ = machine.handle(.opened)
        _ = machine.handle(.received(Array("300 PRIVRJE/1 ready\r\n".utf8)))
        #expect(machine.takeTrace().isEmpty)
    }
}
