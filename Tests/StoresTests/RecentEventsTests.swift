import Jobs
import Stores
import Testing

@Suite struct RecentEventsTests {
    private let job = JobID(bits: 1)
    private let other = JobID(bits: 2)

    private func event(_ sequence: Int64, of job: JobID? = nil, octets: Int = 10) -> Event {
        Event(
            sequence: sequence, id: "evt_\(sequence)", type: "job.queued", job: job,
            at: Timestamp(microseconds: sequence), body: [UInt8](repeating: 0x20, count: octets))
    }

    private func recent(_ events: [Event], generation: Int = 4, octets: Int = 1000) -> RecentEvents {
        var recent = RecentEvents(generation: generation, octets: octets)
        for event in events { recent.append(event) }
        return recent
    }

    @Test func `what follows a number is told, and how far it reaches`() {
        let recent = recent((5...8).map { event($0, of: $0 % 2 == 0 ? job : other) })
        #expect(recent.after(4, job: nil, limit: 9)?.events.map(\.sequence) == [5, 6, 7, 8])
        #expect(recent.after(6, job: nil, limit: 9)?.events.map(\.sequence) == [7, 8])
        let tail = recent.after(4, job: job, limit: 9)
        #expect(tail?.events.map(\.sequence) == [6, 8])
        #expect(recent.after(7, job: other, limit: 9)?.events == [])
        #expect(recent.after(7, job: other, limit: 9)?.reach == 8)
        #expect(recent.after(8, job: nil, limit: 9)?.events == [])
    }

    @Test func `a full page reaches to its last event only`() {
        let recent = recent((5...8).map { event($0) })
        #expect(recent.after(4, job: nil, limit: 2)?.events.map(\.sequence) == [5, 6])
        #expect(recent.after(4, job: nil, limit: 2)?.reach == 6)
    }

    @Test func `what is not all here is not told`() {
        let recent = recent((5...8).map { event($0) })
        #expect(recent.after(3, job: nil, limit: 9) == nil)
        #expect(recent.after(9, job: nil, limit: 9) == nil)
        #expect(self.recent([]).after(0, job: nil, limit: 9) == nil)
    }

    @Test func `two generations are kept, by number and by octets`() {
        let byNumber = recent((1...10).map { event($0) })
        #expect(byNumber.after(4, job: nil, limit: 9)?.events.map(\.sequence) == [5, 6, 7, 8, 9, 10])
        #expect(byNumber.after(4, job: nil, limit: 99)?.reach == 10)
        #expect(byNumber.after(3, job: nil, limit: 9) == nil)
        let byOctets = recent((1...6).map { event($0, octets: 600) })
        #expect(byOctets.after(2, job: nil, limit: 9)?.events.map(\.sequence) == [3, 4, 5, 6])
        #expect(byOctets.after(1, job: nil, limit: 9) == nil)
    }

    @Test func `where numbers were left out, what was before is forgotten`() {
        let recent = recent([event(1), event(2), event(9), event(10)])
        #expect(recent.after(8, job: nil, limit: 9)?.events.map(\.sequence) == [9, 10])
        #expect(recent.after(2, job: nil, limit: 9) == nil)
    }
}
