import Protocols
import Testing
import Wire

/// Sections 9.1 and 9.2 row by row, the server's half of the checklist in section 19, and the decisions of section 20.
struct RFC407HostMachineTests {
    @Test func `a connection is greeted, or turned away with 401`() {
        let host = RFC407HostSession.signedOn(nil)
        #expect(host.ends == [])
        let full = RFC407HostSession()
        full.handle(.opened(takesSessions: false))
        #expect(full.codes() == [401])
        #expect(full.ends == [.noSessions])
    }

    @Test(arguments: [
        ("USER=open", 230), ("USER=alice", 330), ("BYE", 231), ("STATUS", 100), ("STATUS J1", 504), ("INPUT", 504),
        ("PASS=x", 504), ("REINIT", 504), ("OUT=(H)", 504), ("ABORT", 504), ("FROB", 500), ("USER", 502),
    ])
    func `before log-on`(_ line: String, _ code: Int) {
        #expect(RFC407HostSession.signedOn(nil).say(line) == [code])
    }

    @Test func `a user who may not is told 432, and bad tries end the connection`() {
        let host = RFC407HostSession.signedOn(nil)
        host.forbidden = ["eve"]
        #expect(host.say("USER=eve") == [432])
        #expect(host.say("USER=alice", "PASS=no") == [330, 431])
        #expect(host.say("USER=alice", "PASS=no") == [330, 431])
        #expect(host.say("USER=alice", "PASS=no") == [330, 430])
        #expect(host.ends == [.logOnTries])
    }

    @Test func `log-on has its time, before and behind USER`() {
        for lines in [[], ["USER=alice"]] {
            let host = RFC407HostSession.signedOn(nil)
            for line in lines { host.say(line) }
            _ = host.codes()
            #expect(host.timers == [.logOn])
            host.handle(.timerFired(.logOn))
            #expect(host.codes() == [430])
            #expect(host.ends == [.logOnTime])
        }
    }

    @Test func `another command behind USER is as before it`() {
        let host = RFC407HostSession.signedOn(nil)
        #expect(host.say("USER=alice", "OUT=(H)", "PASS=s3cret") == [330, 504, 504])
        let on = RFC407HostSession.signedOn("alice")
        #expect(on.say("USER=bob", "OUT=(H)") == [330, 200])
        #expect(on.machine.user == "alice")
    }

    @Test func `PASS when on is accepted, and a failed change leaves the old user`() {
        let host = RFC407HostSession.signedOn("alice")
        #expect(host.say("PASS=anything") == [230])
        #expect(host.say("USER=bob", "PASS=wrong") == [330, 431])
        #expect(host.machine.user == "alice")
        #expect(host.say("USER=bob", "PASS=pw") == [330, 230])
        #expect(host.machine.user == "bob")
    }

    @Test func `a new log-on and REINIT clear every setting`() {
        let host = RFC407HostSession.signedOn("alice")
        host.say("OUT=D40102:T", "INID=x", "INPATH=D40101:T", "OP text")
        host.say("USER=open")
        _ = host.codes()
        #expect(host.say("INPUT") == [360])
        host.say("INPATH=D40101", "REINIT")
        #expect(host.codes() == [])
        #expect(host.say("INPUT") == [504])
        #expect(host.timers == [.logOn])
        #expect(host.say("USER=open", "INPUT") == [230, 360])
        #expect(host.say("INPUT=D40101") == [])
        #expect(host.inputs.last?.settings == .init())
    }

