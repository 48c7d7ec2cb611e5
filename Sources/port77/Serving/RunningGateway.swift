import Engine
import Foundation
import GatewayAPI
import HTTPCore
import Jobs
import Lines
import Logging
import Stores
import Tokens
import Webhooks
import Wire

/// Every part of a gateway, wired together: started, running, stopped. The only place that knows all rooms.
final class RunningGateway: Sendable {
    struct Current: Sendable {
        var configuration: Configuration
        /// Hashes of what the hosts are shown at log-on.
        var secrets: [HostID: ContentHash]
    }

    /// Where it listens, in the order of the configuration.
    let places: [ListenPlace]
    /// The first of them as clients write it.
    let url: String
    let store: SQLiteStore
    let loops: EventLoopGroup
    let engine: JobEngine
    let desk: JobDesk
    let maker: HostMaker
    let tls: TLSServerSettings?
    let proxies: Locked<Proxies>
    let current: Locked<Current>
    let log: Logger
    let deliveries: DeliveryRunner
    let gateway: Gateway
    private let server: Server
    private let announcement = Locked<(isOver: Bool, pause: Task<Void, Never>?)>((false, nil))
    private let door: Door
    private let others: OtherCredentials

    /// Opens the store, recovers, and begins to accept. Blocks for as long as that takes.
    init(_ configuration: Configuration, environment: [String: String], log: Logger) async throws {
        self.log = log
        let spots = try ListenRules.spots(configuration.listen, PassedSockets(environment: environment))
        tls = try configuration.tls.map { try TLSServerSettings($0.files) }
        for warning in configuration.warnings + configuration.hints {
            log.warning("a fault of the configuration", metadata: ["fault": "\(warning)"])
        }
        loops = try EventLoopGroup(count: 2, name: "http")
        loops.start()
        let secret = try InstanceSecret(folder: configuration.data)
        let store = try SQLiteStore(folder: configuration.data)
        self.store = store
        if let lost = store.openReport.rolledBack {
            log.critical(
                "storage.rolled_back: the log of the database was damaged, and what was acknowledged last is lost",
                metadata: [
                    "acknowledged_event": "\(lost.acknowledged)", "last_event": "\(lost.found)",
                    "kept_log": "\(lost.keptLog ?? "-")",
                ])
        }
        for body in store.openReport.missingBodies {
            log.error("a stored body is missing on disk", metadata: ["body": "\(body)"])
        }
        if !store.openReport.unclaimedFiles.isEmpty {
            let names = store.openReport.unclaimedFiles.prefix(20).map(\.hex).joined(separator: " ")
            log.warning(
                "the spool has files that no job names",
                metadata: ["count": "\(store.openReport.unclaimedFiles.count)", "files": "\(names)"])
        }

        maker = HostMaker(loops: loops, store: store, secret: secret, environment: environment, log: log)
        var hosts: [HostProfile] = []
        var secrets: [HostID: ContentHash] = [:]
        for host in configuration.hosts {
            hosts.append(try await maker.profile(host))
            secrets[host.id] = try maker.secrets(of: host)
        }
        current = Locked(Current(configuration: configuration, secrets: secrets))
        let watch = JobWatch(store: store, loops: loops)
        desk = JobDesk(store: store, hosts: hosts, watch: watch, ownerLimits: configuration.ownerLimits)
        engine = JobEngine(store: store, hosts: hosts, retention: configuration.retention, loops: loops, log: log)

        var hooks = try DeliveryRunner.Settings(
            configuration.webhooks, environment: environment, instance: secret, listening: spots.map(\.place))
        let keys = try await GatewayKeys(store: store)
        hooks.keys = keys
        let deliveries = try DeliveryRunner(store: store, endpoints: store, settings: hooks, logger: log)
        self.deliveries = deliveries
        store.observe { changes in
            if changes.contains(where: \.hasDeliveries) { deliveries.wake() }
            Self.log(changes, log)
            for change in changes { if let endpoint = change.endpoint { deliveries.endpointChanged(endpoint) } }
        }

        others = OtherCredentials(configuration.auth, log: log)
        let door = Door(
            store: store, pepper: KeyPepper(secret: secret.octets),
            ownNames: configuration.names == nil ? [ProcessInfo.processInfo.hostName.lowercased()] : nil,
            others: others.askers(log))
        try await door.refresh()
        self.door = door
        try ListenRules.check(
            spots.map(\.place), configuration.tls, hasKeys: door.hasKeys || !configuration.auth.isEmpty)

        var settings = GatewaySettings()
        settings.door = door
        settings.identify = { try door.caller(of: $0) }
        settings.jobLife = configuration.retention.ages[.jobs]
        settings.version = Version.text
        settings.requiresMatch = configuration.requiresMatch
        settings.cursorSecret = secret.octets
        settings.ownerRates = configuration.ownerRates
        settings.localRates = configuration.localRates
        settings.checkNotify = { url in
            do throws(RefusedURL) {
                _ = try deliveries.guarding.check(url: url)
            } catch {
                throw NotifyRefused(error.words)
            }
        }
        settings.webhooks = WebhookServices(deliveries, keys, store)
        settings.deliveryMetrics = { deliveries.metrics }
        settings.recovery = { [engine] in engine.recovery }
        if let folder = Resources.folder("public", holding: "index.html", given: configuration.publicFolder) {
            settings.assets = Assets(folder: folder)
        } else {
            log.notice("there is no web page: no folder public/ was found")
        }
        if let folder = Resources.folder("docs", holding: "cli.md", given: configuration.manualFolder) {
            settings.manual = ManualPages(folder: folder)
        }
        if let folder = Resources.folder("openapi", holding: "port77.yaml", given: configuration.openAPIFolder),
            let yaml = readSmallFile("\(folder)/port77.yaml")
        {
            settings.openAPI = try Resources.json(fromYAML: String(decoding: yaml, as: UTF8.self))
        }
        gateway = Gateway(desk: desk, settings: settings)
        var options = Server.Options()
        options.fields = Gateway.fields
        if configuration.tls?.isStrict == true { options.fieldsOverTLS = Gateway.fieldsOverTLS }
        options.limits = configuration.http
        options.origins = configuration.origins
        options.knownHosts = configuration.names?.union(["localhost", "127.0.0.1", "[::1]"])
        options.tls = tls
        let proxies = Locked(Proxies(configuration.proxies))
        self.proxies = proxies
        options.proxies = { proxies.withLock { $0 } }
        let access = AccessLog(configuration.log, log)
        options.answered = { [answered = gateway.answered] request in
            answered(request)
            access?.write(request)
        }
        options.failed = { route, request, error in
            log.error(
                "a request failed",
                metadata: ["route": "\(route ?? "-")", "request_id": "\(request)", "error": "\(error)"])
        }
        server = Server(router: gateway.router, loops: loops.loops, options: options)
        let places = try ListenRules.open(spots, on: server)
        self.places = places
        let isClear = tls == nil || spots.first?.isClear == true
        url =
            switch places.first {
            case .address(let address)?: "http\(isClear ? "" : "s")://\(address)"
            case let place: place?.description ?? ""
            }
    }

