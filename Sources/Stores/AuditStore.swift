package import Jobs

/// Who did what by hand, kept beside the events: events tell what happened to a job, the audit log who wanted it.
///
/// An entry is written in the commit of the change it tells of (`JobChange.audit`, or `audit` inside the back end), so
/// that there is neither a change without its entry nor an entry without its change.
package protocol AuditStore: AnyObject, Sendable {
    /// Writes an entry for a deed that changes nothing in the store.
    func record(_ entry: AuditEntry) async throws(StoreError)

    /// A page, newest first, at most `query.limit`.
    func audit(_ query: AuditQuery) async throws(StoreError) -> [AuditRecord]
}

package struct AuditEntry: Equatable, Sendable {
    package var at: Timestamp
    /// Who may read it: the owner of the subject, or of the caller when the subject belongs to nobody (a host).
    package var owner: Owner
    /// Who did it: `key:ID`, an owner, `policy`.
    package var actor: String
    /// Whose key it was.
    package var actorOwner: Owner?
    /// Where it was asked from.
    package var address: String?
    /// What was done, in the imperative: `job.resolve`, `job.purge`, `host.drain`.
    package var action: String
    /// What it was done to: a job ID, a host, an endpoint.
    package var subject: String
    /// For people; never a secret.
    package var detail: String?

    package init(
        at: Timestamp, owner: Owner, actor: String, actorOwner: Owner? = nil, address: String? = nil, action: String,
        subject: String, detail: String? = nil
    ) {
        self.at = at
        self.owner = owner
        self.actor = actor
        self.actorOwner = actorOwner
        self.address = address
        self.action = action
        self.subject = subject
        self.detail = detail
    }

    /// - Parameter owner: of the subject; the one who does it where the subject is nobody's.
    package init(
        at: Timestamp, by principal: Principal, owner: Owner? = nil, action: String, subject: String,
        detail: String? = nil
    ) {
        self.init(
            at: at, owner: owner ?? principal.owner, actor: principal.name, actorOwner: principal.owner,
            address: principal.address, action: action, subject: subject, detail: detail)
    }
}

package struct AuditRecord: Equatable, Sendable {
    /// Grows with the order of the commits; may have gaps.
    package let number: Int64
    package let entry: AuditEntry

    package init(number: Int64, entry: AuditEntry) {
        self.number = number
        self.entry = entry
    }
}

package struct AuditQuery: Equatable, Sendable {
    /// Records with a number below this one: the key of the keyset.
    package var before: Int64?
    package var limit: Int
    /// Of what this owner has; nil: of everybody.
    package var owner: Owner?
    package var actor: String?
    package var action: String?
    /// Of one subject only.
    package var subject: String?
    /// Both ends included.
    package var since: Timestamp?
    package var until: Timestamp?

    package init(before: Int64? = nil, limit: Int = 50, owner: Owner? = nil, subject: String? = nil) {
        self.before = before
        self.limit = limit
        self.owner = owner
        self.subject = subject
    }
}
