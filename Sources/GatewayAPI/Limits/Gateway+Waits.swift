import Engine
import HTTPCore
import Jobs

extension Gateway {
    /// As `wait(for:_:)`, counted among what the caller has waiting.
    func wait(for job: Job, _ wish: WaitWish, as caller: Caller) async throws -> Job {
        guard wish.limit != nil, !wish.isSatisfied(by: job), !isDraining else { return job }
        let permit = try permit(.waits, caller)
        defer { permit.end() }
        return try await wait(for: job, wish)
    }
}
