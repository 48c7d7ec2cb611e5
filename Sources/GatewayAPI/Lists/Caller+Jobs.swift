import Engine
import Jobs
import Stores
import Wire

extension Caller {
    /// The jobs that the caller may read.
    var visible: JobQuery {
        var query = JobQuery(owner: seesAllOwners ? nil : owner, labels: labels)
        query.hosts = hosts
        return query
    }

    /// The same, of those asked for; nil: none can be.
    func narrowed(_ asked: JobQuery) -> JobQuery? {
        var query = asked
        if !seesAllOwners {
            guard asked.owner.map({ $0 == owner }) ?? true else { return nil }
            query.owner = owner
        }
        query.hosts = hosts
        query.labels += labels.filter { !asked.labels.contains($0) }
        return query
    }

    /// What of all jobs is seen, as a text: a cursor is bound to it.
    var view: String {
        let hosts = hosts.map { $0.sorted().map(\.description).joined(separator: " ") } ?? "*"
        let labels = labels.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        return "owner=\(seesAllOwners ? "*" : owner.description)\nhosts=\(hosts)\nlabels=\(labels)"
    }

    /// Whether some of the events of his owner are not for this caller.
    var isRestricted: Bool { hosts != nil || !labels.isEmpty }

    /// Whether an event that this caller's owner may see is for him as well: its host and labels tell.
    func maySee(_ event: Event) -> Bool {
        guard isRestricted else { return true }
        // Of a webhook that may be beyond his bounds.
        if event.type == "webhook.disabled" { return false }
        guard let data = try? JSONValue(parsing: event.body)["data"] else { return false }
        if let host = data["host"]?.string, !(HostID(host).map { maySee($0) } ?? false) { return false }
        return event.job == nil || labels.allSatisfy { data["labels"]?[$0.key]?.string == $0.value }
    }
}