    @Test func `settings stay with the connection, and the stored path serves twice`() {
        let host = RFC407HostSession.signedOn("alice")
        #expect(
            host.say(
                "out = d40102:t", "OUT punch=(D)", "OUT print=(H)", "INUSER=i", "INPASS=p", "OUTUSER=o", "OUTPASS=q",
                "OP text",
                "INPATH=D40101:T") == Array(repeating: 200, count: 9))
        for number in 1...2 {
            host.say("INPUT")
            host.handle(.inputOpened(number))
            host.handle(.inputEnded(number, [RFC407.Reply(260, "Job J0004\(number) accepted")]))
            #expect(host.codes() == [240, 260])
        }
        #expect(host.inputs.count == 2)
        let settings = host.inputs[1].settings
        #expect(settings.outputs == ["": .init(.hold), "punch": .init(.discard)])
        #expect(
            [settings.inUser, settings.inPassword, settings.outUser, settings.outPassword] == ["i", "p", "o", "q"])
        #expect(settings.operatorText == "text")
        #expect(host.inputs[0].source == host.inputs[1].source)
    }

    @Test func `ABORT in each state`() {
        let host = RFC407HostSession.signedOn("alice")
        #expect(host.say("ABORT") == [202])
        #expect(host.say("INPUT=D1", "ABORT") == [201])
        #expect(host.aborted == [1])
        host.handle(.inputOpened(1))
        host.handle(.inputRefused(1, RFC407.Reply(442, "late")))
        #expect(host.codes() == [])
        host.say("INPUT")
        host.handle(.inputOpened(2))
        #expect(host.codes() == [240])
        #expect(host.say("ABORT") == [201])
        host.handle(.inputEnded(2, [RFC407.Reply(460, "late")]))
        #expect(host.codes() == [])
        host.say("INPUT")
        host.handle(.inputOpened(3))
        host.handle(.inputClosing(3))
        #expect(host.say("ABORT") == [240, 202])
        host.handle(.inputEnded(3, [RFC407.Reply(260, "Job J1 accepted")]))
        #expect(host.codes() == [260])
        #expect(host.aborted == [1, 2])
    }

    @Test(arguments: [(440, "log-on"), (441, "file"), (442, "connect")])
    func `an input that does not open is refused, and another may come`(_ code: Int, _ text: String) {
        let host = RFC407HostSession.signedOn("alice")
        host.say("INPUT=D40101")
        #expect(host.say("INPUT") == [504])
        #expect(host.say("USER=bob") == [504])
        host.handle(.inputRefused(1, RFC407.Reply(code, text)))
        #expect(host.codes() == [code])
        host.say("INPUT")
        #expect(host.inputs.count == 2)
    }

    @Test(arguments: [460, 461])
    func `an input that fails is told, and the host is idle`(_ code: Int) {
        let host = RFC407HostSession.signedOn("alice")
        host.say("INPUT=D40101")
        host.handle(.inputOpened(1))
        host.handle(.notice(RFC407.Reply(260, "Job J1 accepted")))
        host.handle(.inputEnded(1, [RFC407.Reply(code, "no")]))
        #expect(host.codes() == [240, 260, code])
        #expect(host.say("ABORT") == [202])
    }

    @Test func `BYE waits for an input, and only USER is possible meanwhile`() {
        let host = RFC407HostSession.signedOn("alice")
        host.say("INPUT=D40101")
        host.handle(.inputOpened(1))
        #expect(host.say("BYE", "STATUS", "OUT=(H)") == [240, 232, 504, 504])
        host.handle(.inputEnded(1, [RFC407.Reply(260, "Job J1 accepted")]))
        #expect(host.codes() == [260, 231])
        #expect(host.ends == [.bye])
        let stays = RFC407HostSession.signedOn("alice")
        stays.say("INPUT=D40101")
        #expect(stays.say("BYE", "USER=bob", "PASS=pw") == [232, 330, 230])
        stays.handle(.inputRefused(1, RFC407.Reply(442, "no")))
        #expect(stays.codes() == [442])
        #expect(stays.ends == [])
    }

    @Test func `a lost connection aborts the input`() {
        let host = RFC407HostSession.signedOn("alice")
        host.say("INPUT=D40101")
        host.handle(.inputOpened(1))
        host.handle(.lineClosed)
        #expect(host.aborted == [1])
        #expect(host.ends == [.lineClosed])
        #expect(host.say("USER=alice") == [240])
    }

    @Test func `a silent connection is closed when no job is pending`() {
        let host = RFC407HostSession.signedOn("alice")
        host.handle(.jobsPending(true))
        host.handle(.timerFired(.idle))
        #expect(host.codes() == [])
        host.handle(.jobsPending(false))
        host.handle(.timerFired(.idle))
        #expect(host.codes() == [436])
        #expect(host.ends == [.idle])
        let other = RFC407HostSession.signedOn("alice")
        other.handle(.shutDown)
        #expect(other.codes() == [436])
    }

    @Test(arguments: [
        "CHANGE J1 punch = (D)", "RESTART J1", "RECOVER J1", "BACK J1", "SKIP D2 J1", "HOLD @D40102", "ABORT J1",
        "STATUS",
        "STATUS J1", "CANCEL J1", "ALTER J1 HOLD",
    ])
    func `what concerns jobs is asked, and the next line waits for the answer`(_ line: String) {
        let host = RFC407HostSession.signedOn("alice")
        #expect(host.say(line, "OUT=(H)") == [])
        #expect(host.machine.isWaiting)
        host.handle(.notice(RFC407.Reply(261, "Job J2 completed")))
        host.handle(.replied(RFC407.Reply(203, "x")))
        #expect(host.codes() == [261, 203, 200])
        #expect(host.performed.count == 1)
    }

    @Test func `a line is taken up to 4096 octets, a longer one refused`() {
        let host = RFC407HostSession.signedOn("alice")
        #expect(host.say("OP " + String(repeating: "x", count: 4_093)) == [200])
        #expect(host.say("OP " + String(repeating: "x", count: 4_094)) == [501])
        #expect(host.say("OP") == [200])
    }

    @Test func `lone CR and LF and TELNET commands are no text; a doubled 255 is`() {
        let host = RFC407HostSession.signedOn(nil)
        host.receive(Array("US\rER\n=al".utf8) + [255, 251, 1, 255, 241] + Array("ice\r\0\r\n".utf8))
        #expect(host.sent.suffix(17).starts(with: [255, 254, 1]))
        #expect(host.machine.isWaiting == false)
        #expect(RFC407.text(host.sent.suffix(14)) == "330 Password\r\n")
        let open = RFC407HostSession.signedOn("alice")
        open.receive(Array("OP x".utf8) + [255, 255] + Array("\r\nST".utf8) + [255, 255] + Array("\r\n".utf8))
        #expect(open.codes() == [200, 500])
    }

    @Test func `the password's echo is hidden and shown again where that is wanted`() {
        let host = RFC407HostSession.signedOn(nil) { $0.hidesPasswords = true }
        host.say("USER=alice")
        let asked = host.sent.suffix(17)
        #expect(asked.starts(with: [255, 251, 1]))
        host.receive([255, 253, 1])
        host.say("PASS=s3cret")
        #expect(host.sent.suffix(17).starts(with: [255, 252, 1]) || host.sent.suffix(20).contains(252))
        #expect(host.machine.user == "alice")
    }

    @Test func `unknown host numbers and paths without FTP are refused at once`() {
        let host = RFC407HostSession.signedOn("alice") { $0.hostNumbers = [65] }
        #expect(host.say("OUT=D64,D40102", "OUT=D65,D40102", "INPUT=D1,D40101") == [501, 200, 501])
        let without = RFC407HostSession.signedOn("alice") { $0.hasFTP = false }
        #expect(without.say("INPATH=/x", "OUT=(S)/x", "OUT=D40102") == [506, 506, 200])
    }
}
