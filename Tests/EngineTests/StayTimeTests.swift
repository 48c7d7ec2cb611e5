import Engine
import Testing

@Suite struct StayTimeTests {
    private static func measured(_ seconds: [Int]) -> StayTime {
        seconds.reduce(into: StayTime()) { $0.ended(after: .seconds($1)) }
    }

    @Test func `nothing is said where nothing was measured`() {
        #expect(StayTime().left(ahead: nil, perSecond: 1, elapsed: .zero) == nil)
    }

    @Test func `a job at its host needs what is left of the usual`() {
        let stay = Self.measured([100])
        #expect(stay.left(ahead: nil, perSecond: nil, elapsed: .seconds(30)) == 70)
        #expect(stay.left(ahead: nil, perSecond: nil, elapsed: .seconds(-5)) == 100)
    }

    @Test func `one that takes longer than usual is asked for ever more seldom`() {
        let stay = Self.measured([10])
        #expect(stay.left(ahead: nil, perSecond: nil, elapsed: .seconds(40)) == 20)
    }

    @Test func `a job in the line waits for those before it as well`() {
        let stay = Self.measured([10])
        #expect(stay.left(ahead: 0, perSecond: nil, elapsed: .zero) == 10)
        #expect(stay.left(ahead: 50, perSecond: 5, elapsed: .zero) == 20)
        #expect(stay.left(ahead: 50, perSecond: nil, elapsed: .zero) == nil)
    }

    @Test func `the average follows what is new`() throws {
        let stay = Self.measured([1] + Array(repeating: 100, count: 30))
        let left = try #require(stay.left(ahead: nil, perSecond: nil, elapsed: .zero))
        #expect((99...100).contains(left))
    }

    @Test(
        arguments: [
            (0.0, 0.0, 1), (10, -1, 9), (10, 1, 11), (10, 7, 11), (0.2, 0, 1), (1e12, 0, 3600), (-4, 0, 1),
        ] as [(Double, Double, Int)])
    func `seconds are whole, a tenth to either side, from 1 to 3600`(_ seconds: Double, _ spread: Double, _ whole: Int)
    {
        #expect(StayTime.whole(seconds, spread: spread) == whole)
    }
}
