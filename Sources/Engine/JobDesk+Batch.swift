package import Jobs
package import Stores

/// What one deck of a batch has for itself.
package struct BatchPart: Sendable {
    package var deck: DeckIntake.Taken
    package var name: JobName?
    package var correlator: String?

    package init(deck: DeckIntake.Taken, name: JobName? = nil, correlator: String? = nil) {
        self.deck = deck
        self.name = name
        self.correlator = correlator
    }
}

extension JobDesk {
    /// Stores several jobs in one commit, all or none. Their IDs, and so their places in the line, are in the order of the parts.
    /// - Parameter answer: makes what an idempotent repeat will be answered; asked only when there is a key.
    package func submit(
        _ parts: [BatchPart], to host: HostProfile, options: SubmitOptions, answer: @Sendable (Batch, [Job]) -> [UInt8]
    ) async throws(StoreError) -> BatchResult {
        let now = clock.now()
        let batch = Batch(id: BatchID(at: now), owner: options.owner, host: host.id, createdAt: now, size: parts.count)
        let ids = parts.map { _ in JobID(at: now) }.sorted()
        let jobs = zip(parts, ids).map { part, id in
            var own = options
            own.name = part.name ?? options.name
            own.correlator = part.correlator ?? options.correlator
            return submission(of: part.deck, to: host, options: own, id: id, batch: batch.id)
        }
        var whole = BatchSubmission(batch: batch, jobs: jobs)
        if let key = options.idempotencyKey {
            whole.idempotency = .init(
                key: key.text, fingerprint: key.fingerprint, answer: answer(batch, jobs.map(\.job)))
        }
        return try await store.submit(whole)
    }

    /// Waits until each job of a batch is final, or time is up.
    package func wait(for batch: Batch, within limit: Duration, unless stops: @escaping @Sendable () -> Bool)
        async throws(StoreError)
    {
        let end = ContinuousClock.now.advanced(by: limit)
        for job in try await store.jobs(of: batch.id) where !job.state.isFinal {
            let left = ContinuousClock.now.duration(to: end)
            guard left > .zero, !stops() else { return }
            _ = try await watch.job(job.id, in: store, within: left) { $0.state.isFinal || stops() }
        }
    }
}
