import HTTPCore
import Jobs
import Stores
import Synchronization

/// What the API counts by itself: requests, and the jobs that commits tell of.
final class Figures: Sendable {
    struct Key: Hashable, Sendable {
        let route: String
        let method: String
        let status: Int
    }

    struct Ending: Hashable, Sendable {
        let host: HostID
        /// The kind of its outcome, else the state it ended in.
        let outcome: String
    }

    /// The parts of a job's way that are measured.
    enum Stage: String, CaseIterable, Sendable {
        /// From the submission until the host has it.
        case queue
        /// From then until the host says that it runs.
        case host
        /// From then until the host says that it has ended.
        case run
        /// From then until its output is here.
        case output
        /// From the submission until it is final.
        case total
    }

    struct State: Sendable {
        var requests: [Key: UInt64] = [:]
        var timings: [String: Histogram] = [:]
        var receivedOctets: UInt64 = 0
        var sentOctets: UInt64 = 0
        var submitted: UInt64 = 0
        var streams = 0
        var endings: [Ending: UInt64] = [:]
        var stages = Stage.allCases.map { _ in Histogram.ofStages }
    }

    let startedAt: Timestamp
    private let state = Mutex(State())

    init(now: Timestamp) { startedAt = now }

    func answered(_ request: AnsweredRequest) {
        // Routes and methods are ours, not the client's: the number of series is bounded.
        let route = request.route ?? "none"
        let method = request.method?.description ?? "other"
        let seconds = request.duration.inSeconds
        state.withLock { state in
            state.requests[Key(route: route, method: method, status: request.status), default: 0] += 1
            state.timings[route, default: .ofRequests].add(seconds)
            state.receivedOctets &+= UInt64(max(0, request.receivedBodyBytes))
            state.sentOctets &+= UInt64(max(0, request.sentBodyBytes))
        }
    }

    func submitted() { state.withLock { $0.submitted += 1 } }
    func streamBegan() { state.withLock { $0.streams += 1 } }
    func streamEnded() { state.withLock { $0.streams -= 1 } }

    /// Called on the store's thread.
    func committed(_ changes: [Committed]) {
        for change in changes {
            guard let job = change.job, let event = change.event else { continue }
            switch job.state {
            case .submitted: pass([(.queue, job.createdAt, job.submittedAt)])
            case .running: pass([(.host, job.submittedAt, job.startedAt)])
            case .completed, .failed, .rejected, .canceled, .expired:
                guard event.type == EventBody.type(entering: job.state) else { continue }
                pass([
                    (.run, job.startedAt, job.endedAt), (.output, job.endedAt, job.changedAt),
                    (.total, job.createdAt, job.changedAt),
                ])
                let outcome = job.outcome?.kind.rawValue ?? job.state.rawValue
                state.withLock { $0.endings[Ending(host: job.host, outcome: outcome), default: 0] += 1 }
            case .held, .queued, .sending, .uncertain, .printing, .purged: continue
            }
        }
    }

    private func pass(_ stages: [(Stage, from: Timestamp?, to: Timestamp?)]) {
        state.withLock { state in
            for case (let stage, let from?, let to?) in stages {
                guard let index = Stage.allCases.firstIndex(of: stage) else { continue }
                state.stages[index].add(max(.zero, from.duration(to: to)))
            }
        }
    }

    var now: State { state.withLock { $0 } }
}
