import Engine
import Jobs
import Lines
import Logging
import Stations
import Stores

/// Makes the engine's idea of a configured host: its pool of stations, its password revealed.
struct HostMaker: Sendable {
    let loops: EventLoopGroup
    let store: SQLiteStore
    let secret: InstanceSecret
    let environment: [String: String]
    let log: Logger

    /// - Parameter before: the same host, whose sessions go on.
    func profile(_ host: Configuration.Host, keeping before: HostProfile? = nil) async throws -> HostProfile {
        let id = host.id
        let password = try host.password.reveal(environment: environment)
        let credential = secret.fingerprint(of: "\(host.address) \(host.user) \(password)")
        let refusal = try await store.refusal(of: id)
        var settings = Pool.Settings(min: host.leastSessions, max: host.mostSessions)
        settings.idleTime = .seconds(60)
        let growing = before?.growing ?? GrowingOutputs()
        let outputs = PushedOutputs(host: id, codePage: host.wireCodePage, store: store, growing: growing, log: log)
        let makeStation = try StationMaker(
            host: host, password: password, loops: loops, outputs: outputs, environment: environment
        ).maker()
        let events = HostEvents(host: id, store: store, credential: credential, log: log)
        let profile = HostProfile(
            id: id, protocolName: host.speaks.name.rawValue, address: host.address.description,
            codePage: host.wireCodePage,
            longestCard: host.longestCard, uncertainPolicy: host.uncertainPolicy, cutDeck: host.cutDeck,
            hasMarkerCard: host.hasMarkerCard, requiresKey: host.requiresKey, limits: host.limits, decks: host.decks,
            pool: before?.pool
                ?? StationPool(
                    settings, refused: refusal?.credential == credential ? refusal?.reason : nil,
                    changed: { await events.changed($0) }
                ) { _ in makeStation() },
            growing: growing, credential: credential, before: before)
        if try await store.isDraining(id) { profile.pool.drain() }
        return profile
    }

    /// What a host is made of that does not stand in the file itself.
    func secrets(of host: Configuration.Host) throws -> ContentHash {
        var words = [try host.password.reveal(environment: environment)]
        if let server = host.speaks.ftp { words.append(try server.password.reveal(environment: environment)) }
        return secret.fingerprint(of: words.map { "\($0.utf8.count) \($0)" }.joined(separator: " "))
    }
}
