import Jobs
import Lines
import Stations
import TestKit
import Testing

/// How far a job came, and why no further.
struct Story: Sendable {
    var receipt: Receipt?
    var output: [UInt8]?
    var isPurged = false
    var error: StationError?
    /// The error came from `submit`.
    var failedInSubmit = false
}

/// A job from sign-on to purge, as far as it goes.
func tell(_ station: PrivRJEStation, _ block: [UInt8], closing: (@Sendable () async throws -> Void)? = nil) async
    -> Story
{
    var story = Story()
    do throws(StationError) {
        try await station.signOn()
        try await station.watchAll()
        do throws(StationError) {
            story.receipt = try await station.submit(deck(block), closing: closing)
        } catch {
            story.failedInSubmit = true
            throw error
        }
        guard let job = story.receipt?.job else { throw .garbage("no job number") }
        _ = try await station.status(of: job)
        guard let file = try await station.files(of: job).first else { throw .garbage("no file") }
        let basket = Basket()
        _ = try await station.fetch(file, of: job, from: 0, limit: nil) { basket.put($0) }
        story.output = basket.contents
        try await station.purge(job)
        story.isPurged = true
    } catch {
        story.error = error
    }
    await station.signOff()
    return story
}

@Suite(.timeLimit(.minutes(3))) struct EveryOctetTests {
    private struct Run: Sendable {
        let story: Story
        let jobs: Int
        let isHarmed: Bool
        let carried: (sent: Int, received: Int)
    }

    /// One story over a line that is harmed, to its end on both sides.
    private func run(
        _ direction: HarmedLine.Direction, after octets: Int, _ harm: HarmedLine.Harm, deck block: [UInt8] = helloDeck,
        closing: (@Sendable () async throws -> Void)? = nil
    ) async -> Run {
        let system = FakeSystem()
        let accepted = Box(0)
        let clock = ManualClock()
        let box = Box<HarmedLine?>(nil)
        let hostIsOver = Gate()
        let station = PrivRJEStation(settings(), on: TestLoops.one, clock: clock) {
            () async throws(LineError) -> any Line in
            let pair = LinePair()
            Task {
                await serve(pair.far, system)
                hostIsOver.open()
            }
            let line = HarmedLine(pair.near, direction, after: octets, harm)
            box.withLock { $0 = line }
            return line
        }
        // Time passes only once the line has fallen silent.
        let pump = Task {
            while !Task.isCancelled {
                if harm == .silence, box.withLock({ $0?.isHarmed }) == true { clock.advance(by: .seconds(10)) }
                for _ in 0..<10 { await Task.yield() }
            }
        }
        let story = await tell(station, block, closing: closing)
        pump.cancel()
        await hostIsOver.wait()
        accepted.withLock { $0 = system.jobs.count + (story.isPurged ? 1 : 0) }
        let line = box.withLock { $0 }
        return Run(
            story: story, jobs: accepted.withLock { $0 }, isHarmed: line?.isHarmed ?? false,
            carried: line?.carried ?? (0, 0))
    }

    private func check(_ run: Run, _ harm: HarmedLine.Harm, _ place: String) {
        let story = run.story
        if let error = story.error {
            #expect(!"\(error)".contains("secret"), "\(place): \(error)")
            switch (error, harm) {
            case (.lineLost, .cut), (.deadline, .silence), (.notSent, _), (.uncertain, _): break
            default: Issue.record("\(place): \(error)")
            }
            // The promise: not sent means that the host has nothing, nor ever will.
            if case .notSent = error { #expect(run.jobs == 0 && story.failedInSubmit, "\(place): \(error)") }
            if case .uncertain = error { #expect(story.failedInSubmit, "\(place)") }
            if story.failedInSubmit, run.jobs > 0 {
                guard case .uncertain = error else {
                    Issue.record("\(place): the host has the job, and we say \(error)")
                    return
                }
            }
        } else {
            #expect(story.isPurged, "\(place)")
        }
        if story.receipt != nil, !story.isPurged { #expect(run.jobs <= 1, "\(place)") }
        if let output = story.output { #expect(output == FakeSystem().output[0], "\(place)") }
    }

    @Test(arguments: HarmedLine.Direction.allCases, HarmedLine.Harm.allCases)
    func `a line harmed at every octet of a job gives a typed error that is true`(
        direction: HarmedLine.Direction, harm: HarmedLine.Harm
    ) async {
        let whole = await run(direction, after: .max, harm)
        #expect(whole.story.isPurged && whole.story.error == nil && !whole.isHarmed)
        let octets = direction == .toHost ? whole.carried.sent : whole.carried.received
        #expect(octets > 200)
        var failed = 0
        for at in 0..<octets {
            let run = await run(direction, after: at, harm)
            check(run, harm, "\(harm) \(direction) after \(at) of \(octets)")
            if run.story.error != nil { failed += 1 }
        }
        // Only the octets of BYE and its answer may be missed without loss.
        #expect(failed >= octets - 12)
    }

    @Test(arguments: [true, false])
    func `a long deck cut anywhere is not sent, or uncertain after the commit`(commitsLate: Bool) async {
        let block = Array("//BIG JOB\n".utf8) + Array(repeating: 0x2A, count: 150_000)
        for at in stride(from: 40, to: 150_300, by: 7_919) {
            let committed = Box(false)
            let late: @Sendable () async throws -> Void = { committed.withLock { $0 = true } }
            let run = await run(.toHost, after: at, .cut, deck: block, closing: commitsLate ? late : nil)
            check(run, .cut, "cut after \(at)")
            if case .uncertain? = run.story.error, commitsLate { #expect(committed.withLock { $0 }) }
        }
    }
}
