import Jobs
import Testing
import Webhooks

private func at(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }

@Suite struct BreakerTests {
    /// A breaker after these tries, one a second from second 0.
    private func breaker(after tries: String) -> Breaker {
        var breaker = Breaker()
        for (second, letter) in tries.enumerated() {
            breaker.tryBegan()
            breaker.tryEnded(succeeded: letter == "+", at: at(Int64(second)))
        }
        return breaker
    }

    @Test func `nine failures leave it closed, ten open it for 30 seconds`() {
        #expect(breaker(after: "---------").standing == .closed)
        var open = breaker(after: "----------")
        #expect(open.standing == .open(until: at(9 + 30)))
        #expect(open.admission(at: at(38)) == .notBefore(at(39)))
        #expect(open.admission(at: at(39)) == .yes)
        open.tryBegan()
        #expect(open.standing == .probing)
        #expect(open.admission(at: at(100)) == .wait)
    }

    @Test func `it stays closed while a success is less than a minute old`() {
        let tries = "+" + String(repeating: "-", count: 59)
        #expect(breaker(after: tries).standing == .closed)
        #expect(breaker(after: tries + "-").standing == .open(until: at(60 + 30)))
    }

    @Test func `fewer than ten failures among the last 20 do not open it`() {
        // An old success, then 11 that succeeded and 9 that failed, in turns.
        #expect(breaker(after: "----------".replacing("-", with: "+-") + "+").standing == .closed)
    }

    @Test func `a good probe closes it and forgets the failures`() {
        var breaker = breaker(after: "----------")
        breaker.tryBegan()
        breaker.tryEnded(succeeded: true, at: at(40))
        #expect(breaker.standing == .closed)
        #expect(breaker.isFresh)
        for second in 101...109 as ClosedRange<Int64> { breaker.tryEnded(succeeded: false, at: at(second)) }
        #expect(breaker.standing == .closed)
        breaker.tryEnded(succeeded: false, at: at(110))
        #expect(breaker.standing == .open(until: at(140)))
    }

    @Test func `each failed probe doubles the pause, up to ten minutes`() {
        var breaker = breaker(after: "----------")
        var pauses: [Int64] = []
        for _ in 0..<7 {
            guard case .open(let until) = breaker.standing else {
                Issue.record("not open")
                return
            }
            breaker.tryBegan()
            breaker.tryEnded(succeeded: false, at: until)
            if case .open(let next) = breaker.standing {
                pauses.append((next.microseconds - until.microseconds) / 1_000_000)
            }
        }
        #expect(pauses == [60, 120, 240, 480, 600, 600, 600])
    }

    @Test func `a probe without a result lets the next one go at once`() {
        var breaker = breaker(after: "----------")
        breaker.tryBegan()
        breaker.tryEnded(succeeded: nil, at: at(50))
        #expect(breaker.admission(at: at(50)) == .yes)
    }

    @Test func `what ends late does not lengthen the pause`() {
        var breaker = breaker(after: "----------")
        breaker.tryEnded(succeeded: false, at: at(20))
        #expect(breaker.standing == .open(until: at(39)))
    }
}
