import Engine
import Jobs
import Stations
import Stores
import Synchronization
import Wire

/// A host that lives in memory and fails as it is told; its stations speak the contract of `Station` directly.
final class FakeHost: Sendable {
    enum Fault: Equatable, Sendable {
        /// Before the first card.
        case cutBeforeReading
        /// Before the deck is complete.
        case cutEarly
        /// In the closing window; the host may have taken the deck or not.
        case cutInClosing(taken: Bool)
        case busy
        case refuse(String)
    }

    struct HeldJob: Sendable {
        let key: String
        let number: JobNumber
        let deck: [UInt8]
        var name: String? {
            String(decoding: deck, as: UTF8.self).dropFirst(2).split(separator: " ").first.map(String.init)
        }
        var state: HostJob.State = .queued
        var isPurged = false
    }

    struct State {
        var jobs: [HeldJob] = []
        var voided: Set<String> = []
        var faults: [Fault] = []
        var stations: [FakeStation] = []
        var holdsBack = false
        var fetchFaults = 0
        var canceled: [JobNumber] = []
        /// Whose state was asked for, in order.
        var asked: [JobNumber] = []
        var held: [JobNumber] = []
        /// A job ends by itself before a cancel reaches it.
        var cancelsTooLate = false
        /// A deck under a known key is refused, as when it was coded in another way.
        var keyClashes = false
        var abilities: Abilities = [
            .submissionKey, .jobNumbers, .status, .notices, .cancel, .pulledOutput, .rangedFetch, .dropsCutDecks,
        ]
        var refusesLogon = false
        var outputs: [[UInt8]] = [Array(" HELLO FROM THE HOST\n".utf8)]
    }

    let state = Mutex(State())

    /// How many jobs were made of one key: more than one is a double.
    func copies(of key: String) -> Int { state.withLock { $0.jobs.count { $0.key == key } } }

    func makeStation() -> FakeStation {
        let station = FakeStation(host: self)
        state.withLock { $0.stations.append(station) }
        return station
    }

    func report(_ job: HostJob) {
        for station in state.withLock({ $0.stations }) { station.continuation.yield(.job(job)) }
    }

    /// Runs the job to its end and tells.
    func run(_ number: JobNumber, outcome: Outcome = .completed(0)) {
        report(HostJob(number: number, state: .running))
        end(number, outcome)
    }

    func begin(_ number: JobNumber) { report(HostJob(number: number, state: .running)) }

    func end(_ number: JobNumber, _ outcome: Outcome) {
        state.withLock { state in
            for at in state.jobs.indices where state.jobs[at].number == number {
                state.jobs[at].state = .ended(outcome)
            }
        }
        report(HostJob(number: number, state: .ended(outcome)))
    }

    /// A job that came from elsewhere, or whose deck lay in a buffer.
    @discardableResult
    func add(_ deck: String, _ state: HostJob.State = .queued) -> JobNumber {
        let job = self.state.withLock { all in
            let job = HeldJob(
                key: "-\(all.jobs.count)", number: JobNumber("J\(all.jobs.count + 1)")!, deck: Array(deck.utf8),
                state: state)
            all.jobs.append(job)
            return job
        }
        report(HostJob(number: job.number, name: job.name, state: state))
        return job.number
    }

    func forgetEverything() { state.withLock { $0.jobs = [] } }

    func cutLines() {
        let stations = state.withLock { state in
            defer { state.stations = [] }
            return state.stations
        }
        for station in stations { station.drop(.lineLost("cut by the test")) }
    }
}

final class FakeStation: Station {
    let host: FakeHost
    let reports: AsyncStream<Report>
    let continuation: AsyncStream<Report>.Continuation
    private let isUp = Mutex(true)

    init(host: FakeHost) {
        self.host = host
        (reports, continuation) = AsyncStream.makeStream()
    }

    var abilities: Abilities { host.state.withLock { $0.abilities } }
    var window: Int { 4 }
    var keyMemory: Duration? { .seconds(3600) }

    func drop(_ error: StationError) {
        isUp.withLock { $0 = false }
        continuation.yield(.lineDown(error))
        continuation.finish()
    }

    private func check() throws(StationError) {
        if !isUp.withLock({ $0 }) { throw .lineLost("the line is down") }
    }

    func signOn() async throws(StationError) {
        if host.state.withLock({ $0.refusesLogon }) { throw .logonRefused("wrong password") }
    }

    func submit(
        _ deck: PreparedDeck, closing: (@Sendable () async throws -> Void)?
    ) async throws(StationError) -> Receipt {
        try check()
        let fault = host.state.withLock { $0.faults.isEmpty ? nil : $0.faults.removeFirst() }
        if fault == .cutBeforeReading {
            drop(.lineLost("cut before the first card"))
            throw .notSent("cut before the first card")
        }
        let octets: [UInt8]
        do { octets = try await deck.read(0, deck.octets) } catch { throw .local("\(error)") }
        switch fault {
        case .cutEarly:
            drop(.lineLost("cut early"))
            throw .notSent("cut early")
        case .busy: throw .busy("spool full")
        case .refuse(let reason): throw .refusedDeck(reason: reason)
        case .cutInClosing, .cutBeforeReading, nil: break
        }
        do { try await closing?() } catch { throw .notSent("\(error)") }
        if fault == .cutInClosing(taken: false) {
            drop(.lineLost("cut in closing"))
            throw .uncertain(evidence: "all octets sent, no receipt")
        }
        let receipt = try accept(deck.key, octets)
        if fault == .cutInClosing(taken: true) {
            drop(.lineLost("cut in closing"))
            throw .uncertain(evidence: "all octets sent, no receipt")
        }
        return receipt
    }

