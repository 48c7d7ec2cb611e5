import Engine
import Jobs
import Testing

@Suite struct DrainRateTests {
    struct Row: Sendable {
        let testDescription: String
        /// Jobs that leave in each second, and for how many seconds.
        let phases: [(rate: Int, seconds: Int)]
        let jobs: Int
        let answers: ClosedRange<Int>
    }

    @Test(arguments: [
        Row(testDescription: "nothing measured", phases: [], jobs: 10, answers: 60...60),
        Row(testDescription: "a fast host", phases: [(100, 60)], jobs: 10, answers: 1...1),
        Row(testDescription: "ten a second", phases: [(10, 60)], jobs: 100, answers: 10...11),
        Row(
            testDescription: "one in ten seconds is not nothing", phases: [(1, 1), (0, 9), (1, 1), (0, 9)], jobs: 1,
            answers: 8...12),
        Row(testDescription: "it became slow", phases: [(100, 60), (1, 300)], jobs: 100, answers: 90...110),
        Row(testDescription: "it became fast", phases: [(1, 300), (100, 120)], jobs: 100, answers: 1...2),
        Row(testDescription: "it stopped a while ago", phases: [(10, 60), (0, 120)], jobs: 100, answers: 100...400),
        Row(testDescription: "it stopped long ago", phases: [(10, 60), (0, 3600)], jobs: 100, answers: 60...60),
        Row(testDescription: "never above an hour", phases: [(1, 1), (0, 60)], jobs: 1_000_000, answers: 3600...3600),
    ])
    func `the wait follows what was measured`(_ row: Row) {
        var rate = DrainRate()
        var now = Timestamp(microseconds: 1_000_000)
        for phase in row.phases {
            for _ in 0..<phase.seconds {
                now = now.advanced(by: .seconds(1))
                rate.left(phase.rate, at: now)
            }
        }
        let answer = rate.retryAfter(jobs: row.jobs, at: now, spread: 0)
        #expect(row.answers.contains(answer), "\(row.testDescription): \(answer)")
    }

    @Test func `answers spread over a tenth to either side`() {
        var rate = DrainRate()
        for second in 1...60 { rate.left(1, at: Timestamp(microseconds: Int64(second) * 1_000_000)) }
        let now = Timestamp(microseconds: 60_000_000)
        let middle = rate.retryAfter(jobs: 100, at: now, spread: 0)
        #expect(rate.retryAfter(jobs: 100, at: now, spread: -1) < middle)
        #expect(rate.retryAfter(jobs: 100, at: now, spread: 1) > middle)
        #expect(rate.retryAfter(jobs: 100, at: now, spread: 5) == rate.retryAfter(jobs: 100, at: now, spread: 1))
    }

    @Test func `a clock that steps back changes nothing`() {
        var rate = DrainRate()
        rate.left(10, at: Timestamp(microseconds: 50_000_000))
        rate.left(10, at: Timestamp(microseconds: 40_000_000))
        #expect(rate.perSecond(at: Timestamp(microseconds: 40_000_000)) ?? -1 > 0)
    }
}
