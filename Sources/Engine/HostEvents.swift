package import Jobs
package import Logging
package import Stations
package import Stores

/// Keeps what a pool says of its host: `host.up` and `host.down` as events, a refusal of the credentials over restarts.
package struct HostEvents: Sendable {
    private let host: HostID
    private let store: any JobStore
    private let credential: ContentHash
    private let clock: WallClock
    private let log: Logger

    package init(
        host: HostID, store: any JobStore, credential: ContentHash, clock: WallClock = .system, log: Logger
    ) {
        self.host = host
        self.store = store
        self.credential = credential
        self.clock = clock
        self.log = log
    }

    package func changed(_ change: HostChange) async {
        let now = clock.now()
        do {
            switch change {
            case .up:
                log.notice("the host is up", metadata: ["host": "\(host)"])
                try await store.setRefusal(nil, of: host)
                try await append("host.up", nil, now)
            case .down(let reason):
                log.warning("the host is down", metadata: ["host": "\(host)", "reason": "\(reason)"])
                try await append("host.down", reason, now)
            case .refused(let reason):
                log.error(
                    "the host refused log-on; it is not tried again until somebody acts",
                    metadata: ["host": "\(host)", "reason": "\(reason)"])
                try await store.setRefusal(HostRefusal(reason: reason, credential: credential, at: now), of: host)
                try await append("host.down", reason, now)
            }
        } catch {
            log.error("a change of the host could not be stored", metadata: ["host": "\(host)", "error": "\(error)"])
        }
    }

    private func append(_ type: String, _ words: String?, _ now: Timestamp) async throws(StoreError) {
        _ = try await store.append(
            type: type, host: host, body: EventBody.host(type, host: host, words: words, at: now), at: now)
    }
}
