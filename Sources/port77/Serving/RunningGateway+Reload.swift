import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Logging
import Stores
import Webhooks

extension RunningGateway {
    /// What a new configuration has changed, in words for the log.
    struct Reloaded: Equatable, Sendable {
        var added: [HostID] = []
        var removed: [HostID] = []
        var changed: [HostID] = []
        /// Only what concerns new jobs is another: the sessions go on.
        var adjusted: [HostID] = []
        /// Webhooks go by other rules from now on.
        var hasNewWebhooks = false
        /// Sections that only a restart takes up.
        var later: [String] = []

        var words: String {
            var parts: [String] = []
            let kinds = [("added", added), ("removed", removed), ("changed", changed), ("adjusted", adjusted)]
            for (name, hosts) in kinds where !hosts.isEmpty {
                parts.append("hosts \(name): \(hosts.map(\.description).joined(separator: " "))")
            }
            if hasNewWebhooks { parts.append("webhooks changed") }
            if !later.isEmpty { parts.append("waits for a restart: \(later.joined(separator: " "))") }
            return parts.isEmpty ? "the hosts are the same" : parts.joined(separator: "; ")
        }
    }

    /// Goes on with another configuration: hosts that are the same keep their sessions; those that changed are let go and taken
    /// up again. Nothing has changed when it throws.
    func reload(_ new: Configuration) async throws -> Reloaded {
        let old = current.withLock { $0 }
        var result = Reloaded(later: Self.unreloadable(from: old.configuration, to: new))
        var secrets: [HostID: ContentHash] = [:]
        var arriving: [HostProfile] = []
        var adjusted: [HostProfile] = []
        for host in new.hosts {
            secrets[host.id] = try maker.secrets(of: host)
            if let before = old.configuration.hosts.first(where: { $0.id == host.id }) {
                let isKnown = old.secrets[host.id] == secrets[host.id]
                if before == host, isKnown { continue }
                if before.isReached(as: host), isKnown, let profile = desk.host(host.id) {
                    result.adjusted.append(host.id)
                    adjusted.append(try await maker.profile(host, keeping: profile))
                    continue
                }
                result.changed.append(host.id)
            } else {
                result.added.append(host.id)
            }
            arriving.append(try await maker.profile(host))
        }
        result.removed = old.configuration.hosts.map(\.id).filter { id in !new.hosts.contains { $0.id == id } }
        // The secret may be another behind the same name, and so may this machine's addresses.
        let hooks = try DeliveryRunner.Settings(
            new.webhooks, environment: maker.environment, instance: maker.secret, listening: places)
        try hooks.claimDescriptors()
        result.hasNewWebhooks = old.configuration.webhooks != new.webhooks
        if let tls {
            if let wanted = new.tls { try tls.use(wanted.files) } else { result.later.append("tls") }
        } else if new.tls != nil {
            result.later.append("tls")
        }

        // From here on nothing can fail.
        proxies.withLock { $0 = Proxies(new.proxies) }
        Logs.setLevel(new.log.level)
        engine.keep(new.retention)
        deliveries.change(to: hooks)
        gateway.limiter.change(to: new.ownerRates, ofLocal: new.localRates)
        let leaving = result.removed + result.changed
        let staying = desk.hosts.filter { !(leaving + result.adjusted).contains($0.id) }
        desk.serve(staying + adjusted + arriving, ownerLimits: new.ownerLimits)
        engine.change(leaving: leaving, arriving: arriving, grace: min(new.grace, .seconds(30)))
        current.withLock { $0 = Current(configuration: new, secrets: secrets) }
        return result
    }

    private static func unreloadable(from old: Configuration, to new: Configuration) -> [String] {
        var names: [String] = []
        if old.listen != new.listen { names.append("listen") }
        if old.data != new.data { names.append("data") }
        if old.publicFolder != new.publicFolder { names.append("public") }
        if old.manualFolder != new.manualFolder { names.append("docs") }
        if old.openAPIFolder != new.openAPIFolder { names.append("openapi") }
        if old.auth != new.auth { names.append("auth") }
        if old.http != new.http || old.names != new.names { names.append("http") }
        if old.log.format != new.log.format { names.append("log.format") }
        if old.log.access != new.log.access { names.append("log.access") }
        return names
    }

    /// Tells what came of a reload, in the log and in the audit log.
    func tell(_ outcome: Result<Reloaded, any Error>) async {
        let words: String
        switch outcome {
        case .success(let result):
            words = result.words
            log.notice("the configuration is read again", metadata: ["result": "\(words)"])
        case .failure(let error):
            words = "refused, the old one stays: \(error)"
            log.error("the configuration is refused, the old one stays", metadata: ["error": "\(error)"])
        }
        do {
            try await store.record(
                AuditEntry(
                    at: WallClock.system.now(), owner: .local, actor: "signal", action: "configuration.reload",
                    subject: "configuration", detail: words))
        } catch {
            log.error("the audit log could not be written", metadata: ["error": "\(error)"])
        }
    }
}

extension Configuration.Host {
    /// The same way to the same host: what is another concerns jobs that are handed in from now on.
    func isReached(as other: Configuration.Host) -> Bool {
        var same = other
        same.limits = limits
        same.requiresKey = requiresKey
        same.uncertainPolicy = uncertainPolicy
        same.decks = decks
        return self == same
    }
}
