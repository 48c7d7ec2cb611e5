import Engine
import HTTPCore
import Jobs
import Stores

extension Gateway {
    func addHealthRoutes(to router: inout Router) {
        router.route(.get, "/livez", "getLiveness") { [self] request, _ in try await liveness(request) }
        router.route(.get, "/readyz", "getReadiness") { [self] request, _ in try await readiness(request) }
        router.route(.get, "/metrics", "getMetrics") { [self] request, _ in
            let caller = try caller(of: request, for: .hostsRead)
            _ = try QueryReader(request)
            let type = try request.negotiate([MediaTypes.text, MediaTypes.openMetrics])
            let format: MetricsWriter.Format = type == MediaTypes.text ? .prometheus : .openMetrics
            return Response(
                contentType: format.contentType, fields: ["Cache-Control": "no-store", "Vary": "Accept"],
                body: .bytes(try await metrics(as: format, for: caller)))
        }
    }

    /// One thing looked at, and what is wrong with it.
    private struct Finding {
        let name: String
        let fault: String?

        var line: String { fault.map { "[-]\(name) \(oneLine($0))\n" } ?? "[+]\(name)\n" }
    }

    /// Whether a restart would help: a loop answers, as this answer shows, and the thread that writes comes round.
    private func liveness(_ request: Request) async throws -> Response {
        let store = desk.store
        let isAlive = await value(within: settings.healthLimit) { await store.ping() } != nil
        let fault = isAlive ? nil : "its thread has not come round for \(settings.healthLimit.components.seconds) s"
        return try answer([Finding(name: "loop", fault: nil), Finding(name: "store", fault: fault)], to: request)
    }

    /// Whether requests should come here: the store takes writes, what an earlier run left is taken up, and the gateway is
    /// not stopping. Hosts do not count: each says in `/v1/hosts` how it is.
    private func readiness(_ request: Request) async throws -> Response {
        let store = desk.store
        let written = await value(within: settings.healthLimit) { () -> String? in
            do throws(StoreError) {
                try await store.checkWritable()
                return nil
            } catch .unavailable(let words) {
                return "cannot write: \(words)"
            } catch {
                return "cannot write"
            }
        }
        let slow = "no write has come back for \(settings.healthLimit.components.seconds) s"
        let remaining = settings.recovery().remaining
        return try answer(
            [
                Finding(name: "store", fault: written ?? slow),
                Finding(name: "recovery", fault: remaining == 0 ? nil : "\(remaining) hosts are still to be taken up"),
                Finding(name: "draining", fault: isLeaving ? "stopping" : nil),
            ], to: request)
    }

    private func answer(_ findings: [Finding], to request: Request) throws -> Response {
        let query = try QueryReader(request, names: ["verbose"])
        let isGood = findings.allSatisfy { $0.fault == nil }
        let text = query.parameters.has("verbose") ? findings.map(\.line).joined() : isGood ? "ok\n" : "not ready\n"
        return .text(text, status: isGood ? 200 : 503, fields: ["Cache-Control": "no-store"])
    }
}

/// What `work` gives, if it does in time; it goes on to its end all the same, with nobody who waits for it.
private func value<Value: Sendable>(
    within limit: Duration, _ work: @escaping @Sendable () async -> Value
) async -> Value? {
    let (values, found) = AsyncStream<Value?>.makeStream(bufferingPolicy: .bufferingOldest(1))
    // Free, because what hangs in the kernel cannot be called off.
    Task { found.yield(await work()) }
    let timer = Task {
        try await Task.sleep(for: limit)
        found.yield(nil)
    }
    defer { timer.cancel() }
    for await value in values { return value }
    return nil
}
