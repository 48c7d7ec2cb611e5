import Lines
import ReferenceHost
import TestKit
import Testing

@Suite struct FaultTests {
    @Test func `a plan is read item by item`() throws {
        let plan = try FaultPlan(
            "cut-sent=700, silent-received=1-4000:each,garbage-sent=9:each,delay=0.25,slow=1000,no-sessions=2,refuse-logon,refuse-input=3,close-after-input=1,seed=7"
        )
        #expect(
            plan.triggers == [
                .init(effect: .cut, direction: .sent, octet: 700...700, isForEach: false),
                .init(effect: .silent, direction: .received, octet: 1...4000, isForEach: true),
                .init(effect: .garbage, direction: .sent, octet: 9...9, isForEach: true),
            ])
        #expect(plan.delay == .milliseconds(250) && plan.slow == 1000 && plan.seed == 7)
        #expect(plan.noSessions == .first(2) && plan.refusedLogOns == .always)
        #expect(plan.refusedInputs == .first(3) && plan.closesAfterInput == .first(1))
        #expect(try FaultPlan("") == FaultPlan())
    }

    @Test(arguments: [
        ("cut", "there is no fault \"cut\"; there are cut-sent,"),
        ("cut-sent", "fault \"cut-sent\" needs octets, as in cut-sent=700"),
        ("cut-sent=x", "needs octets"), ("cut-sent=9-3", "needs octets"), ("cut-sent=5:often", "needs octets"),
        ("cut-sent=-1", "needs octets"),
        ("garbage-received=1", "there is no fault"), ("delay", "needs seconds"), ("delay=-1", "needs seconds"),
        ("slow=0", "needs octets a second"),
        ("refuse-input=0", "needs a count from 1"), ("seed=x", "needs a number"),
        ("delay=1,,slow=1", "there is no fault \"\""),
    ])
    func `a plan that cannot be read says why`(_ text: String, _ words: String) {
        let error = #expect(throws: FaultPlanError.self) { try FaultPlan(text) }
        #expect(error?.description.contains(words) == true)
    }

    @Test func `octets are cut, spoiled and swallowed at the right place, however they are split`() throws {
        let octets = Array(UInt8(0)..<100)
        for size in [1, 7, 100] {
            for (spec, expected, then) in [
                ("cut-sent=42", 42, SessionFaults.Then.cut), ("silent-sent=0", 0, .fallSilent),
                ("cut-sent=99", 99, .cut), ("cut-sent=100", 100, .goOn),
            ] {
                var state = FaultState(try FaultPlan(spec))
                var session = state.openSession()
                var passed: [UInt8] = []
                var end = SessionFaults.Then.goOn
                for start in stride(from: 0, to: 100, by: size) where end == .goOn {
                    let piece = session.pass(Array(octets[start..<min(100, start + size)]), .sent) { state.claim($0) }
                    passed += piece.octets
                    end = piece.then
                }
                #expect(passed == Array(octets[..<expected]) && end == then, "\(spec) in pieces of \(size)")
            }
        }
        for size in [1, 3, 100] {
            var state = FaultState(try FaultPlan("garbage-sent=10"))
            var session = state.openSession()
            var passed: [UInt8] = []
            for start in stride(from: 0, to: 100, by: size) {
                passed += session.pass(Array(octets[start..<min(100, start + size)]), .sent) { state.claim($0) }.octets
            }
            #expect(passed.count == 100 && passed[..<10] == octets[..<10] && passed[18...] == octets[18...])
            #expect(Array(passed[10..<18]) == [0x00, 0xFF, 0x0D, 0x80, 0x21, 0x0A, 0x7F, 0x2D])
        }
    }

    @Test func `a fault happens once, or in each session, and ranges are the same for one seed`() throws {
        func places(_ spec: String) throws -> [Int] {
            var state = FaultState(try FaultPlan(spec))
            return (0..<5).map { _ in
                var session = state.openSession()
                return session.pass(Array(repeating: 0, count: 1000), .received) { state.claim($0) }.octets.count
            }
        }
        #expect(try places("cut-received=10") == [10, 1000, 1000, 1000, 1000])
        #expect(try places("cut-received=10:each") == [10, 10, 10, 10, 10])
        let drawn = try places("cut-received=1-900:each,seed=3")
        #expect(Set(drawn).count > 2 && drawn.allSatisfy { (1...900).contains($0) })
        #expect(try places("cut-received=1-900:each,seed=3") == drawn)
        #expect(try places("cut-received=1-900:each,seed=4") != drawn)
    }

    // MARK: on the line

    private func host(_ faults: String) throws -> HostSettings {
        let plan = try FaultPlan(faults)
        return .test { $0.faults = plan }
    }

    @Test func `the line is cut after so many octets sent`() async throws {
        try await withHost(host("cut-sent=20")) { address, _ in
            let station = try await WireClient(address)
            #expect(try await station.read(20) == Array("300 PRIV-RJE/1 HOST=".utf8))
            #expect(try await station.readLine() == nil)
            let other = try await WireClient(address)
            try await other.signOn()
        }
    }

    @Test func `the line is cut inside a deck, and there is no job`() async throws {
        let dialogue = "HELLO PRIV-RJE/1\r\nUSER RMT1\r\nPASS secret\r\nINPUT OCTETS=\(hello.utf8.count)\r\n"
        try await withHost(host("cut-received=\(dialogue.utf8.count + 10)")) { address, host in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.input(hello) == "closed")
            #expect(host.batch?.status(of: "RMT1").reports == [])
        }
    }

    @Test func `a line goes silent and stays open`() async throws {
        try await withHost(host("silent-sent=26")) { address, _ in
            let station = try await WireClient(address)
            #expect(try await station.last() == "300 PRIV-RJE/1 HOST=DEMO")
            try await station.send("HELLO PRIV-RJE/1")
            await #expect(throws: LineError.deadline) { try await station.line.read(within: .milliseconds(50)) }
            station.close()
        }
    }

    @Test func `an answer turns to garbage`() async throws {
        try await withHost(host("garbage-sent=0")) { address, _ in
            let station = try await WireClient(address)
            #expect(try await station.read(8) == [0x00, 0xFF, 0x0D, 0x80, 0x21, 0x0A, 0x7F, 0x2D])
        }
    }

    @Test func `sessions, log-on and decks are refused as often as asked`() async throws {
        try await withHost(host("no-sessions=1,refuse-logon=1,refuse-input=2")) { address, _ in
            let refused = try await WireClient(address)
            #expect(try await refused.last().hasPrefix("401"))
            let station = try await WireClient(address)
            _ = try await station.last()
            _ = try await station.ask("HELLO PRIV-RJE/1")
            _ = try await station.ask("USER RMT1")
            #expect(try await station.ask("PASS secret").hasPrefix("431"))
            _ = try await station.ask("USER RMT1")
            #expect(try await station.ask("PASS secret").hasPrefix("230"))
            #expect(try await station.input(hello).hasPrefix("462"))
            #expect(try await station.input(hello).hasPrefix("462"))
            #expect(try await station.input(hello).hasPrefix("260"))
        }
    }

    @Test func `a deck is accepted and the line closed before the 260`() async throws {
        try await withHost(host("close-after-input=1")) { address, host in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.input(hello, "KEY=K") == "closed")
            let other = try await WireClient(address)
            try await other.signOn()
            #expect(try await other.input(hello, "KEY=K") == "260 JOB=J00001 NAME=HELLO CARDS=2 DUPLICATE=Y")
            #expect(host.batch?.status(of: "RMT1").reports.count == 1)
        }
    }

    @Test func `a slow and late host still answers`() async throws {
        try await withHost(host("delay=0.01,slow=20000")) { address, _ in
            let station = try await WireClient(address)
            try await station.signOn()
            #expect(try await station.input(hello).hasPrefix("260"))
        }
    }
}
