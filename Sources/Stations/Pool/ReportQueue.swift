import Synchronization

/// A report, and the session it came over.
package enum PooledReport: Equatable, Sendable {
    case report(Report, from: SessionID)
    /// Notices may have been missed before this point: what the host knows now is to be asked. Comes when a session begins to
    /// give notices, and in place of reports that nobody took in time.
    case gap
}

/// The reports of all sessions for one taker. Bounded: when it overflows, one `gap` replaces everything in it, because
/// asking the host for all states then tells more than the reports would.
final class ReportQueue: Sendable {
    private struct State {
        var reports: [PooledReport] = []
        var head = 0
        var isEnded = false
    }

    private let state = Mutex(State())
    private let bell: AsyncStream<Void>
    private let ring: AsyncStream<Void>.Continuation
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func put(_ report: PooledReport) {
        state.withLock { state in
            if state.reports.count - state.head >= capacity {
                state.reports = [.gap]
                state.head = 0
            } else if !(report == .gap && state.reports.last == .gap && state.head < state.reports.count) {
                state.reports.append(report)
            }
        }
        ring.yield()
    }

    func end() {
        state.withLock { $0.isEnded = true }
        ring.finish()
    }

    private func take() -> PooledReport? {
        state.withLock { state in
            guard state.head < state.reports.count else { return nil }
            let report = state.reports[state.head]
            state.head += 1
            if state.head == state.reports.count {
                state.reports.removeAll(keepingCapacity: state.reports.capacity < 1024)
                state.head = 0
            }
            return report
        }
    }

    /// For one taker at a time.
    var reports: AsyncStream<PooledReport> {
        AsyncStream { [self] in
            while true {
                if let report = take() { return report }
                if state.withLock({ $0.isEnded }) { return take() }
                var waits = bell.makeAsyncIterator()
                if await waits.next(isolation: nil) == nil { return take() }
            }
        }
    }
}