    private func accept(_ key: String, _ octets: [UInt8]) throws(StationError) -> Receipt {
        let (receipt, shouldRun) = host.state.withLock { state -> (Receipt?, Bool) in
            if state.voided.contains(key) { return (nil, false) }
            if state.abilities.contains(.submissionKey), let known = state.jobs.first(where: { $0.key == key }) {
                if state.keyClashes { return (nil, false) }
                return (Receipt(job: known.number, duplicate: true, purged: known.isPurged), false)
            }
            guard let number = JobNumber("J\(state.jobs.count + 1)") else { return (nil, false) }
            state.jobs.append(FakeHost.HeldJob(key: key, number: number, deck: octets))
            return (Receipt(job: number), !state.holdsBack)
        }
        guard let receipt, let number = receipt.job else { throw .refusedDeck(reason: "KEYVOID") }
        if shouldRun { host.run(number) }
        return receipt
    }

    func find(key: String) async throws(StationError) -> Receipt? {
        try check()
        return host.state.withLock { state in
            state.jobs.first { $0.key == key }.map { Receipt(job: $0.number, duplicate: true, purged: $0.isPurged) }
        }
    }

    func void(key: String) async throws(StationError) -> Receipt? {
        if let receipt = try await find(key: key) { return receipt }
        host.state.withLock { _ = $0.voided.insert(key) }
        return nil
    }

    func status(of job: JobNumber) async throws(StationError) -> HostJob? {
        try check()
        return host.state.withLock { state in
            state.asked.append(job)
            return state.jobs.first { $0.number == job && !$0.isPurged }.map { HostJob(number: job, state: $0.state) }
        }
    }

    func statusOfAll() async throws(StationError) -> (jobs: [HostJob], complete: Bool) {
        try check()
        return (
            host.state.withLock { state in
                state.jobs.filter { !$0.isPurged }.map { HostJob(number: $0.number, name: $0.name, state: $0.state) }
            }, true
        )
    }

    func watchAll() async throws(StationError) { try check() }

    func files(of job: JobNumber) async throws(StationError) -> [HostFile] {
        try check()
        return host.state.withLock { $0.outputs }.enumerated().map { at, octets in
            HostFile(
                number: at + 1, kind: .print, ddName: "SYSPRINT", octets: octets.count, carriageControl: .asa,
                code: "ASCII", recordLength: 133)
        }
    }

    func fetch(
        _ file: HostFile, of job: JobNumber, from offset: Int, limit: Int?,
        piece: @Sendable ([UInt8]) async throws -> Void
    ) async throws(StationError) -> Int {
        try check()
        let octets = host.state.withLock { $0.outputs[file.number - 1] }
        var at = offset
        while at < octets.count {
            let next = min(octets.count, at + 50_000)
            do { try await piece(Array(octets[at..<next])) } catch { throw .local("\(error)") }
            at = next
            let isCut = host.state.withLock { state in
                guard state.fetchFaults > 0 else { return false }
                state.fetchFaults -= 1
                return true
            }
            if isCut {
                drop(.lineLost("cut inside FETCH"))
                throw .lineLost("cut inside FETCH")
            }
        }
        return octets.count
    }

    func purge(_ job: JobNumber) async throws(StationError) {
        try check()
        host.state.withLock { state in
            for at in state.jobs.indices where state.jobs[at].number == job { state.jobs[at].isPurged = true }
        }
    }

    func cancel(_ job: JobNumber) async throws(StationError) -> CancelAnswer {
        try check()
        let isLate = host.state.withLock { state in
            state.canceled.append(job)
            return state.cancelsTooLate
        }
        host.end(job, isLate ? .completed(0) : .canceled)
        return isLate ? .tooLate : .canceled
    }

    func hold(_ job: JobNumber) async throws(StationError) {
        try host.state.withLock { (state) throws(StationError) in
            guard let known = state.jobs.first(where: { $0.number == job }) else { throw .refused("464 no such job") }
            if known.state == .running { throw .refused("465 it runs") }
            state.held.append(job)
        }
    }
    func release(_ job: JobNumber) async throws(StationError) {
        host.state.withLock { $0.held.removeAll { $0 == job } }
    }
    func operate(_ command: String) async throws(StationError) -> [String] { throw .lacks("operatorCommands") }
    func ping() async throws(StationError) { try check() }

    func signOff() async {
        isUp.withLock { $0 = false }
        continuation.finish()
    }
}
