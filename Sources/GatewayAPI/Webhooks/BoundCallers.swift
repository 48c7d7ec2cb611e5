import Engine
import HTTPCore
import Jobs
import Stores

/// Credentials that are bound to labels or hosts have webhooks as they have jobs: within these bounds, and they know of no other.
extension Caller {
    /// Whether it hears of nothing that the caller may not see.
    func maySee(_ endpoint: Endpoint) -> Bool {
        let settings = endpoint.settings
        guard labels.allSatisfy({ settings.labels.contains($0) }) else { return false }
        guard hosts != nil else { return true }
        return !settings.hosts.isEmpty && settings.hosts.allSatisfy { maySee($0) }
    }

    /// Narrows the filter to what the caller may see.
    ///
    /// - Returns: the member that asks for more, and words.
    func narrow(_ settings: inout Endpoint.Settings) -> (member: String, words: String)? {
        for label in labels where !settings.labels.contains(label) {
            guard !settings.labels.contains(where: { $0.key == label.key }) else {
                return ("filter/labels", "with these credentials \(label.key) can be \"\(label.value)\" only.")
            }
            settings.labels.append(label)
        }
        settings.labels.sort { $0.key < $1.key }
        guard let hosts else { return nil }
        if settings.hosts.isEmpty { settings.hosts = hosts.sorted() }
        guard settings.hosts.allSatisfy({ maySee($0) }) else {
            let known = hosts.sorted().map(\.description).joined(separator: ", ")
            return ("filter/hosts", "with these credentials it can name only \(known).")
        }
        return nil
    }
}

extension Gateway {
    /// Those of them that the caller may see: of a job that he sees, to a receiver that is his or the job's own.
    func visible(_ deliveries: [DeliveryRecord], to caller: Caller) async throws -> [DeliveryRecord] {
        guard caller.isRestricted else { return deliveries }
        var endpoints: [EndpointID: Bool] = [:]
        var jobs: [JobID: Bool] = [:]
        var seen: [DeliveryRecord] = []
        for delivery in deliveries {
            if let id = delivery.endpoint {
                if endpoints[id] == nil {
                    endpoints[id] = try await desk.store.endpoint(id, of: nil).map { caller.maySee($0) } ?? false
                }
                guard endpoints[id] == true else { continue }
            }
            if let id = delivery.job {
                if jobs[id] == nil { jobs[id] = try await desk.store.job(id).map { caller.maySee($0) } ?? false }
                guard jobs[id] == true else { continue }
            }
            seen.append(delivery)
        }
        return seen
    }
}
