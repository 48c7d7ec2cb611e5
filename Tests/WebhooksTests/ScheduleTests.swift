import Jobs
import Testing
import Webhooks

@Suite struct ScheduleTests {
    @Test func `ten tries over 75 hours 35 minutes 5 seconds, each within its jitter`() {
        var generator = SplitMix(seed: 1)
        let bases: [Int64] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
        #expect(bases.reduce(0, +) == 272_105)
        for (attempts, base) in bases.enumerated() {
            for _ in 0..<200 {
                guard let delay = Schedule.standard.delay(afterAttempts: attempts, using: &generator) else {
                    Issue.record("no try after \(attempts)")
                    return
                }
                #expect(delay >= .seconds(base) * 0.8 && delay <= .seconds(base) * 1.2)
            }
        }
        #expect(Schedule.standard.delay(afterAttempts: 10, using: &generator) == nil)
        #expect(Schedule.standard.delay(afterAttempts: .max, using: &generator) == nil)
    }

    @Test func `the jitter spreads, and repeats with its seed`() {
        func delays(seed: UInt64) -> [Duration?] {
            var generator = SplitMix(seed: seed)
            return (1..<10).map { Schedule.standard.delay(afterAttempts: $0, using: &generator) }
        }
        #expect(delays(seed: 7) == delays(seed: 7))
        #expect(delays(seed: 7) != delays(seed: 8))
    }

    @Test func `Retry-After lengthens the wait up to a day and never shortens it`() {
        var generator = SplitMix(seed: 3)
        let schedule = Schedule.standard
        #expect(schedule.delay(afterAttempts: 1, retryAfter: .seconds(60), using: &generator) == .seconds(60))
        #expect(schedule.delay(afterAttempts: 1, retryAfter: .seconds(86_401), using: &generator) == .seconds(86_400))
        if let delay = schedule.delay(afterAttempts: 2, retryAfter: .seconds(1), using: &generator) {
            #expect(delay >= .seconds(240))
        }
        #expect(schedule.delay(afterAttempts: 10, retryAfter: .seconds(60), using: &generator) == nil)
    }

    @Test func `a schedule has 1 to 20 entries of at most seven days`() {
        #expect(Schedule([]) == nil)
        #expect(Schedule(Array(repeating: .zero, count: 20)) != nil)
        #expect(Schedule(Array(repeating: .zero, count: 21)) == nil)
        #expect(Schedule([.seconds(7 * 86_400)]) != nil)
        #expect(Schedule([.seconds(7 * 86_400 + 1)]) == nil)
        #expect(Schedule([.seconds(-1)]) == nil)
    }

    // 2026-01-02T03:04:05Z
    static let now = Timestamp(microseconds: 1_767_323_045_000_000)

    @Test(
        arguments: [
            ("120", 120), ("0", nil), ("999999999999999999999999", 999_999_999), ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
            ("Friday, 02-Jan-26 03:05:05 GMT", 60), ("Fri Jan  2 03:05:05 2026", 60),
            ("Fri, 02 Jan 2026 03:04:05 GMT", nil), ("Thu, 01 Jan 2026 00:00:00 GMT", nil), ("", nil), ("soon", nil),
            ("-5", nil), ("12x", nil), ("5\u{0}", nil),
        ] as [(String, Int64?)])
    func `Retry-After is seconds or a date to come`(_ text: String, _ seconds: Int64?) {
        #expect(RetryAfter.parse(text, now: Self.now) == seconds.map { .seconds($0) })
    }
}

@Suite struct VerdictTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let status: Int?
        let failure: SendFailure?
        let verdict: Verdict
        var testDescription: String { "\(status.map(String.init) ?? "-") \(failure?.rawValue ?? "-")" }

        init(_ status: Int?, _ failure: SendFailure?, _ verdict: Verdict) {
            self.status = status
            self.failure = failure
            self.verdict = verdict
        }
    }

    static let retry = Verdict(.retry, "status", countsAsFailure: true)
    static let delivered = Verdict(.delivered, "delivered", countsAsFailure: false)
    static let rows: [Row] =
        [200, 201, 202, 204, 299].map { Row($0, nil, delivered) }
        // The body was cut off at our cap, or by time, or by the receiver.
        + [.malformedAnswer, .timeout, .disconnected].map { Row(200, $0, delivered) }
        + [300, 301, 302, 303, 307, 308].map {
            Row($0, nil, Verdict(.retry, "redirect_refused", countsAsFailure: true))
        }
        + [Row(410, nil, Verdict(.dead, "gone", countsAsFailure: true, disables: .gone))]
        + [400, 401, 403, 404, 408, 415, 425, 429, 500, 502, 503, 504, 599, 700].map { Row($0, nil, retry) }
        + [.resolveFailed, .connectFailed, .tlsFailed, .timeout, .disconnected, .malformedAnswer].map {
            Row(nil, $0, Verdict(.retry, $0.rawValue, countsAsFailure: true))
        }
        + [.blockedAddress, .badURL, .engineReset, .stopped].map {
            Row(nil, $0, Verdict(.retry, $0.rawValue, countsAsFailure: false))
        }

    @Test(arguments: rows)
    func `what an answer means`(_ row: Row) {
        #expect(Verdict(status: row.status, failure: row.failure) == row.verdict)
    }

    @Test func `no words of a failure name a port or what listens on it`() {
        for failure in SendFailure.allCases {
            #expect(!failure.words.lowercased().contains("refused"))
            #expect(!failure.words.lowercased().contains("port"))
        }
    }
}
