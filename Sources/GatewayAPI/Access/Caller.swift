import Engine
package import HTTPCore
package import Jobs
package import Lines

/// Whom a request comes from, and what he may do.
package struct Caller: Sendable {
    package var owner: Owner
    package var scopes: Scopes
    /// By a key, token or certificate.
    package var isIdentified: Bool { actor != owner.description }
    /// Hosts of which the caller may know; nil: all.
    package var hosts: Set<HostID>?
    /// What the jobs the caller sees carry, and those he hands in get.
    package var labels: [Job.Label]
    /// A deck may have cards that the host's reader would obey, where the host's policy leaves it to the key.
    package var allowsControlCards: Bool
    /// Who did it in the audit log: `key:ID`, `jwt:SUBJECT`, `certificate:SUBJECT`; `local` where no key is needed.
    package var actor: String
    package var peer: SocketAddress?
    /// What the route asked for.
    private(set) var asked: Scope?

    package init(
        owner: Owner, scopes: Scopes = .client, hosts: Set<HostID>? = nil, labels: [Job.Label] = [],
        allowsControlCards: Bool = false, actor: String? = nil, peer: SocketAddress? = nil
    ) {
        self.owner = owner
        self.scopes = scopes
        self.hosts = hosts
        self.labels = labels
        self.allowsControlCards = allowsControlCards
        self.actor = actor ?? owner.description
        self.peer = peer
    }

    /// Who runs the gateway, on its own machine, while there are no keys.
    package static let local = Caller(owner: .local, scopes: .all)

    /// As the audit log names him.
    var principal: Principal { Principal(name: actor, owner: owner, address: peer?.ip.description) }

    package func may(_ scope: Scope) -> Bool { scopes.grants(scope) }

    /// Jobs, events and deliveries of all owners are seen, by the routes that only read.
    package var seesAllOwners: Bool { may(.jobsReadAll) }

    /// Another owner's job does not exist for this caller, nor one on a host that is not his.
    package func maySee(_ job: Job) -> Bool {
        (job.owner == owner || seesAllOwners) && maySee(job.host) && labels.allSatisfy { job.labels.contains($0) }
    }

    package func maySee(_ host: HostID) -> Bool { hosts?.contains(host) ?? true }

    /// Who sees all jobs may change only his own, unless he is `admin`.
    func checkMayChange(_ job: Job) throws(Problem) {
        guard let asked, job.owner != owner, !may(.admin) else { return }
        switch asked {
        case .jobsRead, .jobsReadAll, .outputsRead, .hostsRead: return
        case .jobsSubmit, .jobsCancel, .hostsCommand, .webhooksAdmin, .admin: throw Problem(lacking: .admin)
        }
    }

    /// - Throws: 403 naming the scope that is missing.
    func asking(for scope: Scope) throws(Problem) -> Caller {
        guard may(scope) else { throw Problem(lacking: scope) }
        var caller = self
        caller.asked = scope
        return caller
    }
}

extension Gateway {
    /// Who asks, having checked that he may do what the route does: the first line of every route.
    ///
    /// - Parameter scope: nil where any caller who is known may ask.
    /// - Throws: 401 for whom nobody knows, 403 for who lacks the scope, 429 for an address that guesses.
    func caller(of request: Request, for scope: Scope?) throws -> Caller {
        let caller = try settings.identify(request)
        try admit(caller, request)
        guard let scope else { return caller }
        return try caller.asking(for: scope)
    }

    /// Who looks after the whole gateway: its keys, its audit log. Who is bound to hosts or labels does not: with a key that he
    /// makes or renews there he would be bound no more.
    func caretaker(_ request: Request) throws -> Caller {
        let caller = try caller(of: request, for: .admin)
        guard !caller.isRestricted else {
            throw Problem(
                .insufficientScope, "These credentials are bound to hosts or labels, and this is about all of them.")
        }
        return caller
    }
}

extension Gateway {
    /// Of which the caller may know.
    func hosts(for caller: Caller) -> [HostProfile] {
        caller.hosts == nil ? desk.hosts : desk.hosts.filter { caller.maySee($0.id) }
    }

    /// The host a submission means: the named one, or the only one the caller may know.
    func host(named name: String?, for caller: Caller) throws(DeskError) -> HostProfile {
        try JobDesk.host(named: name, of: hosts(for: caller))
    }
}

extension Problem {
    package static let realm = "Bearer realm=\"port77\""

    package init(lacking scope: Scope) {
        self.init(
            .insufficientScope, "This needs the scope \(scope.rawValue), which the credentials do not have.",
            fields: [
                "WWW-Authenticate": Self.realm + ", error=\"insufficient_scope\", scope=\"\(scope.rawValue)\""
            ])
        members["scope"] = scope.rawValue
        retryable = false
    }

    /// No credentials were sent.
    package static var credentialsMissing: Problem {
        Problem(
            .unauthenticated, "Send a key: Authorization: Bearer KEY, or curl -u KEY: .",
            fields: ["WWW-Authenticate": realm])
    }

    /// What was sent is not known, expired, revoked, or not meant for this address. Which of them is not told.
    package static var credentialsRefused: Problem {
        Problem(
            .invalidCredentials, "The key or token is not valid: unknown, expired, revoked, or not for this address.",
            fields: ["WWW-Authenticate": realm + ", error=\"invalid_token\""])
    }
}
