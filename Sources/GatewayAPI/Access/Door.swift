package import HTTPCore
package import Jobs
import Lines
package import Stores
import Synchronization
import Wire

/// Says whose request it is, by the keys of the store and by whatever else is asked before (`others`).
///
/// The keys lie in memory. They are read anew after each change of this process, and `follow` sees those of another one
/// (`port77 keys` on the data folder) within half a second, so that a revoked key is dead within one.
package final class Door: Sendable {
    private struct Keys: Sendable {
        var version: Int64 = -1
        var byID: [String: Entry] = [:]
        /// Not all of them are expired or revoked.
        var hasAny = false
    }

    private struct Entry: Sendable {
        let key: StoredKey
        let networks: [Network]
        let caller: Caller
    }

    private struct Uses: Sendable {
        var noted: [String: Timestamp] = [:]
        var written: [String: Timestamp] = [:]
    }

    private let store: any KeyStore
    private let pepper: KeyPepper
    /// Where keys are made and revoked; `refresh` after it.
    let office: KeyOffice
    private let clock: WallClock
    /// Credentials of other kinds, asked in turn: nil means not mine, a problem means refused.
    private let others: [@Sendable (Request) throws -> Caller?]
    /// Names under which nobody is asked for a key; nil: the server looks at names itself.
    private let ownNames: Set<String>?
    private let keys = Mutex(Keys())
    private let uses = Mutex(Uses())
    private let guesses = Mutex(Guesses())
    /// Compared with when there is no such key, so that an unknown ID costs what a known one does.
    private let decoy = ContentHash(of: [])

    /// Knows no key until the first `refresh`.
    ///
    /// - Parameter ownNames: of this machine, in lower case, beside `localhost`.
    package init(
        store: any KeyStore, pepper: KeyPepper, clock: WallClock = .system, ownNames: Set<String>? = [],
        others: [@Sendable (Request) throws -> Caller?] = []
    ) {
        self.store = store
        self.pepper = pepper
        office = KeyOffice(store: store, pepper: pepper, clock: clock)
        self.clock = clock
        self.ownNames = ownNames
        self.others = others
    }

    /// Somebody has a key, or had one: from then on nobody is let in without, not even on loopback.
    package var hasKeys: Bool { keys.withLock { $0.hasAny } }

    // MARK: keeping up

    private static let followPause = Duration.milliseconds(400)
    private static let writePause = Duration.seconds(60)

    /// Keeps up with the keys until the task is cancelled, and writes down which were used.
    ///
    /// - Parameter failed: told when the keys cannot be read; those known stay as they are.
    package func follow(failed: @Sendable (StoreError) -> Void = { _ in }) async {
        var written = clock.now()
        var isFailing = false
        while !Task.isCancelled {
            do throws(StoreError) {
                let version = try await store.keysVersion()
                if version != keys.withLock({ $0.version }) { try await refresh() }
                isFailing = false
            } catch {
                if case .closed = error { return }
                if !isFailing { failed(error) }
                isFailing = true
            }
            let now = clock.now()
            if written.duration(to: now) >= Self.writePause {
                written = now
                await writeUses()
            }
            try? await Task.sleep(for: Self.followPause)
        }
        await writeUses()
    }

    /// Reads the keys anew; called after each change of this process.
    package func refresh() async throws(StoreError) {
        // Read before the keys: a change in between is seen once more, never missed.
        let version = try await store.keysVersion()
        let stored = try await store.keys()
        var byID: [String: Entry] = [:]
        for key in stored where key.revokedAt == nil {
            let caller = Caller(
                owner: key.owner, scopes: key.scopes, hosts: key.hosts, labels: key.labels,
                allowsControlCards: key.allowsControlCards, actor: "key:\(key.id)")
            byID[key.id] = Entry(key: key, networks: key.networks.compactMap { Network($0) }, caller: caller)
        }
        let fresh = Keys(version: version, byID: byID, hasAny: !stored.isEmpty)
        keys.withLock { if fresh.version >= $0.version { $0 = fresh } }
    }

    /// When keys were used last goes to the store now and then, not with each request.
    package func writeUses() async {
        let fresh = uses.withLock { uses in
            let fresh = uses.noted.filter { uses.written[$0.key] != $0.value }
            uses.written = uses.noted
            return fresh
        }
        if !fresh.isEmpty { try? await store.noteKeyUses(fresh) }
    }

    // MARK: who asks

    /// - Throws: a `Problem`: 401, or 429 for an address that has guessed too often.
    package func caller(of request: Request) throws -> Caller {
        let authorization = request["authorization"]
        if authorization == nil, others.isEmpty, !hasKeys { return try keyless(request) }
        let now = clock.now()
        if let address = request.peer?.ip, let wait = guesses.withLock({ $0.wait(of: address, at: now) }) {
            throw Problem(
                .rateLimited, "Too many refused credentials from this address.",
                retryAfter: Int(wait.components.seconds) + 1)
        }
        do {
            for other in others {
                guard var caller = try other(request) else { continue }
                if caller.peer == nil { caller.peer = request.peer }
                return caller
            }
            guard let authorization else {
                if hasKeys || !others.isEmpty { throw Problem.credentialsMissing }
                return try keyless(request)
            }
            return try caller(with: authorization, request, at: now)
        } catch let problem as Problem {
            // Who sends nothing has not guessed.
            if problem.kind == .invalidCredentials, let address = request.peer?.ip {
                guesses.withLock { $0.failed(address, at: now) }
            }
            throw problem
        }
    }

    /// Without any key the gateway serves its own machine only; `serve` listens nowhere else then.
    private func keyless(_ request: Request) throws(Problem) -> Caller {
        guard request.peer?.ip.isLoopback ?? true else { throw Problem.credentialsMissing }
        if let ownNames, request.peer != nil, let name = request.head.authority.map({ Authority.host(of: $0) }),
            name != "localhost", !name.hasSuffix(".localhost"), !Authority.isAddress(name), !ownNames.contains(name)
        {
            // A page whose name was made to point here is of the same site as far as its browser can tell.
            throw Problem(
                .misdirected,
                "There is no key yet, and \"\(name.prefix(100))\" is no name of this machine: put it under http: {names: [...]}, or make a key."
            )
        }
        // The browser of whoever sits here would carry what any page on the net puts together.
        if request.method != .get, request.method != .head, let site = request["sec-fetch-site"],
            site != "same-origin", site != "none"
        {
            throw Problem(
                .unauthenticated, "A page of another site asks for a change: that needs a key.",
                fields: ["WWW-Authenticate": Problem.realm])
        }
        var caller = Caller.local
        caller.peer = request.peer
        return caller
    }

    private func caller(with authorization: String, _ request: Request, at now: Timestamp) throws(Problem) -> Caller {
        guard let key = Self.key(in: authorization) else { throw Problem.credentialsRefused }
        let entry = keys.withLock { $0.byID[key.id] }
        let isKnown = key.hash(under: pepper).isSame(as: entry?.key.hash ?? decoy)
        guard isKnown, let entry, entry.key.isGood(at: now) else { throw Problem.credentialsRefused }
        if !entry.key.networks.isEmpty {
            guard let address = request.peer?.ip, entry.networks.contains(where: { $0.contains(address) }) else {
                throw Problem.credentialsRefused
            }
        }
        uses.withLock { uses in
            if let noted = uses.noted[key.id], noted.duration(to: now) < Self.writePause { return }
            uses.noted[key.id] = now
        }
        var caller = entry.caller
        caller.peer = request.peer
        return caller
    }

    /// `Bearer KEY`, or `Basic` with the key as the user and nothing or anything as the password.
    private static func key(in authorization: String) -> APIKey? {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, authorization.utf8.count <= 1024 else { return nil }
        let credentials = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": return APIKey(credentials)
        case "basic":
            guard let octets = Base64.decode(String(credentials)),
                let user = octets.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
                    .first
            else { return nil }
            return APIKey(String(decoding: user, as: UTF8.self))
        default: return nil
        }
    }
}
