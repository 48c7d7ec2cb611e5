import Jobs
import Lines
import Logging
import Stores

extension DeliveryRunner {
    /// Commits all results there are at once; meanwhile the next ones gather.
    func recordWhileRunning() async {
        while true {
            let (batch, isDrained) = state.withLock { state in
                let batch = state.results
                state.results = []
                state.recording = batch.count
                return (batch, state.isDrained)
            }
            if batch.isEmpty {
                if isDrained { return }
                await recordWanted.wait()
                continue
            }
            do throws(StoreError) {
                try await store.record(batch)
                let isHungry = state.withLock { state in
                    state.recording = 0
                    for result in batch { state.held.remove(result.delivery) }
                    // Those disabled by this commit take nothing any more in the store either.
                    if !state.results.contains(where: { $0.disables != nil }) { state.ending = [] }
                    return state.queue.isHungry
                }
                if let next = batch.compactMap(\.nextTime).min() { armFetchTimer(at: next) }
                if isHungry { fetchWanted.raise() }
                dispatchWanted.raise()
            } catch {
                logger.error(
                    "webhook results cannot be recorded", metadata: ["error": "\(error)", "results": "\(batch.count)"])
                let givesUp = state.withLock { state in
                    state.recording = 0
                    // Sent again after the restart: at least once.
                    if state.isDrained { return true }
                    state.results.insert(contentsOf: batch, at: 0)
                    return false
                }
                if givesUp { return }
                await pause(.seconds(1))
            }
        }
    }
}

extension DeliveryResult {
    fileprivate var nextTime: Timestamp? { if case .retry(let time) = next { time } else { nil } }
}
