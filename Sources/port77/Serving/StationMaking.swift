import Engine
import Lines
import Stations
import Wire

/// Makes the stations of a configured host, whatever it speaks.
struct StationMaker {
    let host: Configuration.Host
    let password: String
    let loops: EventLoopGroup
    let outputs: PushedOutputs
    let environment: [String: String]

    func maker() throws -> @Sendable () -> any Station {
        switch host.speaks {
        case .privRJE: try privRJE()
        case .rfc407, .netrjs:
            throw ConfigurationFault(
                line: 0, column: 0, words: "host \(host.id): \(host.speaks.name.rawValue) is not served yet")
        }
    }

    private func tls() throws -> TLSClientSettings? {
        try host.tls.map { try TLSClientSettings(authorityFile: $0.authorities, expectedName: $0.name) }
    }

    private func privRJE() throws -> @Sendable () -> any Station {
        let password = password
        var settings = PrivRJESettings(host: host.address.host, port: host.address.port, user: host.user) { password }
        settings.answerTime = host.answerLimit
        settings.tls = try tls()
        let factory = PrivRJEStationFactory(settings, loops: loops)
        return { factory.makeStation() }
    }
}