    /// Works until `stop`, then closes the store. To be called once.
    func run() async {
        others.tokens?.start()
        defer { others.tokens?.stop() }
        await withDiscardingTaskGroup { group in
            if let tls { group.addTask { await CertificateWatch(tls: tls, log: self.log).run() } }
            group.addTask {
                await self.door.follow { [log = self.log] in
                    log.error("the keys cannot be read; those known stay", metadata: ["error": "\($0)"])
                }
            }
            await withDiscardingTaskGroup { group in
                group.addTask { await self.engine.run() }
                group.addTask { await self.deliveries.run() }
            }
            group.cancelAll()
        }
        await store.close()
        await loops.stopAndWait()
        log.notice("stopped")
    }

    /// Says for a while that it will stop, then answers what is under way, lets the lines finish what they carry; `run`
    /// returns then. Everything else is in the store.
    func stop(announcedFor time: Duration = .zero, grace: Duration) async {
        log.notice("stopping", metadata: ["announced_seconds": "\(time.components.seconds)"])
        gateway.announceStop()
        server.announceStop()
        if time > .zero {
            // Awaited here; `hurry` ends it.
            let pause = Task { _ = try? await Task.sleep(for: time) }
            if announcement.withLock({ state in
                state.pause = pause
                return state.isOver
            }) {
                pause.cancel()
            }
            await pause.value
        }
        gateway.drain()
        await server.stop(grace: grace)
        deliveries.stop()
        await engine.stop(grace: min(grace, .seconds(10)))
    }

    /// Ends a stop under way without waiting for anybody any more.
    func hurry() async {
        announcement.withLock { state in
            state.isOver = true
            state.pause?.cancel()
        }
        await server.stop(grace: .zero)
        await engine.stop(grace: .zero)
    }

}
