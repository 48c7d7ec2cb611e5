import Engine
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Logging
import Stations
import Stores
import Webhooks
import Wire

/// Every part of a gateway, wired together: started, running, stopped. The only place that knows all rooms.
final class RunningGateway: Sendable {
    let address: SocketAddress
    let store: SQLiteStore
    private let loops: EventLoopGroup
    private let engine: JobEngine
    private let deliveries: DeliveryRunner
    private let gateway: Gateway
    private let server: Server
    private let log: Logger

    /// Opens the store, recovers, and begins to accept. Blocks for as long as that takes.
    init(_ configuration: Configuration, environment: [String: String], log: Logger) async throws {
        self.log = log
        let listen = try Self.loopbackOnly(configuration.listen)
        loops = try EventLoopGroup(count: 2, name: "http")
        loops.start()
        let secret = try InstanceSecret(folder: configuration.data)
        let store = try SQLiteStore(folder: configuration.data)
        self.store = store
        for body in store.openReport.missingBodies {
            log.error("a stored body is missing on disk", metadata: ["body": "\(body)"])
        }
        if !store.openReport.unclaimedFiles.isEmpty {
            let names = store.openReport.unclaimedFiles.prefix(20).map(\.hex).joined(separator: " ")
            log.warning(
                "the spool has files that no job names",
                metadata: ["count": "\(store.openReport.unclaimedFiles.count)", "files": "\(names)"])
        }

        var hosts: [HostProfile] = []
        for host in configuration.hosts {
            hosts.append(try await Self.profile(host, loops, store, secret, environment, log))
        }
        let watch = JobWatch(store: store, loops: loops)
        let desk = JobDesk(store: store, hosts: hosts, watch: watch, ownerLimits: configuration.ownerLimits)
        for host in hosts where try await store.isDraining(host.id) { host.pool.drain() }
        engine = JobEngine(store: store, hosts: hosts, retention: configuration.retention, log: log)

        var hooks = try Self.hooks(configuration.webhooks, environment, secret)
        hooks.addresses.denyPorts.insert(Int(listen.port))
        let keys = try await GatewayKeys(store: store)
        hooks.keys = keys
        let deliveries = try DeliveryRunner(store: store, endpoints: store, settings: hooks, logger: log)
        self.deliveries = deliveries
        store.observe { changes in
            if changes.contains(where: \.hasDeliveries) { deliveries.wake() }
            for change in changes { if let endpoint = change.endpoint { deliveries.endpointChanged(endpoint) } }
        }

        var settings = GatewaySettings()
        settings.version = Version.text
        settings.cursorSecret = secret.octets
        settings.checkNotify = { url in
            do { _ = try deliveries.guarding.check(url: url) } catch { throw NotifyRefused("\(error)") }
        }
        settings.webhooks = WebhookServices(deliveries, keys)
        if let folder = Resources.folder("public", holding: "index.html", given: configuration.publicFolder) {
            settings.assets = Assets(folder: folder)
        } else {
            log.notice("there is no web page: no folder public/ was found")
        }
        if let folder = Resources.folder("openapi", holding: "port77.yaml", given: configuration.openAPIFolder),
            let yaml = readSmallFile("\(folder)/port77.yaml")
        {
            settings.openAPI = try Resources.json(fromYAML: String(decoding: yaml, as: UTF8.self))
        }
        gateway = Gateway(desk: desk, settings: settings)
        var options = Server.Options()
        options.fields = Gateway.fields
        options.answered = gateway.answered
        options.failed = { route, request, error in
            log.error(
                "a request failed",
                metadata: ["route": "\(route ?? "-")", "request": "\(request)", "error": "\(error)"])
        }
        server = Server(router: gateway.router, loops: loops.loops, options: options)
        address = try server.listen(on: listen)
    }

    /// Works until `stop`, then closes the store. To be called once.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.engine.run() }
            group.addTask { await self.deliveries.run() }
        }
        await store.close()
        await loops.stopAndWait()
        log.notice("stopped")
    }

    /// Answers what is under way, lets the lines finish what they carry; `run` returns then. Everything else is in the store.
    func stop(grace: Duration) async {
        log.notice("stopping")
        gateway.drain()
        await server.stop(grace: grace)
        deliveries.stop()
        await engine.stop(grace: min(grace, .seconds(10)))
    }

    private static func loopbackOnly(_ text: String) throws(ConfigurationFault) -> SocketAddress {
        let spelled = text.hasPrefix("localhost:") ? "127.0.0.1:" + text.dropFirst("localhost:".count) : text
        guard let address = SocketAddress(spelled) else {
            throw ConfigurationFault(
                line: 0, column: 0,
                words: "listen: \(text) is no ADDRESS:PORT, for example 127.0.0.1:8077 or [::1]:8077")
        }
        guard address.ip.isLoopback else {
            throw ConfigurationFault(
                line: 0, column: 0,
                words:
                    "listen: \(text) is not on loopback, and this version has no API keys to guard it; put a reverse proxy "
                    + "that checks who calls in front of 127.0.0.1")
        }
        return address
    }

    private static func profile(
        _ host: Configuration.Host, _ loops: EventLoopGroup, _ store: SQLiteStore, _ secret: InstanceSecret,
        _ environment: [String: String], _ log: Logger
    ) async throws -> HostProfile {
        let id = host.id
        let password = try host.password.reveal(environment: environment)
        let credential = secret.fingerprint(of: "\(host.address) \(host.user) \(password)")
        let refusal = try await store.refusal(of: id)
        var pool = Pool.Settings(min: host.leastSessions, max: host.mostSessions)
        pool.idleTime = .seconds(60)
        let outputs = PushedOutputs(host: id, codePage: host.wireCodePage, store: store, log: log)
        let makeStation = try StationMaker(
            host: host, password: password, loops: loops, outputs: outputs, environment: environment
        ).maker()
        let events = HostEvents(host: id, store: store, credential: credential, log: log)
        return HostProfile(
            id: id, protocolName: host.speaks.name.rawValue, address: host.address.description,
            codePage: host.wireCodePage,
            longestCard: host.longestCard, uncertainPolicy: host.uncertainPolicy, cutDeck: host.cutDeck,
            hasMarkerCard: host.hasMarkerCard, requiresKey: host.requiresKey, limits: host.limits,
            pool: StationPool(
                pool, refused: refusal?.credential == credential ? refusal?.reason : nil,
                changed: { await events.changed($0) }
            ) { _ in makeStation() },
            credential: credential)
    }

    private static func hooks(
        _ webhooks: Configuration.Webhooks, _ environment: [String: String], _ secret: InstanceSecret
    ) throws -> DeliveryRunner.Settings {
        // Without a configured secret the receiver cannot check, but the signature is there and stays the same.
        let text = try webhooks.secret?.reveal(environment: environment) ?? "whsec_" + Base64.encode(secret.octets)
        var settings = try DeliveryRunner.Settings(secret: text)
        settings.addresses.allowNetworks = webhooks.allowNetworks.compactMap { Network($0) }
        settings.addresses.allowPlainHTTP = webhooks.allowPlainHTTP
        settings.sender.caFile = webhooks.authorities
        return settings
    }
}
